import { createInterface } from "node:readline";
import type { Command } from "commander";
import type { MailingEnd } from "../../stations/mailing.js";
import { readLine } from "../../stations/line-file.js";
import type { Store } from "../../store/store.js";
import { warn } from "../answer.js";
import { type PrintedFile, printCarriers, readCarrier, toTakeOut } from "../carriers.js";
import { deskScreen } from "../desk-screen.js";
import { readAnyProduct } from "../job.js";
import { takenAway, tidyLetters } from "../letters.js";
import { mailOrder } from "../mail.js";
import { Refusal } from "../problem.js";
import { refreshing } from "../refresh-reports.js";
import { withOrder } from "./order.js";
import {
  type CommonOptions,
  type DecisionOptions,
  print,
  printJson,
  textTable,
  unfinished,
  withData,
  withOperator,
  withPassphrase,
  withStore,
} from "./options.js";

const many = (count: number): string => `${String(count)} ${count === 1 ? "carrier" : "carriers"}`;

const told = (files: readonly PrintedFile[]): string =>
  files.map(({ carriers, file }) => `${many(carriers)} in ${file}`).join("\n");

const layIn = "Print it in its order and lay the pages into the stack by the records that stand on them.";

export function addMailingCommands(program: Command): void {
  const mailing = program
    .command("mailing")
    .description("carriers: letters that good cards are fixed to, one by one, when both belong together");

  withPassphrase(withOperator(withData(mailing.command("print"))))
    .description(
      "print the carriers that good cards of an order lack, in the order of the input; from then on it is delivered only when all are mailed",
    )
    .argument("<order>", "order number")
    .addHelpText("after", "\nExample:\n  $ persoline mailing print 2026-117")
    .action((order: string, options: DecisionOptions) =>
      withOrder(order, options, async ({ stored, store, data, by }) => {
        const files = await printLacking(stored.spec.product, { store, data, order, by });
        if (options.json === true) return printJson({ order, files });
        if (files.length === 0) print(`All good cards of order ${order} have their carriers.`);
        else print(`${told(files)}\n${layIn}`);
      }),
    );

  withData(mailing.command("list"))
    .description("carriers of an order: numbers, pages and states, nobody's name")
    .argument("<order>", "order number")
    .addHelpText("after", "\nExample:\n  $ persoline mailing list 2026-117")
    .action((order: string, options: CommonOptions) =>
      withStore(options, async (store) => {
        if ((await store.orders.find(order)) === undefined)
          throw new Refusal(`there is no order ${order} here; "persoline order list" shows all`);
        const list = await store.carriers.list(order);
        if (options.json === true) return printJson(list);
        print(
          textTable(
            ["carrier", "record", "card", "file", "page", "state", "why"],
            list.map(({ carrier, record, attempt, batch, page, state, voidReason = "" }) => [
              carrier,
              record,
              attempt,
              `${batch}.pdf`,
              page,
              state,
              voidReason,
            ]),
          ),
        );
      }),
    );

  withPassphrase(withOperator(withData(mailing.command("replace"))))
    .description("print another carrier for one that is missing or spoilt; its card stays as it is")
    .argument("<carrier>", "its number, C-0000001")
    .requiredOption("--reason <text>", "why; no personal data: it stays in the audit")
    .addHelpText("after", "\nExample:\n  $ persoline mailing replace C-0000017 --reason 'torn in the feeder'")
    .action(async (carrier: string, options: DecisionOptions & { readonly reason: string }) => {
      const known = await withStore(options, (store) => store.carriers.find(carrier));
      if (known === undefined)
        throw new Refusal(
          `there is no carrier ${carrier}; "persoline mailing list ORDER" shows those of an order`,
        );
      const { order } = known;
      await withOrder(order, options, async ({ stored, store, data, by }) => {
        await store.carriers.void({ carrier, reason: options.reason, by });
        const files = await printLacking(stored.spec.product, { store, data, order, by });
        if (options.json === true) return printJson({ order, void: carrier, files });
        print(`Carrier ${carrier} is void: should it turn up, destroy it.\n${told(files)}\n${layIn}`);
      });
    });

  withPassphrase(withOperator(withData(mailing.command("run"))))
    .description(
      "fix good cards to their carriers, in the order of the input; any other pair stops it and is kept apart",
    )
    .argument("<order>", "order number")
    .option("--line <line.yaml>", "the line whose mailer it is (default: the order's)")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline mailing run 2026-117 --line examples/lines/desk.yaml\n\nA scanner that types as a keyboard does, or a program that writes into standard input, serves a desk. Ctrl-C stops; the same command goes on.",
    )
    .action((order: string, options: DecisionOptions & { readonly line?: string }) => run(order, options));
}

async function printLacking(
  productFile: string,
  ask: Omit<Parameters<typeof printCarriers>[0], "layout">,
): Promise<readonly PrintedFile[]> {
  const { product } = await readAnyProduct(productFile);
  const layout = await readCarrier(product, productFile);
  if (layout === undefined)
    throw new Refusal(
      `product ${product.name} has no carrier: name its template in ${productFile} ("carrier: layout/carrier.yaml")`,
    );
  return printCarriers({ ...ask, layout });
}

async function run(order: string, options: DecisionOptions & { readonly line?: string }): Promise<void> {
  const stopping = new AbortController();
  const say = options.json === true ? warn : print;
  const screen = deskScreen({ say, live: false });
  const input = lines(stopping.signal);
  const stop = (): void => stopping.abort();
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  try {
    await withOrder(order, options, async ({ stored, store, hsm, data }) => {
      const line = await readLine(options.line ?? stored.spec.line);
      const { product } = await readAnyProduct(stored.spec.product);
      const before = await store.carriers.list(order);
      const end = await refreshing({ store, data, hsm, onStale: unfinished }, order, () =>
        mailOrder({
          stored,
          product,
          line,
          store,
          data,
          desk: {
            tell: screen.tell,
            awaits: screen.awaits,
            typed: input.typed,
            // Nobody has fixed a card so soon.
            ...(process.stdin.isTTY ? { soonestMs: 500 } : {}),
          },
          stopping: stopping.signal,
        }),
      );
      const takeOut = toTakeOut(before, await store.carriers.list(order));
      await tell(order, options, end, takeOut, { store, taken: await tidyLetters(order, store, data) });
    });
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
    screen.close();
    input.close();
  }
}

async function tell(
  order: string,
  { json }: CommonOptions,
  end: MailingEnd,
  takeOut: readonly string[],
  { store, taken }: { readonly store: Store; readonly taken: readonly string[] },
): Promise<void> {
  const list = await store.carriers.list(order);
  const mailed = list.filter(({ state }) => state === "mailed").length;
  const { produced } = await store.accounts.progress(order);
  const sum = `Order ${order}: ${String(mailed)} of ${String(produced)} good cards are mailed.`;
  if (json === true) printJson({ order, ...end, allMailed: mailed, void: takeOut });
  else print(sum);
  if (end.ended === "whole") return;
  if (end.ended === "stopped") return unfinished(`The mailing stopped: ${end.why}.`);
  unfinished(
    [
      `THE MAILING STOPPED: ${end.why}.`,
      `Carrier and card are kept apart${end.cancelled.card ? "; the card is rejected, and its body is destroyed before a witness" : ""}.`,
      ...(takeOut.length === 0
        ? []
        : [`Void, to be taken out of stack and reject tray and destroyed: ${takeOut.join(", ")}.`]),
      end.cancelled.card
        ? `Then: "persoline run" makes the record's card again, "persoline mailing print ${order}" what carriers are missing, and "persoline mailing run ${order}" goes on.`
        : `Then: "persoline mailing print ${order}" prints what carriers are missing, and "persoline mailing run ${order}" goes on.`,
      ...(await takenAway(order, store, taken)),
    ].join("\n"),
  );
}

/** Lines of standard input, read when somebody waits for one: a keyboard, a scanner that types, or a program's. */
function lines(stopping: AbortSignal): {
  readonly typed: () => Promise<string | undefined>;
  readonly close: () => void;
} {
  let source: AsyncIterator<string> | undefined;
  let close = (): void => undefined;
  const ended = new Promise<undefined>((resolve) => {
    stopping.addEventListener("abort", () => resolve(undefined));
  });
  return {
    async typed() {
      if (source === undefined) {
        const reader = createInterface({ input: process.stdin });
        // Ctrl-C means the mailing, not the keyboard.
        reader.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
        source = reader[Symbol.asyncIterator]();
        close = () => reader.close();
      }
      const next = await Promise.race([source.next(), ended]);
      return next === undefined || next.done === true ? undefined : next.value;
    },
    close: () => close(),
  };
}
