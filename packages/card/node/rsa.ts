import {
  constants,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
} from "node:crypto";
import { CardProblem } from "../src/bytes/index.js";
import type { RsaCrt, RsaPublicKey } from "../src/crypto/index.js";
import { drawPrime } from "./primes.js";

/** A key pair, drawn for a card or an issuer. Whoever has it wipes the private parts. */
export interface RsaKeyPair {
  readonly publicKey: RsaPublicKey;
  readonly privateKey: RsaCrt;
}

export function rsaPublic({ modulus, exponent }: RsaPublicKey, block: Uint8Array): Uint8Array {
  const jwk = { kty: "RSA", n: base64(modulus), e: base64(exponent) };
  const key = keyOf(() => createPublicKey({ key: jwk, format: "jwk" }));
  return blockOf(block, modulus.length, () =>
    publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, block),
  );
}

export const rsaPrivate = (key: RsaCrt, block: Uint8Array): Uint8Array =>
  rsaPrivateWith(rsaPrivateKey(key), block);

/** Raw RSA with a key that is set up already. */
export function rsaPrivateWith(key: KeyObject, block: Uint8Array): Uint8Array {
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  return blockOf(block, Math.ceil(bits / 8), () =>
    privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, block),
  );
}

/** The public half of a key. */
export function rsaPublicOf(key: KeyObject): RsaPublicKey {
  const { n = "", e = "" } = createPublicKey(key).export({ format: "jwk" });
  const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "base64url"));
  return { modulus: bytes(n), exponent: bytes(e) };
}

/** A private key set up for many operations. Throws CardProblem `bad-key`. */
export function rsaPrivateKey(key: RsaCrt): KeyObject {
  const [p, q, dp] = [numberOf(key.p), numberOf(key.q), numberOf(key.dp)];
  const modulus = bytesOf(p * q);
  return keyOf(() => {
    // OpenSSL wants the whole key: e is the inverse of d mod (p − 1).
    const e = inverse(dp, p - 1n);
    const d = inverse(e, (p - 1n) * (q - 1n));
    // OpenSSL would work around parts that contradict each other; a damaged one makes e a number of chance.
    const fits =
      e < 1n << 32n && numberOf(key.dq) === d % (q - 1n) && (numberOf(key.qInverse) * q) % p === 1n;
    if (!fits) throw new CardProblem("bad-key", "RSA", "the numbers contradict each other");
    const jwk = {
      kty: "RSA",
      n: base64(modulus),
      e: base64(bytesOf(e)),
      d: base64(bytesOf(d)),
      p: base64(key.p),
      q: base64(key.q),
      dp: base64(key.dp),
      dq: base64(key.dq),
      qi: base64(key.qInverse),
    };
    return createPrivateKey({ key: jwk, format: "jwk" });
  });
}

/**
 * A key of `bits` (even; modulus of exactly that length) whose primes come from `random` alone: chance makes a secret key, a seeded stream
 * the same test key each time. Exponent 3 or 65537.
 */
export function drawRsaKey(ask: {
  readonly bits: number;
  readonly exponent: 3 | 65537;
  readonly random: (length: number) => Uint8Array;
}): RsaKeyPair {
  const { bits, exponent, random } = ask;
  if (!Number.isInteger(bits) || bits % 16 !== 0 || bits < 512 || bits > 4096)
    throw new CardProblem("bad-value", "RSA", `${bits} is not a size from 512 to 4096 bits in steps of 16`);
  const e = BigInt(exponent);
  const length = bits / 16;
  // 3 and 65537 are primes: e and p − 1 have no common factor unless it is e.
  const first = drawPrime(length, e, random);
  let second = drawPrime(length, e, random);
  while (second === first) second = drawPrime(length, e, random);
  const [p, q] = first > second ? [first, second] : [second, first];
  const d = inverse(e, (p - 1n) * (q - 1n));
  const fixed = (n: bigint): Uint8Array => bytesOf(n, length);
  return {
    publicKey: { modulus: bytesOf(p * q), exponent: bytesOf(e) },
    privateKey: {
      p: fixed(p),
      q: fixed(q),
      dp: fixed(d % (p - 1n)),
      dq: fixed(d % (q - 1n)),
      qInverse: fixed(inverse(q, p)),
    },
  };
}

function keyOf(make: () => KeyObject): KeyObject {
  try {
    return make();
  } catch {
    // What OpenSSL says of a key stays here: it may quote it.
    throw new CardProblem("bad-key", "RSA", "the numbers are no key of this kind");
  }
}

function blockOf(block: Uint8Array, length: number, work: () => Uint8Array): Uint8Array {
  if (block.length !== length)
    throw new CardProblem("bad-value", "RSA", `a block has ${length} bytes, not ${block.length}`);
  try {
    return new Uint8Array(work());
  } catch {
    throw new CardProblem("bad-value", "RSA", "the block is not below the modulus, or the key is none");
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x0${Buffer.from(bytes).toString("hex")}`);

function bytesOf(n: bigint, length?: number): Uint8Array {
  const digits = n.toString(16);
  const even = digits.length % 2 === 0 ? digits : `0${digits}`;
  return Uint8Array.from(Buffer.from(even.padStart((length ?? 0) * 2, "0"), "hex"));
}

/** Throws CardProblem `bad-key` when there is none. */
function inverse(a: bigint, m: bigint): bigint {
  if (m < 2n) throw new CardProblem("bad-key", "RSA", "the numbers are no key of this kind");
  let [old, rest, x, y] = [((a % m) + m) % m, m, 1n, 0n];
  while (rest !== 0n) {
    const quotient = old / rest;
    [old, rest] = [rest, old - quotient * rest];
    [x, y] = [y, x - quotient * y];
  }
  if (old !== 1n) throw new CardProblem("bad-key", "RSA", "the numbers are no key of this kind");
  return ((x % m) + m) % m;
}
