/** A list of movements: when which card was held to which gate. */
import { readFile } from "node:fs/promises";
import { parse } from "csv-parse/sync";
import { instantsOf } from "../access/calendar.js";
import type { Site } from "../access/types.js";
import { Findings } from "../orders/problem.js";

export interface Movement {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly gate: string;
  /** An employee number, `serial:` and a chip number, or `rejected:` and the number of a card that was thrown out after personalization. */
  readonly card: string;
  readonly row: number;
}

/** So many problems of one list are told in full: a list for another site has one in each row. */
export const mostTold = 12;

/** In order of time. Throws DataProblem with what is wrong with the list. */
export async function readMovements(file: string, site: Site): Promise<readonly Movement[]> {
  const findings = new Findings(file, mostTold);
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) {
    findings.tell({
      code: "no-file",
      message: "the list of movements cannot be opened",
      remedy: "check the path and the file's permissions",
    });
  }
  let rows: { readonly record: string[]; readonly info: { readonly lines: number } }[] = [];
  try {
    const found: unknown = parse(text ?? "", {
      bom: true,
      skip_empty_lines: true,
      trim: true,
      comment: "#",
      info: true,
    });
    // What `info` makes of each row.
    rows = found as typeof rows;
  } catch (thrown) {
    findings.tell({
      code: "csv",
      message: thrown instanceof Error ? thrown.message : "this is not CSV",
      remedy: "save the list as CSV",
    });
  }
  const [head, ...lines] = rows;
  if (text !== undefined && findings.count === 0 && head?.record.join() !== "time,gate,card") {
    findings.tell({
      row: 1,
      code: "columns",
      message: "the columns are time, gate and card, in this order",
      remedy: "name them so in the first line",
    });
  }
  findings.refuse();
  const gates = site.gates.map(({ name }) => name);
  if (lines.length > 0 && !lines.some(({ record: [, gate = ""] }) => gates.includes(gate))) {
    findings.tell({
      column: "gate",
      code: "other-site",
      message: `none of its gates is one of ${site.name} (${gates.join(", ")})`,
      remedy: "name the gates file of their site with --gates",
    });
    findings.refuse();
  }
  const seen = new Map<string, number>();
  const movements = lines.map(({ record, info: { lines: row } }): Movement => {
    const own = { time: record[0] ?? "", gate: record[1] ?? "", card: record[2] ?? "" };
    const at = instantOf(own.time, site.timeZone);
    if (typeof at === "string") {
      findings.tell({
        row,
        column: "time",
        code: "time",
        message: at,
        remedy: 'write local time as "2026-12-01T07:30:00", or with its offset: "2026-12-01T07:30:00+01:00"',
      });
    }
    const key = JSON.stringify([at, own.gate, own.card]);
    const before = seen.get(key);
    if (before !== undefined) {
      findings.tell({
        row,
        code: "twice",
        message: `this movement stands in row ${String(before)} already`,
        remedy: "keep one of the two",
      });
    }
    seen.set(key, row);
    if (!gates.includes(own.gate)) {
      findings.tell({
        row,
        column: "gate",
        code: "unknown-gate",
        message: "there is no such gate",
        remedy: `use one of ${gates.join(", ")}`,
      });
    }
    if (!/^(serial:(?:[0-9A-F]{14}|[0-9A-F]{20})|rejected:[1-9]\d{0,5}|[^:]{1,64})$/.test(own.card)) {
      findings.tell({
        row,
        column: "card",
        code: "card",
        message: "this names no card",
        remedy:
          "write an employee number, serial: and 20 hexadecimal digits (14 of a DESFire card), or rejected: and a number",
      });
    }
    return { at: typeof at === "string" ? Number.NaN : at, gate: own.gate, card: own.card, row };
  });
  findings.refuse();
  return movements.toSorted((a, b) => a.at - b.at);
}

const timeForm = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(Z|[+-]\d\d:\d\d)?$/;

/** The instant, or what is wrong with the text. Local time must be one instant of the place. */
function instantOf(text: string, timeZone: string): number | string {
  const [, date, minutes, seconds = ":00", offset] = timeForm.exec(text) ?? [];
  if (date === undefined || minutes === undefined) return "this is not a time";
  const local = `${date}T${minutes}${seconds}`;
  const naive = Date.parse(`${local}Z`);
  if (Number.isNaN(naive) || !new Date(naive).toISOString().startsWith(date)) return "this is not a time";
  if (offset !== undefined) {
    const at = Date.parse(`${local}${offset}`);
    return Number.isNaN(at) ? "this is not a time" : at;
  }
  const [first, second] = instantsOf(local, timeZone);
  if (first === undefined) return "clocks were set forward over this time: this place never had it";
  return second === undefined ? first : "clocks were set back: this place had this time twice";
}
