/**
 * What a line finds when it starts: bodies in the machine, cards the accounts have in work, and what the journal knows of them. Nothing is
 * done here; every card gets exactly one answer. The rules follow from the order in which a card leaves: a good body moves first and is
 * counted afterwards, every other one is counted first and moved afterwards.
 */
import type { Serial } from "@persoline/card/program";
import { DeviceFault } from "../devices/problem.js";
import { isInMachine, type Place } from "../devices/transport/port.js";
import type { OpenTray } from "../ledger/trays.js";
import type { Blank, BoundRecord, JournalState, Stage } from "../ledger/types.js";
import { remind } from "./history.js";
import type { LineParts } from "./line-types.js";
import type { HeadState, MachineStation, SlotState } from "./machine.js";
import { type CardInWork, hasReached, newCard, type Work, works } from "./station.js";

export interface Found {
  /** To be taken up where they lie. */
  readonly inMachine: readonly {
    readonly card: CardInWork;
    readonly bound: BoundRecord | undefined;
    readonly at: HeadState | SlotState;
  }[];
  /** Bodies in the machine that are no longer in work: the kill came before their move. */
  readonly misplaced: readonly { readonly place: Place; readonly to: Place }[];
  /** They lie in their output slots; only the accounts do not know yet. */
  readonly arrived: readonly CardInWork[];
  /** In work by the accounts, but nowhere in the machine. */
  readonly missing: readonly { readonly card: CardInWork; readonly question: string }[];
  /** Open in the line's book, with their cards in work, whether these lie in them or not: what is missing is found when they are counted in. */
  readonly trays: readonly {
    readonly tray: OpenTray;
    readonly cards: readonly {
      readonly card: CardInWork;
      readonly bound: BoundRecord | undefined;
      readonly lies: boolean;
    }[];
  }[];
  readonly alarms: readonly { readonly detail: string }[];
  /** Cards with notes of a way that has ended: the kill came before they were dropped. */
  readonly stale: readonly Serial[];
}

/** Throws DeviceFault when a body lies at a place that this line does not have. */
export async function recover(
  parts: LineParts,
  machine: readonly MachineStation[],
  asked: <T>(answer: Promise<T>) => Promise<T>,
): Promise<Found> {
  const { accounts, journal, transport, order, name } = parts;
  const states = new Map((await asked(journal.states())).map((state) => [state.serial, state]));
  const occupied = await transport.occupied();
  const inWork = new Map((await asked(accounts.inWork(name))).map((blank) => [blank.label, blank]));
  /** Each card's notes are asked for once; what nobody asks for is stale. */
  const known = ({ serial }: Blank): JournalState | undefined => {
    const state = states.get(serial);
    states.delete(serial);
    return state;
  };
  const inMachine: Found["inMachine"][number][] = [];
  const misplaced: Found["misplaced"][number][] = [];
  const alarms: { detail: string }[] = [];
  const trays = (parts.trays?.open() ?? []).map((tray) => {
    const cards: Found["trays"][number]["cards"][number][] = [];
    return { tray, cards };
  });
  for (const { tray } of trays) {
    const known = machine.find(({ name: own }) => own === tray.station)?.trays[tray.number];
    if (known === undefined || tray.order !== order)
      throw new DeviceFault(
        "line",
        "refused",
        `tray ${tray.tray} of order ${tray.order} and station ${tray.station} is out: run the order and the line file that it was sent by`,
      );
  }
  const trayOf = (place: Place) =>
    place.at === "tray"
      ? trays.find(({ tray }) => tray.station === place.station && tray.number === place.tray)
      : undefined;

  for (const { place, label } of occupied) {
    const worked = label === undefined ? undefined : inWork.get(label);
    const open = trayOf(place);
    // Whatever else lies in a tray that is out is found when it is counted in.
    if (open !== undefined && !open.tray.cards.some((card) => card.label === worked?.label)) continue;
    const at = placeIn(machine, place);
    if (at === undefined) {
      const where = isInMachine(place.at) && "station" in place ? place.station : place.at;
      throw new DeviceFault(
        "line",
        "refused",
        `a card lies at ${where}, a place that this line does not have: run the line file that was interrupted`,
      );
    }
    let blank = worked;
    if (blank === undefined && place.at === "tray") {
      misplaced.push({ place, to: { at: "hold" } });
      alarms.push({ detail: `body ${label ?? "without a readable number"} lies in a tray: put aside` });
    } else if (blank === undefined && label !== undefined) {
      const started = await asked(accounts.start({ label, order, line: name }));
      if (started.ok) blank = started.blank;
      else misplaced.push({ place, to: { at: binOf(started.why) } });
      if (!started.ok && started.why !== "rejected" && started.why !== "held") {
        alarms.push({
          detail: `body ${label} lies in the machine, but it is ${started.why} in the accounts`,
        });
      }
    } else if (blank === undefined) {
      misplaced.push({ place, to: { at: "hold" } });
      alarms.push({ detail: "a body without a readable number lies in the machine: put aside" });
    }
    if (blank === undefined) continue;
    inWork.delete(blank.label);
    // Of a blank from the stock the journal knows at most the way before, which was booked when it went back.
    const card = takenUp(blank, worked && known(worked), place);
    const bound = await asked(accounts.bound(blank.serial));
    inMachine.push({ card, bound, at });
    open?.cards.push({ card, bound, lies: true });
  }
  for (const { tray, cards } of trays) {
    for (const { label } of tray.cards) {
      const blank = inWork.get(label);
      if (blank === undefined) continue;
      inWork.delete(label);
      const bound = await asked(accounts.bound(blank.serial));
      cards.push({ card: takenUp(blank, known(blank)), bound, lies: false });
    }
  }

  const arrived: CardInWork[] = [];
  const missing: Found["missing"][number][] = [];
  for (const blank of inWork.values()) {
    const card = takenUp(blank, known(blank));
    const { label, verdict } = card;
    if (verdict !== undefined) {
      const question = `${label} was rejected at ${verdict.station} (${verdict.code}), but is not in the machine: find it and destroy it`;
      missing.push({ card, question });
    } else if (hasReached(card.stage, "verified")) arrived.push(card);
    else {
      const question = `the accounts have ${label} in work, but it is not in the machine: find it`;
      missing.push({ card, question });
    }
  }
  return { inMachine, misplaced, arrived, missing, trays, alarms, stale: [...states.keys()] };
}

function placeIn(machine: readonly MachineStation[], place: Place): HeadState | SlotState | undefined {
  if (place.at !== "head" && place.at !== "queue" && place.at !== "tray") return undefined;
  const station = machine.find(({ name }) => name === place.station);
  if (place.at === "tray") return station?.trays[place.tray]?.slots[place.slot];
  return place.at === "head" ? station?.heads[place.head] : station?.slots[place.slot];
}

const binOf = (why: string): "reject" | "hold" =>
  why === "rejected" || why === "destroyed" ? "reject" : "hold";

/** The furthest of what accounts and journal know. */
function stageOf(blank: Blank, state: JournalState | undefined): Stage {
  let stage = blank.stage;
  for (const station of state?.passed ?? []) {
    const reached = station in works ? works[station as Work] : undefined;
    if (reached !== undefined && hasReached(reached, stage)) stage = reached;
  }
  return stage;
}

/** `place`: where it lies, if it is in the machine. */
function takenUp(blank: Blank, state: JournalState | undefined, place?: Place): CardInWork {
  // A card in a queue has not begun its next station; one at a head may have, even without an open intent.
  const begun = state?.open !== undefined || place?.at === "head";
  const card = newCard(blank, {
    stage: stageOf(blank, state),
    passed: [...(state?.passed ?? [])],
    interrupted: begun
      ? { resumes: state?.resumes ?? 0, ...(state?.open === undefined ? {} : { open: state.open }) }
      : undefined,
  });
  if (state !== undefined) remind(card, state);
  return card;
}
