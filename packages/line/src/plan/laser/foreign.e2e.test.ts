/** Every writer's file read back by a program of others, and held against the layout: geometry within 0.05 mm, dots equal. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseStringSync } from "gcode-parser";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dotsAt, renderFace } from "../layout/index.js";
import { patches } from "./calibration.js";
import { drawnCard, photographed } from "../../stations/quality/cards.test.data.js";
import { type FaceVerdict, judgeFace } from "../../stations/quality/index.js";
import type { Face } from "../placed.js";
import {
  apart,
  burnt,
  type Dots,
  facesOf,
  isDark,
  plastic,
  lettersApart,
  type Segment,
  settingsIn,
} from "./drawn.test.data.js";
import {
  calibrationFile,
  fitTable,
  type LaserFile,
  type LaserFormat,
  laserFile,
  type LaserJob,
  laserJob,
  type LaserSettings,
  seenFace,
} from "./index.js";

const root = mkdtempSync(join(tmpdir(), "persoline-laser-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Runs a program of Debian's; says which package it comes from when it is not there. */
function run(packageName: string, program: string, ...words: readonly string[]): string {
  const done = spawnSync(program, words, {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (done.error !== undefined)
    throw new Error(`this test needs ${program} (Debian: apt-get install ${packageName})`, {
      cause: done.error,
    });
  if (done.status !== 0)
    throw new Error(
      `${program} ended with ${String(done.status)}: ${done.stderr} (Debian package: ${packageName})`,
    );
  return done.stdout;
}

const height = 53.98;
/** 0.05 mm, and the dot of 1/600 inch that both are counted in. */
const reach = 0.05 + 25.4 / 600;

/** Modal G-code as a controller runs it, from words that gcode-parser found. */
function fromGcode(text: string): {
  readonly segments: Segment[];
  readonly powers: Set<number>;
  readonly ends: string[];
} {
  const segments: Segment[] = [];
  const powers = new Set<number>();
  const ends: string[] = [];
  let [x, y, s, motion, on] = [0, 0, 0, 0, false];
  for (const { words } of parseStringSync(text)) {
    let [toX, toY, moves] = [x, y, false];
    for (const [letter, value] of words) {
      const number = Number(value);
      if (letter === "G" && (number === 0 || number === 1)) motion = number;
      else if (letter === "G" && number === 20) throw new Error("inches");
      else if (letter === "G" && number === 91) throw new Error("relative");
      else if (letter === "M") {
        on = number === 3 || number === 4;
        ends.push(`M${String(number)}`);
      } else if (letter === "S") s = number;
      else if (letter === "X") [toX, moves] = [number, true];
      else if (letter === "Y") [toY, moves] = [number, true];
    }
    if (moves && motion === 1 && on && s > 0) {
      segments.push([x, height - y, toX, height - toY]);
      powers.add(s);
    }
    [x, y] = [toX, toY];
  }
  return { segments, powers, ends };
}

/** hp2xx's own reading of HPGL, in true size, as gnuplot's points. */
function fromHpgl(file: string): Segment[] {
  const out = `${file}.gpt`;
  run(
    "hp2xx",
    "hp2xx",
    "-q",
    "-t",
    "-x",
    "0",
    "-X",
    "3424",
    "-y",
    "0",
    "-Y",
    "2160",
    "-m",
    "gpt",
    "-f",
    out,
    file,
  );
  const segments: Segment[] = [];
  let [x, y, down] = [0, 0, false];
  for (const line of readFileSync(out, "utf8").split("\n")) {
    if (line.startsWith("#")) down = line.startsWith("#PD");
    const found = /^(-?[\d.e+-]+)\s+(-?[\d.e+-]+)\s*$/.exec(line);
    if (found === null) continue;
    const [toX, toY] = [Number(found[1]), height - Number(found[2])];
    if (down) segments.push([x, y, toX, toY]);
    [x, y] = [toX, toY];
  }
  return segments;
}

const ezdxfScript = `
import json, sys, ezdxf
doc = ezdxf.readfile(sys.argv[1])
found = doc.audit()
if found.has_errors or found.has_fixes: raise SystemExit("ezdxf found errors: %s" % [e.message for e in found.errors + found.fixes])
out = []
for e in doc.modelspace():
    if e.dxftype() == "LINE": p = [e.dxf.start, e.dxf.end]
    else:
        p = list(e.points())
        if e.is_closed: p.append(p[0])
    out.append([e.dxf.layer, [[round(q[0], 5), round(q[1], 5)] for q in p]])
json.dump({"version": doc.dxfversion, "layers": [l.dxf.name for l in doc.layers], "lines": out}, sys.stdout)
`;

/** By Debian's own Python, which has python3-ezdxf. */
function fromDxf(file: string): {
  readonly version: string;
  readonly segments: Segment[];
  readonly layers: ReadonlySet<string>;
} {
  const read = JSON.parse(run("python3-ezdxf", "/usr/bin/python3", "-c", ezdxfScript, file)) as {
    readonly version: string;
    readonly lines: readonly (readonly [string, readonly (readonly [number, number])[]])[];
  };
  const segments = read.lines.flatMap(([, points]) =>
    points
      .slice(1)
      .map(([x, y], i): Segment => [points[i]?.[0] ?? 0, height - (points[i]?.[1] ?? 0), x, height - y]),
  );
  return { version: read.version, segments, layers: new Set(read.lines.map(([layer]) => layer)) };
}

/** A grey picture as dots, dark below the middle. */
async function dotsOf(grey: ReturnType<typeof sharp>, dpi: number): Promise<Dots> {
  const { data, info } = await grey.greyscale().extractChannel(0).raw().toBuffer({ resolveWithObject: true });
  const stride = Math.ceil(info.width / 8);
  const bits = new Uint8Array(stride * info.height);
  data.forEach((value, i) => {
    const [x, y] = [i % info.width, Math.floor(i / info.width)];
    if (value < 128) bits[y * stride + (x >> 3)] = (bits[y * stride + (x >> 3)] ?? 0) | (0x80 >> (x & 7));
  });
  return { dpi, width: info.width, height: info.height, bits };
}

/** Runs of dots that lie in a picture's rows, set as dots again. */
function dotsIn(segments: readonly Segment[], picture: LaserJob["pictures"][number]): Uint8Array {
  const dots = new Uint8Array(picture.width * picture.height);
  const scale = picture.dpi / 25.4;
  for (const [x0, y0, x1] of segments) {
    const row = Math.floor(y0 * scale) - picture.top;
    const [from, to] = [
      Math.round(Math.min(x0, x1) * scale) - picture.left,
      Math.round(Math.max(x0, x1) * scale) - picture.left,
    ];
    if (row < 0 || row >= picture.height || from < 0 || to > picture.width) continue;
    dots.fill(1, row * picture.width + from, row * picture.width + to);
  }
  return dots;
}

describe.each([
  ["office-access", "fibre", 0],
  ["resident-card", "fibre", 1],
  ["warehouse-access", "gantry", 0],
] as const)("%s for laser %s, side %i", (product, machine, side) => {
  let settings: LaserSettings;
  let face: Face;
  let job: LaserJob;
  let wanted: Dots;
  beforeAll(async () => {
    settings = await settingsIn(machine);
    const found = facesOf(product)[side];
    if (found === undefined) throw new Error("no such side");
    face = found;
    job = await laserJob(face, settings);
    wanted = await renderFace(face, 600);
  });
  const written = async (format: LaserFormat): Promise<string> => {
    const { bytes, extension } = await laserFile(face, settings, format);
    const file = join(root, `${product}-${String(side)}${extension}`);
    writeFileSync(file, bytes);
    return file;
  };
  /** Photos of another resolution than the raster's have dots of their own, compared by themselves. */
  const masked = (dots: Dots): Dots => {
    const bits = dots.bits.slice();
    const boxes = job.pictures.map(({ left, top, width, height: tall, dpi }) =>
      [left, top, left + width, top + tall].map((at) => (at / dpi) * 25.4),
    );
    for (let y = 0; y < dots.height; y++)
      for (let x = 0; x < dots.width; x++) {
        const [mmX, mmY] = [((x + 0.5) / 600) * 25.4, ((y + 0.5) / 600) * 25.4];
        const photo = boxes.some(
          ([l = 0, t = 0, r = 0, b = 0]) => mmX > l - 0.1 && mmX < r + 0.1 && mmY > t - 0.1 && mmY < b + 0.1,
        );
        const at = y * Math.ceil(dots.width / 8) + (x >> 3);
        if (photo) bits[at] = (bits[at] ?? 0) & ~(0x80 >> (x & 7));
      }
    return { ...dots, bits };
  };
  /** How far lines lie from where they should. */
  const found = (segments: readonly Segment[]) => {
    const rows = segments.filter(([, y0, , y1]) => y0 === y1);
    const drawn = masked(burnt(segments, settings.spot, wanted));
    const { letters, worst } = lettersApart(face, segments, settings.spot);
    return {
      photos: job.pictures.every(
        (picture) =>
          picture.dots.includes(1) && Buffer.from(dotsIn(rows, picture)).equals(Buffer.from(picture.dots)),
      ),
      beside: apart(drawn, masked(wanted), reach).beside,
      // A broader beam rounds off the points of letters.
      missing: apart(drawn, masked(wanted), reach + settings.spot - 0.05).missing,
      letters: letters > 20,
      letterEdges: worst < 0.05,
    };
  };
  const whole = { photos: true, beside: 0, missing: 0, letters: true, letterEdges: true };

  test("G-code, read by gcode-parser", async () => {
    const { segments, powers, ends } = fromGcode(readFileSync(await written("gcode"), "latin1"));
    expect(found(segments)).toEqual(whole);
    expect(ends).toEqual(["M4", "M5", "M2"]);
    const used = new Set(
      [...job.passes, ...job.pictures].map(({ pen }) => (pen.power / 100) * settings.gcode.scale),
    );
    expect(powers).toEqual(used);
  });
  test("HPGL, read by hp2xx", async () => {
    expect(found(fromHpgl(await written("hpgl")))).toEqual(whole);
  });
  test("DXF, read and audited by ezdxf", async () => {
    const { version, segments, layers } = fromDxf(await written("dxf"));
    expect(found(segments)).toEqual(whole);
    expect(version).toBe("AC1009");
    expect(layers.size).toBe(new Set([...job.passes, ...job.pictures].map(({ kind }) => kind)).size);
  });
  test("PDF, drawn by pdftoppm", async () => {
    const file = await written("pdf");
    run("poppler-utils", "pdftoppm", "-r", "600", "-png", "-gray", file, file);
    expect(run("poppler-utils", "pdfinfo", file)).toMatch(
      /Pages: +1\n[^]*Page size: +242\.6\d* x 153\.0\d* pts/,
    );
    const drawn = await dotsOf(
      // The page is a few hundredths of a dot wider than the card's whole dots.
      sharp(`${file}-1.png`).extract({ left: 0, top: 0, width: 2022, height: 1275 }),
      600,
    );
    expect(apart(masked(drawn), masked(wanted), 0.05)).toEqual({ beside: 0, missing: 0 });
    for (const { dpi, left, top, width, height: tall, dots } of job.pictures) {
      const scale = 600 / dpi;
      let wrong = 0;
      for (let row = 0; row < tall; row++)
        for (let column = 0; column < width; column++) {
          const [x, y] = [Math.floor((left + column + 0.5) * scale), Math.floor((top + row + 0.5) * scale)];
          if (isDark(drawn, x, y) !== (dots[row * width + column] === 1)) wrong++;
        }
      expect(wrong / dots.length).toBeLessThan(0.02);
    }
  });
  test("TIFF: Group 4 by file(1), dots equal by libtiff", async () => {
    const file = await written("tiff");
    const raster = await renderFace(face, settings.dpi);
    expect(run("file", "file", "-b", file)).toMatch(/^TIFF image data.*compression=bi-level group 4/);
    const read = sharp(file);
    expect(await read.metadata()).toMatchObject({
      width: raster.width,
      height: raster.height,
      density: settings.dpi,
    });
    expect(Buffer.from((await dotsOf(read, settings.dpi)).bits).equals(Buffer.from(raster.bits))).toBe(true);
  });
  test("BMP: size, depth and resolution by file(1)", async () => {
    const { width, height: tall } = await renderFace(face, settings.dpi);
    expect(run("file", "file", "-b", await written("bmp"))).toContain(
      `PC bitmap, Windows 3.x format, ${String(width)} x ${String(tall)} x 1,`,
    );
  });
});

describe("what the G-code burns, seen by the camera", () => {
  /** The plastic after a controller has run this text. */
  const burning = (text: string, spot: number, like: Omit<Dots, "bits">): Dots =>
    plastic(fromGcode(text).segments, spot, like);
  const textOf = ({ bytes }: LaserFile): string => Buffer.from(bytes).toString("latin1");
  const judged = async (settings: LaserSettings, change: (text: string) => string): Promise<FaceVerdict> => {
    const { face } = await drawnCard("office-access", "front", 1);
    const raster = await renderFace(face, 600);
    const text = change(textOf(await laserFile(face, settings, "gcode")));
    const dots = burning(text, settings.spot, { dpi: 1200, ...dotsAt(1200) });
    const [picture] = await photographed([{ face, raster: { ...raster, ...dots } }], [], "7");
    if (picture === undefined) throw new Error("no picture");
    return judgeFace(picture, face, await seenFace(face, settings, "gcode"));
  };
  /** The curve that this beam's own calibration card gives: its spot is broader than a dot, so that photos come out too dark. */
  const calibrated = async (settings: LaserSettings): Promise<LaserSettings> => {
    const like = { dpi: 600, ...dotsAt(600) };
    const burnt = burning(
      textOf(await calibrationFile(settings, "gcode", "floyd-steinberg")),
      settings.spot,
      like,
    );
    const measured = patches.map(({ tone, x, y }) => {
      let dark = 0;
      const half = 60;
      const [cx, cy] = [Math.round((x / 25.4) * 600), Math.round((y / 25.4) * 600)];
      for (let dy = -half; dy < half; dy++)
        for (let dx = -half; dx < half; dx++) if (isDark(burnt, cx + dx, cy + dy)) dark++;
      return { asked: tone, measured: 255 * (1 - dark / (4 * half * half)) };
    });
    const curve = {
      name: "beam",
      version: 1,
      dpi: 600 as const,
      patches: measured,
      table: fitTable(measured),
    };
    return { ...settings, curve };
  };
  test("is the card the layout asks for, photo and all, when the laser is calibrated", async () => {
    const settings = await settingsIn("fibre");
    // Too dark a photo, and nothing else.
    const { verdict, findings } = await judged(settings, (text) => text);
    expect(verdict).toBe("reject");
    for (const { box } of findings) {
      expect(box.x).toBeGreaterThan(60);
      expect(box.x + box.width).toBeLessThan(82);
      expect(box.y).toBeGreaterThan(16);
      expect(box.y + box.height).toBeLessThan(43);
    }
    expect(await judged(await calibrated(settings), (text) => text)).toEqual(
      expect.objectContaining({ verdict: "pass", findings: [] }),
    );
  });
  test("a file that lacks its texts is none", async () => {
    const verdict = await judged(await settingsIn("fibre"), (text) => text.replace(/; text\n[^;]*;/, ";"));
    expect(verdict.verdict).toBe("reject");
    expect(verdict.findings.map(({ what }) => what)).toContain("missing");
  });
});
