/** Trays that lines send to other rooms, and that rooms were sent: what became of them, and what two people decide about one that differs. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { stationTrays, type StationTray } from "../devices/marker/remote/book.js";
import { differenceText, differs } from "../ledger/trays.js";
import { twoPeople } from "../store/desk.js";
import type { Store } from "../store/store.js";
import { openTrayBook, type TrayReport, trayReports } from "../store/tray-book.js";
import type { DataFolder } from "./data-folder.js";
import { Refusal } from "./problem.js";

const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);

/** Names of the lines that have sent trays. */
const linesOf = (data: DataFolder): string[] =>
  namesIn(join(data.root, "trays")).flatMap((name) =>
    name.endsWith(".jsonl") ? [name.slice(0, -".jsonl".length)] : [],
  );

/** As the lines of this folder have them, and the stations. */
export const traysOf = (
  data: DataFolder,
): {
  readonly lines: readonly { readonly line: string; readonly trays: readonly TrayReport[] }[];
  readonly stations: readonly { readonly station: string; readonly trays: readonly StationTray[] }[];
} => ({
  lines: linesOf(data).map((line) => ({ line, trays: trayReports(data.trays(line)) })),
  stations: namesIn(join(data.root, "stations")).map((station) => ({
    station,
    trays: stationTrays(join(data.root, "stations", station)),
  })),
});

/**
 * A tray that came back with a difference is counted in as it came, by the line's next run. First the audit, then the book. Throws Refusal
 * when no such tray waits for that, AccountsProblem when it is not two people.
 */
export async function settleTray(ask: {
  readonly store: Store;
  readonly data: DataFolder;
  readonly tray: string;
  readonly reason: string;
  readonly by: string;
  readonly witness: string;
}): Promise<{ readonly line: string; readonly difference: string }> {
  const { store, data, tray, reason, by, witness } = ask;
  twoPeople("counting a tray in with a difference", by, witness);
  for (const line of linesOf(data)) {
    const book = openTrayBook(data.trays(line));
    try {
      const open = book.open().find((one) => one.tray === tray);
      if (open === undefined) continue;
      if (open.result === undefined || !differs(open.result))
        throw new Refusal(`tray ${tray} has no difference: run its order, and it is counted in by itself`);
      const difference = differenceText(open.result);
      if (open.decision !== undefined)
        throw new Refusal(`tray ${tray} (${difference}) is decided: run its order`);
      await store.audit.note({
        who: by,
        what: "tray.settle",
        order: open.order,
        object: `tray ${tray}`,
        result: "ok",
        detail: { reason, witness, difference },
      });
      await book.settled(tray, { reason, by, witness });
      return { line, difference };
    } finally {
      book.close();
    }
  }
  throw new Refusal(`no tray ${tray} is out; "persoline station trays" shows all`);
}
