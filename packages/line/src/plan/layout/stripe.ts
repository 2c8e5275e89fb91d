/** What stands on the magnetic stripe: checked against ISO/IEC 7811-2 and -6 before an encoder gets it. */
import type { PlacedStripe } from "../placed.js";
import { characterName, LayoutProblem } from "./problem.js";
import type { FieldOf } from "./template.js";
import { type FieldValues, fill } from "./text.js";

/** Characters of each track, and how many it holds without start sentinel, end sentinel and LRC. */
const tracks = {
  1: { allowed: /^[\u0020-\u005f]$/, most: 76, set: "capitals, digits and punctuation (ASCII 20 to 5F)" },
  2: { allowed: /^[0-9:;<=>]$/, most: 37, set: "digits and : ; < = >" },
  3: { allowed: /^[0-9:;<=>]$/, most: 104, set: "digits and : ; < = >" },
} as const;

/** Throws LayoutProblem on a character that the track has no code for, or a text too long. */
export function placeStripe(field: FieldOf<"stripe">, values: FieldValues): PlacedStripe {
  const texts = ([1, 2, 3] as const).flatMap((track) => {
    const template = field[`track${track}`];
    if (template === undefined) return [];
    const text = fill(template, values);
    const { allowed, most, set } = tracks[track];
    const name = `${field.name} track ${String(track)}`;
    if (text === "")
      throw new LayoutProblem(
        "field-missing",
        field.place,
        name,
        "there is nothing to encode",
        "fill the field",
      );
    const wrong = Array.from(text).find((char) => !allowed.test(char) || (track === 1 && /[%?]/.test(char)));
    if (wrong !== undefined)
      throw new LayoutProblem(
        "wrong-character",
        field.place,
        name,
        `the track has no data code for ${characterName(wrong)}`,
        `it holds ${set} between its sentinels; use the modifiers latin, upper and compact`,
      );
    if (text.length > most)
      throw new LayoutProblem(
        "too-long",
        field.place,
        name,
        `${String(text.length)} characters, and the track holds ${String(most)}`,
        "shorten the text",
      );
    return [{ track, text }];
  });
  return { kind: "stripe", layer: "stripe", field: field.name, coercivity: field.coercivity, tracks: texts };
}
