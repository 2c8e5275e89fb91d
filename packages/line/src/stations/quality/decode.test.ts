import sharp from "sharp";
import { expect, test } from "vitest";
import { decodePicture } from "./decode.js";

const [width, height] = [40, 20];
const ramp = Uint8Array.from({ length: width * height }, (_, i) => (i % width) * 6);
const grey = () => sharp(ramp, { raw: { width, height, channels: 1 } });
const spread = (a: Uint8Array, b: Uint8Array): number =>
  Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? 0))));

test.each([
  ["PNG with one channel", () => grey().toColourspace("b-w").png().toBuffer(), 0],
  ["PNG with three channels", () => grey().toColourspace("srgb").png().toBuffer(), 0],
  ["PNG of 16 bits", () => grey().toColourspace("grey16").png().toBuffer(), 1],
  ["TIFF", () => grey().toColourspace("b-w").tiff({ compression: "lzw" }).toBuffer(), 0],
  ["JPEG with one channel", () => grey().toColourspace("b-w").jpeg({ quality: 100 }).toBuffer(), 3],
  ["JPEG with three channels", () => grey().jpeg({ quality: 100 }).toBuffer(), 3],
  ["JPEG for printers", () => grey().toColourspace("cmyk").jpeg({ quality: 100 }).toBuffer(), 30],
  ["WebP", () => grey().webp({ lossless: true }).toBuffer(), 0],
])("%s: the greys are those of the picture", async (_, encoded, within) => {
  const seen = await decodePicture(await encoded());
  expect([seen.width, seen.height, seen.grey.length]).toEqual([width, height, width * height]);
  expect(spread(seen.grey, ramp)).toBeLessThanOrEqual(within);
});

const greymap = (header: string, dots: Uint8Array) => Buffer.concat([Buffer.from(header), dots]);
const size = `${String(width)} ${String(height)}`;

test.each([
  ["as cameras write it", greymap(`P5\n${size}\n255\n`, ramp)],
  ["with a program's comment", greymap(`P5\n# made by a program\n${size}\n255\n`, ramp)],
  [
    "of 16 bits",
    greymap(
      `P5 ${size} 65535\n`,
      Uint8Array.from({ length: 2 * ramp.length }, (__, i) => ramp[i >> 1] ?? 0),
    ),
  ],
])("PGM %s", async (_, file) => {
  expect(await decodePicture(file)).toEqual({ width, height, grey: ramp });
});

test("a PGM that ends too early, or of no size, is refused", async () => {
  await expect(decodePicture(greymap(`P5 ${size} 255\n`, ramp.subarray(1)))).rejects.toThrow(/too early/);
  await expect(decodePicture(greymap("P5 0 20 255\n", ramp))).rejects.toThrow(/header/);
});

test("colours count as light: green most, blue least, and what is transparent is dark", async () => {
  const of = async (colour: { r: number; g: number; b: number; alpha: number }): Promise<number> => {
    const png = await sharp({ create: { width: 4, height: 4, channels: 4, background: colour } })
      .png()
      .toBuffer();
    return (await decodePicture(png)).grey[5] ?? -1;
  };
  const rgb = (r: number, g: number, b: number): Promise<Buffer> =>
    sharp({ create: { width: 4, height: 4, channels: 3, background: { r, g, b } } })
      .png()
      .toBuffer();
  const light = async (r: number, g: number, b: number): Promise<number> =>
    (await decodePicture(await rgb(r, g, b))).grey[5] ?? -1;
  expect(Math.abs((await light(255, 0, 0)) - 0.299 * 255)).toBeLessThan(1);
  expect(Math.abs((await light(0, 255, 0)) - 0.587 * 255)).toBeLessThan(1);
  expect(Math.abs((await light(0, 0, 255)) - 0.114 * 255)).toBeLessThan(1);
  expect(await of({ r: 255, g: 255, b: 255, alpha: 0 })).toBe(0);
});

test("a picture that lies on its side by its own word is turned", async () => {
  const lying = await grey().jpeg({ quality: 100 }).withMetadata({ orientation: 6 }).toBuffer();
  const { width: wide, height: high } = await decodePicture(lying);
  expect([wide, high]).toEqual([height, width]);
});

test("what is no picture, and half a picture, is refused", async () => {
  await expect(decodePicture(new Uint8Array([1, 2, 3]))).rejects.toThrow(/unsupported/);
  const jpeg = await grey().jpeg().toBuffer();
  await expect(decodePicture(jpeg.subarray(0, jpeg.length >> 1))).rejects.toThrow(/premature end/);
});
