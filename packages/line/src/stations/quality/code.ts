import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { prepareZXingModule, readBarcodes } from "zxing-wasm/reader";
import type { PlacedField } from "../../plan/types.js";
import { windowOf } from "./match.js";
import type { FaceFinding } from "./finding.js";
import { cut, type Plane } from "./plane.js";

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

/** Reads the code where it must be and compares what it says. Unreadable although its ink is right: doubtful. */
export async function judgeCode(field: PlacedField, ink: Plane): Promise<readonly FaceFinding[]> {
  await decoder();
  const window = windowOf(field.box, 0.8, ink);
  const part = cut(ink, window);
  const data = new Uint8ClampedArray(part.data.length * 4);
  for (let i = 0, out = 0; i < part.data.length; i++, out += 4) {
    data[out] = data[out + 1] = data[out + 2] = 235 * (1 - (part.data[i] ?? 0));
    data[out + 3] = 255;
  }
  const image = { data, width: part.width, height: part.height, colorSpace: "srgb" as const };
  const [code] = await readBarcodes(image, {
    formats: [formats[field.symbology ?? "qrcode"]],
    tryHarder: true,
    maxNumberOfSymbols: 1,
  });
  if (code?.isValid === true && code.text === field.text) return [];
  const what = code?.isValid === true ? "wrong-code" : "code-unreadable";
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
