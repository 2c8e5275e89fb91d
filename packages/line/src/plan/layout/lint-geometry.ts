/** Rules about places: nothing off the card, nothing on what the standards keep free, nothing on one another. */
import type { Box, Face, PlacedField } from "../placed.js";
import { boxOf, card } from "./art.js";
import { dotOf, rules } from "./codes.js";
import type { Say } from "./lint-finding.js";
import type { FaceTemplate } from "./template.js";
import {
  beyondOutline,
  border,
  chipKeepOut,
  describe,
  gap,
  grown,
  inside,
  meet,
  stripeZone,
  wayOut,
} from "./zones.js";

/** What ink of the field takes: its glyphs, or its box. */
export const inkBoxes = (field: PlacedField): readonly Box[] =>
  field.glyphs?.map((glyph) => glyph.box) ?? [field.box];

function onCard(field: PlacedField, say: Say): void {
  const own = [field.name];
  const off = beyondOutline(field.box, 0);
  const close = beyondOutline(field.box, border);
  if (!inside(field.box, { x: 0, y: 0, width: card.width, height: card.height }))
    say(
      "off-card",
      "error",
      own,
      `its box ${describe(field.box)} leaves the card`,
      "move it onto the card, or make it smaller",
    );
  else if (off > 1e-6)
    say(
      "corner",
      inkBoxes(field).some((box) => beyondOutline(box, 0) > 0) ? "error" : "warning",
      own,
      `a corner of its box lies ${off.toFixed(2)} mm outside the card's rounded corner (radius ${String(card.radius)} mm)`,
      `move it ${(off + 0.01).toFixed(2)} mm or more towards the middle`,
    );
  else if (close > 1e-6)
    say(
      "border",
      "warning",
      own,
      `its box is within ${String(border)} mm of the card's edge (by ${close.toFixed(2)} mm)`,
      "card feeders and cutters vary by tenths of a millimetre: move it inwards",
    );
  const leaving = Math.max(
    ...inkBoxes(field).map((box) =>
      Math.max(
        field.box.x - box.x,
        field.box.y - box.y,
        box.x + box.width - field.box.x - field.box.width,
        box.y + box.height - field.box.y - field.box.height,
      ),
    ),
  );
  // Marks above capitals and below the line may leave the box by a little; a whole letter may not.
  if (leaving > 1)
    say(
      "outside-box",
      "error",
      own,
      `its ink leaves its box by ${leaving.toFixed(2)} mm`,
      "make the box larger or the text smaller",
    );
}

function onZones(field: PlacedField, template: FaceTemplate, say: Say): void {
  const { body, chip, limits } = template;
  const ink = inkBoxes(field);
  const zones: readonly {
    readonly rule: "chip" | "stripe" | "hole" | "panel";
    readonly zone: Box;
    readonly what: string;
  }[] = [
    ...(chip ? [{ rule: "chip" as const, zone: chipKeepOut, what: "the contacts (ISO/IEC 7816-2)" }] : []),
    ...(body.stripe === "none"
      ? []
      : [
          {
            rule: "stripe" as const,
            zone: stripeZone(body.stripe),
            what: "the magnetic stripe (ISO/IEC 7811)",
          },
        ]),
    ...body.holes.map(({ box }) => ({
      rule: "hole" as const,
      zone: grown(boxOf(box), border),
      what: "a hole and 1 mm around it",
    })),
    ...(body.panel === undefined
      ? []
      : [{ rule: "panel" as const, zone: boxOf(body.panel), what: "the signature panel" }]),
  ];
  for (const { rule, zone, what } of zones) {
    const hit = ink.find((box) => meet(box, zone));
    const own = [field.name];
    if (hit !== undefined) {
      const signs = rule === "panel" && field.kind === "signature";
      if (!signs)
        say(
          rule,
          "error",
          own,
          `it would be marked on ${what} at ${describe(zone)}`,
          wayOut(field.box, zone),
        );
    } else {
      const near = Math.min(...ink.map((box) => gap(box, zone)));
      if (near < limits.near)
        say(
          "near",
          "warning",
          own,
          `its ink ends ${near.toFixed(2)} mm from ${what}`,
          `keep ${limits.near.toFixed(2)} mm, or lower limits.near when the machine is that exact`,
        );
    }
  }
}

function together(fields: readonly PlacedField[], say: Say): void {
  fields.forEach((field, i) => {
    for (const other of fields.slice(i + 1)) {
      if (!meet(field.box, other.box)) continue;
      const names = [field.name, other.name];
      const code = field.kind === "code" ? field : other.kind === "code" ? other : undefined;
      const way = wayOut(other.box, field.box);
      if (code !== undefined) {
        say(
          "quiet-zone",
          "error",
          names,
          `the quiet zone of the code (${describe(code.box)}) is not free`,
          `of ${other.name}: ${way}`,
        );
        continue;
      }
      const touch = inkBoxes(field).some((a) => inkBoxes(other).some((b) => meet(a, b)));
      say(
        "overlap",
        touch ? "error" : "warning",
        names,
        touch ? "they are drawn over one another" : "their boxes overlap, though not the ink of this record",
        `of ${other.name}: ${way}`,
      );
    }
  });
}

/** Codes: modules of whole dots, and wide enough for the readers of cards. */
function ofCodes(face: Face, template: FaceTemplate, say: Say): void {
  const dot = dotOf(template.dpi);
  for (const element of [...face.common.elements, ...face.own]) {
    if (element.kind !== "code") continue;
    const asked = template.fields.find(({ name }) => name === element.field);
    const wanted = asked?.kind === "code" ? asked.module : undefined;
    const { width } = element.module;
    if (wanted !== undefined && Math.abs(wanted - width) > 0.002)
      say(
        "module",
        "warning",
        [element.field],
        `a module of ${wanted.toFixed(3)} mm is ${(wanted / dot).toFixed(2)} dots at ${String(template.dpi)} dpi; it is drawn with ${width.toFixed(4)} mm`,
        `write module: ${width.toFixed(4)} (${String(Math.round(width / dot))} dots)`,
      );
    const { least } = rules[element.symbology];
    if (width < least - 1e-6)
      say(
        "module",
        "warning",
        [element.field],
        `its modules are ${width.toFixed(3)} mm wide, and readers of cards want ${least.toFixed(2)} mm`,
        `widen its box ${(least / width).toFixed(2)} times, or shorten what it says`,
      );
  }
}

/** mm: less shows nothing that a guard or a camera could tell from another person's, some 150 dots of a picture of 1,600 across. */
const least = { photo: { width: 8, height: 10 }, signature: { width: 8, height: 2 } } as const;

/** Photos and signatures large enough to be told from another's. */
function ofPictures(field: PlacedField, { limits }: FaceTemplate, say: Say): void {
  if (field.kind !== "photo" && field.kind !== "signature") return;
  const { width, height } = field.box;
  const wanted = least[field.kind];
  const size = `it is ${width.toFixed(2)} × ${height.toFixed(2)} mm`;
  if (width < wanted.width - 1e-6 || height < wanted.height - 1e-6)
    say(
      "portrait",
      "error",
      [field.name],
      `${size}: nobody can tell whose ${field.kind === "photo" ? "face" : "signature"} it is`,
      `make its box ${String(wanted.width)} × ${String(wanted.height)} mm or larger${field.kind === "photo" ? ", better 20 × 25 (ICAO Doc 9303-5: 26 × 32 to 35 × 45)" : ""}`,
    );
  else if (field.kind === "photo" && width < limits.portrait - 1e-6)
    say(
      "portrait",
      "warning",
      [field.name],
      `${size}, and a face narrower than ${limits.portrait.toFixed(1)} mm is told with trouble`,
      `make its box ${limits.portrait.toFixed(1)} mm wide or more, or lower limits.portrait`,
    );
}

/** What is wrong with the places of one laid-out side. */
export function lintGeometry(face: Face, template: FaceTemplate, say: Say): void {
  const fields = face.fields.filter(({ kind }) => kind !== "art");
  for (const field of fields) {
    onCard(field, say);
    onZones(field, template, say);
    ofPictures(field, template, say);
  }
  together(fields, say);
  ofCodes(face, template, say);
  for (const element of face.own) {
    if (element.kind === "stripe" && template.body.stripe === "none")
      say(
        "stripe",
        "error",
        [element.field],
        "a stripe is to be encoded, and this side has none",
        "declare body.stripe, or put the field on the other side",
      );
    if (
      element.kind === "stripe" &&
      template.body.stripe === "two-track" &&
      element.tracks.some(({ track }) => track === 3)
    )
      say(
        "stripe",
        "error",
        [element.field],
        "track 3 is to be encoded on a stripe of two tracks",
        "order blanks with three tracks, or leave track3 out",
      );
  }
}
