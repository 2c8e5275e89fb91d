/** Accounts and a journal in memory, behaving to the contract of `ledger/types`, with the invariant checked at every event. */
import type { Note, Serial } from "@persoline/card/program";
import { isResume, journalStates } from "../ledger/journal.js";
import type {
  Blank,
  BlankState,
  BoundRecord,
  CardEnd,
  CardHistory,
  JournalState,
  LineAccounts,
  RecordState,
  Stage,
  Totals,
} from "../ledger/types.js";
import type { OrderRecord } from "../orders/types.js";
import type { LineJournal } from "./line-types.js";

interface Row {
  blank: Blank;
  line?: string;
  record?: number;
  attempt?: number;
}

interface RecordRow {
  readonly record: OrderRecord;
  state: RecordState;
  attempts: number;
}

const terms: Readonly<Record<BlankState, Exclude<keyof Totals, "received">>> = {
  "in-stock": "inStock",
  "in-process": "inProcess",
  held: "held",
  good: "good",
  rejected: "rejected",
  sample: "sample",
  destroyed: "destroyed",
  returned: "returned",
};

export class MemoryAccounts implements LineAccounts {
  readonly rows = new Map<string, Row>();
  readonly records: RecordRow[];
  readonly histories = new Map<Serial, CardHistory>();
  readonly ends: { readonly label: string; readonly end: CardEnd }[] = [];
  /** The next call of this name throws. */
  failing: string | undefined;
  readonly #attemptsAtMost: number;
  /** Sealed PINs by record number. */
  readonly pins = new Map<number, BoundRecord["pins"]>();

  constructor(
    stock: readonly { label: string; serial: Serial }[],
    records: number | readonly OrderRecord[],
    attemptsAtMost = 5,
  ) {
    for (const { label, serial } of stock) {
      this.rows.set(label, { blank: { label, serial, lot: "L", state: "in-stock", stage: "blank" } });
    }
    this.#attemptsAtMost = attemptsAtMost;
    const people =
      typeof records === "number"
        ? Array.from({ length: records }, (_, at) => ({
            number: at + 1,
            fields: {},
            photos: {},
            row: at + 2,
          }))
        : records;
    this.records = people.map((record) => ({ record, state: "received", attempts: 0 }));
  }

  start({ label, order, line }: { label: string; order: string; line: string }) {
    this.#maybeFail("start");
    const row = this.rows.get(label);
    if (row === undefined) return Promise.resolve({ ok: false as const, why: "unknown" as const });
    if (row.blank.state !== "in-stock") return Promise.resolve({ ok: false as const, why: row.blank.state });
    row.blank = { ...row.blank, state: "in-process", order };
    row.line = line;
    return Promise.resolve({ ok: true as const, blank: row.blank });
  }

  bind({ serial }: { serial: Serial }): Promise<BoundRecord | "none-waiting"> {
    this.#maybeFail("bind");
    const row = this.#row(serial);
    if (row.blank.state !== "in-process" || row.record !== undefined)
      throw new Error(`cannot bind ${serial}`);
    const next = this.records.find(({ state }) => state === "received" || state === "prepared");
    if (next === undefined) return Promise.resolve("none-waiting");
    next.state = "in-production";
    next.attempts++;
    row.record = next.record.number;
    row.attempt = next.attempts;
    row.blank = { ...row.blank, stage: "bound", record: next.record.number };
    return Promise.resolve({
      record: next.record,
      attempt: next.attempts,
      pins: this.#pinsOf(next.record.number),
    });
  }

  bound(serial: Serial): Promise<BoundRecord | undefined> {
    const { record, attempt } = this.#row(serial);
    const found = this.records.find((other) => other.record.number === record);
    return Promise.resolve(
      found && { record: found.record, attempt: attempt ?? 0, pins: this.#pinsOf(found.record.number) },
    );
  }

  finish({ serial, end, history }: { serial: Serial; end: CardEnd; history: CardHistory }): Promise<void> {
    this.#maybeFail("finish");
    const row = this.#row(serial);
    if (row.blank.state !== "in-process")
      throw new Error(`${row.blank.label} ended twice: it is ${row.blank.state}`);
    const record = this.records.find((other) => other.record.number === row.record);
    if (end.kind === "good" && record === undefined) throw new Error(`${row.blank.label} is good for nobody`);
    if (end.kind === "restocked" && record !== undefined) throw new Error("a bound card went back to stock");
    if (record !== undefined) {
      if (record.state !== "in-production")
        throw new Error(`record ${String(row.record)} is ${record.state}`);
      const lost = record.attempts >= this.#attemptsAtMost ? "held" : "prepared";
      record.state = end.kind === "good" ? "produced" : lost;
    }
    const states = { good: "good", rejected: "rejected", held: "held", restocked: "in-stock" } as const;
    const stage: Stage =
      end.kind === "restocked" ? end.stage : end.kind === "good" ? "verified" : row.blank.stage;
    row.blank = { ...row.blank, state: states[end.kind], stage };
    if (end.kind !== "good") {
      delete row.record;
      delete row.attempt;
    }
    delete row.line;
    this.histories.set(serial, structuredClone(history));
    this.ends.push({ label: row.blank.label, end });
    return this.recount().then(() => undefined);
  }

  inWork(line: string): Promise<readonly Blank[]> {
    const rows = [...this.rows.values()].filter(
      (row) => row.blank.state === "in-process" && row.line === line,
    );
    return Promise.resolve(rows.map(({ blank }) => blank));
  }

  progress() {
    this.#maybeFail("progress");
    const count = (...states: RecordState[]): number =>
      this.records.filter(({ state }) => states.includes(state)).length;
    return Promise.resolve({
      records: this.records.length,
      waiting: count("received", "prepared"),
      inProduction: count("in-production"),
      produced: count("produced"),
      held: count("held"),
      givenUp: count("given-up"),
      blanksInStock: this.#count().inStock,
    });
  }

  totals(): Promise<Totals> {
    return Promise.resolve(this.#count());
  }

  recount(): Promise<Totals> {
    const goods = [...this.rows.values()]
      .filter(({ blank }) => blank.state === "good")
      .map(({ record }) => record);
    if (new Set(goods).size !== goods.length) throw new Error("a record has two good cards");
    return this.totals();
  }

  #count(): Totals {
    const totals = {
      received: this.rows.size,
      inStock: 0,
      inProcess: 0,
      held: 0,
      good: 0,
      rejected: 0,
      sample: 0,
      destroyed: 0,
      returned: 0,
    };
    for (const { blank } of this.rows.values()) totals[terms[blank.state]]++;
    return totals;
  }

  #pinsOf(record: number): BoundRecord["pins"] {
    return this.pins.get(record) ?? {};
  }

  #row(serial: Serial): Row {
    const row = [...this.rows.values()].find(({ blank }) => blank.serial === serial);
    if (row === undefined) throw new Error(`no blank ${serial}`);
    return row;
  }

  #maybeFail(call: string): void {
    if (this.failing === call) throw new Error(`the accounts are away (${call})`);
  }
}

export class MemoryJournal implements LineJournal {
  notes: Note[] = [];
  readonly resumes = new Map<Serial, number>();

  write(note: Note): Promise<void> {
    const last = this.notes.findLast(
      ({ serial, event }) =>
        serial === note.serial && (event === "intent" || event === "done" || event === "failed"),
    );
    if (isResume(last, note)) this.resumes.set(note.serial, (this.resumes.get(note.serial) ?? 0) + 1);
    this.notes.push(note);
    return Promise.resolve();
  }

  states(): Promise<readonly JournalState[]> {
    return Promise.resolve(journalStates(this.notes, this.resumes));
  }

  forget(serials: readonly Serial[]): Promise<void> {
    this.notes = this.notes.filter(({ serial }) => !serials.includes(serial));
    for (const serial of serials) this.resumes.delete(serial);
    return Promise.resolve();
  }
}
