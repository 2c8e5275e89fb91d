/** A held card that two people have settled: first the accounts, then the body, as on every way out of the line. */
import { random } from "@persoline/card/node";
import type { Serial } from "@persoline/card/program";
import { ShopFloor } from "../devices/shop-floor/floor.js";
import { virtualSilicon } from "../devices/shop-floor/silicon.js";
import type { Blank } from "../ledger/types.js";
import type { Verdict } from "../store/review.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";

const wanted: Readonly<Record<Verdict, Blank["state"]>> = {
  good: "good",
  reject: "rejected",
  return: "returned",
};

/**
 * Asked again after an interruption it only does what is left. A body of the simulated shop floor is carried out of the hold bin; a real
 * one is carried by the people who decided. Throws AccountsProblem when the decision cannot be.
 */
export async function settle(ask: {
  readonly store: Store;
  readonly data: DataFolder;
  readonly serial: Serial;
  readonly verdict: Verdict;
  readonly reason: string;
  readonly by: string;
  readonly witness: string;
}): Promise<Blank> {
  const { store, data, ...decision } = ask;
  const known = await store.stock.find(ask.serial);
  // No body is made here: every held one has been through the machine.
  const floor = new ShopFloor(data.shopFloor, virtualSilicon({ loaderMaster: new Uint8Array(16), random }));
  try {
    const lies = floor.bodiesAt({ at: "hold" }).some(({ label }) => label === known?.label);
    const decided = known !== undefined && known.state === wanted[ask.verdict] && lies;
    const blank = decided ? known : await store.stock.settle(decision);
    const to = placeOf(blank);
    if (to !== undefined) floor.carry(blank.label, { at: "hold" }, to);
    return blank;
  } finally {
    floor.close();
  }
}

/** What is returned stays in the hold bin until its owner comes. */
function placeOf({ state, record }: Blank): Parameters<ShopFloor["carry"]>[2] | undefined {
  if (state === "good" && record !== undefined) return { at: "good", slot: record };
  return state === "rejected" ? { at: "reject" } : undefined;
}
