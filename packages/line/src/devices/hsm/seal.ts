/** Small things sealed by the vault for the store: AES-256-GCM under a key of their own purpose, bound to where they belong. */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from "node:crypto";
import { unmovedCopy } from "@persoline/card/bytes";
import { random } from "./draw.js";
import { VaultRefusal } from "./vault-refusal.js";

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

/** Without and with a list. */
const FORM = { before: 1, listed: 2 } as const;

const purposeKey = (sealing: Uint8Array, purpose: string): Uint8Array =>
  new Uint8Array(hkdfSync("sha256", sealing, new Uint8Array(0), `persoline ${purpose}`, 32));

/** Names an account in a seal, and tells nobody its number. `own`: only this account's holder can know the PIN. */
export function accountTag(sealing: Uint8Array, pan: string, own: boolean): string {
  const key = purposeKey(sealing, "account");
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

/** `form (1) ‖ length of belonging (2) ‖ belonging ‖ IV (12) ‖ tag (16) ‖ cipher text`. */
export function seal(sealing: Uint8Array, belongs: Belonging, clear: Uint8Array): Uint8Array {
  const key = purposeKey(sealing, belongs.purpose);
  const head = text(belongs);
  const iv = random(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(head);
  const sealed = Buffer.concat([cipher.update(clear), cipher.final()]);
  key.fill(0);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(head.length);
  const form = belongs.policy === undefined ? FORM.before : FORM.listed;
  return new Uint8Array(Buffer.concat([Buffer.of(form), length, head, iv, cipher.getAuthTag(), sealed]));
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
export function unseal(sealing: Uint8Array, expected: Belonging, sealed: Uint8Array): Uint8Array {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const wrong = () =>
    new VaultRefusal(
      `the sealed ${named(expected)} is damaged or belongs elsewhere; nothing was opened, nothing sent. Restore the database from a backup`,
    );
  if (bytes.length < 3) throw wrong();
  const at = 3 + bytes.readUInt16BE(1);
  if (bytes.length < at + 28) throw wrong();
  const head = bytes.subarray(3, at);
  const listed = policyIn(bytes[0], head, expected);
  if (listed === "elsewhere") throw wrong();
  const key = purposeKey(sealing, expected.purpose);
  let toWipe: Uint8Array | undefined;
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(at, at + 12)).setAAD(head);
    decipher.setAuthTag(bytes.subarray(at + 12, at + 28));
    // GCM gives all of it at once.
    const clear = decipher.update(bytes.subarray(at + 28));
    const opened = unmovedCopy(clear);
    clear.fill(0);
    toWipe = opened;
    decipher.final();
    toWipe = undefined;
    if (listed === "right") return opened;
    opened.fill(0);
  } catch {
    throw wrong();
  } finally {
    key.fill(0);
    // Not proved: nobody gets it.
    toWipe?.fill(0);
  }
  throw new VaultRefusal(
    `the sealed ${named(expected)} was made under another list of places than the order's own: it goes into no card`,
  );
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
  if (form !== FORM.listed) return "elsewhere";
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
