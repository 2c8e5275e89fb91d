/**
 * Whether all that a card says of itself is of one person: chip, print, stripe, raised characters and the record. Each witness tells
 * what it says of the same few things; a contradiction names both witnesses and the thing, never what they say. What is sealed for a
 * machine is compared inside it, and comes here as agreed or not.
 */

import { transliterate } from "../../plan/layout/index.js";
import type { Said } from "../../plan/placed.js";
import { type Sayings, type Thing, things, type Told } from "../../plan/told.js";

export const witnesses = ["record", "chip", "print", "emboss", "indent", "stripe"] as const;
export type Witness = (typeof witnesses)[number];

export type Statement =
  | { readonly witness: Witness; readonly about: Thing; readonly says: string }
  /** Compared where it is sealed: in the encoder, or in the security module. */
  | {
      readonly witness: Witness;
      /** The record, when it does not say with whom. */
      readonly with?: Witness;
      readonly about: Thing | "everything";
      readonly agrees: boolean;
    };

export interface Contradiction {
  readonly about: Thing | "everything";
  readonly between: readonly [Witness, Witness];
  /** For reports; no personal datum. */
  readonly detail: string;
}

/**
 * Words of a name in any order: SURNAME/FIRST and FIRST SURNAME are one. Letters of other scripts and with marks are those of the declared
 * transliteration (ICAO Doc 9303-3, ELOT 743), as embosser, stripe and machine readable zone have them.
 */
const wordsOf = (name: string): string[] =>
  transliterate(name)
    .toUpperCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== "")
    .toSorted();

/** Month and year as YYMM, of the ways in which cards say it: 12/30, 12/2030, 3012, 301231, 2030-12-31, 31.12.2030. */
function expiryOf(text: string): string {
  const said = text.trim();
  const [, year, month] =
    /^(?:20)?(\d\d)-(0[1-9]|1[0-2])-\d\d$/.exec(said) ?? /^(\d\d)(0[1-9]|1[0-2])(?:\d\d)?$/.exec(said) ?? [];
  if (year !== undefined && month !== undefined) return `${year}${month}`;
  const [, turned, last] = /^(?:\d\d[/. -])?(0[1-9]|1[0-2])[/. -](?:20)?(\d\d)$/.exec(said) ?? [];
  return turned === undefined || last === undefined ? said : `${last}${turned}`;
}

/** Characters from which on a raised line or a stripe may have cut a name. */
const long = 26;

/** A stripe or a raised line has less room: an initial stands for its word, and the last word of a long one may be cut. */
function sameName(one: string, other: string): boolean {
  const [few, many] = [one, other].toSorted((a, b) => wordsOf(a).length - wordsOf(b).length);
  if (few === undefined || many === undefined) return false;
  const [words, left] = [wordsOf(few), wordsOf(many)];
  if (words.length === 0) return false;
  const cut = few.length >= long || many.length >= long;
  const alike = (word: string, candidate: string): boolean =>
    candidate === word ||
    (word.length === 1 && candidate.startsWith(word)) ||
    (candidate.length === 1 && word.startsWith(candidate)) ||
    (cut && (candidate.startsWith(word) || word.startsWith(candidate)));
  for (const word of words.toSorted((a, b) => b.length - a.length)) {
    const whole = left.indexOf(word);
    const at = whole >= 0 ? whole : left.findIndex((candidate) => alike(word, candidate));
    if (at < 0) return false;
    left.splice(at, 1);
  }
  return true;
}

function same(about: Thing, one: string, other: string): boolean {
  switch (about) {
    case "number":
      return one.replaceAll(/\D/g, "") === other.replaceAll(/\D/g, "");
    case "expiry":
      return expiryOf(one) === expiryOf(other);
    case "name":
      return sameName(one, other);
  }
}

/** Every contradiction among the statements: each pair of witnesses that do not say the same of a thing. Pure. */
export function crossCheck(statements: readonly Statement[]): readonly Contradiction[] {
  const found: Contradiction[] = [];
  const say = (about: Contradiction["about"], one: Witness, other: Witness): void => {
    const known = found.some(
      (each) => each.about === about && each.between[0] === one && each.between[1] === other,
    );
    if (known) return;
    const what = about === "everything" ? "" : `${about}: `;
    found.push({ about, between: [one, other], detail: `${what}${one} and ${other} contradict one another` });
  };
  for (const statement of statements)
    if ("agrees" in statement && !statement.agrees)
      say(statement.about, statement.with ?? "record", statement.witness);
  for (const about of things) {
    const spoken = statements.flatMap((each) => ("says" in each && each.about === about ? [each] : []));
    for (const [at, one] of spoken.entries())
      for (const other of spoken.slice(at + 1))
        if (!same(about, one.says, other.says)) say(about, one.witness, other.witness);
  }
  return found;
}

/** What a stripe says: format B on track 1, and track 2 (ISO/IEC 7813); other contents name nobody. */
export function stripeSays(
  tracks: readonly { readonly track: number; readonly text: string }[],
): Statement[] {
  return tracks.flatMap(({ track, text }): Statement[] => {
    const [, number, name, expiry] =
      track === 1
        ? (/^B(\d{8,19})\^([^^]{2,26})\^(\d{4})?/.exec(text) ?? [])
        : track === 2
          ? (/^(\d{8,19})()=(\d{4})?/.exec(text) ?? [])
          : [];
    if (number === undefined) return [];
    return [
      { witness: "stripe", about: "number", says: number },
      ...(name === undefined || name.trim() === ""
        ? []
        : [{ witness: "stripe", about: "name", says: name } as const]),
      ...(expiry === undefined ? [] : [{ witness: "stripe", about: "expiry", says: expiry } as const]),
    ];
  });
}

/** What raised or pressed characters say: the digits of a number line (Farrington 7B), of two dates the later, and the record's own words. */
export function embossSays(
  lines: readonly { readonly text: string; readonly font: string; readonly said?: readonly Said[] }[],
  told?: Told,
): Statement[] {
  return lines.flatMap(({ text, font, said }): Statement[] => {
    const digits = text.replaceAll(" ", "");
    if (font === "7B")
      return /^\d{8,19}$/.test(digits) ? [{ witness: "emboss", about: "number", says: digits }] : [];
    const last = text.match(/\b(?:0[1-9]|1[0-2])\/\d\d\b/g)?.at(-1);
    if (last !== undefined) return [{ witness: "emboss", about: "expiry", says: last }];
    // A name runs over its whole line, whatever it was made of.
    return sayings("emboss", said, told).map((one) =>
      "says" in one && one.about === "name" ? { ...one, says: text } : one,
    );
  });
}

/** What print says: the texts that come of the fields in which the record says it. */
export const printSays = (fields: readonly { readonly said?: readonly Said[] }[], told?: Told): Statement[] =>
  fields.flatMap(({ said }) => sayings("print", said, told));

function sayings(witness: Witness, said: readonly Said[] = [], told?: Told): Statement[] {
  return said.flatMap(({ field, text }) =>
    things.flatMap((about): Statement[] =>
      told?.fields[about]?.includes(field) === true ? [{ witness, about, says: text }] : [],
    ),
  );
}

const statements = (witness: Witness, says: Sayings = {}): Statement[] =>
  things.flatMap((about): Statement[] => {
    const text = says[about];
    return text === undefined ? [] : [{ witness, about, says: text }];
  });

export const recordSays = (told?: Told): Statement[] => statements("record", told?.record);

/** What the chip was proven to hold. */
export const chipSays = (told?: Told): Statement[] => statements("chip", told?.chip);
