/** Handing an order's good cards over: what its product says of letters and holders is what the order was begun with, not what stands there by now. */
import type { Hsm } from "../devices/hsm/port.js";
import type { RegisterFields } from "../plan/product.js";
import type { StoredOrder } from "../store/orders.js";
import type { Store } from "../store/store.js";
import { begunFiles, changedAmong } from "./begun-files.js";
import type { DataFolder } from "./data-folder.js";
import { endSecrets } from "./due-ends.js";
import { holdersOf, registerOf } from "./hand-over.js";
import { readAnyProduct } from "./job.js";
import { refuseLost } from "./lost-bodies.js";
import { Refusal } from "./problem.js";

interface Delivering {
  readonly stored: StoredOrder;
  readonly store: Store;
  readonly data: DataFolder;
  readonly hsm: Pick<Hsm, "endPins" | "endOrder" | "havePinsEnded">;
  readonly by: string;
  /** Batches of PIN letters that were taken away, and were printed before. */
  readonly printed: readonly string[];
  /** A product file that says which fields the access register takes, for an order whose own does not. */
  readonly register?: string;
  /** The second of two people who say that the cards were handed over before, though the accounts know nothing of it. */
  readonly wasDelivered?: string;
}

/**
 * The order's data key must be released. Answers how many cards the access register has of it now; undefined: they open no gates.
 * Throws Refusal, DataProblem, AccountsProblem; nothing has changed then.
 */
export async function deliver(ask: Delivering): Promise<number | undefined> {
  const { stored, store, data, hsm, by, printed, wasDelivered } = ask;
  const { order, spec } = stored;
  await refuseEnded(ask);
  const { product, planned, files } = await readAnyProduct(spec.product);
  await refuseChanged(stored, files, store);
  // Its bodies are in their holders' hands where it was delivered before.
  if (wasDelivered === undefined) await refuseLost(stored, store, data);
  const roles = await rolesOf(product, ask);
  const holders =
    roles === undefined ? [] : await holdersOf(store, stored, { roles, cardNumber: product.cardNumber });
  const lettersEach = planned.pins.filter(({ letter }) => letter).length;
  const before = wasDelivered === undefined ? {} : { wasDelivered };
  await store.orders.deliver({ order, by, holders, printed, lettersEach, ...before });
  // After the accounts, which refuse what is not due: nothing that is undelivered loses its PINs, and the same command does what is left.
  await endSecrets(order, store, hsm);
  // The PINs are gone from the tables; this takes them out of the file.
  if (planned.pins.length > 0) await store.sweep();
  return roles === undefined ? undefined : holders.length;
}

/**
 * The accounts end before the PINs do, so PINs that ended first say that the accounts are older than the delivery, or that somebody ended them
 * who had no right to: only people know which. Throws Refusal.
 */
async function refuseEnded({ stored: { order, state }, hsm, wasDelivered }: Delivering): Promise<void> {
  // What is wrong with the order's state the store tells.
  if (state !== "produced") return;
  const haveEnded = await hsm.havePinsEnded({ order });
  if (haveEnded === (wasDelivered !== undefined)) return;
  throw new Refusal(
    haveEnded
      ? `the security module destroyed the secrets of order ${order}'s PINs, as a delivery does, and the accounts say that it was not delivered: this database is from before its delivery, or the secrets were ended before their time. Were its cards handed over, two people say so, and letters that were not released are void then: "persoline order deliver ${order} --was-delivered --by NAME --witness NAME". Were they not, put the order's file in the folder of orders' secrets back from the newest backup; without one nobody learns the PINs that were not told yet: those cards are withdrawn ("persoline stock withdraw"), their records given up ("persoline order give-up"), and made in a new order`
      : `--was-delivered: the security module keeps the PINs of order ${order}, so it was not delivered before; leave the option out`,
  );
}

/** Another product may have fewer letters, and the PINs that nobody was told would die with the delivery. Throws Refusal. */
async function refuseChanged(
  { order, importedAt }: StoredOrder,
  files: Parameters<typeof changedAmong>[1],
  store: Store,
): Promise<void> {
  const changed = changedAmong(await begunFiles(order, store), files);
  if (changed.length === 0) return;
  const [it, them] = changed.length === 1 ? ["is", "it"] : ["are", "them"];
  throw new Refusal(
    `${changed.join(", ")} changed since order ${order} was begun on ${importedAt}, so what ${it} said there of its letters and holders is not what its cards were made by, and nothing is handed over: restore ${them} as ${them === "it" ? "it was" : "they were"} (a new version of a product has a file of its own), then give the same command again`,
  );
}

type AnyProduct = Awaited<ReturnType<typeof readAnyProduct>>["product"];

/** Its own product cannot be completed any more once the order was begun with it, but a copy can. */
async function rolesOf(
  product: AnyProduct,
  { stored: { order, spec }, register }: Delivering,
): Promise<RegisterFields | undefined> {
  if (register === undefined) {
    if (product.register !== undefined) return registerOf(product, spec.product);
    throw new Refusal(
      `${spec.product}: product ${product.name}, which order ${order} was begun with, does not say which fields its holders' names and zones are in, so no gate could know its cards: leave it as it is, add "register: { name: FIELD, zones: FIELD }" to a copy of it, or "register: none" for cards that open no gates, and name the copy with --register`,
    );
  }
  if (product.register !== undefined)
    throw new Refusal(
      `--register: ${spec.product} says itself what the access register takes of order ${order}; leave the option out`,
    );
  return registerOf((await readAnyProduct(register)).product, register);
}
