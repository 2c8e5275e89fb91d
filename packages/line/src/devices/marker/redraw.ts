/** Changing the dots of a raster job: what planted flaws are made of. */
import type { MarkArea, MarkJob } from "./port.js";

export type RasterJob = Extract<MarkJob, { kind: "raster" }>;

export interface Dots {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export const isMarked = (job: RasterJob, x: number, y: number): boolean =>
  x >= 0 &&
  y >= 0 &&
  x < job.width &&
  y < job.height &&
  ((job.bits[y * Math.ceil(job.width / 8) + (x >> 3)] ?? 0) & (0x80 >> (x & 7))) !== 0;

/** The job with each dot asked anew where `area` is; the rest stays. */
export function redraw(job: RasterJob, area: Dots, marked: (x: number, y: number) => boolean): Uint8Array {
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

export function dotsOf(job: RasterJob, box: MarkArea["box"], reach: number): Dots {
  const dots = (mm: number): number => (mm / 25.4) * job.dpi;
  return {
    left: Math.floor(dots(box.x - reach)),
    top: Math.floor(dots(box.y - reach)),
    right: Math.ceil(dots(box.x + box.width + reach)),
    bottom: Math.ceil(dots(box.y + box.height + reach)),
  };
}

export const inkIn = (job: RasterJob, area: Dots): number => {
  let ink = 0;
  for (let y = area.top; y < area.bottom; y++)
    for (let x = area.left; x < area.right; x++) if (isMarked(job, x, y)) ink++;
  return ink;
};

/** The two jobs differ there, by more than a speck. */
export const differ = (job: RasterJob, other: RasterJob, area: Dots): boolean => {
  let dots = 0;
  for (let y = area.top; y < area.bottom; y++)
    for (let x = area.left; x < area.right; x++) if (isMarked(job, x, y) !== isMarked(other, x, y)) dots++;
  return dots * (25.4 / job.dpi) ** 2 > 0.1;
};

/** One glyph of a job. */
interface Glyph {
  readonly job: RasterJob;
  readonly char: string;
  readonly box: MarkArea["box"];
}

const glyphsOf = (job: RasterJob, areas: readonly MarkArea[]): readonly Glyph[] =>
  areas.flatMap(({ glyphs }) =>
    (glyphs ?? [])
      .filter(({ box }) => box.width > 0.3 && box.height > 0.8)
      .map(({ char, box }) => ({ job, char, box })),
  );

/** Share of the two glyphs' ink that they do not have in common, laid on each other by their upper left corners; 0 = the same. */
function unlike(a: Glyph, b: Glyph): number {
  const [at, from] = [dotsOf(a.job, a.box, 0), dotsOf(b.job, b.box, 0)];
  const width = Math.max(at.right - at.left, from.right - from.left);
  const height = Math.max(at.bottom - at.top, from.bottom - from.top);
  let both = 0;
  let one = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [p, q] = [
        isMarked(a.job, at.left + x, at.top + y) && at.left + x < at.right && at.top + y < at.bottom,
        isMarked(b.job, from.left + x, from.top + y) &&
          from.left + x < from.right &&
          from.top + y < from.bottom,
      ];
      if (p && q) both++;
      else if (p || q) one++;
    }
  }
  return one / Math.max(1, one + 2 * both);
}

const alikeInSize = (a: Glyph, b: Glyph): boolean =>
  Math.abs(a.box.height - b.box.height) < 0.25 && Math.abs(a.box.width - b.box.width) < 0.8;

/** Pairs of a glyph of the field and another that could be struck in its place, of about its size: an honest other shape. */
export function strangers(job: RasterJob, before: RasterJob | undefined, area: MarkArea): [Glyph, Glyph][] {
  const targets = glyphsOf(job, [area]);
  const donors = [
    ...glyphsOf(job, job.areas ?? []),
    ...(before === undefined ? [] : glyphsOf(before, before.areas ?? [])),
  ];
  return targets.flatMap((target) =>
    donors
      .filter(
        (donor) => donor.char !== target.char && alikeInSize(target, donor) && unlike(target, donor) > 0.3,
      )
      .slice(0, 8)
      .map((donor): [Glyph, Glyph] => [target, donor]),
  );
}

/** The pairs that are hardest to tell apart and yet are not drawn alike (a Latin and a Cyrillic A are). */
export function lookAlikes(job: RasterJob, before: RasterJob | undefined, area: MarkArea): [Glyph, Glyph][] {
  const targets = glyphsOf(job, [area]);
  const donors = [
    ...glyphsOf(job, job.areas ?? []),
    ...(before === undefined ? [] : glyphsOf(before, before.areas ?? [])),
  ];
  return targets
    .flatMap((target) =>
      donors
        .filter((donor) => donor.char !== target.char && alikeInSize(target, donor))
        .map((donor) => ({ pair: [target, donor] as [Glyph, Glyph], unlike: unlike(target, donor) })),
    )
    .filter((one) => one.unlike > 0.16)
    .toSorted((a, b) => a.unlike - b.unlike)
    .slice(0, 3)
    .map(({ pair }) => pair);
}

/** The job with one glyph struck in another's place. */
export function replaced(job: RasterJob, target: Glyph, donor: Glyph): Uint8Array {
  const [at, from] = [dotsOf(job, target.box, 0), dotsOf(donor.job, donor.box, 0)];
  const without = { ...job, bits: redraw(job, at, () => false) };
  // Both stand on the same line.
  const down = at.bottom - from.bottom;
  const across = Math.round((at.left + at.right - from.left - from.right) / 2);
  const there = {
    left: from.left + across,
    right: from.right + across,
    top: from.top + down,
    bottom: from.bottom + down,
  };
  return redraw(
    without,
    there,
    (x, y) => isMarked(without, x, y) || isMarked(donor.job, x - across, y - down),
  );
}
