/**
 * PIN letters: rendered inside the vault and encrypted at once for the letter printer (X25519, HKDF-SHA-256, AES-256-GCM). Whoever
 * holds the printer's private key opens them; the line never can. A letter carries no card serial and no account number.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";

export interface LetterText {
  readonly letter: string;
  readonly order: string;
  readonly addressee: string;
}

interface SealedLetter {
  readonly format: "persoline-letter";
  readonly version: 1;
  readonly letter: string;
  readonly ephemeral: string;
  readonly iv: string;
  readonly tag: string;
  readonly sealed: string;
}

const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

const agreed = (secret: KeyObject, open: KeyObject, letter: string): Uint8Array =>
  new Uint8Array(
    hkdfSync(
      "sha256",
      diffieHellman({ privateKey: secret, publicKey: open }),
      new Uint8Array(0),
      `persoline letter ${letter}`,
      32,
    ),
  );

/** The letter as a file for the printer. `digits`: the PIN in ASCII; the caller wipes it. */
export function sealLetter(printer: KeyObject, text: LetterText, digits: Uint8Array): string {
  const pair = generateKeyPairSync("x25519");
  const key = agreed(pair.privateKey, printer, text.letter);
  const iv = randomBytes(12);
  const head = Buffer.from(
    `Letter ${text.letter}\nOrder ${text.order}\n\n${text.addressee}\n\nYour PIN: `,
    "utf8",
  );
  const clear = Buffer.concat([
    head,
    digits,
    Buffer.from("\n\nKeep it in your head and destroy this letter.\n"),
  ]);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(text.letter));
  const sealed = Buffer.concat([cipher.update(clear), cipher.final()]);
  clear.fill(0);
  key.fill(0);
  const file: SealedLetter = {
    format: "persoline-letter",
    version: 1,
    letter: text.letter,
    ephemeral: b64(pair.publicKey.export({ format: "der", type: "spki" })),
    iv: b64(iv),
    tag: b64(cipher.getAuthTag()),
    sealed: b64(sealed),
  };
  return `${JSON.stringify(file)}\n`;
}

/** At the letter printer: the text of a letter. Throws when the letter was altered or is for another printer. */
export function openLetter(printerKeyPem: string, content: string): string {
  const file = JSON.parse(content) as SealedLetter;
  const unb64 = (text: string) => Buffer.from(text, "base64");
  const ephemeral = createPublicKey({ key: unb64(file.ephemeral), format: "der", type: "spki" });
  const key = agreed(createPrivateKey(printerKeyPem), ephemeral, file.letter);
  const decipher = createDecipheriv("aes-256-gcm", key, unb64(file.iv)).setAAD(Buffer.from(file.letter));
  decipher.setAuthTag(unb64(file.tag));
  return Buffer.concat([decipher.update(unb64(file.sealed)), decipher.final()]).toString("utf8");
}
