import type { EmbossLine, Face, PlacedField } from "../types.js";
import type { Box } from "../placed.js";
import { card } from "./art.js";
import { wheels } from "./emboss.js";

export interface LayoutFinding {
  readonly rule:
    | "overlap"
    | "off-card"
    | "border"
    | "chip"
    | "outside-box"
    | "quiet-zone"
    | "module"
    | "emboss-area"
    | "emboss-overlap";
  readonly fields: readonly string[];
  readonly message: string;
}

/** Around the contacts and their module (ISO/IEC 7816-2), mm. */
export const chipKeepOut: Box = { x: 9.5, y: 16.5, width: 11.5, height: 14.5 };
const border = 1;
/** Area 2 of ISO/IEC 7811-3, name and address: 14.53 mm high from 2.41 mm above the bottom edge. */
const embossArea = { lowest: 2.41, highest: 14.53 + 2.41, left: 7.4, right: 76.5 };

const right = (box: Box): number => box.x + box.width;
const bottom = (box: Box): number => box.y + box.height;
const meet = (a: Box, b: Box): boolean =>
  a.x < right(b) - 1e-6 && b.x < right(a) - 1e-6 && a.y < bottom(b) - 1e-6 && b.y < bottom(a) - 1e-6;
const inside = (inner: Box, outer: Box, slack: number): boolean =>
  inner.x >= outer.x - slack &&
  inner.y >= outer.y - slack &&
  right(inner) <= right(outer) + slack &&
  bottom(inner) <= bottom(outer) + slack;
const describe = (box: Box): string =>
  `${box.x.toFixed(2)}..${right(box).toFixed(2)} × ${box.y.toFixed(2)}..${bottom(box).toFixed(2)} mm`;

/** What ink of the field takes: its glyphs, or its box. */
const inkBoxes = (field: PlacedField): readonly Box[] =>
  field.glyphs?.map((glyph) => glyph.box) ?? [field.box];

/** Where raised characters will stand. */
function embossBox(line: EmbossLine): Box {
  const { height } = wheels[line.font];
  return {
    x: line.x - line.pitch / 2,
    y: card.height - line.yFromBottom - height / 2,
    width: line.text.length * line.pitch,
    height,
  };
}

/** What is wrong with a laid-out side, whatever the record: nothing when it may be marked. `chip`: this side carries the contacts. */
export function lintLayout(
  face: Face,
  options: { readonly chip: boolean; readonly emboss?: readonly EmbossLine[] },
): LayoutFinding[] {
  const findings: LayoutFinding[] = [];
  const whole: Box = { x: 0, y: 0, width: card.width, height: card.height };
  const fields = face.fields.filter((field) => field.kind !== "art");
  fields.forEach((field, i) => {
    const say = (rule: LayoutFinding["rule"], message: string): void => {
      findings.push({ rule, fields: [field.name], message: `${face.side} ${field.name}: ${message}` });
    };
    const free: Box = {
      x: border,
      y: border,
      width: card.width - 2 * border,
      height: card.height - 2 * border,
    };
    if (!inside(field.box, whole, 1e-6)) say("off-card", `its box ${describe(field.box)} leaves the card`);
    else if (!inside(field.box, free, 1e-6))
      say("border", `its box ${describe(field.box)} is within 1 mm of the edge`);
    if (options.chip && inkBoxes(field).some((box) => meet(box, chipKeepOut))) {
      say("chip", `it would be marked on the contacts (${describe(chipKeepOut)})`);
    }
    // Marks above capitals and below the line may leave the box by a little; a whole letter may not.
    if (inkBoxes(field).some((box) => !inside(box, field.box, 1)))
      say("outside-box", "its ink leaves its box");
    for (const other of fields.slice(i + 1)) {
      if (!meet(field.box, other.box)) continue;
      const quiet = field.kind === "code" || other.kind === "code";
      findings.push({
        rule: quiet ? "quiet-zone" : "overlap",
        fields: [field.name, other.name],
        message: `${face.side} ${field.name} and ${other.name}: ${quiet ? "the quiet zone of the code is not free" : "their boxes overlap"}`,
      });
    }
  });
  for (const line of options.emboss ?? []) {
    const box = embossBox(line);
    const inArea =
      line.yFromBottom >= embossArea.lowest &&
      line.yFromBottom <= embossArea.highest &&
      line.x >= embossArea.left &&
      line.x + (line.text.length - 1) * line.pitch <= embossArea.right;
    if (!inArea) {
      findings.push({
        rule: "emboss-area",
        fields: [],
        message: `${face.side} emboss line at ${String(line.yFromBottom)} mm: outside area 2 of ISO/IEC 7811-3`,
      });
    }
    for (const field of fields) {
      if (inkBoxes(field).some((ink) => meet(ink, box))) {
        findings.push({
          rule: "emboss-overlap",
          fields: [field.name],
          message: `${face.side} ${field.name}: raised characters at ${describe(box)} would stand on it`,
        });
      }
    }
  }
  return findings;
}
