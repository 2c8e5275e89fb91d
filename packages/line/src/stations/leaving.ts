/** How a card leaves the line: good, rejected and ended, held, or back to the stock. Accounts and body move in an order that a kill cannot confuse. */
import { type RejectCode, runProgram } from "@persoline/card/program";
import { DeviceFault } from "../devices/problem.js";
import type { Place } from "../devices/transport/port.js";
import type { CardEnd } from "../ledger/types.js";
import { withChip } from "./contact.js";
import { rejectedDetail } from "./history.js";
import { clear, type HeadState, leftOf, type MachineStation, type SlotState } from "./machine.js";
import type { Shift } from "./shift.js";
import { type CardInWork, hasReached, type Verdict } from "./station.js";

export class Leaving {
  readonly #shift: Shift;

  constructor(shift: Shift) {
    this.#shift = shift;
  }

  /** First the body in its slot, then the accounts: a body that is not in the machine and had passed everything can only be there. */
  async good(head: HeadState, card: CardInWork): Promise<void> {
    const shift = this.#shift;
    const record = card.bound?.record.number;
    if (record === undefined) throw new Error(`card ${card.label} has passed every station without a record`);
    await shift.move(head.place, { at: "good", order: shift.parts.order, slot: record });
    await this.finish(card, { kind: "good" });
    clear(head);
    shift.bound--;
    shift.countGood(card.findings);
    shift.tell({ kind: "good", serial: card.serial, label: card.label, record });
  }

  /** The verdict is durable before anything follows from it: whatever is interrupted then, the card stays bad, and for this reason. */
  async condemn(card: CardInWork, verdict: Verdict): Promise<void> {
    const { serial } = card;
    const { station } = verdict;
    const note = { serial, station, program: "", segment: -1, event: "rejected" } as const;
    const { journal } = this.#shift.parts;
    await this.#shift.journalled(journal.write({ ...note, detail: rejectedDetail(card, verdict) }));
    card.verdict = verdict;
  }

  /** A card whose verdict is durable. */
  async reject(station: MachineStation, head: HeadState, card: CardInWork, verdict: Verdict): Promise<void> {
    const shift = this.#shift;
    const personalised =
      card.bound !== undefined &&
      (hasReached(card.stage, "personalised") || verdict.station === "personalization");
    const terminated = personalised && (await this.#terminate(head, card, verdict.code));
    const end = { kind: "rejected", ...verdict, personalised, terminated } as const;
    await this.#depart(head, card, end, { at: "reject" });
    shift.counts.rejected++;
    station.rejected++;
    shift.tell({
      kind: "rejected",
      serial: card.serial,
      label: card.label,
      ...verdict,
      terminated,
      ...(card.bound === undefined ? {} : { record: card.bound.record.number }),
    });
    const stop = shift.limits.rejected(verdict.station, verdict.code);
    if (stop !== undefined) shift.stop(stop);
    const why = shift.limits.rejectedAt(verdict.station, head.head.number);
    if (why !== undefined) await shift.park(station, head, why);
  }

  async hold(station: MachineStation, head: HeadState, card: CardInWork, question: string): Promise<void> {
    await this.#depart(head, card, { kind: "held", station: station.name, question }, { at: "hold" });
    this.#held(card, station.name, question);
  }

  /** A card of the accounts whose body is nowhere in the machine. */
  async missing(card: CardInWork, question: string): Promise<void> {
    await this.finish(card, { kind: "held", station: "line", question });
    this.#held(card, "line", question);
  }

  /** A card that went to another room by a tray, and did not come back in it. */
  async lost(station: MachineStation, card: CardInWork, question: string): Promise<void> {
    const shift = this.#shift;
    await this.finish(card, { kind: "held", station: station.name, question });
    shift.bound--;
    const { waiting } = await shift.asked(shift.parts.accounts.progress(shift.parts.order));
    shift.waiting = Math.max(shift.waiting, waiting);
    this.#held(card, station.name, question);
  }

  #held({ serial, label }: CardInWork, station: string, question: string): void {
    this.#shift.counts.held++;
    this.#shift.tell({ kind: "held", serial, label, station, question });
  }

  async restock(from: HeadState | SlotState, card: CardInWork): Promise<void> {
    await this.#depart(from, card, { kind: "restocked", stage: card.stage }, { at: "hopper" });
    this.#shift.counts.restocked++;
    this.#shift.tell({ kind: "restocked", serial: card.serial, label: card.label, stage: card.stage });
  }

  async finish(card: CardInWork, end: CardEnd): Promise<void> {
    const { times, findings, pictures } = card;
    const left = leftOf(card, this.#shift.machine);
    const history = { times, findings, left, ...(pictures === undefined ? {} : { pictures }) };
    await this.#shift.asked(this.#shift.parts.accounts.finish({ serial: card.serial, end, history }));
    this.#shift.forget([card.serial]);
  }

  /** First the accounts, then the body: a body in the machine that the accounts know as rejected, held or in stock still has to be moved. */
  async #depart(from: HeadState | SlotState, card: CardInWork, end: CardEnd, to: Place): Promise<void> {
    const shift = this.#shift;
    await this.finish(card, end);
    if (card.bound === undefined) shift.unbound--;
    else {
      shift.bound--;
      // Whether the record waits again (or is held after too many cards) is for the accounts to say.
      const { waiting } = await shift.asked(shift.parts.accounts.progress(shift.parts.order));
      shift.waiting = Math.max(shift.waiting, waiting);
    }
    try {
      await shift.move(from.place, to);
    } catch (problem) {
      // Its end is booked: no other head may work on it again. The next run finds the body here and moves it.
      from.card = undefined;
      throw problem;
    }
    clear(from);
  }

  /** A reject may still be a live credential: it is ended under its own session where that is possible. */
  async #terminate(head: HeadState, card: CardInWork, code: RejectCode): Promise<boolean> {
    if (code === "mute" || code === "card-cryptogram" || code === "foreign-card") return false;
    const { surroundings } = this.#shift.parts;
    const { product, hsm, journal, world, outside } = surroundings;
    const visit = { ...surroundings, head: head.head, challenges: this.#shift.challenges };
    // A card that was not finished may have the issuer's keys or still the initial ones; asking under the wrong set costs no try.
    const programs = hasReached(card.stage, "personalised")
      ? [product.termination]
      : [product.termination, product.terminationInitial];
    try {
      for (const program of programs) {
        if (program === undefined) continue;
        const outcome = await withChip(card, visit, ["completed"], (channel) =>
          runProgram({
            program,
            station: "termination",
            serial: card.serial,
            channel,
            hsm,
            journal,
            world,
            outside,
          }),
        );
        if (outcome.kind === "passed") return true;
      }
      return false;
    } catch (problem) {
      if (problem instanceof DeviceFault) return false;
      throw problem;
    }
  }
}
