import type { TrayRoom } from "../devices/marker/port.js";
import type { Place } from "../devices/transport/port.js";
import type { OpenTray } from "../ledger/trays.js";
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
  /** `loaded`: in a tray, to go with it to the other room. */
  state: "free" | "arriving" | "waiting" | "leaving" | "loaded";
  card: CardInWork | undefined;
  /** Order of arrival. */
  turn: number;
}

/** A tray of the station. `disputed`: it came back with other cards than it went with, and two people must decide. */
export interface TrayState {
  readonly number: number;
  readonly slots: readonly SlotState[];
  state: "here" | "away" | "disputed";
  /** What it is open with, and its cards; an empty one when it is not. */
  open: OpenTray | undefined;
  cards: readonly CardInWork[];
}

export interface MachineStation {
  readonly name: string;
  readonly works: readonly Station[];
  readonly heads: readonly HeadState[];
  readonly slots: readonly SlotState[];
  /** Where the embosser of its heads stands in another room. */
  readonly room: TrayRoom | undefined;
  readonly trays: readonly TrayState[];
  passed: number;
  rejected: number;
  busyMs: number;
}

export const machineOf = (stations: readonly StationParts[]): readonly MachineStation[] =>
  stations.map(({ name, works, heads, queue }, at) => ({
    ...traysOf(name, heads),
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

function traysOf(station: string, heads: readonly Head[]): Pick<MachineStation, "room" | "trays"> {
  const room = heads.flatMap(({ markers }) => markers).find((marker) => marker.room !== undefined)?.room;
  const trays = Array.from(
    { length: room?.trays ?? 0 },
    (_, tray): TrayState => ({
      number: tray,
      slots: Array.from({ length: room?.cards ?? 0 }, (__, slot) => ({
        place: { at: "tray", station, tray, slot },
        state: "free",
        card: undefined,
        turn: 0,
      })),
      state: "here",
      open: undefined,
      cards: [],
    }),
  );
  return { room, trays };
}

/** Every place of a station that holds a card. */
export const placesOf = ({ heads, slots, trays }: MachineStation): (HeadState | SlotState)[] => [
  ...heads,
  ...slots,
  ...trays.flatMap((tray) => tray.slots),
];

/** Cards may be put into it: it is here, and whatever came back in it has left it. */
const takesCards = ({ state, slots }: TrayState): boolean =>
  state === "here" && slots.every((slot) => slot.state !== "waiting" && slot.state !== "leaving");

/** The place for a card that is to go to the other room: in the tray that is fullest. */
export function freeInTrays({ trays }: MachineStation): SlotState | undefined {
  const loaded = ({ slots }: TrayState): number => slots.filter(({ state }) => state !== "free").length;
  const [first] = trays
    .filter((tray) => takesCards(tray) && loaded(tray) < tray.slots.length)
    .toSorted((a, b) => loaded(b) - loaded(a));
  return first?.slots.find(({ state }) => state === "free");
}

/**
 * No card is brought to a head before a tray has room for it and for all that stand at the station's heads: no head waits for a tray that is
 * away, and what comes back in one always finds a head.
 */
export function hasTrayRoom(station: MachineStation): boolean {
  if (station.room === undefined) return true;
  const free = station.trays
    .filter(takesCards)
    .reduce((sum, { slots }) => sum + slots.filter(({ state }) => state === "free").length, 0);
  const before = station.heads.filter(
    ({ state, card }) => state !== "idle" && state !== "halted" && card?.tray !== "done",
  ).length;
  const stranded = station.heads.filter(
    ({ state, card }) => state === "halted" && card !== undefined && card.tray !== "done",
  ).length;
  return free > before + stranded;
}

/** Trays that can go: full ones, or with `partly` whatever is loaded, when nothing else will come. */
export const traysToSend = (station: MachineStation, partly: boolean): TrayState[] =>
  station.trays.filter((tray) => {
    if (!takesCards(tray) || tray.slots.some(({ state }) => state === "arriving")) return false;
    const loaded = tray.slots.filter(({ state }) => state === "loaded").length;
    return partly ? loaded > 0 : loaded === tray.slots.length;
  });

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
  slots: readonly SlotState[],
  mayGo: (card: CardInWork) => boolean,
): SlotState | undefined {
  let first: SlotState | undefined;
  for (const slot of slots) {
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
