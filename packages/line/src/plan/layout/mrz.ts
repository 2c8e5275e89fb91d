/** The machine readable zone of a card: ICAO Doc 9303-5, TD1, three lines of 30 characters. */
import { characterName, LayoutProblem } from "./problem.js";
import type { FieldOf } from "./template.js";
import { checkDigit, transliterate } from "./transliterate.js";

export interface MrzValues {
  readonly document: string;
  readonly state: string;
  readonly number: string;
  readonly optional1: string;
  /** ISO 8601, or empty when it is not known (fillers then). */
  readonly birth: string;
  /** M, F; X and nothing are a filler in the zone. */
  readonly sex: string;
  readonly expiry: string;
  readonly nationality: string;
  readonly optional2: string;
  readonly surname: string;
  readonly given: string;
}

/** Capitals, digits and fillers: national letters by the tables of 9303-3, apostrophes dropped, hyphens and spaces as fillers. */
export const mrzText = (text: string): string =>
  transliterate(text)
    .toUpperCase()
    .replaceAll(/['’.,]/gu, "")
    .replaceAll(/[\s-]+/gu, "<");

const width = 30;

/**
 * Names as 9303-5 writes them: surname, two fillers, given names. Names too long for the 30 characters are cut from the last of the given
 * names backwards to initials, then the rest is cut off at the end (9303-5, truncated names), always with the two fillers in it.
 */
export function nameLine(surname: string, given: string): string {
  const family = mrzText(surname).replaceAll(/<+/g, "<").replaceAll(/^<|<$/g, "");
  const names = mrzText(given).split("<").filter(Boolean);
  const whole = (parts: readonly string[]): string =>
    parts.length === 0 ? family : `${family}<<${parts.join("<")}`;
  const shortened = [...names];
  for (let i = shortened.length - 1; i >= 1 && whole(shortened).length > width; i--)
    shortened[i] = shortened[i]?.slice(0, 1) ?? "";
  let text = whole(shortened);
  // Of a surname that leaves no room, so much that the first given name is still told from it.
  if (text.length > width && names.length > 0 && family.length > width - 3)
    text = `${family.slice(0, width - 3)}<<${names[0]?.slice(0, 1) ?? ""}`;
  return text.slice(0, width).padEnd(width, "<");
}

/** The three lines. Throws LayoutProblem on a value that the zone cannot hold; messages name the part, never its content. */
export function mrzLines(
  values: MrzValues,
  field: Pick<FieldOf<"mrz">, "name" | "place">,
): readonly [string, string, string] {
  const refuse = (what: string, remedy: string): LayoutProblem =>
    new LayoutProblem("wrong-value", field.place, field.name, what, remedy);
  const part = (name: keyof MrzValues, most: number, text = mrzText(values[name])): string => {
    const wrong = Array.from(text).find((char) => !/^[A-Z0-9<]$/.test(char));
    if (wrong !== undefined)
      throw new LayoutProblem(
        "wrong-character",
        field.place,
        field.name,
        `${name} has ${characterName(wrong)}, which the zone cannot hold and no table of ICAO Doc 9303-3 transliterates`,
        "give the layout a field with the Latin spelling",
      );
    if (text.length > most)
      throw refuse(
        `${name} has ${String(text.length)} characters, and there is room for ${String(most)}`,
        "shorten it",
      );
    return text.padEnd(most, "<");
  };
  const date = (name: "birth" | "expiry"): string => {
    const text = values[name];
    if (text === "" && name === "birth") return "<<<<<<";
    const [, year = "", month = "", day = ""] =
      /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/.exec(text) ?? [];
    if (year === "") throw refuse(`${name} is not a date`, "write it as 2029-12-31");
    return year.slice(2) + month + day;
  };
  const document = part("document", 2);
  if (!/^[ACI]/.test(document)) throw refuse("the document code begins with A, C or I", "correct document");
  if (document[1] === "V") throw refuse("V is not a second letter of a document code", "correct document");
  const number = mrzText(values.number);
  if (number === "") throw refuse("the document has no number", "fill the field");
  // 9303-5, document number of more than 9 characters: the rest of a long number, its check digit and a filler begin the first optional data.
  const long = number.length > 9;
  const digit = checkDigit(long ? number : number.padEnd(9, "<"));
  const optional1 = long
    ? `${number.slice(9)}${digit}<${mrzText(values.optional1)}`
    : mrzText(values.optional1);
  const first = `${document}${part("state", 3)}${part("number", 9, number.slice(0, 9))}${long ? "<" : digit}${part("optional1", 15, optional1)}`;
  const sex = mrzText(values.sex);
  if (!/^[MFX<]?$/.test(sex)) throw refuse("sex is M, F, X or nothing", "correct the value");
  const [birth, expiry] = [date("birth"), date("expiry")];
  const second = `${birth}${checkDigit(birth)}${sex === "M" || sex === "F" ? sex : "<"}${expiry}${checkDigit(expiry)}${part("nationality", 3)}${part("optional2", 11)}`;
  const composite = checkDigit(
    first.slice(5, 30) + second.slice(0, 7) + second.slice(8, 15) + second.slice(18, 29),
  );
  const surname = mrzText(values.surname);
  if (surname.replaceAll("<", "") === "") throw refuse("the holder has no name", "fill surname");
  const names = part("surname", width, nameLine(values.surname, values.given));
  return [first, second + composite, names];
}

/** Names of the check digits of the two upper lines, 30 characters each, that are not those of their characters (9303-5, 4.2.4). */
export function wrongCheckDigits(first: string, second: string): readonly string[] {
  const holds = (text: string, digit = ""): boolean => checkDigit(text) === digit;
  // Of a long document number a filler stands in place of the digit, and the rest with it in the optional data.
  const [rest = ""] = first.slice(15).split("<");
  const number =
    first[14] === "<"
      ? [first.slice(5, 14) + rest.slice(0, -1), rest.at(-1)]
      : [first.slice(5, 14), first[14]];
  const composite = first.slice(5, 30) + second.slice(0, 7) + second.slice(8, 15) + second.slice(18, 29);
  return [
    ...(holds(number[0] ?? "", number[1]) ? [] : ["the document number"]),
    ...(holds(second.slice(0, 6), second[6]) ? [] : ["the date of birth"]),
    ...(holds(second.slice(8, 14), second[14]) ? [] : ["the date of expiry"]),
    ...(holds(composite, second[29]) ? [] : ["the lines together"]),
  ];
}
