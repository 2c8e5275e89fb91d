import type { Cell, Row } from "./columns.js";
import { sameHeader } from "./columns.js";
import type { Findings } from "./problem.js";
import { nearest } from "./near.js";

/** An array of objects of texts and lists of texts is two deep, three with a list. */
const deepest = 3;

/** The rows of a JSON file: an array of objects whose keys are the column names. The first row is the header. */
export function jsonRows(
  bytes: Uint8Array,
  columns: readonly string[],
  maxRows: number,
  findings: Findings,
): Row[] {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    findings.tell({
      code: "encoding",
      message: "the file is not UTF-8",
      remedy: "save it as UTF-8: JSON knows no other encoding",
    });
    return [];
  }
  const survey = surveyOf(text, maxRows, findings);
  if (survey === undefined) return [];
  let plain: unknown;
  try {
    plain = JSON.parse(text);
  } catch (error) {
    const at = /position (\d+)/.exec(error instanceof Error ? error.message : "")?.[1];
    findings.tell({
      ...(at === undefined ? {} : { row: text.slice(0, Number(at)).split("\n").length }),
      code: "json-syntax",
      message: "this is not JSON",
      remedy: "look for a missing or extra comma, quote or bracket near here",
    });
    return [];
  }
  if (!Array.isArray(plain)) {
    findings.tell({
      row: 1,
      code: "wrong-type",
      message: "the file must be an array of objects",
      remedy: 'write [ { "column": "value" }, … ]',
    });
    return [];
  }
  const records: readonly unknown[] = plain;
  const rows: Row[] = [{ row: 1, cells: columns }];
  const places = new Map(columns.map((column, at) => [sameHeader(column), at]));
  for (const [at, record] of records.entries()) {
    const row = survey.lines[at] ?? 1;
    if (typeof record !== "object" || record === null || Array.isArray(record)) {
      findings.tell({
        row,
        code: "wrong-type",
        message: `element ${String(at + 1)} of the array is not an object`,
        remedy: 'write each record as { "column": "value" }',
      });
      continue;
    }
    const cells: Cell[] = columns.map(() => "");
    for (const [key, value] of Object.entries(record)) {
      const place = places.get(sameHeader(key));
      if (place !== undefined) cells[place] = cellOf(value);
      else {
        const meant = nearest(key, columns);
        findings.tell({
          row,
          column: key.slice(0, 80),
          code: "unknown-column",
          message: "the product does not know this key",
          remedy:
            meant === undefined ? `remove it; known are ${columns.join(", ")}` : `did you mean "${meant}"?`,
        });
      }
    }
    rows.push({ row, cells });
  }
  return rows;
}

function cellOf(value: unknown): Cell {
  if (value === null) return "";
  if (typeof value === "string") return value;
  if (typeof value === "number") return { kind: "number", written: String(value) };
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) {
    return { kind: "list", items: value };
  }
  return {
    kind: "unusable",
    what: "the value is neither a text nor a list of texts",
    remedy: "put it in quotes",
  };
}

/** One walk over the text before it is parsed: depth, number of records, doubled keys, and the line each record begins on. */
function surveyOf(text: string, maxRows: number, findings: Findings): { lines: number[] } | undefined {
  const lines: number[] = [];
  let keys = new Set<string>();
  let line = 1;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const sign = text.charCodeAt(at);
    if (sign === newline) line++;
    else if (sign === quote) {
      const end = closingQuote(text, at);
      const key =
        depth === 2 && /\s*:/y.test(text.slice(end + 1, end + 100))
          ? keyOf(text.slice(at, end + 1))
          : undefined;
      if (key !== undefined) {
        if (keys.has(key)) {
          findings.tell({
            row: line,
            column: key.slice(0, 80),
            code: "duplicate-column",
            message: "this key stands twice in the record",
            remedy: "keep one of the two",
          });
        }
        keys.add(key);
      }
      at = end;
    } else if (sign === closeBrace || sign === closeBracket) depth--;
    else if (sign === openBrace || sign === openBracket) {
      depth++;
      if (depth === 2) {
        lines.push(line);
        keys = new Set();
      }
      if (depth > deepest) {
        findings.tell({
          row: line,
          code: "too-deep",
          message: `brackets are nested more than ${String(deepest)} deep`,
          remedy: "a record holds texts and lists of texts, nothing deeper",
        });
        return undefined;
      }
      if (lines.length > maxRows) {
        findings.tell({
          row: line,
          code: "too-many-rows",
          message: `the file has more than ${String(maxRows)} ${maxRows === 1 ? "record" : "records"}`,
          remedy: "split it into several orders",
        });
        return undefined;
      }
    }
  }
  return { lines };
}

const [newline, quote, backslash, openBrace, closeBrace, openBracket, closeBracket] = [
  10, 0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d,
] as const;

/** Where the string that begins at `from` ends. A line break inside is an error that the parser tells. */
function closingQuote(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    const sign = text.charCodeAt(at);
    if (sign === backslash) at++;
    else if (sign === quote) return at;
  }
  return text.length;
}

/** The key as JSON reads it; nothing when it is broken (the parser will tell). */
function keyOf(quoted: string): string | undefined {
  try {
    const key: unknown = JSON.parse(quoted);
    return typeof key === "string" ? sameHeader(key) : undefined;
  } catch {
    return undefined;
  }
}
