export type DitherMethod = "floyd-steinberg" | "atkinson";

/** Columns to spare at both ends of a row, so that no share of an error needs to be asked whether it stays in the picture. */
const spare = 2;

/**
 * Grey (0 black … 255 white) to dots, 1 = mark, one byte a dot. Serpentine: rows run to and fro, which avoids worms. Floyd-Steinberg
 * hands the whole error on; Atkinson three quarters of it: crisper, at the price of the darkest and lightest tones.
 */
export function dither(grey: Uint8Array, width: number, height: number, method: DitherMethod): Uint8Array {
  const dots = new Uint8Array(width * height);
  const row = (): Float32Array => new Float32Array(width + 2 * spare);
  // Errors carried into this row and the next two.
  let [here, next, after] = [row(), row(), row()];
  const atkinson = method === "atkinson";
  for (let y = 0; y < height; y++) {
    const forward = y % 2 === 0;
    const step = forward ? 1 : -1;
    const line = y * width;
    let x = forward ? 0 : width - 1;
    for (let i = 0; i < width; i++, x += step) {
      const at = x + spare;
      const value = (grey[line + x] ?? 255) + (here[at] ?? 0);
      let error = value;
      if (value < 127.5) dots[line + x] = 1;
      else error -= 255;
      if (atkinson) {
        const share = error / 8;
        here[at + step] = (here[at + step] ?? 0) + share;
        here[at + 2 * step] = (here[at + 2 * step] ?? 0) + share;
        next[at - step] = (next[at - step] ?? 0) + share;
        next[at] = (next[at] ?? 0) + share;
        next[at + step] = (next[at + step] ?? 0) + share;
        after[at] = (after[at] ?? 0) + share;
      } else {
        here[at + step] = (here[at + step] ?? 0) + (error * 7) / 16;
        next[at - step] = (next[at - step] ?? 0) + (error * 3) / 16;
        next[at] = (next[at] ?? 0) + (error * 5) / 16;
        next[at + step] = (next[at + step] ?? 0) + error / 16;
      }
    }
    [here, next, after] = [next, after, here];
    after.fill(0);
  }
  return dots;
}
