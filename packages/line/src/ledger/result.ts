/**
 * The result file: what the issuer gets back. Text (UTF-8, LF), one line a record in the order of the input, fields parted by TAB
 * (in a field `\t`, `\n`, `\r` and `\\` stand for those characters), totals at the end; signed apart (Ed25519 over all its bytes).
 *
 *   persoline-result  1
 *   order  A-1
 *   customer  Kunststoffwerk Nord
 *   product  office-access
 *   written  2026-03-01T10:00:00.000Z
 *   record  reference  status  serial  key-version  letters  cancelled
 *   1  E1  good  0102…  48  L-0000001  0A0B…:wrong-answer
 *   total  records=1  good=1  held=0  given-up=0  missing=0  cancelled=1
 */
const statuses = ["good", "held", "given-up", "missing"] as const;
export type ResultStatus = (typeof statuses)[number];

export interface ResultRow {
  readonly record: number;
  /** How the customer knows the record; its number when the product names no such field. */
  readonly reference: string;
  readonly status: ResultStatus;
  readonly serial?: string;
  readonly keyVersion?: number;
  /** Numbers of the letters in force. */
  readonly letters: readonly string[];
  /** Cards made for this record that are not to be trusted, with the reason. */
  readonly cancelled: readonly { readonly serial: string; readonly reason: string }[];
}

export interface ResultHead {
  readonly order: string;
  readonly customer: string;
  readonly product: string;
  /** ISO 8601, UTC. */
  readonly written: string;
}

export interface ResultTotals {
  readonly records: number;
  readonly good: number;
  readonly held: number;
  /** Two people decided that these records get no card. */
  readonly givenUp: number;
  readonly missing: number;
  readonly cancelled: number;
}

export interface ResultFile {
  readonly head: ResultHead;
  readonly rows: readonly ResultRow[];
  readonly totals: ResultTotals;
}

export class ResultProblem extends Error {
  override readonly name = "ResultProblem";
  constructor(
    /** 1 = first line; 0 = the file as a whole. */
    readonly line: number,
    message: string,
  ) {
    super(line === 0 ? message : `line ${line}: ${message}`);
  }
}

const columns = ["record", "reference", "status", "serial", "key-version", "letters", "cancelled"];
const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };
const unescapes: Readonly<Record<string, string>> = { "\\": "\\", t: "\t", n: "\n", r: "\r" };

const line = (...fields: readonly (string | number)[]): string =>
  `${fields.map((field) => String(field).replaceAll(/[\\\t\n\r]/g, (c) => escapes[c] ?? c)).join("\t")}\n`;

const fieldsOf = (text: string, at: number): string[] =>
  text.split("\t").map((field) =>
    field.replaceAll(/\\(.?)/gs, (_, escaped: string) => {
      const plain = unescapes[escaped];
      if (plain === undefined) throw new ResultProblem(at, `"\\${escaped}" is no escape of this format`);
      return plain;
    }),
  );

interface Tally {
  records: number;
  good: number;
  held: number;
  givenUp: number;
  missing: number;
  cancelled: number;
}

function tally(totals: Tally, row: ResultRow): void {
  totals.records++;
  totals[row.status === "given-up" ? "givenUp" : row.status]++;
  totals.cancelled += row.cancelled.length;
}

const totalLine = ({ records, good, held, givenUp, missing, cancelled }: ResultTotals): string =>
  line(
    "total",
    `records=${records}`,
    `good=${good}`,
    `held=${held}`,
    `given-up=${givenUp}`,
    `missing=${missing}`,
    `cancelled=${cancelled}`,
  );

/** The file's lines as they come; the rows must be in the order of their record numbers. Returns the totals it wrote. */
export async function* resultLines(
  head: ResultHead,
  rows: Iterable<ResultRow> | AsyncIterable<ResultRow>,
): AsyncGenerator<string, ResultTotals> {
  yield line("persoline-result", 1);
  yield line("order", head.order);
  yield line("customer", head.customer);
  yield line("product", head.product);
  yield line("written", head.written);
  yield line(...columns);
  const totals: Tally = { records: 0, good: 0, held: 0, givenUp: 0, missing: 0, cancelled: 0 };
  let last = 0;
  for await (const row of rows) {
    if (row.record <= last)
      throw new ResultProblem(0, `record ${row.record} comes after ${last}: input order is lost`);
    last = row.record;
    tally(totals, row);
    yield line(
      row.record,
      row.reference,
      row.status,
      row.serial ?? "",
      row.keyVersion ?? "",
      row.letters.join(" "),
      row.cancelled.map(({ serial, reason }) => `${serial}:${reason}`).join(" "),
    );
  }
  yield totalLine(totals);
  return totals;
}

const words = (text: string): string[] => (text === "" ? [] : text.split(" "));

function rowOf(fields: readonly string[], at: number): ResultRow {
  const [record = "", reference = "", status = "", serial = "", keyVersion = "", letters = "", gone = ""] =
    fields;
  if (fields.length !== columns.length)
    throw new ResultProblem(at, `${fields.length} fields, not ${columns.length}`);
  if (!/^[1-9]\d*$/.test(record)) throw new ResultProblem(at, `"${record}" is no record number`);
  const known = statuses.find((one) => one === status);
  if (known === undefined) throw new ResultProblem(at, `"${status}" is no status`);
  if ((status === "good") !== (serial !== ""))
    throw new ResultProblem(at, "a good record, and only that, has a serial");
  return {
    record: Number(record),
    reference,
    status: known,
    letters: words(letters),
    cancelled: words(gone).map((item) => {
      const cut = item.indexOf(":");
      if (cut < 1) throw new ResultProblem(at, `"${item}" is not serial:reason`);
      return { serial: item.slice(0, cut), reason: item.slice(cut + 1) };
    }),
    ...(serial === "" ? {} : { serial }),
    ...(keyVersion === "" ? {} : { keyVersion: Number(keyVersion) }),
  };
}

/** Reads a whole file. Throws ResultProblem naming the line: wrong form, lost order, a serial twice, totals that do not add up, a cut end. */
export function readResult(text: string): ResultFile {
  const lines = text.split("\n");
  if (lines.pop() !== "") throw new ResultProblem(lines.length + 1, "the last line is cut off");
  const named = (at: number, name: string): string => {
    const [found, value, ...more] = fieldsOf(lines[at - 1] ?? "", at);
    if (found !== name || value === undefined || more.length > 0)
      throw new ResultProblem(at, `"${name}" and its value are expected here`);
    return value;
  };
  if (named(1, "persoline-result") !== "1")
    throw new ResultProblem(1, "this is a result file of another version");
  const head = {
    order: named(2, "order"),
    customer: named(3, "customer"),
    product: named(4, "product"),
    written: named(5, "written"),
  };
  if (lines[5] !== columns.join("\t")) throw new ResultProblem(6, "the column names are expected here");
  const rows: ResultRow[] = [];
  const totals: Tally = { records: 0, good: 0, held: 0, givenUp: 0, missing: 0, cancelled: 0 };
  const serials = new Set<string>();
  for (let at = 7; at < lines.length; at++) {
    const row = rowOf(fieldsOf(lines[at - 1] ?? "", at), at);
    if (row.record <= (rows.at(-1)?.record ?? 0)) throw new ResultProblem(at, "records are out of order");
    for (const serial of [
      ...(row.serial === undefined ? [] : [row.serial]),
      ...row.cancelled.map((c) => c.serial),
    ]) {
      if (serials.has(serial)) throw new ResultProblem(at, `serial ${serial} occurs twice`);
      serials.add(serial);
    }
    tally(totals, row);
    rows.push(row);
  }
  if (lines.length < 7 || `${lines.at(-1) ?? ""}\n` !== totalLine(totals))
    throw new ResultProblem(
      lines.length,
      `the totals are missing or do not add up to ${totalLine(totals).trim()}`,
    );
  return { head, rows, totals };
}

/** Verifies the signature over the file's bytes, and only then reads it. Throws ResultProblem. */
export async function openResult(
  bytes: Uint8Array,
  signature: Uint8Array,
  verify: (bytes: Uint8Array, signature: Uint8Array) => Promise<boolean>,
): Promise<ResultFile> {
  if (!(await verify(bytes, signature)))
    throw new ResultProblem(
      0,
      "the signature does not match: the file was altered, or signed with another key",
    );
  return readResult(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
}
