import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { prepareZXingModule, readBarcodes } from "zxing-wasm/reader";
import type { PlacedField } from "../../plan/types.js";
import { windowOf } from "./match.js";
import type { FaceFinding } from "./finding.js";
import type { Grey } from "./straighten.js";
import { boxBlur, cut, type Plane, plane } from "./plane.js";

/** The decoder's names. */
const formats = {
  qrcode: "QRCode",
  datamatrix: "DataMatrix",
  pdf417: "PDF417",
  azteccode: "Aztec",
  code128: "Code128",
  code39: "Code39",
  interleaved2of5: "ITF",
  ean13: "EAN-13",
  ean8: "EAN-8",
} as const;

let ready: Promise<unknown> | undefined;

/** The decoder of the package itself: by default it would be fetched from the network. */
function decoder(): Promise<unknown> {
  ready ??= (async () => {
    const file = createRequire(import.meta.url).resolve("zxing-wasm/reader/zxing_reader.wasm");
    const wasmBinary = new Uint8Array(await readFile(file));
    return prepareZXingModule({ overrides: { wasmBinary: wasmBinary.buffer }, fireImmediately: true });
  })();
  return ready;
}

type Reading = Awaited<ReturnType<typeof readBarcodes>>[number] | undefined;

async function read({ width, height, data }: Plane, symbology: PlacedField["symbology"]): Promise<Reading> {
  const pixels = new Uint8ClampedArray(data.length * 4);
  for (let i = 0, out = 0; i < data.length; i++, out += 4) {
    pixels[out] = pixels[out + 1] = pixels[out + 2] = 235 * (1 - (data[i] ?? 0));
    pixels[out + 3] = 255;
  }
  const [code] = await readBarcodes(
    { data: pixels, width, height, colorSpace: "srgb" },
    { formats: [formats[symbology ?? "qrcode"]], tryHarder: true, maxNumberOfSymbols: 1 },
  );
  return code?.isValid === true ? code : undefined;
}

/** Twice as large and sharpened: narrow bars that a poor lens ran together come apart, and the reader's threshold finds both edges. */
function clearer(part: Plane): Plane {
  const { width, height, data } = part;
  const soft = boxBlur(boxBlur(part, 1), 1);
  const sharp = plane(width, height);
  for (let i = 0; i < data.length; i++)
    sharp.data[i] = (data[i] ?? 0) + 1.5 * ((data[i] ?? 0) - (soft.data[i] ?? 0));
  const large = plane(2 * width, 2 * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      const right = x + 1 < width ? at + 1 : at;
      const down = y + 1 < height ? width : 0;
      const [a, b] = [sharp.data[at] ?? 0, sharp.data[right] ?? 0];
      const [c, d] = [sharp.data[at + down] ?? 0, sharp.data[right + down] ?? 0];
      const out = 4 * y * width + 2 * x;
      large.data[out] = a;
      large.data[out + 1] = (a + b) / 2;
      large.data[out + 2 * width] = (a + c) / 2;
      large.data[out + 2 * width + 1] = (a + b + c + d) / 4;
    }
  }
  return large;
}

/** Reads the code where it must be and compares what it says. Unreadable although its ink is right: doubtful. */
export async function judgeCode(field: PlacedField, ink: Plane): Promise<readonly FaceFinding[]> {
  await decoder();
  const part = cut(ink, windowOf(field.box, 0.8, ink));
  const code = (await read(part, field.symbology)) ?? (await read(clearer(part), field.symbology));
  if (code !== undefined && code.text === field.text) return [];
  const what = code === undefined ? "code-unreadable" : "wrong-code";
  return [
    {
      field: field.name,
      what,
      measured: 0,
      limit: 1,
      unit: "count",
      box: field.box,
      weight: what === "wrong-code" ? "reject" : "doubtful",
    },
  ];
}

/** What all codes in a picture say, linear and two-dimensional, each once. */
export async function codesIn({ width, height, grey }: Grey): Promise<readonly string[]> {
  await decoder();
  const pixels = new Uint8ClampedArray(grey.length * 4);
  for (let i = 0, out = 0; i < grey.length; i++, out += 4) {
    pixels[out] = pixels[out + 1] = pixels[out + 2] = grey[i] ?? 0;
    pixels[out + 3] = 255;
  }
  const found = await readBarcodes(
    { data: pixels, width, height, colorSpace: "srgb" },
    { formats: Object.values(formats), tryHarder: true, maxNumberOfSymbols: 8 },
  );
  return [...new Set(found.flatMap(({ isValid, text }) => (isValid ? [text] : [])))];
}
