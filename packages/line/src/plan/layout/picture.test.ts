import { inflateSync } from "node:zlib";
import { readFileSync } from "node:fs";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import type { Face, Layer } from "../placed.js";
import {
  compileVisual,
  dotsAt,
  outlinesOf,
  pictureOfFace,
  readFonts,
  renderColour,
  renderFace,
  sheetPdf,
  sheetPng,
  sheetSvg,
  type VisualLayout,
} from "./index.js";
import { samplePhoto } from "./portraits.test.data.js";
import { sampleSignature } from "./sample.js";

const fonts = readFonts();
const folder = new URL("../../../../../examples/products/resident-card/layout/", import.meta.url);
const read = (file: string) => ({ file, text: readFileSync(new URL(file, folder), "utf8") });
const offered = {
  texts: [
    "surname",
    "given",
    "nativeName",
    "birth",
    "sex",
    "nationality",
    "number",
    "category",
    "validUntil",
    "cardNumber",
  ],
  photos: ["photo", "signature"],
  codes: ["cardNumber"],
};
const values = {
  surname: "Lindqvist",
  given: "Maria",
  nativeName: "פאטמה כהן",
  birth: "1989-04-23",
  sex: "F",
  nationality: "UTO",
  number: "UT4715908",
  category: "junior",
  validUntil: "2031-12-31",
  cardNumber: "2026-117-0001",
};
const photos = { photo: samplePhoto(3), signature: sampleSignature() };

let faceLayouts: VisualLayout["sides"];
let front: Face;
let back: Face;
beforeAll(() => {
  const visual = compileVisual({ front: read("front.yaml"), back: read("back.yaml") }, offered, fonts, read);
  faceLayouts = visual.sides;
  const { faces } = visual.draw(values, photos);
  const [one, two] = faces;
  if (one === undefined || two === undefined) throw new Error("a side is missing");
  [front, back] = [one, two];
});

const layoutOf = (side: "front" | "back") => {
  const found = faceLayouts.find(({ template }) => template.side === side);
  if (found === undefined) throw new Error(`there is no ${side}`);
  return found;
};

const sheetOf = async (layers?: readonly Layer[], guides = false): Promise<string> =>
  sheetSvg(
    [
      {
        side: "front",
        picture: await pictureOfFace(front, layoutOf("front"), {
          dpi: 150,
          guides,
          ...(layers === undefined ? {} : { layers }),
        }),
      },
    ],
    undefined,
    fonts,
  );

/** Mean brightness of a place of the card on a sheet of one side at 150 dpi; mm. */
async function brightness(svg: string, box: readonly [number, number, number, number]): Promise<number> {
  const dots = (mm: number): number => Math.round((mm / 25.4) * 150);
  const [x, y, width, height] = box;
  const { data } = await sharp(await sheetPng(svg, 150))
    .extract({ left: dots(6 + x), top: dots(6 + y), width: dots(width), height: dots(height) })
    .greyscale()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return data.reduce((sum, value) => sum + value, 0) / data.length;
}

describe("the picture of a card", () => {
  const surname = [33, 15, 17, 4.4] as const;
  const header = [62, 8.6, 18, 0.8] as const;
  test("shows all layers, or those that are asked for", async () => {
    const [all, laser, preprint] = [
      await sheetOf(),
      await sheetOf(["laser", "code"]),
      await sheetOf(["preprint"]),
    ];
    expect(await brightness(all, header)).toBeLessThan(140);
    expect(await brightness(laser, header)).toBeGreaterThan(230);
    expect(await brightness(preprint, header)).toBeLessThan(140);
    expect(await brightness(laser, surname)).toBeLessThan(220);
    expect(await brightness(preprint, surname)).toBeGreaterThan(225);
  });
  test("needs no font and nothing from outside", async () => {
    const svg = await sheetOf(undefined, true);
    expect(svg).not.toMatch(/<text|font-family|href="(?!data:)/);
  });
  test("with guides names the fields' boxes over the card", async () => {
    expect((await sheetOf(undefined, true)).length).toBeGreaterThan((await sheetOf()).length + 5000);
  });
  test("is the same every time", async () => {
    expect(await sheetOf()).toBe(await sheetOf());
  });
  test("as PNG has the resolution that was asked for", async () => {
    const { width, density, hasAlpha } = await sharp(await sheetPng(await sheetOf(), 200)).metadata();
    expect([width, density, hasAlpha]).toEqual([Math.round((97.6 / 25.4) * 200), 200, false]);
  });
});

test("a PDF has a page a side, as large as the card, and its table leads to every object", async () => {
  const sides = [
    { side: "front" as const, picture: await pictureOfFace(front, layoutOf("front"), { dpi: 150 }) },
    { side: "back" as const, picture: await pictureOfFace(back, layoutOf("back"), { dpi: 150 }) },
  ];
  const pdf = Buffer.from(sheetPdf(sides, 150));
  const text = pdf.toString("latin1");
  expect(text.match(/\/MediaBox \[0 0 242\.646 153\.014\]/g)).toHaveLength(2);
  const start = Number(/startxref\n(\d+)/.exec(text)?.[1]);
  const offsets = [...text.slice(start).matchAll(/^(\d{10}) 00000 n /gm)].map(([, offset]) => Number(offset));
  expect(offsets).toHaveLength(8);
  offsets.forEach((offset, i) => expect(text.slice(offset).startsWith(`${String(i + 1)} 0 obj`)).toBe(true));
  const stream = text.indexOf("stream\n", text.indexOf("/Subtype /Image")) + 7;
  const length = Number(/\/Subtype \/Image .*?\/Length (\d+)/.exec(text)?.[1]);
  expect(inflateSync(pdf.subarray(stream, stream + length))).toHaveLength(506 * 319 * 3);
});

describe("what each machine gets of a face", () => {
  test("the engraver's dots are those of the layers laser and code", async () => {
    const raster = await renderFace(front, 300);
    expect(raster.areas.map(({ name }) => name)).not.toContain("photo");
    expect(raster.areas.map(({ name }) => name)).toContain("signature");
    const stride = Math.ceil(raster.width / 8);
    const marked = (x: number, y: number): boolean =>
      ((raster.bits[Math.round((y / 25.4) * 300) * stride + (Math.round((x / 25.4) * 300) >> 3)] ?? 0) &
        0xff) !==
      0;
    expect(marked(17, 30)).toBe(false);
  });
  test("a window drawn alone has the dots it has on the whole card", async () => {
    const apart = await renderFace(front, 600);
    // The same elements as if all cards had them are drawn in one piece.
    const own = front.own.filter(({ kind }) => kind === "glyphs");
    const whole = await renderFace(
      {
        ...front,
        common: { key: "whole", elements: [...front.common.elements, ...own] },
        own: front.own.filter(({ kind }) => kind === "image"),
      },
      600,
    );
    expect(Buffer.from(apart.bits).equals(Buffer.from(whole.bits))).toBe(true);
  });
  test("the printer's picture is transparent where nothing is printed", async () => {
    const { pixels, width, height } = await renderColour(front, 300);
    expect([width, height]).toEqual([dotsAt(300).width, dotsAt(300).height]);
    const at = (x: number, y: number): number[] => {
      const i = 4 * (Math.round((y / 25.4) * 300) * width + Math.round((x / 25.4) * 300));
      return [...pixels.subarray(i, i + 4)];
    };
    expect(at(84.4, 30)).toEqual([0xe4, 0x57, 0x2e, 255]);
    expect(at(17, 30)[3]).toBe(255);
    expect(at(60, 50)).toEqual([0, 0, 0, 0]);
  });
  test("outlines lie where the glyphs' boxes say, in millimetres", () => {
    const surname = front.fields.find(({ name }) => name === "surname");
    const outlines = outlinesOf(front.own.filter(({ field }) => field === "surname"));
    expect(outlines).toHaveLength("Lindqvist".length);
    outlines.forEach(({ commands }, i) => {
      const points = commands.flatMap((command) => ("x" in command ? [command] : []));
      const box = surname?.glyphs?.[i]?.box;
      expect(Math.min(...points.map(({ x }) => x))).toBeCloseTo(box?.x ?? 0, 1);
      expect(Math.max(...points.map(({ y }) => y))).toBeCloseTo((box?.y ?? 0) + (box?.height ?? 0), 1);
    });
  });
  test("the encoder gets its tracks", () => {
    expect(back.own.find(({ kind }) => kind === "stripe")).toMatchObject({
      tracks: [
        { track: 1, text: "RC^LINDQVIST^UT4715908" },
        { track: 2, text: "3112=2026" },
      ],
    });
  });
});
