/** Characters (ISO/IEC 7816-3, 7.2 and 8.1). Direct convention: H is 1, least significant bit first; inverse: H is 0, most significant first. */
export type Convention = "direct" | "inverse";

const parityOf = (byte: number): number => {
  let folded = byte ^ (byte >> 4);
  folded ^= folded >> 2;
  return (folded ^ (folded >> 1)) & 1;
};

const mirrored = (byte: number): number => {
  let result = 0;
  for (let bit = 0; bit < 8; bit++) result = (result << 1) | ((byte >> bit) & 1);
  return result;
};

/** The nine levels of a byte: data, then even parity. */
export function encodeCharacter(byte: number, convention: Convention): number {
  const parity = parityOf(byte) << 8;
  return convention === "direct" ? byte | parity : ~(mirrored(byte) | parity) & 0x1ff;
}

export function decodeCharacter(
  levels: number,
  convention: Convention,
): { readonly byte: number; readonly right: boolean } {
  const logical = convention === "direct" ? levels : ~levels & 0x1ff;
  const data = logical & 0xff;
  const byte = convention === "direct" ? data : mirrored(data);
  return { byte, right: parityOf(data) === logical >> 8 };
}

/** Levels of the first character of an ATR: (Z)AZZAZZZAAZ(Z) and (Z)AZZAAAAAAZ(Z) in the words of 8.1. */
const DIRECT_TS = 0b1_0011_1011;
const INVERSE_TS = 0b1_0000_0011;

/** Which convention TS announces; undefined when it is no TS. */
export function conventionOf(levels: number): Convention | undefined {
  if (levels === DIRECT_TS) return "direct";
  return levels === INVERSE_TS ? "inverse" : undefined;
}
