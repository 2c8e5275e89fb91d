/** What may be done to a field's text, in a layout's `{field|modifier:argument}`. */
import { checkDigit, transliterate } from "./transliterate.js";

/** Initials for the given names, from the last but one backwards, until the text is short enough: "Anna Maria Kovacs" → "Anna M Kovacs". */
function shorten(text: string, limit: number): string {
  const words = text.split(" ").filter((word) => word !== "");
  for (let i = words.length - 2; i >= 0 && words.join(" ").length > limit; i--) {
    words[i] = Array.from(words[i] ?? "")[0] ?? "";
  }
  return words.join(" ");
}

interface Modifier {
  act(text: string, argument: string): string;
  /** What an argument lacks, to be read behind the word itself; undefined: it is right. */
  wrong(argument: string): string | undefined;
  /** How it is written. */
  readonly write: string;
}

function wrongDate(form: string): string | undefined {
  if (form === "") return "does not say how the date is written";
  const stranger = Array.from(form).find((char) => !/^[DMY. /-]$/.test(char));
  if (stranger !== undefined) return `has "${stranger}", which is no part of a date`;
  const parts: readonly string[] = form.match(/YYYY|YY|MM|DD/g) ?? [];
  const twice = parts.find((part, at) => parts.indexOf(part) !== at);
  if (twice !== undefined) return `has ${twice} twice`;
  if (parts.includes("YYYY") && parts.includes("YY")) return "has the year twice";
  const rest = form.replaceAll(/YYYY|YY|MM|DD/g, "");
  return parts.length === 0 || /[DMY]/.test(rest) ? "is no date with whole parts" : undefined;
}

const plain = (name: string, act: (text: string) => string): Modifier => ({
  act,
  wrong: (argument) => (argument === "" ? undefined : "takes nothing behind a colon"),
  write: name,
});

const counting = (name: string, act: (text: string, count: number) => string): Modifier => ({
  act: (text, argument) => act(text, Number(argument)),
  wrong: (argument) => (/^\d{1,3}$/.test(argument) ? undefined : "says no number of characters"),
  write: `so many characters, 1 to 999: ${name}:20`,
});

export const modifiers: Readonly<Record<string, Modifier>> = {
  upper: plain("upper", (text) => text.toUpperCase()),
  /** Basic Latin by ICAO Doc 9303-3. */
  latin: plain("latin", (text) => transliterate(text)),
  /** Letters and digits only. */
  compact: plain("compact", (text) => text.replaceAll(/[^\p{L}\p{N}]/gu, "")),
  short: counting("short", shorten),
  first: counting("first", (text, count) => Array.from(text).slice(0, count).join("")),
  fill: counting("fill", (text, length) => text.padEnd(length, "<")),
  /** With its ICAO check digit behind it. */
  check: plain("check", (text) => text + checkDigit(text)),
  /** An ISO 8601 date in another order: DD, MM, YYYY, YY. */
  date: {
    wrong: wrongDate,
    write: "DD, MM, YYYY or YY, each once, with dots, spaces, slashes or dashes between: date:DD.MM.YYYY",
    act(text, form) {
      const [, year = "", month = "", day = ""] = /^(\d{4})-(\d\d)-(\d\d)/.exec(text) ?? [];
      if (year === "") return text;
      return form.replace("YYYY", year).replace("YY", year.slice(2)).replace("MM", month).replace("DD", day);
    },
  },
  /** How a list becomes a text; ", " when not said. */
  join: {
    act: (text) => text,
    wrong: (argument) =>
      argument === ""
        ? "does not say what stands between"
        : argument.length > 5
          ? "has more than 5 characters"
          : undefined,
    write: "1 to 5 characters: join:, ",
  },
};
