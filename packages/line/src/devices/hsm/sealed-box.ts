/** Things encrypted for a machine outside: X25519 with a fresh pair, HKDF-SHA-256, AES-256-GCM. The line carries them and can open none. */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from "node:crypto";

import { random } from "./draw.js";

/** All base64. */
export interface SealedBox {
  readonly ephemeral: string;
  readonly iv: string;
  readonly tag: string;
  readonly sealed: string;
}

/** What the box is for: part of its key; and what it belongs to, which opens it nowhere else. */
export interface BoxLabel {
  readonly purpose: string;
  readonly belongs: string;
}

/** SPKI (RFC 8410) around a point: what exporting it as DER gives, for a fifteenth of the time. */
const spkiOf = (open: KeyObject): Uint8Array =>
  Buffer.concat([
    Buffer.from("302a300506032b656e032100", "hex"),
    Buffer.from(open.export({ format: "jwk" }).x ?? "", "base64url"),
  ]);

const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const unb64 = (text: string): Buffer => Buffer.from(text, "base64");

const agreed = (secret: KeyObject, open: KeyObject, purpose: string): Uint8Array =>
  new Uint8Array(
    hkdfSync(
      "sha256",
      diffieHellman({ privateKey: secret, publicKey: open }),
      new Uint8Array(0),
      `persoline ${purpose}`,
      32,
    ),
  );

/** `clear` is wiped. */
export function boxFor(open: KeyObject, { purpose, belongs }: BoxLabel, clear: Uint8Array): SealedBox {
  const pair = generateKeyPairSync("x25519");
  const key = agreed(pair.privateKey, open, purpose);
  const iv = random(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(belongs));
  const sealed = Buffer.concat([cipher.update(clear), cipher.final()]);
  clear.fill(0);
  key.fill(0);
  return {
    ephemeral: b64(spkiOf(pair.publicKey)),
    iv: b64(iv),
    tag: b64(cipher.getAuthTag()),
    sealed: b64(sealed),
  };
}

/** At the machine. Throws when the box was altered, is for another machine, or belongs elsewhere. */
export function openBox(
  privateKey: KeyObject | string,
  { purpose, belongs }: BoxLabel,
  box: SealedBox,
): Uint8Array {
  const ephemeral = createPublicKey({ key: unb64(box.ephemeral), format: "der", type: "spki" });
  const secret = typeof privateKey === "string" ? createPrivateKey(privateKey) : privateKey;
  const key = agreed(secret, ephemeral, purpose);
  const decipher = createDecipheriv("aes-256-gcm", key, unb64(box.iv)).setAAD(Buffer.from(belongs));
  decipher.setAuthTag(unb64(box.tag));
  return new Uint8Array(Buffer.concat([decipher.update(unb64(box.sealed)), decipher.final()]));
}
