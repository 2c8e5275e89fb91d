/** A printable page without scripts or outside files, and text that cannot break out of it. */

import { harmless } from "./harmless.js";

/** Finished markup; only `html` makes it. */
export class Markup {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  toString(): string {
    return this.#text;
  }
}

export type Piece = string | number | Markup | undefined | readonly Piece[];

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export const escaped = (text: string): string =>
  harmless(text).replaceAll(/[&<>"']/g, (c) => entities[c] ?? c);

function written(piece: Piece): string {
  if (piece === undefined) return "";
  if (piece instanceof Markup) return piece.toString();
  if (typeof piece === "object") return piece.map(written).join("");
  return escaped(String(piece));
}

/** Markup with everything that is put in escaped, unless it is markup itself. */
export function html(parts: TemplateStringsArray, ...pieces: readonly Piece[]): Markup {
  return new Markup(parts.reduce((text, part, index) => text + written(pieces[index - 1]) + part));
}

const style = new Markup(`
:root{--ink:#17202b;--soft:#5d6977;--rule:#e2e7ed;--wash:#f5f7fa;--blue:#1257a8;--good:#18794e;--bad:#c0352b;--held:#a66a00}
*{box-sizing:border-box}
html{background:#eceff3}
body{margin:0 auto;max-width:62rem;padding:2.5rem 3rem 3rem;background:#fff;color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
header{border-bottom:3px solid var(--ink);padding-bottom:1.1rem;margin-bottom:1.4rem;display:flex;gap:1rem;justify-content:space-between;align-items:flex-end;flex-wrap:wrap}
h1{font-size:2rem;line-height:1.15;margin:.1rem 0 .2rem;letter-spacing:-.01em}
h2{font-size:1.1rem;margin:2.2rem 0 .7rem;padding-bottom:.3rem;border-bottom:1px solid var(--rule)}
p{margin:.3rem 0}
.over{font-size:.75rem;letter-spacing:.12em;text-transform:uppercase;color:var(--soft);margin:0}
.soft{color:var(--soft)}
.badge{display:inline-block;padding:.25rem .7rem;border-radius:99px;font-weight:600;font-size:.85rem;color:#fff;background:var(--good);-webkit-print-color-adjust:exact;print-color-adjust:exact}
.badge.bad{background:var(--bad)}.badge.plain{background:#5d6977}
.notice{border-left:4px solid var(--held);background:#fdf6e7;padding:.6rem 1rem;margin:1rem 0;-webkit-print-color-adjust:exact;print-color-adjust:exact}
.notice.bad{border-color:var(--bad);background:#fcefed}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.2rem,1fr));gap:.8rem;margin:1rem 0}
.tile{background:var(--wash);border-radius:.5rem;padding:.8rem 1rem;-webkit-print-color-adjust:exact;print-color-adjust:exact}
.tile b{display:block;font-size:1.7rem;line-height:1.2;font-weight:650}
.tile span{color:var(--soft);font-size:.85rem}
.good b{color:var(--good)}.bad b{color:var(--bad)}.held b{color:var(--held)}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th{font-weight:600;text-align:left;color:var(--soft);font-size:.78rem;border-bottom:2px solid var(--rule);padding:.35rem .6rem .35rem 0;vertical-align:bottom}
td{border-bottom:1px solid var(--rule);padding:.35rem .6rem .35rem 0;vertical-align:top;overflow-wrap:anywhere}
th.n,td.n{text-align:right}
td.k{white-space:nowrap;overflow-wrap:normal}
tr.sum td{font-weight:650;border-bottom:0;border-top:2px solid var(--ink)}
thead{display:table-header-group}tr{break-inside:avoid}
code{font:.85em ui-monospace,"DejaVu Sans Mono",Consolas,monospace}
svg{display:block;width:100%;height:auto;-webkit-print-color-adjust:exact;print-color-adjust:exact}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));gap:1rem}
figure{margin:0;break-inside:avoid}
figure img{display:block;width:100%;aspect-ratio:85.6/53.98;object-fit:cover;border-radius:.55rem;border:1px solid var(--rule);background:var(--wash)}
figcaption{font-size:.78rem;color:var(--soft);margin-top:.25rem}
footer{margin-top:2.5rem;border-top:1px solid var(--rule);padding-top:.7rem;color:var(--soft);font-size:.8rem}
@page{size:A4;margin:14mm}
@media print{html{background:none}body{max-width:none;padding:0;font-size:10.5pt}h2{break-after:avoid}}
@media (max-width:40rem){body{padding:1.2rem}}
`);

/** Everything before the page's own content. No script runs in it and nothing is fetched, pictures beside the file apart. */
export const pageHead = (title: string): Markup => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: file:">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
`;

export const pageFoot = html`</body>
</html>
`;

/** Numbers and times as people read them. */
export interface Wording {
  number(value: number, digits?: number): string;
  percent(share: number): string;
  /** ISO 8601 in, local date and time with the zone's name out. */
  time(iso: string): string;
  clock(iso: string): string;
  duration(seconds: number): string;
}

export function wording(timeZone: string): Wording {
  const long = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "short",
  });
  const short = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit" });
  const number = (value: number, digits = 0): string =>
    value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return {
    number,
    percent: (share) => `${number(share * 100, share > 0 && share < 0.1 ? 1 : 0)} %`,
    time: (iso) => long.format(new Date(iso)),
    clock: (iso) => short.format(new Date(iso)),
    duration(seconds) {
      if (seconds < 1) return `${number(seconds * 1000)} ms`;
      if (seconds < 60) return `${number(seconds, 1)} s`;
      const whole = Math.round(seconds);
      const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
      return h > 0 ? `${h} h ${m} min` : `${m} min ${s} s`;
    },
  };
}

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => Piece;
  readonly numeric?: boolean;
  /** Kept on one line: numbers and names that people compare. */
  readonly whole?: boolean;
}

const side = (numeric: boolean | undefined, whole = false): Markup =>
  numeric ? html` class="n"` : whole ? html` class="k"` : html``;

export const tableHead = <Row>(columns: readonly Column<Row>[]): Markup =>
  html`<table><thead><tr>${columns.map(({ head, numeric }) => html`<th${side(numeric)}>${head}</th>`)}</tr></thead><tbody>
`;
export const tableRow = <Row>(columns: readonly Column<Row>[], row: Row): Markup =>
  html`<tr>${columns.map(({ cell, numeric, whole }) => html`<td${side(numeric, whole)}>${cell(row)}</td>`)}</tr>
`;
export const tableFoot = html`</tbody></table>
`;

/** A table written row by row; at most `limit` rows, then a line that says how many more there are. */
export async function* table<Row>(
  columns: readonly Column<Row>[],
  rows: Iterable<Row> | AsyncIterable<Row>,
  { limit = Number.POSITIVE_INFINITY, more = "" }: { readonly limit?: number; readonly more?: string } = {},
): AsyncGenerator<Markup, number> {
  yield tableHead(columns);
  let count = 0;
  for await (const row of rows) {
    count++;
    if (count <= limit) yield tableRow(columns, row);
  }
  yield tableFoot;
  if (count > limit) yield html`<p class="soft">and ${count - limit} more${more}</p>`;
  return count;
}

export const tile = (value: Piece, what: Piece, tone = ""): Markup =>
  html`<div class="tile ${tone}"><b>${value}</b><span>${what}</span></div>
`;
