import sharp from "sharp";
import { expect, test } from "vitest";
import { drawnCard, raisedLines } from "./cards.test.data.js";
import { overlayPicture } from "./index.js";

/** Darkest and brightest grey of the expected side in a box of mm; it stands 20 dots from the left, 50 from the top. */
async function greysIn(
  png: Uint8Array,
  [x, y, width, height]: readonly [number, number, number, number],
): Promise<readonly [darkest: number, brightest: number]> {
  const dots = (mm: number): number => Math.round((mm / 25.4) * 300);
  const data = await sharp(png)
    .greyscale()
    .extract({ left: 20 + dots(x), top: 50 + dots(y), width: dots(width), height: dots(height) })
    .raw()
    .toBuffer();
  return [Math.min(...data), Math.max(...data)];
}

const nothing = { verdict: "pass", findings: [], measures: [] } as const;

test("the expected side shows what the printer adds for this record", async () => {
  const { face, raster, ground } = await drawnCard("payment", "back", 3);
  const code = [71, 35.5, 9, 9] as const;
  const common = { ground: ground?.common };
  const without = await greysIn(await overlayPicture(face, raster, common, undefined, nothing), code);
  const whole = { ...common, printed: ground?.own };
  const shown = await greysIn(await overlayPicture(face, raster, whole, undefined, nothing), code);
  expect(without[0]).toBeGreaterThan(150);
  expect(shown[0]).toBeLessThan(80);
});

test("the expected side shows raised characters, and their dents behind", async () => {
  const raised = raisedLines("payment", 3);
  for (const [side, number] of [
    ["front", [12, 30.6, 20, 4]],
    ["back", [55, 30.6, 18, 4]],
  ] as const) {
    const { face, raster } = await drawnCard("payment", side, 3);
    const flat = await greysIn(await overlayPicture(face, raster, {}, undefined, nothing), number);
    expect(flat).toEqual([235, 235]);
    const [dark, bright] = await greysIn(
      await overlayPicture(face, raster, { raised }, undefined, nothing),
      number,
    );
    expect(dark).toBeLessThan(200);
    expect(bright).toBeGreaterThan(245);
  }
});

test("dots of a finer laser stand at the size of the boxes", async () => {
  const { face, raster } = await drawnCard("payment", "front", 3);
  const [width, height] = [2 * raster.width, 2 * raster.height];
  const fine = { dpi: 600, width, height, bits: new Uint8Array(Math.ceil(width / 8) * height) };
  const [coarse, other] = await Promise.all(
    [raster, fine].map(async (dots) =>
      sharp(await overlayPicture(face, dots, {}, undefined, nothing)).metadata(),
    ),
  );
  expect([other?.width, other?.height]).toEqual([coarse?.width, coarse?.height]);
});
