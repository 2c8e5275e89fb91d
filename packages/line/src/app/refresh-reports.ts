/** Report and result files of an order again, after people decided about its cards: what is written must be what the accounts hold. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Hsm } from "../devices/hsm/port.js";
import type { ProductionReport } from "../ledger/report.js";
import type { StoredOrder } from "../store/orders.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import { pictureViewer } from "./pictures.js";
import { writeReports } from "./reports.js";
import { rewriteResult } from "./result-file.js";

interface Refresh {
  readonly store: Store;
  readonly data: DataFolder;
  /** Absent where there are no keys yet, and so no reports either. */
  readonly hsm: Hsm | undefined;
  /** The decision stands, but its order's files are still those of before: why, and what writes them. */
  readonly onStale: (why: string) => void;
}

/**
 * Does the deed, which marks the order's reports as stale, and writes those anew that were written before. Interrupted in between they
 * stay marked, and the next run of the order writes them.
 */
export async function refreshing<T>(
  at: Refresh,
  order: string | undefined,
  deed: () => Promise<T>,
): Promise<T> {
  const before = order === undefined ? undefined : await at.store.orders.find(order);
  const done = await deed();
  const { hsm } = at;
  if (before === undefined || hsm === undefined) return done;
  await refresh({ ...at, hsm }, before).catch((problem: unknown) => {
    const why = problem instanceof Error ? problem.message : String(problem);
    at.onStale(
      `entered, but the reports of order ${before.order} are still those of before: ${why}. Run the order again, or enter the next decision about it, and they are written anew`,
    );
  });
  return done;
}

/** What only the line that ran knew; this program wrote it. */
type Known = Pick<
  ProductionReport,
  | "line"
  | "accountNumbers"
  | "timeZone"
  | "simulated"
  | "unshown"
  | "seconds"
  | "simulatedSeconds"
  | "planned"
  | "stations"
>;

async function refresh(
  { store, data, hsm }: Refresh & { readonly hsm: Hsm },
  before: StoredOrder,
): Promise<void> {
  const { order, sealedDataKey, reportedAt } = before;
  const file = join(data.reports(order), "report.json");
  if (sealedDataKey === undefined || !existsSync(file)) return;
  const known = JSON.parse(await readFile(file, "utf8")) as Known;
  const { line, accountNumbers, timeZone, simulated, unshown, seconds, simulatedSeconds, planned, stations } =
    known;
  const dataKey = await hsm.releaseDataKey({ order, sealed: sealedDataKey });
  try {
    store.orders.unlock(order, dataKey);
    const report = await store.reports.production({
      order,
      timeZone,
      simulated,
      ...(unshown === undefined ? {} : { unshown }),
      seconds,
      ...(simulatedSeconds === undefined ? {} : { simulatedSeconds }),
      ...(planned === undefined ? {} : { planned }),
      heads: Object.fromEntries(stations.map(({ station, heads }) => [station, heads])),
    });
    const pictures = pictureViewer(data, order, dataKey);
    const told = accountNumbers === undefined ? { line } : { line, accountNumbers };
    await writeReports({ report: { ...report, ...told }, store, pictures, data, order });
    await rewriteResult(before, store, hsm, data);
  } finally {
    store.orders.lock(order);
    dataKey.fill(0);
  }
  if (reportedAt !== undefined) await store.runs.reported(order);
}
