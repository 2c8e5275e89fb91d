import type readWorkbook from "read-excel-file/universal";
import type { Cell, Row } from "./columns.js";
import type { Findings } from "./problem.js";
import { nearest } from "./near.js";
import { store, unzip } from "./zip.js";

export interface SheetLimits {
  readonly unpacked: number;
  readonly rows: number;
}

const mostColumns = 256;
const mostCells = 10_000_000;

/** A number as the sheet writes it; which numbers may stand for text is for the column to say. */
class WrittenNumber {
  constructor(readonly written: string) {}
}

/** The rows of one sheet of a workbook (ECMA-376), the header first. Everything dangerous is refused before the sheet is parsed. */
export async function xlsxRows(
  bytes: Uint8Array,
  sheet: string | undefined,
  limits: SheetLimits,
  findings: Findings,
): Promise<Row[]> {
  if (bytes[0] === 0xd0 && bytes[1] === 0xcf) {
    findings.tell({
      code: "wrong-format",
      message: "this is an old .xls workbook, or one locked with a password",
      remedy: "save it as .xlsx without a password",
    });
    return [];
  }
  const parts = unzip(bytes, { entries: 1000, unpacked: limits.unpacked });
  if ("code" in parts) {
    findings.tell(parts);
    return [];
  }
  if (!safe(parts, limits, findings)) return [];
  let sheets: Awaited<ReturnType<typeof readWorkbook<WrittenNumber>>>;
  try {
    const archive = store(parts);
    const workbooks = await import("read-excel-file/universal");
    sheets = await workbooks.default<WrittenNumber>(new Uint8Array(archive).buffer, {
      trim: false,
      parseNumber: (written) => new WrittenNumber(written),
    });
  } catch {
    findings.tell({
      code: "damaged-workbook",
      message: "the workbook cannot be read",
      remedy: "open it in a spreadsheet program and save it again as .xlsx",
    });
    return [];
  }
  const names = sheets.map((found) => found.sheet);
  const chosen =
    sheet === undefined && sheets.length === 1 ? sheets[0] : sheets.find((s) => s.sheet === sheet);
  if (chosen === undefined) {
    const meant = sheet === undefined ? undefined : nearest(sheet, names);
    findings.tell({
      code: "sheet",
      message:
        sheet === undefined
          ? `the workbook has ${String(names.length)} sheets`
          : "the workbook has no sheet of that name",
      remedy:
        meant === undefined
          ? `name one in the order (input: sheet:): ${names.join(", ")}`
          : `did you mean "${meant}"?`,
    });
    return [];
  }
  const formulas = formulasOf(parts, names.indexOf(chosen.sheet));
  return chosen.data.map((cells, at) => ({
    row: at + 1,
    cells: cells.map((value, column) => cellOf(value, formulas.has(`${letters(column)}${String(at + 1)}`))),
  }));
}

function cellOf(value: unknown, formula: boolean): Cell {
  if (formula) {
    return {
      kind: "unusable",
      what: "the cell is a formula, whose value depends on who computed it last",
      remedy: "replace it by its value (copy, paste as values)",
    };
  }
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  if (value instanceof WrittenNumber) return { kind: "number", written: value.written };
  if (value instanceof Date) {
    const written = Number.isNaN(value.getTime()) ? "" : value.toISOString();
    return written.endsWith("T00:00:00.000Z") && written.length === 24
      ? { kind: "date", day: written.slice(0, 10) }
      : { kind: "date" };
  }
  return { kind: "unusable", what: "the cell holds TRUE or FALSE", remedy: "format the column as Text" };
}

/** A, B, … Z, AA: the column's name. */
const letters = (column: number): string =>
  column < 26
    ? String.fromCharCode(65 + column)
    : letters(Math.floor(column / 26) - 1) + letters(column % 26);

const text = (bytes: Uint8Array): string => new TextDecoder("utf-8").decode(bytes);

const isSheet = (name: string): boolean => /^xl\/worksheets\/[^/]+\.xml$/.test(name);

/** Looks at the raw XML for what would cost the parser too much: entities, far-away cells, too many rows. */
function safe(parts: ReadonlyMap<string, Uint8Array>, limits: SheetLimits, findings: Findings): boolean {
  const before = findings.count;
  for (const [name, bytes] of parts) {
    const xml = text(bytes);
    if (
      /<!(?:DOCTYPE|ENTITY)/i.test(xml) ||
      (bytes[0] === 0xff && bytes[1] === 0xfe) ||
      (bytes[0] === 0xfe && bytes[1] === 0xff)
    ) {
      findings.tell({
        code: "xml-entities",
        message: "the workbook declares XML entities, which no spreadsheet program does",
        remedy: "do not use this file; ask its sender for it again",
      });
      break;
    }
    if (!isSheet(name)) continue;
    let rows = 0;
    let columns = 0;
    for (const [, column = "", row = ""] of xml.matchAll(/\sr\s*=\s*["']([A-Za-z]{0,8})(\d{1,15})["']/g)) {
      rows = Math.max(rows, Number(row));
      columns = Math.max(columns, numberOf(column));
    }
    // Cells and rows without an address take the next place.
    rows = Math.max(rows, count(xml, "<row"), count(xml, ":row"));
    if (rows > limits.rows + 1) {
      findings.tell({
        code: "too-many-rows",
        message: `the sheet reaches down to row ${String(rows)}; at most ${String(limits.rows)} records are read`,
        remedy: "delete the rows below the last record, or split the file",
      });
    } else if (columns > mostColumns || rows * columns > mostCells) {
      findings.tell({
        code: "too-many-columns",
        message: `the sheet is ${String(columns)} columns wide and ${String(rows)} rows long`,
        remedy: `delete what stands right of the last column (at most ${String(mostColumns)})`,
      });
    }
  }
  return findings.count === before;
}

const numberOf = (column: string): number => {
  let number = 0;
  for (const letter of column.toUpperCase()) number = number * 26 + letter.charCodeAt(0) - 64;
  return number;
};

function count(xml: string, word: string): number {
  let found = 0;
  for (let at = xml.indexOf(word); at >= 0; at = xml.indexOf(word, at + word.length)) found++;
  return found;
}

/** Addresses of the cells of the nth sheet that hold a formula or an error. */
function formulasOf(parts: ReadonlyMap<string, Uint8Array>, sheet: number): Set<string> {
  const xml = sheetXml(parts, sheet);
  const found = new Set<string>();
  // One cell at a time; the lengths are bounded, so that a broken sheet cannot make the search slow.
  const cell = /<(?:\w{1,20}:)?c\s([^<>]{0,300})>\s{0,20}(<(?:\w{1,20}:)?f[\s/>])?/g;
  for (const [, attributes = "", formula] of xml.matchAll(cell)) {
    const address = /(?:^|\s)r\s*=\s*["']([A-Z]+\d+)["']/.exec(attributes)?.[1];
    const broken = /(?:^|\s)t\s*=\s*["'](?:e|str)["']/.test(attributes);
    if (address !== undefined && (formula !== undefined || broken)) found.add(address);
  }
  return found;
}

/** The part of the nth sheet, by the workbook's relationships. */
function sheetXml(parts: ReadonlyMap<string, Uint8Array>, sheet: number): string {
  const book = text(parts.get("xl/workbook.xml") ?? new Uint8Array(0));
  const links = text(parts.get("xl/_rels/workbook.xml.rels") ?? new Uint8Array(0));
  const entry = [...book.matchAll(/<(?:\w{1,20}:)?sheet\s([^<>]{0,1000})>/g)][sheet]?.[1] ?? "";
  const id = /\sr:id\s*=\s*["']([^"']{1,100})["']/.exec(` ${entry}`)?.[1];
  for (const [, link = ""] of links.matchAll(/<(?:\w{1,20}:)?Relationship\s([^<>]{0,2000})>/g)) {
    const of = (name: string): string | undefined =>
      new RegExp(`(?:^|\\s)${name}\\s*=\\s*["']([^"']{1,500})["']`).exec(link)?.[1];
    if (of("Id") !== id) continue;
    const target = of("Target") ?? "";
    const name = target.startsWith("/") ? target.slice(1) : `xl/${target.replace(/^\.\//, "")}`;
    return text(parts.get(name) ?? new Uint8Array(0));
  }
  return "";
}
