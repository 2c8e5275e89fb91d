/**
 * Small things sealed by the vault for the store: AES-256-GCM under a key of their own purpose, made of the installation's sealing key and of
 * a secret of their order, bound to where they belong.
 */
import { createHmac } from "node:crypto";
import { gcmOpened, gcmSealed, gcmShortest } from "./gcm.js";
import { type OrderEnd, type OrderSecrets, sealKey } from "./order-secrets.js";
import { VaultRefusal } from "./vault-refusal.js";

/** What seals are made under, as a keyring has it. */
export interface SealKeys {
  /** The installation's own. */
  sealing(): Uint8Array;
  readonly orders: OrderSecrets;
}

/** Where a sealed thing belongs; part of the seal, so that it cannot be moved to another order, record or name. */
export interface Belonging {
  readonly purpose: "pin" | "data-key" | "issuer-dgi" | "payment";
  readonly order: string;
  readonly record?: number;
  readonly name?: string;
  /**
   * Digest of the list of what the order may have done with its secrets (order-policy.ts). Sealing: absent in no new seal. Opening: absent for
   * what goes into no card, and then not compared.
   */
  readonly policy?: string;
  /** Opening: the order was taken in before there were such lists, and so were its seals. */
  readonly unlisted?: boolean;
  /** Sealing a PIN: whose it is (`accountTag`), or "" for nobody's. */
  readonly account?: string;
  /** Opening a PIN: whose it may be. Absent: anybody's. PINs that were sealed before they named an account are anybody's too. */
  readonly accounts?: readonly string[];
}

/** Without and with a list, both under the installation's key alone; with a list, under a secret of the order too. */
const FORM = { before: 1, listed: 2, ofOrder: 3 } as const;

const none = new Uint8Array(0);

/** Which secret of its order it is sealed under: what goes into cards has no use after the delivery. */
const endOf = ({ purpose }: Belonging): OrderEnd => (purpose === "data-key" ? "erasure" : "delivery");

/** Names an account in a seal, and tells nobody its number. `own`: only this account's holder can know the PIN. */
export function accountTag(sealing: Uint8Array, pan: string, own: boolean): string {
  const key = sealKey(sealing, none, "account");
  const tag = createHmac("sha256", key)
    .update(`${own ? "own" : "any"} ${pan}`)
    .digest("hex");
  key.fill(0);
  return tag.slice(0, 32);
}

const place = (b: Belonging): readonly (string | number)[] => [
  b.purpose,
  b.order,
  b.record ?? 0,
  b.name ?? "",
];
const text = (b: Belonging): Buffer => {
  const account = b.account === undefined ? [] : [b.account];
  return Buffer.from(JSON.stringify(b.policy === undefined ? place(b) : [...place(b), b.policy, ...account]));
};

/** `form (1) ‖ length of belonging (2) ‖ belonging ‖ IV (12) ‖ tag (16) ‖ cipher text`. Throws VaultRefusal for an order that ended. */
export function seal(keys: SealKeys, belongs: Belonging, clear: Uint8Array): Uint8Array {
  const sealing = keys.sealing();
  // Orders that were taken in before they had secrets go on as they began.
  const secret =
    belongs.policy === undefined ? undefined : keys.orders.of(belongs.order, endOf(belongs), sealing);
  const form = belongs.policy === undefined ? FORM.before : secret === undefined ? FORM.listed : FORM.ofOrder;
  const key = sealKey(sealing, secret ?? none, belongs.purpose);
  secret?.fill(0);
  const head = text(belongs);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(head.length);
  try {
    return new Uint8Array(Buffer.concat([Buffer.of(form), length, head, gcmSealed(key, head, clear)]));
  } finally {
    key.fill(0);
  }
}

/** Digest of the list that a seal names, of one that was opened; undefined: it was sealed before there were lists. */
export function listOf(sealed: Uint8Array): string | undefined {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const list = isUnlisted(sealed) ? undefined : headIn(bytes.subarray(3, 3 + bytes.readUInt16BE(1)))?.[4];
  return typeof list === "string" ? list : undefined;
}

/** Sealed before there were lists. */
export const isUnlisted = (sealed: Uint8Array): boolean => sealed[0] === FORM.before;

const named = ({ purpose, order, record, name }: Belonging): string =>
  `${{ pin: "PIN", "data-key": "data key", "issuer-dgi": "grouping", payment: "payment application" }[purpose]}${name === undefined ? "" : ` "${name}"`} of order ${order}${record === undefined ? "" : `, record ${record}`}`;

/** Opens it when it belongs where the caller says, and nowhere else. Throws VaultRefusal. The caller wipes the result. */
export function unseal(keys: SealKeys, expected: Belonging, sealed: Uint8Array): Uint8Array {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const wrong = () =>
    new VaultRefusal(
      `the sealed ${named(expected)} is damaged or belongs elsewhere; nothing was opened, nothing sent. Restore the database from a backup`,
    );
  if (bytes.length < 3) throw wrong();
  const at = 3 + bytes.readUInt16BE(1);
  if (bytes.length < at + gcmShortest) throw wrong();
  const head = bytes.subarray(3, at);
  const listed = policyIn(bytes[0], head, expected);
  if (listed === "elsewhere") throw wrong();
  const key = openingKey(keys, expected, bytes[0]);
  const opened = gcmOpened(key, head, bytes.subarray(at));
  key.fill(0);
  if (opened === undefined) throw wrong();
  if (listed === "right") return opened;
  opened.fill(0);
  throw new VaultRefusal(
    `the sealed ${named(expected)} was made under another list of places than the order's own: it goes into no card`,
  );
}

/** Seals of before orders had secrets are refused too, once their order has ended. Throws VaultRefusal. */
function openingKey(keys: SealKeys, expected: Belonging, form: number | undefined): Uint8Array {
  const end = endOf(expected);
  const sealing = keys.sealing();
  if (form !== FORM.ofOrder) {
    keys.orders.mustLive(expected.order, end);
    return sealKey(sealing, none, expected.purpose);
  }
  const secret = keys.orders.of(expected.order, end, sealing);
  if (secret === undefined) throw keys.orders.missing(expected.order, end);
  const key = sealKey(sealing, secret, expected.purpose);
  secret.fill(0);
  return key;
}

/** Whether the seal's head is of the expected place, and of the expected list. */
function policyIn(
  form: number | undefined,
  head: Buffer,
  expected: Belonging,
): "right" | "other-list" | "elsewhere" {
  const { policy, unlisted = false } = expected;
  if (form === FORM.before) {
    if (!head.equals(Buffer.from(JSON.stringify(place(expected))))) return "elsewhere";
    return policy === undefined || unlisted ? "right" : "other-list";
  }
  if (form !== FORM.listed && form !== FORM.ofOrder) return "elsewhere";
  const told = headIn(head);
  if (told === undefined || told.length < 5 || told.length > 6) return "elsewhere";
  if (!place(expected).every((one, at) => one === told[at])) return "elsewhere";
  const [account] = told.slice(5);
  if (account !== undefined && expected.accounts?.some((one) => one === account) === false)
    return "elsewhere";
  return policy === undefined || policy === told[4] ? "right" : "other-list";
}

function headIn(head: Buffer): readonly unknown[] | undefined {
  try {
    const told: unknown = JSON.parse(head.toString("utf8"));
    return Array.isArray(told) ? told : undefined;
  } catch {
    return undefined;
  }
}
