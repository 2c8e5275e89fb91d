/**
 * Moves cards through stations: bounded queues (a full queue holds the station before it), n heads each, late binding, reject bin, remake.
 * One loop looks at the whole machine whenever something has changed and starts whatever can go on; nobody blocks, so the line has come
 * to rest exactly when nothing is under way.
 */
import { resultOf, viewOf } from "./figures.js";
import { Leaving } from "./leaving.js";
import type { LineParts, LineResult, LineView } from "./line-types.js";
import {
  allHalted,
  clear,
  freeInTrays,
  type HeadState,
  hasTrayRoom,
  hasPassedAll,
  type MachineStation,
  nextWaiting,
  placesOf,
  type SlotState,
  traysToSend,
} from "./machine.js";
import { type Found, recover } from "./recovery.js";
import { Shift } from "./shift.js";
import type { CardInWork } from "./station.js";
import { Trays } from "./trays.js";
import { Working } from "./working.js";

export class Line {
  readonly #parts: LineParts;
  readonly #shift: Shift;
  readonly #leaving: Leaving;
  readonly #working: Working;
  readonly #trays: Trays;
  #active = 0;
  /** Of these, trays in another room. */
  #away = 0;
  #rest: (() => void) | undefined;

  constructor(parts: LineParts) {
    this.#parts = parts;
    this.#shift = new Shift(parts);
    this.#leaving = new Leaving(this.#shift);
    this.#trays = new Trays(this.#shift, this.#leaving);
    this.#working = new Working(this.#shift, this.#leaving, () => {
      this.#look();
    });
  }

  /** Produces the order's waiting records. Throws what is no device's fault (accounts that contradict themselves) after all heads have come to rest. */
  async run(): Promise<LineResult> {
    const { accounts, order } = this.#parts;
    const shift = this.#shift;
    shift.began = shift.now();
    const found = await this.#recover();
    let progress = await shift.asked(accounts.progress(order));
    shift.waiting = progress.waiting;
    const missing = Math.max(0, shift.waiting - shift.unbound - progress.blanksInStock);
    if (missing > 0) {
      shift.stop({ how: "asked", why: `the stock has ${String(missing)} blanks too few` });
    }
    for (const { card, at } of found.inMachine) this.#takeUp(card, at);
    for (const station of shift.machine)
      for (const tray of station.trays)
        if (tray.open !== undefined) this.#travel(() => this.#trays.follow(station, tray));
    for (;;) {
      await this.#untilRest();
      if (shift.broken !== undefined) throw shift.broken.problem;
      progress = await shift.asked(accounts.progress(order));
      const changed = progress.waiting !== shift.waiting;
      shift.waiting = progress.waiting;
      if (!changed || shift.stopping !== "no" || shift.hopperEmpty) break;
    }
    return resultOf(shift, missing, progress);
  }

  /** No new card is begun; bound cards are finished, unbound ones go back to stock with the stage they have. Returns at once. */
  stop(why = "stopped by hand"): void {
    this.#shift.stop({ how: "asked", why });
  }

  view(): LineView {
    return viewOf(this.#shift);
  }

  // --- the loop

  #untilRest(): Promise<void> {
    return new Promise((resolve) => {
      this.#rest = resolve;
      this.#look();
    });
  }

  /** Starts whatever can go on, from the end of the line to its beginning. */
  #look(): void {
    const { machine } = this.#shift;
    for (let at = machine.length - 1; at >= 0; at--) {
      const station = machine[at];
      if (station === undefined) continue;
      for (const head of station.heads) this.#lookAtHead(station, head, machine[at + 1]);
      this.#sendTrays(station, false);
      for (const slot of station.slots) {
        const card = slot.card;
        if (slot.state !== "waiting" || card === undefined || !this.#shift.isSurplus(card)) continue;
        slot.state = "leaving";
        this.#begin(() => this.#leaving.restock(slot, card));
      }
    }
    // Nothing but trays is under way: no further card will come to those that are not full.
    if (this.#active === this.#away) for (const station of machine) this.#sendTrays(station, true);
    if (this.#active > 0) return;
    const { noRoom } = this.#shift;
    // Nothing moves any more, so nothing will make room for the blanks that are still needed.
    if (noRoom !== undefined && this.#needsBlank()) {
      this.#begin(() => this.#shift.headHalted(undefined, noRoom));
    } else this.#rest?.();
  }

  #lookAtHead(station: MachineStation, head: HeadState, next: MachineStation | undefined): void {
    const { card } = head;
    if (head.state === "done" && card?.tray === "due") {
      const slot = freeInTrays(station);
      if (slot === undefined) return;
      slot.state = "arriving";
      head.state = "busy";
      this.#begin(() => this.#trays.load(head, card, slot));
    } else if (head.state === "done" && card !== undefined) this.#sendOn(head, card, next);
    else if (head.state === "idle" && !this.#shift.isClosed(station.works)) this.#fill(station, head);
  }

  /** A card that has passed everything at this head goes to wherever is a place for it. */
  #sendOn(head: HeadState, card: CardInWork, next: MachineStation | undefined): void {
    if (this.#shift.isSurplus(card)) {
      head.state = "busy";
      this.#begin(() => this.#leaving.restock(head, card));
    } else if (next === undefined) {
      head.state = "busy";
      this.#begin(() => this.#leaving.good(head, card));
    } else if (!allHalted(next)) {
      const slot = next.slots.find(({ state }) => state === "free");
      if (slot === undefined) return;
      slot.state = "arriving";
      head.state = "busy";
      this.#begin(() => this.#queue(head, card, slot));
    }
  }

  /** An idle head takes what another one had to leave, then the card that has waited longest, then a blank. */
  #fill(station: MachineStation, head: HeadState): void {
    const stranded = station.heads.find(
      (other) => other.state === "halted" && other.card?.interrupted !== undefined,
    );
    const mayBegin = (waiting: CardInWork): boolean => this.#mayBegin(station, waiting);
    // What has come back from another room goes first: it makes room in a tray.
    const back = nextWaiting(
      station.trays.flatMap(({ state, slots }) => (state === "here" ? slots : [])),
      mayBegin,
    );
    const mayTake = hasTrayRoom(station);
    const slot = back ?? (mayTake ? nextWaiting(station.slots, mayBegin) : undefined);
    if (stranded?.card !== undefined) {
      const taken = stranded.card;
      stranded.card = undefined;
      head.state = "busy";
      this.#begin(() => this.#working.take(station, head, stranded.place, taken), head);
    } else if (slot?.card !== undefined) {
      const taken = slot.card;
      slot.state = "leaving";
      head.state = "busy";
      this.#begin(() => this.#working.take(station, head, slot.place, taken, slot), head);
    } else if (station === this.#shift.machine[0] && mayTake && this.#wantsBlank()) {
      this.#shift.unbound++;
      head.state = "busy";
      this.#begin(() => this.#working.feed(station, head), head);
    }
  }

  #wantsBlank(): boolean {
    return this.#shift.noRoom === undefined && this.#needsBlank();
  }

  #needsBlank(): boolean {
    const { stopping, hopperEmpty, unbound, waiting } = this.#shift;
    return stopping === "no" && !hopperEmpty && unbound < waiting;
  }

  /** Late binding: a card without a record does not go on to personalization while no record waits. */
  #mayBegin(station: MachineStation, card: CardInWork): boolean {
    if (card.bound !== undefined || card.verdict !== undefined) return true;
    if (!station.works.some(({ name }) => name === "personalization")) return true;
    return this.#shift.waiting > 0;
  }

  /** Nothing is sent to another room once the line has halted, or its station is closed. */
  #sendTrays(station: MachineStation, partly: boolean): void {
    if (station.room === undefined || this.#shift.isClosed(station.works)) return;
    for (const tray of traysToSend(station, partly)) {
      tray.state = "away";
      this.#travel(() => this.#trays.send(station, tray));
    }
  }

  #travel(task: () => Promise<void>): void {
    this.#away++;
    this.#begin(() =>
      task().finally(() => {
        this.#away--;
      }),
    );
  }

  /** `head`: whose fault stops it. */
  #begin(task: () => Promise<void>, head?: HeadState): void {
    this.#active++;
    void task()
      .catch((problem: unknown) => this.#shift.failed(problem, head))
      .catch((problem: unknown) => {
        this.#shift.break(problem);
      })
      .then(() => {
        this.#active--;
        this.#look();
      });
  }

  async #queue(head: HeadState, card: CardInWork, slot: SlotState): Promise<void> {
    try {
      await this.#shift.move(head.place, slot.place);
    } catch (problem) {
      slot.state = "free";
      head.state = "halted";
      throw problem;
    }
    slot.card = card;
    slot.state = "waiting";
    slot.turn = this.#shift.nextTurn();
    clear(head);
  }

  // --- after an interruption

  async #recover(): Promise<Found> {
    const shift = this.#shift;
    const found = await recover(this.#parts, shift.machine, (promise) => shift.asked(promise));
    if (found.stale.length > 0) shift.forget(found.stale);
    for (const { detail } of found.alarms) shift.tell({ kind: "alarm", detail });
    for (const { place, to } of found.misplaced) await shift.move(place, to);
    for (const card of found.arrived) {
      await this.#leaving.finish(card, { kind: "good" });
      shift.counts.recovered++;
    }
    for (const { card, question } of found.missing) await this.#leaving.missing(card, question);
    for (const { card, bound, at } of found.inMachine) {
      shift.counts.recovered++;
      at.card = card;
      if (bound === undefined) shift.unbound++;
      else await this.#working.prepare(card, bound);
    }
    for (const { tray, cards } of found.trays) {
      const station = shift.machine.find(({ name }) => name === tray.station);
      const state = station?.trays[tray.number];
      if (state === undefined) throw new Error(`tray ${tray.tray} is of no station`);
      state.state = "away";
      state.open = tray;
      state.cards = cards.map(({ card }) => card);
      for (const { card, bound, lies } of cards) {
        if (lies) continue;
        shift.counts.recovered++;
        if (bound !== undefined) await this.#working.prepare(card, bound);
      }
    }
    const { length } = found.inMachine;
    if (length + found.arrived.length + found.missing.length > 0) {
      const detail = `${String(length)} cards in the machine are taken up, ${String(found.arrived.length)} had arrived, ${String(found.missing.length)} were not found`;
      shift.tell({ kind: "recovered", cards: length, detail });
    }
    return found;
  }

  #takeUp(card: CardInWork, at: HeadState | SlotState): void {
    const station = this.#shift.machine.find((one) => placesOf(one).includes(at));
    if (station === undefined) return;
    if (!("head" in at)) {
      // In a tray lies what is to go to the other room, or has been there.
      const loaded = at.place.at === "tray" && card.tray !== "done" && card.verdict === undefined;
      at.state = loaded ? "loaded" : "waiting";
      if (loaded) card.tray = "due";
      at.turn = this.#shift.nextTurn();
    } else if (card.verdict === undefined && hasPassedAll(card, station)) {
      at.state = "done";
    } else {
      at.state = "busy";
      this.#begin(() => this.#working.work(station, at, card), at);
    }
  }
}
