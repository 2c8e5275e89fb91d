import { resolve } from "node:path";
import type { Command } from "commander";
import { counted } from "../../ledger/counted.js";
import type { Hsm, HsmOperation } from "../../devices/hsm/port.js";
import type { Witnessing } from "../../devices/hsm/office/witness.js";
import type { SecretFrom } from "../../devices/hsm/secret.js";
import { gatherProofs } from "../../ledger/proof.js";
import { proofLines, proofText } from "../../ledger/proof-text.js";
import type { CardLine } from "../../ledger/report.js";
import { noticedOf } from "../../plan/compile.js";
import { readLine } from "../../stations/line-file.js";
import type { StoredOrder } from "../../store/orders.js";
import type { Store } from "../../store/store.js";
import { refuseBrokenAudit, signAudit } from "../audit-heads.js";
import { dataRoot } from "../config.js";
import { type DataFolder, dataFolder } from "../data-folder.js";
import { deliver } from "../deliver.js";
import { endDue, endSecrets, notDestroyed } from "../due-ends.js";
import { erase } from "../erase.js";
import { importOrder, judgeLevels } from "../import.js";
import { readJob } from "../job.js";
import { openSecurityModule } from "../key-file.js";
import { tidyLetters } from "../letters.js";
import { mustKeepFor } from "../order-levels.js";
import { Refusal, WrongUsage } from "../problem.js";
import { reachOf } from "../reach.js";
import { refreshing } from "../refresh-reports.js";
import { writeResult } from "../result-file.js";
import {
  type CommonOptions,
  type DecisionOptions,
  passphrase,
  print,
  printJson,
  textTable,
  unfinished,
  whole,
  withData,
  withDecision,
  withOperator,
  withPassphrase,
  withStore,
} from "./options.js";

type OrderOptions = DecisionOptions;

interface DeliverOptions extends OrderOptions {
  readonly printed: readonly string[];
  readonly register?: string;
  readonly wasDelivered?: boolean;
  readonly witness?: string;
}

export function addOrderCommands(program: Command): void {
  const order = program.command("order").description("orders: take in, look at, give back");

  withPassphrase(withOperator(withData(order.command("import"))))
    .description("check an order and take it in, without producing it")
    .argument("<order.yaml>", "the order file")
    .addHelpText("after", "\nExample:\n  $ persoline order import examples/office-access/order.yaml")
    .action(async (file: string, options: OrderOptions) => {
      const job = await readJob(file);
      // Before any passphrase: what its line cannot make need not be taken in.
      const line = await readLine(job.order.line, { environment: job.order.environment });
      const data = dataFolder(dataRoot(options.data));
      const hsm = await openSecurityModule(data, job.order.keys, passphrase(options), {
        judge: (module) => judgeLevels(module, job, { line, lineFile: job.order.line }),
      });
      try {
        await withStore(
          options,
          async (store) => {
            await refuseBrokenAudit({ store, data });
            await endDue(store, hsm);
            const stored = await importOrder(
              job,
              { line, lineFile: job.order.line },
              store,
              hsm,
              await reachOf(line),
            );
            await signAudit({ store, data, hsm });
            for (const one of noticedOf(job.planned)) print(`noticed: ${one}.`);
            if (options.json === true) printJson(shown(stored));
            else
              print(
                `Order ${stored.order}: ${counted(stored.records, "record")} taken in, nothing produced yet.`,
              );
          },
          { mayBeNew: true },
        );
      } finally {
        await hsm.close();
      }
    });

  withData(order.command("list"))
    .description("all orders and their states")
    .addHelpText("after", "\nExample:\n  $ persoline order list --json")
    .action((options: CommonOptions) =>
      withStore(options, async (store) => {
        const orders = await store.orders.list();
        const interrupted = (await store.orders.interrupted()).map((one) => ({
          ...one,
          state: "import interrupted" as const,
        }));
        if (options.json === true) printJson([...orders.map(shown), ...interrupted]);
        else if (orders.length + interrupted.length === 0) print("There are no orders yet.");
        else
          print(
            textTable(
              ["order", "customer", "product", "records", "state", "imported"],
              orders
                .map((one) => [one.order, one.customer, one.product, one.records, one.state, one.importedAt])
                .concat(
                  interrupted.map((one) => [one.order, one.customer, one.product, 0, one.state, one.begunAt]),
                ),
            ),
          );
      }),
    );

  withData(order.command("show"))
    .description("one order: how far it is, and what its good cards' chips showed of themselves")
    .argument("<number>", "order number")
    .option("--cards", "also each good card's own proof; --json always has them")
    .addHelpText("after", "\nExample:\n  $ persoline order show 2026-117 --cards")
    .action((number: string, options: CommonOptions & { readonly cards?: boolean }) =>
      withStore(options, async (store) => {
        const stored = await known(store, number);
        const progress = await store.accounts.progress(number);
        const proofs = gatherProofs();
        const cards: CardLine[] = [];
        for await (const card of store.reports.visits(number)) {
          if (card.end !== "good") continue;
          proofs.add(card.proof);
          cards.push(card);
        }
        cards.sort((one, other) => Number(one.record) - Number(other.record));
        const proof = proofs.sums();
        const alive = await notDestroyed(stored, store);
        if (options.json === true) {
          const proved = cards.map(({ record, serial, label, proof }) => ({ record, serial, label, proof }));
          const beware = alive === undefined ? {} : { beware: alive };
          return printJson({ ...shown(stored), ...beware, progress, proof, cards: proved });
        }
        const { waiting, inProduction, produced, held, givenUp } = progress;
        print(
          textTable(
            ["order", number],
            [
              ["customer", stored.customer],
              ["product", stored.product],
              ["environment", stored.environment],
              ["state", stored.state],
              ...(alive === undefined ? [] : [["beware", alive]]),
              ["input", stored.inputName],
              [
                "records",
                `${String(stored.records)}: ${String(produced)} produced, ${String(inProduction)} in production, ${String(waiting)} waiting, ${String(held)} held, given up: ${String(givenUp)}`,
              ],
              ["imported", stored.importedAt],
              ...(["startedAt", "producedAt", "deliveredAt", "closedAt", "erasedAt"] as const).flatMap(
                (when) => {
                  const at = stored[when];
                  return at === undefined ? [] : [[when.replace("At", ""), at]];
                },
              ),
            ],
          ),
        );
        if (cards.length === 0) return;
        print(`\nElectrical proof of the good cards:\n${textTable(["what", "cards"], proofLines(proof))}`);
        if (options.cards === true)
          print(
            `\n${textTable(
              ["record", "serial", "what its chip showed"],
              cards.map(({ record = "", serial, proof }) => [
                record,
                serial,
                proof === undefined ? "nothing is told" : proofText(proof),
              ]),
            )}`,
          );
      }),
    );

  withPassphrase(withOperator(withData(order.command("result"))))
    .description(
      "write the issuer's result file, signed; its totals must agree with accounts, audit and counters",
    )
    .argument("<number>", "order number")
    .addHelpText("after", "\nExample:\n  $ persoline order result 2026-117")
    .action((number: string, options: OrderOptions) =>
      withOrder(number, options, async ({ stored, store, hsm, data }) => {
        const { file, signature, totals } = await writeResult(stored, store, hsm, data);
        if (options.json === true) return printJson({ order: number, file, signature, totals });
        print(
          `${file}\n${signature}\n${counted(totals.records, "record")}: ${String(totals.good)} good, ${String(totals.held)} held, given up: ${String(totals.givenUp)}, ${String(totals.missing)} missing; ${counted(totals.cancelled, "serial")} cancelled.`,
        );
      }),
    );

  withPassphrase(withOperator(withData(order.command("deliver"))))
    .description("hand the good cards over: from now on gates know them")
    .argument("<number>", "order number")
    .option(
      "--printed <batch>",
      "a batch of PIN letters whose file was taken away, and which the print room had printed before; once for each such batch",
      (batch: string, others: readonly string[]) => [...others, batch],
      [],
    )
    .option(
      "--register <product.yaml>",
      "a copy of the product that says which fields the access register takes, for an order whose own does not",
    )
    .option(
      "--was-delivered",
      "its cards were handed over before, and this database is from before that: two people say so",
    )
    .option("--witness <name>", "the second person, with --was-delivered")
    .addHelpText("after", "\nExample:\n  $ persoline order deliver 2026-117 --by 'A. Meyer'")
    .action(async (number: string, options: DeliverOptions) => {
      const wasDelivered = sayingSo(options);
      await withOrder(number, options, async ({ stored, store, data, by, hsm, wasLeft }) => {
        if (wasLeft || (await endSecrets(number, store, hsm))) {
          await store.sweep();
          if (options.json === true) return printJson({ order: number, state: stored.state, entered: 0 });
          return print(
            `Order ${number} was delivered already; what was left of its PINs' secrets is destroyed now.`,
          );
        }
        const { printed, register } = options;
        const more = {
          ...(register === undefined ? {} : { register: resolve(register) }),
          ...(wasDelivered === undefined ? {} : { wasDelivered }),
        };
        const entered = await deliver({ stored, store, data, hsm, by, printed, ...more });
        if (options.json === true)
          return printJson({ order: number, state: "delivered", entered: entered ?? 0 });
        print(
          entered === undefined
            ? `Order ${number} is delivered; its cards open no gates.`
            : `Order ${number} is delivered; ${counted(entered, "card is", "cards are")} in the access register.`,
        );
      });
    });

  withPassphrase(withData(order.command("release")))
    .description("let a held record go on: two people have looked why its cards failed")
    .argument("<number>", "order number")
    .requiredOption("--record <number>", "the record", whole)
    .requiredOption("--reason <text>", "what was found; no personal data: it stays in the audit")
    .requiredOption("--by <name>", "the first person")
    .requiredOption("--and <name>", "the second person")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline order release 2026-117 --record 17 --reason 'bad lot' --by 'A. Meyer' --and 'B. Novak'",
    )
    .action(
      (
        number: string,
        options: DecisionOptions & { readonly record: number; readonly reason: string; readonly and: string },
      ) =>
        withDecision(options, async (store, _, by) => {
          const { record, reason, and: witness } = options;
          await store.orders.releaseRecord({ order: number, record, reason, by, witness });
          if (options.json === true) return printJson({ order: number, record, state: "waiting" });
          print(`Record ${String(record)} of order ${number} waits for a card again; run the order again.`);
        }),
    );

  addGiveUpCommand(order);

  withPassphrase(withOperator(withData(order.command("close"))))
    .description("close an order; refused while sums differ or rejects are not destroyed")
    .argument("<number>", "order number")
    .addHelpText("after", "\nExample:\n  $ persoline order close 2026-117")
    .action((number: string, options: DecisionOptions) =>
      withDecision(options, async (store, _, by, hsm) => {
        const stored = await known(store, number);
        if (hsm !== undefined) await mustKeepFor(hsm, stored, []);
        await store.accounts.recount();
        await store.orders.close({ order: number, by });
        if (options.json === true) return printJson({ order: number, state: "closed" });
        print(`Order ${number} is closed.`);
      }),
    );

  withPassphrase(withData(order.command("erase")))
    .description(
      "destroy the personal data of a closed order, or of an import that was interrupted: database, pictures, letters, report pages; accounts and audit stay",
    )
    .argument("<number>", "order number")
    .requiredOption("--by <name>", "the first person")
    .requiredOption("--and <name>", "the second person")
    .option("--gates-too", "gates forget its cards as well, which then open nothing")
    .addHelpText("after", "\nExample:\n  $ persoline order erase 2026-117 --by 'A. Meyer' --and 'B. Novak'")
    .action(
      (number: string, options: DecisionOptions & { readonly and: string; readonly gatesToo?: boolean }) =>
        withDecision(options, async (store, data, by, hsm) => {
          const holders = options.gatesToo === true ? "forget" : "keep";
          const { files } = await erase({
            store,
            data,
            order: number,
            by,
            approvedBy: options.and,
            holders,
            hsm,
          });
          if (options.json === true) return printJson({ order: number, state: "erased", files, holders });
          print(
            `The personal data of order ${number} are gone from the database and ${counted(files, "file")}; its accounts stay. Copies that were made elsewhere (backups, printed pages, files of "--html") are yours to destroy.`,
          );
          if (holders === "keep")
            print("Gates go on knowing its cards by reference, zones and validity, without names.");
        }),
    );
}

/** The second of the two who say that an order was delivered before. Throws WrongUsage. */
function sayingSo({ wasDelivered = false, by, witness }: DeliverOptions): string | undefined {
  if (!wasDelivered && witness === undefined) return undefined;
  if (!wasDelivered || by === undefined || witness === undefined)
    throw new WrongUsage(
      "--was-delivered takes two people who say so: name them with --by and --witness, which goes with it alone",
    );
  return witness;
}

function addGiveUpCommand(order: Command): void {
  withPassphrase(withData(order.command("give-up")))
    .description("two people decide that a record, or all of an order without a good card, get none")
    .argument("<number>", "order number")
    .option("--record <number>", "only this record", whole)
    .requiredOption("--reason <text>", "why; no personal data: it stays in the audit")
    .requiredOption("--by <name>", "the first person")
    .requiredOption("--and <name>", "the second person")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline order give-up 2026-117 --record 17 --reason 'left the company' --by 'A. Meyer' --and 'B. Novak'",
    )
    .action(
      (
        number: string,
        options: DecisionOptions & {
          readonly record?: number;
          readonly reason: string;
          readonly and: string;
        },
      ) =>
        withDecision(options, async (store, data, by, hsm) => {
          const { record, reason, and: witness } = options;
          const ask = { order: number, reason, by, witness, ...(record === undefined ? {} : { record }) };
          const givenUp = await refreshing({ store, data, hsm, onStale: unfinished }, number, () =>
            store.orders.giveUp(ask),
          );
          const { state } = await known(store, number);
          if (options.json === true) return printJson({ order: number, givenUp, state });
          print(`Order ${number} is ${state}; given up: ${String(givenUp)}.`);
        }),
    );
}

/** What everybody may see of an order. */
function shown(order: StoredOrder): object {
  const { customer, product, environment, state, records, inputName, inputSha256 } = order;
  const { importedAt, startedAt, producedAt, deliveredAt, closedAt, erasedAt } = order;
  const times = { importedAt, startedAt, producedAt, deliveredAt, closedAt, erasedAt };
  return {
    order: order.order,
    customer,
    product,
    environment,
    state,
    records,
    inputName,
    inputSha256,
    ...times,
  };
}

async function known(store: Store, number: string): Promise<StoredOrder> {
  const stored = await store.orders.find(number);
  if (stored === undefined)
    throw new Refusal(`there is no order ${number} here; "persoline order list" shows all`);
  return stored;
}

interface OrderInHand {
  readonly stored: StoredOrder;
  readonly store: Store;
  readonly hsm: Hsm;
  readonly data: DataFolder;
  readonly by: string;
  /** Secrets of it that were due were destroyed now: an interruption had left them. */
  readonly wasLeft: boolean;
}

/** An order with its data key released for the time of one command. */
export async function withOrder<T>(
  number: string,
  options: OrderOptions,
  work: (inHand: OrderInHand) => Promise<T>,
  /** What it asks of the security module, besides the order's data key. */
  more: readonly HsmOperation[] = [],
  /** Two custodians stand for it where cards are live. */
  deed?: (stored: StoredOrder, data: DataFolder) => Witnessing<SecretFrom> | undefined,
): Promise<T> {
  return withStore(options, async (store, data, by) => {
    const stored = await known(store, number);
    if (stored.sealedDataKey === undefined)
      throw new Refusal(`the personal data of order ${number} were erased`);
    const standing = deed?.(stored, data);
    const hsm = await openSecurityModule(data, stored.spec.keys, passphrase(options), { deed: standing });
    try {
      await mustKeepFor(hsm, stored, ["data-key", ...more]);
      const key = await hsm.releaseDataKey({ order: number, sealed: stored.sealedDataKey });
      store.orders.unlock(number, key);
      key.fill(0);
      await refuseBrokenAudit({ store, data });
      const ended = await endDue(store, hsm);
      // What an interruption left of its letters, whatever this command is for.
      await tidyLetters(number, store, data);
      const done = await work({ stored, store, hsm, data, by, wasLeft: ended.includes(number) });
      await signAudit({ store, data, hsm });
      return done;
    } finally {
      store.orders.lock(number);
      await hsm.close();
    }
  });
}
