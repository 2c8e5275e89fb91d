/**
 * The journal of cards in work: intents before deeds, in a file of the line's own. A note's promise resolves when it is durable; all
 * notes that wait go into one transaction, so that heads share the disk's syncs.
 */
import { Worker, type WorkerOptions } from "node:worker_threads";
import type { Journal, Note, Serial } from "@persoline/card/program";
import type { JournalState } from "../ledger/types.js";
import type { StoreFaultCode } from "./fault.js";
import type { JournalAnswer, JournalAsk, JournalEntry } from "./journal-protocol.js";

/** The journal cannot keep its promise: the line stops, nobody is rejected; the file tells at the next start what was in work. */
export class JournalFault extends Error {
  override readonly name = "JournalFault";
  readonly device = "journal";
  readonly code: "journal" | "disk-full";
  constructor(
    /** What befell the file. */
    readonly reason: StoreFaultCode | "worker",
    message: string,
  ) {
    super(message);
    this.code = reason === "disk-full" ? "disk-full" : "journal";
  }
}

export interface LineJournal extends Journal {
  /** Cards with notes, as far as they came; written notes only. */
  states(): Promise<readonly JournalState[]>;
  /** Drops what is known of finished cards. */
  forget(serials: readonly Serial[]): Promise<void>;
  /** Waits for what is under way. Later notes are refused. */
  close(): Promise<void>;
  readonly stats: JournalStats;
}

export interface JournalStats {
  /** Notes made durable, transactions it took, and the most entries one of them held. */
  readonly notes: number;
  readonly commits: number;
  readonly largest: number;
}

export interface JournalOptions {
  readonly file: string;
  /** Milliseconds since 1970, UTC. */
  readonly clock?: () => number;
  /** For tests of a full disk: the file may not grow beyond so many pages. */
  readonly pagesAtMost?: number;
  /** For tests that end the writer's thread under the journal. */
  readonly startWorker?: (script: URL, options: WorkerOptions) => Worker;
}

interface Waiting {
  readonly entry: JournalEntry;
  readonly settle: { resolve: () => void; reject: (fault: JournalFault) => void };
}

/** From `src` and `dist` alike: a worker starts from what the compiler wrote. */
const workerFile = new URL("../../dist/store/journal-worker.js", import.meta.url);

class WorkerJournal implements LineJournal {
  readonly #worker: Worker;
  readonly #clock: () => number;
  readonly #file: string;
  #waiting: Waiting[] = [];
  /** Resolves the answer to the one question under way; the next one waits for it. */
  #answered: ((answer: JournalAnswer) => void) | undefined;
  #turn: Promise<unknown>;
  #flushing: Promise<void> | undefined;
  #fault: JournalFault | undefined;
  #closed = false;
  readonly #stats = { notes: 0, commits: 0, largest: 0 };
  readonly opened: Promise<JournalAnswer>;

  constructor({
    file,
    clock = Date.now,
    pagesAtMost,
    startWorker = (script, options) => new Worker(script, options),
  }: JournalOptions) {
    this.#file = file;
    this.#clock = clock;
    this.#worker = startWorker(workerFile, {
      workerData: { file, ...(pagesAtMost === undefined ? {} : { pagesAtMost }) },
      execArgv: [],
    });
    this.opened = new Promise((resolve) => {
      this.#answered = resolve;
    });
    this.#turn = this.opened;
    this.#worker.on("message", (answer: JournalAnswer) => {
      const answered = this.#answered;
      this.#answered = undefined;
      answered?.(answer);
    });
    this.#worker.on("error", (error) => {
      this.#fail(new JournalFault("worker", `${file}: the journal's writer failed: ${error.message}`));
    });
    this.#worker.on("exit", () => {
      if (!this.#closed)
        this.#fail(
          new JournalFault("worker", `${file}: the journal's writer ended; the line stops. Run it again`),
        );
    });
  }

  get stats(): JournalStats {
    return { ...this.#stats };
  }

  write(note: Note): Promise<void> {
    return this.#put({ kind: "note", note });
  }

  forget(serials: readonly Serial[]): Promise<void> {
    return serials.length === 0 ? Promise.resolve() : this.#put({ kind: "forget", serials });
  }

  async states(): Promise<readonly JournalState[]> {
    await this.#idle();
    const answer = await this.#ask({ ask: "states" });
    return answer.answer === "states" ? answer.states : [];
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#idle().catch(() => undefined);
    this.#closed = true;
    if (this.#fault === undefined || this.#fault.reason !== "worker")
      await this.#exchange({ ask: "close" }).catch(() => undefined);
    await this.#worker.terminate();
  }

  #put(entry: JournalEntry): Promise<void> {
    if (this.#fault !== undefined) return Promise.reject(this.#fault);
    if (this.#closed) return Promise.reject(new JournalFault("closed", `${this.#file} was closed`));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, settle: { resolve, reject } });
      this.#flushing ??= this.#flush();
    });
  }

  /** One transaction after the other, each with everything that came while the last was written. */
  async #flush(): Promise<void> {
    // Heads that write in the same turn of the event loop share the first transaction too.
    await Promise.resolve();
    while (this.#waiting.length > 0 && this.#fault === undefined) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#ask({
          ask: "write",
          entries: batch.map(({ entry }) => entry),
          at: new Date(this.#clock()).toISOString(),
        });
      } catch (error) {
        const fault =
          error instanceof JournalFault
            ? error
            : new JournalFault("worker", `${this.#file}: ${String(error)}`);
        for (const { settle } of batch) settle.reject(fault);
        break;
      }
      this.#stats.commits++;
      this.#stats.notes += batch.filter(({ entry }) => entry.kind === "note").length;
      this.#stats.largest = Math.max(this.#stats.largest, batch.length);
      for (const { settle } of batch) settle.resolve();
    }
    this.#flushing = undefined;
  }

  async #idle(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** A fault of the file is the end of this journal: a failed sync must never look like a later success. */
  async #ask(ask: JournalAsk): Promise<JournalAnswer> {
    const answer = await this.#exchange(ask);
    if (answer.answer !== "fault") return answer;
    this.#fail(new JournalFault(answer.code, `${answer.message}; the line stops`));
    throw this.#fault ?? new JournalFault(answer.code, answer.message);
  }

  #exchange(ask: JournalAsk): Promise<JournalAnswer> {
    const answer = this.#turn.then(() => {
      if (this.#fault?.reason === "worker") throw this.#fault;
      return new Promise<JournalAnswer>((resolve) => {
        this.#answered = resolve;
        this.#worker.postMessage(ask);
      });
    });
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  #fail(fault: JournalFault): void {
    this.#fault ??= fault;
    const answered = this.#answered;
    this.#answered = undefined;
    answered?.({ answer: "fault", code: "closed", message: fault.message });
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { settle } of waiting) settle.reject(this.#fault);
  }
}

/** Opens (or makes) the journal. Throws JournalFault: "busy" when another process runs this line, "newer-version", "not-ours", … */
export async function openJournal(file: string | JournalOptions): Promise<LineJournal> {
  const journal = new WorkerJournal(typeof file === "string" ? { file } : file);
  const answer = await journal.opened;
  if (answer.answer === "fault") {
    const fault = new JournalFault(answer.code, answer.message);
    await journal.close();
    throw fault;
  }
  return journal;
}
