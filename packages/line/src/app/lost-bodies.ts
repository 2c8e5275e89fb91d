/** Whether an order's good cards lie where the accounts have them. What the accounts alone know is judged where they are delivered. */
import type { StoredOrder } from "../store/orders.js";
import type { Store } from "../store/store.js";
import { outputDifferences } from "./bodies.js";
import type { DataFolder } from "./data-folder.js";
import { Refusal } from "./problem.js";

/** What is handed over must be there: a body that is not where the accounts have it is found or booked first. Throws Refusal. */
export async function refuseLost(
  { order, state }: StoredOrder,
  store: Store,
  data: DataFolder,
): Promise<void> {
  // What is wrong with the order's state the store tells.
  if (state !== "produced") return;
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
