/** Learns from golden cards what a camera sees of good ones. Pure but for the code reader's module. */
import { createHash } from "node:crypto";
import type { Picture } from "../../devices/camera/port.js";
import type { Face } from "../../plan/types.js";
import { type Dots, expectedInk } from "./density.js";
import { atDesk, type Desk } from "./desk.js";
import type { FieldMeasure } from "./finding.js";
import { type Inspected, inspectFace } from "./judge.js";
import { anyExposure, type QualityLimits, simulatedLimits } from "./limits.js";
import type { JudgeOptions } from "./look.js";
import { boxBlur, halve, type Plane } from "./plane.js";
import { type Figure, ProfileProblem, type SideProfile } from "./profile.js";

/** One card that people looked at and found good, and its picture. */
export interface GoldenCard {
  /** For messages: the picture's file. */
  readonly name: string;
  readonly record: number;
  readonly picture: Picture;
  readonly face: Face;
  readonly dots: Dots;
  readonly options: Omit<JudgeOptions, "limits">;
}

/** Fewer say nothing about spread. */
export const fewestCards = 8;

/** So many spreads from the median lie the limits: golden cards are few, and a line makes many. */
const reach = 8;
/** Shares of the built-in limits between which a learned one may lie. */
const tightest = 0.8;
const coarsest = 1.5;

const middle = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  const high = sorted[half] ?? 0;
  return sorted.length % 2 === 1 ? high : (high + (sorted[half - 1] ?? high)) / 2;
};

const rounded = (value: number): number => Number(value.toFixed(4));

/** Median and spread; one odd card moves neither. */
export function figureOf(values: readonly number[]): Figure {
  const median = middle(values);
  const spread = 1.4826 * middle(values.map((value) => Math.abs(value - median)));
  return { median: rounded(median), spread: rounded(spread) };
}

const clamp = (value: number, from: number, to: number): number =>
  rounded(Math.min(to, Math.max(from, value)));

/** What carries ink of the engraver's full power, or the printer's: photos are as dark as the person's picture. */
const inked = (kind: FieldMeasure["kind"]): boolean => ["text", "ocr", "mrz", "code"].includes(kind);

/** Noise of the bare body from dot to dot, as a share of its grey: light and print change slowly and fall out. */
function grainOf(straight: Plane, dots: Dots, options: GoldenCard["options"], desk: Desk): number {
  const { width, height, data } = straight;
  const [across] = desk.spare;
  const expected = expectedInk(dots, desk.expected, across, options.printed?.grey);
  const near = boxBlur(halve(expected, desk.expectedHalf), 2, desk.near, across);
  const ground = options.ground?.grey;
  const steps: number[] = [];
  let [grey, count] = [0, 0];
  for (let y = 24; y < height - 24; y += 3) {
    for (let x = 24; x < width - 24; x += 3) {
      const at = y * width + x;
      if ((near.data[(y >> 1) * near.width + (x >> 1)] ?? 1) >= 0.002) continue;
      if (ground !== undefined && [at - 2, at - 1, at, at + 1, at + 2].some((i) => (ground[i] ?? 255) < 250))
        continue;
      // Second difference: its variance is 1.5 times that of a dot.
      const step = (data[at] ?? 0) - ((data[at - 1] ?? 0) + (data[at + 1] ?? 0)) / 2;
      steps.push(Math.abs(step));
      grey += data[at] ?? 0;
      count++;
    }
  }
  if (count < 200) return 0;
  return (1.4826 * middle(steps)) / Math.sqrt(1.5) / Math.max(1, grey / count);
}

const words = ({ verdict: { findings } }: Inspected): string =>
  [...new Set(findings.map(({ field, what }) => `${field}: ${what}`))].slice(0, 4).join(", ");

interface Measured {
  readonly name: string;
  readonly measures: readonly FieldMeasure[];
  readonly level: number;
  readonly grain: number;
}

const looked = (card: GoldenCard, limits: QualityLimits): Promise<Inspected> =>
  inspectFace(card.picture, card.face, card.dots, { ...card.options, limits });

const inkOf = (measures: readonly FieldMeasure[]): number | undefined => {
  const inks = measures.filter(({ kind }) => inked(kind)).map(({ ink }) => ink);
  return inks.length === 0 ? undefined : middle(inks);
};

/** What a full mark leaves under this camera, told by most cards, whatever else is wrong with a few. */
async function fullInkOf(cards: readonly GoldenCard[]): Promise<Figure> {
  // Far from any limit of darkness: how dark good marks are is what has to be learned.
  const open = { ...anyExposure, faint: 0.2, burnt: 3, missing: 0.05 };
  const inks: number[] = [];
  for (const card of cards) {
    const seen = await looked(card, open);
    if (seen.level === undefined)
      throw new ProfileProblem(`${card.name} shows no good card (${words(seen)}): take it out`);
    const ink = inkOf(seen.verdict.measures);
    if (ink !== undefined) inks.push(ink * open.fullInk);
  }
  if (inks.length === 0)
    throw new ProfileProblem(
      "nothing on this side is written in full marks, so its darkness cannot be learned",
    );
  return figureOf(inks);
}

/** Judged with what is known so far: a golden card has no finding at all. */
async function measured(cards: readonly GoldenCard[], limits: QualityLimits): Promise<readonly Measured[]> {
  const all: Measured[] = [];
  const bad: string[] = [];
  for (const card of cards) {
    const seen = await looked(card, limits);
    const { verdict, straight, level } = seen;
    if (verdict.verdict !== "pass" || level === undefined || straight === undefined)
      bad.push(`${card.name} (${words(seen)})`);
    else
      all.push({
        name: card.name,
        measures: verdict.measures,
        level,
        grain: await atDesk((desk) => Promise.resolve(grainOf(straight, card.dots, card.options, desk))),
      });
  }
  if (bad.length > 0)
    throw new ProfileProblem(
      `no golden cards: ${bad.join("; ")}; take them out, or see that record, side and card number are theirs`,
    );
  return all;
}

function refuseStrangers(cards: readonly Measured[], limits: SideProfile["limits"]): void {
  const strange = cards.filter(
    ({ level, measures }) =>
      level < limits.body.darkest ||
      level > limits.body.brightest ||
      measures.some(
        ({ kind, dx, dy, worst = 0 }) =>
          (kind !== "art" && Math.hypot(dx, dy) > limits.displacement) ||
          (glyphed(kind) && worst > limits.glyph),
      ),
  );
  if (strange.length > 0)
    throw new ProfileProblem(
      `${strange.map(({ name }) => name).join(", ")}: good alone, but unlike the other golden cards in place, light or glyphs; take them out, or steady machine and light and take all pictures again`,
    );
}

const glyphed = (kind: FieldMeasure["kind"]): boolean => ["text", "ocr", "mrz"].includes(kind);

function fieldsOf(cards: readonly Measured[]): SideProfile["fields"] {
  const byName = new Map<string, FieldMeasure[]>();
  for (const { measures } of cards)
    for (const one of measures) byName.set(one.field, [...(byName.get(one.field) ?? []), one]);
  return [...byName].map(([field, all]) => {
    const worst = all.flatMap((one) => one.worst ?? []);
    return {
      field,
      dx: figureOf(all.map(({ dx }) => dx)),
      dy: figureOf(all.map(({ dy }) => dy)),
      ink: figureOf(all.map(({ ink }) => ink)),
      ...(worst.length === 0 ? {} : { worst: figureOf(worst) }),
    };
  });
}

/**
 * The profile of one side from golden cards of it. Exposure and darkness are taken as they are; the other limits lie 8 spreads from the
 * median of the golden cards and are never laxer than the built-in ones, but for the noise of the camera. Throws ProfileProblem when cards are
 * too few, bad, or too unlike one another.
 */
export async function learnSide(cards: readonly GoldenCard[]): Promise<SideProfile> {
  const [first] = cards;
  if (first === undefined || cards.length < fewestCards)
    throw new ProfileProblem(
      `${String(cards.length)} golden cards of a side are too few: at least ${String(fewestCards)}, better 30, made on different days`,
    );
  const known = new Map<string, string>();
  for (const { name, picture } of cards) {
    const digest = createHash("sha256").update(picture.grey).digest("hex");
    const before = known.get(digest);
    if (before !== undefined)
      throw new ProfileProblem(`${before} and ${name} are the same picture: take one out`);
    known.set(digest, name);
  }
  const full = await fullInkOf(cards);
  if (full.median < 0.15 || full.spread > 0.1 * full.median)
    throw new ProfileProblem(
      full.median < 0.15
        ? "a full mark hardly differs from the bare card in these pictures: set the light or the exposure"
        : `full marks differ by ${((100 * full.spread) / full.median).toFixed(0)} % from card to card: steady light and marking machine, and take the pictures again`,
    );
  const all = await measured(cards, { ...anyExposure, fullInk: full.median });
  const values = (of: (one: FieldMeasure) => number | undefined): number[][] =>
    all.map(({ measures }) => measures.flatMap((one) => of(one) ?? []));
  const extreme = (each: number[][], pick: (...of: number[]) => number): Figure | undefined => {
    const some = each.filter((one) => one.length > 0).map((one) => pick(...one));
    return some.length === 0 ? undefined : figureOf(some);
  };
  const body = figureOf(all.map(({ level }) => level));
  const grain = figureOf(all.map((one) => one.grain));
  const none: Figure = { median: 0, spread: 0 };
  const displacement =
    extreme(
      values(({ kind, dx, dy }) => (kind === "art" ? undefined : Math.hypot(dx, dy))),
      Math.max,
    ) ?? none;
  const glyph = extreme(
    values(({ kind, worst }) => (glyphed(kind) ? worst : undefined)),
    Math.max,
  );
  const photo = extreme(
    values(({ kind, worst }) => (kind === "photo" ? worst : undefined)),
    Math.min,
  );
  const printed = first.face.fields.some(({ kind, layer }) => kind === "photo" && layer === "colour");
  const { bare } = simulatedLimits.surface;
  if (reach * grain.median > coarsest * bare)
    throw new ProfileProblem(
      `the bare card differs by ${(100 * grain.median).toFixed(1)} % from dot to dot: less gain and more light, or scratches will not be told from noise`,
    );
  const { dots, features } = simulatedLimits.photo;
  const least = photo === undefined ? 0 : photo.median - Math.max(reach * photo.spread, 0.1);
  const spreadOfBody = Math.max(reach * body.spread, 20);
  const limits: SideProfile["limits"] = {
    fullInk: rounded(full.median),
    displacement: clamp(
      displacement.median + reach * displacement.spread,
      (2 / 3) * simulatedLimits.displacement,
      simulatedLimits.displacement,
    ),
    glyph: clamp(
      (glyph?.median ?? 1) + reach * (glyph?.spread ?? 0),
      tightest * simulatedLimits.glyph.good,
      simulatedLimits.glyph.good,
    ),
    photo: {
      dots: printed ? dots : clamp(least, dots, 1),
      features: printed ? clamp(least, features, 1) : features,
    },
    body: {
      darkest: clamp(body.median - spreadOfBody, 8, 400),
      brightest: clamp(body.median + spreadOfBody, 8, 400),
    },
    bare: clamp(reach * grain.median, bare, coarsest * bare),
  };
  refuseStrangers(all, limits);
  return {
    side: first.face.side,
    cards: cards.length,
    records: new Set(cards.map(({ record }) => record)).size,
    measured: {
      fullInk: full,
      body,
      grain,
      displacement,
      ...(glyph === undefined ? {} : { glyph }),
      ...(photo === undefined ? {} : { photo }),
    },
    fields: fieldsOf(all),
    limits,
  };
}
