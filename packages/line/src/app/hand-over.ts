/** What gates need of an order's good cards, copied into the access register: from then on the cards open doors. */
import type { StoredOrder } from "../store/orders.js";
import type { Store } from "../store/store.js";

type Entry = Parameters<Store["access"]["enter"]>[0][number];

/** All good cards of an order or none. The order's data key must be released. Answers how many cards were entered. */
export async function handOver(store: Store, order: StoredOrder): Promise<number> {
  const entries: Entry[] = [];
  for await (const { record, reference, status, serial } of store.reports.result(order.order)) {
    if (status !== "good" || serial === undefined) continue;
    const { fields } = await store.orders.record(order.order, record);
    const text = (name: string): string => {
      const value = fields[name];
      return typeof value === "string" ? value : (value ?? []).join(", ");
    };
    const zones = fields["premises"] ?? fields["zones"] ?? [];
    entries.push({
      // A result row of a good card holds its chip number.
      serial: serial as Entry["serial"],
      order: order.order,
      reference,
      name: text("name"),
      department: text("department"),
      zones: typeof zones === "string" ? [zones] : zones,
      ...(text("validFrom") === "" ? {} : { validFrom: text("validFrom") }),
      ...(text("validUntil") === "" ? {} : { validUntil: text("validUntil") }),
    });
  }
  if (entries.length > 0) await store.access.enter(entries);
  return entries.length;
}
