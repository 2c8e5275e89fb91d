/** One run of a line as all its parts see it: the machine, the figures, whether and why it is stopping, and what it tells. */
import type { Finding, Serial } from "@persoline/card/program";
import { DeviceFault } from "../devices/problem.js";
import { isInMachine, type Place } from "../devices/transport/port.js";
import { isCompleted, proofOf } from "../ledger/proof.js";
import type { LineCounts, LineEvent, LineParts, ParkedHead } from "./line-types.js";
import { Challenges } from "./challenges.js";
import { allHalted, type HeadState, type MachineStation, machineOf } from "./machine.js";
import type { CardInWork, Station } from "./station.js";
import { type Stop, StopLimits } from "./stop-limits.js";

/** LineEvent without its time, member by member. */
type Told = LineEvent extends infer Event ? (Event extends unknown ? Omit<Event, "at"> : never) : never;
type Counts = { -readonly [Name in keyof LineCounts]: number };

/** Good cards that the rate is measured over. */
const rateOver = 60;

export class Shift {
  readonly parts: LineParts;
  readonly machine: readonly MachineStation[];
  /** Of all its cards, as long as the line stands. */
  readonly challenges = new Challenges();
  readonly limits: StopLimits;
  readonly counts: Counts = {
    fed: 0,
    good: 0,
    rejected: 0,
    held: 0,
    restocked: 0,
    remade: 0,
    recovered: 0,
    online: 0,
  };
  /** Records that wait for a card, less those a card is being bound to right now. */
  waiting = 0;
  /** Cards in the machine without a record, and with one. */
  unbound = 0;
  bound = 0;
  hopperEmpty = false;
  /** Whoever brings the cards has had enough, whatever the stock still has. */
  endedByPerson = false;
  /** Why no blank was fed last time: some bin has no room for one more than what is in the machine. Asked again when a body has left. */
  noRoom: DeviceFault | undefined;
  began = 0;
  /** Heads that were stopped for what they threw out. */
  readonly parked: ParkedHead[] = [];
  /** When the last good cards were made. */
  readonly goodAt: number[] = [];
  #stopping: "no" | Stop["how"] = "no";
  #why = "";
  /** What broke a promise of the program itself, not of a device: thrown when all others have ended safely. */
  #broken: { readonly problem: unknown } | undefined;
  #turns = 0;

  constructor(parts: LineParts) {
    this.parts = parts;
    this.machine = machineOf(parts.stations);
    this.limits = new StopLimits(parts.surroundings.limits);
  }

  get stopping(): "no" | Stop["how"] {
    return this.#stopping;
  }

  get why(): string {
    return this.#why;
  }

  get broken(): { readonly problem: unknown } | undefined {
    return this.#broken;
  }

  // --- stopping

  /** The first reason is the one that is told; a halt goes further than a stop. */
  stop({ how, why }: Stop): void {
    if (this.#stopping === "no") {
      this.#why = why;
      this.tell({ kind: "stopping", detail: why });
    }
    if (this.#stopping !== "halted") this.#stopping = how;
  }

  break(problem: unknown): void {
    this.#broken ??= { problem };
    const why = problem instanceof Error ? problem.message : "the line broke a rule of its own";
    this.stop({ how: "halted", why });
  }

  /** Nothing is begun at work that had its row of rejects, nor anywhere once the line has halted. */
  isClosed(works: readonly Station[]): boolean {
    return this.#stopping === "halted" || works.some(({ name }) => this.limits.isShut(name));
  }

  /** An unbound card that nobody will need any more. */
  isSurplus(card: CardInWork): boolean {
    if (card.bound !== undefined || card.verdict !== undefined) return false;
    return this.#stopping !== "no" || (this.waiting <= 0 && this.bound === 0);
  }

  // --- faults of the machine

  /** What was thrown while this head was at work: a device's fault stops the head, anything else the line. */
  async failed(problem: unknown, head: HeadState | undefined): Promise<void> {
    if (head !== undefined) head.state = "halted";
    const fault = faultIn(problem);
    if (fault === undefined) this.break(problem);
    else await this.headHalted(head, fault);
  }

  /** That head stops; the line goes on while others can do its work. */
  async headHalted(
    head: HeadState | undefined,
    { device, code, message }: { readonly device: string; readonly code: string; readonly message: string },
  ): Promise<void> {
    const station = this.machine.find(({ heads }) => head !== undefined && heads.includes(head));
    this.tell({
      kind: "halted",
      station: station?.name ?? "line",
      head: head?.head.number ?? -1,
      device,
      code,
      detail: message,
    });
    const shared =
      code === "journal" || code === "security-module" || code === "wrong-keys" || code === "disk-full";
    // The bins still have room for all that is in the machine.
    if (code === "bin-full") this.stop({ how: "no-room", why: `${device}: ${message}` });
    else if (shared || station === undefined || allHalted(station)) {
      this.stop({ how: "halted", why: `${device}: ${message}` });
    }
    const card = head?.card;
    if (card !== undefined && code !== "journal") {
      const states = await this.asked(this.parts.journal.states());
      const known = states.find(({ serial }) => serial === card.serial);
      card.interrupted = {
        resumes: known?.resumes ?? 0,
        ...(known?.open === undefined ? {} : { open: known.open }),
      };
    }
  }

  /** A head that throws cards out which others would pass takes no further one; its card has left. The last head goes on: its row stops the line. */
  async park(station: MachineStation, head: HeadState, why: string): Promise<void> {
    if (station.heads.every((other) => other === head || other.state === "halted")) return;
    head.state = "halted";
    const { number } = head.head;
    this.parked.push({ station: station.name, head: number, why });
    await this.headHalted(head, {
      device: `${station.name}/${String(number + 1)}`,
      code: "rejects",
      message: why,
    });
  }

  async move(from: Place, to: Place, again?: "again"): Promise<void> {
    await this.jamming(() => this.parts.transport.move(from, to, again));
    if (!isInMachine(to.at)) this.noRoom = undefined;
  }

  /** A stuck card is tried again a few times; every jam is told with its cause. */
  async jamming<T>(act: () => Promise<T>): Promise<T> {
    for (let jams = 1; ; jams++) {
      try {
        return await act();
      } catch (problem) {
        if (!(problem instanceof DeviceFault) || problem.code !== "jam") throw problem;
        this.tell({ kind: "alarm", detail: `jam: ${problem.message}` });
        if (jams > this.parts.surroundings.limits.jams) throw problem;
      }
    }
  }

  // --- small things

  /** Nobody waits for it: notes that outlive their card do no harm and are dropped at the next start. */
  forget(serials: readonly Serial[]): void {
    this.parts.journal.forget(serials).catch((problem: unknown) => {
      this.break(problem);
    });
  }

  countGood(findings: readonly Finding[]): void {
    this.counts.good++;
    const transaction = proofOf(findings)?.transaction;
    if (transaction !== undefined && isCompleted(transaction)) this.counts.online++;
    this.goodAt.push(this.now());
    if (this.goodAt.length > rateOver) this.goodAt.shift();
  }

  /** Order of arrival, over all queues. */
  nextTurn(): number {
    return this.#turns++;
  }

  now(): number {
    return this.parts.surroundings.world.now();
  }

  /** Accounts and journal live outside this process as far as time is concerned. */
  asked<T>(answer: Promise<T>): Promise<T> {
    const { world, outside } = this.parts.surroundings;
    return world.outside(outside.accountsMs, answer);
  }

  journalled(answer: Promise<void>): Promise<void> {
    const { world, outside } = this.parts.surroundings;
    return world.outside(outside.journalMs, answer);
  }

  tell(event: Told): void {
    this.parts.onEvent?.({ at: this.now(), ...event });
  }
}

/** The journal's fault comes from another room, which devices know nothing of; it is one all the same. */
export function faultIn(problem: unknown): Pick<DeviceFault, "device" | "code" | "message"> | undefined {
  if (problem instanceof DeviceFault) return problem;
  if (!(problem instanceof Error) || !("device" in problem) || problem.device !== "journal") return undefined;
  return { device: "journal", code: "journal", message: problem.message };
}
