/** What leak drills search for, and where. */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { unhex } from "@persoline/card/bytes";

/** Names of secrets, and the forms in which each might lie about. */
export type Needles = ReadonlyMap<string, readonly Buffer[]>;

/**
 * In the forms that a program might write bytes down: raw; hexadecimal, also with spaces; base64 wherever in a longer text it stands; lists of
 * numbers, as text and as the array of numbers that V8 makes of them (small integers: 32 bits each, in the upper half of a word).
 */
export function forms(bytes: Uint8Array): Buffer[] {
  const raw = Buffer.from(bytes);
  const hex = raw.toString("hex");
  const spaced = hex.replaceAll(/..(?!$)/g, "$& ");
  const numbers = [...bytes];
  const texts = [
    ...[hex, spaced].flatMap((text) => [text, text.toUpperCase()]),
    ...[0, 1, 2].flatMap((before) => ["base64", "base64url"].map((how) => insideBase64(raw, before, how))),
    numbers.join(","),
    numbers.join(", "),
    numbers.map((byte, at) => `"${String(at)}":${String(byte)}`).join(","),
  ];
  const words = Buffer.alloc(8 * numbers.length);
  for (const [at, byte] of numbers.entries()) words.writeUInt32LE(byte, 8 * at + 4);
  return [raw, words, ...textForms(...new Set(texts))];
}

/** As strings are kept: a byte or two bytes a character. */
export const textForms = (...texts: readonly string[]): Buffer[] =>
  texts.flatMap((text) => [Buffer.from(text), Buffer.from(text, "utf16le")]);

/** The characters of base64 that depend on these bytes alone, with so many other bytes before them. */
function insideBase64(bytes: Buffer, before: number, how: string): string {
  const text = Buffer.concat([Buffer.alloc(before), bytes]).toString(how as "base64" | "base64url");
  const from = Math.ceil((8 * before) / 6);
  return text.slice(from, Math.floor((8 * (before + bytes.length)) / 6));
}

/** Digits as text, packed, and as bytes. */
export const digitForms = (digits: string): Buffer[] => [
  ...textForms(digits),
  ...forms(unhex(digits.length % 2 === 0 ? digits : `${digits}F`)),
  ...forms(Uint8Array.from(digits, Number)),
  ...forms(new Uint8Array(Buffer.from(digits))),
];

/**
 * A PIN in all that it is put into: digits, blocks of ISO 9564-1 of formats 2 and 0 (1 and 3 have chance in them; their digits are packed like
 * those of 2), and what a verification value is made of (the PAN's digits and the PIN's first four).
 */
export function pinForms(pin: string, pan?: string): Buffer[] {
  const block = `${pin.length.toString(16)}${pin}`.padEnd(15, "F").toUpperCase();
  const own = [...digitForms(pin), ...forms(unhex(`2${block}`))];
  if (pan === undefined) return own;
  const account = unhex(`0000${pan.slice(-13, -1)}`);
  const zero = unhex(`0${block}`).map((byte, at) => byte ^ (account[at] ?? 0));
  return [...own, ...forms(zero), ...digitForms(`${pan.slice(-12, -1)}1${pin.slice(0, 4)}`)];
}

interface Anchored {
  readonly name: string;
  readonly bytes: Buffer;
  /** Where in it the word is that it is found by. */
  readonly at: number;
}

/** Of what is longer, a whole word lies at a multiple of four wherever it begins. */
const SHORT = 6;
const TABLE_BITS = 20;
const slot = (word: number): number => Math.imul(word, 0x9e3779b1) >>> (32 - TABLE_BITS);

/**
 * Looks for all needles in one pass over words of four bytes: each is found by those four words in it, one for each place that it can begin at,
 * that are least like memory is everywhere.
 */
class Search {
  readonly #table = new Uint8Array(1 << TABLE_BITS);
  readonly #anchors = new Map<number, Anchored[]>();
  readonly #short: { readonly name: string; readonly bytes: Buffer }[] = [];
  readonly longest: number;

  constructor(needles: Needles) {
    const all = [...needles].flatMap(([name, forms_]) => forms_.map((bytes) => ({ name, bytes })));
    for (const one of all) {
      if (one.bytes.length < SHORT) throw new RangeError(`${one.name}: what is so short is found by chance`);
      if (one.bytes.length === SHORT) this.#short.push(one);
      else for (const at of anchorsOf(one.bytes)) this.#anchor({ ...one, at });
    }
    this.longest = Math.max(0, ...all.map(({ bytes }) => bytes.length));
  }

  #anchor(anchored: Anchored): void {
    const word = anchored.bytes.readUInt32LE(anchored.at);
    const same = this.#anchors.get(word);
    this.#table[slot(word)] = 1;
    if (same === undefined) this.#anchors.set(word, [anchored]);
    else same.push(anchored);
  }

  /** Adds the names of what is in there. */
  look(content: Buffer, hits: Set<string>): void {
    const table = this.#table;
    const aligned = content.byteOffset % 4 === 0 ? content : Buffer.from(new Uint8Array(content).buffer);
    const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2);
    for (let at = 0; at < words.length; at++) {
      const word = words[at] ?? 0;
      if (word !== 0 && table[slot(word)] !== 0) this.#judge(aligned, word, 4 * at, hits);
    }
    for (const { name, bytes } of this.#short) if (!hits.has(name) && content.includes(bytes)) hits.add(name);
  }

  #judge(content: Buffer, word: number, at: number, hits: Set<string>): void {
    for (const { name, bytes, at: anchor } of this.#anchors.get(word) ?? []) {
      const from = at - anchor;
      const to = from + bytes.length;
      if (from < 0 || to > content.length || hits.has(name)) continue;
      if (content.compare(bytes, 0, bytes.length, from, to) === 0) hits.add(name);
    }
  }
}

/** Four places in a row. Words of zeros are looked for nowhere: what consists of such is a list of numbers, and begins at a multiple of eight. */
function anchorsOf(bytes: Buffer): number[] {
  const worth = Array.from({ length: bytes.length - 3 }, (_, at) => {
    const four = bytes.subarray(at, at + 4);
    return 4 * four.filter((byte) => byte !== 0).length + new Set(four).size;
  });
  let best = { at: 0, sum: -1 };
  for (let at = 0; at + 4 <= worth.length; at++) {
    const sum = worth.slice(at, at + 4).reduce((one, two) => one + two);
    if (sum > best.sum) best = { at, sum };
  }
  return [0, 1, 2, 3].map((more) => best.at + more);
}

/** Names of the needles that are in any of these. */
export function found(contents: Buffer | readonly Buffer[], needles: Needles): string[] {
  const hits = new Set<string>();
  const search = new Search(needles);
  for (const content of Buffer.isBuffer(contents) ? [contents] : contents) search.look(content, hits);
  return [...hits];
}

/** Of all that is searched, with where it was. */
export function foundIn(files: readonly string[], needles: Needles): string[] {
  const search = new Search(needles);
  return files.flatMap((file) => {
    const hits = new Set<string>();
    search.look(readFileSync(file), hits);
    return [...hits].map((name) => `${name} in ${file}`);
  });
}

export const children = (pid: number): number[] =>
  readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, "utf8")
    .trim()
    .split(" ")
    .filter(Boolean)
    .map(Number);
/** Children, and theirs. */
export const descendants = (pid: number): number[] =>
  children(pid).flatMap((one) => [one, ...descendants(one)]);
export const argumentsOf = (pid: number): Buffer => readFileSync(`/proc/${String(pid)}/cmdline`);
/** A security module's own process. */
export const isModule = (pid: number): boolean =>
  /(?:vault|pkcs11)-process/.test(argumentsOf(pid).toString());

interface Mapping {
  readonly from: number;
  readonly to: number;
}

/**
 * Where a process has memory of its own: all that it could ever write into, what it may not even read now included. A file that is only read is
 * as it is on the disk; what the kernel itself maps in holds nothing of the process's.
 */
function mappingsOf(pid: number): Mapping[] {
  const mappings = readFileSync(`/proc/${String(pid)}/smaps`, "utf8").split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/);
  return mappings.flatMap((text) => {
    const [, from = "", to = "", rights = "", what = ""] =
      /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)/.exec(text) ?? [];
    const isThere = /^(?:Rss|Swap): +[1-9]/m.test(text);
    const isFile = what.startsWith("/") && !rights.includes("w");
    if (!isThere || isFile || what.startsWith("[v")) return [];
    return [{ from: Number.parseInt(from, 16), to: Number.parseInt(to, 16) }];
  });
}

/** Which needles are in a process's memory, as a core dump of it (gcore) has it. The process should stand still. */
export function inMemory(pid: number, needles: Needles): Set<string> {
  const hits = new Set<string>();
  const search = new Search(needles);
  const memory = openSync(`/proc/${String(pid)}/mem`, "r");
  const piece = Buffer.alloc(4 << 20);
  const overlap = 8 * Math.ceil(search.longest / 8);
  try {
    for (const { from, to } of mappingsOf(pid)) {
      // Pieces overlap by the longest needle.
      for (let at = from; at < to; at += piece.length - overlap) {
        let length: number;
        try {
          length = readSync(memory, piece, 0, Math.min(piece.length, to - at), at);
        } catch {
          // A page that is not there, or went in between.
          continue;
        }
        search.look(piece.subarray(0, length), hits);
      }
    }
  } finally {
    closeSync(memory);
  }
  return hits;
}

/** Stops a process, and looks; then it goes on. */
export function whileStill<T>(pid: number, look: () => T): T {
  process.kill(pid, "SIGSTOP");
  try {
    while (!isStill(pid));
    return look();
  } finally {
    process.kill(pid, "SIGCONT");
  }
}
export const isStill = (pid: number): boolean =>
  /\) T/.test(readFileSync(`/proc/${String(pid)}/stat`, "utf8"));

/** Everything under a folder, the cards themselves apart. */
export function filesUnder(path: string): string[] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const inner = join(path, entry.name);
    if (entry.name === "shop-floor") return [];
    return entry.isDirectory() ? filesUnder(inner) : [inner];
  });
}
