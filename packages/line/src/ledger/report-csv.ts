/** Tables for spreadsheets. A cell that a spreadsheet would take for a formula is made text (OWASP, CSV injection). */
import type { CardProof } from "./proof.js";
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
  ["transaction", ({ proof }) => proof?.transaction?.outcome],
  ["arqc", ({ proof }) => proof?.transaction?.arqc],
  ["offline authentication", ({ proof }) => proof?.transaction?.offline],
  ["arpc", ({ proof }) => proof?.transaction?.arpc],
  ["scripts done", ({ proof }) => proof?.transaction?.scripts.done],
  ["scripts failed", ({ proof }) => proof?.transaction?.scripts.failed],
  ["pin", ({ proof }) => pinOf(proof)],
  ["files read", ({ proof }) => proof?.read],
  ["files by mac", ({ proof }) => proof?.mac],
  ["keys authenticated", ({ proof }) => proof?.authenticated],
  ["sessions", ({ proof }) => proof?.keys],
  ["states", ({ proof }) => proof?.states],
];

/** A payment card shows its PIN in its transaction, others tell how many tries it has. */
function pinOf(proof: CardProof | undefined): string | undefined {
  const shown = proof?.transaction?.pin;
  return shown === undefined || shown === "not shown" ? (proof?.pin ?? shown) : shown;
}

/** One line a visit, in the order in which cards left the line. Begins with a byte order mark, which spreadsheets need for UTF-8. */
export async function* reportCsv(report: ProductionReport): AsyncGenerator<string> {
  yield `\uFEFF${csvLine(columns.map(([head]) => head))}`;
  for await (const card of report.visits()) yield csvLine(columns.map(([, cell]) => cell(card)));
}
