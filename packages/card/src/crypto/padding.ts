import { CardProblem, unmoved } from "../bytes/index.js";

/** Padding 80 00.. to whole blocks, always at least one byte (ISO/IEC 9797-1, method 2). */
export const pad80 = (data: Uint8Array, block: number): Uint8Array =>
  padded80(data, new Uint8Array(paddedLength(data, block)));

/** The same of a secret, in memory that stays where it is; the caller wipes it. */
export const pad80Secret = (data: Uint8Array, block: number): Uint8Array =>
  padded80(data, unmoved(paddedLength(data, block)));

const paddedLength = ({ length }: Uint8Array, block: number): number => length + block - (length % block);

function padded80(data: Uint8Array, padded: Uint8Array): Uint8Array {
  padded.set(data);
  padded[data.length] = 0x80;
  return padded;
}

/**
 * Takes the padding off. The result is a view. Throws CardProblem `bad-padding` unless 80 and zeros end the data; with `block`,
 * unless they are as few as the method asks for (some cards add whole blocks of zeros: a recorded SCP03 answer shows it).
 */
export function unpad80(data: Uint8Array, block?: number): Uint8Array {
  let end = data.length - 1;
  const first = block === undefined ? 0 : Math.max(0, data.length - block);
  while (end > first && data[end] === 0) end--;
  if (data[end] !== 0x80)
    throw new CardProblem("bad-padding", "padding", `${data.length} bytes do not end in 80 00..`);
  return data.subarray(0, end);
}
