/** The masters of a token: found by what they are, made for one purpose, and what is derived from them. */
import { type KeyObject, verify } from "node:crypto";
import { CardProblem, concat, equalConstantTime, hex, unhex, xor } from "@persoline/card/bytes";
import { type BlockCipher, cmac, type KeyPurpose } from "@persoline/card/crypto";
import { kdf3Input } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import { openWrapped } from "../transport.js";
import { VaultRefusal } from "../vault-refusal.js";
import type { PinKey } from "../keyring.js";
import type { KeyDescription, KeyStanding } from "../port.js";
import { fingerprinted, type Register, type RegisteredKey } from "./register.js";
import { type Handle, type KeyKind, type Token, TokenLost } from "./token.js";
import { doubled, ONES, TokenKey } from "./token-key.js";

const ZEROS = new Uint8Array(16);
const DES_ZEROS = new Uint8Array(8);

/** Its bytes in KDF3 (docs/security-module.md): what is no card's has a "card" of zeros, and numbers of its own. */
const OWN = new Uint8Array(10);
export const ownNumbers = { sealing: 0x81, register: 0x82, signature: 0x83, office: 0x84 } as const;

export const isDes = (algorithm: KeyDescription["algorithm"]): boolean => algorithm === "3DES";
const lengthOf = (algorithm: KeyDescription["algorithm"]): number =>
  isDes(algorithm) ? 16 : algorithm.startsWith("AES") ? Number(algorithm.slice(4)) / 8 : 32;

/** Label of the left half of a key for card verification values. */
export const singleName = (name: string): string => `${name}/single`;

/** What a key of this use is in a token. */
export function kindOf({ use, algorithm }: Pick<KeyDescription, "use" | "algorithm">): KeyKind {
  if (use === "emv-issuer") return "signer";
  if (use === "file-mac") return "mac-master";
  if (use === "transport") return isDes(algorithm) ? "des-transport" : "transport";
  if (use === "pin-transport") return isDes(algorithm) ? "des-transport" : "pin-transport";
  return isDes(algorithm) ? "des-master" : "master";
}

type Told = Pick<RegisteredKey, "use" | "algorithm" | "witness">;

/** What a token's key says of itself, hexadecimal; no check value of those that are for something else than encryption. */
export function identityOf(
  token: Token,
  handle: Handle,
  key: Told,
): { readonly kcv?: string; readonly fingerprint: string } {
  const fingerprint = hex(fingerprintOf(token, handle, key));
  const kcv = (encrypted: Uint8Array): string => hex(encrypted.slice(0, 3));
  switch (kindOf(key)) {
    case "des-master":
      return { kcv: kcv(token.encryptEcb(handle, DES_ZEROS, "des3")), fingerprint };
    case "master":
      return { kcv: kcv(token.deriveBytes(handle, ONES)), fingerprint };
    case "mac-master":
    case "des-transport":
    case "pin-transport":
    case "transport":
    case "signer":
      return { fingerprint };
  }
}

/** Eight bytes, as the register has them; none of RSA keys. */
function fingerprintOf(token: Token, handle: Handle, key: Told): Uint8Array {
  const eight = (bytes: Uint8Array): Uint8Array => bytes.slice(0, 8);
  switch (kindOf(key)) {
    case "des-master":
      return eight(token.encryptEcb(handle, fingerprinted, "des3"));
    case "mac-master":
      return eight(token.cmac(handle, fingerprinted));
    case "des-transport":
      return eight(token.decryptDes(handle, fingerprinted, "ecb"));
    case "pin-transport":
      return eight(token.decryptEcb(handle, fingerprinted, "aes"));
    case "transport": {
      const opened = token.unwrapBytes(handle, unhex(key.witness ?? ""));
      return eight(nodeCrypto.sha256(opened));
    }
    case "master":
      return eight(token.deriveBytes(handle, fingerprinted));
    case "signer":
      return new Uint8Array(0);
  }
}

/** Whether a value is this key of the register: told by the same as in the token, with the value's bytes in this process. */
export function isOf(key: RegisteredKey, value: Uint8Array): boolean {
  if (key.fingerprint === "" || value.length !== lengthOf(key.algorithm)) return false;
  return equalConstantTime(told(key, value).slice(0, 8), unhex(key.fingerprint));
}

function told(key: RegisteredKey, value: Uint8Array): Uint8Array {
  const kind = kindOf(key);
  if (kind === "transport") {
    try {
      return nodeCrypto.sha256(openWrapped("aes-wrap", value, unhex(key.witness ?? "")));
    } catch {
      // The witness is another key's.
      return new Uint8Array(8);
    }
  }
  const cipher = isDes(key.algorithm) ? nodeCrypto.des3(value) : nodeCrypto.aes(value);
  try {
    if (kind === "mac-master") return cmac(cipher, fingerprinted);
    const deciphers = kind === "des-transport" || kind === "pin-transport";
    return deciphers ? cipher.decrypt(fingerprinted) : cipher.encrypt(fingerprinted);
  } finally {
    cipher.wipe();
  }
}

const isSame = (token: Token, handle: Handle, key: RegisteredKey): boolean => {
  const found = identityOf(token, handle, key);
  return (
    (found.kcv === undefined || equalConstantTime(unhex(found.kcv), unhex(key.kcv))) &&
    equalConstantTime(unhex(found.fingerprint), unhex(key.fingerprint))
  );
};

/** A key of the token for one connection of it. */
export class Found {
  readonly key: RegisteredKey;
  protected readonly token: Token;
  readonly #handle: Handle;
  readonly #generation: number;

  constructor(token: Token, key: RegisteredKey, handle: Handle) {
    this.token = token;
    this.key = key;
    this.#handle = handle;
    this.#generation = token.generation;
  }

  /** Good for the present connection only. Throws TokenLost. */
  get handle(): Handle {
    if (this.#generation !== this.token.generation)
      throw new TokenLost("the token was connected anew; its keys are being found again");
    return this.#handle;
  }

  /** What the token says of it; undefined after a lost connection. */
  standing(): KeyStanding | undefined {
    return this.#generation === this.token.generation ? this.token.standing(this.#handle) : undefined;
  }

  /**
   * Before keys go into a card for good: is the handle still this key? By its fingerprint, which says more than the check value it was
   * found by besides; one answer of the token, for every card asks. Throws VaultRefusal.
   */
  judge(): void {
    const said = fingerprintOf(this.token, this.handle, this.key);
    if (!equalConstantTime(said, unhex(this.key.fingerprint)))
      throw new VaultRefusal(
        `the token answers with another key than ${this.key.name}: nothing was made with it. Look at the token`,
      );
  }
}

/** An AES master of the token for one connection of it. */
export class Master extends Found {
  readonly #subkey: Uint8Array;

  constructor(token: Token, key: RegisteredKey, handle: Handle) {
    super(token, key, handle);
    this.#subkey = isDes(key.algorithm) ? new Uint8Array(0) : doubled(token.deriveBytes(handle, ZEROS));
  }

  get keyLength(): number {
    return lengthOf(this.key.algorithm);
  }

  /** The key of KDF3 inside the token; masters of 16 bytes only. */
  derive(kdd: Uint8Array, k: number, purpose: KeyPurpose): TokenKey {
    const block = xor(kdf3Input(kdd, k, 1), this.#subkey);
    return new TokenKey(this.token, this.token.derive(this.handle, ZEROS, block, purpose), purpose);
  }

  /** The same key as bytes in this process, as long as the master; the caller wipes them. */
  deriveBytes(kdd: Uint8Array, k: number): Uint8Array {
    const block = (i: number) => this.token.deriveBytes(this.handle, xor(kdf3Input(kdd, k, i), this.#subkey));
    if (this.keyLength === 16) return block(1);
    const both = concat(block(1), block(2));
    const key = both.slice(0, this.keyLength);
    both.fill(0);
    return key;
  }

  /** 32 bytes for this program's own purposes. */
  own(k: (typeof ownNumbers)[keyof typeof ownNumbers]): Uint8Array {
    return this.deriveBytes(OWN, k);
  }

  /** Encryption under the master, block by block, for derivations that are computed here. */
  cipher(): BlockCipher {
    const isTriple = isDes(this.key.algorithm);
    const size = isTriple ? 8 : 16;
    const block = (data: Uint8Array): Uint8Array =>
      isTriple ? this.desEncrypt(data) : this.token.deriveBytes(this.handle, data);
    const refuse = (): never => {
      throw new VaultRefusal("a master in a token does not decrypt");
    };
    const chained = (iv: Uint8Array, data: Uint8Array): Uint8Array => {
      const out: Uint8Array[] = [];
      for (let at = 0; at < data.length; at += size)
        out.push(block(xor(data.subarray(at, at + size), out.at(-1) ?? iv)));
      return concat(...out);
    };
    return {
      blockSize: size,
      encrypt: (data) =>
        concat(
          ...Array.from({ length: data.length / size }, (_, at) =>
            block(data.subarray(size * at, size * at + size)),
          ),
        ),
      decrypt: refuse,
      cbcEncrypt: chained,
      cbcDecrypt: refuse,
      wipe: () => undefined,
    };
  }

  /** 3DES-ECB of whole blocks: how masters of SCP02 are diversified. */
  desEncrypt(data: Uint8Array): Uint8Array {
    return this.token.encryptEcb(this.handle, data, "des3");
  }

  /** The same as a cipher that only encrypts: payment masters are used so. */
  desCipher(): BlockCipher {
    const refuse = (): never => {
      throw new VaultRefusal("a payment master in a token encrypts single blocks, and nothing else");
    };
    return {
      blockSize: 8,
      encrypt: (data) => this.desEncrypt(data),
      decrypt: refuse,
      cbcEncrypt: refuse,
      cbcDecrypt: refuse,
      wipe: () => undefined,
    };
  }
}

/** A token's key of PIN blocks at work: no bytes of it are here. */
export function pinKeyIn(token: Token, handle: Handle, isTriple: boolean): PinKey {
  const refuse = (): never => {
    throw new VaultRefusal("a key of PIN blocks in a token deciphers, and does nothing else");
  };
  const cipher: BlockCipher = {
    blockSize: isTriple ? 8 : 16,
    encrypt: refuse,
    decrypt: (block) => token.decryptEcb(handle, block, isTriple ? "des3" : "aes"),
    cbcEncrypt: refuse,
    cbcDecrypt: refuse,
    wipe: () => undefined,
  };
  return {
    crypto: { ...nodeCrypto, aes: () => cipher, des3: () => cipher },
    key: new Uint8Array(16),
    isDes: isTriple,
  };
}

/** The objects of its label, and those among them that are this key. */
export function objectsOf(
  token: Token,
  key: RegisteredKey,
): { readonly labelled: readonly Handle[]; readonly ours: readonly Handle[] } {
  const isSigner = kindOf(key) === "signer";
  const labelled = token.find(key.name, isSigner ? "private" : "secret");
  const ours = labelled.filter((handle) => {
    try {
      return isSigner ? signsAs(token, handle, key) : isSame(token, handle, key);
    } catch (error) {
      if (error instanceof VaultRefusal) return false;
      throw error;
    }
  });
  return { labelled, ours };
}

/**
 * Finds a key by label, check value and fingerprint, whatever else carries its label. Throws VaultRefusal when there is none, or more
 * than one, or one that may do what its kind must not.
 */
export function findKey(token: Token, key: RegisteredKey): Handle {
  const kind = kindOf(key);
  const { labelled, ours } = objectsOf(token, key);
  const where = `token ${token.name}: key ${key.name}`;
  const [handle] = ours;
  if (handle === undefined) {
    throw new VaultRefusal(
      labelled.length === 0
        ? `${where} is not there`
        : `${where}: ${labelled.length} of this label, but none with check value ${key.kcv}: it is another key of the same name`,
    );
  }
  if (ours.length > 1) throw new VaultRefusal(`${where} is there ${ours.length} times: remove the copies`);
  const wrong = token.wrongAttributes(handle, kind);
  if (wrong !== undefined) throw new VaultRefusal(`${where}: ${wrong}; a master must not`);
  const lost = lostStanding(key, token.standing(handle));
  if (lost !== undefined)
    throw new VaultRefusal(
      `${where}: ${lost}. It is another object with the same value, or was changed: look at the token, and replace the key`,
    );
  return handle;
}

/** What the token said of the key when it was made, and says no more; of keys that were made before this was asked nothing is known. */
function lostStanding({ standing }: RegisteredKey, now: KeyStanding): string | undefined {
  if (standing?.born === true && !now.born)
    return "it was drawn in the token, and the token says now that it was not";
  if (standing?.fixed === true && !now.fixed)
    return "it was made never to be changed or copied, and now it may be";
  return undefined;
}

/** What the left half of a key for card verification values is registered as, where it works alone. */
export const singleOf = ({ single, ...key }: RegisteredKey): RegisteredKey | undefined =>
  single === undefined
    ? undefined
    : { ...key, ...single, name: singleName(key.name) as RegisteredKey["name"] };

export const findMaster = (token: Token, key: RegisteredKey): Master =>
  new Master(token, key, findKey(token, key));

/** Whether the registered public half confirms what this key signs. */
function signsAs(token: Token, handle: Handle, { issuer }: RegisteredKey): boolean {
  if (issuer === undefined) return false;
  const publicKey = { modulus: unhex(issuer.modulus), exponent: unhex(issuer.exponent) };
  const block = concat(Uint8Array.of(0), token.random(publicKey.modulus.length - 1));
  try {
    return equalConstantTime(nodeCrypto.rsaPublic(publicKey, token.signRaw(handle, block)), block);
  } catch (error) {
    // A signature longer than the modulus is another key's.
    if (error instanceof CardProblem) return false;
    throw error;
  }
}

/** The pair of the register's name whose signature `open` confirms. Throws VaultRefusal: none, copies, or one that may leave the token. */
export function findSigning(token: Token, register: Pick<Register, "keys">, open: KeyObject): Handle {
  const name = register.keys.find(({ use }) => use === "sign")?.name ?? "";
  const challenge = token.random(32);
  const ours = token.find(name, "private").filter((key) => {
    try {
      return verify(null, challenge, open, token.signEd25519(key, challenge));
    } catch (error) {
      if (error instanceof VaultRefusal) return false;
      throw error;
    }
  });
  const where = `token ${token.name}: the signing key ${name}`;
  const [found] = ours;
  if (found === undefined) throw new VaultRefusal(`${where} is not there, or is another one`);
  if (ours.length > 1) throw new VaultRefusal(`${where} is there ${ours.length} times: remove the copies`);
  const wrong = token.wrongAttributes(found, "pair");
  if (wrong !== undefined) throw new VaultRefusal(`${where}: ${wrong}; it must not`);
  return found;
}

/** SPKI (RFC 8410) around a point. */
export const spkiOf = (point: Uint8Array): Uint8Array => concat(unhex("302A300506032B6570032100"), point);
