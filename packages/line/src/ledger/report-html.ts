/** The production report as a page that a manager opens: streamed, so that its length costs no memory. */
import {
  type Column,
  html,
  type Markup,
  pageFoot,
  pageHead,
  table,
  tile,
  wording,
  type Wording,
} from "./page.js";
import { proofLines, proofText } from "./proof-text.js";
import { counted } from "./counted.js";
import type { CardLine, DriftLine, ProductionReport, StationFigures, Throughput } from "./report.js";
import { blankStates } from "./life.js";
import { termOf } from "./balance.js";
import type { BlankState } from "./types.js";

/** Rejects and remakes beyond these stand in the CSV beside the report. */
const rowsAtMost = 500;

async function* only<T>(all: Iterable<T> | AsyncIterable<T>, wanted: (one: T) => boolean): AsyncGenerator<T> {
  for await (const one of all) if (wanted(one)) yield one;
}

function heading(report: ProductionReport, words: Wording): Markup {
  const { order, customer, product, line, environment, started, ended } = report;
  const span =
    started === undefined
      ? "not yet begun"
      : `${words.time(started)}${ended === undefined ? ", still running" : ` to ${words.time(ended)}`}`;
  return html`<header><div>
<p class="over">Production report</p>
<h1>Order ${order}</h1>
<p>${customer} · ${product} · line “${line}”</p>
<p class="soft">${span}</p>
</div><div>${
    report.balanced
      ? html`<span class="badge">accounts balance</span>`
      : html`<span class="badge bad">accounts do not balance</span>`
  }${environment === "test" ? html` <span class="badge plain">test keys</span>` : html``}</div></header>
${
  report.simulated.length === 0
    ? html``
    : html`<p class="notice"><b>Simulated:</b> ${report.simulated.join(", ")}. What these devices report was not measured on real hardware.</p>
`
}${
  report.records.held === 0
    ? html``
    : html`<p class="notice bad"><b>${counted(report.records.held, "record is", "records are")} held</b> and ${report.records.held === 1 ? "waits" : "wait"} for a decision.</p>
`
}${
  report.records.givenUp === 0
    ? html``
    : html`<p class="notice"><b>Given up: ${report.records.givenUp}.</b> Two people decided that these records get no card.</p>
`
}`;
}

function tiles(report: ProductionReport, words: Wording): Markup {
  const { records, cards, planned } = report;
  const pace =
    planned === undefined
      ? "cards an hour"
      : `cards an hour; planned ${words.number(planned.cardsPerHour)}, bottleneck ${planned.bottleneck}`;
  return html`<div class="tiles">${tile(
    `${words.number(records.produced)} of ${words.number(records.total)}`,
    "records have their good card",
    records.produced + records.givenUp === records.total ? "good" : "held",
  )}${tile(
    words.number(cards.rejected),
    cards.used === 0
      ? "cards rejected"
      : `cards rejected, ${words.percent(cards.rejected / cards.used)} of ${words.number(cards.used)} used`,
    cards.rejected > 0 ? "bad" : "",
  )}${tile(words.number(cards.remade), "records remade on another card")}${tile(
    words.number(report.cardsPerHour),
    pace,
  )}${tile(
    words.duration(report.simulatedSeconds ?? report.seconds),
    report.simulatedSeconds === undefined
      ? "elapsed"
      : `on the line's own clock; ${words.duration(report.seconds)} by the clock on the wall`,
  )}</div>
${shares(report)}`;
}

/** Good, rejected and held cards as one bar. */
function shares({ cards }: ProductionReport): Markup {
  if (cards.used === 0) return html``;
  const parts = [
    { what: "good", count: cards.good, fill: "#18794e" },
    { what: "rejected", count: cards.rejected, fill: "#c0352b" },
    { what: "held", count: cards.held, fill: "#a66a00" },
  ];
  let x = 0;
  const bars = parts.map(({ what, count, fill }) => {
    const width = (count / cards.used) * 1000;
    const bar = html`<rect x="${x.toFixed(1)}" y="0" width="${width.toFixed(1)}" height="14" fill="${fill}"><title>${count} ${what}</title></rect>`;
    x += width;
    return bar;
  });
  return html`<svg viewBox="0 0 1000 14" role="img" aria-label="${cards.good} good, ${cards.rejected} rejected, ${cards.held} held"><rect width="1000" height="14" fill="#e2e7ed"/>${bars}</svg>
`;
}

function pace(spans: readonly Throughput[], words: Wording): Markup {
  if (spans.length < 2) return html``;
  const width = 1000 / spans.length;
  const rate = (count: number, seconds: number): number => (seconds > 0 ? (count * 3600) / seconds : 0);
  const top = Math.max(1, ...spans.map(({ good, rejected, seconds }) => rate(good + rejected, seconds)));
  const bars = spans.map(({ from, seconds, good, rejected }, index) => {
    const high = (rate(good, seconds) / top) * 150;
    const bad = (rate(rejected, seconds) / top) * 150;
    const x = (index * width + 1).toFixed(1);
    const wide = Math.max(1, width - 2).toFixed(1);
    return html`<g><title>${words.clock(from)}: ${good} good, ${rejected} rejected</title><rect x="${x}" y="${(160 - high).toFixed(1)}" width="${wide}" height="${high.toFixed(1)}" fill="#1257a8"/><rect x="${x}" y="${(160 - high - bad).toFixed(1)}" width="${wide}" height="${bad.toFixed(1)}" fill="#c0352b"/></g>`;
  });
  const [first] = spans;
  const last = spans.at(-1);
  return html`<h2>Pace</h2>
<svg viewBox="0 0 1000 185" role="img" aria-label="cards an hour over time, at most ${words.number(top)}">
<line x1="0" y1="10" x2="1000" y2="10" stroke="#e2e7ed"/><line x1="0" y1="160" x2="1000" y2="160" stroke="#5d6977"/>
${bars}
<text x="0" y="180" font-size="14" fill="#5d6977">${first === undefined ? "" : words.clock(first.from)}</text><text x="1000" y="180" font-size="14" fill="#5d6977" text-anchor="end">${last === undefined ? "" : words.clock(last.from)}</text>
</svg>
<p class="soft">Cards an hour over time; the highest column is ${words.number(top)}. Blue: good, red: rejected.</p>
`;
}

function meter(share: number): Markup {
  return html`<svg viewBox="0 0 100 10" role="img" aria-label="${Math.round(share * 100)} percent" style="min-width:5rem"><rect width="100" height="10" fill="#e2e7ed"/><rect width="${(share * 100).toFixed(1)}" height="10" fill="${share > 0.9 ? "#a66a00" : "#1257a8"}"/></svg>`;
}

const stationColumns = (words: Wording): readonly Column<StationFigures>[] => [
  { head: "Station", cell: ({ station }) => station },
  { head: "Heads", numeric: true, cell: ({ heads }) => heads },
  { head: "Visits", numeric: true, cell: ({ visits }) => words.number(visits) },
  { head: "Shortest", numeric: true, cell: ({ min }) => words.duration(min / 1000) },
  { head: "Median", numeric: true, cell: ({ median }) => words.duration(median / 1000) },
  { head: "95 % within", numeric: true, cell: ({ p95 }) => words.duration(p95 / 1000) },
  { head: "Longest", numeric: true, cell: ({ max }) => words.duration(max / 1000) },
  { head: "Rejects by head", cell: ({ rejectsByHead = [] }) => rejectsByHead.join(" · ") },
  { head: "Busy", numeric: true, cell: ({ utilisation }) => words.percent(utilisation) },
  { head: "", cell: ({ utilisation }) => meter(utilisation) },
];

function reasons(report: ProductionReport): Markup {
  const top = Math.max(1, ...report.reasons.map(({ count }) => count));
  return html`<table><thead><tr><th>Station</th><th>Reason</th><th class="n">Cards</th><th></th></tr></thead><tbody>${report.reasons.map(
    ({ station, code, count }) =>
      html`<tr><td>${station}</td><td><code>${code}</code></td><td class="n">${count}</td><td><svg viewBox="0 0 300 10" aria-hidden="true"><rect width="${((count / top) * 300).toFixed(1)}" height="10" fill="#c0352b"/></svg></td></tr>
`,
  )}</tbody></table>
`;
}

/** What has to be done with a reject that had somebody's data on it. */
const chipWords = { terminated: "terminated", readable: "chip left readable: destroy" } as const;

const rejectColumns = (words: Wording): readonly Column<CardLine>[] => [
  { head: "Card", whole: true, cell: ({ serial, label }) => html`${label}<br><code>${serial}</code>` },
  { head: "Record", numeric: true, cell: ({ record }) => record ?? "none" },
  { head: "Station", whole: true, cell: ({ station }) => station },
  { head: "Reason", whole: true, cell: ({ code, end }) => html`<code>${code ?? end}</code>` },
  { head: "What was found", cell: ({ detail }) => detail },
  { head: "Chip", cell: ({ chip }) => (chip === undefined ? "" : chipWords[chip]) },
  { head: "Time", whole: true, cell: ({ at }) => words.clock(at) },
];

const remakeColumns = (words: Wording): readonly Column<CardLine>[] => [
  { head: "Record", numeric: true, cell: ({ record }) => record },
  { head: "Good card", cell: ({ serial, label }) => html`<code>${serial}</code> (${label})` },
  { head: "Cards before it", numeric: true, cell: ({ attempt }) => (attempt ?? 1) - 1 },
  { head: "Time", cell: ({ at }) => words.clock(at) },
];

const stateNames: Readonly<Record<BlankState, string>> = {
  "in-stock": "in stock",
  "in-process": "in process",
  held: "held",
  good: "good",
  rejected: "rejected, to be destroyed",
  sample: "samples",
  destroyed: "destroyed before a witness",
  returned: "returned to their owner",
};

/** What the good cards showed, all together. */
function proofSums({ proof, cards }: ProductionReport): Markup {
  if (cards.good === 0) return html``;
  return html`<h2>Electrical proof of the good cards</h2>
<table><tbody>${proofLines(proof).map(
    ([what, figures]) => html`<tr><td>${what}</td><td class="n">${figures}</td></tr>
`,
  )}</tbody></table>
<p></p>
`;
}

const proofColumns: readonly Column<CardLine>[] = [
  { head: "Record", numeric: true, cell: ({ record }) => record ?? "none" },
  { head: "Card", whole: true, cell: ({ serial, label }) => html`<code>${serial}</code> (${label})` },
  {
    head: "What its chip showed",
    cell: ({ proof }) => (proof === undefined ? "nothing is told" : proofText(proof)),
  },
];

function accounts({ stock, balanced }: ProductionReport, words: Wording): Markup {
  return html`<h2>Accounts of all blanks</h2>
<table><tbody>${blankStates.map(
    (
      state,
    ) => html`<tr><td>${stateNames[state]}</td><td class="n">${words.number(stock[termOf[state]])}</td></tr>
`,
  )}<tr class="sum"><td>received${balanced ? "" : " (does not equal the sum above)"}</td><td class="n">${words.number(stock.received)}</td></tr></tbody></table>
`;
}

function gallery(report: ProductionReport): Markup {
  if (report.accountNumbers)
    return html`<h2>Cards as the camera saw them</h2>
<p class="soft">These cards show account numbers, so none of their pictures stands on this page. They lie sealed in the data folder until the order is erased.</p>
`;
  if (report.pictures.length === 0) return html``;
  return html`<h2>Cards as the camera saw them</h2>
<div class="gallery">${report.pictures.map(
    ({ record, serial, side, source }) =>
      html`<figure><img src="${source}" alt="Record ${record}, ${side}" loading="lazy"><figcaption>Record ${record}, ${side} · <code>${serial}</code></figcaption></figure>
`,
  )}</div>
`;
}

const driftColumns = (words: Wording): readonly Column<DriftLine>[] => [
  { head: "Camera", cell: ({ camera }) => camera },
  { head: "Field", cell: ({ field }) => field },
  { head: "What", cell: ({ what }) => what },
  { head: "Cards", numeric: true, cell: ({ cards }) => cards },
  { head: "Farthest way to its limit", numeric: true, cell: ({ farthest }) => words.percent(farthest) },
  { head: "At the end", numeric: true, cell: ({ now }) => words.percent(now) },
];

/** Whoever finds a reject asks first what the camera saw. */
function judgedSides({ judged = [] }: ProductionReport): Markup {
  if (judged.length === 0) return html``;
  return html`<h2>Rejected cards as they were judged</h2>
<p class="soft">Left what was expected, right what the camera saw; boxes name what was found and by how much.</p>
<div class="judged">${judged.map(
    ({ record, serial, side, source }) =>
      html`<figure><img src="${source}" alt="Record ${record}, ${side}, as it was judged" loading="lazy" style="width:100%"><figcaption>Record ${record}, ${side} · <code>${serial}</code></figcaption></figure>
`,
  )}</div>
`;
}

/** The page in pieces of text. Asks `visits` three times. */
export async function* reportHtml(report: ProductionReport): AsyncGenerator<string> {
  const words = wording(report.timeZone);
  const more = "; all of them stand in the CSV beside this report";
  yield String(
    html`${pageHead(`Order ${report.order}: production report`)}${heading(report, words)}${tiles(report, words)}`,
  );
  yield String(pace(report.throughput, words));
  yield "<h2>Stations</h2>\n";
  for await (const row of table(stationColumns(words), report.stations)) yield String(row);
  yield String(proofSums(report));
  if (report.cards.good > 0) {
    const good = only(report.visits(), ({ end }) => end === "good");
    for await (const row of table(proofColumns, good, { limit: rowsAtMost, more })) yield String(row);
  }
  yield "<h2>Rejected and held cards</h2>\n";
  if (report.cards.rejected + report.cards.held === 0) yield '<p class="soft">None.</p>\n';
  else {
    yield String(reasons(report));
    yield "<p></p>\n";
    const bad = only(report.visits(), ({ end }) => end === "rejected" || end === "held");
    for await (const row of table(rejectColumns(words), bad, { limit: rowsAtMost, more })) yield String(row);
  }
  yield String(judgedSides(report));
  const { unshown = [] } = report;
  if (unshown.length > 0) {
    yield "<h2>What quality control does not show</h2>\n<ul>\n";
    for (const one of unshown) yield `${String(html`<li>${one}</li>`)}\n`;
    yield "</ul>\n";
  }
  const { drifts = [] } = report;
  if (drifts.length > 0) {
    yield "<h2>Fields that drift</h2>\n";
    yield '<p class="notice"><b>Look at the machine before cards are thrown out for it.</b> Running means over some ten cards went half of the way to a limit or more.</p>\n';
    for await (const row of table(driftColumns(words), drifts)) yield String(row);
  }
  if (report.cards.remade > 0) {
    yield "<h2>Records made again</h2>\n";
    const remade = only(report.visits(), ({ end, attempt = 1 }) => end === "good" && attempt > 1);
    for await (const row of table(remakeColumns(words), remade, { limit: rowsAtMost, more }))
      yield String(row);
  }
  yield String(html`${accounts(report, words)}${gallery(report)}<footer>Written ${words.time(report.written)} by Persoline. The same data stand as JSON and CSV beside this page.</footer>
${pageFoot}`);
}
