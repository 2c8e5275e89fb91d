import type { Picture } from "../../devices/camera/port.js";
import { chipKeepOut } from "../../plan/layout/index.js";
import { engraved, type Face, type PlacedField } from "../../plan/placed.js";
import { judgeCode } from "./code.js";
import { type Dots, expectedInk, judgedAt, nearInk } from "./density.js";
import { judgeArt, judgeBare, judgeInk, judgePhoto, judgeText, type Sight, sightOf } from "./fields.js";
import type { FaceFinding, FaceVerdict, FaultOfFace, FieldMeasure } from "./finding.js";
import { type QualityLimits, simulatedLimits } from "./limits.js";
import { contactsSeen, lieOf } from "./lie.js";
import { type ExpectedGround, groundSeen, lightOn, seenInk, trimToCard } from "./light.js";
import { halve, type Plane } from "./plane.js";
import { findCard, straighten } from "./straighten.js";
import { type FoundField, judgeDouble, judgeSurface } from "./surface.js";

export interface JudgeOptions {
  readonly limits?: QualityLimits;
  /** Side with the contacts; default "front". */
  readonly chip?: "front" | "back" | "none";
  /** What is printed on that side of all cards of the layout, where the camera sees it. */
  readonly ground?: ExpectedGround;
  /** The same of the other side: a card that lies with the wrong side up shows it. */
  readonly otherGround?: ExpectedGround;
  /** What the printer adds for this record alone: it is verified like the engraver's marks. */
  readonly printed?: ExpectedGround;
}

export interface Inspected {
  readonly verdict: FaceVerdict;
  readonly straight: Plane | undefined;
  readonly level?: number;
}

type Judged = { readonly findings: readonly FaceFinding[]; readonly measure?: FieldMeasure };

const wholeCard = { x: 0, y: 0, width: 85.6, height: 53.98 };

const ofCard = (what: FaultOfFace, detail?: string): FaceFinding => ({
  field: "card",
  what,
  measured: 0,
  limit: 1,
  unit: "count",
  box: wholeCard,
  weight: "reject",
  ...(detail === undefined ? {} : { detail }),
});

const conclude = (findings: readonly FaceFinding[], measures: readonly FieldMeasure[] = []): FaceVerdict => ({
  verdict: findings.some(({ weight }) => weight === "reject")
    ? "reject"
    : findings.length > 0
      ? "doubtful"
      : "pass",
  findings,
  measures,
});

/** A detector that fails has seen nothing: that is a reject, never a pass. */
async function guarded(field: PlacedField, detect: () => Judged | Promise<Judged>): Promise<Judged> {
  try {
    return await detect();
  } catch (thrown) {
    const detail = thrown instanceof Error ? thrown.message : "unknown reason";
    return { findings: [{ ...ofCard("detector-failed", detail), field: field.name, box: field.box }] };
  }
}

async function judgeField(
  field: PlacedField,
  face: Face,
  sight: Sight,
  bare: readonly PlacedField["box"][],
): Promise<Judged> {
  switch (field.kind) {
    case "text":
    case "ocr":
    case "mrz":
      return judgeText(field, sight);
    case "photo":
    case "signature":
      return judgePhoto(field, sight);
    case "code": {
      const { findings, measure } = judgeInk(field, sight);
      return { findings: [...findings, ...(await judgeCode(field, sight.seen))], measure };
    }
    case "art":
      return judgeArt(
        field,
        [...face.fields.filter((other) => other.kind !== "art").map((other) => other.box), ...bare],
        sight,
      );
  }
}

/** What the whole side shows before any field is looked at; findings end the judgement, for nothing on such a card can be compared. */
function lookAt(
  picture: Picture,
  sent: Dots,
  options: JudgeOptions,
  contacts: readonly PlacedField["box"][],
):
  | { readonly sight: Sight; readonly straight: Plane; readonly level: number }
  | { readonly findings: readonly FaceFinding[] } {
  const limits = options.limits ?? simulatedLimits;
  const outline = findCard(picture);
  if (outline === undefined) return { findings: [ofCard("card-not-found")] };
  const expected = expectedInk(sent, options.printed?.grey, limits.fullInk);
  trimToCard(expected);
  const expectedHalf = halve(expected);
  const near = nearInk(expectedHalf);
  const straight = straighten(picture, outline, judgedAt);
  const perMm = judgedAt / 25.4;
  // Contacts are left out on both sides: a card that lies with the wrong side up shows them too.
  const ground = options.ground === undefined ? undefined : groundSeen(options.ground);
  const atContacts = (x: number, y: number): boolean =>
    x > chipKeepOut.x * perMm &&
    x < (chipKeepOut.x + chipKeepOut.width) * perMm &&
    y > chipKeepOut.y * perMm &&
    y < (chipKeepOut.y + chipKeepOut.height) * perMm;
  const light = lightOn(straight, near, ground, atContacts);
  const { darkest, brightest, strange } = limits.stock;
  const stock = (measured: number, limit: number, unit: "grey" | "share", detail: string): FaceFinding => ({
    ...ofCard("wrong-stock", detail),
    measured,
    limit,
    unit,
  });
  if (light.level < darkest || light.level > brightest)
    return {
      findings: [
        stock(light.level, light.level < darkest ? darkest : brightest, "grey", "the body has another tone"),
      ],
    };
  const seen = seenInk(straight, light, ground);
  const seenHalf = halve(seen);
  const { upright, turned, mirrored } = lieOf(seenHalf, expectedHalf);
  const lies = (what: "upside-down" | "mirrored", likeness: number): FaceFinding => ({
    ...ofCard(what),
    measured: upright,
    limit: likeness,
    unit: "correlation",
  });
  if (turned > upright + 0.1 && turned >= mirrored) return { findings: [lies("upside-down", turned)] };
  if (mirrored > upright + 0.1) return { findings: [lies("mirrored", mirrored)] };
  const sight = sightOf(
    { seen, expected, seenHalf, expectedHalf, near, ...(ground === undefined ? {} : { ground }) },
    limits,
  );
  if (options.chip !== "none") {
    const measured = contactsSeen(sight);
    if (measured > limits.contacts !== contacts.length > 0)
      return {
        findings: [
          {
            ...ofCard("wrong-side", contacts.length > 0 ? "there are no contacts" : "there are contacts"),
            measured,
            limit: limits.contacts,
            unit: "share",
          },
        ],
      };
  }
  // After the lie: a print that lies turned over covers what should be bare.
  if (light.strange > strange) {
    const { otherGround } = options;
    const turned =
      otherGround === undefined ? light : lightOn(straight, near, groundSeen(otherGround), atContacts);
    if (turned.strange < light.strange / 2)
      return {
        findings: [
          {
            ...ofCard("wrong-side", "it shows the print of the other side"),
            measured: light.strange,
            limit: strange,
            unit: "share",
          },
        ],
      };
    return { findings: [stock(light.strange, strange, "share", "a part of the body has another tone")] };
  }
  return { sight, straight, level: light.level };
}

/** The field is another than planned, or elsewhere: what differs there is no damage. A few wrong glyphs may be. */
function isOther(field: PlacedField, findings: readonly FaceFinding[]): boolean {
  const glyphs = findings.filter(({ what }) => what === "wrong-glyph").length;
  return (
    glyphs > Math.max(2, (field.glyphs?.length ?? 0) / 3) ||
    findings.some(({ what }) =>
      ["missing", "displaced", "faint", "burnt", "wrong-photo", "wrong-code", "detector-failed"].includes(
        what,
      ),
    )
  );
}

/** Faults that a print lying on the card twice would show as well. */
const extraInk: readonly FaultOfFace[] = [
  "extra-ink",
  "stray-ink",
  "spot",
  "scratch",
  "wrong-glyph",
  "burnt",
];

/**
 * Judges one picture of one side against what must be on it: the face as laid out, and the very dots that were sent to the engraver.
 * Pure but for the code reader's module, which is read once. Never throws for what a picture shows.
 */
export async function judgeFace(
  picture: Picture,
  face: Face,
  sent: Dots,
  options: JudgeOptions = {},
): Promise<FaceVerdict> {
  return (await inspectFace(picture, face, sent, options)).verdict;
}

/**
 * The same, with the straightened card (grey, 300 dpi) for whoever shows it, undefined when it could not be found; and the mean grey of
 * its bare body, undefined when the judgement ended before the fields.
 */
export async function inspectFace(
  picture: Picture,
  face: Face,
  sent: Dots,
  options: JudgeOptions = {},
): Promise<Inspected> {
  const only = (finding: FaceFinding) => ({ verdict: conclude([finding]), straight: undefined });
  if (picture.side !== face.side) return only(ofCard("wrong-side"));
  const contacts = (options.chip ?? "front") === face.side ? [chipKeepOut] : [];
  let looked: ReturnType<typeof lookAt>;
  try {
    looked = lookAt(picture, sent, options, contacts);
  } catch (thrown) {
    return only(ofCard("detector-failed", thrown instanceof Error ? thrown.message : "unknown reason"));
  }
  if ("findings" in looked) {
    const outline = findCard(picture);
    return {
      verdict: conclude(looked.findings),
      straight: outline === undefined ? undefined : straighten(picture, outline, judgedAt),
    };
  }
  const { sight, straight, level } = looked;
  const judged: Judged[] = [];
  const found: FoundField[] = [];
  // What the printer made is not among the dots that the engraver was sent.
  const judgedLayers = options.printed === undefined ? engraved : [...engraved, "colour"];
  for (const field of face.fields.filter(
    ({ layer, kind }) => judgedLayers.includes(layer) && !(layer === "colour" && kind === "art"),
  )) {
    const one = await guarded(field, () => judgeField(field, face, sight, contacts));
    judged.push(one);
    if (one.measure !== undefined)
      found.push({
        field,
        measure: one.measure,
        failed: isOther(field, one.findings),
      });
  }
  const card = { name: "card", kind: "art", layer: "laser", box: wholeCard } as const;
  judged.push(await guarded(card, () => ({ findings: judgeBare(sight, contacts) })));
  judged.push(await guarded(card, () => ({ findings: judgeSurface(sight, found, contacts) })));
  if (judged.some(({ findings }) => findings.some(({ what }) => extraInk.includes(what))))
    judged.push(await guarded(card, () => ({ findings: judgeDouble(sight) })));
  return {
    verdict: conclude(
      judged.flatMap(({ findings }) => findings),
      judged.flatMap(({ measure }) => measure ?? []),
    ),
    straight,
    level,
  };
}
