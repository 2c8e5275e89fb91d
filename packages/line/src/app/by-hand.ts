/** What people do with bodies by hand, on a simulated shop floor as on a real one: first the accounts, then the body. */
import type { Serial } from "@persoline/card/program";
import type { Bin, Place } from "../devices/transport/port.js";
import type { Blank } from "../ledger/types.js";
import type { Verdict } from "../store/review.js";
import type { Store } from "../store/store.js";
import { bodyOf, chipOf, floorOf } from "./bodies.js";
import type { DataFolder } from "./data-folder.js";
import { Refusal } from "./problem.js";

/** A bin was emptied: the audit is told, and it has room again. Answers how many bodies were in it. */
export async function emptyBin(ask: {
  readonly store: Store;
  readonly data: DataFolder;
  readonly bin: Bin;
  readonly by: string;
}): Promise<number> {
  const { store, data, bin, by } = ask;
  const floor = floorOf(data);
  try {
    const bodies = floor.fill(bin);
    await store.audit.note({
      who: by,
      what: "stock.empty",
      object: `${bin} bin`,
      result: "ok",
      detail: { bodies },
    });
    return floor.empty(bin);
  } finally {
    floor.close();
  }
}

/**
 * A blank leaves the stock: as a sample, or back to its owner. Its body is taken out of the hopper, or the line would feed it and put it
 * aside. Asked again after an interruption it only does what is left. Throws AccountsProblem when it may not leave.
 */
export async function takeOut(ask: {
  readonly store: Store;
  readonly data: DataFolder;
  readonly as: "sample" | "return";
  readonly serial: Serial;
  readonly reason: string;
  readonly by: string;
}): Promise<void> {
  const { store, data, as, ...decision } = ask;
  const known = await store.stock.find(ask.serial);
  const floor = floorOf(data);
  try {
    const lies = floor.bodiesAt({ at: "hopper" }).some(({ label }) => label === known?.label);
    if (!lies || known?.state !== (as === "sample" ? "sample" : "returned")) await store.stock[as](decision);
    if (known !== undefined) floor.takeAway(known.label, { at: "hopper" });
  } finally {
    floor.close();
  }
}

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
  const floor = floorOf(data);
  try {
    // Told by its chip: another body may bear the same number.
    const body = known === undefined ? undefined : await bodyOf(floor, known, { at: "hold" });
    const decided = known !== undefined && known.state === wanted[ask.verdict] && body !== undefined;
    const blank = decided ? known : await store.stock.settle(decision);
    const to = placeOf(blank);
    if (to !== undefined && body !== undefined) floor.carry(body, { at: "hold" }, to);
    return blank;
  } finally {
    floor.close();
  }
}

/** What is returned stays in the hold bin until its owner comes. */
function placeOf({ state, order, record }: Blank): Place | undefined {
  if (state === "good" && order !== undefined && record !== undefined)
    return { at: "good", order, slot: record };
  return state === "rejected" ? { at: "reject" } : undefined;
}

/** Labels of bodies in the hold bin that are in no stock list, or lie here as second ones of their number. */
export async function strangers({
  store,
  data,
}: {
  readonly store: Store;
  readonly data: DataFolder;
}): Promise<string[]> {
  const floor = floorOf(data);
  try {
    const lying = floor.bodiesAt({ at: "hold" }).map(({ label }) => label);
    if (lying.length === 0) return [];
    const listed = new Set<string>();
    for await (const { label } of store.stock.list()) listed.add(label);
    const bodies = new Map<string, number>();
    for (const { label } of floor.census()) bodies.set(label, (bodies.get(label) ?? 0) + 1);
    return [...new Set(lying)].filter((label) => !listed.has(label) || (bodies.get(label) ?? 0) > 1);
  } finally {
    floor.close();
  }
}

/**
 * Such a body is given back or put under lock: the audit is told, then it leaves. Of two with one number it is the one whose chip is not
 * the card's of the stock list. Throws Refusal when none lies there, or nobody can tell.
 */
export async function takeAway(ask: {
  readonly store: Store;
  readonly data: DataFolder;
  readonly label: string;
  readonly reason: string;
  readonly by: string;
  readonly witness: string;
}): Promise<void> {
  const { store, data, ...decision } = ask;
  const { label } = ask;
  if (!(await strangers({ store, data })).includes(label))
    throw new Refusal(
      `no unknown body ${label} lies in the hold bin; "persoline stock held" shows what does, and a card of the stock is named by its chip number`,
    );
  const floor = floorOf(data);
  try {
    const lying = floor.bodiesAt({ at: "hold" }).filter((body) => body.label === label);
    let listed: Blank | undefined;
    for await (const blank of store.stock.list()) if (blank.label === label) listed = blank;
    const own = listed?.state === "held" ? await bodyOf(floor, listed, { at: "hold" }) : undefined;
    const chips = await Promise.all(lying.map(chipOf));
    // Where its own body lies elsewhere, whatever bears the number here is another, even with the same chip number.
    const elsewhere = floor.census().filter((body) => body.label === label).length > lying.length;
    const others = lying.filter((body, at) =>
      own === undefined
        ? listed === undefined || elsewhere || chips[at] !== listed.serial
        : body.dir !== own.dir,
    );
    const [stranger] = others;
    if (stranger === undefined)
      throw new Refusal(
        `the body ${label} in the hold bin answers as ${listed?.serial ?? ""}, the card of the stock, which lies nowhere else: put it where that card belongs`,
      );
    await store.stock.takenAway(decision);
    floor.takeAway(stranger, { at: "hold" });
  } finally {
    floor.close();
  }
}
