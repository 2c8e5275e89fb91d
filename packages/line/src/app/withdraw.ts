/** A good card that turns out bad, or is lost, before its order is delivered: first the accounts, then the body. */
import type { Serial } from "@persoline/card/program";
import type { Place } from "../devices/transport/port.js";
import type { Blank } from "../ledger/types.js";
import type { Store } from "../store/store.js";
import { bodyOf, floorOf } from "./bodies.js";
import type { DataFolder } from "./data-folder.js";
import { Refusal } from "./problem.js";

const slotOf = ({ order, record }: Blank): Place | undefined =>
  order === undefined || record === undefined ? undefined : { at: "good", order, slot: record };

/**
 * Asked again after an interruption it only does what is left. `lost`: nobody finds the body; it is booked as destroyed at once. Throws
 * Refusal for a lost card whose body lies in its slot, AccountsProblem when the accounts do not allow it.
 */
export async function withdraw(ask: {
  readonly store: Store;
  readonly data: DataFolder;
  readonly serial: Serial;
  readonly lost: boolean;
  readonly reason: string;
  readonly by: string;
  readonly witness: string;
}): Promise<Blank> {
  const { store, data, ...decision } = ask;
  const known = await store.stock.find(ask.serial);
  const slot = known && slotOf(known);
  const floor = floorOf(data);
  try {
    const body = known === undefined || slot === undefined ? undefined : await bodyOf(floor, known, slot);
    if (body !== undefined && ask.lost)
      throw new Refusal(
        `${ask.serial} (${body.label}) lies in its slot: it is not lost, withdraw it without --lost`,
      );
    const left = known?.state === "rejected" && body !== undefined;
    const blank = left ? known : await store.stock.withdraw(decision);
    if (body !== undefined && slot !== undefined) floor.carry(body, slot, { at: "reject" });
    return blank;
  } finally {
    floor.close();
  }
}
