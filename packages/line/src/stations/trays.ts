/**
 * Cards on their way to a machine in another room and back, by the tray. What is done to a tray is in the line's book before it is done, and
 * each step may be done again: after a kill on either side a tray is taken up where it stands. Its cards are journalled as marked, or as
 * rejects, only when they lie here again.
 */
import type { Serial } from "@persoline/card/program";
import type { TrayCard, TrayCount, TrayRoom } from "../devices/marker/port.js";
import { DeviceFault } from "../devices/problem.js";
import {
  differenceText,
  differs,
  type OpenTray,
  sameResult,
  type TrayBook,
  type TrayEntry,
  trayMark,
  type TrayResult,
} from "../ledger/trays.js";
import { passedDetail } from "./history.js";
import type { Leaving } from "./leaving.js";
import { clear, type HeadState, type MachineStation, type SlotState, type TrayState } from "./machine.js";
import type { Shift } from "./shift.js";
import { boundOf, type CardInWork, markName, marksOf } from "./station.js";

export class Trays {
  readonly #shift: Shift;
  readonly #leaving: Leaving;
  /** Rooms in which this run has looked for trays that nobody here knows. */
  readonly #cleared = new Set<TrayRoom>();
  /** When a card of any of its trays came to an end, or a tray came there: one tray may wait long for its turn. */
  readonly #moved = new Map<TrayRoom, number>();
  /** Why it begins no card, as it said last. */
  readonly #stands = new Map<TrayRoom, string | undefined>();

  constructor(shift: Shift, leaving: Leaving) {
    this.#shift = shift;
    this.#leaving = leaving;
  }

  /** Takes a card that is due from its head into a tray. */
  async load(head: HeadState, card: CardInWork, slot: SlotState): Promise<void> {
    try {
      await this.#shift.move(head.place, slot.place);
    } catch (problem) {
      slot.state = "free";
      head.state = "halted";
      throw problem;
    }
    slot.card = card;
    slot.state = "loaded";
    // Pictures of many cards that wait would fill the memory; they are made again when the card is back.
    card.marks = undefined;
    clear(head);
  }

  /** Sends a loaded tray out, and ends when it is back and counted in, or disputed. */
  async send(station: MachineStation, tray: TrayState): Promise<void> {
    const { order } = this.#shift.parts;
    const cards: TrayEntry[] = [];
    const inTray: CardInWork[] = [];
    for (const { state, card } of tray.slots) {
      if (state !== "loaded" || card === undefined) continue;
      const { record, attempt } = boundOf(card);
      const { mark } = await this.#asked(card, roomOf(station));
      inTray.push(card);
      cards.push({ serial: card.serial, label: card.label, record: record.number, attempt, mark });
    }
    const name = this.#book.nextName(order);
    const sent = { tray: name, station: station.name, number: tray.number, order, cards };
    tray.open = { ...sent, accepted: false };
    tray.cards = inTray;
    await this.#book.out(sent);
    await this.follow(station, tray);
  }

  /** From wherever an open tray stands. Once the line has halted it stays there, for the next run. */
  async follow(station: MachineStation, tray: TrayState): Promise<void> {
    const { transport } = this.#shift.parts;
    const open = openOf(tray);
    if (transport.carry === undefined)
      throw new DeviceFault(
        "line",
        "refused",
        "this line's transport carries no trays: set cards: 1 at its embosser",
      );
    const at = { station: station.name, tray: tray.number };
    let ends = open.result;
    if (ends === undefined) {
      const count = await this.#countedOut(station, tray);
      if (count !== undefined) {
        await transport.carry(at, "away");
        const finished = await this.#finished(station, open.tray, count);
        if (finished === undefined) return;
        ends = resultOf(finished);
      } else ends = forgotten(open);
    }
    await transport.carry(at, "here");
    const result = await this.#looked(tray, ends);
    if (open.result === undefined || !sameResult(open.result, result)) {
      await this.#book.counted(open.tray, result);
      tray.open = { ...without(open), result };
    }
    if (differs(result) && openOf(tray).decision === undefined) {
      this.#dispute(station, tray, result);
      return;
    }
    await this.#takeIn(station, tray, result);
  }

  // --- out

  /** The room's answer; undefined: it had the tray, and knows nothing of it any more. */
  async #countedOut(station: MachineStation, tray: TrayState): Promise<TrayCount | undefined> {
    const room = roomOf(station);
    const open = openOf(tray);
    await this.#clear(room);
    const known = await this.#persistently(room, () => room.state(open.tray));
    if (known === undefined && open.accepted) return undefined;
    let count = known;
    if (count === undefined) {
      const list: TrayCard[] = [];
      for (const card of tray.cards) list.push((await this.#asked(card, room)).card);
      count = await this.#persistently(room, () => room.countOut(open.tray, list));
      const detail = `${String(list.length)} cards counted out to ${room.name}`;
      this.#shift.tell({ kind: "tray", tray: open.tray, station: station.name, how: "out", detail });
    }
    if (!open.accepted) await this.#book.accepted(open.tray);
    tray.open = { ...open, accepted: true };
    return count;
  }

  /** What the room may know of a card: who it is, and its lines. */
  async #asked(
    card: CardInWork,
    room: TrayRoom,
  ): Promise<{ readonly card: TrayCard; readonly mark: number }> {
    // After a kill the marks are made again.
    const jobs =
      card.elsewhere === undefined
        ? await marksOf(card, this.#shift.parts.surroundings)
        : [card.elsewhere.job];
    card.marks = undefined;
    const at = jobs.findIndex(({ kind }) => kind === room.does);
    const job = jobs[at];
    if (job === undefined || !("lines" in job))
      throw new Error(`card ${card.label} was put into a tray and has nothing to ${room.does}`);
    card.elsewhere ??= { mark: at, job };
    const { record, attempt } = boundOf(card);
    const { side, lines } = job;
    const { serial } = card;
    return {
      mark: card.elsewhere.mark,
      card: { serial, record: record.number, attempt, does: room.does, side, lines },
    };
  }

  /** Trays there that the book here knows nothing of: no further card of them is begun, and their lines are erased. */
  async #clear(room: TrayRoom): Promise<void> {
    if (this.#cleared.has(room)) return;
    this.#cleared.add(room);
    const ours = new Set(this.#book.open().map(({ tray }) => tray));
    for (const tray of await this.#persistently(room, () => room.openTrays())) {
      if (ours.has(tray)) continue;
      let count: TrayCount | undefined = await room.withdraw(tray);
      while (count?.finished === false) {
        await room.pause();
        count = await this.#persistently(room, () => room.state(tray));
      }
      if (count === undefined) continue;
      await room.countIn(tray, count);
      const detail = `tray ${tray} was in ${room.name} and in no book here: withdrawn, its lines are erased`;
      this.#shift.tell({ kind: "alarm", detail });
    }
  }

  /** Waits until all its cards have come to an end, or withdraws it when none does for too long. Undefined: the line has halted. */
  async #finished(station: MachineStation, tray: string, first: TrayCount): Promise<TrayCount | undefined> {
    const room = roomOf(station);
    let count = first;
    this.#moved.set(room, room.now());
    while (!count.finished) {
      if (this.#shift.stopping === "halted") return undefined;
      await room.pause();
      const before = endedIn(count);
      const late = room.now() - (this.#moved.get(room) ?? 0) > room.patienceMs;
      const now = await this.#persistently(room, () => (late ? room.withdraw(tray) : room.state(tray)));
      if (now === undefined)
        throw new DeviceFault(room.name, "refused", `${room.name}: it has lost its tray ${tray}`);
      this.#stands.set(room, now.stands);
      if (endedIn(now) > before) this.#moved.set(room, room.now());
      count = now;
    }
    return count;
  }

  // --- back

  /** What lies in the tray, now that it stands here. */
  async #looked(tray: TrayState, { ends, strangers }: TrayResult): Promise<TrayResult> {
    const labels = (await this.#lying(tray)).map(({ label }) => label);
    const open = openOf(tray);
    const missing = open.cards.filter(({ label }) => !labels.includes(label));
    const left = [...labels];
    for (const { label } of open.cards) {
      const at = left.indexOf(label);
      if (at >= 0) left.splice(at, 1);
    }
    return {
      ends,
      strangers,
      missing: missing.map(({ serial }) => serial),
      more: left.map((label) => label ?? "a body without a readable number").toSorted(),
    };
  }

  async #lying({ number, slots }: TrayState) {
    const first = slots[0]?.place;
    return (await this.#shift.parts.transport.occupied()).flatMap(({ place, label }) =>
      place.at === "tray" && first?.at === "tray" && place.station === first.station && place.tray === number
        ? [{ place, label }]
        : [],
    );
  }

  /** Its cards wait; the line ends what it can without them, and begins no further card. */
  #dispute(station: MachineStation, tray: TrayState, result: TrayResult): void {
    const { tray: name } = openOf(tray);
    tray.state = "disputed";
    const detail = `tray ${name} came back with a difference (${differenceText(result)}): look for it and run again, or let two people decide ("persoline station settle ${name}")`;
    this.#shift.tell({ kind: "tray", tray: name, station: station.name, how: "differs", detail });
    this.#shift.stop({ how: "asked", why: detail });
  }

  async #takeIn(station: MachineStation, tray: TrayState, result: TrayResult): Promise<void> {
    const room = roomOf(station);
    const open = openOf(tray);
    const byLabel = new Map(tray.cards.map((card) => [card.label, card]));
    const again = new Set<CardInWork>();
    for (const card of tray.cards) {
      const entry = open.cards.find(({ serial }) => serial === card.serial);
      const end = result.ends.find(({ serial }) => serial === card.serial);
      if (entry === undefined || end === undefined)
        throw new DeviceFault(room.name, "refused", `${room.name}: it says nothing of card ${card.serial}`);
      if (result.missing.includes(card.serial)) {
        byLabel.delete(card.label);
        const question = `${card.label} went out with tray ${open.tray}, where it is ${end.state}, and did not come back: find it and destroy it`;
        await this.#leaving.lost(station, card, question);
      } else if (end.state === "untouched") again.add(card);
      else await this.#ended(station, open.tray, { card, entry, end });
    }
    const receipt = await this.#receipt(room, open.tray);
    await this.#book.in(open.tray, receipt);
    await this.#place(tray, byLabel, again);
    tray.state = "here";
    tray.open = undefined;
    tray.cards = [];
    const of = (state: string): string => String(result.ends.filter((end) => end.state === state).length);
    const detail = `${of("struck")} good, ${of("rejected")} rejects, ${of("untouched")} untouched, ${String(result.missing.length)} missing, ${String(result.more.length)} more than were sent${result.strangers === 0 ? "" : `; ${String(result.strangers)} fed there said no number of a tray, and ${result.strangers === 1 ? "was" : "were"} not struck`}`;
    this.#shift.tell({ kind: "tray", tray: open.tray, station: station.name, how: "in", detail });
    const said = this.#stands.get(room);
    if (result.ends.every(({ state }) => state === "untouched"))
      throw new DeviceFault(
        room.name,
        "timeout",
        `${room.name}: no card of tray ${open.tray} was begun there in ${String(Math.round(room.patienceMs / 1000))} seconds${said === undefined ? "" : `: it says ${said}`}`,
      );
  }

  /** Marked, or a reject: durable before the room forgets it. */
  async #ended(
    station: MachineStation,
    tray: string,
    told: {
      readonly card: CardInWork;
      readonly entry: TrayEntry;
      readonly end: TrayResult["ends"][number];
    },
  ): Promise<void> {
    const { card, entry, end } = told;
    const { serial } = card;
    const { journal } = this.#shift.parts;
    const what = roomOf(station).name;
    if (end.state === "rejected") {
      const why = end.detail ?? "its machine did not confirm it";
      const detail = `nobody knows whether mark ${String(entry.mark + 1)} was made, in tray ${tray}: ${why}`;
      if (card.verdict === undefined) {
        card.findings.push({ what, result: "wrong", detail, station: "visual" });
        await this.#leaving.condemn(card, { station: "visual", code: "mark-unknown", detail });
      }
    } else if (card.tray !== "done") {
      card.findings.push({ what, result: "ok", detail: `tray ${tray}`, station: "visual" });
      const note = { serial, program: "", segment: -1, event: "passed" } as const;
      await this.#shift.journalled(
        journal.write({ ...note, station: markName(entry.mark), ...passedDetail(card) }),
      );
      await this.#shift.journalled(journal.write({ ...note, station: trayMark }));
      card.passed.push(markName(entry.mark), trayMark);
    }
    card.tray = "done";
    card.elsewhere = undefined;
  }

  async #receipt(room: TrayRoom, tray: string): Promise<string | undefined> {
    const count = await this.#persistently(room, () => room.state(tray));
    if (count === undefined) return undefined;
    return (await this.#persistently(room, () => room.countIn(tray, count))).receipt;
  }

  /** In the other room a card may have been put back into another slot. What was never sent is put aside. */
  async #place(
    tray: TrayState,
    cards: ReadonlyMap<string, CardInWork>,
    again: ReadonlySet<CardInWork>,
  ): Promise<void> {
    for (const slot of tray.slots) clear(slot);
    for (const { place, label } of await this.#lying(tray)) {
      const card = label === undefined ? undefined : cards.get(label);
      const slot = tray.slots[place.slot];
      if (card === undefined || slot === undefined || slot.card !== undefined) {
        const detail = `body ${label ?? "without a readable number"} came with a tray that it was not sent with: put aside, untouched`;
        this.#shift.tell({ kind: "alarm", detail });
        await this.#shift.move(place, { at: "hold" });
        continue;
      }
      slot.card = card;
      slot.turn = this.#shift.nextTurn();
      slot.state = again.has(card) ? "loaded" : "waiting";
    }
  }

  // --- small things

  get #book(): TrayBook {
    const { trays } = this.#shift.parts;
    if (trays === undefined) throw new Error("a line with trays keeps no book of them");
    return trays;
  }

  /** As long as the room may be out of reach: what is asked changes nothing when it was done before. */
  async #persistently<T>(room: TrayRoom, work: () => Promise<T>): Promise<T> {
    const until = room.now() + room.patienceMs;
    for (;;) {
      try {
        const { world, outside } = this.#shift.parts.surroundings;
        return await world.outside(outside.accountsMs, work());
      } catch (thrown) {
        const cut =
          thrown instanceof DeviceFault && (thrown.code === "unplugged" || thrown.code === "timeout");
        if (!cut || room.now() > until || this.#shift.stopping === "halted") throw thrown;
        await room.pause();
      }
    }
  }
}

function roomOf({ name, room }: MachineStation): TrayRoom {
  if (room === undefined) throw new Error(`station ${name} has no other room`);
  return room;
}

function openOf({ number, open }: TrayState): OpenTray {
  if (open === undefined) throw new Error(`tray ${String(number)} is not out`);
  return open;
}

/** A new result is one that nobody has decided about. */
const without = ({ tray, station, number, order, cards, accepted }: OpenTray): OpenTray => ({
  tray,
  station,
  number,
  order,
  cards,
  accepted,
});

const endedIn = ({ cards }: TrayCount): number =>
  cards.filter(({ state }) => state === "struck" || state === "rejected").length;

function resultOf({ cards, strangers }: TrayCount): TrayResult {
  return {
    ends: cards.map(({ serial, state, detail }) => ({
      serial: serial as Serial,
      state: state === "struck" || state === "untouched" ? state : "rejected",
      ...(detail === undefined ? {} : { detail }),
    })),
    strangers,
    missing: [],
    more: [],
  };
}

/** Nobody can say any more what was done to its cards. */
const forgotten = ({ cards }: OpenTray): TrayResult => ({
  ends: cards.map(({ serial }) => ({
    serial,
    state: "rejected",
    detail: "the room took the tray and knows nothing of it any more",
  })),
  strangers: 0,
  missing: [],
  more: [],
});
