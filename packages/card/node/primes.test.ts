import { checkPrimeSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { unhex } from "../src/bytes/index.js";
import { seededBytes } from "../src/emv/index.js";
import { nodeCrypto } from "./crypto.js";
import { drawPrime, isProbablyPrime, roundsFor } from "./primes.js";

const bytesOf = (n: bigint): Uint8Array => {
  const digits = n.toString(16);
  return unhex(digits.length % 2 === 0 ? digits : `0${digits}`);
};
const isPrime = (n: bigint, rounds?: number): boolean => isProbablyPrime(bytesOf(n), n, rounds);

describe("primes of RSA keys", () => {
  test("those drawn are primes for OpenSSL too, have their top bits, and no exponent divides p − 1", () => {
    for (const [length, exponent] of [
      [32, 3n],
      [72, 3n],
      [88, 3n],
      [72, 65537n],
      // No whole number of the sieve's digits.
      [73, 3n],
    ] as const) {
      const prime = drawPrime(length, exponent, seededBytes(nodeCrypto, `${length}/${exponent}`));
      expect(checkPrimeSync(prime)).toBe(true);
      expect(prime >> BigInt(8 * length - 2)).toBe(3n);
      expect((prime - 1n) % exponent).not.toBe(0n);
    }
  });

  test("a stream's first candidate that OpenSSL takes for a prime is the one drawn: the sieve loses none", () => {
    const length = 32;
    const random = seededBytes(nodeCrypto, "first");
    const first = (): bigint => {
      for (;;) {
        const bytes = random(length);
        bytes[0] = (bytes[0] ?? 0) | 0xc0;
        bytes[length - 1] = (bytes[length - 1] ?? 0) | 1;
        const candidate = BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
        if ((candidate - 1n) % 3n !== 0n && checkPrimeSync(candidate)) return candidate;
      }
    };
    const drawn = seededBytes(nodeCrypto, "first");
    for (let n = 0; n < 20; n++) expect(drawPrime(length, 3n, drawn)).toBe(first());
  });

  test("primes pass, composites are found out: those too that deceive base 2, all coprime bases of Fermat, or a quarter of all bases", () => {
    // Mersenne primes, and one less than which has many twos.
    const [m89, m107, m521] = [89n, 107n, 521n].map((n) => (1n << n) - 1n) as [bigint, bigint, bigint];
    for (const prime of [m89, m107, m521]) expect(isPrime(prime)).toBe(true);
    let twos = 3n;
    while (!checkPrimeSync(twos * (1n << 100n) + 1n)) twos += 2n;
    expect(isPrime(twos * (1n << 100n) + 1n)).toBe(true);
    expect(isPrime(m89 * m107)).toBe(false);
    expect(isPrime(m521 * m521)).toBe(false);
    // 2^p − 1 of a prime p is a strong pseudoprime to base 2; so is the Fermat number F7.
    const mersenne101 = (1n << 101n) - 1n;
    const fermat7 = (1n << 128n) + 1n;
    // Chernick's Carmichael numbers (6k + 1)(12k + 1)(18k + 1), all three prime.
    let k = 1n << 40n;
    while (![6n, 12n, 18n].every((by) => checkPrimeSync(by * k + 1n))) k++;
    const carmichael = (6n * k + 1n) * (12n * k + 1n) * (18n * k + 1n);
    // Arnault's form n = p(2p − 1): a quarter of all bases is deceived, the most there can be.
    let p = (1n << 60n) + 3n;
    while (p % 4n !== 3n || !checkPrimeSync(p) || !checkPrimeSync(2n * p - 1n)) p += 2n;
    for (const composite of [mersenne101, fermat7, carmichael, p * (2n * p - 1n)])
      expect(isPrime(composite, 64)).toBe(false);
  });

  test("rounds follow the bound for random numbers, and any number's where it is too weak", () => {
    expect([256, 288, 512, 576, 704, 1024, 1536].map(roundsFor)).toEqual([64, 26, 13, 11, 9, 6, 4]);
  });
});
