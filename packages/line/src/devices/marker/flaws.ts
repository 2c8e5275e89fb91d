import { type Chance, chance } from "../shop-floor/random.js";
import type { Damage, Wear } from "../shop-floor/wear.js";
import { type Canvas, differ, dotsOf, inkIn, lookAlikes, replaced, strangers } from "./redraw.js";
import { type VisualFlawKind, visualFlawKinds } from "../flaw-kinds.js";
import type { MarkArea } from "./port.js";

/** A fault planted in a simulated engraver or printer: on its nth mark of that side (1 = first), or on the body with a label. */
export interface VisualFlaw {
  readonly kind: VisualFlawKind;
  /** Default "front". */
  readonly side?: "front" | "back";
  readonly nth?: number;
  readonly label?: string;
  /** The layout's field that is hit; without it the seed chooses among those that can be. */
  readonly field?: string;
  /** How far or large, mm (shifts, double print, width of a scratch, diameter of a spot), or how dark, 0..1 (faint); by the seed when not said. */
  readonly size?: number;
  /** A scratch or spot is dark on bright ground and bright on dark, so that it can be seen; by the seed when not said. */
  readonly shows?: boolean;
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
export interface Spoilt {
  readonly canvas: Canvas;
  /** How dark it comes out, 0..1. */
  readonly power: number;
  readonly wear?: Partial<Wear>;
  /** The field that was hit, where it was one. */
  readonly field?: string;
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

function moved(job: Canvas, luck: Chance, size: number | undefined, keep: boolean): Canvas {
  const far = ((size ?? luck.between(0.5, 1)) / 25.4) * job.dpi;
  const angle = luck.between(0, 2 * Math.PI);
  const [dx, dy] = [Math.round(far * Math.cos(angle)), Math.round(far * Math.sin(angle))];
  const whole = { left: 0, top: 0, right: job.width, bottom: job.height };
  return job.redrawn(whole, (x, y) => Math.max(job.ink(x - dx, y - dy), keep ? job.ink(x, y) : 0));
}

const card = { width: 85.6, height: 53.98 } as const;

/** A scratch of 8 to 25 mm or a spot of 0.8 to 2 mm, dark or bright, away from the edge and the contacts. */
function damaged(
  kind: "scratch" | "spot",
  luck: Chance,
  { size, shows }: Pick<VisualFlaw, "size" | "shows">,
  job: Canvas,
): Partial<Wear> {
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
  const damage = { kind, from: [x, y], to, width } as const;
  return { damage: [{ ...damage, tone: shows === true ? (isDark(job, damage) ? 1.05 : 0.2) : tone }] };
}

/** Whether most of what it runs over is marked. */
function isDark(job: Canvas, { from, to }: Pick<Damage, "from" | "to">): boolean {
  const dots = (mm: number): number => Math.round((mm / 25.4) * job.dpi);
  const steps = 40;
  let dark = 0;
  for (let i = 0; i <= steps; i++) {
    const [x, y] = [0, 1].map((axis) => {
      const [begin = 0, end = 0] = [from[axis], to[axis]];
      return dots(begin + ((end - begin) * i) / steps);
    });
    dark += job.ink(x ?? 0, y ?? 0);
  }
  return dark / (steps + 1) > 128;
}

/**
 * Spoils a picture. "Another person's" text, photo or code is that of the picture before; the first card of a head has none before it and
 * gets its own field upside down. Throws when it has no area the flaw could hit: a flaw that was asked for is never left out silently.
 */
export function spoil(job: Canvas, flaw: VisualFlaw, before: Canvas | undefined, seed: string): Spoilt {
  const luck = chance(`${seed} ${flaw.kind} ${String(flaw.nth ?? "")} ${flaw.label ?? ""}`);
  const whole = { left: 0, top: 0, right: job.width, bottom: job.height };
  const as = (canvas: Canvas, worn?: Partial<Wear>): Spoilt => ({
    canvas,
    power: 1,
    ...(worn === undefined ? {} : { wear: worn }),
  });
  switch (flaw.kind) {
    case "faint":
      return { canvas: job, power: flaw.size ?? luck.between(0.35, 0.5) };
    case "shift":
      return as(moved(job, luck, flaw.size, false));
    case "double-print":
      return as(moved(job, luck, flaw.size ?? luck.between(0.3, 0.8), true));
    case "scratch":
    case "spot":
      return as(job, damaged(flaw.kind, luck, flaw, job));
    case "upside-down":
      return as(job.redrawn(whole, (x, y) => job.ink(job.width - 1 - x, job.height - 1 - y)));
    case "mirrored":
      return as(job.redrawn(whole, (x, y) => job.ink(job.width - 1 - x, y)));
    case "wrong-side":
      return as(job, { turnedOver: true });
    case "wrong-stock": {
      const dark = luck.next() < 0.5;
      const band = { y: luck.between(0, 35), height: luck.between(8, 16), tone: luck.between(0.6, 0.8) };
      return as(job, { stock: dark ? { tone: luck.between(0.5, 0.72) } : { tone: 1, band } });
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

/** The picture before, where its dots can stand for this one's. */
const comparable = (job: Canvas, before: Canvas | undefined): Canvas | undefined =>
  before !== undefined && before.width === job.width && before.height === job.height ? before : undefined;

/** Areas that a flaw of this kind could hit; undefined: it hits no field, but the whole side. */
function targets(
  job: Canvas,
  { kind, field }: Pick<VisualFlaw, "kind" | "field">,
  before: Canvas | undefined,
): readonly MarkArea[] | undefined {
  const kinds = hits[kind];
  if (kinds === undefined) return undefined;
  const other = comparable(job, before);
  return job.areas.filter((one) => {
    if (!kinds.includes(one.kind) || (field !== undefined && one.name !== field)) return false;
    const box = dotsOf(job, one.box, 0);
    if (inkIn(job, box) === 0) return false;
    if (kind === "wrong-character" || kind === "look-alike")
      return donorsOf(job, kind, one, other).length > 0;
    return !another.includes(kind) || other === undefined || differ(job, other, box);
  });
}

/** Flaws of a whole side that nobody sees where nothing is marked. */
const ofMarks: readonly VisualFlawKind[] = ["faint", "shift", "double-print", "upside-down", "mirrored"];

/** Whether a flaw of this kind would show on the picture. */
export const canSpoil = (job: Canvas, kind: VisualFlawKind, before: Canvas | undefined): boolean =>
  ofMarks.includes(kind)
    ? job.content.some((byte) => byte !== 0)
    : targets(job, { kind }, before)?.length !== 0;

const donorsOf = (job: Canvas, kind: "wrong-character" | "look-alike", area: MarkArea, other?: Canvas) =>
  kind === "look-alike" ? lookAlikes(job, other, area) : strangers(job, other, area);

function inField(job: Canvas, flaw: VisualFlaw, before: Canvas | undefined, luck: Chance): Spoilt {
  const other = comparable(job, before);
  const areas = targets(job, flaw, before) ?? [];
  const chosen = areas[Math.floor(luck.next() * areas.length)];
  if (chosen === undefined) throw new Error(`the planted flaw ${flaw.kind} finds no area that it could hit`);
  // Letters with marks stand a little out of their box.
  const area = dotsOf(job, chosen.box, texts.includes(chosen.kind) ? 0.4 : 0);
  const as = (canvas: Canvas): Spoilt => ({ canvas, power: 1, field: chosen.name });
  switch (flaw.kind) {
    case "missing-line":
      return as(job.redrawn(area, () => 0));
    case "wrong-character":
    case "look-alike": {
      const donors = donorsOf(job, flaw.kind, chosen, other);
      const [target, donor] = donors[Math.floor(luck.next() * donors.length)] ?? [];
      if (target === undefined || donor === undefined) throw new Error("no glyph to change");
      return as(replaced(job, target, donor));
    }
    case "shift-field": {
      const whole = { left: 0, top: 0, right: job.width, bottom: job.height };
      const within = (x: number, y: number): boolean =>
        x >= area.left && x < area.right && y >= area.top && y < area.bottom;
      const alone = job.redrawn(whole, (x, y) => (within(x, y) ? job.ink(x, y) : 0));
      const there = moved(alone, luck, flaw.size ?? luck.between(0.5, 0.8), false);
      const without = job.redrawn(area, () => 0);
      return as(without.redrawn(whole, (x, y) => Math.max(without.ink(x, y), there.ink(x, y))));
    }
    case "faint-field": {
      const { x, y, width, height } = chosen.box;
      const box = { x: x - 0.4, y: y - 0.4, width: width + 0.8, height: height + 0.8 };
      return { ...as(job), wear: { weak: [{ box, power: flaw.size ?? luck.between(0.35, 0.5) }] } };
    }
    case "unreadable-code": {
      // A burnt blot over a good part of the symbol.
      const [w, h] = [area.right - area.left, area.bottom - area.top];
      const left = area.left + Math.round(w * 0.1);
      const blot = { left, right: left + Math.round(w * 0.45), top: area.top, bottom: area.top + h };
      return as(job.redrawn(blot, (x, y) => (((x >> 2) + (y >> 2)) % 2 === 0 ? 255 : 0)));
    }
    default: {
      const theirs = (x: number, y: number): number =>
        other === undefined
          ? job.ink(area.left + area.right - 1 - x, area.top + area.bottom - 1 - y)
          : other.ink(x, y);
      return as(job.redrawn(area, theirs));
    }
  }
}
