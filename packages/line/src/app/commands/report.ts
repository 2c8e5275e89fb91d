import type { Command } from "commander";
import { counted } from "../../ledger/counted.js";
import { reportHtml } from "../../ledger/report-html.js";
import { proofLines } from "../../ledger/proof-text.js";
import { timeZone } from "../config.js";
import { readLine } from "../../stations/line-file.js";
import type { Store } from "../../store/store.js";
import { simulatedDevices } from "../end-run.js";
import { write } from "../reports.js";
import { type CommonOptions, print, printJson, textTable, withData, withStore } from "./options.js";

export function addReportCommands(program: Command): void {
  const report = program.command("report").description("reports from the accounts");

  withData(report.command("production"))
    .description("how an order was produced: totals, rejects with station and reason, times per station")
    .argument("<order>", "order number")
    .option("--html <file>", "also write a page for people")
    .addHelpText("after", "\nExample:\n  $ persoline report production 2026-117 --html report.html")
    .action((order: string, options: CommonOptions & { readonly html?: string }) =>
      withStore(options, async (store) => {
        const { visits, ...found } = await store.reports.production({
          order,
          timeZone: timeZone(),
          simulated: await simulatedBy(store, order),
          seconds: 0,
        });
        if (options.html !== undefined) await write(options.html, reportHtml({ visits, ...found }));
        if (options.json === true) return printJson(found);
        const { records, cards, proof } = found;
        print(
          `Order ${order}: ${String(records.produced)} of ${String(records.total)} records produced; ${counted(cards.used, "blank")} used, ${String(cards.rejected)} rejected, ${counted(cards.remade, "record")} made again; accounts ${found.balanced ? "balance" : "DO NOT BALANCE"}.\n`,
        );
        if (proof.good > 0)
          print(`${textTable(["electrical proof of the good cards", "cards"], proofLines(proof))}\n`);
        if (found.reasons.length > 0)
          print(
            `${textTable(
              ["station", "reason", "cards"],
              found.reasons.map((one) => [one.station, one.code, one.count]),
            )}\n`,
          );
        print(
          textTable(
            ["station", "visits", "median ms", "p95 ms"],
            found.stations.map((one) => [one.station, one.visits, one.median.toFixed(1), one.p95.toFixed(1)]),
          ),
        );
      }),
    );
}

/** A page written later names what was simulated as the one of the run does. */
async function simulatedBy(store: Store, order: string): Promise<string[]> {
  const stored = await store.orders.find(order);
  if (stored === undefined) return [];
  return readLine(stored.spec.line).then(simulatedDevices, () => [
    `devices of ${stored.line}: its file cannot be read any more`,
  ]);
}
