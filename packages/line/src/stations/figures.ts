/** A line's figures, while it runs and at its end. */
import type { LineCounts, LineResult, LineView } from "./line-types.js";
import { placesOf } from "./machine.js";
import type { Shift } from "./shift.js";

export function viewOf(shift: Shift): LineView {
  const now = shift.now();
  const elapsed = Math.max(1, now - shift.began);
  return {
    at: now,
    seconds: elapsed / 1000,
    stations: shift.machine.map((station) => ({
      name: station.name,
      heads: station.heads.map(({ state, card, work }) => ({
        state,
        ...(card === undefined ? {} : { label: card.label }),
        ...(work === undefined ? {} : { work: work.name }),
      })),
      queued: station.slots.filter(({ state }) => state === "waiting").length,
      queue: station.slots.length,
      passed: station.passed,
      rejected: station.rejected,
      load: Math.min(1, station.busyMs / (elapsed * station.heads.length)),
    })),
    counts: { ...shift.counts },
    waiting: shift.waiting,
    cardsPerHour: rateOf(shift.goodAt),
    stopping: shift.stopping !== "no",
  };
}

/** `missing`: blanks too few at the start. `inProduction`: records bound and neither produced nor given up. `blanksInStock`: by the accounts, now. */
export function resultOf(
  shift: Shift,
  missing: number,
  { inProduction, blanksInStock }: { readonly inProduction: number; readonly blanksInStock: number },
): LineResult {
  const { stopping, waiting, hopperEmpty, endedByPerson, machine } = shift;
  // An empty hopper shows what is missing; of a person who has had enough only the accounts can tell whether there was more to bring.
  const short = hopperEmpty ? waiting : endedByPerson ? waiting - blanksInStock : 0;
  const stillMissing = Math.max(missing, short);
  const left = machine.some(
    (station) =>
      placesOf(station).some(({ card }) => card !== undefined) ||
      station.trays.some(({ open }) => open !== undefined),
  );
  const ended =
    stopping === "halted" || stopping === "no-room" || left || (stopping === "no" && inProduction > 0)
      ? "halted"
      : stillMissing > 0
        ? "stock-too-small"
        : stopping === "asked" && waiting + inProduction > 0
          ? "stopped"
          : "complete";
  const ms = shift.now() - shift.began;
  return {
    ended,
    detail:
      ended === "stock-too-small"
        ? `${String(stillMissing)} more blank${stillMissing === 1 ? " is" : "s are"} needed`
        : shift.why,
    missing: ended === "stock-too-small" ? stillMissing : 0,
    counts: { ...shift.counts } satisfies LineCounts,
    parked: [...shift.parked],
    ms,
    cardsPerHour: ms > 0 ? (shift.counts.good * 3_600_000) / ms : 0,
  };
}

function rateOf(goodAt: readonly number[]): number {
  const first = goodAt[0];
  const last = goodAt.at(-1);
  if (first === undefined || last === undefined || last <= first) return 0;
  return ((goodAt.length - 1) * 3_600_000) / (last - first);
}
