/** Figures of zones over a span, without names: how many people, how long, how full. */
import { cutDays } from "./calendar.js";
import { occupancy, type Stay } from "./presence.js";
import type { Site } from "./types.js";

/** [from, until), milliseconds since 1970. */
export interface Span {
  readonly from: number;
  readonly until: number;
}

export interface ZoneFigures {
  readonly zone: string;
  readonly entries: number;
  readonly people: number;
  /** Most people at one time, and since when (ISO 8601, UTC). */
  readonly peak: number;
  readonly peakAt?: string;
  /** Time of all people together. */
  readonly hours: number;
}

export interface DayFigures {
  /** Local day of the site. */
  readonly date: string;
  readonly zone: string;
  readonly people: number;
  readonly hours: number;
}

const hour = 3_600_000;
const rounded = (milliseconds: number): number => Math.round((milliseconds / hour) * 100) / 100;

/** The part of a stay inside a span; a stay without an end goes on to the span's end, one without a beginning has no length. */
function within({ in: entered, out }: Stay, { from, until }: Span): Span | undefined {
  if (entered === undefined) return undefined;
  const part = { from: Math.max(entered, from), until: Math.min(out ?? until, until) };
  return part.from < part.until ? part : undefined;
}

export function zoneFigures(site: Site, stays: readonly Stay[], span: Span): readonly ZoneFigures[] {
  return site.zones.map(({ name: zone }) => {
    const here = stays.filter((stay) => stay.zone === zone);
    const parts = here.flatMap((stay) => {
      const part = within(stay, span);
      return part === undefined ? [] : [{ ...stay, in: part.from, out: part.until }];
    });
    let peak = 0;
    let peakAt: number | undefined;
    for (const { at, count } of occupancy(parts, zone)) {
      if (count > peak) [peak, peakAt] = [count, at];
    }
    return {
      zone,
      entries: here.filter(({ in: entered = Number.NaN }) => entered >= span.from && entered < span.until)
        .length,
      people: new Set(parts.map(({ person }) => person)).size,
      peak,
      ...(peakAt === undefined ? {} : { peakAt: new Date(peakAt).toISOString() }),
      hours: rounded(parts.reduce((sum, part) => sum + part.out - part.in, 0)),
    };
  });
}

/** Time in each zone by local day: what crosses midnight is shared between the days. */
export function dayFigures(site: Site, stays: readonly Stay[], span: Span): readonly DayFigures[] {
  const days = new Map<string, { date: string; zone: string; people: Set<string>; time: number }>();
  for (const stay of stays) {
    const part = within(stay, span);
    if (part === undefined) continue;
    for (const { date, from, until } of cutDays(part, site.timeZone)) {
      const key = `${date} ${stay.zone}`;
      const day = days.get(key) ?? { date, zone: stay.zone, people: new Set<string>(), time: 0 };
      day.people.add(stay.person);
      day.time += until - from;
      days.set(key, day);
    }
  }
  const rank = (zone: string): number => site.zones.findIndex(({ name }) => name === zone);
  return [...days.values()]
    .sort((a, b) => (a.date === b.date ? rank(a.zone) - rank(b.zone) : a.date < b.date ? -1 : 1))
    .map(({ date, zone, people, time }) => ({ date, zone, people: people.size, hours: rounded(time) }));
}
