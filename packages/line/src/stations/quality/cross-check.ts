/**
 * Whether all that a card says of itself is of one person: chip, print, stripe, raised characters and the record. Each witness tells
 * what it says of the same few things; a contradiction names both witnesses and the thing, never what they say. What is sealed for a
 * machine is compared inside it, and comes here as agreed or not.
 */

export const witnesses = ["record", "chip", "print", "emboss", "indent", "stripe"] as const;
export type Witness = (typeof witnesses)[number];
/** `number`: the card's (PAN, ISO/IEC 7812); `expiry`: month and year; `name`: the holder's. */
export const crossedThings = ["number", "expiry", "name"] as const;
export type CrossedThing = (typeof crossedThings)[number];

export type Statement =
  | { readonly witness: Witness; readonly about: CrossedThing; readonly says: string }
  /** Compared where it is sealed: in the encoder, or in the security module. */
  | {
      readonly witness: Witness;
      /** The record, when it does not say with whom. */
      readonly with?: Witness;
      readonly about: CrossedThing | "everything";
      readonly agrees: boolean;
    };

export interface Contradiction {
  readonly about: CrossedThing | "everything";
  readonly between: readonly [Witness, Witness];
  /** For reports; no personal datum. */
  readonly detail: string;
}

/** Letters of a name in any order, without marks and signs: SURNAME/FIRST and FIRST SURNAME are one. */
const wordsOf = (name: string): string[] =>
  name
    .normalize("NFD")
    .replaceAll(/\p{M}/gu, "")
    .toUpperCase()
    .split(/[^A-Z0-9]+/)
    .filter((word) => word !== "")
    .toSorted();

/** Month and year as YYMM; `12/30`, `12/2030` and `3012` are one. */
function expiryOf(text: string): string {
  const [, month, year] = /^(0[1-9]|1[0-2])[/.-](?:20)?(\d\d)$/.exec(text.trim()) ?? [];
  return month === undefined || year === undefined ? text.trim() : `${year}${month}`;
}

/** A stripe or a raised line has less room: an initial stands for its word, and a name may be cut. */
function sameName(one: string, other: string): boolean {
  const [few, many] = [wordsOf(one), wordsOf(other)].toSorted((a, b) => a.length - b.length);
  if (few === undefined || many === undefined || few.length === 0) return false;
  const left = [...many];
  for (const word of few.toSorted((a, b) => b.length - a.length)) {
    const at = left.findIndex(
      (candidate) =>
        candidate === word ||
        (word.length === 1 && candidate.startsWith(word)) ||
        (candidate.length === 1 && word.startsWith(candidate)),
    );
    if (at < 0) return false;
    left.splice(at, 1);
  }
  return true;
}

function same(about: CrossedThing, one: string, other: string): boolean {
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
  for (const about of crossedThings) {
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

/** What raised characters say: the digits of a number line (Farrington 7B), and of two dates the later, which ends the card. */
export function embossSays(lines: readonly { readonly text: string; readonly font: string }[]): Statement[] {
  return lines.flatMap(({ text, font }): Statement[] => {
    const digits = text.replaceAll(" ", "");
    if (font === "7B")
      return /^\d{8,19}$/.test(digits) ? [{ witness: "emboss", about: "number", says: digits }] : [];
    const last = text.match(/\b(?:0[1-9]|1[0-2])\/\d\d\b/g)?.at(-1);
    return last === undefined ? [] : [{ witness: "emboss", about: "expiry", says: last }];
  });
}

/** What print says: a field that is nothing but a number as long as a card's. */
export function printSays(fields: readonly { readonly text?: string; readonly kind: string }[]): Statement[] {
  return fields.flatMap(({ text, kind }): Statement[] => {
    const digits = text?.replaceAll(/[ \u00a0-]/g, "") ?? "";
    return kind !== "mrz" && /^\d{12,19}$/.test(digits)
      ? [{ witness: "print", about: "number", says: digits }]
      : [];
  });
}

/** What the record says: the only value of it that is a number as long as a card's and has the right check digit (ISO/IEC 7812-1). */
export function recordSays(fields: Readonly<Record<string, string | readonly string[]>>): Statement[] {
  const numbers = Object.values(fields).flatMap((value) => {
    const digits = typeof value === "string" ? value.replaceAll(/[ -]/g, "") : "";
    return /^\d{12,19}$/.test(digits) && luhn(digits) ? [digits] : [];
  });
  const [only] = numbers;
  return only === undefined || numbers.length > 1 ? [] : [{ witness: "record", about: "number", says: only }];
}

function luhn(digits: string): boolean {
  let sum = 0;
  for (const [at, digit] of Array.from(digits).reverse().entries()) {
    const value = Number(digit) * (at % 2 === 0 ? 1 : 2);
    sum += value > 9 ? value - 9 : value;
  }
  return sum % 10 === 0;
}
