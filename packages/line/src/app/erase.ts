/**
 * Erasing an order's personal data: first the accounts (the sealed key is gone with them), then the secrets that the security module keeps of
 * the order, so that no copy of the database opens; then files, then what the database's file still holds. The accounts come first because
 * they refuse an order whose time has not come, and what the module destroys nobody brings back.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Hsm } from "../devices/hsm/port.js";
import type { CardLine, ProductionReport } from "../ledger/report.js";
import { reportHtml } from "../ledger/report-html.js";
import { twoPeople } from "../store/desk.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import { endSecrets } from "./due-ends.js";
import { Refusal } from "./problem.js";
import { write } from "./reports.js";
import { syncFolder } from "./sync-folder.js";

/** Of an order's reports, those that show or name people; the other ones hold numbers of cards only. */
const personal = ["report.html", "result.txt", "result.txt.new", "result.txt.sig", "result.txt.sig.new"];

/** Throws AccountsProblem. Asked again after an interruption it does what is left; answers how many files were destroyed. */
export async function erase(ask: {
  readonly store: Store;
  readonly data: DataFolder;
  readonly order: string;
  readonly by: string;
  readonly approvedBy: string;
  readonly holders: "keep" | "forget";
  /** Absent where there are no keys, and so no order. */
  readonly hsm: Pick<Hsm, "endPins" | "endOrder"> | undefined;
}): Promise<{ readonly files: number }> {
  const { store, data, hsm, ...decision } = ask;
  const { order, by } = decision;
  const known = await store.orders.find(order);
  if (known === undefined && (await store.orders.interrupted()).some((one) => one.order === order)) {
    twoPeople("erasing an order's personal data", by, decision.approvedBy);
    // The secrets first: once its rows are gone nothing here names the order any more.
    await hsm?.endOrder({ order });
    await store.orders.eraseInterrupted(decision);
    await store.sweep();
    return { files: 0 };
  }
  if (known === undefined)
    throw new Refusal(`there is no order ${order} here; "persoline order list" shows all`);
  if (known.state !== "erased") await store.orders.erase(decision);
  if (hsm !== undefined) await endSecrets(order, store, hsm);
  const reports = data.reports(order);
  const files = [
    ...filesIn(data.pictures(order)),
    ...filesIn(data.letters(order)),
    ...filesIn(data.carriers(order)),
    ...personal.map((name) => join(reports, name)).filter((file) => existsSync(file)),
  ];
  for (const file of files) destroy(file);
  rmdirSync(data.pictures(order));
  rmdirSync(data.letters(order));
  rmdirSync(data.carriers(order));
  await writePage(reports);
  await store.sweep();
  await store.audit.note({
    who: by,
    what: "order.swept",
    object: `order ${order}`,
    order,
    result: "ok",
    detail: { files: files.length },
  });
  return { files: files.length };
}

const filesIn = (folder: string): string[] => readdirSync(folder).map((name) => join(folder, name));

/** Overwritten and synced before its name goes. What a disk keeps underneath (flash, snapshots, backups) is beyond a program's reach. */
function destroy(file: string): void {
  const { size } = statSync(file);
  const open = openSync(file, "r+");
  try {
    const nothing = new Uint8Array(Math.min(size, 1 << 16));
    for (let at = 0; at < size; at += nothing.length)
      writeSync(open, nothing, 0, Math.min(nothing.length, size - at), at);
    fsyncSync(open);
  } finally {
    closeSync(open);
  }
  unlinkSync(file);
  syncFolder(dirname(file));
}

/** The page for people again, from the numbers beside it, without pictures. */
async function writePage(reports: string): Promise<void> {
  const numbers = join(reports, "report.json");
  if (!existsSync(numbers)) return;
  // Written by this program, for whoever reads it later.
  const { visits, records, ...report } = JSON.parse(await readFile(numbers, "utf8")) as Omit<
    ProductionReport,
    "visits" | "records"
  > & {
    readonly visits: readonly CardLine[];
    readonly records: Omit<ProductionReport["records"], "givenUp"> & { readonly givenUp?: number };
  };
  const page = {
    ...report,
    // Of reports of older versions.
    records: { ...records, givenUp: records.givenUp ?? 0 },
    pictures: [],
    visits: () => visits,
  };
  await write(join(reports, "report.html"), reportHtml(page));
}
