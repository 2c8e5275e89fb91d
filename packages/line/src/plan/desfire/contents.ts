/** What a record writes into a file, who may do that, and how it is read back. */
import {
  type CommMode,
  commitTransaction,
  clearRecordFile,
  type FileSpec,
  getValue,
  i32le,
  type NativeCommand,
  readData,
  readRecords,
  type Right,
  writeData,
  writeRecord,
} from "@persoline/card/desfire";
import type { Step } from "@persoline/card/program";
import { pagesTouched } from "../commands.js";
import type { Values } from "../content.js";
import { type Content, contentOf } from "../personal.js";
import { mostRead, mostWritten, stepOf } from "./commands.js";
import type { DesfireFile, DesfireProduct } from "./model.js";

type Version = DesfireProduct["version"];

/** Throws ContentProblem. */
export function desfireContent({ name, spec, content }: DesfireFile, values: Values): Content {
  const room =
    "records" in spec
      ? { size: 0, record: spec.recordSize, count: roomFor(spec) }
      : { size: "size" in spec ? spec.size : 0, record: 0, count: 0 };
  return contentOf({ name, ...room, ...(content === undefined ? {} : { content }) }, values, "file");
}

/** Records that a file can hold: a cyclic one keeps a place free for the record being written. */
export const roomFor = (spec: Extract<FileSpec, { records: number }>): number =>
  spec.kind === "cyclic" ? spec.records - 1 : spec.records;

/** Key numbers with one of these rights; a right that everybody has needs none. */
const keysIn = (...rights: readonly Right[]): number[] =>
  rights.filter((right): right is number => typeof right === "number");

/** The key to write under; 0 where anyone may; undefined: nobody may. */
export function writerOf({ spec }: DesfireFile): number | undefined {
  const { write, readWrite } = spec.rights;
  // Record files are emptied first, which only the right to read and write allows.
  const wanted = spec.kind === "linear" || spec.kind === "cyclic" ? [readWrite] : [write, readWrite];
  return keysIn(...wanted)[0] ?? (wanted.includes("free") ? 0 : undefined);
}

/** The key to read under, `preferred` if it may; 0 where anyone may; undefined: nobody may. */
export function readerOf({ spec }: DesfireFile, preferred?: number): number | undefined {
  const { read, write, readWrite } = spec.rights;
  const wanted = spec.kind === "value" ? [read, readWrite, write] : [read, readWrite];
  const keys = keysIn(...wanted);
  if (preferred !== undefined && (keys.includes(preferred) || wanted.includes("free"))) return preferred;
  return keys[0] ?? (wanted.includes("free") ? 0 : undefined);
}

/** By key in the file's own mode; by everybody's right in clear. */
const modeFor = (spec: FileSpec, key: number, ...rights: readonly Right[]): CommMode =>
  rights.includes(key) ? spec.comm : "plain";

/** Pieces of at most so many bytes. */
function pieces(bytes: Uint8Array, most: number): { readonly offset: number; readonly piece: Uint8Array }[] {
  return Array.from({ length: Math.ceil(bytes.length / most) }, (_, at) => ({
    offset: at * most,
    piece: bytes.subarray(at * most, (at + 1) * most),
  }));
}

const commit = (name: string): Step =>
  stepOf(commitTransaction, "CommitTransaction", { why: `what was written into ${name} counts` }, 1);

/** Writes a file under `key`; all of it may be sent again from its beginning. */
export function writeSteps(version: Version, file: DesfireFile, content: Content, key: number): Step[] {
  const { name, spec } = file;
  const { write, readWrite } = spec.rights;
  const comm = modeFor(spec, key, write, readWrite);
  const most = mostWritten(version, comm);
  if (content.kind === "records") {
    if (spec.kind !== "linear" && spec.kind !== "cyclic") return [];
    return recordSteps(file, spec, content.records, comm, most);
  }
  const kind = spec.kind;
  if (kind !== "standard" && kind !== "backup") return [];
  const steps = pieces(content.bytes, most).map(({ offset, piece }) => {
    // The first write of a transaction copies the whole of a backup file.
    const copied = kind === "backup" && offset === 0 ? pagesTouched(0, spec.size) : 0;
    return stepOf(
      writeData(spec.file, offset, piece, comm),
      "WriteData",
      { why: `write ${piece.length} bytes into ${name}` },
      copied + pagesTouched(offset, piece.length),
    );
  });
  return kind === "backup" && steps.length > 0 ? [...steps, commit(name)] : steps;
}

function recordSteps(
  { name }: DesfireFile,
  spec: Extract<FileSpec, { records: number }>,
  records: readonly Uint8Array[],
  comm: CommMode,
  most: number,
): Step[] {
  const emptied = [
    stepOf(clearRecordFile(spec.file), "ClearRecordFile", {
      why: `empty ${name}, whatever an interrupted run left in it`,
    }),
    commit(name),
  ];
  const written = records.flatMap((record, at) => [
    ...pieces(record, most).map(({ offset, piece }) => {
      const begins = at * spec.recordSize;
      const zeros = offset === 0 ? pagesTouched(begins, spec.recordSize) : 0;
      return stepOf(
        writeRecord(spec.file, offset, piece, comm),
        "WriteRecord",
        { why: `record ${at + 1} of ${name}` },
        zeros + pagesTouched(begins + offset, piece.length),
      );
    }),
    commit(name),
  ]);
  return [...emptied, ...written];
}

/** Reads a file under `key` and compares; a value file is compared with what it began with. */
export function readSteps(version: Version, file: DesfireFile, content: Content, key: number): Step[] {
  const { name, spec } = file;
  const { read, write, readWrite } = spec.rights;
  const words = (value: Uint8Array) => ({ why: `read ${name} and compare`, answer: { value } });
  if (spec.kind === "value") {
    const comm = modeFor(spec, key, read, write, readWrite);
    return [stepOf(getValue(spec.file, comm), "GetValue", words(i32le(spec.value)))];
  }
  const comm = modeFor(spec, key, read, readWrite);
  if (content.kind === "bytes") {
    return pieces(content.bytes, mostRead(version, comm)).map(({ offset, piece }) =>
      stepOf(readData(spec.file, offset, piece.length, comm), "ReadData", words(piece)),
    );
  }
  if (spec.kind !== "linear" && spec.kind !== "cyclic") return [];
  const { recordSize } = spec;
  const newest = content.records.length - 1;
  return content.records.map((record, at) => {
    const ask: NativeCommand = readRecords({
      file: spec.file,
      newest: newest - at,
      count: 1,
      comm,
      recordSize,
    });
    return stepOf(ask, "ReadRecords", words(record));
  });
}
