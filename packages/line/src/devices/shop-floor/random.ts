/** Numbers between 0 and 1 that depend on nothing but the seed: the same line file gives the same plastic. */
export interface Chance {
  next(): number;
  /** Normal distribution, mean 0, deviation 1. */
  normal(): number;
  between(low: number, high: number): number;
}

/** mulberry32, seeded with a text (FNV-1a). Not for secrets. */
export function chance(seed: string): Chance {
  let state = 0x811c9dc5;
  for (const char of seed) state = Math.imul(state ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  return {
    next,
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    between: (low, high) => low + (high - low) * next(),
  };
}
