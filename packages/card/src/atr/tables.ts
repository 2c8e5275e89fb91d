/** Fi by code, undefined when reserved (ISO/IEC 7816-3:2006, table 7). */
export const FI: readonly (number | undefined)[] = [
  372,
  372,
  558,
  744,
  1116,
  1488,
  1860,
  undefined,
  undefined,
  512,
  768,
  1024,
  1536,
  2048,
  undefined,
  undefined,
];

/** Highest clock frequency in MHz by the code of Fi (table 7). */
export const FMAX_MHZ: readonly (number | undefined)[] = [
  4,
  5,
  6,
  8,
  12,
  16,
  20,
  undefined,
  undefined,
  5,
  7.5,
  10,
  15,
  20,
  undefined,
  undefined,
];

/** Di by code, undefined when reserved (table 8; the fractions of older editions count as reserved). */
export const DI: readonly (number | undefined)[] = [
  undefined,
  1,
  2,
  4,
  8,
  16,
  32,
  64,
  12,
  20,
  undefined,
  undefined,
  undefined,
  undefined,
  undefined,
  undefined,
];
