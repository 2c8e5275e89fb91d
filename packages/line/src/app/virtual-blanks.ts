/** The stock of a line of simulated devices: blanks with a published key, received into the accounts by themselves. */
import { unhex } from "@persoline/card/bytes";
import { DataProblem } from "../orders/problem.js";
import type { Store } from "../store/store.js";
import type { AssembledLine } from "./assemble-line.js";
import type { Job } from "./job.js";
import { readKeyFile } from "./key-file.js";

/** Virtual blanks are made with a published key; the fab and the security module both know it. */
export async function loaderMaster({ order, planned }: Job): Promise<Uint8Array> {
  const { loaderKey } = planned.product.completion;
  const key = (await readKeyFile(order.keys)).keys.find(({ name }) => name === loaderKey);
  if (key?.published === undefined) {
    throw new DataProblem([
      {
        file: order.keys,
        code: "loader-key",
        message: `virtual blanks need a published loader key, and ${loaderKey} has none`,
        remedy: "give it a published value, or use a line with real blanks",
      },
    ]);
  }
  return unhex(key.published);
}

/** A line of simulated devices brings its blanks; they are received once. */
export async function receiveStock(assembled: AssembledLine, store: Store, by: string): Promise<void> {
  const known = new Set((await store.stock.lots()).map(({ lot }) => lot));
  for (const { lot, items } of assembled.deliver()) {
    if (!known.has(lot))
      await store.stock.receive({ lot, blanks: items, by, note: "virtual blanks of the line file" });
  }
}
