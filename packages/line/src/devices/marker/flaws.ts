import { type Chance, chance } from "../shop-floor/random.js";
import type { Wear } from "../shop-floor/wear.js";
import {
  differ,
  dotsOf,
  inkIn,
  isMarked,
  lookAlikes,
  type RasterJob,
  redraw,
  replaced,
  strangers,
} from "./redraw.js";
import type { MarkArea } from "./port.js";

export const visualFlawKinds = [
  "missing-line",
  "wrong-text",
  "wrong-character",
  "look-alike",
  "wrong-photo",
  "shift",
  "shift-field",
  "faint",
  "faint-field",
  "wrong-code",
  "unreadable-code",
  "scratch",
  "spot",
  "upside-down",
  "mirrored",
  "wrong-side",
  "wrong-stock",
  "double-print",
] as const;

/** A fault planted in a simulated engraver (line file): on its nth mark of that side (1 = first), or on the body with a label. */
export interface VisualFlaw {
  readonly kind: (typeof visualFlawKinds)[number];
  /** Default "front". */
  readonly side?: "front" | "back";
  readonly nth?: number;
  readonly label?: string;
  /** The layout's field that is hit; without it the seed chooses among those that can be. */
  readonly field?: string;
  /** How far or large, mm (shifts, double print, width of a scratch, diameter of a spot), or how dark, 0..1 (faint); by the seed when not said. */
  readonly size?: number;
}

/** A flaw in the words of a body's `faults.json`: kind, then perhaps side and field ("missing-line front name"). Throws on others. */
export function flawOf(words: string): VisualFlaw {
  const [kind, side = "front", field] = words.split(" ");
  const known = visualFlawKinds.find((one) => one === kind);
  if (known === undefined || (side !== "front" && side !== "back")) {
    throw new Error(
      `"${words}" is no flaw of engraving: there are ${visualFlawKinds.join(", ")}, then front or back, then a field`,
    );
  }
  return { kind: known, side, ...(field === undefined ? {} : { field }) };
}

/** What really goes onto the plastic, and what else the card then shows. */
interface Burnt {
  readonly bits: Uint8Array;
  readonly power: number;
  readonly wear?: Partial<Wear>;
}

const texts: readonly MarkArea["kind"][] = ["text", "ocr", "mrz"];
const everyField: readonly MarkArea["kind"][] = [...texts, "photo", "signature", "code"];

/** Kinds of areas that a flaw hits one of. */
const hits: Partial<Record<VisualFlaw["kind"], readonly MarkArea["kind"][]>> = {
  "missing-line": texts,
  "wrong-text": texts,
  "wrong-character": texts,
  "look-alike": texts,
  "wrong-photo": ["photo"],
  "shift-field": everyField,
  "faint-field": everyField,
  "wrong-code": ["code"],
  "unreadable-code": ["code"],
};

/** Flaws that put another card's marks where this card's should be. */
const another: readonly VisualFlaw["kind"][] = ["wrong-text", "wrong-photo", "wrong-code"];

function moved(job: RasterJob, luck: Chance, size: number | undefined, keep: boolean): Uint8Array {
  const far = ((size ?? luck.between(0.5, 1)) / 25.4) * job.dpi;
  const angle = luck.between(0, 2 * Math.PI);
  const [dx, dy] = [Math.round(far * Math.cos(angle)), Math.round(far * Math.sin(angle))];
  const whole = { left: 0, top: 0, right: job.width, bottom: job.height };
  return redraw(job, whole, (x, y) => isMarked(job, x - dx, y - dy) || (keep && isMarked(job, x, y)));
}

const card = { width: 85.6, height: 53.98 } as const;

/** A scratch of 8 to 25 mm or a spot of 0.8 to 2 mm, dark or bright, away from the edge and the contacts. */
function damaged(kind: "scratch" | "spot", luck: Chance, size: number | undefined): Partial<Wear> {
  const tone = luck.next() < 0.6 ? luck.between(0.15, 0.45) : 1.05;
  const spot = kind === "spot";
  const width = size ?? (spot ? luck.between(0.8, 2) : luck.between(0.15, 0.3));
  const length = spot ? 0 : luck.between(8, 25);
  const angle = luck.between(-0.9, 0.9);
  const x = luck.between(24, 56);
  const y = luck.between(12, card.height - 12);
  const to: [number, number] = [
    Math.min(card.width - 3, x + length * Math.cos(angle)),
    Math.min(card.height - 3, Math.max(3, y + length * Math.sin(angle))),
  ];
  return { damage: [{ kind, from: [x, y], to, width, tone }] };
}

/**
 * Spoils a job. "Another person's" text, photo or code is that of the job before; the first card of a head has none before it and gets
 * its own field upside down. Throws when the job names no area the flaw could hit: a flaw that was asked for is never left out silently.
 */
export function spoil(job: RasterJob, flaw: VisualFlaw, before: RasterJob | undefined, seed: string): Burnt {
  const luck = chance(`${seed} ${flaw.kind} ${String(flaw.nth ?? "")} ${flaw.label ?? ""}`);
  const whole = { left: 0, top: 0, right: job.width, bottom: job.height };
  const as = (bits: Uint8Array, wear?: Partial<Wear>): Burnt => ({
    bits,
    power: 1,
    ...(wear === undefined ? {} : { wear }),
  });
  switch (flaw.kind) {
    case "faint":
      return { bits: job.bits, power: flaw.size ?? luck.between(0.35, 0.5) };
    case "shift":
      return as(moved(job, luck, flaw.size, false));
    case "double-print":
      return as(moved(job, luck, flaw.size ?? luck.between(0.3, 0.8), true));
    case "scratch":
    case "spot":
      return as(job.bits, damaged(flaw.kind, luck, flaw.size));
    case "upside-down":
      return as(redraw(job, whole, (x, y) => isMarked(job, job.width - 1 - x, job.height - 1 - y)));
    case "mirrored":
      return as(redraw(job, whole, (x, y) => isMarked(job, job.width - 1 - x, y)));
    case "wrong-side":
      return as(job.bits, { turnedOver: true });
    case "wrong-stock": {
      const dark = luck.next() < 0.5;
      const band = { y: luck.between(0, 35), height: luck.between(8, 16), tone: luck.between(0.6, 0.8) };
      return as(job.bits, { stock: dark ? { tone: luck.between(0.5, 0.72) } : { tone: 1, band } });
    }
    case "missing-line":
    case "wrong-text":
    case "wrong-character":
    case "look-alike":
    case "wrong-photo":
    case "shift-field":
    case "faint-field":
    case "wrong-code":
    case "unreadable-code":
      return inField(job, flaw, before, luck);
  }
}

function inField(job: RasterJob, flaw: VisualFlaw, before: RasterJob | undefined, luck: Chance): Burnt {
  const other =
    before !== undefined && before.width === job.width && before.height === job.height ? before : undefined;
  const kinds = hits[flaw.kind] ?? [];
  const donorsOf = (area: MarkArea) =>
    flaw.kind === "look-alike" ? lookAlikes(job, other, area) : strangers(job, other, area);
  const areas = (job.areas ?? []).filter((one) => {
    if (!kinds.includes(one.kind) || (flaw.field !== undefined && one.name !== flaw.field)) return false;
    const box = dotsOf(job, one.box, 0);
    if (inkIn(job, box) === 0) return false;
    if (flaw.kind === "wrong-character" || flaw.kind === "look-alike") return donorsOf(one).length > 0;
    return !another.includes(flaw.kind) || other === undefined || differ(job, other, box);
  });
  const chosen = areas[Math.floor(luck.next() * areas.length)];
  if (chosen === undefined)
    throw new Error(`the planted flaw ${flaw.kind} finds no area on the ${job.side} it could hit`);
  // Letters with marks stand a little out of their box.
  const area = dotsOf(job, chosen.box, texts.includes(chosen.kind) ? 0.4 : 0);
  switch (flaw.kind) {
    case "missing-line":
      return { bits: redraw(job, area, () => false), power: 1 };
    case "wrong-character":
    case "look-alike": {
      const donors = donorsOf(chosen);
      const [target, donor] = donors[Math.floor(luck.next() * donors.length)] ?? [];
      if (target === undefined || donor === undefined) throw new Error("no glyph to change");
      return { bits: replaced(job, target, donor), power: 1 };
    }
    case "shift-field": {
      const alone = {
        ...job,
        bits: redraw({ ...job, bits: new Uint8Array(job.bits.length) }, area, (x, y) => isMarked(job, x, y)),
      };
      const there = { ...job, bits: moved(alone, luck, flaw.size ?? luck.between(0.5, 0.8), false) };
      const without = { ...job, bits: redraw(job, area, () => false) };
      return { bits: without.bits.map((byte, i) => byte | (there.bits[i] ?? 0)), power: 1 };
    }
    case "faint-field": {
      const { x, y, width, height } = chosen.box;
      const box = { x: x - 0.4, y: y - 0.4, width: width + 0.8, height: height + 0.8 };
      return {
        bits: job.bits,
        power: 1,
        wear: { weak: [{ box, power: flaw.size ?? luck.between(0.35, 0.5) }] },
      };
    }
    case "unreadable-code": {
      // A burnt blot over a good part of the symbol.
      const [w, h] = [area.right - area.left, area.bottom - area.top];
      const left = area.left + Math.round(w * 0.1);
      const blot = { left, right: left + Math.round(w * 0.45), top: area.top, bottom: area.top + h };
      return { bits: redraw(job, blot, (x, y) => ((x >> 2) + (y >> 2)) % 2 === 0), power: 1 };
    }
    default: {
      const theirs = (x: number, y: number): boolean =>
        other === undefined
          ? isMarked(job, area.left + area.right - 1 - x, area.top + area.bottom - 1 - y)
          : isMarked(other, x, y);
      return { bits: redraw(job, area, theirs), power: 1 };
    }
  }
}
