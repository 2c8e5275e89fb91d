import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import type { Command } from "commander";
import type { ProofSums } from "../../ledger/proof.js";
import { proofLines } from "../../ledger/proof-text.js";
import { refuseJson, warn } from "../answer.js";
import { dataRoot, operator, timeZone } from "../config.js";
import { deskScreen } from "../desk-screen.js";
import { exitCode } from "../problem.js";
import { simulatedDevices } from "../end-run.js";
import { produce, type ProduceEnd } from "../produce.js";
import { eventLine, lineTable, screen } from "../screen.js";
import {
  type CommonOptions,
  passphrase,
  print,
  printJson,
  unfinished,
  whole,
  withData,
  withOperator,
  withPassphrase,
} from "./options.js";

interface RunOptions extends CommonOptions {
  readonly line?: string;
  readonly seed?: number;
  readonly passphraseFd?: number;
}

/** Milliseconds between two pictures of the live table. */
const redraw = 200;

export function addRunCommand(program: Command): void {
  const command = program
    .command("run")
    .description(
      "produce an order: import, prepare, make, verify, remake, report; an interrupted order is taken up where it was",
    )
    .argument("<order.yaml>", "the order file")
    .option("--line <line.yaml>", "another line than the order names")
    .option("--seed <number>", "seed of everything simulated (never of keys, PINs or challenges)", whole)
    .addHelpText(
      "after",
      "\nExamples:\n  $ persoline run examples/office-access/order.yaml\n  $ persoline run examples/office-access/order.yaml --line examples/lines/ideal.yaml --json --seed 7\n\nCtrl-C stops it at a safe place, twice at once; the same command goes on where it was.",
    );
  withPassphrase(withOperator(withData(command))).action(run);
}

async function run(orderFile: string, options: RunOptions): Promise<void> {
  const shown = screen({ quiet: options.json === true });
  let timer: NodeJS.Timeout | undefined;
  let draw = (): void => undefined;
  let stop: (() => void) | undefined;
  let signals = 0;
  let progress = "";
  // A person is told also where only the result is wanted.
  const tell = options.json === true ? warn : (text: string) => shown.say(text);
  const desk = deskScreen({ say: tell, live: shown.live });
  const onSignal = (): void => {
    signals++;
    if (stop === undefined || signals > 1) {
      // Nothing is lost by this: what is in work is taken up by the next run.
      refuseJson({ code: "interrupted", message: "interrupted: run the same command again" });
      shown.say("Interrupted: the same command goes on where it was.");
      process.exit(exitCode.refused);
    }
    shown.say("Stopping: cards in work are brought to a safe end (once more Ctrl-C ends at once).");
    // A desk's stop waits for a person like everything at a desk.
    const { open } = desk;
    if (open !== undefined && !open.startsWith("Insert")) desk.tell(`Still to be done: ${open}`);
    stop();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const key = passphrase(options);
  const keyboard = terminal();
  try {
    const end = await produce({
      orderFile,
      data: dataRoot(options.data),
      by: operator(options.by),
      timeZone: timeZone(),
      ...(options.line === undefined ? {} : { lineFile: options.line }),
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      ...(key === undefined ? {} : { passphrase: key }),
      desk: { tell: desk.tell, awaits: desk.awaits, typed: keyboard?.typed },
      onProgress: ({ doing, done, of }) => {
        // Letters are written when the line has come to rest: its table must not draw over their number.
        clearInterval(timer);
        if (shown.live) shown.draw([`${doing} ${String(done)}/${String(of)}`]);
      },
      onLine: ({ file, view, stop: stopLine, planned, noticed }) => {
        stop = stopLine;
        for (const one of noticed) tell(`noticed: ${one}.`);
        const simulated = simulatedDevices(file).join(", ");
        shown.say(
          `Line ${file.line}, mode ${file.mode}. Simulated: ${simulated === "" ? "nothing" : simulated}.`,
        );
        shown.say(
          `Planned: ${Math.round(planned.cardsPerHour).toLocaleString("en")} cards/h, bottleneck ${planned.bottleneck}.\n`,
        );
        const { waiting } = view();
        let goal = waiting;
        draw = () => {
          const now = view();
          goal = Math.max(goal, now.waiting + now.counts.good);
          const waiting = desk.line();
          const table = lineTable(now, goal, shown.paint);
          const asks = waiting === undefined ? [] : shown.fold(waiting);
          shown.draw([
            ...table,
            ...(asks.length > 0 ? [""] : []),
            ...asks.map((text) => shown.paint("bold", text)),
          ]);
        };
        if (shown.live) timer = setInterval(draw, redraw);
        else {
          timer = setInterval(() => {
            const text = plainLine(view());
            // Said again it would only bury what a desk's person was told.
            if (text !== progress) shown.say(text);
            progress = text;
          }, 5_000);
        }
      },
      onEvent: (event) => {
        // Whoever stopped it has been told so.
        if (event.kind === "stopping" && signals > 0) return;
        const text = eventLine(event, shown.paint);
        if (text !== undefined) shown.say(text);
      },
    });
    clearInterval(timer);
    draw();
    shown.settle();
    const why = end.unfinished ?? (end.produced.balanced ? undefined : "the accounts do not balance");
    if (options.json === true)
      printJson(why === undefined ? end.produced : { ...end.produced, unfinished: why });
    else print(summary(end));
    if (why !== undefined) unfinished(why);
  } finally {
    clearInterval(timer);
    keyboard?.close();
    desk.close();
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}

/** Lines that are typed, for a desk; nothing is read before somebody waits for one. */
function terminal():
  | { readonly typed: (signal: AbortSignal) => Promise<string>; readonly close: () => void }
  | undefined {
  if (!process.stdin.isTTY) return undefined;
  let lines: Interface | undefined;
  return {
    typed: async (signal) => {
      if (lines === undefined) {
        lines = createInterface({ input: process.stdin });
        // Ctrl-C means the line, not the keyboard.
        lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
      }
      const [line] = (await once(lines, "line", { signal })) as [string];
      return line;
    },
    close: () => lines?.close(),
  };
}

function plainLine(view: Parameters<typeof lineTable>[0]): string {
  const { good, rejected, remade } = view.counts;
  return `${String(good)} good, ${String(rejected)} rejected, ${String(remade)} remade, ${Math.round(view.cardsPerHour).toLocaleString("en")} cards/h`;
}

/** Nothing where there is no good card. */
const proofSummary = (sums: ProofSums): readonly string[] =>
  sums.good === 0
    ? []
    : [
        "Electrical proof of the good cards:",
        ...proofLines(sums).map(([what, figures]) => `  ${what}: ${figures}`),
      ];

/** Why it is unfinished is told beside it. */
function summary({ produced, letters, reports, commits, planned }: ProduceEnd): string {
  const { blanks, rejects } = produced;
  const [seconds, byClock] = [produced.seconds, produced.simulatedSeconds].map((one) => one.toFixed(1));
  const perCard = blanks.used === 0 ? 0 : (commits.accounts + commits.journal) / blanks.used;
  const reasons = new Map<string, number>();
  for (const { station, code } of rejects) {
    const reason = `${station}: ${code}`;
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  return [
    "",
    `Order ${produced.order}: ${String(produced.produced)} of ${String(produced.records)} cards made and verified${produced.held > 0 ? `, ${String(produced.held)} held` : ""}${produced.givenUp > 0 ? `, given up: ${String(produced.givenUp)}` : ""}.`,
    `Blanks: ${String(blanks.used)} used, ${String(blanks.good)} good, ${String(blanks.rejected)} rejected, ${String(blanks.remade)} records made again.`,
    ...[...reasons].map(([reason, count]) => `  ${String(count).padStart(3)} × ${reason}`),
    ...(produced.parked ?? []).map(
      ({ station, head, why }) => `Head ${String(head)} of ${station} was stopped: ${why}.`,
    ),
    ...proofSummary(produced.proof),
    `Accounts ${produced.balanced ? "balance" : "DO NOT BALANCE"}; ${perCard.toFixed(1)} durable commits a card.`,
    ...(letters > 0
      ? [
          `${letters === 1 ? "1 PIN letter waits" : `${String(letters)} PIN letters wait`} for two people: "persoline letters release ${produced.order}" has ${letters === 1 ? "it" : "them"} printed.`,
        ]
      : []),
    `${seconds} s${byClock === seconds ? "" : ` (${byClock} s by the line's clock)`}, ${produced.cardsPerHour.toLocaleString("en")} cards/h; planned ${Math.round(planned.cardsPerHour).toLocaleString("en")}.`,
    `Report: ${reports.html}`,
  ].join("\n");
}
