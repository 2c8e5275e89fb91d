import { readFile, writeFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { renderFace, renderGround } from "../../plan/layout/index.js";
import { decodePicture, foreignLimits, inspectFace, overlayPicture } from "../../stations/quality/index.js";
import { layoutDesk, recordOf } from "../layout-desk.js";
import { Refusal } from "../problem.js";
import { print, printJson, unfinished, whole } from "./options.js";

interface JudgeCommand {
  readonly record: number;
  readonly side: "front" | "back";
  readonly input?: string;
  readonly photos?: string;
  readonly cardNumber?: string;
  readonly overlay?: string;
  readonly json?: boolean;
}

export function addQualityCommands(program: Command): void {
  program
    .command("quality")
    .description("judges pictures of cards against what must be on them")
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
    .option("--overlay <file>", "PNG with the expected side beside the straightened one, boxes and labels")
    .option("--json", "print verdict, findings and measures as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  $ persoline quality judge shot.jpg examples/office-access/order.yaml --record 17 --overlay shot.png" +
        "\n  $ persoline quality judge back.png examples/products/office-access --side back --json",
    )
    .action(judge);
}

async function judge(picture: string, product: string, options: JudgeCommand): Promise<void> {
  const desk = await layoutDesk(product, options);
  const { drawing } = desk;
  const { values, photos } = await recordOf(desk, options.record);
  const all = options.cardNumber === undefined ? values : { ...values, cardNumber: options.cardNumber };
  const { faces } = drawing.draw(all, photos);
  const face = faces.find(({ side }) => side === options.side);
  const other = faces.find(({ side }) => side !== options.side);
  if (face === undefined) throw new Refusal(`${desk.name} has no ${options.side}`);
  const bytes = await readFile(picture).catch(() => {
    throw new Refusal(`${picture} cannot be read: name a picture file`);
  });
  const seen = await decodePicture(bytes).catch(() => {
    throw new Refusal(`${picture} is no whole picture: JPEG, PNG, TIFF, WebP and PGM are read`);
  });
  const dots = await renderFace(face, 300);
  const ground = await renderGround(face, 300);
  const otherGround = other === undefined ? undefined : await renderGround(other, 300);
  const { verdict, straight } = await inspectFace(
    { ...seen, side: face.side, frame: 1, takenAt: 0 },
    face,
    dots,
    {
      limits: foreignLimits,
      chip: drawing.sides.find(({ template }) => template.chip)?.template.side ?? "none",
      ...(ground === undefined ? {} : { ground: ground.common }),
      ...(ground?.own === undefined ? {} : { printed: ground.own }),
      ...(otherGround === undefined ? {} : { otherGround: otherGround.common }),
    },
  );
  if (options.overlay !== undefined) {
    const png = await overlayPicture(face, dots, ground?.common, straight, verdict);
    // It shows a person: nobody else on the machine need see it.
    await writeFile(options.overlay, png, { mode: 0o600 });
  }
  if (options.json === true) printJson({ picture, product: desk.name, side: face.side, ...verdict });
  else {
    for (const { field, what, measured, limit, unit, box, weight, detail } of verdict.findings)
      print(
        `${weight} ${field}: ${what}, ${measured.toFixed(2)} ${unit} (limit ${limit.toFixed(2)}) at ${box.x.toFixed(1)}, ${box.y.toFixed(1)} mm${detail === undefined ? "" : `, ${detail}`}`,
      );
    print(
      `${picture}: ${verdict.verdict} (${face.side} of record ${String(options.record)}, ${String(verdict.findings.length)} findings, ${String(verdict.measures.length)} fields measured)`,
    );
  }
  if (verdict.verdict !== "pass") unfinished(`the ${face.side} does not pass`);
}
