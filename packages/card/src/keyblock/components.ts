/** Keys from XOR components: each is as long as the key and, alone, tells nothing of it. */
import { CardProblem, equal, unhex } from "../bytes/index.js";

const refused = (what: string): CardProblem => new CardProblem("bad-key", "key components", what);

/**
 * The XOR of all components; the caller wipes it and them. Throws CardProblem `bad-key` for fewer than two, different lengths, a component
 * of zeros, two equal ones, and a result of zeros.
 */
export function combineComponents(components: readonly Uint8Array[]): Uint8Array {
  const [first] = components;
  if (first === undefined || components.length < 2) throw refused("a key has at least two components");
  const key = new Uint8Array(first.length);
  for (const [at, component] of components.entries()) {
    if (component.length !== key.length) throw refused("the components differ in length");
    if (component.every((byte) => byte === 0)) throw refused("a component is all zeros");
    if (components.slice(0, at).some((other) => equal(other, component)))
      throw refused("two components are equal");
    for (const [i, byte] of component.entries()) key[i] = (key[i] ?? 0) ^ byte;
  }
  if (key.every((byte) => byte === 0)) throw refused("the key is all zeros");
  return key;
}

/** Each byte of a DES key with odd parity; a new array. Its check value is the same. */
export function oddParity(key: Uint8Array): Uint8Array {
  return key.map((byte) => {
    let ones = 0;
    for (let bit = 1; bit < 8; bit++) ones += (byte >> bit) & 1;
    return (byte & 0xfe) | (ones % 2 === 0 ? 1 : 0);
  });
}

/** The four weak and twelve semi-weak keys of DES (SP 800-67, 3.3.2), first halves with odd parity. */
const WEAK =
  "0101010101010101 FEFEFEFEFEFEFEFE E0E0E0E0F1F1F1F1 1F1F1F1F0E0E0E0E 011F011F010E010E 1F011F010E010E01 01E001E001F101F1 E001E001F101F101 01FE01FE01FE01FE FE01FE01FE01FE01 1FE01FE00EF10EF1 E01FE01FF10EF10E 1FFE1FFE0EFE0EFE FE1FFE1FFE0EFE0E E0FEE0FEF1FEF1FE FEE0FEE0FEF1FEF1"
    .split(" ")
    .map(unhex);

/** For tables of what they encrypt. */
export const weakDesKeys = (): Uint8Array[] => WEAK.map((key) => key.slice());

/** Why a triple DES key must not be used: really single DES, or a part that is weak; nothing when it may be. */
export function desWeakness(key: Uint8Array): string | undefined {
  const odd = oddParity(key);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < odd.length; at += 8) parts.push(odd.subarray(at, at + 8));
  try {
    if (parts.some((part, at) => at > 0 && equal(part, parts[at - 1] ?? new Uint8Array(0))))
      return "two neighbouring parts of the key are equal: it is single DES in truth";
    return parts.some((part) => WEAK.some((one) => equal(one, part)))
      ? "a part of the key is a weak DES key"
      : undefined;
  } finally {
    odd.fill(0);
  }
}
