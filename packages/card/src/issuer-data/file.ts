/** An issuer's file from the outside in: preamble, body, head, framed records (docs/issuer-data.md). */
import { concat, hex, u16, utf8 } from "../bytes/index.js";
import { Cursor } from "./cursor.js";
import { type FramedFile, headForms, judgedHead, recordMark } from "./forms.js";
import { frameJson, jsonHead, jsonPreamble } from "./json.js";
import { IssuerDataProblem } from "./problem.js";
import type { FramedRecord, IssuerHead, Preamble } from "./types.js";

const MAGIC = utf8("PLISSUER");
export const preambleLength = 110;
const NAME = 32;
const mostHead = 2048;
const mostRecord = 1 << 20;

/** Bytes to read for the preamble of either form. */
export const preambleAtMost = 512;

const startsWith = (bytes: Uint8Array, start: Uint8Array): boolean =>
  start.every((byte, at) => bytes[at] === byte);

/** Whether a file calls itself issuer data, in either form. */
export const isIssuerFile = (first: Uint8Array): boolean =>
  startsWith(first, MAGIC) || startsWith(first, utf8('{"format":"persoline-issuer-data"'));

/** Reads the preamble only: nothing of the body is looked at before its proof is right. Throws IssuerDataProblem. */
export function parsePreamble(first: Uint8Array): Preamble {
  if (!startsWith(first, MAGIC)) return jsonPreamble(first);
  const cursor = new Cursor(first.subarray(0, preambleLength), "preamble");
  cursor.take(8, "the mark");
  const version = cursor.number(1, "the version");
  if (version !== 1)
    throw new IssuerDataProblem(
      "preamble",
      `version ${String(version)} is unknown; this program knows version 1`,
    );
  const algorithm = cursor.number(1, "the algorithm");
  const name = cursor.take(NAME, "the key's name");
  const kcv = cursor.take(3, "the key's check value");
  const length = cursor.number(1, "the proof's length");
  const proof = cursor.take(64, "the proof");
  const covered = first.slice(0, 46);
  if (algorithm !== 1 && algorithm !== 2)
    throw new IssuerDataProblem("preamble", "the algorithm of the proof is unknown");
  const expected = algorithm === 1 ? 16 : 64;
  if (length !== expected || proof.subarray(length).some((byte) => byte !== 0))
    throw new IssuerDataProblem("preamble", "the proof has not the length of its algorithm");
  const end = name.indexOf(0);
  const key = fromAscii(end < 0 ? name : name.subarray(0, end));
  if (!/^[a-z][a-z0-9-]*$/.test(key) || (end >= 0 && name.subarray(end).some((byte) => byte !== 0)))
    throw new IssuerDataProblem("preamble", "the key's name is none");
  return {
    form: "binary",
    algorithm: algorithm === 1 ? "AES-CMAC" : "Ed25519",
    key,
    kcv: algorithm === 1 ? hex(kcv) : "",
    proof: proof.slice(0, length),
    covered,
    length: preambleLength,
  };
}

const fromAscii = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** What the proof is made over: a line of ours, what the preamble says, and SHA-256 of the whole body. */
export const provedBytes = ({ covered }: Pick<Preamble, "covered">, bodyDigest: Uint8Array): Uint8Array =>
  concat(utf8("persoline issuer file 1\n"), covered, bodyDigest);

/** What a record's MAC is made over: it belongs to this head and this place, and cannot be moved. */
export const recordMacBytes = (
  headDigest: Uint8Array,
  { number, bytes }: Omit<FramedRecord, "mac">,
): Uint8Array =>
  concat(utf8("persoline issuer record 1\n"), headDigest, u16(number >>> 16), u16(number & 0xffff), bytes);

/** The head's own bytes, without its length. Throws IssuerDataProblem. */
export function parseHead(form: Preamble["form"], head: Uint8Array): IssuerHead {
  if (form === "json") return jsonHead(head);
  const cursor = new Cursor(head, "head");
  const texts = headForms.map(([name, shape]) => [name, cursor.text(`"${name}"`, shape)] as const);
  const records = cursor.number(4, "the number of records");
  cursor.end("the head");
  return judgedHead({ ...(Object.fromEntries(texts) as Omit<IssuerHead, "records">), records });
}

const MAC_MODULE = concat(Uint8Array.of(3), utf8("MAC"), utf8("0000016"));

/** Splits a body into its head and its records, to the last byte. Throws IssuerDataProblem; call it for proved files only. */
export function frameBody(form: Preamble["form"], body: Uint8Array): FramedFile {
  if (form === "json") return frameJson(body);
  const cursor = new Cursor(body, "body");
  const length = cursor.number(2, "the length of the head");
  if (length > mostHead) throw cursor.problem(`a head has at most ${String(mostHead)} bytes`);
  const head = cursor.take(length, "the head");
  const count = parseHead(form, head).records;
  const records: FramedRecord[] = [];
  while (cursor.left > 0) {
    const number = records.length + 1;
    if (number > count)
      throw cursor.problem(`more records than the ${String(count)} that the head announces`);
    const size = cursor.decimal(7, `the length of record ${String(number)}`);
    if (size > mostRecord) throw cursor.problem(`a record has at most ${String(mostRecord)} bytes`);
    records.push(framed(number, cursor.take(size, `record ${String(number)}`)));
  }
  if (records.length !== count)
    throw cursor.problem(`the head announces ${String(count)} records, ${String(records.length)} are there`);
  return { head, records };
}

function framed(number: number, whole: Uint8Array): FramedRecord {
  const end = whole.length - 16 - MAC_MODULE.length;
  if (
    end < recordMark.length ||
    !startsWith(whole, recordMark) ||
    !startsWith(whole.subarray(end), MAC_MODULE)
  )
    throw new IssuerDataProblem(
      `record ${String(number)}`,
      "it does not begin with FFFFFFFA, or does not end with its MAC",
    );
  return { number, bytes: whole.subarray(0, end), mac: whole.subarray(end + MAC_MODULE.length) };
}
