import { readFile } from "node:fs/promises";
import { counted } from "../../ledger/counted.js";
import type { Serial } from "@persoline/card/program";
import { Argument, type Command, Option } from "commander";
import { parse } from "csv-parse/sync";
import { type Bin, bins } from "../../devices/transport/port.js";
import { blankStates } from "../../ledger/life.js";
import type { BlankState } from "../../ledger/types.js";
import { Findings } from "../../orders/problem.js";
import { type Verdict, verdicts } from "../../store/review.js";
import { emptyBin, settle, strangers, takeAway, takeOut } from "../by-hand.js";
import type { DataFolder } from "../data-folder.js";
import { heldPictures } from "../held-pictures.js";
import { Refusal, WrongUsage } from "../problem.js";
import { refreshing } from "../refresh-reports.js";
import type { Store } from "../../store/store.js";
import {
  type CommonOptions,
  type DecisionOptions,
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
import { addWithdrawCommand } from "./withdraw.js";

/** Ten bytes of a chip number, or the seven of a DESFire card's UID. */
const isSerial = (text: string): boolean => /^(?:[0-9A-F]{14}|[0-9A-F]{20})$/.test(text);

export function addStockCommands(program: Command): void {
  const stock = program
    .command("stock")
    .description("blanks: receive, count, look at, settle what is held, give back, destroy");

  withPassphrase(withOperator(withData(stock.command("receive"))))
    .description("take a lot of blanks in by the supplier's list (CSV with the columns label and serial)")
    .argument("<lot>", "the lot's name")
    .argument("<list.csv>", "the supplier's delivery list")
    .addHelpText("after", "\nExample:\n  $ persoline stock receive L2026C delivery.csv")
    .action(async (lot: string, file: string, options: DecisionOptions) => {
      const blanks = await readDelivery(file);
      await withDecision(
        options,
        async (store, _, by) => {
          const { received } = await store.stock.receive({ lot, blanks, by });
          if (options.json === true) return printJson({ lot, received });
          print(`Lot ${lot}: ${String(received)} blanks received.`);
        },
        { mayBeNew: true },
      );
    });

  withPassphrase(withOperator(withData(stock.command("count"))))
    .description("enter a count made by hand; what the accounts expect is shown afterwards only")
    .argument("<counted>", "how many blanks were counted", whole)
    .option("--lot <lot>", "only this lot")
    .addHelpText("after", "\nExample:\n  $ persoline stock count 66 --lot L2026A")
    .action((counted: number, options: DecisionOptions & { readonly lot?: string }) =>
      withDecision(options, async (store, _, by) => {
        const found = await store.stock.count({
          counted,
          by,
          ...(options.lot === undefined ? {} : { lot: options.lot }),
        });
        if (options.json === true) printJson(found);
        else if (found.difference === 0) print(`${String(counted)} counted, as the accounts say.`);
        else
          print(
            `${String(counted)} counted, ${String(found.expected)} expected: a difference of ${String(found.difference)}. It is in the audit; look for it.`,
          );
        if (found.difference !== 0) process.exitCode = 1;
      }),
    );

  withData(stock.command("list"))
    .description("totals, or blanks one by one with --lot or --state")
    .option("--lot <lot>", "only this lot")
    .addOption(new Option("--state <state>", "only in this state").choices(blankStates))
    .addHelpText("after", "\nExample:\n  $ persoline stock list --state rejected")
    .action((options: CommonOptions & { readonly lot?: string; readonly state?: BlankState }) =>
      withStore(options, async (store) => {
        const { lot, state } = options;
        if (lot === undefined && state === undefined) {
          const totals = await store.accounts.recount();
          const lots = await store.stock.lots();
          if (options.json === true) return printJson({ totals, lots });
          print(textTable(["blanks", "number"], Object.entries(totals)));
          print("");
          return print(
            textTable(
              ["lot", "received", "on"],
              lots.map((one) => [one.lot, one.received, one.receivedAt]),
            ),
          );
        }
        const blanks = [];
        for await (const blank of store.stock.list({
          ...(lot === undefined ? {} : { lot }),
          ...(state === undefined ? {} : { state }),
        }))
          blanks.push(blank);
        if (options.json === true) return printJson(blanks);
        print(
          textTable(
            ["label", "serial", "lot", "state", "stage", "reason"],
            blanks.map((one) => [
              one.label,
              one.serial,
              one.lot,
              one.state,
              one.stage,
              one.reject === undefined ? "" : `${one.reject.station}: ${one.reject.code}`,
            ]),
          ),
        );
      }),
    );

  withPassphrase(withOperator(withData(stock.command("sample"))))
    .description("take a blank out as a sample")
    .argument("<serial>", "chip number, 20 hexadecimal digits (UID of a DESFire card: 14)")
    .requiredOption("--reason <text>", "what for")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline stock sample 504C0011223300000017 --reason 'first article'",
    )
    .action((serial: string, options: DecisionOptions & { readonly reason: string }) =>
      withDecision(options, async (store, data, by) => {
        await takeOut({ store, data, as: "sample", serial: serial as Serial, reason: options.reason, by });
        if (options.json === true) return printJson({ serial, state: "sample" });
        print(`${serial} is a sample now.`);
      }),
    );

  withPassphrase(withOperator(withData(stock.command("return"))))
    .description("give an unused blank back to its owner")
    .argument("<serial>", "chip number, 20 hexadecimal digits (UID of a DESFire card: 14)")
    .requiredOption("--reason <text>", "why")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline stock return 504C0011223300000017 --reason 'end of contract'",
    )
    .action((serial: string, options: DecisionOptions & { readonly reason: string }) =>
      withDecision(options, async (store, data, by) => {
        await takeOut({ store, data, as: "return", serial: serial as Serial, reason: options.reason, by });
        if (options.json === true) return printJson({ serial, state: "returned" });
        print(`${serial} is returned.`);
      }),
    );

  withData(stock.command("held"))
    .description(
      "what waits for two people: cards put aside, bodies that nobody knows, records whose cards failed",
    )
    .addHelpText("after", "\nExample:\n  $ persoline stock held")
    .action((options: CommonOptions) =>
      withStore(options, (store, data) => showHeld(store, data, options.json === true)),
    );

  withPassphrase(withData(stock.command("look")))
    .description(
      "shows two people the pictures of a held card and what was found doubtful; the audit says who looked",
    )
    .argument("<serial>", "chip number, 20 hexadecimal digits (UID of a DESFire card: 14)")
    .requiredOption("--by <name>", "the first person")
    .requiredOption("--and <name>", "the second person")
    .option("--out <dir>", "where LABEL-front.jpg and LABEL-back.jpg are written (default: here)", ".")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline stock look 504C0011223300000017 --by 'A. Meyer' --and 'B. Novak' --out /dev/shm",
    )
    .action((serial: string, options: DecisionOptions & { readonly and: string; readonly out: string }) =>
      withDecision(options, async (store, data, by, hsm) => {
        if (!isSerial(serial)) throw new Refusal(`${serial} is no chip number`);
        const asked = { serial: serial as Serial, by, witness: options.and };
        const { files, question, wrong, order, record } = await heldPictures(
          { store, data, hsm, ...asked },
          options.out,
        );
        if (options.json === true) return printJson({ serial, order, record, question, wrong, files });
        for (const one of wrong) print(one);
        print(
          `${files.join(", ")}: record ${String(record)} of order ${order}. Destroy them when you have decided.`,
        );
      }),
    );

  withPassphrase(withData(stock.command("settle")))
    .description(
      "enter what two people decided about a held card; good only when nothing but the look at its pictures is left",
    )
    .argument(
      "<serial>",
      "chip number, 20 hexadecimal digits (UID of a DESFire card: 14); of an unknown body the number printed on it",
    )
    .addOption(new Option("--as <verdict>", "what it is").choices(verdicts).makeOptionMandatory())
    .requiredOption("--reason <text>", "why; no personal data: it stays in the audit")
    .requiredOption("--by <name>", "the first person")
    .requiredOption("--and <name>", "the second person")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline stock settle 504C0011223300000017 --as reject --reason 'photo is blurred' --by 'A. Meyer' --and 'B. Novak'",
    )
    .action(
      (
        serial: string,
        options: DecisionOptions & { readonly as: Verdict; readonly reason: string; readonly and: string },
      ) =>
        withDecision(options, async (store, data, by, hsm) => {
          const { as: verdict, reason, and: witness } = options;
          if (!isSerial(serial)) {
            if (verdict !== "return")
              throw new Refusal(
                `${serial} is no chip number (20 hexadecimal digits, or 14 of a UID): a body that is in no stock list can only be settled as return`,
              );
            await takeAway({ store, data, label: serial, reason, by, witness });
            if (options.json === true) return printJson({ body: serial, state: "away" });
            return print(
              `${serial} has left the shop floor. Give it back to its owner, or keep it under lock.`,
            );
          }
          const ask = { store, data, serial: serial as Serial, verdict, reason, by, witness };
          const of = (await store.stock.find(ask.serial))?.order;
          const blank = await refreshing({ store, data, hsm, onStale: unfinished }, of, () => settle(ask));
          const { state, order, record } = blank;
          const whose = order === undefined || record === undefined ? {} : { order, record };
          if (options.json === true) return printJson({ serial, state, ...whose });
          print(`${serial} is ${state}.`);
          if (verdict === "reject" && record !== undefined && order !== undefined)
            print(
              `Run order ${order} again: record ${String(record)} gets a card unless it has one already.`,
            );
          if (verdict === "good" && order !== undefined)
            print(`Run order ${order} again, or "persoline letters release ${order}", for its PIN letter.`);
          if (verdict === "return") print("Give the body back to its owner.");
        }),
    );

  addWithdrawCommand(stock);

  withPassphrase(withOperator(withData(stock.command("empty"))))
    .description("enter that a bin of the line was emptied, so that the line may go on")
    .addArgument(new Argument("<bin>", "which one").choices(bins))
    .addHelpText("after", "\nExample:\n  $ persoline stock empty reject --by 'A. Meyer'")
    .action((bin: Bin, options: DecisionOptions) =>
      withDecision(options, async (store, data, by) => {
        const bodies = await emptyBin({ store, data, bin, by });
        if (options.json === true) return printJson({ bin, bodies });
        print(
          `${String(bodies)} bodies were taken out of the ${bin} bin. Keep rejects under lock until they are destroyed.`,
        );
      }),
    );

  withPassphrase(withOperator(withData(stock.command("destroy"))))
    .description("enter that rejects or samples were destroyed, before a witness")
    .argument("[serials...]", "chip numbers; or --rejects")
    .option("--rejects <order>", "all rejected cards of this order")
    .requiredOption("--reason <text>", "why")
    .requiredOption("--witness <name>", "the second person")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline stock destroy --rejects 2026-117 --reason 'end of order' --by 'A. Meyer' --witness 'B. Novak'",
    )
    .action(
      (
        serials: string[],
        options: DecisionOptions & {
          readonly rejects?: string;
          readonly reason: string;
          readonly witness: string;
        },
      ) => {
        const { rejects } = options;
        if (serials.length === 0 && rejects === undefined)
          throw new WrongUsage("say what was destroyed: chip numbers, or --rejects ORDER");
        return withDecision(options, async (store, _, by) => {
          const chosen = [...serials] as Serial[];
          if (rejects !== undefined) {
            for await (const blank of store.stock.list({ state: "rejected", order: rejects }))
              chosen.push(blank.serial);
          }
          if (rejects !== undefined && (await store.orders.find(rejects)) === undefined)
            throw new Refusal(`there is no order ${rejects} here; "persoline order list" shows all`);
          const { reason, witness } = options;
          if (chosen.length > 0) await store.stock.destroy({ serials: chosen, reason, by, witness });
          if (options.json === true) return printJson({ destroyed: chosen.length });
          if (chosen.length === 0) return print("No rejects of this order are left to destroy.");
          print(`${counted(chosen.length, "card")} destroyed, seen by ${witness}.`);
        });
      },
    );
}

async function showHeld(store: Store, data: DataFolder, json: boolean): Promise<void> {
  const [cards, records, bodies] = [
    await store.stock.held(),
    await store.stock.heldRecords(),
    await strangers({ store, data }),
  ];
  if (json) return printJson({ cards, bodies, records });
  if (cards.length + records.length + bodies.length === 0) return print("Nothing is held.");
  if (cards.length > 0) {
    print(
      textTable(
        ["label", "serial", "order", "record", "station", "since", "not passed", "question"],
        cards.map((one) => [
          one.label,
          one.serial,
          one.order ?? "",
          one.record ?? "",
          one.station,
          one.since,
          one.left === undefined ? "unknown" : one.left.join(", ") || "nothing",
          one.question,
        ]),
      ),
    );
    print(
      `"persoline stock look SERIAL" shows a card's pictures, "persoline stock settle SERIAL" enters what two people decide.\n`,
    );
  }
  if (bodies.length > 0) {
    print(`In the hold bin, but in no stock list or there twice: ${bodies.join(", ")}.`);
    print(`"persoline stock settle LABEL --as return" enters that two people took one away.\n`);
  }
  if (records.length > 0) {
    print(
      textTable(
        ["order", "record", "why"],
        records.map((one) => [one.order, one.record, one.reason]),
      ),
    );
    print(
      `"persoline order release ORDER --record N" lets one go on, "persoline order give-up ORDER --record N" ends it without a card.`,
    );
  }
}

/** Throws DataProblem with everything that is wrong with the list. */
async function readDelivery(file: string): Promise<{ readonly serial: Serial; readonly label: string }[]> {
  const findings = new Findings(file);
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) {
    findings.tell({
      code: "no-file",
      message: "the delivery list cannot be opened",
      remedy: "check the path and the file's permissions",
    });
  }
  let rows: string[][] = [];
  try {
    rows = parse(text ?? "", { bom: true, skip_empty_lines: true, trim: true });
  } catch (thrown) {
    findings.tell({
      code: "csv",
      message: thrown instanceof Error ? thrown.message : "this is not CSV",
      remedy: "save the list as CSV",
    });
  }
  const [head = [], ...lines] = rows;
  const [label, serial] = [head.indexOf("label"), head.indexOf("serial")];
  if (text !== undefined && (label < 0 || serial < 0)) {
    findings.tell({
      row: 1,
      code: "columns",
      message: "the columns label and serial are needed",
      remedy: "name them in the first line",
    });
  }
  findings.refuse();
  const blanks = lines.map((line, at) => {
    const own = { label: line[label] ?? "", serial: line[serial] ?? "" };
    if (!isSerial(own.serial)) {
      findings.tell({
        row: at + 2,
        column: "serial",
        code: "serial",
        message: "a chip number has 20 hexadecimal digits (capitals), the UID of a DESFire card 14",
        remedy: "ask the supplier for the right list",
      });
    }
    if (own.label === "")
      findings.tell({
        row: at + 2,
        column: "label",
        code: "missing",
        message: "the number printed on the body is missing",
        remedy: "fill it in",
      });
    return { label: own.label, serial: own.serial as Serial };
  });
  findings.refuse();
  return blanks;
}
