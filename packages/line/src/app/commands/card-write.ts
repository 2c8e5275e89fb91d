/** `card write`: one card of another maker, from its product file and one person's data given here. */
import { hex } from "@persoline/card/bytes";
import { type CardProgram, runProgram, type SecurityModule, type Serial } from "@persoline/card/program";
import type { Command } from "commander";
import { ContentProblem, type Values } from "../../plan/content.js";
import type { ForeignProduct } from "../../plan/foreign/product.js";
import { foreignInitialisation, foreignPersonalization, foreignProof } from "../../plan/foreign/programs.js";
import { realWorld } from "../../stations/world.js";
import { readAnyProduct } from "../job.js";
import type { RealReader } from "../line-readers.js";
import { exitCode, Refusal, WrongUsage } from "../problem.js";
import { port, print, printJson, withJson } from "./options.js";
import { realReader } from "./real-reader.js";

interface Words {
  readonly product: string;
  readonly reader?: string;
  readonly vpcd?: number;
  readonly set: readonly string[];
  readonly json?: boolean;
}

const visits = ["initialisation", "personalization", "proof"] as const;

export function addWriteCommand(card: Command): void {
  withJson(card.command("write"))
    .description(
      "make, fill and read back the files of one card of another maker (a product with os: iso7816)",
    )
    .requiredOption("--product <product.yaml>", "what such a card is, with the moods of its maker")
    .option("--reader <name>", 'the card in this PC/SC reader ("persoline doctor" shows their names)')
    .option("--vpcd <port>", "instead: listen here as vpcd does, and take the card that connects", port)
    .option(
      "--set <field=value>",
      "one field of the person; may be repeated",
      (text: string, before: readonly string[]) => [...before, text],
      [],
    )
    .addHelpText(
      "after",
      '\nExample:\n  $ persoline card write --reader "Virtual PCD 00 00" --product examples/products/foreign-badge/product.yaml --set name="Ada Byron" --set zones="YARD;CRANE" --set cardNumber=F-1',
    )
    .action(async (options: Words) => {
      const reader = realReader(options);
      try {
        const { product } = await readAnyProduct(options.product);
        if (product.kind !== "iso7816") {
          throw new Refusal(
            `${options.product} is a product of another kind (${product.kind}): "persoline run" makes its cards; this command makes those of os: iso7816`,
          );
        }
        const programs = programsFor(product, valuesOf(product, options.set));
        await write(reader, product, programs, options);
      } finally {
        reader.close();
      }
    });
}

function valuesOf(product: ForeignProduct, set: readonly string[]): Values {
  const given = new Map(
    set.map((text) => {
      const at = text.indexOf("=");
      if (at < 1) throw new WrongUsage("--set is written FIELD=VALUE");
      return [text.slice(0, at), text.slice(at + 1)] as const;
    }),
  );
  const values: Record<string, string | readonly string[]> = {};
  for (const [field, value] of given) {
    const rules = product.person[field];
    const free = ["order", "record", "cardNumber"].includes(field);
    if (rules === undefined && !free) {
      throw new Refusal(
        `${product.product} has no field ${field}; it has ${Object.keys(product.person).join(", ")}`,
      );
    }
    if (rules?.max !== undefined && Array.from(value).length > rules.max) {
      throw new Refusal(`${field} has more than ${String(rules.max)} characters`);
    }
    values[field] = rules?.list === undefined ? value : value.split(rules.list).map((one) => one.trim());
  }
  for (const [field, { required }] of Object.entries(product.person)) {
    if (required && (given.get(field) ?? "") === "")
      throw new Refusal(`${field} is needed: --set ${field}=...`);
  }
  return values;
}

function programsFor(product: ForeignProduct, values: Values): readonly CardProgram[] {
  try {
    return [
      foreignInitialisation(product),
      foreignPersonalization(product, values),
      foreignProof(product, values),
    ];
  } catch (thrown) {
    if (thrown instanceof ContentProblem) throw new Refusal(`the person's data ${thrown.message}`);
    throw thrown;
  }
}

/** There is no secure channel on such a card: whoever asked for one would be wrong. */
const none = (): Promise<never> => Promise.reject(new Error("this card has no secure channel"));
const noModule: SecurityModule = {
  openSession: none,
  authenticate: none,
  unwrap: none,
  closeSession: none,
  openProof: none,
  judgeProof: none,
};

async function write(
  reader: RealReader,
  product: ForeignProduct,
  programs: readonly CardProgram[],
  { json }: Words,
): Promise<void> {
  const ends: { readonly visit: string; readonly outcome: string; readonly detail?: string }[] = [];
  for (const [at, program] of programs.entries()) {
    const visit = visits[at] ?? program.name;
    const reset = await reader.insert();
    if (reset === "mute") throw new Refusal("the card does not answer");
    if (hex(reset.atr) !== hex(product.card.atr)) {
      throw new Refusal(`this is another kind of card (ATR ${hex(reset.atr)}): nothing was sent to it`);
    }
    const end = await runProgram({
      program,
      station: visit,
      serial: "" as Serial,
      channel: reset.channel,
      hsm: noModule,
      journal: { write: () => Promise.resolve() },
      world: realWorld(),
    });
    ends.push({ visit, outcome: end.kind, ...("detail" in end ? { detail: end.detail } : {}) });
    if (end.kind !== "passed") break;
  }
  await reader.remove();
  if (json === true) printJson({ product: product.product, visits: ends });
  else
    for (const { visit, outcome, detail } of ends)
      print(`${visit}: ${outcome}${detail === undefined ? "" : `, ${detail}`}`);
  if (ends.some(({ outcome }) => outcome !== "passed")) process.exitCode = exitCode.refused;
}
