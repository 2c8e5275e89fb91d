/**
 * Moves cards through stations: bounded queues (a full queue holds the station before it), n heads each, late binding, reject bin, remake.
 * One loop looks at the whole machine whenever something has changed and starts whatever can go on; nobody blocks, so the line has come
 * to rest exactly when nothing is under way.
 */
import { type Outcome, type RejectCode, runProgram, type Serial } from "@persoline/card/program";
import { DeviceFault } from "../devices/problem.js";
import type { Place } from "../devices/transport/port.js";
import type { BoundRecord, CardEnd } from "../ledger/types.js";
import { Challenges } from "./challenges.js";
import { withChip } from "./contact.js";
import type { LineCounts, LineEvent, LineParts, LineResult, LineView } from "./line-types.js";
import {
  allHalted,
  type HeadState,
  hasPassed,
  hasPassedAll,
  type MachineStation,
  machineOf,
  nextWaiting,
  type SlotState,
} from "./machine.js";
import { type Found, recover } from "./recovery.js";
import { type CardInWork, hasReached, newCard, type Station, works } from "./station.js";

/** LineEvent without its time, member by member. */
type Told = LineEvent extends infer Event ? (Event extends unknown ? Omit<Event, "at"> : never) : never;
type Rejection = Extract<Outcome, { kind: "rejected" }>;

/** Good cards that the rate is measured over. */
const rateOver = 60;

export class Line {
  readonly #parts: LineParts;
  /** Of all its cards, as long as the line stands. */
  readonly #challenges = new Challenges();
  readonly #machine: readonly MachineStation[];
  readonly #counts = { fed: 0, good: 0, rejected: 0, held: 0, restocked: 0, remade: 0, recovered: 0 };
  /** Records that wait for a card, less those a card is being bound to right now. */
  #waiting = 0;
  #unbound = 0;
  #boundInWork = 0;
  #stopping: "no" | "asked" | "halted" = "no";
  #why = "";
  #hopperEmpty = false;
  #refusedInARow = 0;
  #turns = 0;
  #active = 0;
  #rest: (() => void) | undefined;
  /** What broke a promise of the program itself, not of a device: thrown when all others have ended safely. */
  #broken: { readonly problem: unknown } | undefined;
  #began = 0;
  readonly #goodAt: number[] = [];

  constructor(parts: LineParts) {
    this.#parts = parts;
    this.#machine = machineOf(parts.stations);
  }

  /** Produces the order's waiting records. Throws what is no device's fault (accounts that contradict themselves) after all heads have come to rest. */
  async run(): Promise<LineResult> {
    const { accounts, order } = this.#parts;
    this.#began = this.#now();
    const found = await this.#recover();
    let progress = await this.#asked(accounts.progress(order));
    this.#waiting = progress.waiting;
    const missing = Math.max(0, this.#waiting - this.#unbound - progress.blanksInStock);
    if (missing > 0) {
      this.#halt(`the stock has ${String(missing)} blanks too few`, "asked");
    }
    for (const { card, at, verdict } of found.inMachine) this.#takeUp(card, at, verdict);
    for (;;) {
      await this.#untilRest();
      if (this.#broken !== undefined) throw this.#broken.problem;
      progress = await this.#asked(accounts.progress(order));
      const changed = progress.waiting !== this.#waiting;
      this.#waiting = progress.waiting;
      if (!changed || this.#stopping !== "no" || this.#hopperEmpty) break;
    }
    return this.#result(missing, progress.inProduction);
  }

  /** No new card is begun; bound cards are finished, unbound ones go back to stock with the stage they have. Returns at once. */
  stop(why = "stopped by hand"): void {
    this.#halt(why, "asked");
  }

  view(): LineView {
    const now = this.#now();
    const elapsed = Math.max(1, now - this.#began);
    return {
      at: now,
      seconds: elapsed / 1000,
      stations: this.#machine.map((station) => ({
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
      counts: { ...this.#counts },
      waiting: this.#waiting,
      cardsPerHour: this.#rate(),
      stopping: this.#stopping !== "no",
    };
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
    for (let at = this.#machine.length - 1; at >= 0; at--) {
      const station = this.#machine[at];
      if (station === undefined) continue;
      for (const head of station.heads) this.#lookAtHead(station, head, this.#machine[at + 1]);
      for (const slot of station.slots) {
        const card = slot.card;
        if (slot.state !== "waiting" || card === undefined || !this.#isSurplus(card)) continue;
        slot.state = "leaving";
        this.#begin(() => this.#restock(slot, card));
      }
    }
    if (this.#active === 0) this.#rest?.();
  }

  #lookAtHead(station: MachineStation, head: HeadState, next: MachineStation | undefined): void {
    const { card } = head;
    if (head.state === "done" && card !== undefined) {
      if (this.#isSurplus(card)) {
        head.state = "busy";
        this.#begin(() => this.#restock(head, card));
      } else if (next === undefined) {
        head.state = "busy";
        this.#begin(() => this.#good(head, card));
      } else if (!allHalted(next)) {
        const slot = next.slots.find(({ state }) => state === "free");
        if (slot === undefined) return;
        slot.state = "arriving";
        head.state = "busy";
        this.#begin(() => this.#queue(head, card, slot));
      }
      return;
    }
    if (head.state !== "idle") return;
    const stranded = station.heads.find(
      (other) => other.state === "halted" && other.card?.interrupted !== undefined,
    );
    const slot = nextWaiting(station, (waiting) => this.#mayBegin(station, waiting));
    if (stranded?.card !== undefined && this.#stopping !== "halted") {
      const taken = stranded.card;
      stranded.card = undefined;
      head.state = "busy";
      this.#begin(() => this.#take(station, head, stranded.place, taken), head);
    } else if (slot?.card !== undefined) {
      const taken = slot.card;
      slot.state = "leaving";
      head.state = "busy";
      this.#begin(() => this.#take(station, head, slot.place, taken, slot), head);
    } else if (station === this.#machine[0] && this.#wantsBlank()) {
      this.#unbound++;
      head.state = "busy";
      this.#begin(() => this.#feed(station, head), head);
    }
  }

  #wantsBlank(): boolean {
    return this.#stopping === "no" && !this.#hopperEmpty && this.#unbound < this.#waiting;
  }

  /** An unbound card that nobody will need any more. */
  #isSurplus(card: CardInWork): boolean {
    if (card.bound !== undefined) return false;
    return this.#stopping !== "no" || (this.#waiting <= 0 && this.#boundInWork === 0);
  }

  /** Late binding: a card without a record does not go on to personalization while no record waits. */
  #mayBegin(station: MachineStation, card: CardInWork): boolean {
    if (card.bound !== undefined || !station.works.some(({ name }) => name === "personalization"))
      return true;
    return this.#waiting > 0;
  }

  /** `head`: whose fault stops it. */
  #begin(task: () => Promise<void>, head?: HeadState): void {
    this.#active++;
    void task()
      .catch((problem: unknown) => this.#failed(problem, head))
      .catch((problem: unknown) => {
        this.#break(problem);
      })
      .then(() => {
        this.#active--;
        this.#look();
      });
  }

  async #failed(problem: unknown, head: HeadState | undefined): Promise<void> {
    if (head !== undefined) head.state = "halted";
    const fault = faultIn(problem);
    if (fault === undefined) this.#break(problem);
    else await this.#halted(head, fault.device, fault.code, fault.message);
  }

  #break(problem: unknown): void {
    this.#broken ??= { problem };
    this.#halt(problem instanceof Error ? problem.message : "the line broke a rule of its own", "halted");
  }

  // --- what happens to one card

  async #feed(station: MachineStation, head: HeadState): Promise<void> {
    const { transport, accounts, order, name } = this.#parts;
    let fed: Awaited<ReturnType<typeof transport.feed>>;
    try {
      fed = await this.#jamming(() => transport.feed(head.place));
    } catch (problem) {
      this.#unbound--;
      throw problem;
    }
    if (fed === "empty") {
      this.#unbound--;
      this.#hopperEmpty = true;
      head.state = "idle";
      return;
    }
    const { label } = fed;
    const started =
      label === undefined
        ? ({ ok: false, why: "unknown" } as const)
        : await this.#asked(accounts.start({ label, order, line: name }));
    if (!started.ok) {
      this.#unbound--;
      await this.#refuse(head.place, label, started.why);
      head.state = "idle";
      return;
    }
    this.#refusedInARow = 0;
    this.#counts.fed++;
    const card = newCard(started.blank);
    head.card = card;
    this.#tell({ kind: "fed", label: card.label, serial: card.serial, stage: card.stage });
    await this.#work(station, head, card);
  }

  /** A body that must not be worked on: unknown, twice there, or rejected before. */
  async #refuse(from: Place, label: string | undefined, why: string): Promise<void> {
    const what = label === undefined ? "a body without a readable number" : `body ${label}`;
    this.#tell({
      kind: "alarm",
      detail: `${what} was fed, but it is ${why} in the accounts: put aside, untouched`,
    });
    if (why === "in-process") {
      for (const { card } of this.#machine.flatMap(({ heads, slots }) => [...heads, ...slots])) {
        if (card !== undefined && card.label === label) {
          card.suspect = `a second body with the number ${card.label} was fed`;
        }
      }
    }
    await this.#move(from, why === "rejected" || why === "destroyed" ? { at: "reject" } : { at: "hold" });
    if (++this.#refusedInARow >= this.#limits().rejectsInARow) {
      this.#halt(
        `${String(this.#refusedInARow)} bodies in a row are not ours to work on: is this the right stock?`,
        "asked",
      );
    }
  }

  /** Takes a card to a head of this station and works on it. */
  async #take(
    station: MachineStation,
    head: HeadState,
    from: Place,
    card: CardInWork,
    slot?: SlotState,
  ): Promise<void> {
    try {
      await this.#move(from, head.place);
    } catch (problem) {
      // It lies where it was: the next run finds it there.
      if (slot !== undefined) slot.state = "waiting";
      throw problem;
    }
    head.card = card;
    if (slot !== undefined) clear(slot);
    // The freed place may be what the station before waits for.
    this.#look();
    await this.#work(station, head, card);
  }

  async #work(station: MachineStation, head: HeadState, card: CardInWork): Promise<void> {
    for (const work of station.works) {
      if (hasPassed(card, work)) continue;
      if (card.suspect !== undefined) {
        await this.#hold(station, head, card, card.suspect);
        return;
      }
      if (this.#isSurplus(card)) break;
      if (work.name === "personalization" && card.bound === undefined && !(await this.#bind(card))) {
        await this.#restock(head, card);
        return;
      }
      if (!(await this.#visit(station, head, card, work))) return;
    }
    head.state = "done";
  }

  /** One visit and what follows from it; false when the card goes no further. */
  async #visit(station: MachineStation, head: HeadState, card: CardInWork, work: Station): Promise<boolean> {
    const where = { station: station.name, head: head.head.number, work: work.name, serial: card.serial };
    const began = this.#now();
    head.work = work;
    this.#tell({ kind: "visit", ...where });
    const outcome = await this.#outcomeOf(work, card, head);
    const ms = this.#now() - began;
    head.work = undefined;
    station.busyMs += ms;
    card.times.push({ station: work.name, head: head.head.number, ms });
    this.#tell({ kind: "visited", ...where, outcome: outcome.kind, ms });
    switch (outcome.kind) {
      case "passed": {
        for (const finding of outcome.findings ?? []) card.findings.push({ ...finding, station: work.name });
        const note = {
          serial: card.serial,
          station: work.name,
          program: "",
          segment: -1,
          event: "passed",
        } as const;
        await this.#journalled(this.#parts.journal.write(note));
        card.stage = works[work.name];
        card.passed.push(work.name);
        station.passed++;
        station.rejectedInARow = 0;
        station.cryptogramsInARow = 0;
        return true;
      }
      case "rejected":
        await this.#reject(station, head, card, work, outcome);
        return false;
      case "held":
        await this.#hold(station, head, card, outcome.question);
        return false;
      case "returned":
        await this.#hold(
          station,
          head,
          card,
          `${outcome.detail}; it was not touched: give it back to its owner`,
        );
        return false;
      case "halted":
        head.state = "halted";
        await this.#halted(head, outcome.device, outcome.code, outcome.detail);
        return false;
    }
  }

  async #outcomeOf(work: Station, card: CardInWork, head: HeadState): Promise<Outcome> {
    try {
      return await work.visit(card, {
        ...this.#parts.surroundings,
        head: head.head,
        challenges: this.#challenges,
      });
    } catch (problem) {
      const fault = faultIn(problem);
      if (fault === undefined) throw problem;
      const { device, code, message } = fault;
      return {
        kind: "halted",
        device,
        code: code === "jam" || code === "disk-full" ? "refused" : code,
        detail: message,
      };
    }
  }

  /** Late binding: false when no record waits after all. */
  async #bind(card: CardInWork): Promise<boolean> {
    const { accounts, order, journal } = this.#parts;
    this.#waiting--;
    const bound = await this.#asked(accounts.bind({ serial: card.serial, order }));
    if (bound === "none-waiting") {
      this.#waiting = 0;
      return false;
    }
    this.#unbound--;
    await this.#prepare(card, bound);
    const { number } = bound.record;
    await this.#journalled(
      journal.write({
        serial: card.serial,
        station: "personalization",
        program: "",
        segment: -1,
        event: "bound",
        detail: String(number),
      }),
    );
    if (bound.attempt > 1) this.#counts.remade++;
    this.#tell({ kind: "bound", serial: card.serial, record: number, attempt: bound.attempt });
    return true;
  }

  async #prepare(card: CardInWork, bound: BoundRecord): Promise<void> {
    const { surroundings, prepareRecord, order } = this.#parts;
    this.#boundInWork++;
    const prepared = await surroundings.world.outside(surroundings.outside.workerMs, prepareRecord(bound));
    const { record, attempt, pins } = bound;
    card.bound = { record, attempt, secrets: { order, record: record.number, pins }, prepared };
    if (!hasReached(card.stage, "bound")) card.stage = "bound";
  }

  // --- how a card leaves

  async #queue(head: HeadState, card: CardInWork, slot: SlotState): Promise<void> {
    try {
      await this.#move(head.place, slot.place);
    } catch (problem) {
      slot.state = "free";
      head.state = "halted";
      throw problem;
    }
    slot.card = card;
    slot.state = "waiting";
    slot.turn = this.#turns++;
    clear(head);
  }

  /** First the body in its slot, then the accounts: a body that is not in the machine and had passed everything can only be there. */
  async #good(head: HeadState, card: CardInWork): Promise<void> {
    const record = card.bound?.record.number;
    if (record === undefined) throw new Error(`card ${card.label} has passed every station without a record`);
    await this.#move(head.place, { at: "good", slot: record });
    await this.#finish(card, { kind: "good" });
    clear(head);
    this.#boundInWork--;
    this.#counts.good++;
    this.#goodAt.push(this.#now());
    if (this.#goodAt.length > rateOver) this.#goodAt.shift();
    this.#tell({ kind: "good", serial: card.serial, label: card.label, record });
  }

  async #reject(
    station: MachineStation,
    head: HeadState,
    card: CardInWork,
    work: Pick<Station, "name">,
    outcome: Rejection,
  ): Promise<void> {
    const personalised =
      card.bound !== undefined && (hasReached(card.stage, "personalised") || work.name === "personalization");
    const { code, detail } = outcome;
    const terminated = personalised && (await this.#terminate(head, card, code));
    const end = { kind: "rejected", station: work.name, code, detail, personalised, terminated } as const;
    await this.#depart(head, card, end, { at: "reject" });
    this.#counts.rejected++;
    station.rejected++;
    station.rejectedInARow++;
    this.#tell({
      kind: "rejected",
      serial: card.serial,
      label: card.label,
      station: work.name,
      code,
      detail,
      terminated,
      ...(card.bound === undefined ? {} : { record: card.bound.record.number }),
    });
    if (code === "card-cryptogram" && ++station.cryptogramsInARow >= this.#limits().cryptogramsInARow) {
      this.#halt(
        `${String(station.cryptogramsInARow)} cards in a row at ${station.name} do not know the key set: it is the wrong one, not the cards`,
        "halted",
      );
    }
    if (station.rejectedInARow >= this.#limits().rejectsInARow) {
      this.#halt(
        `${String(station.rejectedInARow)} rejects in a row at ${station.name}: look at the machine first`,
        "asked",
      );
    }
  }

  /** A reject may still be a live credential: it is ended under its own session where that is possible. */
  async #terminate(head: HeadState, card: CardInWork, code: RejectCode): Promise<boolean> {
    if (code === "mute" || code === "card-cryptogram" || code === "foreign-card") return false;
    const { surroundings } = this.#parts;
    const { product, hsm, journal, world, outside } = surroundings;
    const visit = { ...surroundings, head: head.head, challenges: this.#challenges };
    // A card that was not finished may have the issuer's keys or still the initial ones; asking under the wrong set costs no try.
    const programs = hasReached(card.stage, "personalised")
      ? [product.termination]
      : [product.termination, product.terminationInitial];
    try {
      for (const program of programs) {
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

  async #hold(station: MachineStation, head: HeadState, card: CardInWork, question: string): Promise<void> {
    await this.#depart(head, card, { kind: "held", station: station.name, question }, { at: "hold" });
    this.#counts.held++;
    this.#tell({ kind: "held", serial: card.serial, label: card.label, station: station.name, question });
  }

  async #restock(from: HeadState | SlotState, card: CardInWork): Promise<void> {
    await this.#depart(from, card, { kind: "restocked", stage: card.stage }, { at: "hopper" });
    this.#counts.restocked++;
    this.#tell({ kind: "restocked", serial: card.serial, label: card.label, stage: card.stage });
  }

  /** First the accounts, then the body: a body in the machine that the accounts know as rejected, held or in stock still has to be moved. */
  async #depart(from: HeadState | SlotState, card: CardInWork, end: CardEnd, to: Place): Promise<void> {
    await this.#finish(card, end);
    if (card.bound === undefined) this.#unbound--;
    else {
      this.#boundInWork--;
      // Whether the record waits again (or is held after too many cards) is for the accounts to say.
      const { waiting } = await this.#asked(this.#parts.accounts.progress(this.#parts.order));
      this.#waiting = Math.max(this.#waiting, waiting);
    }
    try {
      await this.#move(from.place, to);
    } catch (problem) {
      // Its end is booked: no other head may work on it again. The next run finds the body here and moves it.
      from.card = undefined;
      throw problem;
    }
    clear(from);
  }

  async #finish(card: CardInWork, end: CardEnd): Promise<void> {
    const { times, findings, pictures } = card;
    const history = { times, findings, ...(pictures === undefined ? {} : { pictures }) };
    await this.#asked(this.#parts.accounts.finish({ serial: card.serial, end, history }));
    this.#forget([card.serial]);
  }

  /** Nobody waits for it: notes that outlive their card do no harm and are dropped at the next start. */
  #forget(serials: readonly Serial[]): void {
    this.#parts.journal.forget(serials).catch((problem: unknown) => {
      this.#break(problem);
    });
  }

  // --- faults of the machine

  #move(from: Place, to: Place): Promise<void> {
    return this.#jamming(() => this.#parts.transport.move(from, to));
  }

  /** A stuck card is tried again a few times; every jam is told with its cause. */
  async #jamming<T>(act: () => Promise<T>): Promise<T> {
    for (let jams = 1; ; jams++) {
      try {
        return await act();
      } catch (problem) {
        if (!(problem instanceof DeviceFault) || problem.code !== "jam") throw problem;
        this.#tell({ kind: "alarm", detail: `jam: ${problem.message}` });
        if (jams > this.#limits().jams) throw problem;
      }
    }
  }

  /** That head stops; the line goes on while others can do its work. */
  async #halted(head: HeadState | undefined, device: string, code: string, detail: string): Promise<void> {
    const station = this.#machine.find(({ heads }) => head !== undefined && heads.includes(head));
    this.#tell({
      kind: "halted",
      station: station?.name ?? "line",
      head: head?.head.number ?? -1,
      device,
      code,
      detail,
    });
    const shared =
      code === "journal" || code === "security-module" || code === "wrong-keys" || code === "disk-full";
    if (shared || station === undefined || allHalted(station)) this.#halt(`${device}: ${detail}`, "halted");
    const card = head?.card;
    if (card !== undefined && code !== "journal") {
      const states = await this.#asked(this.#parts.journal.states());
      const known = states.find(({ serial }) => serial === card.serial);
      card.interrupted = {
        resumes: known?.resumes ?? 0,
        ...(known?.open === undefined ? {} : { open: known.open }),
      };
    }
  }

  #halt(why: string, how: "asked" | "halted"): void {
    if (this.#stopping === "no") {
      this.#why = why;
      this.#tell({ kind: "stopping", detail: why });
    }
    if (this.#stopping !== "halted") this.#stopping = how;
  }

  // --- after an interruption

  async #recover(): Promise<Found> {
    const found = await recover(this.#parts, this.#machine, (promise) => this.#asked(promise));
    if (found.stale.length > 0) this.#forget(found.stale);
    for (const { detail } of found.alarms) this.#tell({ kind: "alarm", detail });
    for (const { place, to } of found.misplaced) await this.#move(place, to);
    for (const card of found.arrived) {
      await this.#finish(card, { kind: "good" });
      this.#counts.recovered++;
    }
    for (const { card, question } of found.missing) {
      await this.#finish(card, { kind: "held", station: "line", question });
      this.#counts.held++;
      this.#tell({ kind: "held", serial: card.serial, label: card.label, station: "line", question });
    }
    for (const { card, bound, at } of found.inMachine) {
      this.#counts.recovered++;
      at.card = card;
      if (bound === undefined) this.#unbound++;
      else await this.#prepare(card, bound);
    }
    const { length } = found.inMachine;
    if (length + found.arrived.length + found.missing.length > 0) {
      const detail = `${String(length)} cards in the machine are taken up, ${String(found.arrived.length)} had arrived, ${String(found.missing.length)} were not found`;
      this.#tell({ kind: "recovered", cards: length, detail });
    }
    return found;
  }

  #takeUp(card: CardInWork, at: HeadState | SlotState, verdict: Rejection | undefined): void {
    const station = this.#machine.find(({ heads, slots }) =>
      [...heads, ...slots].some((place) => place === at),
    );
    if (station === undefined) return;
    if (!("head" in at)) {
      at.state = "waiting";
      at.turn = this.#turns++;
      return;
    }
    const work = station.works.find((next) => !hasPassed(card, next)) ?? station.works.at(-1);
    if (verdict !== undefined && work !== undefined) {
      at.state = "busy";
      this.#begin(() => this.#reject(station, at, card, work, verdict), at);
    } else if (hasPassedAll(card, station)) {
      at.state = "done";
    } else {
      at.state = "busy";
      this.#begin(() => this.#work(station, at, card), at);
    }
  }

  // --- small things

  #result(missing: number, inProduction: number): LineResult {
    const stillMissing = this.#hopperEmpty ? Math.max(missing, this.#waiting) : missing;
    const ended =
      this.#stopping === "halted" || (this.#stopping === "no" && inProduction > 0)
        ? "halted"
        : stillMissing > 0
          ? "stock-too-small"
          : this.#stopping === "asked" && this.#waiting + inProduction > 0
            ? "stopped"
            : "complete";
    const ms = this.#now() - this.#began;
    return {
      ended,
      detail: ended === "stock-too-small" ? `${String(stillMissing)} more blanks are needed` : this.#why,
      missing: ended === "stock-too-small" ? stillMissing : 0,
      counts: { ...this.#counts } satisfies LineCounts,
      ms,
      cardsPerHour: ms > 0 ? (this.#counts.good * 3_600_000) / ms : 0,
    };
  }

  #rate(): number {
    const first = this.#goodAt[0];
    const last = this.#goodAt.at(-1);
    if (first === undefined || last === undefined || last <= first) return 0;
    return ((this.#goodAt.length - 1) * 3_600_000) / (last - first);
  }

  #limits(): LineParts["surroundings"]["limits"] {
    return this.#parts.surroundings.limits;
  }

  #now(): number {
    return this.#parts.surroundings.world.now();
  }

  /** Accounts and journal live outside this process as far as time is concerned. */
  #asked<T>(answer: Promise<T>): Promise<T> {
    const { world, outside } = this.#parts.surroundings;
    return world.outside(outside.accountsMs, answer);
  }

  #journalled(answer: Promise<void>): Promise<void> {
    const { world, outside } = this.#parts.surroundings;
    return world.outside(outside.journalMs, answer);
  }

  #tell(event: Told): void {
    this.#parts.onEvent?.({ at: this.#now(), ...event });
  }
}

function clear(place: HeadState | SlotState): void {
  place.card = undefined;
  if ("head" in place) place.state = "idle";
  else place.state = "free";
}

/** The journal's fault comes from another room, which devices know nothing of; it is one all the same. */
function faultIn(problem: unknown): Pick<DeviceFault, "device" | "code" | "message"> | undefined {
  if (problem instanceof DeviceFault) return problem;
  if (!(problem instanceof Error) || !("device" in problem) || problem.device !== "journal") return undefined;
  return { device: "journal", code: "journal", message: problem.message };
}
