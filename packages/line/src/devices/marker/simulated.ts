import { basename } from "node:path";
import { DeviceFault } from "../problem.js";
import { faultsOf } from "../shop-floor/lot-book.js";
import { drawFace, raiseLines, readEmboss } from "../shop-floor/faces.js";
import { wear } from "../shop-floor/wear.js";
import { stripeFlawKinds } from "../shop-floor/stripe.js";
import type { Place } from "../transport/port.js";
import { recordsOf } from "./emboss/records.js";
import { flawOf, spoil, type VisualFlaw } from "./flaws.js";
import type { Marker, MarkJob } from "./port.js";
import { printingMs } from "./printer/job.js";

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

/** Burns what the simulated camera sees. Keeps the job before, for the flaw of another person's data. */
export function simulatedEngraver(options: SimulatedMarkerOptions, rates: MarkerRates = usualRates): Marker {
  const marks = { front: 0, back: 0 };
  const before: {
    front?: Extract<MarkJob, { kind: "raster" }>;
    back?: Extract<MarkJob, { kind: "raster" }>;
  } = {};
  const duration = (job: MarkJob): number => {
    if (job.kind !== "raster") throw refuse(options.name, "raster", job.kind);
    return rasterMs(job, rates);
  };
  return {
    name: options.name,
    kind: "simulated",
    does: "raster",
    duration,
    async mark(job) {
      const ms = duration(job);
      if (job.kind !== "raster") throw refuse(options.name, "raster", job.kind);
      const body = bodyOf(options);
      const nth = ++marks[job.side];
      // A body's folder is called number-label; its own flaws come before the machine's.
      const label = basename(body).replace(/^\d{6}-/, "");
      const flaw = [
        ...faultsOf(body)
          .faces.filter((words) => !stripeFlawKinds.some((kind) => kind === words))
          .map(flawOf),
        ...(options.flaws ?? []).filter((one) =>
          one.label === undefined ? one.nth === nth : one.label === label,
        ),
      ].find((one) => (one.side ?? "front") === job.side);
      const { wear: worn, ...burnt } =
        flaw === undefined
          ? { bits: job.bits, power: 1, wear: undefined }
          : {
              wear: undefined,
              ...spoil(job, flaw, before[job.side], `${options.seed} ${options.name} ${label}`),
            };
      if (worn !== undefined) wear(body, job.side, worn);
      before[job.side] = job;
      await drawFace(body, job.side, { ...job, ...burnt }, (_, strips) => options.world.sleep(ms / strips));
    },
  };
}

/** Strikes the characters of a job; the body's own record is what an embosser would report back. */
function simulatedWheels(
  does: StruckJob["kind"],
  options: SimulatedMarkerOptions,
  rates: MarkerRates = usualRates,
): Marker {
  const struck = (job: MarkJob): StruckJob => {
    if (job.kind !== does) throw refuse(options.name, does, job.kind);
    return job as StruckJob;
  };
  const duration = (job: MarkJob): number => embossMs(struck(job), rates);
  return {
    name: options.name,
    kind: "simulated",
    does,
    duration,
    async mark(job) {
      const ms = duration(job);
      const { side, lines } = struck(job);
      // What a real wheel could not strike, the simulated one refuses as well.
      recordsOf(options.name, struck(job));
      await raiseLines(bodyOf(options), side, lines, (_, of) => options.world.sleep(ms / of), does);
    },
    embossed: () => Promise.resolve(readEmboss(bodyOf(options), does)),
  };
}

/** Raises characters, and reports what is raised. */
export const simulatedEmbosser = (options: SimulatedMarkerOptions, rates?: MarkerRates): Marker =>
  simulatedWheels("emboss", options, rates);

/** Presses characters in, as the security number beside the signature panel. */
export const simulatedIndenter = (options: SimulatedMarkerOptions, rates?: MarkerRates): Marker =>
  simulatedWheels("indent", options, rates);
