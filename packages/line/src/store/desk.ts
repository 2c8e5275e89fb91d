/** What all parts of the store share: the one connection, the clock on the wall, who is at work, and the data keys released just now. */
import type { Kysely, Transaction } from "kysely";
import { AccountsProblem } from "../ledger/problem.js";
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
}

/** ISO 8601, UTC. */
export const stamp = (desk: Desk): string => new Date(desk.clock()).toISOString();

/** One transaction, durable when it resolves. `work` awaits nothing but the database. */
export const write = <T>(desk: Desk, work: (tx: Tx) => Promise<T>): Promise<T> =>
  desk.db.transaction().execute(work);

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
