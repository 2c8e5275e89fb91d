/** The standard's commands as one card of another maker wants them: nothing but its declared moods bends them. */
import type { Command } from "@persoline/card/apdu";
import { type Fid, fid, type Sfi, sfi } from "@persoline/card/bytes";
import { selectByFid, selectMf } from "@persoline/card/iso7816";
import type { Step, SwPattern } from "@persoline/card/program";
import type { ForeignEf, Mood } from "./product.js";

type Kind = Extract<Mood, { mood: "tolerated" }>["on"] | "select";

export const exact = (value: number): SwPattern => ({ value, mask: 0xffff });

export class Moody {
  readonly #moods: readonly Mood[];

  constructor(moods: readonly Mood[]) {
    this.#moods = moods;
  }

  get dataCoding(): number | undefined {
    const found = this.#moods.find((one) => one.mood === "data-coding");
    return found === undefined ? undefined : Number.parseInt(found.byte, 16);
  }

  /** How such a card is ended for ever; undefined: nobody has seen that it can be. */
  get end(): "terminate-card-usage" | "terminate-df" | undefined {
    return this.#moods.find((one) => one.mood === "ends")?.by;
  }

  get sizeOfRecords(): boolean {
    return !this.#has("records-without-size");
  }

  step(kind: Kind, command: Command, more: Pick<Step, "why" | "clause" | "again"> & Partial<Step>): Step {
    const { data, le, p2, ...header } = command;
    const silent = kind === "select" && this.#has("select-without-answer");
    const wantsLe = (kind === "update" || kind === "verify") && this.#has("le-on-updates");
    const expected = silent ? undefined : wantsLe ? 256 : le;
    const tolerated = this.#moods.flatMap((one) =>
      one.mood === "tolerated" && one.on === kind ? [exact(Number.parseInt(one.sw, 16))] : [],
    );
    return {
      ...header,
      p2: silent ? (p2 & 0x03) | 0x0c : p2,
      data: data === undefined ? [] : [data],
      ...(expected === undefined ? {} : { le: expected }),
      sw: [exact(0x9000), ...tolerated],
      // A card counts a PIN's tries down before it compares.
      changes: kind === "update" || kind === "create" || kind === "verify",
      cost: { pages: 0 },
      ...more,
    };
  }

  #has(mood: Mood["mood"]): boolean {
    return this.#moods.some((one) => one.mood === mood);
  }
}

export const fidOf = (ef: ForeignEf): Fid => fid(Number.parseInt(ef.fid, 16));
export const sfiOf = (ef: ForeignEf): Sfi => sfi(ef.sfi);
const structure = "ISO/IEC 7816-4, 7.1.1";

export const mf = (moody: Moody): Step =>
  moody.step("select", selectMf({ answer: "fcp" }), {
    why: "select the MF",
    clause: structure,
    again: "same",
  });
export const selected = (moody: Moody, ef: ForeignEf): Step =>
  moody.step("select", selectByFid(fidOf(ef), { answer: "fcp" }), {
    why: `select ${ef.ef} (${ef.fid})`,
    clause: structure,
    again: "same",
  });
