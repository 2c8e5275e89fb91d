/**
 * Rules about machine readable zones (ICAO Doc 9303-3 and -5, TD1): their place, font, size and lines, and their check digits, whoever
 * set them. A field of kind `mrz` is right in all but its place; lines that a designer sets as texts or OCR lines may be wrong in all.
 */
import type { Box, Face, PlacedField } from "../placed.js";
import { card } from "./art.js";
import type { FaceLayout } from "./face.js";
import { setLine } from "./line.js";
import type { Say } from "./lint-finding.js";
import { wrongCheckDigits } from "./mrz.js";
import { bottom } from "./zones.js";

const td1 = { lines: 3, characters: 30 } as const;
/** The zone takes the lowest 23.2 mm of the back; the left edge of the first character lies 5.0 ± 1.0 mm from the card's (9303-5, 4.2.1.3). */
const zone = { height: 23.2, left: 5, slack: 1 } as const;
/** OCR-B size 1: ten characters an inch (9303-3, 4.4); ISO 1831, 6.13: lines at least 4.20 mm apart. */
const size1 = { pitch: 2.54, leading: 4.2 } as const;

interface Row {
  readonly field: string;
  readonly text: string;
  /** Origins of its glyphs, and their base line, mm. */
  readonly across: readonly number[];
  readonly baseline: number;
  /** mm an em. */
  readonly size: number;
}

function rowsOf(face: Face, field: PlacedField, em: number): Row[] {
  const rows = new Map<string, { text: string; across: number[]; baseline: number; size: number }>();
  for (const element of [...face.common.elements, ...face.own]) {
    if (element.kind !== "glyphs" || element.field !== field.name) continue;
    for (const { char, x, y } of element.glyphs) {
      const key = y.toFixed(3);
      const row = rows.get(key) ?? { text: "", across: [], baseline: y, size: element.scale * em };
      rows.set(key, row);
      row.text += char;
      row.across.push(x);
    }
  }
  return [...rows.values()].map((row) => ({ field: field.name, ...row }));
}

/** Long lines of capitals, digits and fillers, as no other line has them. */
const looksLikeMrz = ({ text }: Row): boolean => /^[A-Z0-9<]{24,44}$/.test(text);

function zoneOf(
  face: Face,
  em: number,
): { readonly fields: readonly PlacedField[]; readonly rows: readonly Row[] } {
  const fields: PlacedField[] = [];
  const rows: Row[] = [];
  for (const field of face.fields) {
    if (field.kind !== "mrz" && field.kind !== "ocr" && field.kind !== "text") continue;
    const own = rowsOf(face, field, em).filter(looksLikeMrz);
    if (own.length === 0) continue;
    fields.push(field);
    rows.push(...own);
  }
  const isZone = fields.some(({ kind }) => kind === "mrz") || rows.some(({ text }) => text.includes("<<"));
  return isZone
    ? { fields, rows: rows.toSorted((a, b) => a.baseline - b.baseline) }
    : { fields: [], rows: [] };
}

function inPlace(face: Face, fields: readonly PlacedField[], say: Say): void {
  const names = fields.map(({ name }) => name);
  if (face.side !== "back")
    say(
      "mrz",
      "error",
      names,
      "the machine readable zone of a card of this size stands on its back (ICAO Doc 9303-5)",
      "put it into the layout of the back",
    );
  const boxes: readonly Box[] = fields.flatMap(({ glyphs = [] }) => glyphs.map(({ box }) => box));
  const highest = Math.min(...boxes.map(({ y }) => y));
  const top = card.height - zone.height;
  if (highest < top - 1e-6)
    say(
      "mrz",
      "error",
      names,
      `its characters begin ${highest.toFixed(2)} mm below the upper edge, and the zone is the lowest ${String(zone.height)} mm of the back (ICAO Doc 9303-5)`,
      `move it ${(top - highest).toFixed(2)} mm down or more`,
    );
  const left = Math.min(...boxes.map(({ x }) => x));
  const off = left - zone.left;
  if (Math.abs(off) > zone.slack + 1e-6)
    say(
      "mrz",
      "error",
      names,
      `its first characters begin ${left.toFixed(2)} mm from the left edge, not ${zone.left.toFixed(1)} ± ${zone.slack.toFixed(1)} mm (ICAO Doc 9303-5)`,
      `move it ${Math.abs(off).toFixed(2)} mm ${off > 0 ? "to the left" : "to the right"}`,
    );
  const lowest = Math.max(...boxes.map(bottom));
  if (lowest > card.height)
    say("mrz", "error", names, "its last line leaves the card", "move it up, or set its lines closer");
}

function inItsFont(layout: FaceLayout, fields: readonly PlacedField[], rows: readonly Row[], say: Say): void {
  const size = size1.pitch / setLine("<", [layout.fonts["OCR-B"]]).width;
  for (const { name, kind } of fields) {
    const own = rows.filter(({ field }) => field === name);
    const asked = layout.template.fields.find((field) => field.name === name);
    if (kind === "text" && asked?.kind === "text" && [asked.font].flat().some((font) => font !== "OCR-B")) {
      say(
        "mrz",
        "error",
        [name],
        "a line of a machine readable zone is set in another font than OCR-B (ICAO Doc 9303-3)",
        "use a field of kind mrz, or font: OCR-B",
      );
      continue;
    }
    const wide = own.some(({ across }) =>
      across.some((x, at) => at > 0 && Math.abs(x - (across[at - 1] ?? x) - size1.pitch) > 0.02),
    );
    const scaled = own.find((row) => Math.abs(row.size / size - 1) > 0.01);
    if (wide || scaled !== undefined)
      say(
        "mrz",
        "error",
        [name],
        `its characters are not those of OCR-B size 1, ${String(size1.pitch)} mm from one to the next (ICAO Doc 9303-3)`,
        "use a field of kind mrz, or kind ocr with pitch: 2.54",
      );
  }
}

function inItsLines(fields: readonly PlacedField[], rows: readonly Row[], say: Say): void {
  const names = fields.map(({ name }) => name);
  const odd = rows.filter(({ text }) => text.length !== td1.characters);
  if (rows.length !== td1.lines || odd.length > 0)
    say(
      "mrz",
      "error",
      names,
      `it has ${rows.map(({ text }) => String(text.length)).join(", ")} characters in ${String(rows.length)} line${rows.length === 1 ? "" : "s"}, and ${String(td1.lines)} lines of ${String(td1.characters)} are wanted (ICAO Doc 9303-5)`,
      "fill each line with < to 30 characters, or use a field of kind mrz",
    );
  const gaps = rows.slice(1).map(({ baseline }, at) => baseline - (rows[at]?.baseline ?? baseline));
  const narrow = gaps.find((gap) => gap < size1.leading - 1e-6);
  const uneven = gaps.length > 0 && Math.max(...gaps) - Math.min(...gaps) > 0.1;
  if (narrow !== undefined || uneven)
    say(
      "mrz",
      "error",
      names,
      `its lines are ${gaps.map((gap) => gap.toFixed(2)).join(" and ")} mm apart, and readers want them evenly apart by ${size1.leading.toFixed(2)} mm or more (ISO 1831)`,
      "set them 4.23 mm apart, six to the inch, or use a field of kind mrz",
    );
  const [first, second] = rows;
  if (rows.length !== td1.lines || odd.length > 0 || first === undefined || second === undefined) return;
  const wrong = wrongCheckDigits(first.text, second.text);
  if (wrong.length > 0)
    say(
      "mrz",
      "error",
      [...new Set([first.field, second.field])],
      `check digits are not those of their characters (ICAO Doc 9303-3): of ${wrong.join(", of ")}`,
      "use a field of kind mrz, or the modifier check",
    );
}

/** What is wrong with the machine readable zone of one laid-out side, if it has one. Tells nothing of what it says. */
export function lintMrz(face: Face, layout: FaceLayout, say: Say): void {
  const { fields, rows } = zoneOf(face, layout.fonts["OCR-B"].unitsPerEm);
  if (fields.length === 0) return;
  inPlace(face, fields, say);
  inItsFont(layout, fields, rows, say);
  inItsLines(fields, rows, say);
}
