import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname, extname } from "node:path";
import { Judge, matchHeader, sameHeader } from "./columns.js";
import type { Row } from "./columns.js";
import { csvRows } from "./csv.js";
import { issuerEnding, issuerRows } from "./issuer.js";
import { jsonRows } from "./json.js";
import { type PhotoNow, photoNow, readPhoto } from "./photo.js";
import { Findings } from "./problem.js";
import type { ColumnRule, OrderInput, OrderRecord, Photo } from "./types.js";
import { xlsxRows } from "./xlsx.js";

export interface InputLimits {
  /** Bytes of a CSV file. */
  readonly csvBytes: number;
  /** Bytes of an XLSX or JSON file, which are read whole. */
  readonly wholeBytes: number;
  /** Bytes of a workbook's parts, unpacked. */
  readonly unpackedBytes: number;
  readonly rows: number;
  readonly photoBytes: number;
  readonly photoPixels: number;
}

const usual: InputLimits = {
  csvBytes: 1 << 30,
  wholeBytes: 1 << 26,
  unpackedBytes: 1 << 28,
  rows: 1_000_000,
  photoBytes: 20 << 20,
  photoPixels: 50_000_000,
};

export interface ReadOptions {
  /** The number of records the order announces; another number refuses the file. */
  readonly records?: number;
  readonly limits?: Partial<InputLimits>;
  /** What the security module has proved of an issuer's file; without it none is read. */
  readonly issuer?: ProvedIssuerFile;
}

export interface ProvedIssuerFile {
  /** SHA-256 of the whole file, hex. */
  readonly sha256: string;
  /** Data groupings as fields, by the record's number (`clearField`, `sealedField`). */
  readonly fields: ReadonlyMap<number, Readonly<Record<string, string>>>;
}

/** An input file that was found whole: every row and every photo has been looked at. */
export interface Input {
  readonly file: string;
  /** Number of records. */
  readonly count: number;
  /** SHA-256 of the file's bytes, hex: the same file cannot become two orders unnoticed. */
  readonly sha256: string;
  /**
   * The records in the file's order, each with its photos, one at a time: memory does not grow with the file (CSV; a workbook or JSON file
   * is held whole). Can be called again. Throws DataProblem when file or photos are no longer those that were looked at.
   */
  records(): AsyncGenerator<OrderRecord, void, undefined>;
}

/**
 * Reads the whole input by the columns of the product and judges every row and photo before anything is delivered.
 * Throws one DataProblem with everything that is wrong (the first thousand problems; the rest as a number).
 */
export async function readInput(
  input: OrderInput,
  columns: readonly ColumnRule[],
  options: ReadOptions = {},
): Promise<Input> {
  const limits = { ...usual, ...options.limits };
  const findings = new Findings(input.file);
  const reading = { input, columns, limits, findings, ...(options.issuer && { issuer: options.issuer }) };
  if (isIssuerInput(input) && options.issuer === undefined) {
    findings.tell({
      code: "unproved",
      message: "an issuer's file is read only after the security module has proved it",
      remedy: "prove it first",
    });
    findings.refuse();
  }
  let count = 0;
  const hash = createHash("sha256");
  const file = await opened(input, limits, findings);
  findings.refuse();
  if (file === undefined) throw new Error("an unopened file was not told");
  try {
    let waiting: Promise<void>[] = [];
    for await (const record of judged(file, reading)) {
      count++;
      waiting.push(checkPhotos(record, reading));
      if (waiting.length >= 8) {
        await Promise.all(waiting);
        waiting = [];
      }
    }
    await Promise.all(waiting);
    await digest(file, hash);
  } finally {
    await file.close();
  }
  if (count === 0 && findings.count === 0) {
    findings.tell({
      code: "no-records",
      message: "the file has no records",
      remedy: "add one row for each card under the header",
    });
  }
  if (options.records !== undefined && options.records !== count && findings.count === 0) {
    findings.tell({
      code: "wrong-count",
      message: `the file has ${String(count)} ${count === 1 ? "record" : "records"}, the order announces ${String(options.records)}`,
      remedy: "the file may be cut off: ask for it again, or correct `records` in the order",
    });
  }
  findings.refuse();
  const sha256 = hash.digest("hex");
  if (options.issuer !== undefined && options.issuer.sha256 !== sha256) {
    findings.tell(changed);
    findings.refuse();
  }
  return { file: input.file, count, sha256, records: () => deliver(reading, sha256) };
}

/** Records whose photos are looked at side by side. */
const photosAtOnce = 16;

/**
 * All photos that the input names, as they are now, a page of records at a time. Nothing is judged: this is for an input that was read
 * whole before.
 */
export async function* photosNow(
  input: OrderInput,
  columns: readonly ColumnRule[],
): AsyncGenerator<readonly (PhotoNow & { record: number; row: number; field: string })[]> {
  const fields = columns.flatMap(({ type, field }) => (type === "photo" ? [field] : []));
  if (fields.length === 0) return;
  const findings = new Findings(input.file);
  const file = await opened(input, usual, findings);
  findings.refuse();
  if (file === undefined) return;
  const folder = input.photos ?? dirname(input.file);
  const limits = { bytes: usual.photoBytes, pixels: usual.photoPixels };
  const look = (page: readonly Judged[]) =>
    Promise.all(
      page.flatMap(({ number, row, fields: values }) =>
        fields.flatMap((field) => {
          const name = values[field];
          if (typeof name !== "string") return [];
          return [photoNow(folder, name, limits).then((now) => ({ record: number, row, field, ...now }))];
        }),
      ),
    );
  try {
    let page: Judged[] = [];
    for await (const record of judged(file, { input, columns, limits: usual, findings })) {
      page.push(record);
      if (page.length < photosAtOnce) continue;
      yield await look(page);
      page = [];
    }
    yield await look(page);
  } finally {
    await file.close();
  }
}

/** SHA-256 of a whole input file, hex, block by block; undefined when there is none any more. Throws what else the file system says. */
export async function inputDigest(path: string): Promise<string | undefined> {
  const hash = createHash("sha256");
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (problem) {
    const code = problem instanceof Error && "code" in problem ? problem.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw problem;
  }
  try {
    await digest(file, hash);
  } finally {
    await file.close();
  }
  return hash.digest("hex");
}

/** Told by its name: what it is inside is looked at when it is proved. */
export const isIssuerInput = ({ file }: Pick<OrderInput, "file">): boolean =>
  extname(file).toLowerCase() === issuerEnding;

const changed = {
  code: "changed",
  message: "the file was changed while it was read",
  remedy: "close it in other programs and run the order again",
};

interface Reading {
  readonly input: OrderInput;
  readonly columns: readonly ColumnRule[];
  readonly limits: InputLimits;
  readonly findings: Findings;
  readonly issuer?: ProvedIssuerFile;
}

async function* deliver(first: Reading, sha256: string): AsyncGenerator<OrderRecord, void, undefined> {
  const findings = new Findings(first.input.file);
  const reading = { ...first, findings };
  const file = await opened(first.input, first.limits, findings);
  findings.refuse();
  if (file === undefined) return;
  try {
    // The second reading must see what the first one judged.
    const hash = createHash("sha256");
    await digest(file, hash);
    if (hash.digest("hex") !== sha256) {
      findings.tell(changed);
      findings.refuse();
    }
    for await (const record of judged(file, reading)) {
      const photos = await photosOf(record, reading);
      findings.refuse();
      yield { ...record, photos };
    }
    findings.refuse();
  } finally {
    await file.close();
  }
}

async function opened(
  input: OrderInput,
  limits: InputLimits,
  findings: Findings,
): Promise<FileHandle | undefined> {
  const ending = extname(input.file).toLowerCase();
  if (![".csv", ".xlsx", ".json", issuerEnding].includes(ending)) {
    findings.tell({
      code: "wrong-format",
      message: `an input file ends with .csv, .xlsx, .json or .issuer, not with "${ending}"`,
      remedy: ending === ".xls" ? "save it as .xlsx" : "save it in one of these forms",
    });
    return undefined;
  }
  let file: FileHandle;
  try {
    file = await open(input.file, "r");
  } catch {
    findings.tell({
      code: "no-file",
      message: "the input file cannot be opened",
      remedy: "check `input: file:` in the order, and the file's permissions",
    });
    return undefined;
  }
  const stat = await file.stat();
  const limit = ending === ".csv" ? limits.csvBytes : limits.wholeBytes;
  if (stat.isFile() && stat.size <= limit) return file;
  await file.close();
  findings.tell(
    stat.isFile()
      ? {
          code: "file-too-big",
          message: `the file has ${String(Math.ceil(stat.size / (1 << 20)))} MiB`,
          remedy: `split it, or save it as CSV (at most ${String(Math.floor(limit / (1 << 20)))} MiB)`,
        }
      : { code: "no-file", message: "this is not a file", remedy: "check `input: file:` in the order" },
  );
  return undefined;
}

async function digest(file: FileHandle, hash: Hash): Promise<void> {
  const block = new Uint8Array(1 << 18);
  for (let position = 0; ; ) {
    const { bytesRead } = await file.read(block, 0, block.length, position);
    if (bytesRead === 0) return;
    hash.update(block.subarray(0, bytesRead));
    position += bytesRead;
  }
}

async function rowsOf(file: FileHandle, reading: Reading): Promise<AsyncIterable<Row> | Iterable<Row>> {
  const { input, columns, limits, findings } = reading;
  const names = columns.map((rule) => rule.column);
  const ending = extname(input.file).toLowerCase();
  if (ending === ".csv") return csvRows(file, input.encoding ?? "utf-8", names, findings);
  const { size } = await file.stat();
  const bytes = new Uint8Array(Math.min(size, limits.wholeBytes));
  await file.read(bytes, 0, bytes.length, 0);
  if (ending === issuerEnding) return issuerRows(bytes, names, findings);
  if (ending === ".json") return jsonRows(bytes, names, limits.rows, findings);
  const sheetLimits = { unpacked: limits.unpackedBytes, rows: limits.rows };
  return xlsxRows(bytes, input.sheet, sheetLimits, findings);
}

type Judged = Omit<OrderRecord, "photos">;

/** The records of the file, those with problems too (what is wrong with them is told). Photos are still names. */
async function* judged(file: FileHandle, reading: Reading): AsyncGenerator<Judged> {
  const { columns, findings, limits, input } = reading;
  const judge = new Judge(columns, findings);
  let places: ReadonlyMap<string, number> | undefined;
  let empty: number[] = [];
  let number = 0;
  for await (const row of await rowsOf(file, reading)) {
    if (places === undefined) {
      places = matchHeader(row, columns, findings);
      if (places === undefined) return;
      continue;
    }
    if (row.cells.every((cell) => typeof cell === "string" && cell.trim() === "")) {
      empty.push(row.row);
      continue;
    }
    // Empty rows below the last record are a spreadsheet's habit; one above a record may be a lost record.
    for (const at of empty) {
      findings.tell({
        row: at,
        code: "empty-row",
        message: "an empty row stands between the records",
        remedy: "delete the row",
      });
    }
    empty = [];
    if (number === limits.rows) {
      findings.tell({
        row: row.row,
        code: "too-many-rows",
        message: `the file has more than ${String(limits.rows)} ${limits.rows === 1 ? "record" : "records"}`,
        remedy: "split it into several orders",
      });
      return;
    }
    number++;
    const own = reading.issuer?.fields.get(number);
    const fields = judge.judge(row, places);
    yield { number, row: row.row, fields: own === undefined ? fields : { ...fields, ...own } };
  }
  if (places === undefined && findings.count === 0) {
    findings.tell({
      code: "empty-file",
      message: "the file is empty",
      remedy: `the first row names the columns: ${columns.map((rule) => sameHeader(rule.column)).join(", ")}`,
    });
  }
  if (number > 0 && input.sheet !== undefined && !input.file.toLowerCase().endsWith(".xlsx")) {
    findings.tell({
      code: "sheet",
      message: "only a workbook has sheets",
      remedy: "remove `input: sheet:` from the order",
    });
  }
}

async function photosOf(record: Judged, reading: Reading): Promise<Readonly<Record<string, Photo>>> {
  const { input, columns, limits, findings } = reading;
  const photos: [string, Photo][] = [];
  for (const rule of columns) {
    const name = rule.type === "photo" ? record.fields[rule.field] : undefined;
    if (typeof name !== "string") continue;
    const folder = input.photos ?? dirname(input.file);
    const photo = await readPhoto(folder, name, { bytes: limits.photoBytes, pixels: limits.photoPixels });
    if ("png" in photo) photos.push([rule.field, photo]);
    else findings.tell({ row: record.row, column: rule.column, ...photo });
  }
  return Object.freeze(Object.fromEntries(photos));
}

const checkPhotos = async (record: Judged, reading: Reading): Promise<void> => {
  await photosOf(record, reading);
};
