import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { beforeAll, describe, expect, test } from "vitest";
import { prepareZXingModule, readBarcodes } from "zxing-wasm/reader";
import {
  compileLayout,
  layoutFace,
  LayoutProblem,
  outlinesOf,
  parseLayout,
  readFonts,
  renderFace,
} from "./index.js";

const fonts = readFonts();
const offered = { texts: ["cardNumber", "name"], photos: [], codes: ["cardNumber"] };

beforeAll(async () => {
  const file = createRequire(import.meta.url).resolve("zxing-wasm/reader/zxing_reader.wasm");
  const wasmBinary = new Uint8Array(await readFile(file));
  await prepareZXingModule({ overrides: { wasmBinary: wasmBinary.buffer }, fireImmediately: true });
});

const faceOf = (field: string, cardNumber: string, more = "") =>
  layoutFace(
    compileLayout(
      parseLayout(
        `side: front\n${more}fields:\n  - { name: c, kind: code, text: "{cardNumber}", ${field} }\n`,
        "front.yaml",
        offered,
      ),
      fonts,
    ),
    { cardNumber },
    {},
  );

describe("what another program reads in the engraver's dots", () => {
  test.each([
    ["qrcode", "level: Q, box: [4, 4, 24, 24]", "2026-117-0001", "QRCode", "2026-117-0001"],
    ["datamatrix", "box: [4, 4, 20, 20]", "2026-117-0001", "DataMatrix", "2026-117-0001"],
    ["azteccode", "level: 23, box: [4, 4, 20, 20]", "2026-117-0001", "Aztec", "2026-117-0001"],
    ["pdf417", "level: 3, columns: 3, box: [4, 4, 60, 20]", "2026-117-0001", "PDF417", "2026-117-0001"],
    ["code128", "box: [4, 4, 70, 10]", "2026-117-0001", "Code128", "2026-117-0001"],
    ["code39", "box: [4, 4, 76, 10]", "ABC-1234", "Code39", "ABC-1234"],
    ["interleaved2of5", "box: [4, 4, 70, 10]", "20261170", "ITF", "20261170"],
    ["ean13", "box: [4, 4, 50, 14]", "400638133393", "EAN-13", "4006381333931"],
    ["ean8", "box: [4, 4, 40, 14]", "9638507", "EAN-8", "96385074"],
  ] as const)("%s", async (symbology, more, content, format, read) => {
    for (const dpi of [300, 600] as const) {
      const face = faceOf(`symbology: ${symbology}, ${more}`, content, `dpi: ${String(dpi)}\n`);
      const { width, height, bits } = await renderFace(face, dpi);
      const data = new Uint8ClampedArray(width * height * 4).fill(255);
      const stride = Math.ceil(width / 8);
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++)
          if (((bits[y * stride + (x >> 3)] ?? 0) & (0x80 >> (x & 7))) !== 0)
            data.fill(0, 4 * (y * width + x), 4 * (y * width + x) + 3);
      const found = await readBarcodes(
        { data, width, height, colorSpace: "srgb" },
        { formats: [format], tryHarder: true },
      );
      expect(found.map(({ text }) => text)).toEqual([read]);
    }
  });
});

describe("modules", () => {
  test.each([300, 600] as const)("are whole dots of %i dpi, and their places too", (dpi) => {
    const face = faceOf(
      "symbology: qrcode, box: [4.03, 4.07, 21, 21]",
      "2026-117-0001",
      `dpi: ${String(dpi)}\n`,
    );
    const [code] = face.own;
    if (code?.kind !== "code") throw new Error("no code");
    const dots = (mm: number): number => (mm / 25.4) * dpi;
    for (const length of [code.x, code.y, code.module.width])
      expect(Math.abs(dots(length) - Math.round(dots(length)))).toBeLessThan(1e-6);
    expect(dots(code.module.width)).toBeGreaterThanOrEqual(3);
  });
  test("cover as outlines what they cover as dots", () => {
    const face = faceOf("symbology: datamatrix, box: [4, 4, 20, 20]", "2026-117-0001");
    const [code] = face.own;
    if (code?.kind !== "code") throw new Error("no code");
    const [outline] = outlinesOf(face.own);
    let area = 0;
    for (let i = 0; i < (outline?.commands.length ?? 0); i += 5) {
      const [from, , to] = (outline?.commands ?? []).slice(i, i + 3);
      if (from?.to !== "M" || to?.to !== "L") throw new Error("no rectangle");
      area += (to.x - from.x) * (to.y - from.y);
    }
    const dark = code.dark.reduce((sum, one) => sum + one, 0);
    expect(area).toBeCloseTo(dark * code.module.width * code.module.height, 6);
  });
});

describe("a code that cannot be", () => {
  const problem = (field: string, content: string): LayoutProblem => {
    try {
      faceOf(field, content);
    } catch (thrown) {
      if (thrown instanceof LayoutProblem) return thrown;
      throw thrown;
    }
    throw new Error("no problem was found");
  };
  test.each([
    ["too dense", "symbology: qrcode, box: [2, 2, 6, 6]", "2026-117-0001", "code-too-dense"],
    ["a letter in digits", "symbology: interleaved2of5, box: [4, 4, 70, 10]", "2026A1", "wrong-character"],
    [
      "an odd number of digits",
      "symbology: interleaved2of5, box: [4, 4, 70, 10]",
      "202611701",
      "wrong-character",
    ],
    ["small letters in code 39", "symbology: code39, box: [4, 4, 76, 10]", "abc", "wrong-character"],
    ["a wrong check digit", "symbology: ean13, box: [4, 4, 50, 14]", "4006381333932", "wrong-value"],
    ["a level it has not", "symbology: code128, level: 3, box: [4, 4, 70, 10]", "A", "wrong-layout"],
    ["a QR level for pdf417", "symbology: pdf417, level: M, box: [4, 4, 60, 20]", "A", "wrong-layout"],
    ["columns for a QR code", "symbology: qrcode, columns: 3, box: [4, 4, 20, 20]", "A", "wrong-layout"],
    [
      "a module too wide for the box",
      "symbology: qrcode, module: 1.2, box: [4, 4, 20, 20]",
      "A",
      "code-too-dense",
    ],
  ])("%s", (_, field, content, code) => {
    const found = problem(field, content);
    expect(found.code).toBe(code);
    expect(found.at.line).toBe(3);
    expect(found.message).not.toContain(content.length > 3 ? content : "\u0000");
  });
  test("says how large the box must be", () => {
    expect(problem("symbology: qrcode, box: [2, 2, 6, 6]", "2026-117-0001").remedy).toMatch(
      /at least 7\.4 mm wide and 7\.4 mm high/,
    );
  });
});
