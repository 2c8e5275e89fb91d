import type { Place } from "../devices/transport/port.js";
import { judgementOfPictures } from "../ledger/types.js";
import type { StationParts } from "./line-types.js";
import {
  type CardInWork,
  chipProvedInQuality,
  type Head,
  hasReached,
  type Station,
  works,
} from "./station.js";

/** A head and what is going on there. `done`: the card has passed everything here and waits for a free place further on. */
export interface HeadState {
  readonly head: Head;
  readonly place: Place;
  state: "idle" | "busy" | "done" | "halted";
  card: CardInWork | undefined;
  work: Station | undefined;
}

export interface SlotState {
  readonly place: Place;
  state: "free" | "arriving" | "waiting" | "leaving";
  card: CardInWork | undefined;
  /** Order of arrival. */
  turn: number;
}

export interface MachineStation {
  readonly name: string;
  readonly works: readonly Station[];
  readonly heads: readonly HeadState[];
  readonly slots: readonly SlotState[];
  passed: number;
  rejected: number;
  busyMs: number;
}

export const machineOf = (stations: readonly StationParts[]): readonly MachineStation[] =>
  stations.map(({ name, works, heads, queue }, at) => ({
    name,
    works,
    heads: heads.map((head, number) => ({
      head,
      place: { at: "head", station: name, head: number },
      state: "idle",
      card: undefined,
      work: undefined,
    })),
    slots: Array.from({ length: at === 0 ? 0 : queue }, (_, slot) => ({
      place: { at: "queue", station: name, slot },
      state: "free",
      card: undefined,
      turn: 0,
    })),
    passed: 0,
    rejected: 0,
    busyMs: 0,
  }));

export const hasPassed = (card: CardInWork, work: Station): boolean =>
  hasReached(card.stage, works[work.name]);

export const hasPassedAll = (card: CardInWork, station: Pick<MachineStation, "works">): boolean =>
  station.works.every((work) => hasPassed(card, work));

/** What the card has not passed, as its history tells it. */
export const leftOf = (card: CardInWork, machine: readonly MachineStation[]): string[] =>
  machine
    .flatMap((station) => station.works)
    .filter((work) => !hasPassed(card, work))
    .map(({ name }) =>
      name === "quality" && card.passed.includes(chipProvedInQuality) ? judgementOfPictures : name,
    );

/** The card that has waited longest. */
export function nextWaiting(
  station: MachineStation,
  mayGo: (card: CardInWork) => boolean,
): SlotState | undefined {
  let first: SlotState | undefined;
  for (const slot of station.slots) {
    if (slot.state !== "waiting" || slot.card === undefined || !mayGo(slot.card)) continue;
    if (first === undefined || slot.turn < first.turn) first = slot;
  }
  return first;
}

export const allHalted = (station: MachineStation): boolean =>
  station.heads.every(({ state }) => state === "halted");

export function clear(place: HeadState | SlotState): void {
  place.card = undefined;
  if ("head" in place) place.state = "idle";
  else place.state = "free";
}
