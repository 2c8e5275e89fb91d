/** Rules about characters that wheels strike: where they may stand, and what they spoil on their side and on the other. */
import { areStruckOnto, embossAreas, isInArea, wheels } from "@persoline/card/id1";
import type { Box, Face, PlacedField, PlacedLine } from "../placed.js";
import type { EmbossLine } from "../types.js";
import { inkBoxes } from "./lint-geometry.js";
import type { Say } from "./lint-finding.js";
import type { FaceTemplate } from "./template.js";
import { boxOf } from "./art.js";
import {
  border,
  chipModule,
  describe,
  fromBehind,
  grown,
  meet,
  stripeZone,
  struckBoxes,
  wayOut,
} from "./zones.js";

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

interface Keep {
  readonly rule: "chip" | "stripe" | "hole" | "panel";
  readonly zone: Box;
  /** What is struck there, seen from the side that carries it, and from the other. */
  readonly here: string;
  readonly behind: string;
}

/** Where no wheel may strike, on the side that carries it. */
const keepOuts = ({ chip, body }: Blank): readonly Keep[] => [
  ...(chip
    ? [
        {
          rule: "chip" as const,
          zone: chipModule,
          here: "into the contacts",
          behind: "into the chip module from behind",
        },
      ]
    : []),
  ...(body.stripe === "none"
    ? []
    : [
        {
          rule: "stripe" as const,
          zone: stripeZone(body.stripe),
          here: "onto the magnetic stripe",
          behind: "into the magnetic stripe from behind",
        },
      ]),
  ...body.holes.map(({ box }) => ({
    rule: "hole" as const,
    zone: grown(boxOf(box), border),
    here: "onto a hole or the 1 mm around it",
    behind: "onto a hole or the 1 mm around it",
  })),
  ...(body.panel === undefined
    ? []
    : [
        {
          rule: "panel" as const,
          zone: boxOf(body.panel),
          here: "onto the signature panel",
          behind: "into the signature panel from behind",
        },
      ]),
];

/** Raised lines stand on the front, and each wheel is either an embosser's or an indent printer's. */
function byItsMachine(line: StruckLine, say: Say): void {
  const raised = isRaised(line);
  if (raised && line.side === "back")
    say(
      "emboss-area",
      "error",
      [line.field],
      "an embosser raises characters on the front alone: this line would never be struck",
      "put it into the layout of the front, or use the layer indent",
    );
  if (raised === (line.font === "rear"))
    say(
      "emboss-area",
      "error",
      [line.field],
      `wheel ${line.font} does not ${raised ? "emboss" : "indent"}`,
      raised ? "use 7B or 4B, or the layer indent" : "use rear, or the layer emboss",
    );
}

/**
 * What is wrong with the lines struck on a side, whatever is drawn there: what every embosser refuses, and what spoils the blank.
 * `blank`: what is known of the card's sides.
 */
export function lintStruck({ here, behind }: Struck, blank: readonly Blank[], say: Say): void {
  const striped = blank.some(({ body }) => body.stripe !== "none");
  here.forEach((line, at) => {
    const raised = isRaised(line);
    byItsMachine(line, say);
    if (raised) inItsArea(line, striped, say);
    for (const other of here.slice(at + 1))
      if (areStruckOnto(line, other))
        say(
          "emboss-overlap",
          "error",
          [line.field, other.field],
          `their characters would be struck onto one another (${apart(line, other)} mm from middle to middle, and they are ${heights(line, other)} mm high)`,
          `keep them ${leastApart(line, other)} mm apart`,
        );
    for (const pressed of raised ? behind.filter((other) => !isRaised(other)) : [])
      if (struckBoxes(pressed).some((a) => struckBoxes(line).some((b) => meet(a, fromBehind(b)))))
        say(
          "emboss-overlap",
          "error",
          [line.field, pressed.field],
          "characters would be raised through those pressed in on the other side",
          `move one of them by ${leastApart(line, pressed)} mm`,
        );
    for (const side of blank) {
      const own = side.side === line.side;
      // What is pressed in dents nothing on the other side.
      if (!own && !raised) continue;
      for (const { rule, zone, here: onto, behind: from } of keepOuts(side)) {
        const seen = own ? zone : fromBehind(zone);
        const hit = struckBoxes(line).find((box) => meet(box, seen));
        if (hit !== undefined)
          say(
            rule,
            "error",
            [line.field],
            `characters at ${describe(hit)} would be struck ${own ? onto : from} (${describe(seen)})`,
            wayOut(hit, seen),
          );
        else if (own && raised && rule === "stripe")
          say(
            "stripe",
            "error",
            [line.field],
            "characters would be raised on the side of the magnetic stripe, whose heads run over it (ISO/IEC 7811-2)",
            "emboss the side without it",
          );
      }
    }
  });
}

const leastApart = (one: StruckLine, other: StruckLine): string =>
  ((wheels[one.font].height + wheels[other.font].height) / 2).toFixed(2);
const apart = (one: StruckLine, other: StruckLine): string =>
  Math.abs(one.yFromBottom - other.yFromBottom).toFixed(2);
const heights = (one: StruckLine, other: StruckLine): string =>
  [...new Set([one, other].map(({ font }) => wheels[font].height.toFixed(2)))].join(" and ");

const marked: Readonly<Record<PlacedField["kind"], string | undefined>> = {
  code: "readers may fail there",
  ocr: "readers may fail there",
  mrz: "readers may fail there",
  photo: "the face is dented there",
  signature: "the picture is dented there",
  text: undefined,
  art: undefined,
};

function onFields(line: StruckLine, fields: readonly PlacedField[], say: Say): void {
  const boxes = struckBoxes(line);
  for (const field of fields) {
    const hit = boxes.find((box) => inkBoxes(field).some((ink) => meet(ink, box)));
    if (hit !== undefined)
      say(
        "emboss-overlap",
        "error",
        [line.field, field.name],
        `${isRaised(line) ? "raised" : "pressed"} characters at ${describe(hit)} would stand on it`,
        `of ${field.name}: ${wayOut(field.box, hit)}`,
      );
  }
}

/** Raised characters are hollow from behind: what a machine reads there suffers, and so does a face. */
function underFields(line: StruckLine, fields: readonly PlacedField[], say: Say): void {
  const boxes = struckBoxes(line).map(fromBehind);
  for (const field of fields) {
    const suffers = marked[field.kind];
    const hit = boxes.find((box) => inkBoxes(field).some((ink) => meet(ink, box)));
    if (suffers !== undefined && hit !== undefined)
      say(
        "emboss-behind",
        "warning",
        [field.name],
        `the embossing of the other side dents it at ${describe(hit)}`,
        `${suffers}; ${wayOut(field.box, hit)}`,
      );
  }
}

/** What struck lines do to the fields of one laid-out side. */
export function lintUnderStruck(face: Face, struck: Struck, say: Say): void {
  const fields = face.fields.filter(({ kind }) => kind !== "art");
  for (const line of struck.here) onFields(line, fields, say);
  for (const line of struck.behind) if (isRaised(line)) underFields(line, fields, say);
}
