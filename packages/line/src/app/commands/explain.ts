import {
  atrTiming,
  blankTiming,
  completedTiming,
  explain,
  explanationText,
  type Explanation,
} from "@persoline/card/program";
import { counted } from "../../ledger/counted.js";
import { maskPan } from "@persoline/card/emv";
import type { Command } from "commander";
import { noticedOf } from "../../plan/compile.js";
import { readInput } from "../../orders/input.js";
import type { OrderRecord } from "../../orders/types.js";
import { type Job, prepareRecord, readJob } from "../job.js";
import { Refusal } from "../problem.js";
import { provedInput } from "../proved-input.js";
import {
  type CommonOptions,
  print,
  printJson,
  type UnlockOptions,
  whole,
  withData,
  withPassphrase,
} from "./options.js";

export function addExplainCommand(program: Command): void {
  withPassphrase(withData(program.command("explain")))
    .description(
      "what will be done to a record's card: every APDU with its reason, clause and time; keys and PINs stay names",
    )
    .argument("<order.yaml>", "the order file")
    .option("--record <number>", "which record (1 = first row)", whole, 1)
    .addHelpText("after", "\nExample:\n  $ persoline explain examples/office-access/order.yaml --record 17")
    .action(async (file: string, options: CommonOptions & UnlockOptions & { readonly record: number }) => {
      const job = await readJob(file);
      for (const one of noticedOf(job.planned)) print(`noticed: ${one}.\n`);
      const explained = explanations(job, await recordOf(job, options.record, options));
      if (options.json === true) return printJson(explained);
      print(explained.map(explanationText).join("\n\n"));
    });
}

/** One record of the input, all of which is checked on the way; an issuer's file is proved by the security module first. */
export async function recordOf(
  job: Job,
  number: number,
  options: UnlockOptions & { readonly data?: string },
): Promise<OrderRecord> {
  const { order, planned } = job;
  const issuer = await provedInput(job, options);
  const input = await readInput(order.input, planned.columns, {
    ...(order.records === undefined ? {} : { records: order.records }),
    ...(issuer === undefined ? {} : { issuer }),
  });
  if (number < 1 || number > input.count) {
    throw new Refusal(
      `${order.input.file} has ${counted(input.count, "record")}; there is no record ${String(number)}`,
    );
  }
  for await (const record of input.records()) if (record.number === number) return record;
  throw new Refusal(`record ${String(number)} was not delivered by ${order.input.file}`);
}

function explanations(job: Job, record: OrderRecord): readonly Explanation[] {
  const { test, completion, initialisation } = job.planned;
  const { personalization, proof, payment } = prepareRecord(job, record);
  const shown =
    payment === undefined ? (one: Explanation) => one : (one: Explanation) => masked(one, payment.card.pan);
  const { atr } = job.planned;
  const blank = atrTiming(blankTiming, atr.blank);
  const completed = atrTiming(completedTiming, atr.completed);
  return [
    explain(test, blank),
    explain(completion, blank),
    explain(initialisation, completed),
    shown(explain(personalization, completed)),
    shown(explain(proof, completed)),
  ];
}

/** First six and last four digits of the PAN, wherever a command or an answer carries it (packed, F to a whole byte). */
function masked(explanation: Explanation, pan: string): Explanation {
  const spaced = (digits: string): string =>
    `${digits}${pan.length % 2 === 0 ? "" : "F"}`.replaceAll(/..(?=.)/g, "$& ");
  const [whole, hidden] = [spaced(pan), spaced(maskPan(pan).replaceAll("*", "."))];
  return {
    ...explanation,
    segments: explanation.segments.map((segment) => ({
      ...segment,
      commands: segment.commands.map((one) => ({
        ...one,
        apdu: one.apdu.replaceAll(whole, hidden),
        expect: one.expect.replaceAll(whole, hidden),
      })),
    })),
  };
}
