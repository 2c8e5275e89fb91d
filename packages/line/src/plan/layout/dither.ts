export type DitherMethod = "floyd-steinberg" | "atkinson";

/** Where the error of a dot goes: columns and rows ahead, and its share. */
const kernels: Readonly<Record<DitherMethod, readonly (readonly [dx: number, dy: number, share: number])[]>> =
  {
    "floyd-steinberg": [
      [1, 0, 7 / 16],
      [-1, 1, 3 / 16],
      [0, 1, 5 / 16],
      [1, 1, 1 / 16],
    ],
    // Spreads three quarters only: crisper, at the price of the darkest and lightest tones.
    atkinson: [
      [1, 0, 1 / 8],
      [2, 0, 1 / 8],
      [-1, 1, 1 / 8],
      [0, 1, 1 / 8],
      [1, 1, 1 / 8],
      [0, 2, 1 / 8],
    ],
  };

/** Grey (0 black … 255 white) to dots, 1 = mark, one byte a dot. Serpentine: rows run to and fro, which avoids worms. */
export function dither(grey: Uint8Array, width: number, height: number, method: DitherMethod): Uint8Array {
  const kernel = kernels[method];
  const carried = Float32Array.from(grey);
  const dots = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const forward = y % 2 === 0;
    for (let i = 0; i < width; i++) {
      const x = forward ? i : width - 1 - i;
      const at = y * width + x;
      const value = carried[at] ?? 255;
      const white = value >= 127.5;
      if (!white) dots[at] = 1;
      const error = value - (white ? 255 : 0);
      for (const [dx, dy, share] of kernel) {
        const toX = forward ? x + dx : x - dx;
        const toY = y + dy;
        if (toX < 0 || toX >= width || toY >= height) continue;
        const to = toY * width + toX;
        carried[to] = (carried[to] ?? 0) + error * share;
      }
    }
  }
  return dots;
}
