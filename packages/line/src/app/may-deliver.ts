/** Whether an order's good cards may be handed over: each is there, its PIN has been told, and what goes by mail was mailed. */
import { counted } from "../ledger/counted.js";
import type { PlannedProduct } from "../plan/types.js";
import type { StoredOrder } from "../store/orders.js";
import type { Store } from "../store/store.js";
import { outputDifferences } from "./bodies.js";
import type { DataFolder } from "./data-folder.js";
import { unsureBatches } from "./letters.js";
import { Refusal } from "./problem.js";

/** `printed`: batches that were taken away, and were printed before. Throws Refusal. */
export async function mayDeliver(ask: {
  readonly stored: StoredOrder;
  readonly pins: PlannedProduct["pins"];
  readonly printed: readonly string[];
  readonly store: Store;
  readonly data: DataFolder;
}): Promise<void> {
  const { stored, pins, printed, store, data } = ask;
  // What is wrong with the order's state the store tells.
  if (stored.state !== "produced") return;
  await refuseLost(stored, store, data);
  await refuseUnreleased(stored, pins, store);
  await refuseUnprinted(stored, printed, store);
  await refuseUnmailed(stored, store);
}

/** What is handed over must be there: a body that is not where the accounts have it is found or booked first. */
async function refuseLost({ order }: StoredOrder, store: Store, data: DataFolder): Promise<void> {
  const differences = await outputDifferences({ store, data, order });
  if (differences.length === 0) return;
  const named = differences
    .slice(0, 10)
    .map(({ what, lost }) => (lost === undefined ? what : `${what} (${lost})`));
  const lost = differences.find((one) => one.lost !== undefined)?.lost;
  throw new Refusal(
    `the accounts and the shop floor differ, so the cards of order ${order} are not handed over: ${named.join("; ")}${differences.length > 10 ? `; and ${String(differences.length - 10)} more` : ""}. Find the bodies and put them right${lost === undefined ? "" : `, or two people enter a lost one: "persoline stock withdraw ${lost} --lost --reason … --by … --and …"`}`,
  );
}

/** With the hand-over the PINs die: a letter that was not released by then could never be printed. */
async function refuseUnreleased(
  { order }: StoredOrder,
  pins: PlannedProduct["pins"],
  store: Store,
): Promise<void> {
  const { produced } = await store.accounts.progress(order);
  const released = (await store.letters.list(order)).filter((letter) => letter.state === "released");
  const missing = produced * pins.filter(({ letter }) => letter).length - released.length;
  const which =
    missing === 1
      ? { letters: "1 PIN letter", are: "is", pins: "its PIN dies", them: "it" }
      : { letters: `${String(missing)} PIN letters`, are: "are", pins: "their PINs die", them: "them" };
  if (missing > 0)
    throw new Refusal(
      `${which.letters} of order ${order} ${which.are} not released, and ${which.pins} when the cards are handed over: two people release ${which.them} with "persoline letters release ${order}"; one that was made void is printed anew by "persoline letters reprint"`,
    );
}

/** A batch that was taken away before it was printed is the end of its letters' PINs; only the print room knows. */
async function refuseUnprinted(
  { order }: StoredOrder,
  printed: readonly string[],
  store: Store,
): Promise<void> {
  const unsure = await unsureBatches(order, store);
  const beside = printed.find((batch) => !unsure.some((one) => one.batch === batch));
  if (beside !== undefined)
    throw new Refusal(
      `--printed ${beside}: order ${order} has no such batch that was taken away with letters in force; "persoline letters list ${order}" shows its batches`,
    );
  const open = unsure.filter(({ batch }) => !printed.includes(batch));
  if (open.length === 0) return;
  const each = open.map(
    ({ batch, letters }) =>
      `batch ${batch}, of which ${counted(letters, "letter is", "letters are")} in force, was taken away with a letter that is void: if the print room has printed it, say "--printed ${batch}"; if not, two people have the rest printed again with "persoline letters reprint ${batch}"`,
  );
  throw new Refusal(
    `order ${order} is not handed over before it is known whether its PIN letters were printed, for their PINs die then: ${each.join("; ")}`,
  );
}

/** An order whose carriers were printed goes by mail, and all of it. */
async function refuseUnmailed({ order }: StoredOrder, store: Store): Promise<void> {
  const carriers = await store.carriers.list(order);
  if (carriers.length === 0) return;
  const { produced } = await store.accounts.progress(order);
  const missing = produced - carriers.filter((one) => one.state === "mailed").length;
  if (missing > 0)
    throw new Refusal(
      `${String(missing)} of the ${String(produced)} good cards of order ${order} ${missing === 1 ? "is" : "are"} not mailed: "persoline mailing run ${order}" goes on with it`,
    );
}
