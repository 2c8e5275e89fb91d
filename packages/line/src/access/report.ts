/** Entries and exits by person, zone and time; refusals; who is inside: plain data, and its page and CSV. */
import { csvLine } from "../ledger/report-csv.js";
import { type Column, html, pageFoot, pageHead, table, tile } from "../ledger/page.js";
import { localTime } from "./calendar.js";
import { dayFigures, type DayFigures, zoneFigures, type ZoneFigures } from "./figures.js";
import { type Inside, inOrder, moveOf, personOf, type Stay, Whereabouts } from "./presence.js";
import type { Passage, Site } from "./types.js";
import { ZoneTree } from "./zones.js";

/** How a person is called; the reference when the register has no name. */
export type NameOf = (person: string) => { readonly name: string; readonly department: string } | undefined;

export interface PassageReport {
  readonly site: string;
  readonly timeZone: string;
  /** ISO 8601, UTC; absent: no limit. */
  readonly from?: string;
  readonly until?: string;
  readonly stays: readonly Stay[];
  readonly refusals: readonly Passage[];
  /** Granted, but worth a look. */
  readonly noticed: readonly Passage[];
  readonly inside: readonly Inside[];
  readonly passages: number;
  /** Of the span; a stay that goes on counts to its end, or to the last passage when it has none. */
  readonly zones: readonly ZoneFigures[];
  readonly days: readonly DayFigures[];
}

/** `passages`: all there are up to `until`, so that who came in before `from` is known to be inside. */
export function reportPassages(
  site: Site,
  passages: Iterable<Passage>,
  span: { readonly from?: string; readonly until?: string } = {},
): PassageReport {
  const people = new Whereabouts(new ZoneTree(site));
  const tree = new ZoneTree(site);
  const begin = span.from === undefined ? Number.NEGATIVE_INFINITY : Date.parse(span.from);
  const end = span.until === undefined ? Number.POSITIVE_INFINITY : Date.parse(span.until);
  const stays: Stay[] = [];
  const refusals: Passage[] = [];
  const noticed: Passage[] = [];
  let counted = 0;
  let last = begin;
  for (const passage of inOrder(passages)) {
    const at = Date.parse(passage.at);
    if (at >= end) break;
    last = at;
    if (at >= begin) {
      counted++;
      if (passage.decision === "refused") refusals.push(passage);
      else if (passage.reason !== undefined) noticed.push(passage);
    }
    const move = moveOf(site, tree, passage);
    if (move === undefined) continue;
    stays.push(...people.move(move).filter(({ out }) => (out ?? end) > begin));
  }
  stays.push(...people.open());
  stays.sort((a, b) => (a.in ?? a.out ?? 0) - (b.in ?? b.out ?? 0) || a.zone.localeCompare(b.zone));
  const whole = { from: begin, until: Number.isFinite(end) ? end : last };
  return {
    site: site.name,
    timeZone: site.timeZone,
    ...span,
    zones: zoneFigures(site, stays, whole),
    days: dayFigures(site, stays, whole),
    stays,
    refusals,
    noticed,
    inside: [...people.inside()],
    passages: counted,
  };
}

export const stayRow = (stay: Stay, timeZone: string, nameOf: NameOf): readonly string[] => {
  const known = nameOf(stay.person);
  const time = (at: number | undefined): string => (at === undefined ? "" : localTime(at, timeZone));
  const minutes =
    stay.in === undefined || stay.out === undefined ? "" : String(Math.round((stay.out - stay.in) / 60_000));
  return [stay.person, known?.name ?? "", stay.zone, time(stay.in), time(stay.out), minutes, noteOf(stay)];
};
export const stayColumns = ["number", "name", "zone", "in", "out", "minutes", "note"] as const;

function noteOf({ entry, exit }: Stay): string {
  const notes = [
    ...(entry === "seen" ? [] : [entry === "inferred" ? "entry inferred" : "entry not seen"]),
    ...(exit === "seen" ? [] : [exit === "open" ? "inside" : "exit not seen"]),
  ];
  return notes.join(", ");
}

export const refusalRow = (passage: Passage, timeZone: string, nameOf: NameOf): readonly string[] => {
  const person = personOf(passage) ?? "";
  const { name = "" } = nameOf(person) ?? {};
  return [
    localTime(Date.parse(passage.at), timeZone),
    passage.gate,
    person,
    name,
    passage.reason ?? "",
    passage.detail ?? "",
  ];
};
export const refusalColumns = ["time", "gate", "number", "name", "event", "detail"] as const;

/** People in each zone, the zones inside it included. */
export function occupied(
  site: Site,
  inside: readonly Inside[],
): readonly { readonly zone: string; readonly people: readonly Inside[] }[] {
  const tree = new ZoneTree(site);
  return site.zones.map(({ name }) => ({
    zone: name,
    people: inside.filter(({ zone }) => (tree.path(zone) ?? []).includes(name)),
  }));
}

const columnsOf = <Row>(
  heads: readonly string[],
  row: (one: Row) => readonly string[],
): readonly Column<Row>[] =>
  heads.map((head, at) => ({ head, whole: at < 2, cell: (one) => row(one)[at] ?? "" }));

const zoneColumns = (timeZone: string): readonly Column<ZoneFigures>[] => [
  { head: "Zone", whole: true, cell: ({ zone }) => zone },
  { head: "Entries", numeric: true, cell: ({ entries }) => entries },
  { head: "People", numeric: true, cell: ({ people }) => people },
  { head: "Most at a time", numeric: true, cell: ({ peak }) => peak },
  {
    head: "since",
    whole: true,
    cell: ({ peakAt }) => (peakAt === undefined ? "" : localTime(Date.parse(peakAt), timeZone)),
  },
  { head: "Hours of all", numeric: true, cell: ({ hours }) => hours.toFixed(1) },
];

const dayColumns: readonly Column<DayFigures>[] = [
  { head: "Day", whole: true, cell: ({ date }) => date },
  { head: "Zone", whole: true, cell: ({ zone }) => zone },
  { head: "People", numeric: true, cell: ({ people }) => people },
  { head: "Hours of all", numeric: true, cell: ({ hours }) => hours.toFixed(1) },
];

/** The page in pieces of text. */
export async function* passagesHtml(
  report: PassageReport,
  site: Site,
  nameOf: NameOf,
): AsyncGenerator<string> {
  const { timeZone } = report;
  const local = (iso: string): string => localTime(Date.parse(iso), timeZone);
  const span = `${report.from === undefined ? "from the beginning" : local(report.from)} to ${report.until === undefined ? "now" : local(report.until)}, ${timeZone}`;
  yield String(html`${pageHead(`${report.site}: passages`)}<header><div><p class="over">Entries and exits</p><h1>${report.site}</h1><p class="soft">${span}</p></div></header>
<div class="tiles">${[
    tile(report.passages, "passages recorded"),
    tile(report.stays.filter(({ in: entered }) => entered !== undefined).length, "stays in zones"),
    tile(report.inside.length, "people inside at the end"),
    tile(report.refusals.length, "refused", report.refusals.length > 0 ? "bad" : "good"),
  ]}</div>
<h2>Who is inside</h2>
`);
  const rooms = occupied(site, report.inside).filter(({ people }) => people.length > 0);
  const inside: readonly Column<(typeof rooms)[number]>[] = [
    { head: "Zone", whole: true, cell: ({ zone }) => zone },
    { head: "People", numeric: true, cell: ({ people }) => people.length },
    {
      head: "Who",
      cell: ({ people }) => people.map(({ person }) => nameOf(person)?.name ?? person).join(", "),
    },
  ];
  if (rooms.length === 0) yield '<p class="soft">Nobody.</p>\n';
  else for await (const row of table(inside, rooms)) yield String(row);
  yield "<h2>Zones</h2>\n";
  for await (const row of table(zoneColumns(timeZone), report.zones)) yield String(row);
  yield "<h2>Zones by day</h2>\n";
  for await (const row of table(dayColumns, report.days)) yield String(row);
  yield "<h2>Refused</h2>\n";
  if (report.refusals.length === 0) yield '<p class="soft">None.</p>\n';
  else {
    const columns = columnsOf<Passage>(refusalColumns, (one) => refusalRow(one, timeZone, nameOf));
    for await (const row of table(columns, report.refusals)) yield String(row);
  }
  if (report.noticed.length > 0) {
    yield "<h2>Granted, but noticed</h2>\n";
    const columns = columnsOf<Passage>(refusalColumns, (one) => refusalRow(one, timeZone, nameOf));
    for await (const row of table(columns, report.noticed)) yield String(row);
  }
  yield "<h2>Entries and exits by zone</h2>\n";
  const columns = columnsOf<Stay>(stayColumns, (one) => stayRow(one, timeZone, nameOf));
  for await (const row of table(columns, report.stays)) yield String(row);
  yield String(
    html`<footer>Presence is personal data: keep it no longer than your rules say.</footer>${pageFoot}`,
  );
}

/** Stays as CSV; cells that a spreadsheet would take for a formula are neutralised. */
export function* passagesCsv(report: PassageReport, nameOf: NameOf): Generator<string> {
  yield csvLine(stayColumns);
  for (const stay of report.stays) yield csvLine(stayRow(stay, report.timeZone, nameOf));
}
