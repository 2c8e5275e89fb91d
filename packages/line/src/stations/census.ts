/** The accounts compared with the physical world, card by card. The world is right; the accounts have to explain themselves. */
import type { Place } from "../devices/transport/port.js";
import type { Blank, BlankState } from "../ledger/types.js";

interface Lying {
  readonly label: string;
  readonly place: Place;
}

/** Where a blank in this state has to lie; "nowhere": it has left the shop floor, or lies where people put it. */
const expected: Readonly<Record<BlankState, readonly Place["at"][] | "nowhere">> = {
  "in-stock": ["hopper"],
  "in-process": ["head", "queue", "tray"],
  held: ["hold"],
  good: ["good"],
  rejected: ["reject", "apart"],
  sample: "nowhere",
  destroyed: "nowhere",
  returned: "nowhere",
};

/**
 * Every difference in words; none when each blank lies where its state says, good ones in the slot of their order and record. To be called while
 * the line is at rest: a card that is just being moved counts as a difference.
 */
export function disagreements(
  census: readonly Lying[],
  blanks: Iterable<Pick<Blank, "label" | "state" | "order" | "record">>,
): readonly string[] {
  const places = new Map<string, Place>();
  const told: string[] = [];
  for (const { label, place } of census) {
    if (places.has(label)) told.push(`two bodies have the number ${label}`);
    places.set(label, place);
  }
  for (const { label, state, order, record } of blanks) {
    const place = places.get(label);
    places.delete(label);
    const where = expected[state];
    if (where === "nowhere") {
      if (place !== undefined && !["reject", "apart", "hopper", "hold"].includes(place.at)) {
        told.push(`${label} is ${state}, but lies at ${place.at}`);
      }
    } else if (place === undefined) {
      told.push(`${label} is ${state}, but is nowhere to be found`);
    } else if (!where.includes(place.at)) {
      told.push(`${label} is ${state}, but lies at ${place.at}`);
    } else if (place.at === "good" && (place.order !== order || place.slot !== record)) {
      told.push(
        `${label} is good for record ${String(record)} of order ${String(order)}, but lies in slot ${String(place.slot)} of order ${place.order}`,
      );
    }
  }
  for (const [label, place] of places) told.push(`nobody knows ${label}, which lies at ${place.at}`);
  return told;
}
