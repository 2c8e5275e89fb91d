/**
 * Drift of a field, camera by camera: an exponentially weighted moving average (EWMA, ISO 7870-6) of its place, ink and glyphs. An average is
 * in the measure's own unit, so it can be held against the limit that rejects cards; a CUSUM finds small steps sooner, and says nothing in
 * millimetres. A handful of numbers a field, however many cards.
 */
import type { Finding } from "@persoline/card/program";
import type { FieldMeasure } from "./finding.js";
import { type QualityLimits, simulatedLimits } from "./limits.js";

/** Weight of the newest card: the mean is over some ten. */
const weight = 0.2;
/** Cards before anything is said, and from which a field's usual glyphs are taken. */
const settled = 10;
/** Share of the way to the limit from which a field drifts, and under which a new drift can be told. */
const alarming = 0.5;
const calm = 0.3;
/** Share of the whole way from a full mark at which ink alarms, wherever it began. */
const nearLimit = 0.8;

/** What is kept of a good field: mm, shares, and the limits it was judged by. */
export function measuresOf(
  { kind, dx, dy, ink, worst }: FieldMeasure,
  limits: QualityLimits,
): Record<string, number> {
  const rounded = (value: number): number => Number(value.toFixed(3));
  return {
    dx: rounded(dx),
    dy: rounded(dy),
    within: limits.displacement,
    full: limits.fullInk,
    ink: rounded(ink),
    ...(worst !== undefined && ["text", "ocr", "mrz"].includes(kind)
      ? { glyph: rounded(worst), glyphWithin: limits.glyph.good }
      : {}),
  };
}

export type Drifting = "place" | "ink" | "glyphs";

/** A field as one camera sees it now. Ways: share of the way from where good cards lie to the limit, 0 to 1. */
export interface Drift {
  readonly camera: string;
  /** "front name" */
  readonly field: string;
  readonly cards: number;
  /** Running means: mm, shares. */
  readonly dx: number;
  readonly dy: number;
  readonly ink: number;
  readonly glyph: number | undefined;
  /** Which of the three is nearest to its limit, how near it is, and how near any was at its worst. */
  readonly what: Drifting;
  readonly way: number;
  readonly farthest: { readonly what: Drifting; readonly way: number };
}

interface Seen {
  cards: number;
  dx: number;
  dy: number;
  ink: number;
  glyph: number | undefined;
  /** Means of the first cards: how dark a field is depends on what is in it, how different glyphs of good cards are depends on font and camera. */
  usual: number;
  usualInk: number;
  farthest: { what: Drifting; way: number };
  told: boolean;
  /** What it was judged by: of a camera with another profile the cards before say nothing. */
  readonly by: string;
}

const toward = (mean: number, value: number): number => mean + weight * (value - mean);

/** From what the first cards showed, for photos and fine artwork are always a little paler than full marks; or, near a limit, at all. */
function inkWay({ ink, usualInk }: Seen): number {
  const { faint, burnt } = simulatedLimits;
  const way = (from: number): number =>
    ink < from ? (from - ink) / Math.max(from - faint, 0.1) : (ink - from) / Math.max(burnt - from, 0.1);
  return Math.max(way(usualInk), (alarming / nearLimit) * way(1));
}

function waysOf(
  seen: Seen,
  { within = simulatedLimits.displacement, glyphWithin }: Readonly<Record<string, number>>,
) {
  const ways: { what: Drifting; way: number }[] = [
    { what: "place", way: Math.hypot(seen.dx, seen.dy) / within },
    { what: "ink", way: inkWay(seen) },
  ];
  if (seen.glyph !== undefined && glyphWithin !== undefined) {
    // Fonts whose good glyphs lie near the limit have little way to go, and chance alone goes it.
    const room = Math.max(glyphWithin - seen.usual, 0.25 * glyphWithin);
    ways.push({ what: "glyphs", way: Math.max(0, (seen.glyph - seen.usual) / room) });
  }
  return ways.reduce((worst, one) => (one.way > worst.way ? one : worst));
}

export class DriftWatch {
  readonly #fields = new Map<
    string,
    Seen & { readonly camera: string; readonly field: string; now: { what: Drifting; way: number } }
  >();

  /** Takes a good field's finding in. Returns its drift when it begins to drift, once until it is calm again. */
  see({ what: field, by: camera, measures }: Pick<Finding, "what" | "by" | "measures">): Drift | undefined {
    const { dx, dy, ink, glyph } = measures ?? {};
    if (
      measures === undefined ||
      camera === undefined ||
      dx === undefined ||
      dy === undefined ||
      ink === undefined
    )
      return undefined;
    const key = JSON.stringify([camera, field]);
    const by = JSON.stringify([measures["within"], measures["full"], measures["glyphWithin"]]);
    let seen = this.#fields.get(key);
    if (seen === undefined || seen.by !== by) {
      const none = { what: "place" as const, way: 0 };
      seen = {
        camera,
        field,
        cards: 0,
        dx,
        dy,
        ink,
        glyph,
        usual: 0,
        usualInk: 0,
        farthest: none,
        now: none,
        told: false,
        by,
      };
      this.#fields.set(key, seen);
    }
    seen.cards++;
    seen.dx = toward(seen.dx, dx);
    seen.dy = toward(seen.dy, dy);
    seen.ink = toward(seen.ink, ink);
    if (seen.cards <= settled) seen.usualInk += (ink - seen.usualInk) / seen.cards;
    if (glyph !== undefined) {
      seen.glyph = toward(seen.glyph ?? glyph, glyph);
      if (seen.cards <= settled) seen.usual += (glyph - seen.usual) / seen.cards;
    }
    if (seen.cards < settled) return undefined;
    const now = waysOf(seen, measures);
    seen.now = now;
    if (now.way > seen.farthest.way) seen.farthest = now;
    if (now.way < calm) seen.told = false;
    if (now.way < alarming || seen.told) return undefined;
    seen.told = true;
    return this.#driftOf(key);
  }

  /** All fields that enough cards were seen of, those first that went farthest. */
  all(): readonly Drift[] {
    return [...this.#fields]
      .filter(([, { cards }]) => cards >= settled)
      .flatMap(([key]) => this.#driftOf(key) ?? [])
      .sort((a, b) => b.farthest.way - a.farthest.way);
  }

  #driftOf(key: string): Drift | undefined {
    const seen = this.#fields.get(key);
    if (seen === undefined) return undefined;
    const { camera, field, cards, dx, dy, ink, glyph, now, farthest } = seen;
    return { camera, field, cards, dx, dy, ink, glyph, what: now.what, way: now.way, farthest };
  }
}

/** Whether it went so far that people should look at the machine. */
export const drifted = ({ farthest }: Drift): boolean => farthest.way >= alarming;

export function driftText({ camera, field, what, way, dx, dy, ink, glyph = 0 }: Drift): string {
  const mean = {
    place: `${Math.hypot(dx, dy).toFixed(2)} mm off its place`,
    ink: `${(ink * 100).toFixed(0)} % of its ink`,
    glyphs: `glyphs ${(glyph * 100).toFixed(0)} % different`,
  }[what];
  return `drift: ${camera} sees ${field} at ${mean} on average, ${(way * 100).toFixed(0)} % of the way to its limit; look at the machine before cards are rejected for it`;
}
