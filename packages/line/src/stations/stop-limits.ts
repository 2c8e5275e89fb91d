/** Rows of failures that mean the machine, the keys or the stock, and not the cards: when a line stops by itself. */
import type { RejectCode } from "@persoline/card/program";
import type { Limits } from "./station.js";

/** `asked`: bound cards are finished where that is possible; `halted`: no head takes another card. */
export interface Stop {
  /** `asked`, `no-room`: no blank is fed any more, cards in work go on to their ends. `halted`: nothing is begun anywhere. */
  readonly how: "asked" | "no-room" | "halted";
  readonly why: string;
}

interface Row {
  rejects: number;
  /** Failed card cryptograms; each work has its own key sets. */
  cryptograms: number;
}

/** Rows are counted by work, over all its heads: a card that passes other work at the same place says nothing about this one. */
export class StopLimits {
  readonly #limits: Limits;
  readonly #rows = new Map<string, Row>();
  readonly #shut = new Set<string>();
  #refused = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  passed(work: string): void {
    this.#rows.delete(work);
  }

  /** What follows from this reject, if it completes a row. */
  rejected(work: string, code: RejectCode): Stop | undefined {
    const row = this.#rows.get(work) ?? { rejects: 0, cryptograms: 0 };
    this.#rows.set(work, row);
    row.rejects++;
    if (code === "card-cryptogram" && ++row.cryptograms >= this.#limits.cryptogramsInARow) {
      this.#shut.add(work);
      const why = `${String(row.cryptograms)} cards in a row at ${work} do not know the key set: it is the wrong one, not the cards`;
      return { how: "halted", why };
    }
    if (row.rejects >= this.#limits.rejectsInARow) {
      this.#shut.add(work);
      return {
        how: "asked",
        why: `${String(row.rejects)} rejects in a row at ${work}: look at the machine first`,
      };
    }
    return undefined;
  }

  /** This work has had its row: no further card. */
  isShut(work: string): boolean {
    return this.#shut.has(work);
  }

  /** A body was fed that is one of ours. */
  fed(): void {
    this.#refused = 0;
  }

  /** A body was fed that must not be worked on. */
  refused(): Stop | undefined {
    if (++this.#refused < this.#limits.rejectsInARow) return undefined;
    const why = `${String(this.#refused)} bodies in a row are not ours to work on: is this the right stock?`;
    return { how: "asked", why };
  }
}
