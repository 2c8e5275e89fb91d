import type { FileHandle } from "node:fs/promises";
import { CsvError, parse } from "csv-parse";
import type { Row } from "./columns.js";
import { sameHeader } from "./columns.js";
import type { Findings } from "./problem.js";
import type { OrderInput } from "./types.js";

type Encoding = NonNullable<OrderInput["encoding"]>;

const blockSize = 1 << 18;
/** Longest line of a text file, in bytes. */
const longestLine = 1 << 20;

/** The rows of a CSV file, the header first. Reads block by block; what is wrong is told, and its row left out. */
export async function* csvRows(
  file: FileHandle,
  encoding: Encoding,
  columns: readonly string[],
  findings: Findings,
): AsyncGenerator<Row> {
  const unreadable = new Set<number>();
  const texts = decoded(file, encoding, findings, unreadable);
  let start = "";
  for (let block = await texts.next(); block.done !== true; block = await texts.next()) {
    start += block.value;
    if (start.trim() !== "") break;
  }
  const { delimiter, skip } = delimiterOf(start, columns);
  const parser = parse({
    delimiter,
    info: true,
    record_delimiter: ["\r\n", "\n", "\r"],
    relax_column_count: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    max_record_size: longestLine,
    on_skip: (error) => {
      if (error !== undefined) tellCsv(error, findings);
      return undefined;
    },
  });
  const skipped = start.slice(0, skip).match(/\r\n|\n|\r/g)?.length ?? 0;
  const feeding = feed(parser, start.slice(skip), texts);
  let width: number | undefined;
  try {
    for await (const found of parser) {
      const { record, info } = found as { record: string[]; info: { lines: number } };
      const row = info.lines + skipped;
      if (unreadable.has(row)) continue;
      width ??= record.length;
      if (record.length === width) yield { row, cells: record };
      else if (record.some((cell) => cell.trim() !== "")) {
        findings.tell({
          row,
          code: "wrong-cell-count",
          message: `the row has ${String(record.length)} cells, the header ${String(width)}`,
          remedy: `put a value that holds "${delimiter === "\t" ? "tab" : delimiter}" in quotes, or add what is missing`,
        });
      }
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    tellCsv(error, findings);
  } finally {
    parser.destroy();
    await feeding;
  }
}

/** Hands the text on as fast as the parser takes it. Ends quietly when the parser was closed before the end. */
async function feed(
  parser: ReturnType<typeof parse>,
  start: string,
  texts: AsyncGenerator<string>,
): Promise<void> {
  const room = (): Promise<void> =>
    new Promise((done) => {
      const go = (): void => {
        parser.off("drain", go).off("close", go);
        done();
      };
      parser.once("drain", go).once("close", go);
      if (parser.destroyed) go();
    });
  try {
    if (start !== "" && !parser.write(start)) await room();
    for await (const text of texts) {
      if (parser.destroyed) return;
      if (text !== "" && !parser.write(text)) await room();
    }
    parser.end();
  } catch (error) {
    parser.destroy(error instanceof Error ? error : new Error("the file could not be read"));
  }
}

function tellCsv(error: CsvError, findings: Findings): void {
  const lines: unknown = error["lines"];
  const row = typeof lines === "number" ? { row: lines } : {};
  switch (error.code) {
    case "CSV_QUOTE_NOT_CLOSED":
      findings.tell({
        ...row,
        code: "quote-not-closed",
        message: "a quoted value is not closed before the file ends",
        remedy: 'close it with "; a quote inside a quoted value is written twice',
      });
      break;
    case "CSV_MAX_RECORD_SIZE":
      findings.tell({
        ...row,
        code: "row-too-long",
        message: "a row is longer than 1 MiB",
        remedy: "look for a quote that is never closed",
      });
      break;
    default:
      findings.tell({
        ...row,
        code: "csv-syntax",
        message: "a quote stands where CSV does not allow one",
        remedy: "put the whole value in quotes and write a quote inside it twice",
      });
  }
}

/** Comma, semicolon or tab: the one whose cut of the header gives most known columns. `skip`: length of a leading `sep=;` line. */
function delimiterOf(start: string, columns: readonly string[]): { delimiter: string; skip: number } {
  const named = /^\s*sep=([,;\t])[ \t]*(?:\r\n|\n|\r)/i.exec(start);
  if (named?.[1] !== undefined) return { delimiter: named[1], skip: named[0].length };
  const header = /\S.*/.exec(start.slice(0, 10_000))?.[0] ?? "";
  const known = new Set(columns.map(sameHeader));
  const ranked = [",", ";", "\t"].map((delimiter) => {
    const names = header.split(delimiter).map((name) => sameHeader(name.replaceAll('"', "")));
    return { delimiter, hits: names.filter((name) => known.has(name)).length, cuts: names.length };
  });
  ranked.sort((a, b) => b.hits - a.hits || b.cuts - a.cuts);
  return { delimiter: ranked[0]?.delimiter ?? ",", skip: 0 };
}

/** The file as text in blocks of whole lines. A line that is not in the encoding is told, and its number noted. */
async function* decoded(
  file: FileHandle,
  declared: Encoding,
  findings: Findings,
  unreadable: Set<number>,
): AsyncGenerator<string> {
  const buffer = new Uint8Array(blockSize);
  let position = 0;
  let rest: Uint8Array = new Uint8Array(0);
  let line = 1;
  let encoding: string = declared;
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, blockSize, position);
    const last = bytesRead === 0;
    let bytes: Uint8Array = joined(rest, buffer.subarray(0, bytesRead));
    if (position === 0) {
      const mark = byteOrderMark(bytes);
      if (mark !== undefined) {
        if (declared !== "utf-8") {
          findings.tell({
            code: "encoding",
            message: `the file begins with the mark of ${mark.encoding}, the order says ${declared}`,
            remedy: "remove `encoding` from the order",
          });
        }
        ({ encoding } = mark);
        bytes = bytes.subarray(mark.length);
      }
      if (bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 0x03) {
        findings.tell({
          code: "wrong-format",
          message: "this is a spreadsheet or ZIP file, not text",
          remedy: "name it .xlsx, or save it as CSV",
        });
        return;
      }
    }
    position += bytesRead;
    const wide = encoding.startsWith("utf-16");
    const end = last ? bytes.length : afterLastLine(bytes, encoding);
    if (bytes.length - end > longestLine) {
      findings.tell({
        row: line,
        code: "row-too-long",
        message: "a line is longer than 1 MiB",
        remedy: "save the file as CSV with one record a line",
      });
      return;
    }
    if (end > 0) {
      const block = bytes.subarray(0, end);
      const text = strictly(block, encoding) ?? lineByLine(block, encoding, line, findings, unreadable);
      yield text;
      if (wide) for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) line++;
      else for (let at = block.indexOf(10); at >= 0; at = block.indexOf(10, at + 1)) line++;
    }
    if (last) return;
    rest = bytes.slice(end);
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function byteOrderMark(bytes: Uint8Array): { encoding: string; length: number } | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return { encoding: "utf-8", length: 3 };
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return { encoding: "utf-16le", length: 2 };
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return { encoding: "utf-16be", length: 2 };
  return undefined;
}

/** How many bytes belong to whole lines. */
function afterLastLine(bytes: Uint8Array, encoding: string): number {
  if (!encoding.startsWith("utf-16")) return bytes.lastIndexOf(10) + 1;
  const [high, low] = encoding === "utf-16le" ? [1, 0] : [0, 1];
  for (let at = (bytes.length & ~1) - 2; at >= 0; at -= 2) {
    if (bytes[at + low] === 10 && bytes[at + high] === 0) return at + 2;
  }
  return 0;
}

function strictly(bytes: Uint8Array, encoding: string): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Finds the lines that are not in the encoding. They come out empty, so that later line numbers stay true. */
function lineByLine(
  block: Uint8Array,
  encoding: string,
  first: number,
  findings: Findings,
  unreadable: Set<number>,
): string {
  const wide = encoding.startsWith("utf-16");
  const texts: string[] = [];
  let line = first;
  for (let from = 0; from < block.length; line++) {
    let end = from;
    if (wide) {
      const [high, low] = encoding === "utf-16le" ? [1, 0] : [0, 1];
      while (end < block.length && !(block[end + low] === 10 && block[end + high] === 0)) end += 2;
      end = Math.min(end + 2, block.length);
    } else {
      const at = block.indexOf(10, from);
      end = at < 0 ? block.length : at + 1;
    }
    const text = strictly(block.subarray(from, end), encoding);
    if (text === undefined) {
      unreadable.add(line);
      findings.tell({
        row: line,
        code: "encoding",
        message: `this line is not ${encoding.toUpperCase()}`,
        remedy: wide
          ? "the file is damaged: save it again"
          : "save the file as UTF-8, or name its encoding in the order (encoding: windows-1251)",
      });
    }
    texts.push(text ?? "\n");
    from = end;
  }
  return texts.join("");
}
