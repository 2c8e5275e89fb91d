import type { GpCard } from "../gp/card.js";
import { readObjects } from "../gp/objects.js";
import type { Application } from "../gp/state.js";
import { items } from "../gp/tlv.js";
import { u16 } from "../os/command.js";
import { DGI, type Files } from "./data.js";

export const FLAG = {
  blocked: 0x01,
  notCompleted: 0x02,
  authenticationFailed: 0x04,
  scriptFailed: 0x08,
} as const;

/** What changes from transaction to transaction: one page write each time (docs/payment-card.md 1). */
export interface Counters {
  readonly atc: number;
  readonly lastOnline: number;
  readonly tries: number;
  readonly limit: number;
  readonly flags: number;
  readonly scripts: number;
  readonly lower: number;
  readonly upper: number;
}

/** What the application was personalized with, and its counters. */
export class Store {
  readonly #card: GpCard;
  readonly #app: Application;
  readonly files: Files;
  #counters: Counters;

  constructor(card: GpCard, app: Application) {
    this.#card = card;
    this.#app = app;
    this.files = readObjects(card.vault.dataOf(app));
    this.#counters = this.#read();
  }

  get counters(): Counters {
    return this.#counters;
  }

  change(change: Partial<Counters>): void {
    const next = { ...this.#counters, ...change };
    const { atc, lastOnline, tries, limit, flags, scripts, lower, upper } = next;
    const bytes = [
      atc >> 8,
      atc & 0xff,
      lastOnline >> 8,
      lastOnline & 0xff,
      tries,
      limit,
      flags,
      scripts,
      lower,
      upper,
    ];
    this.#card.chip.writePair(this.#card.vault.tailOf(this.#app), Uint8Array.from(bytes));
    this.#counters = next;
  }

  has(flag: number): boolean {
    return (this.#counters.flags & flag) !== 0;
  }

  #read(): Counters {
    const pair = this.#card.chip.readPair(this.#card.vault.tailOf(this.#app));
    if (pair !== undefined) {
      const [tries = 0, limit = 0, flags = 0, scripts = 0, lower = 0, upper = 0] = pair.subarray(4);
      return { atc: u16(pair, 0), lastOnline: u16(pair, 2), tries, limit, flags, scripts, lower, upper };
    }
    const value = (dgi: number, tag: number): Uint8Array | undefined =>
      items(this.files.get(dgi) ?? new Uint8Array(0))?.find((one) => one.tag === tag)?.value;
    const [tries = 0, limit = 0] = this.files.get(DGI.tries) ?? [];
    return {
      atc: u16(value(DGI.internal, 0x9f36) ?? new Uint8Array(2), 0),
      lastOnline: 0,
      tries,
      limit,
      flags: 0,
      scripts: 0,
      lower: value(DGI.limits, 0x9f14)?.[0] ?? 0,
      upper: value(DGI.limits, 0x9f23)?.[0] ?? 0,
    };
  }
}
