/** Carriers of an order: laid out by the product's template, printed as PDF files in the input's order. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { hasAccountNumber } from "../devices/hsm/letters/account-number.js";
import type { Carrier } from "../ledger/mailing.js";
import { DataProblem } from "../orders/problem.js";
import {
  type CarrierLayout,
  carrierPage,
  carriersPdf,
  LayoutProblem,
  parseCarrier,
  readFonts,
} from "../plan/layout/index.js";
import type { AnyProduct } from "../plan/product.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import { refuseFormerFiles } from "./former-files.js";
import { Refusal } from "./problem.js";
import { syncFolder } from "./sync-folder.js";

/** Pages of one file. */
export const carriersAFile = 250;

/** Fields that may stand on a letter: neither an account's number nor what a PIN comes in. */
function textsOf(product: AnyProduct): string[] {
  const secret = new Set<string>();
  if ("pin" in product && product.pin !== undefined && "by" in product.pin) {
    const { by } = product.pin;
    if (by.method === "issuer") secret.add(by.field);
  }
  if (product.kind === "globalplatform")
    for (const { payment } of product.applications) {
      if (payment === undefined) continue;
      secret.add(payment.fields.pan);
      if (payment.pin.by.method === "issuer") secret.add(payment.pin.by.field);
    }
  return product.columns.flatMap(({ field, type }) => (type === "photo" || secret.has(field) ? [] : [field]));
}

/** The product's carrier; undefined when it has none. Throws DataProblem, LayoutProblem. */
export async function readCarrier(
  product: AnyProduct,
  productFile: string,
): Promise<CarrierLayout | undefined> {
  if (product.carrier === undefined) return undefined;
  const file = resolve(dirname(productFile), product.carrier);
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined)
    throw new DataProblem([
      {
        file,
        code: "no-file",
        message: "the carrier's template cannot be opened",
        remedy: "check the path and the file's permissions",
      },
    ]);
  return parseCarrier(text, file, textsOf(product), readFonts());
}

export interface PrintedFile {
  readonly batch: string;
  readonly carriers: number;
  readonly file: string;
}

/**
 * Prints what good cards of the order lack, file by file; each is entered when it is durable. Interrupted in between, the same carriers are written
 * again into the same file. The order's data key must be released. Throws AccountsProblem, Refusal.
 */
export async function printCarriers(ask: {
  readonly store: Store;
  readonly data: DataFolder;
  readonly order: string;
  readonly layout: CarrierLayout;
  readonly by: string;
}): Promise<readonly PrintedFile[]> {
  const { store, data, order, layout, by } = ask;
  refuseFormerFiles(data, "carriers", order);
  const due = await store.carriers.number(order, carriersAFile);
  const files: PrintedFile[] = [];
  for (const batch of new Set(due.map((one) => one.batch))) {
    const carriers = due.filter((one) => one.batch === batch);
    const pages = [];
    for (const carrier of carriers) pages.push(await pageOf(ask, carrier));
    const file = join(data.carriers(order), `${batch}.pdf`);
    storeFile(file, carriersPdf(layout, pages));
    await store.carriers.printed({ batch, by });
    files.push({ batch, carriers: carriers.length, file });
  }
  return files;
}

async function pageOf(
  { store, order, layout }: { readonly store: Store; readonly order: string; readonly layout: CarrierLayout },
  { record, carrier }: Carrier,
) {
  const { fields } = await store.orders.record(order, record);
  try {
    const page = carrierPage(layout, { ...fields, order, record: String(record), carrier });
    const said = page.fields.flatMap((field) => field.said ?? []);
    const account = said.find(({ text }) => hasAccountNumber(text));
    if (account !== undefined)
      throw new Refusal(
        `record ${String(record)}: ${account.field} holds the number of an account, which has no place on a carrier: leave the field out of the template`,
      );
    return page;
  } catch (problem) {
    if (!(problem instanceof LayoutProblem)) throw problem;
    throw new Refusal(`record ${String(record)}: ${problem.message}`, { cause: problem });
  }
}

/** Durable when it returns: the file, then its name. It shows people, so its owner alone reads it. */
function storeFile(file: string, bytes: Uint8Array): void {
  const draft = `${file}.new`;
  rmSync(draft, { force: true });
  const open = openSync(draft, "wx", 0o600);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(open, bytes, at);
    fsyncSync(open);
  } finally {
    closeSync(open);
  }
  renameSync(draft, file);
  syncFolder(dirname(file));
}

/** Carriers that are void and may still lie in the stack. */
export const toTakeOut = (
  before: readonly Carrier[],
  after: readonly Carrier[],
  apart?: string,
): readonly string[] => {
  const printed = new Set(before.flatMap(({ carrier, state }) => (state === "printed" ? [carrier] : [])));
  return after.flatMap(({ carrier, state }) =>
    state === "void" && printed.has(carrier) && carrier !== apart ? [carrier] : [],
  );
};
