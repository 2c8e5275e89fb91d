import type { Command } from "commander";
import { capacity, chipWork, headsFor } from "../../stations/capacity.js";
import { readLine } from "../../stations/line-file.js";
import { noticedOf } from "../../plan/compile.js";
import { figuresText } from "../../plan/laser/index.js";
import { facesDesk } from "../faces.js";
import { prepareRecord, readJob } from "../job.js";
import { laserOf } from "../marks.js";
import { capacityAsk } from "../planned.js";
import { shownOf } from "../shown.js";
import { looksOf } from "../unseen.js";
import { chipsOf, refuseSharedKeys } from "../shared-keys.js";
import { recordOf } from "./explain.js";
import {
  type CommonOptions,
  print,
  printJson,
  textTable,
  type UnlockOptions,
  whole,
  withData,
  withPassphrase,
} from "./options.js";

interface PlanOptions extends CommonOptions, UnlockOptions {
  readonly line?: string;
  readonly rate?: number;
}

export function addPlanCommand(program: Command): void {
  withPassphrase(withData(program.command("plan")))
    .description("what a line can do with this order: cards per hour, bottleneck, heads needed")
    .argument("<order.yaml>", "the order file")
    .option("--line <line.yaml>", "another line than the order names")
    .option("--rate <cards>", "cards per hour to be reached: shows the heads each station needs", whole)
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline plan examples/office-access/order.yaml --line examples/lines/bureau-3500.yaml --rate 3500",
    )
    .action(plan);
}

async function plan(file: string, options: PlanOptions): Promise<void> {
  const job = await readJob(file);
  const line = await readLine(options.line ?? job.order.line);
  const shared = await refuseSharedKeys(job.planned.product, job.order.product, chipsOf(line));
  const noticed = [...shared, ...noticedOf(job.planned)];
  const faces = facesDesk(1);
  try {
    const example = prepareRecord(job, await recordOf(job, 1, options));
    const ask = await capacityAsk({ job, file: line, faces, example });
    const laser = await laserOf(line);
    const lasered =
      laser === undefined || ask.marksMs === 0
        ? []
        : (await faces.do({ task: "laser", faces: example.faces, ...laser })).map(({ figures }, at) => ({
            side: example.faces[at]?.side ?? "front",
            ...figures,
          }));
    const found = capacity(ask);
    const needed = options.rate === undefined ? undefined : headsFor(options.rate, found);
    const works = chipWork(ask);
    const { compared, unshown } = shownOf(job.planned, example, looksOf(line, job.drawing));
    if (options.json === true) {
      printJson({
        line: line.line,
        ...found,
        ...(lasered.length === 0 ? {} : { laser: lasered }),
        ...(needed === undefined ? {} : { rate: options.rate, heads: needed }),
        ...(noticed.length === 0 ? {} : { noticed }),
        compared,
        unshown,
      });
      return;
    }
    print(
      textTable(
        [
          "station",
          "heads",
          "s/card",
          "cards/h",
          ...(needed === undefined ? [] : [`heads for ${String(options.rate)}/h`]),
        ],
        found.stations.map((one) => [
          one.station,
          one.heads,
          (one.msPerCard / 1000).toFixed(2),
          Math.floor(one.cardsPerHour),
          ...(needed === undefined ? [] : [needed[one.station] ?? 0]),
        ]),
      ),
    );
    print(
      `\nThe line makes ${Math.floor(found.cardsPerHour).toLocaleString("en")} cards an hour at most; the bottleneck is ${found.bottleneck}.\n`,
    );
    for (const one of noticed) print(`noticed: ${one}.\n`);
    for (const { side, ...figures } of lasered) print(`laser, ${side}: ${figuresText(figures)}`);
    if (lasered.length > 0) print("");
    for (const one of compared) print(`cross-checked: ${one}.`);
    for (const one of unshown) print(`${one}.`);
    if (compared.length + unshown.length > 0) print("");
    print(
      textTable(
        ["chip work", "ms", "wire ms", "characters", "pages written", "APDUs"],
        works.flatMap(({ work, chip }) =>
          chip === undefined
            ? []
            : [[work, chip.ms.toFixed(0), chip.wireMs.toFixed(0), chip.characters, chip.pages, chip.apdus]],
        ),
      ),
    );
  } finally {
    await faces.close();
  }
}
