/** Virtual blanks as a supplier delivers them: numbered, printed, each chip with its number, some with a planted fault. */
import { createHash } from "node:crypto";
import type { Serial } from "@persoline/card/program";
import type { Fault } from "@persoline/card/virtual";
import { six } from "./places.js";

/** A fault (of the chip) or flaw (of the printing) and the blanks that get it. */
export interface Planted<T> {
  /** So many blanks, chosen by the seed, none of them chosen before; or this one (1 = the first of the lot). */
  readonly blanks: number | { readonly number: number };
  /** Only among the first so many of the lot. */
  readonly among?: number;
  readonly what: T;
}

export interface LotPlan {
  /** Letters and digits: "L2026A". */
  readonly lot: string;
  readonly count: number;
  readonly seed: number;
  readonly faults: readonly Planted<Fault>[];
  /** Flaws of engraving and print, in the words of `faces`. */
  readonly flaws: readonly Planted<string>[];
}

/** One line of the supplier's delivery list. */
export interface StockItem {
  readonly label: string;
  readonly serial: Serial;
}

/** What is wrong with one body: `faults.json`. */
export interface BodyFaults {
  readonly chip: readonly Fault[];
  readonly faces: readonly string[];
}

export const labelOf = (lot: string, number: number): string => `${lot}-${six(number)}`;

/** The ten bytes of a chip number: maker, lot, and the number in the lot. */
export function chipNumberOf(plan: Pick<LotPlan, "lot" | "seed">, number: number): Uint8Array {
  const chip = new Uint8Array(10);
  chip.set([0x50, 0x4c]);
  chip.set(
    createHash("sha256")
      .update(`lot ${plan.lot} ${String(plan.seed)}`)
      .digest()
      .subarray(0, 4),
    2,
  );
  new DataView(chip.buffer).setUint32(6, number);
  return chip;
}

export const serialOf = (chipNumber: Uint8Array): Serial =>
  Buffer.from(chipNumber).toString("hex").toUpperCase() as Serial;

/** `numbered`: what chips of this kind make of the number. */
export const stockItem = (
  plan: Pick<LotPlan, "lot" | "seed">,
  number: number,
  numbered: (chipNumber: Uint8Array) => Uint8Array = (chipNumber) => chipNumber,
): StockItem => ({
  label: labelOf(plan.lot, number),
  serial: serialOf(numbered(chipNumberOf(plan, number))),
});

/** The faults and flaws of a lot, by blank. A blank gets one at most, so that every reject has one reason. */
export function plantFaults(plan: LotPlan): ReadonlyMap<number, BodyFaults> {
  const wishes = [
    ...plan.faults.map((planted) => ({ ...planted, body: { chip: [planted.what], faces: [] } })),
    ...plan.flaws.map((planted) => ({ ...planted, body: { chip: [], faces: [planted.what] } })),
  ];
  const bodies = new Map<number, BodyFaults>();
  for (const { blanks, body } of wishes) {
    if (typeof blanks === "object") bodies.set(blanks.number, body);
  }
  if (wishes.every(({ blanks }) => typeof blanks === "object")) return bodies;
  const rank = (number: number): string =>
    createHash("sha256")
      .update(`fault ${plan.lot} ${String(plan.seed)} ${String(number)}`)
      .digest("hex");
  const shuffled = Array.from({ length: plan.count }, (_, at) => at + 1)
    .map((number) => ({ number, rank: rank(number) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1));
  for (const { blanks, among, body } of wishes) {
    if (typeof blanks === "object") continue;
    const free = shuffled.filter(({ number }) => number <= (among ?? plan.count) && !bodies.has(number));
    for (const { number } of free.slice(0, blanks)) bodies.set(number, body);
  }
  return bodies;
}

/** JSON with bytes as hex: faults hold an ATR. */
const toText = (value: unknown): string =>
  JSON.stringify(
    value,
    (_key, part: unknown) => (part instanceof Uint8Array ? { hex: Buffer.from(part).toString("hex") } : part),
    1,
  );
const fromText = (text: string): unknown =>
  JSON.parse(text, (_key, part: unknown) =>
    typeof part === "object" && part !== null && "hex" in part && typeof part.hex === "string"
      ? new Uint8Array(Buffer.from(part.hex, "hex"))
      : part,
  );

/** A lot as delivered: `lots/<lot>.json`. */
export interface LotFile {
  readonly plan: LotPlan;
  /** Bodies of all lots before it. */
  readonly before: number;
  /** All its bodies lie in the hopper (or have left it since). */
  readonly complete: boolean;
}

// What these read is what this program wrote, on the same shop floor.
export const lotToText = (lot: LotFile): string => toText(lot);
export const lotFromText = (text: string): LotFile => fromText(text) as LotFile;
export const faultsToText = (faults: BodyFaults): string => toText(faults);
export const faultsFromText = (text: string): BodyFaults => fromText(text) as BodyFaults;
export const samePlan = (one: LotPlan, other: LotPlan): boolean => toText(one) === toText(other);
