/** The masters of a token: found by what they are, made for one purpose, and what is derived from them. */
import { createPrivateKey, createPublicKey, type KeyObject, verify } from "node:crypto";
import { concat, equalConstantTime, hex, unhex } from "@persoline/card/bytes";
import type { BlockCipher, KeyPurpose } from "@persoline/card/crypto";
import { kdf3Input } from "@persoline/card/globalplatform";
import { VaultRefusal } from "../keyring.js";
import type { KeyDescription } from "../port.js";
import { fingerprinted, type Register, type RegisteredKey } from "./register.js";
import { type Handle, type Token, TokenLost } from "./token.js";
import { doubled, ONES, TokenKey, xor } from "./token-key.js";

const ZEROS = new Uint8Array(16);
const DES_ZEROS = new Uint8Array(8);

/** Its bytes in KDF3 (docs/security-module.md): what is no card's has a "card" of zeros, and numbers of its own. */
const OWN = new Uint8Array(10);
export const ownNumbers = { sealing: 0x81, register: 0x82, signature: 0x83, office: 0x84 } as const;

export const isDes = (algorithm: KeyDescription["algorithm"]): boolean => algorithm === "3DES";
const lengthOf = (algorithm: KeyDescription["algorithm"]): number =>
  isDes(algorithm) ? 16 : algorithm.startsWith("AES") ? Number(algorithm.slice(4)) / 8 : 32;

/** GlobalPlatform check value and fingerprint, both hexadecimal. */
export function identityOf(token: Token, key: Handle, algorithm: KeyDescription["algorithm"]) {
  if (isDes(algorithm)) {
    return {
      kcv: hex(token.encryptEcb(key, DES_ZEROS, "des3").slice(0, 3)),
      fingerprint: hex(token.encryptEcb(key, fingerprinted, "des3").slice(0, 8)),
    };
  }
  return {
    kcv: hex(token.deriveBytes(key, ONES).slice(0, 3)),
    fingerprint: hex(token.deriveBytes(key, fingerprinted).slice(0, 8)),
  };
}

/** An AES master of the token for one connection of it. */
export class Master {
  readonly key: RegisteredKey;
  readonly #token: Token;
  readonly #handle: Handle;
  readonly #generation: number;
  readonly #subkey: Uint8Array;

  constructor(token: Token, key: RegisteredKey, handle: Handle) {
    this.#token = token;
    this.key = key;
    this.#handle = handle;
    this.#generation = token.generation;
    this.#subkey = isDes(key.algorithm) ? new Uint8Array(0) : doubled(token.deriveBytes(handle, ZEROS));
  }

  get keyLength(): number {
    return lengthOf(this.key.algorithm);
  }

  /** The key of KDF3 inside the token; masters of 16 bytes only. */
  derive(kdd: Uint8Array, k: number, purpose: KeyPurpose): TokenKey {
    const block = xor(kdf3Input(kdd, k, 1), this.#subkey);
    return new TokenKey(this.#token, this.#token.derive(this.#current(), ZEROS, block, purpose), purpose);
  }

  /** The same key as bytes in this process, as long as the master; the caller wipes them. */
  deriveBytes(kdd: Uint8Array, k: number): Uint8Array {
    const block = (i: number) =>
      this.#token.deriveBytes(this.#current(), xor(kdf3Input(kdd, k, i), this.#subkey));
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
      isTriple ? this.desEncrypt(data) : this.#token.deriveBytes(this.#current(), data);
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
    return this.#token.encryptEcb(this.#current(), data, "des3");
  }

  /** Before keys go into a card for good: is the handle still this key? Throws VaultRefusal. */
  judge(): void {
    const { kcv, fingerprint } = identityOf(this.#token, this.#current(), this.key.algorithm);
    if (kcv !== this.key.kcv || fingerprint !== this.key.fingerprint)
      throw new VaultRefusal(
        `the token answers with another key than ${this.key.name}: nothing was made with it. Look at the token`,
      );
  }

  #current(): Handle {
    if (this.#generation !== this.#token.generation)
      throw new TokenLost("the token was connected anew; its keys are being found again");
    return this.#handle;
  }
}

/**
 * Finds a master by label, check value and fingerprint, whatever else carries its label. Throws VaultRefusal when there is none, or more
 * than one, or one that may do what a master must not.
 */
export function findMaster(token: Token, key: RegisteredKey): Master {
  const purpose = isDes(key.algorithm) ? "des-master" : "master";
  const labelled = token.find(key.name, "secret");
  const ours = labelled.filter((handle) => {
    try {
      const found = identityOf(token, handle, key.algorithm);
      return (
        equalConstantTime(unhex(found.kcv), unhex(key.kcv)) &&
        equalConstantTime(unhex(found.fingerprint), unhex(key.fingerprint))
      );
    } catch (error) {
      if (error instanceof VaultRefusal) return false;
      throw error;
    }
  });
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
  const wrong = token.wrongAttributes(handle, purpose);
  if (wrong !== undefined) throw new VaultRefusal(`${where}: ${wrong}; a master must not`);
  return new Master(token, key, handle);
}

/** The pair of the register's name whose signature `open` confirms. Throws VaultRefusal. */
export function findSigning(token: Token, register: Pick<Register, "keys">, open: KeyObject): Handle {
  const name = register.keys.find(({ use }) => use === "sign")?.name ?? "";
  const challenge = token.random(32);
  const found = token.find(name, "private").find((key) => {
    try {
      return verify(null, challenge, open, token.signEd25519(key, challenge));
    } catch (error) {
      if (error instanceof VaultRefusal) return false;
      throw error;
    }
  });
  if (found === undefined)
    throw new VaultRefusal(`token ${token.name}: the signing key ${name} is not there, or is another one`);
  return found;
}

/** PKCS#8 (RFC 8410) around the 32 bytes of an Ed25519 private key, which is derived where the token has no signatures of this kind. */
export function signingKeyOf(seed: Uint8Array): { readonly secret: KeyObject; readonly open: KeyObject } {
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  const secret = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  der.fill(0);
  return { secret, open: createPublicKey(secret) };
}

/** SPKI (RFC 8410) around a point. */
export const spkiOf = (point: Uint8Array): Uint8Array => concat(unhex("302A300506032B6570032100"), point);
