import { writeFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import {
  foreignLimits,
  greyOf,
  limitsOf,
  overlayPicture,
  type QualityLimits,
} from "../../stations/quality/index.js";
import { type LayoutDesk, layoutDesk } from "../layout-desk.js";
import { readingText } from "../../stations/reading/index.js";
import { readLaser } from "../laser-desk.js";
import { Refusal } from "../problem.js";
import { expectedSide, inspectUnknown, readPicture } from "../quality-desk.js";
import { readOnce } from "../reading-desk.js";
import { readProfile } from "../quality-profiles.js";
import { print, printJson, unfinished, whole } from "./options.js";
import { addProfileCommands } from "./quality-profile.js";

interface JudgeCommand {
  readonly record: number;
  readonly side: "front" | "back";
  readonly input?: string;
  readonly photos?: string;
  readonly cardNumber?: string;
  readonly laser?: string;
  readonly overlay?: string;
  readonly profile?: string;
  readonly read?: boolean;
  readonly json?: boolean;
}

export function addQualityCommands(program: Command): void {
  const quality = program
    .command("quality")
    .description(
      "judges pictures of cards against what must be on them, and learns what good ones look like",
    );
  addProfileCommands(quality);
  quality
    .command("judge")
    .argument("<picture>", "a camera's picture of one side: JPEG, PNG, TIFF, WebP or PGM")
    .argument("<product>", "a product's folder, its product.yaml, or an order file")
    .description(
      "finds the card in any picture, compares every field with the record, and tells each finding with its place; ends with 1 unless the side passes",
    )
    .option("--record <number>", "which record (1 = first row)", whole, 1)
    .addOption(new Option("--side <side>", "which side").choices(["front", "back"]).default("front"))
    .option("--input <file>", "records: CSV, XLSX or JSON (default: the order's, or samples of nobody)")
    .option("--photos <dir>", "pictures of --input (default: photos beside it)")
    .option("--card-number <text>", "the card number that the line gave to this card")
    .option(
      "--laser <laser.yaml>",
      "the laser that marked the card (default: dots of 300 or 600 dpi or outlines, those that it is more alike)",
    )
    .option("--overlay <file>", "PNG with the expected side beside the straightened one, boxes and labels")
    .option("--profile <profile.yaml>", "judge by the limits learned for this camera, whoever approved them")
    .option(
      "--read",
      "of a side that does not pass, tell what its texts say too (Latin letters; after the verdict, which it does not change)",
    )
    .option("--json", "print verdict, findings and measures as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  $ persoline quality judge shot.jpg examples/office-access/order.yaml --record 17 --overlay shot.png" +
        "\n  $ persoline quality judge back.png examples/products/office-access --side back --json" +
        "\n  $ persoline quality judge shot.jpg examples/office-access/order.yaml --record 17 --read --overlay shot.png",
    )
    .action(judge);
}

async function judge(picture: string, product: string, options: JudgeCommand): Promise<void> {
  const desk = await layoutDesk(product, options);
  const laser = options.laser === undefined ? undefined : await readLaser(options.laser);
  const side = await expectedSide(desk, options, laser);
  const { face, options: told } = side;
  const seen = await readPicture(picture);
  const { limits, from } = await limitsBy(options, desk);
  const { verdict, straight: card, dots } = await inspectUnknown(seen, side, limits);
  const straight = card === undefined ? undefined : greyOf(card);
  const readings =
    options.read === true && straight !== undefined && verdict.verdict !== "pass"
      ? await readOnce({ face, straight, verdict })
      : [];
  const notes = readings?.map(readingText) ?? ["what it says could not be read: the text reader failed"];
  if (options.overlay !== undefined) {
    const { ground, printed, raised } = told;
    const shown = { ground, printed, raised: raised?.lines };
    const png = await overlayPicture(face, dots, shown, straight, verdict, notes);
    // It shows a person: nobody else on the machine need see it.
    await writeFile(options.overlay, png, { mode: 0o600 });
  }
  if (options.json === true)
    printJson({
      picture,
      product: desk.name,
      side: face.side,
      limits: from,
      dpi: dots.dpi,
      ...verdict,
      // null: the reader failed.
      ...(options.read === true ? { readings: readings ?? null } : {}),
    });
  else {
    for (const { field, what, measured, limit, unit, box, weight, detail } of verdict.findings)
      print(
        `${weight} ${field}: ${what}, ${measured.toFixed(2)} ${unit} (limit ${limit.toFixed(2)}) at ${box.x.toFixed(1)}, ${box.y.toFixed(1)} mm${detail === undefined ? "" : `, ${detail}`}`,
      );
    for (const note of notes) print(note);
    print(
      `${picture}: ${verdict.verdict} (${face.side} of record ${String(options.record)}, ${String(verdict.findings.length)} findings, ${String(verdict.measures.length)} fields measured; dots of ${String(dots.dpi)} dpi; limits: ${from})`,
    );
  }
  if (verdict.verdict !== "pass") unfinished(`the ${face.side} does not pass`);
}

/** The learned limits of a profile, approved or not; without one, those that fit any light. Throws DataProblem, Refusal. */
async function limitsBy(
  { profile, side }: JudgeCommand,
  { name, layout }: LayoutDesk,
): Promise<{ readonly limits: QualityLimits; readonly from: string }> {
  if (profile === undefined)
    return { limits: foreignLimits, from: "built-in, measured on the simulated camera; any exposure" };
  const read = await readProfile(profile);
  if (read.product !== name || read.layout !== layout)
    throw new Refusal(`${profile} was learned from other layouts than those of ${name} as it is now`);
  const own = read.sides.find((one) => one.side === side);
  if (own === undefined) throw new Refusal(`${profile} knows nothing of the ${side}: learn it too`);
  return { limits: limitsOf(own), from: `${read.profile}, version ${String(read.version)}` };
}
