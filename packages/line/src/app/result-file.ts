/** The issuer's file: one line a record in input order, totals that agree with accounts, audit and counters, signed. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Hsm } from "../devices/hsm/port.js";
import { openResult, readResult, resultLines, type ResultTotals } from "../ledger/result.js";
import type { StoredOrder } from "../store/orders.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import { Refusal } from "./problem.js";
import { putInPlace, writeDraft } from "./reports.js";

export interface ResultFiles {
  readonly file: string;
  readonly signature: string;
  readonly totals: ResultTotals;
}

/** A result file that was asked for is written anew whenever the order changed. Throws as `writeResult` does. */
export async function rewriteResult(
  order: StoredOrder,
  store: Store,
  hsm: Hsm,
  data: DataFolder,
): Promise<void> {
  if (existsSync(resultOf(order.order, data))) await writeResult(order, store, hsm, data);
}

const resultOf = (order: string, data: DataFolder): string => join(data.reports(order), "result.txt");

/** Refused while the three independent sums differ. The order's data key must be released. */
export async function writeResult(
  order: StoredOrder,
  store: Store,
  hsm: Hsm,
  data: DataFolder,
): Promise<ResultFiles> {
  const file = resultOf(order.order, data);
  // Under another name until the sums agree: a file that may not be delivered must not look like one that may.
  const draft = `${file}.new`;
  const head = {
    order: order.order,
    customer: order.customer,
    product: order.product,
    written: new Date().toISOString(),
  };
  await writeDraft(draft, resultLines(head, store.reports.result(order.order)));
  const bytes = await readFile(draft);
  const { totals } = readResult(bytes.toString("utf8"));
  const sums = await store.reports.reconcile(order.order);
  const same = sums.agree && sums.cards.good === totals.good && sums.cards.cancelled === totals.cancelled;
  if (!same) {
    throw new Refusal(
      `the sums differ: result file ${String(totals.good)} good and ${String(totals.cancelled)} cancelled, accounts ${String(sums.cards.good)} and ${String(sums.cards.cancelled)}, audit ${String(sums.audit.good)} and ${String(sums.audit.cancelled)}; nothing may be delivered until this is explained`,
    );
  }
  const signed = await hsm.sign("result", bytes);
  // Read as the issuer will read it.
  await openResult(bytes, signed, (content, own) => hsm.verify("result", content, own));
  const signature = `${file}.sig`;
  // Both are durable before either has its name: a power failure leaves the pair of before, or one that `order result` mends.
  await writeDraft(`${signature}.new`, [`${Buffer.from(signed).toString("base64")}\n`]);
  await putInPlace(draft, file);
  await putInPlace(`${signature}.new`, signature);
  return { file, signature, totals };
}
