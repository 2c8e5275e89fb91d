/** Refuses an order whose cards would share keys that are meant to be each card's own: before a card moves. */
import { readFile } from "node:fs/promises";
import type { Serial } from "@persoline/card/program";
import { chipNumberOf, serialOf } from "../devices/shop-floor/lot.js";
import { DataProblem } from "../orders/problem.js";
import { SharedKeys, type Twins, twinsText } from "../plan/gp/shared-keys.js";
import { type AnyProduct, parseAnyProduct } from "../plan/product.js";
import type { LineFile } from "../stations/line-file.js";
import type { Store } from "../store/store.js";

/** The chips that a line of simulated devices brings. */
export function* chipsOf({ stock, seed }: Pick<LineFile, "stock" | "seed">): Generator<Serial> {
  for (const { lot, count } of stock)
    for (let number = 1; number <= count; number++) yield serialOf(chipNumberOf({ lot, seed }, number));
}

/** Of every blank that may become such a card, or did. */
export async function* chipsIn({ stock }: Pick<Store, "stock">): AsyncGenerator<Serial> {
  for (const state of ["in-stock", "in-process", "held", "good"] as const)
    for await (const { serial } of stock.list({ state })) yield serial;
}

/**
 * Throws DataProblem, with the product file's line, where the issuer's channel gives two of these cards the same keys. What the maker did
 * with the initial keys nobody here can change: these twins are returned.
 */
export async function refuseSharedKeys(
  product: AnyProduct,
  file: string,
  chips: Iterable<Serial> | AsyncIterable<Serial>,
): Promise<readonly string[]> {
  if (product.kind !== "globalplatform") return [];
  const shared = new SharedKeys(product);
  if (!shared.asks) return [];
  for await (const serial of chips) shared.add(serial);
  const own = shared.twins.find(({ channel }) => channel === "channel");
  if (own !== undefined) throw await refusal(own, file);
  return shared.twins.map(
    (twins) => `initial keys: ${twinsText(twins)}, until the issuer's take their place`,
  );
}

async function refusal(twins: Twins, file: string): Promise<DataProblem> {
  const told = { code: "shared-keys", message: twinsText(twins) };
  const remedy = "use diversify: emv-cps, or kdf3 with an AES channel (scp03)";
  const read = parseAnyProduct(await readFile(file, "utf8"), file);
  const at = read.ok
    ? read.problem(["channel", "diversify"], told.code, told.message, remedy)
    : { file, ...told, remedy };
  return new DataProblem([at]);
}
