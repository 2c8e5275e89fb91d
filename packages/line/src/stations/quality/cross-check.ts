/**
 * Whether all that a card says of itself is of one person: chip, print, stripe, raised characters and the record. Each witness tells
 * what it says of the same few things; a contradiction names both witnesses and the thing, never what they say. What is sealed for a
 * machine is compared inside it, and comes here as agreed or not.
 */

import { transliterate } from "../../plan/layout/index.js";
import type { Said } from "../../plan/placed.js";
import { type Sayings, type Thing, things, type Told } from "../../plan/told.js";

/** One of the few things that all cards tell, or a field of the record that the chip says too, by its name. */
export type About = Thing | `field ${string}`;

export const witnesses = ["record", "chip", "print", "emboss", "indent", "stripe"] as const;
export type Witness = (typeof witnesses)[number];

export type Statement =
  | { readonly witness: Witness; readonly about: About; readonly says: string }
  /** Compared where it is sealed: in the encoder, or in the security module. */
  | {
      readonly witness: Witness;
      /** The record, when it does not say with whom. */
      readonly with?: Witness;
      readonly about: About | "everything";
      readonly agrees: boolean;
    };

export interface Contradiction {
  readonly about: About | "everything";
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

/** Letters and digits alone, as every machine has them: capitals of the declared transliteration; a day as chips have it, YYMMDD. */
function bare(text: string): string {
  const [, year, month, day] = /^(?:20)?(\d\d)-(\d\d)-(\d\d)$/.exec(text) ?? [];
  if (year !== undefined) return `${year}${month ?? ""}${day ?? ""}`;
  return transliterate(text)
    .toUpperCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, "");
}

function same(about: About, one: string, other: string): boolean {
  switch (about) {
    case "number":
      return one.replaceAll(/\D/g, "") === other.replaceAll(/\D/g, "");
    case "expiry":
      return expiryOf(one) === expiryOf(other);
    case "name":
      return sameName(one, other);
    default:
      return bare(one) === bare(other);
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
  const abouts = new Set<About>([
    ...things,
    ...statements.flatMap((each) => ("says" in each ? [each.about] : [])),
  ]);
  for (const about of abouts) {
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
  return said.flatMap(({ field, text, changed }): Statement[] => {
    const known = things.filter((about) => told?.fields[about]?.includes(field) === true);
    if (known.length > 0) return known.map((about) => ({ witness, about, says: text }));
    // Of what was cut or added to nobody can say whether it is the chip's.
    const isShared = told?.others?.chip[field] !== undefined && changed !== true;
    return isShared ? [{ witness, about: `field ${field}`, says: text }] : [];
  });
}

const others = (witness: Witness, texts: Readonly<Record<string, string>> = {}): Statement[] =>
  Object.entries(texts).map(([field, says]) => ({ witness, about: `field ${field}`, says }));

const statements = (witness: Witness, says: Sayings = {}): Statement[] =>
  things.flatMap((about): Statement[] => {
    const text = says[about];
    return text === undefined ? [] : [{ witness, about, says: text }];
  });

export const recordSays = (told?: Told): Statement[] => [
  ...statements("record", told?.record),
  ...others("record", told?.others?.record),
];

/** What the chip was proven to hold. */
export const chipSays = (told?: Told): Statement[] => [
  ...statements("chip", told?.chip),
  ...others("chip", told?.others?.chip),
];

/** The parts of a finished card that are held against one another, and what they say of it. */
export interface Compared {
  readonly told?: Told;
  readonly faces: readonly { readonly fields: readonly { readonly said?: readonly Said[] }[] }[];
  readonly emboss: Parameters<typeof embossSays>[0];
  /** Texts of the stripe's tracks; undefined: there is none, or only its encoder and the security module can read it. */
  readonly tracks?: Parameters<typeof stripeSays>[0];
  /** The stripe's contents are sealed for its encoder, which compares the card's number with the record's. */
  readonly sealed?: boolean;
}

/**
 * What quality control holds the chip against, and what it cannot, as sentences for plan and report; nothing of a person. `alone`: what
 * remains unchecked is never passed over in silence.
 */
export function scopeOf({ told, faces, emboss, tracks = [], sealed = false }: Compared): {
  readonly compared: readonly string[];
  readonly alone: readonly string[];
} {
  const heard = (said: readonly Statement[]): string[] => [...new Set(said.map(({ about }) => about))];
  const chip = heard(chipSays(told));
  const outside = [
    [
      "print",
      heard(
        printSays(
          faces.flatMap(({ fields }) => fields),
          told,
        ),
      ),
    ],
    ["raised characters", heard(embossSays(emboss, told))],
    ["stripe", [...heard(stripeSays(tracks)), ...(sealed ? ["number"] : [])]],
  ] as const;
  const compared = outside.flatMap(([witness, abouts]) => {
    const both = chip.filter((about) => abouts.includes(about));
    return both.length === 0 ? [] : [`chip and ${witness}: ${both.join(", ")}`];
  });
  if (chip.length === 0)
    return {
      compared,
      alone: [
        "the chip says nothing that is readable and stands elsewhere on the card: print, raised characters and stripe are held against the record alone",
      ],
    };
  const unshared = chip.filter((about) => !outside.some(([, abouts]) => abouts.includes(about)));
  return {
    compared,
    alone:
      unshared.length === 0
        ? []
        : [
            `${unshared.join(", ")}: the chip says it and nothing else on the card does, it is held against the record alone`,
          ],
  };
}
