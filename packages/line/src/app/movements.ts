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

/** In order of time. Throws DataProblem with everything that is wrong with the list. */
export async function readMovements(file: string, site: Site): Promise<readonly Movement[]> {
  const findings = new Findings(file);
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) {
    findings.tell({
      code: "no-file",
      message: "the list of movements cannot be opened",
      remedy: "check the path and the file's permissions",
    });
  }
  let rows: string[][] = [];
  try {
    rows = parse(text ?? "", { bom: true, skip_empty_lines: true, trim: true, comment: "#" });
  } catch (thrown) {
    findings.tell({
      code: "csv",
      message: thrown instanceof Error ? thrown.message : "this is not CSV",
      remedy: "save the list as CSV",
    });
  }
  const [head = [], ...lines] = rows;
  const [time, gate, card] = ["time", "gate", "card"].map((name) => head.indexOf(name));
  if (text !== undefined && head.join() !== "time,gate,card") {
    findings.tell({
      row: 1,
      code: "columns",
      message: "the columns are time, gate and card, in this order",
      remedy: "name them so in the first line",
    });
  }
  findings.refuse();
  const movements = lines.map((line, index): Movement => {
    const row = index + 2;
    const own = { time: line[time ?? 0] ?? "", gate: line[gate ?? 1] ?? "", card: line[card ?? 2] ?? "" };
    const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/.test(own.time)
      ? (instantsOf(own.time, site.timeZone)[0] ?? Number.NaN)
      : /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(own.time)
        ? Date.parse(own.time)
        : Number.NaN;
    if (Number.isNaN(at)) {
      findings.tell({
        row,
        column: "time",
        code: "time",
        message: "this is not a time of this place",
        remedy: 'write local time as "2026-12-01T07:30:00", or with its offset',
      });
    }
    if (!site.gates.some((known) => known.name === own.gate)) {
      findings.tell({
        row,
        column: "gate",
        code: "unknown-gate",
        message: "there is no such gate",
        remedy: `use one of ${site.gates.map((known) => known.name).join(", ")}`,
      });
    }
    if (!/^(serial:[0-9A-F]{20}|rejected:[1-9]\d{0,5}|[^:]{1,64})$/.test(own.card)) {
      findings.tell({
        row,
        column: "card",
        code: "card",
        message: "this names no card",
        remedy: "write an employee number, serial: and 20 hexadecimal digits, or rejected: and a number",
      });
    }
    return { at, gate: own.gate, card: own.card, row };
  });
  findings.refuse();
  return movements.toSorted((a, b) => a.at - b.at);
}
