import type { Command } from "commander";
import { counted as howMany } from "../../ledger/counted.js";
import type { Witnessing } from "../../devices/hsm/office/witness.js";
import type { SecretFrom } from "../../devices/hsm/secret.js";
import { operator, version } from "../config.js";
import type { DataFolder } from "../data-folder.js";
import { readAnyProduct } from "../job.js";
import { askedFor } from "../key-file.js";
import type { LetterBatch } from "../../store/letter-batches.js";
import type { Letter } from "../../store/letters.js";
import type { StoredOrder } from "../../store/orders.js";
import type { Store } from "../../store/store.js";
import {
  ifNotPrinted,
  numberLetters,
  releaseLetters,
  replacedBy,
  takenAway,
  tidyLetters,
  unsureBatches,
} from "../letters.js";
import { Refusal } from "../problem.js";
import { reprintLetters, toReprint } from "../reprint.js";
import { addOpenCommand } from "./letters-open.js";
import { withOrder } from "./order.js";
import {
  type CommonOptions,
  type DecisionOptions,
  print,
  printJson,
  textTable,
  whole,
  withData,
  withDecision,
  withOperator,
  withPassphrase,
  withStore,
} from "./options.js";
import { fromDescriptor } from "./usage.js";

async function mustBeThere(store: Store, order: string): Promise<void> {
  if ((await store.orders.find(order)) === undefined)
    throw new Refusal(`there is no order ${order} here; "persoline order list" shows all`);
}

/** A PIN is opened for its letter. */
const letterOperations = ["pin", "letter"] as const;

interface TwoOptions extends DecisionOptions {
  readonly witness: string;
  readonly custodianFd?: number;
  readonly witnessFd?: number;
}

/** Two people, who prove themselves as custodians where cards are live. */
const withTwo = (command: Command): Command =>
  withPassphrase(withOperator(withData(command)))
    .requiredOption("--witness <name>", "the second person")
    .option(
      "--custodian-fd <number>",
      "live cards: file descriptor of the first person's passphrase as a custodian (default: asked at the terminal)",
      whole,
    )
    .option("--witness-fd <number>", "live cards: the same of the second person", whole);

/** In the test environment names do. */
const standing =
  (what: "letters.release" | "letters.reprint", options: TwoOptions) =>
  ({ order, spec }: StoredOrder, data: DataFolder): Witnessing<SecretFrom> | undefined => {
    if (spec.environment !== "live") return undefined;
    const { witness, custodianFd, witnessFd } = options;
    const by = operator(options.by);
    const from = (who: string, fd: number | undefined, option: string): SecretFrom =>
      fd === undefined ? askedFor(`Passphrase of custodian ${who}`, option) : fromDescriptor(fd, option);
    return {
      what,
      order,
      by,
      witness,
      passphrases: [from(by, custodianFd, "--custodian-fd"), from(witness, witnessFd, "--witness-fd")],
      acts: data.officeActs,
      at: new Date().toISOString(),
      program: `persoline ${version}`,
    };
  };

const letterCount = (count: number): string => howMany(count, "letter");

/** "98 are released, 2 are void". */
function counted(list: readonly Letter[]): string {
  const states = ["numbered", "written", "released", "void"] as const;
  const words = { numbered: "waiting", written: "written", released: "released", void: "void" };
  const found = states.flatMap((state) => {
    const count = list.filter((one) => one.state === state).length;
    return count === 0 ? [] : [`${String(count)} ${count === 1 ? "is" : "are"} ${words[state]}`];
  });
  return found.length === 0 ? "it has none" : found.join(", ");
}

/** "250 letters in batch B-0000001, 12 letters in batch B-0000002". */
const batchesTold = (batches: readonly LetterBatch[]): string =>
  batches.map(({ batch, letters }) => `${letterCount(letters)} in batch ${batch}`).join(", ");

/** Of a delivered order: the batch of a void letter may be the only copy of its other letters. */
const stays = (batch: string, page = 0): string =>
  `Batch ${batch} stays where it is, for no letter of a delivered order can be printed again. If it was not printed yet, the print room takes page ${String(page)} out and destroys it.`;

const told = (batches: readonly LetterBatch[]) =>
  batches.map(({ batch, letters, file }) => ({ batch, letters, file }));

export function addLetterCommands(program: Command): void {
  const letters = program.command("letters").description("PIN letters, apart from cards");

  withData(letters.command("list"))
    .description("letters of an order: numbers, batches and states, nothing secret")
    .argument("<order>", "order number")
    .addHelpText("after", "\nExample:\n  $ persoline letters list 2026-117")
    .action((order: string, options: CommonOptions) =>
      withStore(options, async (store) => {
        await mustBeThere(store, order);
        const list = await store.letters.list(order);
        const next = replacedBy(list);
        const batches = await store.letters.batches(order);
        const gone = new Set(batches.flatMap(({ batch, file }) => (file === undefined ? [batch] : [])));
        const isGone = ({ batch }: Letter): boolean => batch !== undefined && gone.has(batch);
        if (options.json === true)
          return printJson(
            list.map((one) => {
              const replacement = next.get(one.letter);
              return {
                ...one,
                ...(replacement === undefined ? {} : { replacedBy: replacement }),
                ...(isGone(one) ? { batchTakenAway: true } : {}),
              };
            }),
          );
        print(
          textTable(
            ["letter", "record", "card", "state", "since or why", "batch", "page", "replaced by"],
            list.map((one) => [
              one.letter,
              one.record,
              one.attempt,
              one.state === "numbered" ? "waiting" : one.state,
              one.voidReason ?? one.releasedAt ?? "",
              `${one.batch ?? ""}${isGone(one) ? " (taken away)" : ""}`,
              one.page ?? "",
              next.get(one.letter) ?? "",
            ]),
          ),
        );
        for (const one of await unsureBatches(order, store))
          print(`\nThe file of batch ${one.batch} was taken away. ${ifNotPrinted(one)}`);
      }),
    );

  withTwo(letters.command("release"))
    .description(
      "have the letters of an order's good cards printed: batches for the letter printer; two people",
    )
    .argument("<order>", "order number")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline letters release 2026-117 --by 'A. Meyer' --witness 'B. Novak'",
    )
    .action((order: string, options: TwoOptions) =>
      withOrder(
        order,
        options,
        async ({ stored, store, hsm, data, by }) => {
          const { witness } = options;
          const { planned } = await readAnyProduct(stored.spec.product);
          // Whoever lacks a letter after an interruption at the end of a run gets it now.
          await numberLetters({ order, store, pins: planned.pins });
          const batches = await releaseLetters({ order, store, hsm, data, by, witness });
          const without = stored.deliveredAt === undefined ? await toReprint(order, store) : [];
          if (options.json === true)
            return printJson({
              order,
              batches: told(batches),
              ...(without.length === 0 ? {} : { toReprint: without }),
            });
          print(
            batches.length === 0
              ? `No letter of order ${order} waits for its release: ${counted(await store.letters.list(order))}.`
              : `Order ${order}: ${batchesTold(batches)} released; they lie in ${data.letters(order)}, encrypted for the letter printer ("persoline letters open" there).`,
          );
          for (const letter of without)
            print(
              `Letter ${letter} is void, and no other takes its place: before the order is delivered two people have it printed again, "persoline letters reprint ${letter}".`,
            );
        },
        letterOperations,
        standing("letters.release", options),
      ),
    );

  withTwo(letters.command("reprint"))
    .description(
      "print a letter or a whole batch again, under new numbers, while the PINs are kept (until delivery); two people",
    )
    .argument(
      "<letter|batch>",
      "its number: L-0000001, or B-0000001 for all letters of a batch that are not void",
    )
    .requiredOption("--reason <text>", "why")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline letters reprint L-0000017 --reason 'torn in the printer' --by 'A. Meyer' --witness 'B. Novak'",
    )
    .action(async (number: string, options: TwoOptions & { readonly reason: string }) => {
      const order = await withStore(options, (store) =>
        number.startsWith("B-") ? store.letters.orderOfBatch(number) : store.letters.orderOf(number),
      );
      await withOrder(
        order,
        options,
        async ({ store, hsm, data, by }) => {
          const { reason, witness } = options;
          const { pairs, batches } = await reprintLetters({
            order,
            number,
            reason,
            by,
            witness,
            store,
            hsm,
            data,
          });
          const old = pairs.map(({ replaces }) => replaces);
          const former = new Set(
            (await store.letters.list(order)).flatMap(({ letter, batch }) =>
              batch !== undefined && old.includes(letter) ? [batch] : [],
            ),
          );
          const gone = (await unsureBatches(order, store)).flatMap(({ batch }) =>
            former.has(batch) ? [batch] : [],
          );
          if (options.json === true)
            return printJson({
              order,
              letters: pairs,
              batches: told(batches),
              ...(gone.length === 0 ? {} : { takenAway: gone }),
            });
          for (const { replaces, letter } of pairs)
            print(`Letter ${replaces} is void; ${letter} takes its place.`);
          print(`Order ${order}: ${batchesTold(batches)} released.`);
          for (const said of await takenAway(order, store, gone)) print(said);
        },
        letterOperations,
        standing("letters.reprint", options),
      );
    });

  withPassphrase(withOperator(withData(letters.command("void"))))
    .description(
      "make a letter invalid; until its order is delivered two people may have it printed again, then its PIN is gone",
    )
    .argument("<letter>", "its number, L-0000001")
    .requiredOption("--reason <text>", "why")
    .addHelpText("after", "\nExample:\n  $ persoline letters void L-0000017 --reason 'lost in the post'")
    .action((letter: string, options: DecisionOptions & { readonly reason: string }) =>
      withDecision(options, async (store, data, by) => {
        // Not of this letter: what an interruption left of its order's.
        await tidyLetters(await store.letters.orderOf(letter), store, data);
        const { order, delivered, ...place } = await store.letters.void({
          letter,
          reason: options.reason,
          by,
        });
        const taken = await tidyLetters(order, store, data);
        const unsure = (await unsureBatches(order, store)).flatMap(({ batch }) =>
          batch === place.batch && !taken.includes(batch) ? [batch] : [],
        );
        // Also of one that went with a letter before.
        const gone = [...taken, ...unsure];
        const [batch] = gone;
        if (options.json === true)
          return printJson({
            letter,
            state: "void",
            ...(batch === undefined ? {} : { takenAway: batch }),
            ...(delivered ? { pinGone: true } : {}),
          });
        if (delivered) {
          print(
            `Letter ${letter} is void, and its PIN is gone: order ${order} is delivered, so nobody can print it again. Its holder needs a new card, in a new order.`,
          );
          const lies = (await store.letters.batches(order)).find((one) => one.batch === place.batch);
          if (lies?.file !== undefined) print(stays(lies.batch, place.page));
          return;
        }
        print(
          `Letter ${letter} is void. Until order ${order} is delivered, two people may have it printed again: "letters reprint ${letter}".`,
        );
        for (const said of await takenAway(order, store, gone)) print(said);
      }),
    );

  addOpenCommand(letters);
}
