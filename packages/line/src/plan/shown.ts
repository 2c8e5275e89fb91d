/** What a card has shown when it answered a whole proof program as it must: told from the commands, the same for every kind of card. */
import type { CardProgram, Part, Step } from "@persoline/card/program";

export interface Shown {
  /** Files, or data groupings of GlobalPlatform cards, whose content was compared; in however many commands. */
  readonly read: number;
  /** Files whose content the card proved by a MAC. */
  readonly mac: number;
  /** Keys that answered a challenge. */
  readonly authenticated: number;
  /** Secure sessions: each opens only when the card's cryptogram is right. */
  readonly keys: number;
  /** Other answers that were compared: versions, states, settings, lists, UID. */
  readonly states: number;
  /** In words: "all 3 tries left", "verified". */
  readonly pin?: string;
}

export function shownBy({ segments }: CardProgram): Shown {
  const shown = { read: new Set<string>(), mac: 0, authenticated: 0, keys: 0, states: 0 };
  const places = new Places();
  let pin: string | undefined;
  for (const { channel, steps } of segments) {
    places.move();
    if (channel !== "plain") shown.keys++;
    for (const step of steps) {
      const file = places.fileOf(step);
      if (step.judge?.proof === "file") shown.mac++;
      else if (step.judge?.proof === "internal") shown.authenticated++;
      else if (isVerify(step)) pin = pinWords(step);
      else if (file !== undefined && compares(step)) shown.read.add(file);
      else if (step.judge?.proof === "uid" || compares(step)) shown.states++;
    }
  }
  return { ...shown, read: shown.read.size, ...(pin === undefined ? {} : { pin }) };
}

/** Whether a byte of the answer counts. */
const compares = ({ answer }: Step): boolean =>
  answer !== undefined && answer.value.length > 0 && answer.mask?.every((byte) => byte === 0) !== true;

const isVerify = ({ cla, ins }: Step): boolean => ins === 0x20 && cla !== 0x90;

/** With data the card compared the PIN; without it says how many tries are left. */
function pinWords({ data, sw }: Step): string {
  if (data.some((part) => !(part instanceof Uint8Array) || part.length > 0)) return "verified";
  const tries = sw.map(({ value }) => value & 0x0f);
  const least = Math.min(...tries);
  return tries.length === 1 ? `all ${String(least)} tries left` : `at least ${String(least)} tries left`;
}

/** Where the last selection led: the same file identifier in two applications is two files. */
class Places {
  #place = 0;
  /** Chosen by short identifier; 0: the selected EF. */
  #sfi = 0;

  move(): void {
    this.#place++;
    this.#sfi = 0;
  }

  /** Undefined: it reads no file. */
  fileOf({ cla, ins, p1, p2, data }: Step): string | undefined {
    if (cla === 0x90) {
      if (ins === DESFIRE.select) this.move();
      return DESFIRE_READS.includes(ins) ? `${String(this.#place)} ${String(firstByte(data))}` : undefined;
    }
    if (ins === ISO.select) this.move();
    if (ins === ISO.readBinary) {
      if ((p1 & 0x80) !== 0) this.#sfi = p1 & 0x1f;
      return `${String(this.#place)} ${String(this.#sfi)}`;
    }
    if (ins === ISO.readRecord) return `${String(this.#place)} ${String(p2 >> 3)}`;
    // Of GlobalPlatform cards (docs/gp-card.md 7); under class 80 the card tells of its keys and states.
    if (ins === ISO.getData && cla === 0x00) return `${String(this.#place)} ${String((p1 << 8) | p2)}`;
    return undefined;
  }
}

const ISO = { select: 0xa4, readBinary: 0xb0, readRecord: 0xb2, getData: 0xca } as const;
const DESFIRE = { select: 0x5a } as const;
/** ReadData, ReadRecords, GetValue. */
const DESFIRE_READS: readonly number[] = [0xbd, 0xbb, 0x6c];

function firstByte([part]: readonly Part[]): number {
  return part instanceof Uint8Array ? (part[0] ?? 0) : 0;
}
