import { chance } from "../shop-floor/random.js";
import type { MarkArea, MarkJob } from "./port.js";

type RasterJob = Extract<MarkJob, { kind: "raster" }>;

export const visualFlawKinds = ["missing-line", "wrong-text", "wrong-photo", "shift", "faint"] as const;

/** A fault planted in a simulated engraver (line file): on its nth mark of that side (1 = first), or on the body with a label. */
export interface VisualFlaw {
  readonly kind: (typeof visualFlawKinds)[number];
  /** Default "front". */
  readonly side?: "front" | "back";
  readonly nth?: number;
  readonly label?: string;
  /** The layout's field that is hit; without it the seed chooses among those that can be. */
  readonly field?: string;
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

/** What really goes onto the plastic. */
interface Burnt {
  readonly bits: Uint8Array;
  readonly power: number;
}

interface Dots {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const isMarked = (job: RasterJob, x: number, y: number): boolean =>
  x >= 0 &&
  y >= 0 &&
  x < job.width &&
  y < job.height &&
  ((job.bits[y * Math.ceil(job.width / 8) + (x >> 3)] ?? 0) & (0x80 >> (x & 7))) !== 0;

/** The job with each dot asked anew where `area` is; the rest stays. */
function redraw(job: RasterJob, area: Dots, marked: (x: number, y: number) => boolean): Uint8Array {
  const bits = job.bits.slice();
  const stride = Math.ceil(job.width / 8);
  for (let y = Math.max(0, area.top); y < Math.min(job.height, area.bottom); y++) {
    for (let x = Math.max(0, area.left); x < Math.min(job.width, area.right); x++) {
      const at = y * stride + (x >> 3);
      const mask = 0x80 >> (x & 7);
      bits[at] = marked(x, y) ? (bits[at] ?? 0) | mask : (bits[at] ?? 0) & ~mask;
    }
  }
  return bits;
}

function dotsOf(job: RasterJob, area: MarkArea, reach: number): Dots {
  const dots = (mm: number): number => (mm / 25.4) * job.dpi;
  return {
    left: Math.floor(dots(area.box.x - reach)),
    top: Math.floor(dots(area.box.y - reach)),
    right: Math.ceil(dots(area.box.x + area.box.width + reach)),
    bottom: Math.ceil(dots(area.box.y + area.box.height + reach)),
  };
}

const inkIn = (job: RasterJob, area: Dots): number => {
  let ink = 0;
  for (let y = area.top; y < area.bottom; y++)
    for (let x = area.left; x < area.right; x++) if (isMarked(job, x, y)) ink++;
  return ink;
};

/** The two jobs differ there, by more than a speck. */
const differ = (job: RasterJob, other: RasterJob, area: Dots): boolean => {
  let dots = 0;
  for (let y = area.top; y < area.bottom; y++)
    for (let x = area.left; x < area.right; x++) if (isMarked(job, x, y) !== isMarked(other, x, y)) dots++;
  return dots * (25.4 / job.dpi) ** 2 > 0.1;
};

/**
 * Spoils a job. "Another person's" text or photo is that of the job before; the first card of a head has none before it and gets its
 * own field upside down. Throws when the job names no area the flaw could hit: a flaw that was asked for is never left out silently.
 */
export function spoil(job: RasterJob, flaw: VisualFlaw, before: RasterJob | undefined, seed: string): Burnt {
  const luck = chance(`${seed} ${flaw.kind} ${String(flaw.nth ?? "")} ${flaw.label ?? ""}`);
  if (flaw.kind === "faint") return { bits: job.bits, power: luck.between(0.35, 0.5) };
  if (flaw.kind === "shift") {
    const far = (luck.between(0.55, 1) / 25.4) * job.dpi;
    const angle = luck.between(0, 2 * Math.PI);
    const [dx, dy] = [Math.round(far * Math.cos(angle)), Math.round(far * Math.sin(angle))];
    const whole = { left: 0, top: 0, right: job.width, bottom: job.height };
    return { bits: redraw(job, whole, (x, y) => isMarked(job, x - dx, y - dy)), power: 1 };
  }
  const other =
    before !== undefined && before.width === job.width && before.height === job.height ? before : undefined;
  const kinds: readonly MarkArea["kind"][] = flaw.kind === "wrong-photo" ? ["photo"] : ["text", "ocr", "mrz"];
  const areas = (job.areas ?? []).filter((one) => {
    if (!kinds.includes(one.kind) || (flaw.field !== undefined && one.name !== flaw.field)) return false;
    const box = dotsOf(job, one, 0);
    return (
      inkIn(job, box) > 0 && (flaw.kind === "missing-line" || other === undefined || differ(job, other, box))
    );
  });
  const chosen = areas[Math.floor(luck.next() * areas.length)];
  if (chosen === undefined)
    throw new Error(`the planted flaw ${flaw.kind} finds no area on the ${job.side} it could hit`);
  // Letters with marks stand a little out of their box.
  const area = dotsOf(job, chosen, chosen.kind === "photo" ? 0 : 0.4);
  if (flaw.kind === "missing-line") return { bits: redraw(job, area, () => false), power: 1 };
  const theirs = (x: number, y: number): boolean =>
    other === undefined
      ? isMarked(job, area.left + area.right - 1 - x, area.top + area.bottom - 1 - y)
      : isMarked(other, x, y);
  return { bits: redraw(job, area, theirs), power: 1 };
}
