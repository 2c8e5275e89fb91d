import { beforeAll, describe, expect, test } from "vitest";
import { renderFace } from "../layout/index.js";
import type { Face } from "../placed.js";
import { type Dots, facesOf, isDark, settingsIn } from "./drawn.test.data.js";
import { fitTable, type LaserSettings, seenFace } from "./index.js";

/** What a beam broader than a dot does to flat patches. */
const patches = [
  { asked: 0, measured: 0 },
  { asked: 64, measured: 12 },
  { asked: 128, measured: 40 },
  { asked: 192, measured: 105 },
  { asked: 255, measured: 255 },
];
const withBeam = (settings: LaserSettings, spot: number): LaserSettings => ({
  ...settings,
  spot,
  curve: { name: "beam", version: 1, dpi: settings.dpi, patches, table: fitTable(patches) },
});

describe("what a laser leaves", () => {
  let settings: LaserSettings;
  let face: Face;
  beforeAll(async () => {
    settings = await settingsIn("fibre");
    const [front] = facesOf("office-access");
    if (front === undefined) throw new Error("no side");
    face = front;
  });
  /** Share of dark dots in a box in mm. */
  const dark = (dots: Dots, { x, y, width, height }: Face["fields"][number]["box"]): number => {
    const at = (mm: number): number => Math.round((mm / 25.4) * dots.dpi);
    let count = 0;
    for (let row = at(y); row < at(y + height); row++)
      for (let column = at(x); column < at(x + width); column++) if (isDark(dots, column, row)) count++;
    return count / ((at(x + width) - at(x)) * (at(y + height) - at(y)));
  };
  const photo = () => {
    const found = face.fields.find(({ kind }) => kind === "photo");
    if (found === undefined) throw new Error("no photo");
    return found.box;
  };

  test("without a curve it is the layout's dots", async () => {
    expect(await seenFace(face, settings, "bmp")).toEqual(await renderFace(face, settings.dpi));
  });
  test("a photo grows with the beam", async () => {
    const dot = 25.4 / settings.dpi;
    const sent = dark(await renderFace(face, settings.dpi, withBeam(settings, dot).curve?.table), photo());
    const [narrow, even, broad] = [
      dark(await seenFace(face, withBeam(settings, dot / 4), "bmp"), photo()),
      dark(await seenFace(face, withBeam(settings, dot), "bmp"), photo()),
      dark(await seenFace(face, withBeam(settings, 2 * dot), "bmp"), photo()),
    ];
    expect(narrow).toBeLessThan(0.6 * sent);
    // Round ends reach a little beyond each run.
    expect(even).toBeGreaterThan(sent);
    expect(even).toBeLessThan(2 * sent);
    expect(broad).toBeGreaterThan(1.2 * even);
  });
  test("outlines end where the layout has them, not where dots end, and pictures are dots", async () => {
    const [fine, coarse] = [await seenFace(face, settings, "gcode"), await seenFace(face, settings, "tiff")];
    expect(fine.dpi).toBe(2 * coarse.dpi);
    const differing = (name: string): number => {
      const box = face.fields.find((field) => field.name === name)?.box;
      if (box === undefined) throw new Error(`no ${name}`);
      const at = (mm: number): number => Math.round((mm / 25.4) * coarse.dpi) * 2;
      let count = 0;
      for (let y = at(box.y); y < at(box.y + box.height); y++)
        for (let x = at(box.x); x < at(box.x + box.width); x++)
          if (isDark(fine, x, y) !== isDark(coarse, x >> 1, y >> 1)) count++;
      return count;
    };
    expect(differing("photo")).toBe(0);
    expect(differing("name")).toBeGreaterThan(200);
  });
  test("texts are the same dots, only smaller", async () => {
    const [seen, sent] = [
      await seenFace(face, withBeam(settings, 0.06), "bmp"),
      await renderFace(face, settings.dpi),
    ];
    expect(seen.dpi).toBe(2 * sent.dpi);
    const name = face.fields.find((field) => field.name === "name")?.box;
    if (name === undefined) throw new Error("no name");
    const at = (mm: number): number => Math.round((mm / 25.4) * seen.dpi);
    let [marks, wrong] = [0, 0];
    for (let y = at(name.y); y < at(name.y + name.height); y++)
      for (let x = at(name.x); x < at(name.x + name.width); x++) {
        if (isDark(seen, x, y)) marks++;
        if (isDark(seen, x, y) !== isDark(sent, x >> 1, y >> 1)) wrong++;
      }
    expect(marks).toBeGreaterThan(1000);
    expect(wrong).toBe(0);
  });
});
