import { readFileSync } from "node:fs";
import fc from "fast-check";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { DataProblem } from "../../orders/problem.js";
import { dither, renderFace } from "../layout/index.js";
import { calibrationCard, cornerMarks, markSize, patches } from "./calibration.js";
import { facesOf, settingsIn } from "./drawn.test.data.js";
import {
  calibrationFile,
  curveText,
  figuresText,
  fitTable,
  laserFile,
  laserJob,
  laserJsonSchema,
  type LaserSettings,
  parseCurve,
  parseLaser,
  parsePatches,
  type Patch,
  readCapture,
} from "./index.js";
import { arrange, type Piece, travelOf } from "./order.js";
import { lengthOf, rowsOf } from "./time.js";

const noCurve = () => Promise.reject(new Error("no curve"));
const minimal =
  "laser: test\nspot: 0.05\nhatch: 0.04\npens:\n  all: { power: 50, speed: 500 }\nmotion: { travel: 1000, acceleration: 100000 }\n";
const problem = async (text: string): Promise<string> =>
  parseLaser(text, "laser.yaml", noCurve).then(
    () => "none",
    (error: unknown) => (error instanceof DataProblem ? error.message : String(error)),
  );

describe("the laser's file", () => {
  test("each kind of mark has its pen: what is not said is that of all", async () => {
    const { pens } = await parseLaser(
      minimal.replace("motion", "  photo: { power: 30 }\nmotion"),
      "laser.yaml",
      noCurve,
    );
    expect(pens.text).toEqual({ power: 50, speed: 500, passes: 1 });
    expect(pens.photo).toEqual({ power: 30, speed: 500, passes: 1 });
  });
  test.each([
    ["an unknown key", minimal.replace("hatch", "hatching"), "laser.yaml:3"],
    ["a hatch with gaps", minimal.replace("0.04", "0.2"), "laser.yaml:3"],
    ["more than full power", minimal.replace("power: 50", "power: 150"), "laser.yaml:5"],
    ["bounds that hold nothing", `bounds: [10, 10, 5, 20]\n${minimal}`, "laser.yaml:1"],
  ])("%s is told with its line", async (_, text, where) => {
    expect(await problem(text)).toContain(where);
  });
  test("schemas/laser.schema.json is what the program reads (node tools/schemas.mjs makes it)", () => {
    const file = new URL("../../../../../schemas/laser.schema.json", import.meta.url);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(JSON.parse(JSON.stringify(laserJsonSchema())));
  });
});

describe("the order of lines", () => {
  const piece = fc.record({
    startX: fc.integer({ min: 0, max: 80 }),
    startY: fc.integer({ min: 0, max: 50 }),
    endX: fc.integer({ min: 0, max: 80 }),
    endY: fc.integer({ min: 0, max: 50 }),
  });
  test("has every line once, and is never longer than as they came", () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces: readonly Piece[]) => {
        const steps = arrange(pieces, { x: 0, y: 53.98 });
        expect(steps.map((step) => step.piece).sort((a, b) => a - b)).toEqual(pieces.map((_, i) => i));
        const given = pieces.map((_, i) => ({ piece: i, reversed: false }));
        expect(travelOf(pieces, steps, { x: 0, y: 53.98 })).toBeLessThanOrEqual(
          travelOf(pieces, given, { x: 0, y: 53.98 }) + 1e-9,
        );
      }),
    );
  });
  test("finds the shortest way through a few, or one hardly longer", () => {
    const at = { x: 0, y: 0 };
    // Every order and direction of four pieces, tried out.
    const all = (pieces: readonly Piece[]): number => {
      let best = Infinity;
      const go = (left: readonly number[], steps: { piece: number; reversed: boolean }[]): void => {
        if (left.length === 0) best = Math.min(best, travelOf(pieces, steps, at));
        for (const one of left)
          for (const reversed of [false, true])
            go(
              left.filter((other) => other !== one),
              [...steps, { piece: one, reversed }],
            );
      };
      go(
        pieces.map((_, i) => i),
        [],
      );
      return best;
    };
    let [found, best] = [0, 0];
    fc.assert(
      fc.property(fc.array(piece, { minLength: 4, maxLength: 4 }), (pieces) => {
        found += travelOf(pieces, arrange(pieces, at), at);
        best += all(pieces);
      }),
      { seed: 7, numRuns: 60 },
    );
    expect(found / best).toBeLessThan(1.15);
  });
});

describe("a job", () => {
  let fibre: LaserSettings;
  beforeAll(async () => {
    fibre = await settingsIn("fibre");
  });
  const front = (product = "office-access") => {
    const [face] = facesOf(product);
    if (face === undefined) throw new Error("no front");
    return face;
  };
  test("is the same every time, whatever was drawn before", async () => {
    const { bytes } = await laserFile(front(), fibre, "gcode");
    await laserFile(front("warehouse-access"), fibre, "gcode");
    expect(Buffer.from((await laserFile(front(), fibre, "gcode")).bytes).equals(Buffer.from(bytes))).toBe(
      true,
    );
  });
  test("burns each line once: its order shortens the dark way and drops nothing", async () => {
    const { figures, passes } = await laserJob(front(), fibre);
    const burnt = passes.flatMap(({ lines }) => lines).reduce((sum, line) => sum + lengthOf(line), 0);
    const rows = (await laserJob(front(), fibre)).pictures.flatMap(rowsOf).flatMap(({ runs }) => runs);
    const dots = rows.reduce((sum, [a, b]) => sum + Math.abs(b - a), 0);
    expect(figures.burnt).toBeCloseTo(burnt + dots, 6);
    expect(figures.travel).toBeLessThan(figures.travelBefore / 4);
    expect(figuresText(figures)).toContain("dark way");
  });
  test("takes the time of its path: a straight line at full speed, two ramps, the switch", async () => {
    const settings = await parseLaser(
      minimal
        .replace("hatch: 0.04\n", "")
        .replace("acceleration: 100000", "acceleration: 100000, switchMs: 3, handlingMs: 200"),
      "laser.yaml",
      noCurve,
    );
    const line = {
      side: "front",
      common: { key: "one", elements: [] },
      own: [
        {
          kind: "outline",
          layer: "laser",
          field: "line",
          d: "M10 20L60 20",
          stroke: 0.05,
          colour: "#000000",
          clear: false,
        },
      ],
      fields: [],
    } as const;
    const { figures } = await laserJob(line, settings);
    // The way there: 35.4 mm at 1,000 mm/s; the line: 50 mm at 500 mm/s.
    const there = Math.hypot(10, 33.98);
    expect(figures.ms).toBeCloseTo(200 + there + 10 + 100 + 5 + 3, 6);
  });
  test("passes are burnt one after the other", async () => {
    const once = await parseLaser(minimal, "laser.yaml", noCurve);
    const twice = await parseLaser(
      minimal.replace("speed: 500", "speed: 500, passes: 2"),
      "laser.yaml",
      noCurve,
    );
    const [a, b] = [await laserJob(front(), once), await laserJob(front(), twice)];
    expect(b.figures.ms).toBeGreaterThan(1.7 * a.figures.ms);
    const count = async (settings: LaserSettings): Promise<number> =>
      Buffer.from((await laserFile(front(), settings, "gcode")).bytes)
        .toString()
        .split("\nG0 ").length;
    expect((await count(twice)) / (await count(once))).toBeCloseTo(2, 1);
  });
  test("no beam outside the laser's bounds", async () => {
    const narrow = await parseLaser(`bounds: [0, 0, 50, 53.98]\n${minimal}`, "laser.yaml", noCurve);
    await expect(laserJob(front(), narrow)).rejects.toThrow(/outside the bounds of laser test/);
  });
  test("a file says nothing of the person in words", async () => {
    for (const format of ["gcode", "hpgl", "dxf", "pdf"] as const) {
      const text = Buffer.from((await laserFile(front(), fibre, format)).bytes).toString("latin1");
      for (const word of ["Brien", "PP1234567", "Extrusion"]) expect(text).not.toContain(word);
    }
  });
});

/** A machine whose dots are twice as broad as the distance between them, seen at 6 pixels a dot; light adds up in the eye. */
function machine(dots: Uint8Array, size: number): number {
  const fine = 6;
  const r = 1.05 * fine;
  let [dark, all] = [0, 0];
  for (let y = 4 * fine; y < (size - 4) * fine; y++)
    for (let x = 4 * fine; x < (size - 4) * fine; x++) {
      all++;
      const [cx, cy] = [Math.floor(x / fine), Math.floor(y / fine)];
      let hit = false;
      for (let dy = -1; dy <= 1 && !hit; dy++)
        for (let dx = -1; dx <= 1 && !hit; dx++)
          hit =
            dots[(cy + dy) * size + cx + dx] === 1 &&
            (x + 0.5 - (cx + dx + 0.5) * fine) ** 2 + (y + 0.5 - (cy + dy + 0.5) * fine) ** 2 <= r * r;
      if (hit) dark++;
    }
  const light = 0.06 + 0.94 * (1 - dark / all);
  return 255 * (1.055 * light ** (1 / 2.4) - 0.055);
}

describe("dot gain", () => {
  const size = 40;
  const burn = (asked: number, method: "floyd-steinberg" | "atkinson"): number =>
    machine(dither(new Uint8Array(size * size).fill(asked), size, size, method), size);
  test.each(["floyd-steinberg", "atkinson"] as const)(
    "%s: tones come out as they were asked for",
    (method) => {
      const table = fitTable(patches.map(({ tone }) => ({ asked: tone, measured: burn(tone, method) })));
      const [black, white] = [burn(0, method), burn(255, method)];
      const tones = Array.from({ length: 14 }, (_, i) => 20 + 16 * i);
      const rms = (through: (tone: number) => number): number =>
        Math.sqrt(
          tones.reduce(
            (sum, tone) =>
              sum + (((burn(through(tone), method) - black) * 255) / (white - black) - tone) ** 2,
            0,
          ) / tones.length,
        );
      expect(rms((tone) => tone)).toBeGreaterThan(20);
      expect(rms((tone) => table[tone] ?? tone)).toBeLessThan(8);
    },
  );
  test("a photo goes through the curve", async () => {
    const [face] = facesOf("office-access");
    if (face === undefined) throw new Error("no front");
    const lighter = Uint8Array.from({ length: 256 }, (_, tone) => Math.min(255, tone + 60));
    const marked = ({ bits }: { readonly bits: Uint8Array }): number =>
      bits.reduce((sum, byte) => sum + byte.toString(2).split("1").length - 1, 0);
    expect(marked(await renderFace(face, 300, lighter))).toBeLessThan(
      0.95 * marked(await renderFace(face, 300)),
    );
  });
  test("the table rises, black stays black and white white", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 40, noNaN: true }), { minLength: 17, maxLength: 17 }),
        (steps) => {
          let sum = 0;
          const measured = steps.map((step, i) => ({
            asked: Math.round((i * 255) / 16),
            measured: (sum += step + 5),
          }));
          const scale = 230 / sum;
          const table = fitTable(
            measured.map(({ asked, measured: got }) => ({ asked, measured: got * scale })),
          );
          expect(table[0]).toBe(0);
          expect(table[255]).toBe(255);
          for (let i = 1; i < 256; i++) expect(table[i]).toBeGreaterThanOrEqual(table[i - 1] ?? 0);
        },
      ),
    );
  });
  const good: Patch[] = patches.map(({ tone }) => ({ asked: tone, measured: 20 + tone * 0.85 }));
  test.each([
    ["too few", good.slice(0, 4), "too few"],
    ["without white", good.slice(0, -1), "white"],
    ["upside down", good.map(({ asked }, i) => ({ asked, measured: good[16 - i]?.measured ?? 0 })), "order"],
    [
      "without contrast",
      good.map(({ asked, measured }) => ({ asked, measured: 100 + measured / 10 })),
      "power",
    ],
    ["a tone twice", [...good, { asked: 0, measured: 20 }], "twice"],
  ])("measurements are refused when %s", (_, measured, word) => {
    expect(() => fitTable(measured)).toThrow(word);
  });
  test("the file of a curve gives the same curve back, and changes by hand are seen", () => {
    const file = {
      name: "pc-white",
      version: 3,
      made: "2026-02-01",
      from: "table.csv",
      dpi: 600,
      patches: good,
    } as const;
    const text = curveText(file);
    expect(parseCurve(text, "curve.yaml")).toEqual({
      name: "pc-white",
      version: 3,
      dpi: 600,
      patches: good,
      table: fitTable(good),
    });
    expect(() => parseCurve(text.replace("version: 3", "version: 4"), "curve.yaml")).toThrow(
      "not the one that was measured",
    );
  });
  test("a laser refuses a curve of another resolution", async () => {
    const curve = parseCurve(
      curveText({ name: "c", version: 1, made: "2026-02-01", from: "x", dpi: 300, patches: good }),
      "c.yaml",
    );
    await expect(
      parseLaser(`${minimal}dpi: 600\ncurve: c.yaml\n`, "laser.yaml", () => Promise.resolve(curve)),
    ).rejects.toThrow("300 dpi");
  });
  test("tables are read with heading, comma or semicolon, and faults told by line", () => {
    expect(parsePatches("asked,measured\n0,12.5\n255;240\n")).toEqual([
      { asked: 0, measured: 12.5 },
      { asked: 255, measured: 240 },
    ]);
    expect(() => parsePatches("0,12\n16,dark\n")).toThrow("line 2");
    expect(() => parsePatches("0,12\n16,300\n")).toThrow("line 2");
  });
});

/** A camera's picture of the calibration card: tones by this law, from the side, in light that falls off, a chip on it, on a grey table. */
async function captureOf(law: (tone: number) => number, turned: boolean): Promise<Uint8Array> {
  const scale = 12;
  const mm = (value: number): string => (value * scale).toFixed(1);
  const grey = (value: number): string =>
    `rgb(${String(Math.round(value))},${String(Math.round(value))},${String(Math.round(value))})`;
  const rect = (x: number, y: number, w: number, h: number, tone: number): string =>
    `<rect x="${mm(x)}" y="${mm(y)}" width="${mm(w)}" height="${mm(h)}" fill="${grey(tone)}"/>`;
  const card =
    rect(0, 0, 85.6, 53.98, 250) +
    cornerMarks
      .map(({ x, y }) => rect(x - markSize / 2, y - markSize / 2, markSize, markSize, law(0)))
      .join("") +
    patches.map(({ tone, x, y }) => rect(x - 3.5, y - 3.5, 7, 7, law(tone))).join("") +
    `<rect x="${mm(9.6)}" y="${mm(18.3)}" width="${mm(11)}" height="${mm(11.2)}" fill="#c9a650"/>`;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="1300" height="900"><defs><linearGradient id="l" x1="0" y1="0" x2="1" y2="0.4">` +
    `<stop offset="0" stop-color="#000" stop-opacity="0"/><stop offset="1" stop-color="#000" stop-opacity="0.25"/></linearGradient></defs>` +
    `<rect width="1300" height="900" fill="#bbb"/><g transform="translate(130 160) rotate(4) skewX(3)${turned ? " rotate(180 513 324)" : ""}">${card}</g>` +
    `<rect width="1300" height="900" fill="url(#l)"/></svg>`;
  return sharp(Buffer.from(svg)).blur(1.2).jpeg({ quality: 92 }).toBuffer();
}

describe("a picture of the calibration card", () => {
  const law = (tone: number): number => 250 * (0.2 + 0.8 * (tone / 255) ** 1.8);
  test.each([false, true])(
    "gives its tones whichever way up, at a slant, in uneven light (turned: %s)",
    async (turned) => {
      const measured = await readCapture(await captureOf(law, turned));
      expect(measured.map(({ asked }) => asked)).toEqual(patches.map(({ tone }) => tone));
      const table = fitTable(measured);
      const truth = fitTable(patches.map(({ tone }) => ({ asked: tone, measured: law(tone) })));
      const rms = Math.sqrt(table.reduce((sum, value, i) => sum + (value - (truth[i] ?? 0)) ** 2, 0) / 256);
      expect(rms).toBeLessThan(5);
    },
  );
  test("of something else is refused", async () => {
    await expect(readCapture(await captureOf(() => 250, false))).rejects.toThrow("marks");
    await expect(
      readCapture(await captureOf((tone) => (tone === 0 ? 40 : 240 - tone / 3), false)),
    ).rejects.toThrow("rise");
    await expect(readCapture(new Uint8Array([1, 2, 3]))).rejects.toThrow("decoded");
  });
  test("the card itself: patches of the tones asked for, clear of chip and marks, in every format", async () => {
    const settings = await settingsIn("fibre");
    const { job } = await calibrationCard(settings, "floyd-steinberg");
    for (const [i, { dots, width, height }] of job.pictures.entries()) {
      const share = dots.reduce((sum, dot) => sum + dot, 0) / (width * height);
      expect(share).toBeCloseTo(1 - (patches[i]?.tone ?? 0) / 255, 1);
    }
    expect(job.pictures).toHaveLength(17);
    for (const { x, y } of patches) expect(x - 3.5 > 21 || y - 3.5 > 31 || y + 3.5 < 16.5).toBe(true);
    for (const format of ["gcode", "hpgl", "dxf", "bmp", "tiff", "pdf"] as const)
      expect((await calibrationFile(settings, format, "atkinson")).bytes.length).toBeGreaterThan(1000);
    const { bytes } = await calibrationFile(settings, "tiff", "floyd-steinberg");
    const { data, info } = await sharp(bytes).greyscale().raw().toBuffer({ resolveWithObject: true });
    const at = (x: number, y: number): number =>
      data[Math.round((y / 25.4) * 600) * info.width + Math.round((x / 25.4) * 600)] ?? -1;
    expect([at(8, 7.5), at(27.5, 15), at(40, 5)]).toEqual([0, 0, 255]);
  });
});
