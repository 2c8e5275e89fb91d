/** Drift of an order's fields as its cards' histories tell it: the same after an interruption as without one. */
import type { DriftLine } from "../ledger/report.js";
import { type Drift, drifted, DriftWatch } from "../stations/quality/index.js";
import type { Store } from "../store/store.js";

/** What the order's cards showed so far: a line that goes on with it watches as if it had never been away. */
export async function watchOf({ reports }: Pick<Store, "reports">, order: string): Promise<DriftWatch> {
  const watch = new DriftWatch();
  for await (const finding of reports.measured(order)) watch.see(finding);
  return watch;
}

export const allDrifts = async (store: Store, order: string): Promise<readonly Drift[]> =>
  (await watchOf(store, order)).all();

/** Only those that went half of the way to their limit. */
export const driftsOf = async (store: Store, order: string): Promise<readonly DriftLine[]> =>
  (await allDrifts(store, order)).filter(drifted).map(({ camera, field, cards, farthest, way }) => ({
    camera,
    field,
    cards,
    what: farthest.what,
    farthest: farthest.way,
    now: way,
  }));
