/** Rules about texts: every letter of the declared alphabets, sizes that can be read, room for what the product allows. */
import type { Face } from "../placed.js";
import { type AlphabetName, charactersOf } from "./alphabets.js";
import type { FaceLayout } from "./face.js";
import { lacking } from "./line.js";
import type { Say } from "./lint-finding.js";
import { characterName, LayoutProblem } from "./problem.js";
import { placeText } from "./set-text.js";
import type { FieldOf } from "./template.js";

const isPersonal = (field: FaceLayout["template"]["fields"][number]): field is FieldOf<"text"> =>
  field.kind === "text" && field.text.fields.length > 0;

/** Modifiers that leave only basic Latin need no other letters. */
const latinOnly = (field: FieldOf<"text">): boolean =>
  field.text.parts.every((part) => "literal" in part || part.modifiers.some(({ name }) => name === "latin"));

/** What the product says about the fields of its records. */
export interface ProductFields {
  /** Most characters, by field, where the product says. */
  readonly longest: Readonly<Record<string, number>>;
  /** Fields whose letters the product has fixed already: dates, values of a list, patterns. */
  readonly fixed: readonly string[];
}

/** Letters that a declared alphabet has and the field's fonts have not. */
export function lintAlphabets({ template, fonts }: FaceLayout, { fixed }: ProductFields, say: Say): void {
  for (const field of template.fields.filter(isPersonal)) {
    if (latinOnly(field) || field.text.fields.every((name) => fixed.includes(name))) continue;
    const chain = [field.font].flat().map((name) => fonts[name]);
    for (const alphabet of field.alphabets ?? template.alphabets) {
      const missing = charactersOf(alphabet).filter((char) => lacking(char, chain) !== undefined);
      const [first] = missing;
      if (first === undefined) continue;
      const able = Object.values(fonts).filter((font) => missing.every((char) => font.has(char)));
      say(
        "alphabet",
        "error",
        [field.name],
        `its fonts lack ${String(missing.length)} of ${String(charactersOf(alphabet).length)} characters of ${alphabet}, the first ${characterName(first)}`,
        able.length === 0
          ? "no font of the package has them: use the modifier latin"
          : `add a font that has them: font: [${[...[field.font].flat(), able[0]?.name ?? ""].join(", ")}]`,
      );
    }
  }
}

/** Texts that had to be made smaller than a reader likes. */
export function lintSizes(face: Face, { template: { limits } }: FaceLayout, say: Say): void {
  for (const { name, points } of face.fields) {
    if (points === undefined) continue;
    if (points.set < points.wanted * limits.shrunk)
      say(
        "shrunk",
        "warning",
        [name],
        `it is shrunk from ${String(points.wanted)} to ${String(points.set)} points (${((100 * points.set) / points.wanted).toFixed(0)} %)`,
        "give it a wider box or more lines, or shorten with the modifier short",
      );
    if (points.set < limits.smallest)
      say(
        "small",
        "warning",
        [name],
        `it is ${String(points.set)} points high, and below ${String(limits.smallest)} few can read it`,
        "make its size larger",
      );
  }
}

const words = {
  latin: "Alexandra Maria Konstantinopolska Weissenberg Szczepańska Montgomery ",
  "latin-extended": "Nguyễn Thị Hoàng Phương Trần Đặng Quỳnh ",
  cyrillic: "Александра Владимировна Константинопольская Щербакова ",
  greek: "Αλεξάνδρα Παπαδοπούλου Κωνσταντινίδου Μαρία ",
  hebrew: "אלכסנדרה רוזנברג מרים כהן שמעון ",
  arabic: "عبد الرحمن محمد الخوارزمي فاطمة الزهراء ",
} as const satisfies Record<AlphabetName, string>;

/** So many characters of words as names have them. */
const nameOf = (length: number, alphabet: keyof typeof words): string =>
  words[alphabet]
    .repeat(Math.ceil(length / words[alphabet].length) + 1)
    .slice(0, length)
    .trim();

/** Whether the longest value that the product allows fits. */
export function lintCapacity(
  { template, fonts }: FaceLayout,
  { longest, fixed }: ProductFields,
  say: Say,
): void {
  for (const field of template.fields.filter(isPersonal)) {
    const [part] = field.text.parts;
    if (field.text.parts.length !== 1 || part === undefined || "literal" in part) continue;
    const limit = part.modifiers.find(({ name }) => name === "first" || name === "short");
    const most = Math.min(
      fixed.includes(part.field) ? 0 : (longest[part.field] ?? 0),
      limit === undefined ? Number.POSITIVE_INFINITY : Number(limit.argument),
    );
    if (most <= 0) continue;
    const alphabet = (field.alphabets ?? template.alphabets)[0] ?? "latin";
    const fits = (length: number): boolean => {
      try {
        placeText(field, nameOf(length, alphabet), fonts);
        return true;
      } catch (thrown) {
        if (thrown instanceof LayoutProblem && thrown.code === "too-long") return false;
        // A letter that no font has is told by its own rule.
        if (thrown instanceof LayoutProblem) return true;
        throw thrown;
      }
    };
    if (fits(most)) continue;
    let room = most;
    while (room > 1 && !fits(room)) room--;
    say(
      "capacity",
      "warning",
      [field.name],
      `the product allows ${String(most)} characters of ${part.field}, and about ${String(room)} fit here at the smallest size`,
      "give it more lines, a wider box or a smaller min, or lower max in the product",
    );
  }
}
