/**
 * Dot gain: a burnt dot is larger than it was asked to be, so that dithered tones come out too dark. Flat patches of known tones are
 * burnt without a curve and measured; the inverse of what was measured makes a tone come out as it was asked for.
 */
import { createHash } from "node:crypto";
import { stringify } from "yaml";
import { z } from "zod";
import { DataProblem } from "../../orders/problem.js";
import { strictYaml } from "../../orders/yaml.js";
import { LaserProblem } from "./problem.js";

/** Tones are 0 (black) to 255 (white), as the eye and picture files count them (sRGB). */
export interface Patch {
  readonly asked: number;
  readonly measured: number;
}

export interface Curve {
  readonly name: string;
  readonly version: number;
  readonly dpi: 300 | 600;
  readonly patches: readonly Patch[];
  /** 256 bytes: the tone to ask the dithering for, to get the tone at this place. */
  readonly table: Uint8Array;
}

const fewest = 5;
/** Less between the darkest and the lightest patch is no picture. */
const leastRange = 60;
/** rms of what had to be moved to make the tones rise, of 255. */
const mostDisorder = 10;

/** Least squares among rising sequences (pool adjacent violators). */
function rising(values: readonly number[]): number[] {
  const pools: { sum: number; count: number }[] = [];
  for (const value of values) {
    pools.push({ sum: value, count: 1 });
    for (;;) {
      const [before, last] = pools.slice(-2);
      if (before === undefined || last === undefined || before.sum / before.count <= last.sum / last.count)
        break;
      pools.splice(-2, 2, { sum: before.sum + last.sum, count: before.count + last.count });
    }
  }
  return pools.flatMap(({ sum, count }) => Array.from({ length: count }, () => sum / count));
}

/**
 * The inverse of what was measured, as a table of 256. The darkest and the lightest patch become 0 and 255: plastic is never white, burnt
 * plastic never black. Throws LaserProblem.
 */
export function fitTable(patches: readonly Patch[]): Uint8Array {
  const sorted = patches.toSorted((a, b) => a.asked - b.asked);
  if (new Set(sorted.map(({ asked }) => asked)).size !== sorted.length)
    throw new LaserProblem("a tone was measured twice: keep one value for each patch");
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (first === undefined || last === undefined || sorted.length < fewest)
    throw new LaserProblem(
      `${String(sorted.length)} patches are too few: measure at least ${String(fewest)}`,
    );
  if (first.asked !== 0 || last.asked !== 255)
    throw new LaserProblem("the patches for black (0) and white (255) must be among the measured ones");
  const tones = rising(sorted.map(({ measured }) => measured));
  const moved = Math.sqrt(
    sorted.reduce((sum, { measured }, i) => sum + (measured - (tones[i] ?? 0)) ** 2, 0) / sorted.length,
  );
  if (moved > mostDisorder)
    throw new LaserProblem(
      `the measured tones do not rise with the asked ones (${moved.toFixed(0)} of 255 out of order): see that they are in the right order, 0 black and 255 white`,
    );
  const [low, high] = [tones[0] ?? 0, tones.at(-1) ?? 255];
  if (high - low < leastRange)
    throw new LaserProblem(
      `from black to white there are only ${(high - low).toFixed(0)} of 255 tones: the power is too low or too high for this material`,
    );
  const points = sorted.map(({ asked }, i) => ({
    asked,
    got: ((tones[i] ?? 0) - low) * (255 / (high - low)),
  }));
  return Uint8Array.from({ length: 256 }, (_, wanted) => {
    // Of patches that came out alike the lightest asked tone burns least.
    const above = points.findIndex(({ got }) => got > wanted);
    if (above < 0) return 255;
    const [a, b] = [points[above - 1], points[above]];
    if (a === undefined || b === undefined) return 0;
    return Math.round(a.asked + ((wanted - a.got) / (b.got - a.got)) * (b.asked - a.asked));
  });
}

const tone = z.number().min(0).max(255);
const curveSchema = z.strictObject({
  curve: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, "a name has 1 to 32 small letters, digits and dashes"),
  version: z.int().min(1),
  made: z.string().regex(/^\d{4}-\d\d-\d\d$/, "a date is written as 2026-01-31"),
  from: z.string().min(1).describe("What was measured"),
  dpi: z.union([z.literal(300), z.literal(600)]),
  patches: z.array(z.tuple([tone, tone])).describe("Tone asked for, tone measured; 0 black, 255 white"),
  digest: z.string().regex(/^[0-9a-f]{16}$/, "a digest has 16 hexadecimal digits"),
});

export interface CurveFile extends Omit<Curve, "table"> {
  /** Date of the day, ISO 8601. */
  readonly made: string;
  readonly from: string;
}

/** Changes of a curve by hand are told from those of a measurement. */
const digestOf = (name: string, version: number, dpi: number, patches: readonly Patch[]): string =>
  createHash("sha256")
    .update(JSON.stringify([name, version, dpi, patches.map(({ asked, measured }) => [asked, measured])]))
    .digest("hex")
    .slice(0, 16);

/** The curve as its YAML file. */
export function curveText({ name, version, made, from, dpi, patches }: CurveFile): string {
  const digest = digestOf(name, version, dpi, patches);
  return (
    `# Dot-gain curve. Made by "persoline laser fit"; a new measurement makes the next version.\n` +
    stringify({ curve: name, version, made, from, dpi }) +
    `patches:\n${patches.map((one) => `  - [${String(one.asked)}, ${String(one.measured)}]\n`).join("")}digest: "${digest}"\n`
  );
}

/** `file` is for messages. Throws DataProblem. */
export function parseCurve(text: string, file: string): Curve {
  const read = strictYaml(curveSchema, text, file);
  if (!read.ok) throw new DataProblem(read.problems);
  const { curve: name, version, dpi, digest } = read.value;
  const patches = read.value.patches.map(([asked, measured]) => ({ asked, measured }));
  if (digest !== digestOf(name, version, dpi, patches))
    throw new DataProblem([
      read.problem(
        ["digest"],
        "curve-changed",
        "this curve is not the one that was measured",
        "put the file back as it was, or measure and fit again",
      ),
    ]);
  try {
    return { name, version, dpi, patches, table: fitTable(patches) };
  } catch (problem) {
    if (!(problem instanceof LaserProblem)) throw problem;
    throw new DataProblem([read.problem(["patches"], "no-curve", problem.message, "measure and fit again")]);
  }
}

/** A table of `asked,measured` lines, with or without a heading. Throws LaserProblem naming the line. */
export function parsePatches(text: string): readonly Patch[] {
  return text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .flatMap((line, at): Patch[] => {
      if (line.trim() === "" || (at === 0 && /[a-z]/i.test(line))) return [];
      const values = line.split(/[,;\t]/).map((part) => part.trim());
      const [asked, measured] = values.map((value) =>
        /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN,
      );
      if (
        values.length !== 2 ||
        asked === undefined ||
        measured === undefined ||
        !(asked <= 255 && measured <= 255)
      )
        throw new LaserProblem(
          `line ${String(at + 1)}: write the tone asked for and the tone measured, 0 to 255, with a comma between`,
        );
      return [{ asked, measured }];
    });
}
