import { hex } from "../bytes/index.js";

/**
 * Whether an ATR is the expected one: byte for byte, or only in the bits that `mask` has set (a byte beyond the mask's end
 * counts whole). Lengths have to agree.
 */
export function matchAtr(expected: Uint8Array, actual: Uint8Array, mask?: Uint8Array): boolean {
  return atrDifference(expected, actual, mask) === undefined;
}

/** What differs, in words, or undefined when nothing does. */
export function atrDifference(
  expected: Uint8Array,
  actual: Uint8Array,
  mask?: Uint8Array,
): string | undefined {
  if (expected.length !== actual.length) return `${actual.length} bytes instead of ${expected.length}`;
  for (let at = 0; at < expected.length; at++) {
    const bits = mask?.[at] ?? 0xff;
    const [want, have] = [expected[at] ?? 0, actual[at] ?? 0];
    if ((want & bits) !== (have & bits)) {
      return `byte ${at + 1} is ${hex(Uint8Array.of(have))} instead of ${hex(Uint8Array.of(want))}`;
    }
  }
  return undefined;
}
