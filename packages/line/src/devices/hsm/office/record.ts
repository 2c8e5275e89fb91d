/** The record of a key ceremony: signed and chained, with names, times and check values, and no secret. */
import { createHash, createPublicKey, verify } from "node:crypto";
import type { CeremonyRecord, SignedRecord } from "./types.js";

const NONE = "0".repeat(64);
const marked = (text: string): Buffer => Buffer.from(`persoline ceremony\n${text}`);
const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Digest of the newest record; zeros where there is none. */
export const recordHead = (records: readonly SignedRecord[]): string => {
  const last = records.at(-1);
  return last === undefined ? NONE : digest(last.text);
};
/** All that were ever the newest one's. */
export const recordHeads = (records: readonly SignedRecord[]): ReadonlySet<string> =>
  new Set([NONE, ...records.map(({ text }) => digest(text))]);

export function signRecord(
  record: Omit<CeremonyRecord, "format" | "version" | "previous">,
  before: readonly SignedRecord[],
  sign: (bytes: Uint8Array) => Uint8Array,
): SignedRecord {
  const whole: CeremonyRecord = {
    format: "persoline-key-ceremony",
    version: 1,
    ...record,
    previous: recordHead(before),
  };
  const text = JSON.stringify(whole, null, 2);
  return { text, signature: Buffer.from(sign(marked(text))).toString("base64") };
}

/** The first record that is altered, missing or of another signer, in words; nothing when all are whole and in order. */
export function brokenRecord(records: readonly SignedRecord[], signedBy: string): string | undefined {
  const open = createPublicKey(signedBy);
  let previous = NONE;
  for (const { text, signature } of records) {
    const number = /"number": "(C-\d+)"/.exec(text)?.[1] ?? "?";
    if (!verify(null, marked(text), open, Buffer.from(signature, "base64")))
      return `record ${number} was altered, or signed with another key`;
    if ((JSON.parse(text) as CeremonyRecord).previous !== previous)
      return `the record before ${number} is missing or another one`;
    previous = digest(text);
  }
  return undefined;
}
