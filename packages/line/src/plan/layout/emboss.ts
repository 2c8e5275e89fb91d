import { lackedBy, wheels } from "@persoline/card/id1";
import type { Face, PlacedLine } from "../placed.js";
import type { EmbossLine } from "../types.js";
import { characterName, LayoutProblem } from "./problem.js";
import type { EmbossTemplate, FieldOf } from "./template.js";
import { type FieldValues, fill, saidBy } from "./text.js";
import { transliterate } from "./transliterate.js";

type Struck = Pick<FieldOf<"emboss">, "name" | "text" | "font" | "x" | "yFromBottom" | "max" | "place">;

function embossLine(
  template: Pick<EmbossTemplate, "transliterate">,
  line: Struck,
  values: FieldValues,
): Omit<EmbossLine, "font" | "field"> {
  const wheel = wheels[line.font];
  const filled = fill(line.text, values);
  // Wheels carry capitals only, so the case is the machine's, not the customer's.
  const text = (template.transliterate === "icao" ? transliterate(filled) : filled).toUpperCase().trim();
  if (text === "") {
    throw new LayoutProblem(
      "field-missing",
      line.place,
      line.name,
      "there is nothing to emboss",
      "fill the field",
    );
  }
  const wrong = lackedBy(line.font, text);
  if (wrong !== undefined) {
    throw new LayoutProblem(
      "wrong-character",
      line.place,
      line.name,
      `the embosser's wheel ${line.font} has no ${characterName(wrong)}`,
      template.transliterate === undefined
        ? "declare `transliterate: icao`, or spell the value otherwise"
        : "spell the value otherwise: transliteration does not know this character",
    );
  }
  const most = Math.min(line.max ?? wheel.most, wheel.most);
  if (text.length > most) {
    throw new LayoutProblem(
      "too-long",
      line.place,
      line.name,
      `${line.name} too long for its line: ${String(text.length)} characters, and there is room for ${String(most)}`,
      "shorten the value, or use the modifier short",
    );
  }
  return {
    ...saidBy([line.text], values),
    text,
    x: line.x,
    yFromBottom: line.yFromBottom,
    pitch: wheel.pitch,
  };
}

/** The embosser's lines for one record. Pure. Throws LayoutProblem on a character the wheel lacks or a text too long. */
export const embossLines = (template: EmbossTemplate, values: FieldValues): readonly EmbossLine[] =>
  template.lines.map((line) => ({
    field: line.name,
    ...embossLine(template, line, values),
    font: line.font,
  }));

/** A line that the layout of a side itself holds. Throws LayoutProblem as embossLines does. */
export function placeEmboss(field: FieldOf<"emboss">, values: FieldValues): PlacedLine {
  const line = embossLine({ transliterate: field.transliterate }, field, values);
  return {
    kind: "line",
    layer: field.layer,
    field: field.name,
    ...line,
    font: field.font,
    height: wheels[field.font].height,
  };
}

/** Raised lines of a front laid out with the layout itself; the embosser strikes cards from behind, and only the front is read. */
export const raisedOn = ({ side, own }: Face): readonly EmbossLine[] =>
  side === "back"
    ? []
    : own.flatMap((element) =>
        element.kind === "line" && element.layer === "emboss" && element.font !== "rear"
          ? [
              {
                field: element.field,
                ...(element.said === undefined ? {} : { said: element.said }),
                text: element.text,
                font: element.font,
                x: element.x,
                yFromBottom: element.yFromBottom,
                pitch: element.pitch,
              },
            ]
          : [],
      );

/** Lines pressed into a side, as an indent printer takes them. */
export const indentedOn = ({
  own,
}: Face): readonly Pick<PlacedLine, "text" | "font" | "x" | "yFromBottom" | "pitch">[] =>
  own.flatMap((element) =>
    element.kind === "line" && element.layer === "indent"
      ? [
          {
            text: element.text,
            font: element.font,
            x: element.x,
            yFromBottom: element.yFromBottom,
            pitch: element.pitch,
          },
        ]
      : [],
  );
