/** What all parts of the store share: the one connection, the clock on the wall, who is at work, and the data keys released just now. */
import { setImmediate } from "node:timers/promises";
import { CompiledQuery, type Kysely, type Transaction } from "kysely";
import { AccountsProblem } from "../ledger/problem.js";
import { StoreFault } from "./fault.js";
import type { Tables } from "./tables.js";

export type Tx = Transaction<Tables>;

export interface Desk {
  readonly file: string;
  readonly db: Kysely<Tables>;
  /** Milliseconds since 1970, UTC. */
  readonly clock: () => number;
  readonly node: string;
  readonly who: string;
  readonly place: string;
  readonly keys: Map<string, Uint8Array>;
  /** Work that waits for the next commit. */
  readonly waiting: Job[];
}

interface Job {
  /** Does the work and gives back what tells its caller, to be called once it is durable. */
  readonly work: (tx: Tx) => Promise<() => void>;
  readonly reject: (error: unknown) => void;
}

/** ISO 8601, UTC. */
export const stamp = (desk: Desk): string => new Date(desk.clock()).toISOString();

const savepoint = {
  begin: CompiledQuery.raw("savepoint job"),
  undo: CompiledQuery.raw("rollback to savepoint job"),
  end: CompiledQuery.raw("release savepoint job"),
};

/** So many heads at most share a commit. */
const together = 64;

/** Each piece of work keeps or loses its own changes; the commit, and the disk's sync, is one for all. */
async function commitTogether(desk: Desk, jobs: readonly Job[]): Promise<void> {
  const tell: (() => void)[] = [];
  await desk.db.transaction().execute(async (tx) => {
    for (const job of jobs) {
      await tx.executeQuery(savepoint.begin);
      try {
        tell.push(await job.work(tx));
      } catch (error) {
        // The file's own fault is everyone's: nothing of this transaction is certain.
        if (error instanceof StoreFault) throw error;
        await tx.executeQuery(savepoint.undo);
        tell.push(() => {
          job.reject(error);
        });
      }
      await tx.executeQuery(savepoint.end);
    }
  });
  for (const one of tell) one();
}

async function commitWaiting(desk: Desk): Promise<void> {
  while (desk.waiting.length > 0) {
    // Whatever else is ready in this turn of the event loop comes along.
    await setImmediate();
    const jobs = desk.waiting.slice(0, together);
    try {
      await commitTogether(desk, jobs);
    } catch (error) {
      for (const job of jobs) job.reject(error);
    }
    desk.waiting.splice(0, jobs.length);
  }
}

/** All or nothing, and durable when it resolves. `work` awaits nothing but the database; heads that write at once share the commit. */
export const write = <T>(desk: Desk, work: (tx: Tx) => Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const idle = desk.waiting.length === 0;
    desk.waiting.push({
      reject,
      work: async (tx) => {
        const value = await work(tx);
        return () => {
          resolve(value);
        };
      },
    });
    if (idle) void commitWaiting(desk);
  });

/** Several reads of one moment. */
export const read = <T>(desk: Desk, work: (tx: Tx) => Promise<T>): Promise<T> =>
  desk.db.transaction().setAccessMode("read only").execute(work);

export function dataKey(desk: Desk, order: string): Uint8Array {
  const key = desk.keys.get(order);
  if (key === undefined)
    throw new AccountsProblem(
      "key-not-released",
      `the data key of order ${order} is not released: open the order with the security module first`,
    );
  return key;
}

export const twoPeople = (what: string, by: string, witness: string): void => {
  const name = (person: string): string =>
    person.trim().replaceAll(/\s+/g, " ").normalize("NFC").toLowerCase();
  if (name(by) === "" || name(witness) === "" || name(by) === name(witness))
    throw new AccountsProblem("two-people", `${what} takes two different people; name both`);
};
