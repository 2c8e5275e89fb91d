/** What happens to one card at one head: fed or taken there, visited work by work, bound to a record on the way. */
import type { Outcome } from "@persoline/card/program";
import { DeviceFault, type DeviceFaultCode } from "../devices/problem.js";
import type { Place } from "../devices/transport/port.js";
import type { BoundRecord } from "../ledger/types.js";
import { sealedGroupings } from "../orders/issuer.js";
import { secretsFor } from "../plan/gp/payment/sealed.js";
import { passedDetail } from "./history.js";
import type { Leaving } from "./leaving.js";
import {
  clear,
  type HeadState,
  hasPassed,
  placesOf,
  type MachineStation,
  type SlotState,
} from "./machine.js";
import { faultIn, type Shift } from "./shift.js";
import { type CardInWork, hasReached, newCard, type Station, works } from "./station.js";

export class Working {
  readonly #shift: Shift;
  readonly #leaving: Leaving;
  /** Called when a place in a queue has become free. */
  readonly #freed: () => void;

  constructor(shift: Shift, leaving: Leaving, freed: () => void) {
    this.#shift = shift;
    this.#leaving = leaving;
    this.#freed = freed;
  }

  /** The next blank of the hopper; it counts as unbound from before the call. */
  async feed(station: MachineStation, head: HeadState): Promise<void> {
    const shift = this.#shift;
    const { transport, accounts, order, name } = shift.parts;
    let fed: Awaited<ReturnType<typeof transport.feed>>;
    try {
      fed = await shift.jamming(() => transport.feed(head.place));
    } catch (problem) {
      shift.unbound--;
      if (!(problem instanceof DeviceFault) || problem.code !== "bin-full") throw problem;
      // What leaves the machine may make room; the line stops only when nothing in it can.
      shift.noRoom = problem;
      head.state = "idle";
      return;
    }
    if (fed === "ended") {
      shift.unbound--;
      shift.endedByPerson = true;
      shift.stop({ how: "asked", why: "ended at the desk" });
      head.state = "idle";
      return;
    }
    if (fed === "empty") {
      shift.unbound--;
      // A desk that was told to stop waits for no card: that says nothing about the stock.
      if (shift.stopping !== "asked") shift.hopperEmpty = true;
      head.state = "idle";
      return;
    }
    const { label, byChip } = fed;
    const started =
      label === undefined
        ? ({ ok: false, why: "unknown" } as const)
        : await shift.asked(accounts.start({ label, order, line: name }));
    if (!started.ok) {
      shift.unbound--;
      // Its own chip says that it is a card of these accounts: it was only fed again.
      if (label !== undefined && byChip === true && "made" in started && started.made !== undefined)
        await this.#giveBack(head.place, label, started.made);
      else await this.#refuse(head.place, label, started.why);
      head.state = "idle";
      return;
    }
    shift.limits.fed();
    shift.counts.fed++;
    const card = newCard(started.blank);
    head.card = card;
    shift.tell({ kind: "fed", label: card.label, serial: card.serial, stage: card.stage });
    await this.work(station, head, card);
  }

  /** A card that was finished before, by this order or another one: nothing is sent to it, and nothing is wrong with the line. */
  async #giveBack(from: Place, label: string, made: { order: string; record: number }): Promise<void> {
    const shift = this.#shift;
    const detail = `card ${label} was fed, but it is personalized already, as record ${String(made.record)} of order ${made.order}: given back, untouched`;
    shift.tell({ kind: "alarm", detail });
    await shift.move(from, { at: "good", order: made.order, slot: made.record }, "again");
  }

  /** A body that must not be worked on: unknown, twice there, or rejected before. */
  async #refuse(from: Place, label: string | undefined, why: string): Promise<void> {
    const shift = this.#shift;
    const what = label === undefined ? "a body without a readable number" : `body ${label}`;
    shift.tell({
      kind: "alarm",
      detail: `${what} was fed, but it is ${why} in the accounts: put aside, untouched`,
    });
    if (why === "in-process") {
      for (const { card } of shift.machine.flatMap(placesOf)) {
        if (card !== undefined && card.label === label) {
          card.suspect = `a second body with the number ${card.label} was fed`;
        }
      }
    }
    await shift.move(from, why === "rejected" || why === "destroyed" ? { at: "reject" } : { at: "hold" });
    const stop = shift.limits.refused();
    if (stop !== undefined) shift.stop(stop);
  }

  /** Takes a card to a head of this station and works on it. */
  async take(
    station: MachineStation,
    head: HeadState,
    from: Place,
    card: CardInWork,
    slot?: SlotState,
  ): Promise<void> {
    try {
      await this.#shift.move(from, head.place);
    } catch (problem) {
      // It lies where it was: the next run finds it there.
      if (slot !== undefined) slot.state = "waiting";
      throw problem;
    }
    head.card = card;
    if (slot !== undefined) clear(slot);
    // The freed place may be what the station before waits for.
    this.#freed();
    await this.work(station, head, card);
  }

  /** Everything this station does that the card has not passed yet. */
  async work(station: MachineStation, head: HeadState, card: CardInWork): Promise<void> {
    const shift = this.#shift;
    if (card.verdict !== undefined) {
      await this.#leaving.reject(station, head, card, card.verdict);
      return;
    }
    // The next visit's contact is made while the note of the last one's passing becomes durable; the journal keeps their order, so that no
    // command which changes the card leaves before that, and nothing else follows from a visit before.
    let noted: Promise<void> = Promise.resolve();
    for (const work of station.works) {
      if (hasPassed(card, work)) continue;
      const isNext = work.name !== "personalization" || card.bound !== undefined;
      if (!isNext || card.suspect !== undefined || shift.isSurplus(card) || shift.isClosed([work]))
        await noted;
      if (card.suspect !== undefined) {
        await this.#leaving.hold(station, head, card, card.suspect);
        return;
      }
      if (shift.isSurplus(card)) break;
      if (shift.isClosed([work])) {
        // It stays here with what it has passed; the next run takes it up.
        head.state = "halted";
        return;
      }
      if (work.name === "personalization" && card.bound === undefined && !(await this.#bind(card))) {
        await this.#leaving.restock(head, card);
        return;
      }
      const after = await this.#visit(station, head, card, work, noted);
      if (after === "gone") return;
      noted = after.noted;
    }
    await noted;
    head.state = "done";
  }

  /** One visit and what follows from it once `before` is durable. `noted`: the card has passed, and its note is on its way. */
  async #visit(
    station: MachineStation,
    head: HeadState,
    card: CardInWork,
    work: Station,
    before: Promise<void>,
  ): Promise<{ readonly noted: Promise<void> } | "gone"> {
    const outcome = await this.#visited(station, head, card, work);
    await before;
    const { findings = [] } = "findings" in outcome ? outcome : {};
    for (const finding of findings) card.findings.push({ ...finding, station: work.name });
    switch (outcome.kind) {
      case "passed": {
        if (card.tray === "due") {
          // Off to a tray; it comes back to a head for what is left here.
          head.state = "done";
          return "gone";
        }
        const noted = this.#passed(station, head, card, work);
        noted.catch(() => undefined);
        return { noted };
      }
      case "rejected": {
        const { code, detail } = outcome;
        const verdict = { station: work.name, code, detail };
        await this.#leaving.condemn(card, verdict);
        await this.#leaving.reject(station, head, card, verdict);
        return "gone";
      }
      case "held":
        await this.#leaving.hold(station, head, card, outcome.question);
        return "gone";
      case "returned": {
        const question = `${outcome.detail}; it was not touched: give it back to its owner`;
        await this.#leaving.hold(station, head, card, question);
        return "gone";
      }
      case "halted": {
        const { device, code, detail } = outcome;
        head.state = "halted";
        await this.#shift.headHalted(head, { device, code, message: detail });
        return "gone";
      }
    }
  }

  /** The visit itself, timed and told. */
  async #visited(
    station: MachineStation,
    head: HeadState,
    card: CardInWork,
    work: Station,
  ): Promise<Outcome> {
    const shift = this.#shift;
    const where = { station: station.name, head: head.head.number, work: work.name, serial: card.serial };
    const began = shift.now();
    head.work = work;
    shift.tell({ kind: "visit", ...where });
    const outcome = await this.#outcomeOf(work, card, head);
    const ms = shift.now() - began;
    head.work = undefined;
    station.busyMs += ms;
    card.times.push({ station: work.name, head: head.head.number, ms });
    shift.tell({ kind: "visited", ...where, outcome: outcome.kind, ms });
    return outcome;
  }

  async #outcomeOf(work: Station, card: CardInWork, head: HeadState): Promise<Outcome> {
    try {
      return await work.visit(card, {
        ...this.#shift.parts.surroundings,
        head: head.head,
        challenges: this.#shift.challenges,
      });
    } catch (problem) {
      const fault = faultIn(problem);
      if (fault === undefined) throw problem;
      const { device, code, message } = fault;
      return {
        kind: "halted",
        device,
        code: ofTheLineOnly(code) ? "refused" : code,
        detail: message,
      };
    }
  }

  async #passed(station: MachineStation, head: HeadState, card: CardInWork, work: Station): Promise<void> {
    const { journal } = this.#shift.parts;
    const note = {
      serial: card.serial,
      station: work.name,
      program: "",
      segment: -1,
      event: "passed",
    } as const;
    const durable = this.#shift.journalled(journal.write({ ...note, ...passedDetail(card) }));
    card.stage = works[work.name];
    card.passed.push(work.name);
    await durable;
    station.passed++;
    this.#shift.limits.passed(work.name, head.head.number);
  }

  /** Late binding: false when no record waits after all. */
  async #bind(card: CardInWork): Promise<boolean> {
    const shift = this.#shift;
    const { accounts, order, journal } = shift.parts;
    shift.waiting--;
    const bound = await shift.asked(accounts.bind({ serial: card.serial, order }));
    if (bound === "none-waiting") {
      shift.waiting = 0;
      return false;
    }
    shift.unbound--;
    await this.prepare(card, bound);
    const { number } = bound.record;
    await shift.journalled(
      journal.write({
        serial: card.serial,
        station: "personalization",
        program: "",
        segment: -1,
        event: "bound",
        detail: String(number),
      }),
    );
    if (bound.attempt > 1) shift.counts.remade++;
    shift.tell({ kind: "bound", serial: card.serial, record: number, attempt: bound.attempt });
    return true;
  }

  /** Makes the programs and faces of the record that the card is bound to. */
  async prepare(card: CardInWork, bound: BoundRecord): Promise<void> {
    const { surroundings, prepareRecord, order } = this.#shift.parts;
    this.#shift.bound++;
    const prepared = await surroundings.world.outside(surroundings.outside.workerMs, prepareRecord(bound));
    const { record, attempt, pins } = bound;
    const issuer = sealedGroupings(record);
    const secrets = {
      order,
      record: record.number,
      ...secretsFor(pins, prepared.payment),
      ...(issuer === undefined ? {} : { issuer }),
    };
    card.bound = { record, attempt, secrets, prepared };
    if (!hasReached(card.stage, "bound")) card.stage = "bound";
  }
}

/** Faults that no visit ends with under their own name. */
const ofTheLineOnly = (code: DeviceFaultCode): code is "jam" | "bin-full" | "disk-full" | "port-taken" =>
  code === "jam" || code === "bin-full" || code === "disk-full" || code === "port-taken";
