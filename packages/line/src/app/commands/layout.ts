import { writeFile } from "node:fs/promises";
import { counted } from "../../ledger/counted.js";
import { extname } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import {
  findingText,
  type Layer,
  layers,
  layoutFace,
  type LayoutFinding,
  type LintRecord,
  type ProductFields,
  lintVisual,
  pictureOfFace,
  sheetPdf,
  sheetPng,
  type SheetSide,
  sheetSvg,
} from "../../plan/layout/index.js";
import { type Figures, figuresText, laserJob } from "../../plan/laser/index.js";
import type { Face } from "../../plan/types.js";
import { readLaser } from "../laser-desk.js";
import { type LayoutDesk, layoutDesk, recordOf } from "../layout-desk.js";
import { Refusal } from "../problem.js";
import { reachOf } from "../reach.js";
import { readLine } from "../../stations/line-file.js";
import { print, printJson, unfinished, whole, withJson } from "./options.js";

export interface Source {
  readonly input?: string;
  readonly photos?: string;
  readonly json?: boolean;
}

interface PreviewOptions extends Source {
  readonly record: number;
  readonly side: "front" | "back" | "both";
  readonly layers?: readonly Layer[];
  readonly guides?: boolean;
  readonly caption: boolean;
  readonly dpi: number;
  readonly out?: string;
  readonly laser?: string;
}

interface LintOptions extends Source {
  readonly line?: string;
  readonly strict?: boolean;
}

export const withSource = (command: Command): Command =>
  withJson(
    command
      .argument("<product>", "a product's folder, its product.yaml, or an order file")
      .option(
        "--input <file>",
        "records to lay out: CSV, XLSX or JSON (default: the order's, or samples of nobody)",
      )
      .option("--photos <dir>", "pictures of --input (default: photos beside it)"),
  );

function layerList(text: string): readonly Layer[] {
  return text.split(",").map((word) => {
    const known = layers.find((layer) => layer === word.trim());
    if (known === undefined)
      throw new InvalidArgumentError(`there is no layer "${word}"; there are ${layers.join(", ")}`);
    return known;
  });
}

export function addLayoutCommands(program: Command): void {
  const layout = program
    .command("layout")
    .description("what a product's cards look like, and what is wrong with it");
  withSource(layout.command("preview"))
    .description("draws both sides of a record's card as it will look: PNG, SVG, or PDF with a page a side")
    .option("--record <number>", "which record (1 = first row)", whole, 1)
    .addOption(new Option("--side <side>", "which side").choices(["front", "back", "both"]).default("both"))
    .option("--layers <list>", `only these, with commas between: ${layers.join(", ")}`, layerList)
    .option("--guides", "with the fields' boxes and names, the zones that stay free, and a ruler")
    .option("--no-caption", "without the line under the cards")
    .option("--dpi <number>", "dots an inch of a PNG or PDF", whole, 300)
    .option("--out <file>", "where to: .png, .svg or .pdf (default: PRODUCT-RECORD.png here)")
    .option("--laser <laser.yaml>", "tell how long this laser takes for it")
    .addHelpText(
      "after",
      "\nExamples:\n  $ persoline layout preview examples/products/office-access" +
        "\n  $ persoline layout preview examples/office-access/order.yaml --record 17 --guides --out card.png" +
        "\n  $ persoline layout preview examples/products/office-access --layers laser,code --out laser.svg",
    )
    .action(preview);
  withSource(layout.command("lint"))
    .description(
      "checks a product's layouts against the card, the machines and its records: places, letters, sizes, codes, contrast; ends with 1 when there is an error",
    )
    .option("--line <line.yaml>", "also against what the machines of this line reach")
    .option("--strict", "end with 1 on a warning too")
    .addHelpText(
      "after",
      "\nExamples:\n  $ persoline layout lint examples/products/office-access" +
        "\n  $ persoline layout lint examples/office-access/order.yaml --line examples/lines/carousel.yaml --json" +
        "\n\nEach line is file:line:column severity [rule] field: what is wrong; what to do.",
    )
    .action(lint);
}

async function preview(what: string, options: PreviewOptions): Promise<void> {
  const desk = await layoutDesk(what, options);
  const out = options.out ?? `${desk.name}-${String(options.record)}.png`;
  const form = extname(out).toLowerCase();
  if (form !== ".png" && form !== ".svg" && form !== ".pdf")
    throw new Refusal(`--out ${out}: the name must end with .png, .svg or .pdf`);
  if (options.dpi < 72 || options.dpi > 1200) throw new Refusal("--dpi must be 72 to 1200");
  const { drawing } = desk;
  const { values, photos } = await recordOf(desk, options.record);
  const drawn = drawing.draw(values, photos);
  const { emboss } = drawn;
  const own = (drawing.raised?.lines ?? []).length;
  // Cards that are only embossed have a bare front.
  const { bare } = drawing;
  const layouts = drawing.sides.length === 0 ? [bare] : drawing.sides;
  const faces = drawing.sides.length === 0 ? [layoutFace(bare, {}, {})] : drawn.faces;
  const sides: SheetSide[] = [];
  for (const [at, face] of faces.entries()) {
    const layout = layouts[at];
    if (layout === undefined || (options.side !== "both" && options.side !== face.side)) continue;
    const picture = await pictureOfFace(face, layout, {
      dpi: options.dpi,
      ...(options.layers === undefined ? {} : { layers: options.layers }),
      ...(options.guides === undefined ? {} : { guides: options.guides }),
      emboss: face.side === "front" ? emboss.slice(0, own) : [],
    });
    sides.push({ side: face.side, picture });
  }
  const caption = options.caption
    ? [
        `${desk.name}, ${desk.from === "sample records" ? "sample" : "record"} ${String(options.record)}`,
        options.layers?.join(", "),
      ]
        .filter((part) => part !== undefined)
        .join(" · ")
    : undefined;
  const lasered = await timesOf(options, faces);
  const svg = sheetSvg(sides, caption, bare.fonts);
  const content =
    form === ".svg" ? svg : form === ".pdf" ? sheetPdf(sides, options.dpi) : await sheetPng(svg, options.dpi);
  // A card shows a person: nobody else on the machine need see it.
  await writeFile(out, content, { mode: 0o600 });
  if (options.json === true)
    return printJson({
      product: desk.name,
      record: options.record,
      file: out,
      ...(lasered.length === 0 ? {} : { laser: lasered }),
      sides: faces
        .filter(({ side }) => options.side === "both" || options.side === side)
        .map(({ side, fields }) => ({
          side,
          fields: fields.map(({ name, kind, layer, box, points }) => ({ name, kind, layer, box, points })),
        })),
    });
  print(
    `${out}: ${sides.map(({ side }) => side).join(" and ")} of record ${String(options.record)} (${desk.from})`,
  );
  for (const { side, ...figures } of lasered) print(`laser, ${side}: ${figuresText(figures)}`);
}

/** What the laser does on each side that is shown. */
async function timesOf(
  { laser, side: shown }: PreviewOptions,
  faces: readonly Face[],
): Promise<readonly (Figures & { readonly side: Face["side"] })[]> {
  if (laser === undefined) return [];
  const settings = await readLaser(laser);
  const times = [];
  for (const face of faces)
    if (shown === "both" || shown === face.side)
      times.push({ side: face.side, ...(await laserJob(face, settings)).figures });
  return times;
}

/** What the product has said about its fields. */
const fieldsOf = ({ planned: { columns } }: LayoutDesk): ProductFields => ({
  longest: Object.fromEntries(
    columns.flatMap(({ field, max }) => (max === undefined ? [] : [[field, max] as const])),
  ),
  fixed: [
    ...columns
      .filter(({ type, from, pattern }) => type === "date" || from !== undefined || pattern !== undefined)
      .map(({ field }) => field),
    "order",
    "record",
    "cardNumber",
  ],
});

async function lint(what: string, options: LintOptions): Promise<void> {
  const desk = await layoutDesk(what, options);
  const records: LintRecord[] = [];
  for await (const record of desk.records()) records.push(record);
  const machines = options.line === undefined ? [] : await reachOf(await readLine(options.line));
  const findings = lintVisual(desk.drawing, records, fieldsOf(desk), machines);
  const count = (severity: LayoutFinding["severity"]): number =>
    findings.filter((one) => one.severity === severity).length;
  const [errors, warnings] = [count("error"), count("warning")];
  if (options.json === true)
    printJson({ product: desk.name, from: desk.from, records: records.length, errors, warnings, findings });
  else {
    for (const finding of findings) print(findingText(finding));
    print(
      `${findings.length === 0 ? "" : "\n"}${desk.name}: ${counted(errors, "error")}, ${counted(warnings, "warning")} (${counted(records.length, "record")} of ${desk.from})`,
    );
  }
  if (errors > 0 || (options.strict === true && warnings > 0))
    unfinished(`the layouts of ${desk.name} are not ready for production`);
}
