import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { basename, extname } from "node:path";
import { type Command, Option } from "commander";
import {
  drifted,
  learnSide,
  parseProfile,
  ProfileProblem,
  profileText,
} from "../../stations/quality/index.js";
import { operator, version } from "../config.js";
import { allDrifts } from "../drifts.js";
import { layoutDesk } from "../layout-desk.js";
import { Refusal } from "../problem.js";
import { readLaser } from "../laser-desk.js";
import { expectedSide, inTheirDots, type NamedCard, readPicture } from "../quality-desk.js";
import { approve, readProfile } from "../quality-profiles.js";
import {
  type CommonOptions,
  type DecisionOptions,
  print,
  printJson,
  textTable,
  whole,
  withData,
  withDecision,
  withJson,
  withOperator,
  withPassphrase,
  withStore,
} from "./options.js";

type Side = "front" | "back";

interface LearnCommand {
  readonly camera: string;
  readonly light: string;
  readonly name?: string;
  readonly out?: string;
  readonly record?: number;
  readonly side?: Side;
  readonly input?: string;
  readonly photos?: string;
  readonly cardNumber?: string;
  readonly laser?: string;
  readonly by?: string;
  readonly json?: boolean;
}

export function addProfileCommands(quality: Command): void {
  withOperator(withJson(quality.command("learn")))
    .description(
      "makes a quality profile from pictures of golden cards: what one camera sees of good cards of one layout",
    )
    .argument("<product>", "a product's folder, its product.yaml, or an order file")
    .argument(
      "<picture...>",
      "pictures of golden cards, at least 8 a side; their names end with RECORD-SIDE, as in golden-17-front.jpg",
    )
    .requiredOption("--camera <name>", 'the camera that took them: "LINE: STATION camera NUMBER"')
    .requiredOption("--light <words>", "how its light was set")
    .option("--name <name>", "the profile's name (default: the product's)")
    .option(
      "--out <profile.yaml>",
      "where to; a profile that is there becomes the next version (default: NAME-profile.yaml here)",
    )
    .option("--record <number>", "all pictures are of this record (1 = first row)", whole)
    .addOption(new Option("--side <side>", "all pictures are of this side").choices(["front", "back"]))
    .option("--input <file>", "records: CSV, XLSX or JSON (default: the order's, or samples of nobody)")
    .option("--photos <dir>", "pictures of --input (default: photos beside it)")
    .option("--card-number <text>", "the card number on all of them")
    .option(
      "--laser <laser.yaml>",
      "the laser that marked them (default: dots of 300 or 600 dpi or outlines, those that they are more alike)",
    )
    .addHelpText(
      "after",
      '\nExample:\n  $ persoline quality learn examples/office-access/order.yaml golden/*.jpg --camera "desk-laser: quality camera 1" --light "ring light, 60 %" --out desk-profile.yaml',
    )
    .action(learn);
  withPassphrase(withData(quality.command("approve")))
    .description("enter that two people approve a quality profile; a line goes by no other")
    .argument("<profile.yaml>", "the profile, as it was learned")
    .requiredOption("--by <name>", "the first person")
    .requiredOption("--and <name>", "the second person")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline quality approve desk-profile.yaml --by 'A. Meyer' --and 'B. Novak'",
    )
    .action(async (file: string, options: DecisionOptions & { readonly and: string }) => {
      const profile = await readProfile(file);
      await withDecision(
        options,
        async (store, _, by) => {
          await approve(store, profile, { by, witness: options.and });
          const { profile: name, version: number, camera, digest } = profile;
          if (options.json === true) return printJson({ profile: name, version: number, camera, digest });
          print(`${name}, version ${String(number)}, is approved for "${camera}".`);
        },
        { mayBeNew: true },
      );
    });
  withData(quality.command("drift"))
    .description(
      "tells where the fields of an order's good cards lie between their place and their limits, camera by camera",
    )
    .argument("<order>", "order number")
    .addHelpText("after", "\nExample:\n  $ persoline quality drift 2026-0117 --json")
    .action((order: string, options: CommonOptions) =>
      withStore(options, async (store) => {
        if ((await store.orders.find(order)) === undefined)
          throw new Refusal(`there is no order ${order} here`);
        const drifts = await allDrifts(store, order);
        if (options.json === true) return printJson(drifts);
        if (drifts.length === 0) return print(`No field of order ${order} was measured on ten good cards.`);
        print(
          textTable(
            [
              "camera",
              "field",
              "cards",
              "dx mm",
              "dy mm",
              "ink %",
              "glyphs",
              "way to limit %",
              "farthest %",
              "by",
            ],
            drifts.map(({ camera, field, cards, dx, dy, ink, glyph, way, farthest }) => [
              camera,
              field,
              cards,
              dx.toFixed(3),
              dy.toFixed(3),
              (ink * 100).toFixed(1),
              glyph === undefined ? "" : glyph.toFixed(3),
              (way * 100).toFixed(0),
              (farthest.way * 100).toFixed(0),
              farthest.what,
            ]),
          ),
        );
        for (const one of drifts.filter(drifted))
          print(`\n${one.camera}: ${one.field} drifts (${one.farthest.what}).`);
      }),
    );
}

/** Which record and side a picture is of. Throws Refusal. */
function shown(file: string, options: LearnCommand): { readonly record: number; readonly side: Side } {
  const found = /(?:^|[^0-9])(?:(\d{1,7})-)?(front|back)$/i.exec(basename(file, extname(file)));
  const record = options.record ?? (found?.[1] === undefined ? undefined : Number(found[1]));
  const side = options.side ?? (found?.[2]?.toLowerCase() as Side | undefined);
  if (record === undefined || side === undefined)
    throw new Refusal(
      `${file} does not say which record and side it is of: let its name end with RECORD-SIDE (17-front.jpg), or give --record and --side`,
    );
  return { record, side };
}

async function learn(product: string, files: readonly string[], options: LearnCommand): Promise<void> {
  const desk = await layoutDesk(product, options);
  const name = options.name ?? desk.name;
  const out = options.out ?? `${name}-profile.yaml`;
  const laser = options.laser === undefined ? undefined : await readLaser(options.laser);
  const cards: NamedCard[] = [];
  for (const file of files) {
    const { record, side } = shown(file, options);
    const {
      face,
      dots,
      options: told,
    } = await expectedSide(desk, { record, side, cardNumber: options.cardNumber }, laser);
    const picture = { ...(await readPicture(file)), side, frame: 1, takenAt: 0 };
    cards.push({ name: file, record, picture, face, dots, options: told });
  }
  const sides = [];
  const dots: Partial<Record<Side, number>> = {};
  for (const side of ["front", "back"] as const) {
    const named = cards.filter(({ face }) => face.side === side);
    const own = await inTheirDots(named);
    const [first] = own;
    if (first === undefined) continue;
    dots[side] = first.dots.dpi;
    sides.push(
      await learnSide(own).catch((problem: unknown) => {
        if (problem instanceof ProfileProblem) throw new Refusal(`${side}: ${problem.message}`);
        throw problem;
      }),
    );
  }
  const next = existsSync(out) ? (await readProfile(out)).version + 1 : 1;
  const text = profileText({
    profile: name,
    version: next,
    product: desk.name,
    layout: desk.layout,
    camera: options.camera,
    light: options.light,
    made: new Date().toISOString().slice(0, 10),
    by: operator(options.by),
    tool: `persoline ${version}`,
    sides,
  });
  const { digest } = parseProfile(text, out);
  await writeFile(out, text);
  if (options.json === true)
    return printJson({ profile: name, version: next, file: out, digest, approved: false, dots, sides });
  print(
    textTable(
      ["side", "cards", "dpi", "full ink", "body", "grain", "place", "glyph", "photo"],
      sides.map(({ side, cards: count, measured: { fullInk, body, grain, displacement, glyph, photo } }) => [
        side,
        count,
        dots[side] ?? "",
        ...[fullInk, body, grain, displacement, glyph, photo].map((one) =>
          one === undefined ? "" : `${String(one.median)} ± ${String(one.spread)}`,
        ),
      ]),
    ),
  );
  print(`\n${out}: profile ${name}, version ${String(next)}, not approved yet.`);
  print(`Two people look at it: persoline quality approve ${out} --by NAME --and NAME`);
}
