/** Rules about characters that wheels strike: where they may stand, and what they spoil on their side and on the other. */
import { embossAreas, isInArea, wheels } from "@persoline/card/id1";
import type { Face, PlacedField, PlacedLine } from "../placed.js";
import type { EmbossLine } from "../types.js";
import { inkBoxes } from "./lint-geometry.js";
import type { Say } from "./lint-finding.js";
import type { FaceTemplate } from "./template.js";
import { chipModule, describe, fromBehind, meet, stripeZone, struckBox, wayOut } from "./zones.js";

/** A line that a wheel strikes, with the name it has in its file. */
export type StruckLine = (EmbossLine | PlacedLine) & {
  readonly field: string;
  readonly side: "front" | "back";
};

/** Lines of an embossing layout, which stands in a file of its own. */
export const raisedLines = (
  raised: { readonly lines: readonly { readonly name: string }[] } | undefined,
  emboss: readonly EmbossLine[],
): StruckLine[] =>
  (raised?.lines ?? []).flatMap(({ name }, at) => {
    const line = emboss[at];
    return line === undefined ? [] : [{ ...line, field: name, side: "front" }];
  });

export interface Struck {
  /** Struck on this side. */
  readonly here: readonly StruckLine[];
  /** Struck on the other. */
  readonly behind: readonly StruckLine[];
}

const isRaised = (line: StruckLine): boolean => !("layer" in line) || line.layer === "emboss";

function inItsArea(line: StruckLine, striped: boolean, say: Say): void {
  const { number, name } = embossAreas;
  const bottom = striped ? name.withStripe : name.bottom;
  if (isInArea(line, bottom)) return;
  const last = line.x + (line.text.length - 1) * line.pitch;
  if (line.font === "7B") {
    const off = line.yFromBottom - number.centre;
    say(
      "emboss-area",
      "error",
      [line.field],
      `the number line at ${line.yFromBottom.toFixed(2)} mm, ${line.x.toFixed(2)}..${last.toFixed(2)} mm is outside area 1 of ISO/IEC 7811-3`,
      `put its middle ${number.centre.toFixed(2)} mm above the bottom edge (${Math.abs(off).toFixed(2)} mm ${off > 0 ? "lower" : "higher"}), its characters between ${String(number.left)} and ${String(number.right)} mm`,
    );
    return;
  }
  const half = wheels[line.font].height / 2;
  const [feet, heads] = [line.yFromBottom - half, line.yFromBottom + half];
  say(
    "emboss-area",
    "error",
    [line.field],
    `its characters stand ${feet.toFixed(2)} to ${heads.toFixed(2)} mm above the bottom edge, ${line.x.toFixed(2)}..${last.toFixed(2)} mm across: outside area 2 of ISO/IEC 7811-3${striped ? " for cards with a magnetic stripe" : ""}`,
    `keep yFromBottom, their middle, between ${(bottom + half).toFixed(2)} and ${(name.top - half).toFixed(2)} mm, and their centres between ${String(name.left)} and ${String(name.right)} mm`,
  );
}

/** What a blank carries on its sides. */
export type Blank = Pick<FaceTemplate, "side" | "chip" | "body">;

/** What is wrong with the lines struck on a side, whatever is drawn there. `blank`: what is known of the card's sides. */
export function lintStruck({ here }: Struck, blank: readonly Blank[], say: Say): void {
  const striped = blank.some(({ body }) => body.stripe !== "none");
  for (const line of here) {
    const own = blank.find(({ side }) => side === line.side);
    const box = struckBox(line);
    if (isRaised(line)) inItsArea(line, striped, say);
    if (own?.chip === true && meet(box, chipModule))
      say(
        "chip",
        "error",
        [line.field],
        `characters would be struck into the contacts (${describe(chipModule)})`,
        wayOut(box, chipModule),
      );
  }
}

const machineRead = (field: PlacedField): boolean =>
  field.kind === "code" || field.kind === "ocr" || field.kind === "mrz";

function onFields(line: StruckLine, fields: readonly PlacedField[], say: Say): void {
  const box = struckBox(line);
  for (const field of fields)
    if (inkBoxes(field).some((ink) => meet(ink, box)))
      say(
        "emboss-overlap",
        "error",
        [line.field, field.name],
        `${isRaised(line) ? "raised" : "pressed"} characters at ${describe(box)} would stand on it`,
        `of ${field.name}: ${wayOut(field.box, box)}`,
      );
}

/** Raised characters are hollow from behind: what a machine reads there suffers. */
function behind(line: StruckLine, fields: readonly PlacedField[], template: FaceTemplate, say: Say): void {
  const box = fromBehind(struckBox(line));
  for (const field of fields)
    if (machineRead(field) && inkBoxes(field).some((ink) => meet(ink, box)))
      say(
        "emboss-behind",
        "warning",
        [field.name],
        `the embossing of the other side dents it at ${describe(box)}`,
        `readers may fail there; ${wayOut(field.box, box)}`,
      );
  if (template.body.stripe !== "none" && meet(box, stripeZone(template.body.stripe)))
    say(
      "stripe",
      "error",
      [],
      `the embossing of the other side dents the magnetic stripe at ${describe(box)}`,
      "emboss lower",
    );
}

/** What struck lines do to the fields of one laid-out side. */
export function lintUnderStruck(face: Face, template: FaceTemplate, struck: Struck, say: Say): void {
  const fields = face.fields.filter(({ kind }) => kind !== "art");
  for (const line of struck.here) onFields(line, fields, say);
  for (const line of struck.behind) if (isRaised(line)) behind(line, fields, template, say);
}
