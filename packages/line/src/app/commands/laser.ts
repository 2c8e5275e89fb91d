import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { basename, extname } from "node:path";
import { type Command, Option } from "commander";
import {
  calibrationFile,
  curveText,
  figuresText,
  fitTable,
  type LaserFile,
  laserFile,
  type LaserFormat,
  laserFormats,
  LaserProblem,
  parseCurve,
  parsePatches,
  type Patch,
  readCapture,
} from "../../plan/laser/index.js";
import { readLaser } from "../laser-desk.js";
import { laserOut } from "../laser-out.js";
import { layoutDesk, recordOf } from "../layout-desk.js";
import { Refusal } from "../problem.js";
import { type Source, withSource } from "./layout.js";
import { print, printJson, textTable, whole, withJson } from "./options.js";

interface WriteOptions extends Source {
  readonly laser: string;
  readonly format?: LaserFormat;
  readonly record: number;
  readonly side: "front" | "back" | "both";
  readonly out?: string;
}

interface CalibrateOptions {
  readonly format?: LaserFormat;
  readonly dither: "floyd-steinberg" | "atkinson";
  readonly out?: string;
  readonly json?: boolean;
}

interface FitOptions {
  readonly laser: string;
  readonly name?: string;
  readonly out?: string;
  readonly json?: boolean;
}

const formats = Object.keys(laserFormats) as readonly LaserFormat[];
const formatOption = (): Option =>
  new Option(
    "--format <format>",
    "what the machine's program reads (default: as --out ends, else gcode)",
  ).choices(formats);

export function addLaserCommands(program: Command): void {
  const laser = program
    .command("laser")
    .description("files for engravers, and the calibration of their tones");
  withSource(laser.command("write"))
    .description("writes a record's marks as the file an engraver takes, and says how long it will take")
    .requiredOption("--laser <laser.yaml>", "the machine: its spot, pens and speeds")
    .option("--record <number>", "which record (1 = first row)", whole, 1)
    .addOption(new Option("--side <side>", "which side").choices(["front", "back", "both"]).default("both"))
    .addOption(formatOption())
    .option(
      "--out <file>",
      "where to; with both sides, -front and -back before its ending (default: PRODUCT-RECORD here)",
    )
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline laser write examples/office-access/order.yaml --laser examples/lasers/fibre.yaml --record 17 --format gcode",
    )
    .action(write);
  withJson(laser.command("calibrate"))
    .description("writes the calibration card: 17 flat patches from black to white between four square marks")
    .argument("<laser.yaml>", "the machine")
    .addOption(formatOption())
    .addOption(
      new Option("--dither <method>", "as the layouts dither their photos")
        .choices(["floyd-steinberg", "atkinson"])
        .default("floyd-steinberg"),
    )
    .option("--out <file>", "where to (default: LASER-calibration here)")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline laser calibrate examples/lasers/gantry.yaml --out calibration.gcode",
    )
    .action(calibrate);
  withJson(laser.command("fit"))
    .description(
      "makes a dot-gain curve from the burnt calibration card: a table of its tones, or a picture of it",
    )
    .argument(
      "<measured>",
      "CSV of `asked,measured` lines (0 black … 255 white), or PNG or JPEG of the whole card",
    )
    .requiredOption("--laser <laser.yaml>", "the machine it was burnt with")
    .option("--name <name>", "the curve's name (default: the laser's)")
    .option(
      "--out <curve.yaml>",
      "where to; a curve that is there already becomes the next version (default: NAME-curve.yaml here)",
    )
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline laser fit capture.jpg --laser examples/lasers/gantry.yaml --out gantry-curve.yaml" +
        "\n\nThen write `curve: gantry-curve.yaml` into the laser's file.",
    )
    .action(fit);
}

/** A card shows a person: nobody else on the machine need see it. */
const keep = (file: string, made: LaserFile): Promise<void> => writeFile(file, made.bytes, { mode: 0o600 });

async function write(what: string, options: WriteOptions): Promise<void> {
  const settings = await readLaser(options.laser);
  const desk = await layoutDesk(what, options);
  const { format, file: called } = laserOut(
    options.out,
    options.format,
    `${desk.name}-${String(options.record)}`,
  );
  const { values, photos } = await recordOf(desk, options.record);
  const faces = desk.drawing
    .draw(values, photos)
    .faces.filter(({ side }) => options.side === "both" || options.side === side);
  const told = [];
  for (const face of faces) {
    const made = await laserFile(face, settings, format);
    const file = called(faces.length > 1 ? face.side : undefined);
    await keep(file, made);
    told.push({ side: face.side, file, ...made.figures });
    if (options.json !== true) print(`${file}: ${figuresText(made.figures)}`);
  }
  if (options.json === true)
    printJson({ product: desk.name, record: options.record, laser: settings.name, format, files: told });
}

async function calibrate(file: string, options: CalibrateOptions): Promise<void> {
  const settings = await readLaser(file);
  const { format, file: called } = laserOut(options.out, options.format, `${settings.name}-calibration`);
  const made = await calibrationFile(settings, format, options.dither);
  const out = called();
  await keep(out, made);
  if (options.json === true) return printJson({ laser: settings.name, format, file: out, ...made.figures });
  print(`${out}: ${figuresText(made.figures)}`);
  print(
    "Burn it on a blank of the order's stock with this machine's power and speed for photos. Then measure the patches, row by row from black, " +
      "or take a picture of the whole card, and give that to `persoline laser fit`.",
  );
}

async function fit(measured: string, options: FitOptions): Promise<void> {
  const settings = await readLaser(options.laser);
  const name = options.name ?? settings.name;
  const out = options.out ?? `${name}-curve.yaml`;
  const bytes = await readFile(measured).catch(() => {
    throw new Refusal(`${measured} cannot be opened: name a CSV file or a picture of the calibration card`);
  });
  const isTable = [".csv", ".txt"].includes(extname(measured).toLowerCase());
  let patches: readonly Patch[];
  let table: Uint8Array;
  try {
    patches = isTable
      ? parsePatches(bytes.toString("utf8"))
      : (await readCapture(bytes)).map(({ asked, measured: got }) => ({
          asked,
          measured: Math.round(got * 10) / 10,
        }));
    table = fitTable(patches);
  } catch (problem) {
    if (problem instanceof LaserProblem) throw new Refusal(`${measured}: ${problem.message}`);
    throw problem;
  }
  const version = existsSync(out) ? parseCurve(await readFile(out, "utf8"), out).version + 1 : 1;
  const made = new Date().toISOString().slice(0, 10);
  const text = curveText({ name, version, made, from: basename(measured), dpi: settings.dpi, patches });
  parseCurve(text, out);
  await writeFile(out, text);
  const shown = patches.map(({ asked, measured: got }) => ({
    asked,
    measured: got,
    now: table[Math.round(asked)] ?? 0,
  }));
  if (options.json === true) return printJson({ curve: name, version, file: out, patches: shown });
  print(
    textTable(
      ["tone", "came out as", "asked for from now on"],
      shown.map((one) => [one.asked, one.measured, one.now]),
    ),
  );
  print(`\n${out}: curve ${name}, version ${String(version)}`);
}
