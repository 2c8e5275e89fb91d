import type { Findings } from "./problem.js";
import { nearest } from "./near.js";
import { cleanText, graphemes, shapeOf } from "./text.js";
import type { Fault } from "./text.js";
import type { ColumnRule } from "./types.js";

/** A cell as its format tells it: text; or what a spreadsheet or JSON knows to be something else. */
export type Cell =
  | string
  | { readonly kind: "number"; readonly written: string }
  /** `day`: ISO 8601 date; nothing when it has a time of day. */
  | { readonly kind: "date"; readonly day?: string }
  | { readonly kind: "list"; readonly items: readonly string[] }
  | { readonly kind: "unusable"; readonly what: string; readonly remedy: string };

/** A row as read, with its line (CSV, JSON) or row number (XLSX) in the file. */
export interface Row {
  readonly row: number;
  readonly cells: readonly Cell[];
}

/** Longest value of a cell that is looked at, in UTF-16 code units. */
export const longestCell = 4096;

export const sameHeader = (name: string): string => name.normalize("NFC").trim();

/** Where each declared column stands in the header; tells of missing, unknown and doubled ones. */
export function matchHeader(
  header: Row,
  rules: readonly ColumnRule[],
  findings: Findings,
): ReadonlyMap<string, number> | undefined {
  const known = rules.map((rule) => rule.column);
  const places = new Map<string, number>();
  const before = findings.count;
  for (const [at, cell] of header.cells.entries()) {
    const name = typeof cell === "string" ? sameHeader(cell) : undefined;
    const place = { row: header.row, column: name?.slice(0, 80) ?? "" };
    if (name === undefined || name === "") {
      findings.tell({
        row: header.row,
        code: "unnamed-column",
        message: `column ${String(at + 1)} has no name`,
        remedy: "name it in the first row, or remove the column",
      });
    } else if (places.has(name)) {
      findings.tell({
        ...place,
        code: "duplicate-column",
        message: "this column stands twice in the header",
        remedy: "keep one of the two",
      });
    } else if (known.some((column) => sameHeader(column) === name)) {
      places.set(name, at);
    } else {
      const meant = nearest(name, known);
      findings.tell({
        ...place,
        code: "unknown-column",
        message: "the product does not know this column",
        remedy: meant === undefined ? `remove it; known are ${known.join(", ")}` : `did you mean "${meant}"?`,
      });
    }
  }
  for (const column of known) {
    if (places.has(sameHeader(column))) continue;
    findings.tell({
      row: header.row,
      column,
      code: "missing-column",
      message: "this column is missing from the header",
      remedy: "add it (its cells may stay empty where the product does not require them)",
    });
  }
  return findings.count === before ? places : undefined;
}

type Value = string | readonly string[];

/** Judges cells by the rules of their columns. Remembers the values of unique columns, so one judge belongs to one reading. */
export class Judge {
  readonly #seen = new Map<string, Map<string, number>>();
  readonly #patterns = new Map<string, RegExp>();

  constructor(
    readonly rules: readonly ColumnRule[],
    readonly findings: Findings,
  ) {
    for (const rule of rules) {
      if (rule.unique === true) this.#seen.set(rule.field, new Map());
      if (rule.pattern !== undefined) {
        this.#patterns.set(rule.field, new RegExp(`^(?:${rule.pattern})$`, "u"));
      }
    }
  }

  /** The fields of a row; what is wrong is told, and leaves its field out. */
  judge(row: Row, places: ReadonlyMap<string, number>): Readonly<Record<string, Value>> {
    const fields: [string, Value][] = [];
    for (const rule of this.rules) {
      const cell = row.cells[places.get(sameHeader(rule.column)) ?? -1] ?? "";
      const judged = this.#cell(cell, rule, row.row);
      if (typeof judged === "string" || !("code" in judged)) {
        if (judged.length > 0) fields.push([rule.field, judged]);
      } else {
        this.findings.tell({ row: row.row, column: rule.column, ...judged });
      }
    }
    return Object.freeze(Object.fromEntries(fields));
  }

  #cell(cell: Cell, rule: ColumnRule, row: number): Value | Fault {
    const raw = typed(cell, rule);
    if (typeof raw === "object") return "code" in raw ? raw : this.#list(raw.items, rule);
    if (raw.length > longestCell) {
      return {
        code: "cell-too-long",
        message: `the cell holds ${String(raw.length)} characters`,
        remedy: `shorten it (at most ${String(longestCell)} in any cell)`,
      };
    }
    const clean = cleanText(raw);
    if ("code" in clean) return clean;
    const { text } = clean;
    if (text === "") {
      return rule.required
        ? { code: "missing", message: "the value is missing", remedy: "fill the cell" }
        : text;
    }
    if (rule.list !== undefined) {
      return this.#list(
        text.split(rule.list).map((item) => item.trim()),
        rule,
      );
    }
    return this.#broken(text, rule) ?? this.#repeated(text, rule, row) ?? text;
  }

  #list(raw: readonly string[], rule: ColumnRule): Value | Fault {
    const items: string[] = [];
    for (const item of raw) {
      if (item.length > longestCell) {
        return { code: "cell-too-long", message: "an item of the list is too long", remedy: "shorten it" };
      }
      const clean = cleanText(item);
      if ("code" in clean) return clean;
      if (clean.text === "") {
        return {
          code: "empty-item",
          message: `an item of the list is empty`,
          remedy: `write the items with one "${rule.list ?? ","}" between them`,
        };
      }
      if (items.includes(clean.text)) {
        return { code: "repeated-item", message: "an item stands twice in the list", remedy: "keep one" };
      }
      const broken = this.#broken(clean.text, rule);
      if (broken !== undefined) return broken;
      items.push(clean.text);
    }
    if (items.length === 0 && rule.required) {
      return { code: "missing", message: "the list is empty", remedy: "name at least one item" };
    }
    return items;
  }

  #broken(text: string, rule: ColumnRule): Fault | undefined {
    if (rule.max !== undefined && graphemes(text, rule.max) > rule.max) {
      return {
        code: "too-long",
        message: `the value (${shapeOf(text)}) is longer than ${String(rule.max)} characters`,
        remedy: `shorten it to ${String(rule.max)} characters`,
      };
    }
    if (rule.type === "date") return dateFault(text);
    if (rule.from !== undefined && !rule.from.includes(text)) {
      return {
        code: "not-in-list",
        message: `a value (${shapeOf(text)}) is not one of those the product knows`,
        remedy: `use ${rule.from.join(", ")}`,
      };
    }
    if (this.#patterns.get(rule.field)?.test(text) === false) {
      return {
        code: "wrong-form",
        message: `the value (${shapeOf(text)}) has not the form the product asks for`,
        remedy: `write it as ${rule.pattern ?? ""}`,
      };
    }
    return undefined;
  }

  #repeated(text: string, rule: ColumnRule, row: number): Fault | undefined {
    const seen = this.#seen.get(rule.field);
    const first = seen?.get(text);
    if (first === undefined) {
      seen?.set(text, row);
      return undefined;
    }
    return {
      code: "duplicate",
      message: `the value (${shapeOf(text)}) stands already in row ${String(first)}, and must be different in each`,
      remedy: "correct one of the two, or remove the second record",
    };
  }
}

function typed(cell: Cell, rule: ColumnRule): string | { readonly items: readonly string[] } | Fault {
  if (typeof cell === "string") return cell;
  switch (cell.kind) {
    case "list":
      return rule.list === undefined
        ? {
            code: "wrong-type",
            message: "a list stands where one value belongs",
            remedy: "write one text in quotes",
          }
        : { items: cell.items };
    case "date":
      if (rule.type === "date" && cell.day !== undefined) return cell.day;
      return rule.type === "date"
        ? {
            code: "bad-date",
            message: "the cell is a date with a time of day",
            remedy: "write the day only, as 2027-01-31",
          }
        : {
            code: "date-cell",
            message: "the spreadsheet has turned the value into a date",
            remedy: "format the column as Text and type the value again",
          };
    case "number":
      // A spreadsheet drops leading zeros and rounds after 15 digits: what was typed into an identifier can no longer be known.
      if (rule.unique === true || rule.pattern !== undefined || rule.type !== undefined) {
        return {
          code: "number-cell",
          message: "the cell holds a number, so leading zeros may be lost (007 became 7)",
          remedy:
            "make it text: format the column as Text and type the values again (JSON: put it in quotes)",
        };
      }
      return /^\d{1,15}$/.test(cell.written)
        ? cell.written
        : {
            code: "number-cell",
            message: "the cell holds a number that has no one way to be written",
            remedy: "make it text: format the column as Text and type the value as it must stand on the card",
          };
    case "unusable":
      return { code: "unusable-cell", message: cell.what, remedy: cell.remedy };
  }
}

function dateFault(text: string): Fault | undefined {
  const iso = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (iso !== null) {
    const day = new Date(`${text}T00:00:00Z`);
    if (!Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)) return undefined;
  }
  return {
    code: "bad-date",
    message:
      iso === null ? `the value (${shapeOf(text)}) is not a date` : "the calendar does not have this day",
    remedy: "write year-month-day, as 2027-01-31",
  };
}
