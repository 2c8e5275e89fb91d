/** Changing a picture dot by dot, an engraver's or a printer's: what planted flaws are made of. */
import type { MarkArea, MarkJob } from "./port.js";

export type RasterJob = Extract<MarkJob, { kind: "raster" }>;

/** A picture as a machine puts it on plastic, by its ink. */
export interface Canvas {
  readonly dpi: number;
  readonly width: number;
  readonly height: number;
  /** What lies where, mm. */
  readonly areas: readonly MarkArea[];
  /** Bits of an engraver, rows padded to bytes, or a printer's ink, a byte a dot. */
  readonly content: Uint8Array;
  /** 0 = nothing there, also beyond the edge; 255 = a full mark. */
  readonly ink: (x: number, y: number) => number;
  /** With each dot asked anew where `area` is; the rest stays. */
  readonly redrawn: (area: Dots, ink: (x: number, y: number) => number) => Canvas;
}

export interface Dots {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

type Sheet = Pick<Canvas, "dpi" | "width" | "height" | "areas" | "content">;

const on = ({ width, height }: Sheet, x: number, y: number): boolean =>
  x >= 0 && y >= 0 && x < width && y < height;

function eachDot({ width, height }: Sheet, area: Dots, visit: (x: number, y: number) => void): void {
  for (let y = Math.max(0, area.top); y < Math.min(height, area.bottom); y++)
    for (let x = Math.max(0, area.left); x < Math.min(width, area.right); x++) visit(x, y);
}

/** Marks that are there or not. */
export function burnt({ dpi, width, height, areas = [], bits }: RasterJob): Canvas {
  const stride = Math.ceil(width / 8);
  const sheet = { dpi, width, height, areas, content: bits };
  return {
    ...sheet,
    ink: (x, y) =>
      on(sheet, x, y) && ((bits[y * stride + (x >> 3)] ?? 0) & (0x80 >> (x & 7))) !== 0 ? 255 : 0,
    redrawn: (area, ink) => {
      const changed = bits.slice();
      eachDot(sheet, area, (x, y) => {
        const at = y * stride + (x >> 3);
        const mask = 0x80 >> (x & 7);
        changed[at] = ink(x, y) >= 128 ? (changed[at] ?? 0) | mask : (changed[at] ?? 0) & ~mask;
      });
      return burnt({ kind: "raster", side: "front", dpi, width, height, areas, bits: changed });
    },
  };
}

/** Dyes in any strength. */
export function dyed(sheet: Sheet): Canvas {
  const { width, content } = sheet;
  return {
    ...sheet,
    ink: (x, y) => (on(sheet, x, y) ? (content[y * width + x] ?? 0) : 0),
    redrawn: (area, ink) => {
      const changed = content.slice();
      eachDot(sheet, area, (x, y) => {
        changed[y * width + x] = ink(x, y);
      });
      return dyed({ ...sheet, content: changed });
    },
  };
}

const isMarked = (canvas: Canvas, x: number, y: number): boolean => canvas.ink(x, y) >= 128;

export function dotsOf({ dpi }: Pick<Canvas, "dpi">, box: MarkArea["box"], reach: number): Dots {
  const dots = (mm: number): number => (mm / 25.4) * dpi;
  return {
    left: Math.floor(dots(box.x - reach)),
    top: Math.floor(dots(box.y - reach)),
    right: Math.ceil(dots(box.x + box.width + reach)),
    bottom: Math.ceil(dots(box.y + box.height + reach)),
  };
}

export const inkIn = (job: Canvas, area: Dots): number => {
  let ink = 0;
  for (let y = area.top; y < area.bottom; y++)
    for (let x = area.left; x < area.right; x++) if (isMarked(job, x, y)) ink++;
  return ink;
};

/** The two jobs differ there, by more than a speck. */
export const differ = (job: Canvas, other: Canvas, area: Dots): boolean => {
  let dots = 0;
  for (let y = area.top; y < area.bottom; y++)
    for (let x = area.left; x < area.right; x++) if (Math.abs(job.ink(x, y) - other.ink(x, y)) > 60) dots++;
  return dots * (25.4 / job.dpi) ** 2 > 0.1;
};

/** One glyph of a job. */
interface Glyph {
  readonly job: Canvas;
  readonly char: string;
  readonly box: MarkArea["box"];
}

const glyphsOf = (job: Canvas, areas: readonly MarkArea[]): readonly Glyph[] =>
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
export function strangers(job: Canvas, before: Canvas | undefined, area: MarkArea): [Glyph, Glyph][] {
  const targets = glyphsOf(job, [area]);
  const donors = [
    ...glyphsOf(job, job.areas),
    ...(before === undefined ? [] : glyphsOf(before, before.areas)),
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
export function lookAlikes(job: Canvas, before: Canvas | undefined, area: MarkArea): [Glyph, Glyph][] {
  const targets = glyphsOf(job, [area]);
  const donors = [
    ...glyphsOf(job, job.areas),
    ...(before === undefined ? [] : glyphsOf(before, before.areas)),
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

/** The picture with one glyph struck in another's place. */
export function replaced(job: Canvas, target: Glyph, donor: Glyph): Canvas {
  const [at, from] = [dotsOf(job, target.box, 0), dotsOf(donor.job, donor.box, 0)];
  const without = job.redrawn(at, () => 0);
  // Both stand on the same line.
  const down = at.bottom - from.bottom;
  const across = Math.round((at.left + at.right - from.left - from.right) / 2);
  const there = {
    left: from.left + across,
    right: from.right + across,
    top: from.top + down,
    bottom: from.bottom + down,
  };
  return without.redrawn(there, (x, y) => Math.max(without.ink(x, y), donor.job.ink(x - across, y - down)));
}
