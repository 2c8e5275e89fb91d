import { headOf } from "../shop-floor/places.js";
import { visualFlawKinds, stripeFlawKinds } from "../flaw-kinds.js";
import { basename } from "node:path";
import { lackedBy } from "@persoline/card/id1";
import { DeviceFault } from "../problem.js";
import { faultsOf } from "../shop-floor/lot-book.js";
import { drawFace, type RaisedLine, raiseLines, readEmboss } from "../shop-floor/faces.js";
import { wear } from "../shop-floor/wear.js";

import type { Place } from "../transport/port.js";
import { recordsOf } from "./emboss/records.js";
import { chance } from "../shop-floor/random.js";
import type { Spoiler } from "../shop-floor/spoiler.js";
import { engraverGeometry, wheelsGeometry } from "./geometry.js";
import { canSpoil, flawOf, spoil, type Spoilt, type VisualFlaw } from "./flaws.js";
import type { Marker, MarkJob, Side, StruckLine } from "./port.js";
import { printingMs } from "./printer/job.js";
import { burnt, type Canvas } from "./redraw.js";

/** The part of the line's world a simulated machine needs. */
interface Clock {
  now(): number;
  sleep(ms: number): Promise<void>;
}

export interface SimulatedMarkerOptions {
  readonly name: string;
  readonly place: Place;
  /** Folder of the body that lies at a place now. */
  readonly bodyAt: (place: Place) => string | undefined;
  readonly world: Clock;
  readonly seed: string;
  readonly flaws?: readonly VisualFlaw[];
  /** Spoils a share of the cards at this head. */
  readonly spoiler?: Spoiler;
  /** Of an embosser that tops its characters: light that comes back from the foil, as a share of a bare body's. */
  readonly foil?: number;
}

/** Rates of a small galvo engraver and of a wheel embosser; change them with the machine. */
export interface MarkerRates {
  /** Beam speed while marking and while it moves dark, mm/s. */
  readonly marking: number;
  readonly moving: number;
  /** Card in, focus, card out; ms. */
  readonly handling: number;
  /** Embossing: ms a character, and to bring another wheel. */
  readonly character: number;
  readonly wheel: number;
}

export const usualRates: MarkerRates = {
  marking: 9_000,
  moving: 20_000,
  handling: 220,
  character: 22,
  wheel: 600,
};

/** Path of a raster: the beam sweeps each row that holds marks, from its first to its last. */
function rasterMs(job: Extract<MarkJob, { kind: "raster" }>, rates: MarkerRates): number {
  const stride = Math.ceil(job.width / 8);
  const perDot = 25.4 / job.dpi;
  let marked = 0;
  let swept = 0;
  for (let y = 0; y < job.height; y++) {
    let first = -1;
    let last = -1;
    for (let i = 0; i < stride; i++) {
      let byte = job.bits[y * stride + i] ?? 0;
      if (byte === 0) continue;
      if (first < 0) first = i;
      last = i;
      for (; byte !== 0; byte &= byte - 1) marked++;
    }
    if (first >= 0) swept += (last - first + 1) * 8;
  }
  const dark = Math.max(0, swept - marked) + job.height;
  return rates.handling + ((marked * perDot) / rates.marking + (dark * perDot) / rates.moving) * 1000;
}

type StruckJob = Extract<MarkJob, { kind: "emboss" | "indent" }>;

function embossMs(job: StruckJob, rates: MarkerRates): number {
  const wheels = new Set(job.lines.map((line) => line.font)).size;
  const characters = job.lines.reduce((sum, line) => sum + line.text.replaceAll(" ", "").length, 0);
  return rates.handling + characters * rates.character + Math.max(0, wheels - 1) * rates.wheel;
}

/** A resolver's answer, or the fault of a machine that was told to mark nothing. */
function bodyOf(options: SimulatedMarkerOptions): string {
  const body = options.bodyAt(options.place);
  if (body === undefined)
    throw new DeviceFault(options.name, "refused", `${options.name} has no card to mark`);
  return body;
}

const refuse = (name: string, does: string, asked: string): DeviceFault =>
  new DeviceFault(name, "refused", `${name} does ${does}, not ${asked}`);

/** Milliseconds a mark takes at these rates; for the planner. */
export function markingMs(job: MarkJob, rates: MarkerRates = usualRates): number {
  if (job.kind === "colour") return printingMs(job);
  return job.kind === "raster" ? rasterMs(job, rates) : embossMs(job, rates);
}

const labelOf = (body: string): string => basename(body).replace(/^\d{6}-/, "");

/** Flaws in a body's `faults.json` that are of another machine. */
const others = (words: string): boolean =>
  stripeFlawKinds.some((kind) => kind === words) || words.startsWith("print ");

/** Burns what the simulated camera sees. Keeps the job before, for the flaw of another person's data. */
export function simulatedEngraver(options: SimulatedMarkerOptions, rates: MarkerRates = usualRates): Marker {
  const { name, spoiler } = options;
  const marks = { front: 0, back: 0 };
  const before: Partial<Record<Side, Canvas>> = {};
  const duration = (job: MarkJob): number => {
    if (job.kind !== "raster") throw refuse(name, "raster", job.kind);
    return rasterMs(job, rates);
  };

  /** A body's own flaws come before the machine's. */
  function flawFor(body: string, side: Side, job: Canvas): VisualFlaw | undefined {
    const nth = ++marks[side];
    const label = labelOf(body);
    const planted = [
      ...faultsOf(body)
        .faces.filter((words) => !others(words))
        .map(flawOf),
      ...(options.flaws ?? []).filter((one) =>
        one.label === undefined ? one.nth === nth : one.label === label,
      ),
    ].find((one) => (one.side ?? "front") === side);
    if (planted !== undefined) return planted;
    const kind = spoiler?.next({
      label,
      head: headOf(options.place),
      machine: name,
      side,
      kinds: visualFlawKinds,
      can: (one) => canSpoil(job, one, before[side]),
    });
    return kind === undefined ? undefined : { kind, side, label, shows: true };
  }

  return {
    name,
    kind: "simulated",
    does: "raster",
    geometry: engraverGeometry({ dpi: 300 }),
    duration,
    async mark(job) {
      const ms = duration(job);
      if (job.kind !== "raster") throw refuse(name, "raster", job.kind);
      const { side } = job;
      const body = bodyOf(options);
      const canvas = burnt(job);
      const flaw = flawFor(body, side, canvas);
      const made: Spoilt =
        flaw === undefined
          ? { canvas, power: 1 }
          : spoil(canvas, flaw, before[side], `${options.seed} ${name} ${labelOf(body)}`);
      before[side] = canvas;
      if (made.wear !== undefined) wear(body, side, made.wear);
      if (flaw !== undefined)
        spoiler?.made({
          label: labelOf(body),
          machine: name,
          side,
          kind: flaw.kind,
          ...(made.field === undefined ? {} : { field: made.field }),
        });
      const plastic = { ...job, bits: made.canvas.content, power: made.power };
      await drawFace(body, side, plastic, (_, strips) => options.world.sleep(ms / strips));
    },
  };
}

/** What wheels can do wrong. */
const wheelFlaws = ["missing-line", "wrong-character", "look-alike", "shift-field"] as const;

/** As its machine tells it: the foil is on the plastic alone. */
const lineOf = ({ text, font, x, yFromBottom, pitch }: RaisedLine): StruckLine => ({
  text,
  font,
  x,
  yFromBottom,
  pitch,
});

/** Characters that eyes and cameras take for one another, both ways. */
const alike = ["0O", "1I", "2Z", "5S", "8B", "38", "68", "08", "17", "56"];

const looksLike = (char: string, { font }: StruckLine): readonly string[] =>
  alike
    .filter((pair) => pair.includes(char))
    .map((pair) => pair.replace(char, ""))
    .filter((other) => lackedBy(font, other) === undefined);

/** The lines as spoilt wheels strike them, and which of them was hit. Throws when none of them could be. */
function struckWrong(
  lines: readonly StruckLine[],
  kind: (typeof wheelFlaws)[number],
  seed: string,
): { readonly lines: readonly StruckLine[]; readonly field: string } {
  const luck = chance(seed);
  const one = <T>(list: readonly T[]): T | undefined => list[Math.floor(luck.next() * list.length)];
  const spoilt = (line: StruckLine): readonly StruckLine[] => {
    if (kind === "missing-line") return [];
    if (kind === "shift-field") return [{ ...line, x: line.x + luck.between(0.5, 1) }];
    const changes = Array.from(line.text).flatMap((char, at) => {
      if (kind === "look-alike") return looksLike(char, line).map((other) => ({ at, other }));
      const other = String((Number(/\d/.exec(char)?.[0] ?? 3) + 1) % 10);
      return /[0-9A-Z]/.test(char) ? [{ at, other }] : [];
    });
    const change = one(changes);
    if (change === undefined) return [line];
    return [{ ...line, text: line.text.slice(0, change.at) + change.other + line.text.slice(change.at + 1) }];
  };
  const first = Math.floor(luck.next() * lines.length);
  for (let turn = 0; turn < lines.length; turn++) {
    const hit = (first + turn) % lines.length;
    const made = lines.flatMap((line, at) => (at === hit ? spoilt(line) : [line]));
    if (made.length !== lines.length || made[hit] !== lines[hit])
      return { lines: made, field: `line ${String(hit + 1)}` };
  }
  throw new Error(`the planted flaw ${kind} finds no character that it could hit`);
}

/** Strikes the characters of a job; the body's own record is what an embosser would report back. */
function simulatedWheels(
  does: StruckJob["kind"],
  options: SimulatedMarkerOptions,
  rates: MarkerRates = usualRates,
): Marker {
  const { name, spoiler } = options;
  const struck = (job: MarkJob): StruckJob => {
    if (job.kind !== does) throw refuse(name, does, job.kind);
    return job as StruckJob;
  };
  const duration = (job: MarkJob): number => embossMs(struck(job), rates);
  return {
    name,
    kind: "simulated",
    does,
    geometry: wheelsGeometry(does),
    duration,
    async mark(job) {
      const ms = duration(job);
      const { side, lines } = struck(job);
      const body = bodyOf(options);
      // What a real wheel could not strike, the simulated one refuses as well.
      recordsOf(name, struck(job));
      const label = labelOf(body);
      const kind = spoiler?.next({
        label,
        head: headOf(options.place),
        machine: name,
        side,
        kinds: wheelFlaws,
        can: (one) =>
          one !== "look-alike" ||
          lines.some((line) => Array.from(line.text).some((char) => looksLike(char, line).length > 0)),
      });
      const made =
        kind === undefined ? undefined : struckWrong(lines, kind, `${options.seed} ${name} ${label}`);
      if (kind !== undefined && made !== undefined)
        spoiler?.made({ label, machine: name, side, kind, field: made.field });
      const { foil } = options;
      const raised = (made?.lines ?? lines).map((line) => (foil === undefined ? line : { ...line, foil }));
      await raiseLines(body, side, raised, (_, of) => options.world.sleep(ms / of), does);
    },
    // Worn wheels do not know what they struck: their machine's record repeats the job, and says nothing.
    ...(spoiler === undefined
      ? {
          embossed: () => Promise.resolve(readEmboss(bodyOf(options), does).map(lineOf)),
        }
      : {}),
  };
}

/** Raises characters, and reports what is raised. */
export const simulatedEmbosser = (options: SimulatedMarkerOptions, rates?: MarkerRates): Marker =>
  simulatedWheels("emboss", options, rates);

/** Presses characters in, as the security number beside the signature panel. */
export const simulatedIndenter = (options: SimulatedMarkerOptions, rates?: MarkerRates): Marker =>
  simulatedWheels("indent", options, rates);
