/** Issuers' data inside the vault: files are proved, records' MACs judged, and secrets go from the transport key to a card's session. */
import { createHash, verify } from "node:crypto";
import { concat, equalConstantTime, fromUtf8, hex, utf8 } from "@persoline/card/bytes";
import { type KeptKey, pad80 } from "@persoline/card/crypto";
import {
  IssuerDataProblem,
  parseHead,
  parsePreamble,
  parseRecord,
  provedBytes,
  recordMacBytes,
  type IssuerApplication,
  type TransportMode,
} from "@persoline/card/issuer-data";
import type { KeyRef, Part, SealedSecrets } from "@persoline/card/program";
import type { Keyring } from "./keyring.js";
import { VaultRefusal } from "./vault-refusal.js";
import { issuerRecordsAtOnce, type IssuerFileAsk, type IssuerRecordsAsk } from "./port.js";
import { seal, unseal } from "./seal.js";

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest());

/** Is this the file of whom it says? Nothing of its body is looked at, only the body's digest. Throws VaultRefusal for keys there are not. */
export function proveIssuerFile(ring: Keyring, { preamble, bodyDigest }: IssuerFileAsk): boolean {
  const told = refusing(() => parsePreamble(preamble));
  const covered = provedBytes(told, bodyDigest);
  if (told.algorithm === "Ed25519") {
    return verify(null, covered, ring.issuerSignature(told.key as KeyRef), told.proof);
  }
  return equalConstantTime(ring.fileMac(told.key as KeyRef, covered, told.kcv), told.proof);
}

/** The reader's own problem becomes the module's refusal: it crosses to the line as one. */
function refusing<T>(work: () => T): T {
  try {
    return work();
  } catch (problem) {
    if (problem instanceof IssuerDataProblem) throw new VaultRefusal(problem.message);
    throw problem;
  }
}

/** AID and grouping in one name, as sealed things are called. */
export const sealedName = (aid: string, dgi: number): string =>
  `${aid}/${dgi.toString(16).toUpperCase().padStart(4, "0")}`;

const MODES: readonly TransportMode[] = ["aes-wrap", "3des-cbc", "3des-ecb"];

/** Groupings that hold a PIN (CPS, and the access applet's): of some thousand cards many have the same, and wrapped they look the same too. */
const PINS: readonly number[] = [0x8010, 0x8281];

/**
 * Which record of an issuer's file brought a wrapped value: the same one again, in another record, is a record copied over another, and two
 * cards would have one key. It knows the last file that it was asked about.
 */
export class WrappedValues {
  #file = "";
  readonly #records = new Map<string, number>();

  /** Throws VaultRefusal. */
  judge(
    file: string,
    record: number,
    { id, value }: { readonly id: number; readonly value: Uint8Array },
  ): void {
    if (PINS.includes(id)) return;
    if (this.#file !== file) this.#records.clear();
    this.#file = file;
    const digest = createHash("sha256").update(value).digest("base64").slice(0, 16);
    const before = this.#records.get(digest) ?? record;
    if (before !== record)
      throw new VaultRefusal(
        `records ${Math.min(before, record)} and ${Math.max(before, record)} of the issuer's file have the same enciphered value: one was copied over the other, and two cards would have one key; the whole file is refused`,
      );
    this.#records.set(digest, record);
  }
}

/**
 * Judges each record's MAC and seals its secrets, still under the transport key, for its place in the order: from then on none of them can
 * be moved to another record. `policy`: digest of the order's list; `values`: those of the records before. Refuses all when one is wrong.
 * Throws VaultRefusal.
 */
export function takeIssuerRecords(
  ring: Keyring,
  ask: IssuerRecordsAsk,
  policy: string,
  values: WrappedValues,
): Readonly<Record<string, Uint8Array>>[] {
  const { order, form, head: headBytes, records } = ask;
  if (records.length > issuerRecordsAtOnce)
    throw new VaultRefusal(`${records.length} records at once: at most ${issuerRecordsAtOnce}`);
  const head = refusing(() => parseHead(form, headBytes));
  if (head.order !== order)
    throw new VaultRefusal(`the issuer's file is for order ${head.order}, not for ${order}`);
  if (head.environment !== ring.environment)
    throw new VaultRefusal(
      `the issuer's file is for ${head.environment} cards, this keystore for ${ring.environment} ones`,
    );
  if (ring.now() >= Date.parse(head.expires))
    throw new VaultRefusal(`the issuer's file expired on ${head.expires}; ask the issuer for a new one`);
  const headDigest = sha256(headBytes);
  const algorithm = ring.transportKey(head.transportKey as KeyRef, head.transportKcv);
  return records.map((record) => {
    const mac = ring.fileMac(head.macKey as KeyRef, recordMacBytes(headDigest, record), head.macKcv);
    if (!equalConstantTime(mac, record.mac))
      throw new VaultRefusal(
        `record ${record.number} of the issuer's file: its MAC is wrong; the whole file is refused`,
      );
    const { applications } = refusing(() => parseRecord(form, record));
    for (const one of applications.flatMap(({ groupings }) => groupings))
      if (one.secret) values.judge(hex(headDigest), record.number, one);
    const place = { order, record: record.number, policy };
    return Object.fromEntries(
      applications.flatMap((app) => sealedOf(ring, app, place, head.transportKey, algorithm)),
    );
  });
}

function sealedOf(
  ring: Keyring,
  { aid, mode, groupings }: IssuerApplication,
  place: { readonly order: string; readonly record: number; readonly policy: string },
  transportKey: string,
  algorithm: string,
): (readonly [string, Uint8Array])[] {
  if ((mode === "aes-wrap") !== (algorithm !== "3DES") && groupings.some(({ secret }) => secret))
    throw new VaultRefusal(
      `record ${place.record}: secrets in mode ${mode} cannot be under ${transportKey}, which is ${algorithm}`,
    );
  return groupings.flatMap(({ id, value, secret }) => {
    if (!secret) return [];
    const name = sealedName(hex(aid), id);
    const clear = concat(Uint8Array.of(MODES.indexOf(mode), transportKey.length), utf8(transportKey), value);
    return [[name, seal(ring, { purpose: "issuer-dgi", ...place, name }, clear)] as const];
  });
}

type IssuerPart = Extract<Part, { secret: "issuer-dgi" }>;

/** A secret as the issuer wrapped it, and under which key. */
interface Wrapped {
  readonly name: string;
  readonly record: number;
  readonly mode: TransportMode;
  readonly key: KeyRef;
  readonly value: Uint8Array;
}

function wrappedSecret(ring: Keyring, part: IssuerPart, secrets: SealedSecrets | undefined): Wrapped {
  const name = sealedName(part.application, part.dgi);
  const sealed = secrets?.issuer?.[name];
  if (secrets === undefined || sealed === undefined)
    throw new VaultRefusal(`no sealed grouping ${name} came with this record`);
  const { order, record } = secrets;
  const opened = unseal(ring, { purpose: "issuer-dgi", order, record, name }, sealed);
  const mode = MODES[opened[0] ?? -1];
  const end = 2 + (opened[1] ?? 0);
  if (mode === undefined) throw new VaultRefusal(`the sealed grouping ${name} has an unknown form`);
  return {
    name,
    record,
    mode,
    key: fromUtf8(opened.subarray(2, end)) as KeyRef,
    value: opened.subarray(end),
  };
}

const mustOpen = <T>({ name, record }: Wrapped, open: () => T | undefined): T => {
  const found = open();
  if (found !== undefined) return found;
  throw new VaultRefusal(
    `grouping ${name} of record ${record} does not open under the transport key; the issuer has to send it anew`,
  );
};

function judgeLength({ name, record }: Wrapped, has: number, part: IssuerPart): void {
  if (has !== part.length)
    throw new VaultRefusal(
      `grouping ${name} of record ${record} has ${has} bytes, the product says ${part.length}`,
    );
}

/** A secret in clear, padded as the card wants it: it exists only between this call and the session's encryption. The caller wipes it. */
export function issuerSecret(
  ring: Keyring,
  part: IssuerPart,
  secrets: SealedSecrets | undefined,
): Uint8Array {
  const wrapped = wrappedSecret(ring, part, secrets);
  const clear = mustOpen(wrapped, () => ring.transported(wrapped.key, wrapped.mode, wrapped.value));
  try {
    judgeLength(wrapped, clear.length, part);
  } catch (problem) {
    clear.fill(0);
    throw problem;
  }
  if (part.pad === undefined) return clear;
  const padded = pad80(clear, part.pad);
  clear.fill(0);
  return padded;
}

/** The same as an object of the token, for a session whose keys are there; undefined where it must be clear in between. The caller wipes it. */
export const keptIssuerSecret = (ring: Keyring, part: IssuerPart, secrets: SealedSecrets | undefined) =>
  keptIn(ring, part, secrets, "to-card");

/** A card's key that the issuer made as a key of the token that makes MACs; undefined where it must be clear for that. The caller wipes it. */
export const keptIssuerKey = (ring: Keyring, part: IssuerPart, secrets: SealedSecrets | undefined) =>
  keptIn(ring, part, secrets, "mac");

function keptIn(
  ring: Keyring,
  part: IssuerPart,
  secrets: SealedSecrets | undefined,
  purpose: "to-card" | "mac",
): KeptKey | undefined {
  const { kept } = ring;
  if (kept?.transported === undefined || part.pad !== undefined || part.length % 16 !== 0) return undefined;
  const wrapped = wrappedSecret(ring, part, secrets);
  // Wrapping adds eight bytes to whole blocks: another length is told by the way in clear, which refuses it.
  if (wrapped.mode !== "aes-wrap" || wrapped.value.length !== part.length + 8) return undefined;
  return mustOpen(wrapped, () => kept.transported?.(wrapped.key, wrapped.value, purpose));
}
