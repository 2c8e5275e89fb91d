/** Tables for spreadsheets. A cell that a spreadsheet would take for a formula is made text (OWASP, CSV injection). */
import type { CardLine, ProductionReport } from "./report.js";

export type Cell = string | number | boolean | undefined;

/** RFC 4180: quoted where needed, quotes doubled; text beginning with = + - @ TAB or CR gets an apostrophe before it. */
export function csvCell(cell: Cell): string {
  if (cell === undefined) return "";
  if (typeof cell !== "string") return String(cell);
  const safe = /^[=+\-@\t\r\uFF1D\uFF0B\uFF0D\uFF20]/.test(cell) ? `'${cell}` : cell;
  return /[",;\t\r\n']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export const csvLine = (cells: readonly Cell[]): string => `${cells.map(csvCell).join(",")}\r\n`;

const columns: readonly (readonly [head: string, cell: (card: CardLine) => Cell])[] = [
  ["record", (card) => card.record],
  ["attempt", (card) => card.attempt],
  ["serial", (card) => card.serial],
  ["label", (card) => card.label],
  ["end", (card) => card.end],
  ["station", (card) => card.station],
  ["code", (card) => card.code],
  ["detail", (card) => card.detail],
  ["chip", (card) => card.chip],
  ["at", (card) => card.at],
  ["ms", (card) => Math.round(card.ms)],
];

/** One line a visit, in the order in which cards left the line. Begins with a byte order mark, which spreadsheets need for UTF-8. */
export async function* reportCsv(report: ProductionReport): AsyncGenerator<string> {
  yield `\uFEFF${csvLine(columns.map(([head]) => head))}`;
  for await (const card of report.visits()) yield csvLine(columns.map(([, cell]) => cell(card)));
}
