/** Local days and times of a site, by its IANA time zone. A day has 23, 24 or 25 hours, or none. */

const day = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  formats.set(timeZone, made);
  return made;
}

/** What the clock on the wall shows at an instant, as if it were UTC. Milliseconds since 1970, both. */
function wall(at: number, timeZone: string): number {
  const part: Record<string, number> = {};
  for (const { type, value } of formatOf(timeZone).formatToParts(at)) part[type] = Number(value);
  const { year = 0, month = 1, day: date = 1, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, date, hour, minute, second) + (((at % 1000) + 1000) % 1000);
}

export const isTimeZone = (name: string): boolean => {
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
};

/** YYYY-MM-DD. */
export const localDate = (at: number, timeZone: string): string =>
  new Date(wall(at, timeZone)).toISOString().slice(0, 10);

/** YYYY-MM-DD HH:MM:SS. */
export const localTime = (at: number, timeZone: string): string =>
  new Date(wall(at, timeZone)).toISOString().slice(0, 19).replace("T", " ");

export const nextDate = (date: string): string =>
  new Date(Date.parse(`${date}T00:00:00Z`) + day).toISOString().slice(0, 10);

/**
 * The instants at which the clock on the wall shows a local time ("2026-12-01T07:30:00"): one, two when clocks were set back, none
 * when they were set forward over it.
 */
export function instantsOf(local: string, timeZone: string): readonly number[] {
  const naive = Date.parse(`${local}Z`);
  const offset = (at: number): number => wall(at, timeZone) - at;
  const guesses = new Set([naive - offset(naive - day), naive - offset(naive + day)]);
  return [...guesses].filter((at) => wall(at, timeZone) === naive).sort((a, b) => a - b);
}

/** The first instant of a local day. Of a day that the place never had, that of the next. */
export function startOfDay(date: string, timeZone: string): number {
  const [first] = instantsOf(`${date}T00:00:00`, timeZone);
  if (first !== undefined) return first;
  let before = Date.parse(`${date}T00:00:00Z`) - 2 * day;
  let after = before + 4 * day;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (localDate(middle, timeZone) < date) before = middle;
    else after = middle;
  }
  return after;
}

/** The last instant, not after `at`, at which the wall's clock showed `time` (HH:MM) or was set forward over it. */
export function lastTime(time: string, at: number, timeZone: string): number {
  const on = (date: string): number => {
    const [first] = instantsOf(`${date}T${time}:00`, timeZone);
    if (first !== undefined) return first;
    const naive = Date.parse(`${date}T${time}:00Z`);
    return naive - (wall(naive - day, timeZone) - (naive - day));
  };
  const date = localDate(at, timeZone);
  const today = on(date);
  return today <= at ? today : on(new Date(Date.parse(`${date}T00:00:00Z`) - day).toISOString().slice(0, 10));
}

/** A span [from, until) cut at local midnights. */
export function cutDays(
  span: { readonly from: number; readonly until: number },
  timeZone: string,
): readonly { readonly date: string; readonly from: number; readonly until: number }[] {
  const pieces: { date: string; from: number; until: number }[] = [];
  let { from } = span;
  for (let date = localDate(from, timeZone); from < span.until; ) {
    const next = nextDate(date);
    const until = Math.min(span.until, startOfDay(next, timeZone));
    if (until > from) pieces.push({ date, from, until });
    from = Math.max(from, until);
    date = next;
  }
  return pieces;
}

/** From when and until when (exclusive) a validity of the form date or time holds. */
export const validFromInstant = (text: string, timeZone: string): number =>
  /^\d{4}-\d\d-\d\d$/.test(text) ? startOfDay(text, timeZone) : Date.parse(text);
export const validUntilInstant = (text: string, timeZone: string): number =>
  /^\d{4}-\d\d-\d\d$/.test(text) ? startOfDay(nextDate(text), timeZone) : Date.parse(text);
