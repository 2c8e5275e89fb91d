import type { Command } from "commander";
import { readAnyProduct } from "../job.js";
import type { Letter } from "../../store/letters.js";
import type { Store } from "../../store/store.js";
import { takeAwayVoid, writeLetters } from "../letters.js";
import { Refusal } from "../problem.js";
import { withOrder } from "./order.js";
import {
  type CommonOptions,
  type DecisionOptions,
  print,
  printJson,
  textTable,
  withData,
  withDecision,
  withOperator,
  withPassphrase,
  withStore,
} from "./options.js";

async function mustBeThere(store: Store, order: string): Promise<void> {
  if ((await store.orders.find(order)) === undefined)
    throw new Refusal(`there is no order ${order} here; "persoline order list" shows all`);
}

/** A PIN is opened for its letter. */
const letterOperations = ["pin", "letter"] as const;

const letterCount = (count: number): string => `${String(count)} ${count === 1 ? "letter" : "letters"}`;

/** "98 are released, 2 are void". */
function counted(list: readonly Letter[]): string {
  const states = ["numbered", "written", "released", "void"] as const;
  const words = { numbered: "not written yet", written: "written", released: "released", void: "void" };
  const found = states.flatMap((state) => {
    const count = list.filter((one) => one.state === state).length;
    return count === 0 ? [] : [`${String(count)} ${count === 1 ? "is" : "are"} ${words[state]}`];
  });
  return found.length === 0 ? "it has none" : found.join(", ");
}

export function addLetterCommands(program: Command): void {
  const letters = program.command("letters").description("PIN letters, apart from cards");

  withData(letters.command("list"))
    .description("letters of an order: numbers and states, nothing secret")
    .argument("<order>", "order number")
    .addHelpText("after", "\nExample:\n  $ persoline letters list 2026-117")
    .action((order: string, options: CommonOptions) =>
      withStore(options, async (store) => {
        await mustBeThere(store, order);
        const list = await store.letters.list(order);
        if (options.json === true) return printJson(list);
        print(
          textTable(
            ["letter", "record", "card", "state", "since or why", "file"],
            list.map((one) => [
              one.letter,
              one.record,
              one.attempt,
              one.state,
              one.voidReason ?? one.releasedAt ?? "",
              // The file of a void letter is taken away: nobody may print it.
              one.state === "void" ? "" : (one.file ?? ""),
            ]),
          ),
        );
      }),
    );

  withPassphrase(withOperator(withData(letters.command("write"))))
    .description("write the letters that good cards still lack (after an interruption at the end of a run)")
    .argument("<order>", "order number")
    .addHelpText("after", "\nExample:\n  $ persoline letters write 2026-117")
    .action((order: string, options: DecisionOptions) =>
      withOrder(
        order,
        options,
        async ({ stored, store, hsm, data }) => {
          const { planned } = await readAnyProduct(stored.spec.product);
          const written = await writeLetters({ order, store, hsm, data, pins: planned.pins });
          if (options.json === true) return printJson({ order, written });
          print(
            written === 0
              ? `No good card of order ${order} lacks a letter.`
              : `${letterCount(written)} of order ${order} written.`,
          );
        },
        letterOperations,
      ),
    );

  withPassphrase(withOperator(withData(letters.command("release"))))
    .description("release the written letters of an order to the letter printer; two people")
    .argument("<order>", "order number")
    .requiredOption("--witness <name>", "the second person")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline letters release 2026-117 --by 'A. Meyer' --witness 'B. Novak'",
    )
    .action((order: string, options: DecisionOptions & { readonly witness: string }) =>
      withDecision(options, async (store, data, by) => {
        await mustBeThere(store, order);
        await takeAwayVoid(order, store, data);
        const released = await store.letters.release({ order, by, witness: options.witness });
        if (options.json === true) return printJson(released);
        print(
          released.length === 0
            ? `No letter of order ${order} waits for its release: ${counted(await store.letters.list(order))}.`
            : `${letterCount(released.length)} of order ${order} released; they lie in ${data.letters(order)}, encrypted for the letter printer.`,
        );
      }),
    );

  withPassphrase(withOperator(withData(letters.command("reprint"))))
    .description(
      "print a letter again, under a new number, while its PIN is kept (until delivery); two people",
    )
    .argument("<letter>", "its number, L-0000001")
    .requiredOption("--reason <text>", "why")
    .requiredOption("--witness <name>", "the second person")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline letters reprint L-0000017 --reason 'torn in the printer' --by 'A. Meyer' --witness 'B. Novak'",
    )
    .action(
      async (
        letter: string,
        options: DecisionOptions & { readonly reason: string; readonly witness: string },
      ) => {
        const order = await withStore(options, (store) => store.letters.orderOf(letter));
        await withOrder(
          order,
          options,
          async ({ stored, store, hsm, data, by }) => {
            const { reason, witness } = options;
            const { planned } = await readAnyProduct(stored.spec.product);
            const anew = await store.letters.reprint({ letter, reason, by, witness });
            await takeAwayVoid(order, store, data);
            await writeLetters({ order, store, hsm, data, pins: planned.pins });
            if (options.json === true) return printJson({ replaces: letter, letter: anew.letter });
            print(
              `Letter ${letter} is void; ${anew.letter} takes its place and waits for "letters release ${order}".`,
            );
          },
          letterOperations,
        );
      },
    );

  withPassphrase(withOperator(withData(letters.command("void"))))
    .description("make a letter invalid")
    .argument("<letter>", "its number, L-0000001")
    .requiredOption("--reason <text>", "why")
    .addHelpText("after", "\nExample:\n  $ persoline letters void L-0000017 --reason 'lost in the post'")
    .action((letter: string, options: DecisionOptions & { readonly reason: string }) =>
      withDecision(options, async (store, data, by) => {
        await store.letters.void({ letter, reason: options.reason, by });
        const order = await store.letters.orderOf(letter);
        await takeAwayVoid(order, store, data);
        if (options.json === true) return printJson({ letter, state: "void" });
        print(
          `Letter ${letter} is void and its file gone. Until order ${order} is delivered, two people may have it printed again: "letters reprint ${letter}".`,
        );
      }),
    );
}
