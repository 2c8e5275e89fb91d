/** Primes for RSA keys (FIPS 186-5, A.1.3): fresh random candidates, small factors divided out, then Miller-Rabin (B.3.1). */
import { constants, createPublicKey, publicEncrypt, randomFillSync } from "node:crypto";

/**
 * A prime of `length` bytes, both top bits set, without `exponent` (a prime) as a factor of p − 1. Its bytes come from `random` alone: one
 * stream, one prime. A composite number is taken for a prime with a probability below 2^−128.
 */
export function drawPrime(length: number, exponent: bigint, random: (length: number) => Uint8Array): bigint {
  for (;;) {
    const bytes = Uint8Array.from(random(length));
    bytes[0] = (bytes[0] ?? 0) | 0xc0;
    bytes[length - 1] = (bytes[length - 1] ?? 0) | 0x01;
    const rest = digitSum(bytes);
    // Five candidates of six go here, before a large number is made of them.
    if ((exponent === 3n && rest % 3 === 1) || DIGIT_PRIMES.some((prime) => rest % prime === 0)) continue;
    const candidate = BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
    if ((candidate - 1n) % exponent !== 0n && !hasSmallFactor(candidate) && isProbablyPrime(bytes, candidate))
      return candidate;
  }
}

/** What divides 2^24 − 1: a number and the sum of its digits to the base 2^24 leave the same rest. */
const DIGIT_PRIMES = [3, 5, 7, 13, 17, 241];

function digitSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = bytes.length - 1; at >= 0; at -= 3)
    sum += (bytes[at] ?? 0) + 0x100 * (bytes[at - 1] ?? 0) + 0x10000 * (bytes[at - 2] ?? 0);
  return sum;
}

/**
 * Odd primes up to 1,000 in products that a number holds exactly: a candidate is divided by a product once, the rest by its primes. The
 * first round would find the same composites out, with a modular exponentiation each.
 */
const PRODUCTS = productsOfPrimes(1000);

function productsOfPrimes(
  most: number,
): readonly { readonly primes: readonly number[]; readonly product: bigint }[] {
  const groups: { primes: number[]; product: number }[] = [];
  for (let candidate = 3; candidate <= most; candidate += 2) {
    if (groups.some(({ primes }) => primes.some((prime) => candidate % prime === 0))) continue;
    const last = groups.at(-1);
    if (last !== undefined && last.product * candidate <= Number.MAX_SAFE_INTEGER) {
      last.primes.push(candidate);
      last.product *= candidate;
    } else groups.push({ primes: [candidate], product: candidate });
  }
  return groups.map(({ primes, product }) => ({ primes, product: BigInt(product) }));
}

/** Of candidates far above these primes. */
const hasSmallFactor = (candidate: bigint): boolean =>
  PRODUCTS.some(({ primes, product }) => {
    const rest = Number(candidate % product);
    return primes.some((prime) => rest % prime === 0);
  });

/** log2 of the error that is allowed; two bits each for the top bits and for the factor of p − 1 that are asked of a candidate. */
const ERROR = -128 - 4;
/** Each finds any composite out with a probability of three quarters at least: 4^−64 = 2^−128. */
const MOST_ROUNDS = 64;

/**
 * Rounds after which a *random* odd number of `bits` is composite with a probability below 2^−132, by the bound on which FIPS 186 bases its
 * numbers of rounds too: k^(3/2) · 2^t / √t · 4^(2 − √(t·k)) for 3 ≤ t ≤ k/9 (Damgård, Landrock, Pomerance, "Average case error estimates
 * for the strong probable prime test", 1993; Handbook of Applied Cryptography, fact 4.48). 11 rounds for 576 bits. Where the bound says too
 * little, as many as are enough for any number. OpenSSL's own check takes that many always: half of what a card's key would cost.
 */
export function roundsFor(bits: number): number {
  for (let rounds = 3; rounds <= bits / 9; rounds++) {
    const error = 1.5 * Math.log2(bits) + rounds - Math.log2(rounds) / 2 + 2 * (2 - Math.sqrt(rounds * bits));
    if (error <= ERROR) return rounds;
  }
  return MOST_ROUNDS;
}

/** Miller-Rabin with bases of the operating system's generator, for a random odd number above 2^64. `bytes`: the same number, no leading zero. */
export function isProbablyPrime(bytes: Uint8Array, candidate: bigint, rounds = roundsFor(8 * bytes.length)) {
  const least = candidate - 1n;
  let odd = least >> 1n;
  let twos = 1;
  for (; (odd & 1n) === 0n; odd >>= 1n) twos++;
  const power = powers(bytes, odd);
  const base = Buffer.alloc(bytes.length);
  // Nearly every composite fails by 2 already, which need not be drawn. It counts as no round.
  base[base.length - 1] = 2;
  for (let round = 0; round <= rounds; round++) {
    let x = power(base);
    if (x !== 1n) {
      for (let squared = 1; squared < twos && x !== least; squared++) x = (x * x) % candidate;
      if (x !== least) return false;
    }
    do randomFillSync(base);
    while (base.compare(bytes) >= 0);
  }
  return true;
}

/** base^exponent mod modulus, by OpenSSL: its raw RSA does not ask what a modulus is made of. */
function powers(modulus: Uint8Array, exponent: bigint): (base: Uint8Array) => bigint {
  const digits = exponent.toString(16);
  const n = Buffer.from(modulus).toString("base64url");
  const e = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex").toString("base64url");
  const key = createPublicKey({ key: { kty: "RSA", n, e }, format: "jwk" });
  const raw = { key, padding: constants.RSA_NO_PADDING };
  return (base) => BigInt(`0x${publicEncrypt(raw, base).toString("hex")}`);
}
