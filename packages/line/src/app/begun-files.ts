/** What an order was begun with, and what of it has changed since: it is made and ended by the same files. */
import type { MadeFrom } from "./job.js";
import type { Store } from "../store/store.js";

/** Digests of the order's files by their part, hexadecimal; empty of an order that was taken in before there were any. */
export async function begunFiles(order: string, store: Store): Promise<ReadonlyMap<string, string>> {
  return new Map((await store.runs.files(order)).map(({ part, sha256 }) => [part, sha256]));
}

/** Those of `now` that are not as they were begun with, by their paths of now. */
export const changedAmong = (begun: ReadonlyMap<string, string>, now: readonly MadeFrom[]): string[] =>
  begun.size === 0
    ? []
    : now
        .filter(({ part, sha256 }) => begun.get(part) !== sha256)
        .map(({ part, file }) => (part === "settings" ? `the settings in ${file}` : file));
