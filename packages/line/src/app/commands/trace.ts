import { performance } from "node:perf_hooks";
import type { Command } from "commander";
import type { Compared } from "@persoline/card/trace";
import type { Reader } from "../../devices/reader/port.js";
import { exitCode, WrongUsage } from "../problem.js";
import { copiedCard } from "../copied-card.js";
import { virtualReader } from "../inspect.js";
import { inspectionText } from "../inspection-text.js";
import {
  compareTrace,
  counted,
  cut,
  inspectTrace,
  record,
  type Recorded,
  traceIn,
  traceRow,
} from "../traces.js";
import { type CommonOptions, port, print, printJson, textTable, withData, withJson } from "./options.js";
import { type ReaderWords, realReader } from "./real-reader.js";

interface RecordOptions extends CommonOptions, ReaderWords {
  readonly apdu?: readonly string[];
  readonly keepPersonal?: boolean;
}

export function addTraceCommands(card: Command): void {
  const trace = card.command("trace").description("recorded conversations with cards");
  withData(trace.command("record"))
    .description(
      "records what a card answers, one of the shop floor or in a reader; PINs, keys and personal data are masked",
    )
    .argument(
      "[label]",
      'a virtual card of the shop floor: number printed on the body, as in the report and in "stock list"',
    )
    .argument("[file.jsonl]", "a new file, one line an exchange")
    .option(
      "--reader <name>",
      'instead of a label: the card in this reader ("persoline doctor" shows their names)',
    )
    .option("--vpcd <port>", "instead: listen here as vpcd does, and ask the card that connects", port)
    .option("--apdu <digits...>", "commands to send, in hexadecimal digits (default: those of an inspection)")
    .option("--keep-personal", "keeps what files hold, for test cards; PINs and keys are masked all the same")
    .addHelpText(
      "after",
      '\nExamples:\n  $ persoline card trace record L2026A-000017 card.jsonl --apdu 80CA00CF00 00A4000C023F00\n  $ persoline card trace record --reader "Gemalto PC Twin Reader" card.jsonl',
    )
    .action(async (first: string | undefined, second: string | undefined, options: RecordOptions) => {
      const { file, reader, close } = recordAt(first, second, options);
      let recorded: Recorded;
      try {
        recorded = await record({
          reader,
          file,
          apdus: options.apdu ?? [],
          personal: options.keepPersonal === true ? "kept" : "hidden",
          now: () => performance.now(),
        });
      } finally {
        close();
      }
      const { exchanges, ended } = recorded;
      if (options.json === true) printJson({ file, ...recorded });
      else print(`${file}: ${counted(exchanges)}${missing(ended)}`);
      if (ended !== undefined) process.exitCode = exitCode.refused;
    });
  withJson(trace.command("show"))
    .description("a trace as a table")
    .argument("<file.jsonl>", "the trace")
    .addHelpText("after", "\nExample:\n  $ persoline card trace show card.jsonl")
    .action((file: string, options: CommonOptions) => {
      const lines = traceIn(file);
      if (options.json === true) printJson(lines);
      else print(textTable(["ms", "command", "answer", "status"], lines.map(traceRow)));
    });
  withData(trace.command("replay"))
    .description(
      "asks a card again what a trace asked, where that costs no try, and tells what differs; without a card, reads a recorded inspection",
    )
    .argument("<file.jsonl>", "the trace")
    .argument("[label]", "a virtual card of the shop floor: number printed on the body")
    .option("--reader <name>", "instead of a label: the card in this reader")
    .option("--vpcd <port>", "instead: listen here as vpcd does, and ask the card that connects", port)
    .addHelpText(
      "after",
      '\nExamples:\n  $ persoline card trace replay card.jsonl L2026A-000018\n  $ persoline card trace replay card.jsonl --reader "Gemalto PC Twin Reader"',
    )
    .action(async (file: string, label: string | undefined, options: CommonOptions & ReaderWords) => {
      const lines = traceIn(file);
      const card = cardAt(label, options);
      if (card === undefined) {
        const found = await inspectTrace(lines, file);
        if (options.json === true) printJson(found);
        else print(inspectionText(`Recorded in ${file}`, found));
        if (found.ended !== undefined) process.exitCode = exitCode.refused;
        return;
      }
      let compared: Compared;
      try {
        compared = await compareTrace(lines, card.reader);
      } finally {
        card.close();
      }
      if (options.json === true) printJson({ file, ...compared });
      else print(comparedText(compared));
      if (compared.different > 0 || compared.ended !== undefined) process.exitCode = exitCode.refused;
    });
}

/** What differs, what was not sent and why, and the counts. */
function comparedText({ exchanges, asked, different, masked, ended, results }: Compared): string {
  const other = results.filter(({ same }) => same === false);
  const unsent = results.filter(({ now }) => now === "not sent");
  const blocks = [
    other.length === 0
      ? ""
      : textTable(
          ["command", "recorded", "now"],
          other.map(({ command, recorded, now }) => [command, recorded, now]),
        ),
    unsent.length === 0
      ? ""
      : textTable(
          ["not sent", "because"],
          unsent.map(({ command, why = "" }) => [cut(command), why]),
        ),
    `${String(asked)} of ${String(exchanges)} exchanges asked again, ${String(different)} different${
      masked === 0 ? "" : `, ${String(masked)} masked, not compared`
    }${missing(ended)}`,
  ];
  return blocks.filter((block) => block !== "").join("\n\n");
}

/** In the words of an inspection. */
const missing = (ended: string | undefined): string =>
  ended === undefined ? "" : `\nthe rest is missing: ${ended}`;

/** `LABEL FILE`, or `FILE` beside a reader. Throws WrongUsage. */
function recordAt(
  first: string | undefined,
  second: string | undefined,
  options: RecordOptions,
): AtReader & { readonly file: string } {
  if (!namesReader(options)) {
    if (first === undefined || second === undefined)
      throw new WrongUsage("name a body and a new file, or with --reader or --vpcd only the file");
    return { file: second, ...bodyAt(first, options) };
  }
  if (first === undefined || second !== undefined)
    throw new WrongUsage(
      "beside --reader or --vpcd stands only the new file: the card is the one that lies there",
    );
  return { file: first, ...realAt(options) };
}

interface AtReader {
  readonly reader: Reader;
  readonly close: () => void;
}

const namesReader = ({ reader, vpcd }: ReaderWords): boolean => reader !== undefined || vpcd !== undefined;

const bodyAt = (label: string, options: CommonOptions): AtReader => ({
  reader: virtualReader(copiedCard(label, options)),
  close: () => undefined,
});

function realAt(options: ReaderWords): AtReader {
  const reader = realReader(options);
  return { reader, close: () => reader.close() };
}

/** The card to compare with; undefined: none was named. Throws WrongUsage. */
function cardAt(label: string | undefined, options: CommonOptions & ReaderWords): AtReader | undefined {
  if (!namesReader(options)) return label === undefined ? undefined : bodyAt(label, options);
  if (label !== undefined)
    throw new WrongUsage("name either a body or, with --reader or --vpcd, the card that lies there");
  return realAt(options);
}
