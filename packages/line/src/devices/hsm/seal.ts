/** Small things sealed by the vault for the store: AES-256-GCM under a key of their own purpose, bound to where they belong. */
import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { random } from "./draw.js";
import { VaultRefusal } from "./vault-refusal.js";

/** Where a sealed thing belongs; part of the seal, so that it cannot be moved to another order, record or name. */
export interface Belonging {
  readonly purpose: "pin" | "data-key" | "issuer-dgi" | "payment";
  readonly order: string;
  readonly record?: number;
  readonly name?: string;
}

const FORM = 1;

const purposeKey = (sealing: Uint8Array, purpose: string): Uint8Array =>
  new Uint8Array(hkdfSync("sha256", sealing, new Uint8Array(0), `persoline ${purpose}`, 32));

const text = (b: Belonging): Buffer =>
  Buffer.from(JSON.stringify([b.purpose, b.order, b.record ?? 0, b.name ?? ""]));

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
  return new Uint8Array(Buffer.concat([Buffer.of(FORM), length, head, iv, cipher.getAuthTag(), sealed]));
}

const named = ({ purpose, order, record, name }: Belonging): string =>
  `${{ pin: "PIN", "data-key": "data key", "issuer-dgi": "grouping", payment: "payment application" }[purpose]}${name === undefined ? "" : ` "${name}"`} of order ${order}${record === undefined ? "" : `, record ${record}`}`;

/** Opens it when it belongs where the caller says, and nowhere else. Throws VaultRefusal. The caller wipes the result. */
export function unseal(sealing: Uint8Array, expected: Belonging, sealed: Uint8Array): Uint8Array {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const wrong = () =>
    new VaultRefusal(
      `the sealed ${named(expected)} is damaged or belongs elsewhere; nothing was opened, nothing sent. Restore the database from a backup`,
    );
  if (bytes.length < 3 || bytes[0] !== FORM) throw wrong();
  const at = 3 + bytes.readUInt16BE(1);
  if (bytes.length < at + 28) throw wrong();
  const head = bytes.subarray(3, at);
  if (!head.equals(text(expected))) throw wrong();
  const key = purposeKey(sealing, expected.purpose);
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(at, at + 12)).setAAD(head);
    decipher.setAuthTag(bytes.subarray(at + 12, at + 28));
    return new Uint8Array(Buffer.concat([decipher.update(bytes.subarray(at + 28)), decipher.final()]));
  } catch {
    throw wrong();
  } finally {
    key.fill(0);
  }
}
