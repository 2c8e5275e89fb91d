/**
 * Things encrypted for a machine outside: X25519 with a fresh pair, HKDF-SHA-256, AES-256-GCM, and signed by the security module, for anybody
 * has the machine's public key. The line's process carries them; it can open none and make none.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  verify,
} from "node:crypto";

import { random } from "./draw.js";

/** All base64. */
export interface SealedBox {
  readonly ephemeral: string;
  readonly iv: string;
  readonly tag: string;
  readonly sealed: string;
  /** Ed25519 of the line; absent in boxes of former programs, which are not opened. */
  readonly signature?: string;
}

/** What the box is for: part of its key; and what it belongs to, which opens it nowhere else. */
export interface BoxLabel {
  /** A signature of one kind is none of the other, nor any that is given for what the line says itself. */
  readonly kind: "letters" | "stripe";
  readonly purpose: string;
  /** One line of text. */
  readonly belongs: string;
}

/** Of the module: Ed25519 under the line's signature key. */
export type LineSign = (bytes: Uint8Array) => Uint8Array;

/** The box has no signature, or none of a line that the machine knows; nothing of it was decrypted. */
export class NotOfTheLine extends Error {
  readonly why: "unsigned" | "foreign";
  constructor(why: NotOfTheLine["why"]) {
    super(why === "unsigned" ? "it bears no signature" : "it is not signed by a line that is known here");
    this.why = why;
  }
}

/** "persoline KIND", LF, SHA-256 over what it belongs to and the four texts, LF between them: short enough for every token. */
const signedBytes = ({ kind, belongs }: BoxLabel, { ephemeral, iv, tag, sealed }: SealedBox): Uint8Array =>
  Buffer.concat([
    Buffer.from(`persoline ${kind}\n`),
    createHash("sha256").update([belongs, ephemeral, iv, tag, sealed].join("\n")).digest(),
  ]);

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
export function boxFor(open: KeyObject, sign: LineSign, label: BoxLabel, clear: Uint8Array): SealedBox {
  const { purpose, belongs } = label;
  const pair = generateKeyPairSync("x25519");
  const key = agreed(pair.privateKey, open, purpose);
  const iv = random(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(belongs));
  const sealed = Buffer.concat([cipher.update(clear), cipher.final()]);
  clear.fill(0);
  key.fill(0);
  const box = {
    ephemeral: b64(spkiOf(pair.publicKey)),
    iv: b64(iv),
    tag: b64(cipher.getAuthTag()),
    sealed: b64(sealed),
  };
  return { ...box, signature: b64(sign(signedBytes(label, box))) };
}

/** What a machine needs to open what a line sends it: its own private key, and the public halves of the lines it works for. */
export interface MachineKeys {
  readonly own: KeyObject | string;
  readonly lines: readonly KeyObject[];
}

/**
 * At the machine. Throws NotOfTheLine, before anything is decrypted, for what none of its lines signed as it is; another Error when it is for
 * another machine.
 */
export function openBox(
  { own: privateKey, lines }: MachineKeys,
  label: BoxLabel,
  box: SealedBox,
): Uint8Array {
  const { signature } = box;
  if (typeof signature !== "string") throw new NotOfTheLine("unsigned");
  const signed = signedBytes(label, box);
  if (!lines.some((line) => verify(null, signed, line, unb64(signature)))) throw new NotOfTheLine("foreign");
  const { purpose, belongs } = label;
  const ephemeral = createPublicKey({ key: unb64(box.ephemeral), format: "der", type: "spki" });
  const secret = typeof privateKey === "string" ? createPrivateKey(privateKey) : privateKey;
  const key = agreed(secret, ephemeral, purpose);
  const decipher = createDecipheriv("aes-256-gcm", key, unb64(box.iv)).setAAD(Buffer.from(belongs));
  decipher.setAuthTag(unb64(box.tag));
  return new Uint8Array(Buffer.concat([decipher.update(unb64(box.sealed)), decipher.final()]));
}
