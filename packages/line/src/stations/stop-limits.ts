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

/** What a head has thrown out in a row, and whether others passed cards meanwhile: then it is the head, not the cards. */
interface HeadRow {
  rejects: number;
  othersPassed: boolean;
}

/**
 * Rows are counted by work, over all its heads: a card that passes other work at the same place says nothing about this one. They are
 * counted by head too: one bad head among good ones never makes a row of the work, and eats the stock.
 */
export class StopLimits {
  readonly #limits: Limits;
  readonly #rows = new Map<string, Row>();
  /** By work, then by head. */
  readonly #heads = new Map<string, Map<number, HeadRow>>();
  readonly #shut = new Set<string>();
  #refused = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  passed(work: string, head: number): void {
    this.#rows.delete(work);
    const heads = this.#headsOf(work);
    heads.delete(head);
    for (const row of heads.values()) row.othersPassed = true;
  }

  /** Why this head takes no further card, once its own row is complete. */
  rejectedAt(work: string, head: number): string | undefined {
    const heads = this.#headsOf(work);
    const row = heads.get(head) ?? { rejects: 0, othersPassed: false };
    heads.set(head, row);
    if (++row.rejects < this.#limits.rejectsAtHead || !row.othersPassed) return undefined;
    heads.delete(head);
    return `${String(row.rejects)} rejects in a row at ${work} here, while other heads passed cards: look at this head`;
  }

  #headsOf(work: string): Map<number, HeadRow> {
    const heads = this.#heads.get(work) ?? new Map<number, HeadRow>();
    this.#heads.set(work, heads);
    return heads;
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
