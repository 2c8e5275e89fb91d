/** Issuers' data inside the vault: files are proved, records' MACs judged, and secrets go from the transport key to a card's session. */
import { createDecipheriv, createHash, createPublicKey, verify } from "node:crypto";
import { concat, equalConstantTime, fromUtf8, hex, utf8 } from "@persoline/card/bytes";
import { cmac, pad80 } from "@persoline/card/crypto";
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
import { nodeCrypto } from "@persoline/card/node";
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
    const { bytes } = ring.issuerKey(told.key as KeyRef, "issuer-signature");
    const open = createPublicKey({ key: Buffer.from(bytes), format: "der", type: "spki" });
    return verify(null, covered, open, told.proof);
  }
  const { bytes } = ring.issuerKey(told.key as KeyRef, "file-mac", told.kcv);
  return equalConstantTime(macUnder(bytes, covered), told.proof);
}

function macUnder(key: Uint8Array, message: Uint8Array): Uint8Array {
  const cipher = nodeCrypto.aes(key);
  key.fill(0);
  const mac = cmac(cipher, message);
  cipher.wipe();
  return mac;
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

/**
 * Judges each record's MAC and seals its secrets, still under the transport key, for its place in the order: from then on none of them can
 * be moved to another record. Refuses all when one is wrong. Throws VaultRefusal.
 */
export function takeIssuerRecords(
  ring: Keyring,
  ask: IssuerRecordsAsk,
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
  const tk = ring.issuerKey(head.transportKey as KeyRef, "transport", head.transportKcv);
  tk.bytes.fill(0);
  return records.map((record) => {
    const { bytes } = ring.issuerKey(head.macKey as KeyRef, "file-mac", head.macKcv);
    if (!equalConstantTime(macUnder(bytes, recordMacBytes(headDigest, record)), record.mac))
      throw new VaultRefusal(
        `record ${record.number} of the issuer's file: its MAC is wrong; the whole file is refused`,
      );
    const { applications } = refusing(() => parseRecord(form, record));
    const place = { order, record: record.number };
    return Object.fromEntries(
      applications.flatMap((app) => sealedOf(ring, app, place, head.transportKey, tk.algorithm)),
    );
  });
}

function sealedOf(
  ring: Keyring,
  { aid, mode, groupings }: IssuerApplication,
  place: { readonly order: string; readonly record: number },
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
    return [[name, seal(ring.sealing(), { purpose: "issuer-dgi", ...place, name }, clear)] as const];
  });
}

/** A secret in clear, padded as the card wants it: it exists only between this call and the session's encryption. The caller wipes it. */
export function issuerSecret(
  ring: Keyring,
  part: Extract<Part, { secret: "issuer-dgi" }>,
  secrets: SealedSecrets | undefined,
): Uint8Array {
  const name = sealedName(part.application, part.dgi);
  const sealed = secrets?.issuer?.[name];
  if (secrets === undefined || sealed === undefined)
    throw new VaultRefusal(`no sealed grouping ${name} came with this record`);
  const { order, record } = secrets;
  const opened = unseal(ring.sealing(), { purpose: "issuer-dgi", order, record, name }, sealed);
  const mode = MODES[opened[0] ?? -1];
  const end = 2 + (opened[1] ?? 0);
  if (mode === undefined) throw new VaultRefusal(`the sealed grouping ${name} has an unknown form`);
  const key = ring.issuerKey(fromUtf8(opened.subarray(2, end)) as KeyRef, "transport");
  let clear: Uint8Array;
  try {
    clear = decrypted(mode, key.bytes, opened.subarray(end));
  } catch {
    throw new VaultRefusal(
      `grouping ${name} of record ${record} does not open under the transport key; the issuer has to send it anew`,
    );
  } finally {
    key.bytes.fill(0);
  }
  if (clear.length !== part.length) {
    const has = clear.length;
    clear.fill(0);
    throw new VaultRefusal(
      `grouping ${name} of record ${record} has ${has} bytes, the product says ${part.length}`,
    );
  }
  if (part.pad === undefined) return clear;
  const padded = pad80(clear, part.pad);
  clear.fill(0);
  return padded;
}

/** RFC 5649: the alternative initial value's constant. */
const KWP = Uint8Array.of(0xa6, 0x59, 0x59, 0xa6);

function decrypted(mode: TransportMode, key: Uint8Array, value: Uint8Array): Uint8Array {
  if (mode === "aes-wrap") {
    const decipher = createDecipheriv(`id-aes${key.length * 8}-wrap-pad`, key, KWP);
    const clear = Buffer.concat([decipher.update(value), decipher.final()]);
    const copy = Uint8Array.from(clear);
    clear.fill(0);
    return copy;
  }
  const cipher = nodeCrypto.des3(key);
  const clear = mode === "3des-cbc" ? cipher.cbcDecrypt(new Uint8Array(8), value) : cipher.decrypt(value);
  cipher.wipe();
  return clear;
}
