/** PINs are drawn by the security module and kept sealed; a record that lost its card gets new ones with its next. */
import type { Hsm } from "../devices/hsm/port.js";
import type { BoundRecord, LineAccounts } from "../ledger/types.js";
import type { Store } from "../store/store.js";
import type { ImportProgress } from "./import.js";
import type { Job } from "./job.js";

/** PINs asked for at one time: enough to keep the security module busy. */
const pinsAtOnce = 64;

type Pins = Readonly<Record<string, Uint8Array>>;

async function drawn({ order, planned }: Job, record: number, hsm: Hsm): Promise<Pins> {
  const pins = planned.pins.map(
    async ({ name, length }) =>
      [name, await hsm.drawPin({ order: order.order, record, name, length })] as const,
  );
  return Object.fromEntries(await Promise.all(pins));
}

/** All PINs of an order, before its production begins: no card has one yet. */
export async function drawPins(
  job: Job,
  records: number,
  store: Store,
  hsm: Hsm,
  onProgress: (progress: ImportProgress) => void = () => undefined,
): Promise<void> {
  if (job.planned.pins.length === 0) return;
  for (let first = 1; first <= records; first += pinsAtOnce) {
    const numbers = Array.from({ length: Math.min(pinsAtOnce, records - first + 1) }, (_, at) => first + at);
    const pins = await Promise.all(
      numbers.map(async (record) => ({ record, pins: await drawn(job, record, hsm) })),
    );
    await store.orders.storePinsOf(job.order.order, pins);
    onProgress({ doing: "drawing PINs", done: numbers.at(-1) ?? 0, of: records });
  }
}

/** The accounts, whose bound records have all their PINs: those of a rejected card are gone, and new ones are drawn for the remake. */
export function withPins(accounts: LineAccounts, job: Job, store: Store, hsm: Hsm): LineAccounts {
  const complete = async (bound: BoundRecord): Promise<BoundRecord> => {
    if (job.planned.pins.every(({ name }) => bound.pins[name] !== undefined)) return bound;
    const pins = await drawn(job, bound.record.number, hsm);
    await store.orders.storePins(job.order.order, bound.record.number, pins);
    return { ...bound, pins };
  };
  return {
    ...accounts,
    bind: async (ask) => {
      const bound = await accounts.bind(ask);
      return bound === "none-waiting" ? bound : complete(bound);
    },
    bound: async (serial) => {
      const bound = await accounts.bound(serial);
      return bound === undefined ? undefined : complete(bound);
    },
  };
}
