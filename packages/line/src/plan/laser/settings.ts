/** The file that describes an engraver: its spot, its pens for each kind of mark, how fast it moves. Beside it may lie a dot-gain curve. */
import { z } from "zod";
import { DataProblem } from "../../orders/problem.js";
import { strictYaml } from "../../orders/yaml.js";
import type { Curve } from "./curve.js";

/** What the marks of a field are; each may have a pen of its own. In the order they are burnt. */
export const markKinds = ["art", "text", "ocr", "mrz", "code", "photo", "signature"] as const;
export type MarkKind = (typeof markKinds)[number];

const pen = z.strictObject({
  power: z.number().min(0.1).max(100).describe("per cent of the laser's full power"),
  speed: z.number().min(1).max(20_000).describe("mm/s while it burns"),
  passes: z.int().min(1).max(10).default(1).describe("how often each line is burnt"),
});

/** How lasers' files name themselves, and what they end with. */
export const laserFormats = {
  gcode: ".gcode",
  hpgl: ".plt",
  dxf: ".dxf",
  bmp: ".bmp",
  tiff: ".tif",
  pdf: ".pdf",
} as const;
export type LaserFormat = keyof typeof laserFormats;

const laserSchema = z.strictObject({
  $schema: z.string().optional(),
  laser: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,31}$/, "a name has 1 to 32 small letters, digits and dashes")
    .describe("The machine's name"),
  dpi: z
    .union([z.literal(300), z.literal(600)])
    .default(600)
    .describe("Dots an inch of photos and signatures, and of files that are dots"),
  spot: z.number().min(0.01).max(0.3).describe("mm, width of the line that the beam burns"),
  hatch: z
    .number()
    .min(0.01)
    .max(0.5)
    .optional()
    .describe(
      "mm between the lines that fill letters and shapes; without it only outlines are written, and the machine's program fills them",
    ),
  contour: z.boolean().default(true).describe("Whether the edge of what is filled is drawn too"),
  bounds: z
    .tuple([z.number().min(0), z.number().min(0), z.number().max(85.6), z.number().max(53.98)])
    .default([0, 0, 85.6, 53.98])
    .describe(
      "mm: left, top, right and bottom of where the beam may burn; a card that needs more is refused",
    ),
  pens: z
    .strictObject({
      all: pen,
      ...(Object.fromEntries(markKinds.map((kind) => [kind, pen.partial().optional()])) as Record<
        MarkKind,
        z.ZodOptional<ReturnType<typeof pen.partial>>
      >),
    })
    .describe("Power and speed: `all`, and what is otherwise for a kind of mark"),
  motion: z
    .strictObject({
      travel: z.number().min(1).max(50_000).describe("mm/s while the beam is off"),
      acceleration: z.number().min(1).max(10_000_000).describe("mm/s²"),
      switchMs: z.number().min(0).max(100).default(0).describe("ms the beam takes to begin and end a line"),
      handlingMs: z
        .number()
        .min(0)
        .max(60_000)
        .default(0)
        .describe("ms to take a card in, focus and give it out"),
    })
    .describe("For the estimate of time, and for the run-up of rows"),
  gcode: z
    .strictObject({
      mode: z
        .enum(["dynamic", "constant"])
        .default("dynamic")
        .describe("M4: power follows the speed (GRBL 1.1 laser mode, $32=1); M3: constant"),
      scale: z.number().min(1).max(100_000).default(1000).describe("S of full power (GRBL's $30)"),
    })
    .default({ mode: "dynamic", scale: 1000 }),
  curve: z
    .string()
    .min(1)
    .optional()
    .describe("Dot-gain curve, made by `persoline laser fit`; relative to this file"),
});
type LaserYaml = z.output<typeof laserSchema>;

export interface Pen {
  /** Per cent of the full power. */
  readonly power: number;
  /** mm/s. */
  readonly speed: number;
  readonly passes: number;
}

export interface LaserSettings extends Omit<LaserYaml, "pens" | "$schema" | "curve" | "hatch" | "laser"> {
  readonly name: string;
  /** mm; undefined: outlines only. */
  readonly hatch: number | undefined;
  readonly pens: Readonly<Record<MarkKind, Pen>>;
  readonly curve: Curve | undefined;
}

/** JSON Schema (draft 2020-12) of laser files, for editors. */
export const laserJsonSchema = (): unknown => ({
  title: "Persoline laser",
  ...z.toJSONSchema(laserSchema, { io: "input" }),
});

/** `file` is for messages; `readCurve` gets the curve the file names. Throws DataProblem with everything that is wrong. */
export async function parseLaser(
  text: string,
  file: string,
  readCurve: (name: string) => Promise<Curve>,
): Promise<LaserSettings> {
  const read = strictYaml(laserSchema, text, file);
  if (!read.ok) throw new DataProblem(read.problems);
  const { $schema: _, laser: name, pens: asked, curve: named, hatch, ...rest } = read.value;
  const {
    bounds: [left, top, right, bottom],
  } = rest;
  if (right <= left || bottom <= top)
    throw new DataProblem([
      read.problem(
        ["bounds"],
        "empty-bounds",
        "nothing lies between these bounds",
        "write left, top, right, bottom in mm",
      ),
    ]);
  if (hatch !== undefined && hatch > rest.spot * 1.5)
    throw new DataProblem([
      read.problem(
        ["hatch"],
        "sparse-hatch",
        `lines ${String(hatch)} mm apart leave gaps with a spot of ${String(rest.spot)} mm`,
        "make hatch at most one and a half times the spot",
      ),
    ]);
  const curve = named === undefined ? undefined : await readCurve(named);
  if (curve !== undefined && curve.dpi !== rest.dpi)
    throw new DataProblem([
      read.problem(
        ["curve"],
        "curve-dpi",
        `this curve was measured at ${String(curve.dpi)} dpi, and the laser works at ${String(rest.dpi)}`,
        "calibrate again at this resolution, or correct dpi",
      ),
    ]);
  const { all, ...others } = asked;
  const pens = Object.fromEntries(
    markKinds.map((kind) => {
      const own = others[kind] ?? {};
      return [
        kind,
        { power: own.power ?? all.power, speed: own.speed ?? all.speed, passes: own.passes ?? all.passes },
      ];
    }),
  ) as Record<MarkKind, Pen>;
  return { ...rest, name, hatch, pens, curve };
}
