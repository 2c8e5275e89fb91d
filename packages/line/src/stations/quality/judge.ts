import type { Picture } from "../../devices/camera/port.js";
import { chipKeepOut } from "../../plan/layout/index.js";
import { engraved, type Face, type PlacedField } from "../../plan/placed.js";
import { judgeArt } from "./art.js";
import { judgeBare } from "./bare.js";
import { judgeCode } from "./code.js";
import { type Dots, judgedAt } from "./density.js";
import { atDesk, type Desk } from "./desk.js";
import { judgeDouble } from "./double.js";
import { findInk, type JudgedField } from "./field.js";
import type { FaceFinding, FaceVerdict, FaultOfFace, FieldMeasure } from "./finding.js";
import { type JudgeOptions, lookAt, ofCard, wholeCard } from "./look.js";
import { judgePhoto } from "./photo.js";
import { judgeRelief } from "./relief.js";
import type { Plane } from "./plane.js";
import type { Sight } from "./sight.js";
import { findCard, straighten } from "./straighten.js";
import { type FoundPart, judgeSurface } from "./surface.js";
import { judgeText } from "./text.js";

export interface Inspected {
  readonly verdict: FaceVerdict;
  readonly straight: Plane | undefined;
  readonly level?: number;
}

type Judged = Pick<JudgedField, "findings"> & Partial<JudgedField>;

const conclude = (findings: readonly FaceFinding[], measures: readonly FieldMeasure[] = []): FaceVerdict => ({
  verdict: findings.some(({ weight }) => weight === "reject")
    ? "reject"
    : findings.length > 0
      ? "doubtful"
      : "pass",
  findings,
  measures,
});

const failed = (thrown: unknown): FaceFinding =>
  ofCard("detector-failed", thrown instanceof Error ? thrown.message : "unknown reason");

/** A detector that fails has seen nothing: that is a reject, never a pass. */
async function guarded(field: PlacedField, detect: () => Judged | Promise<Judged>): Promise<Judged> {
  try {
    return await detect();
  } catch (thrown) {
    return { findings: [{ ...failed(thrown), field: field.name, box: field.box }] };
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
      const { findings, measure, ink } = findInk(field, field.box, sight);
      const read = await judgeCode(field, sight.seen);
      return { findings: [...findings, ...read], measure, inks: [{ box: field.box, ink }] };
    }
    case "art":
      return judgeArt(
        field,
        [...face.fields.filter((other) => other.kind !== "art").map((other) => other.box), ...bare],
        sight,
      );
  }
}

/** The field is another than planned, or elsewhere: what differs there is no damage. A few wrong glyphs may be. */
function isOther(field: PlacedField, findings: readonly FaceFinding[]): boolean {
  const glyphs = findings.filter(({ what }) => what === "wrong-glyph").length;
  return (
    glyphs > Math.max(2, (field.glyphs?.length ?? 0) / 3) ||
    findings.some(
      ({ what, unit }) =>
        ["missing", "displaced", "faint", "burnt", "wrong-code", "detector-failed"].includes(what) ||
        // A part of a photo that is another may be damage as well: both are told.
        (what === "wrong-photo" && unit === "correlation"),
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
  return (await judged(picture, face, sent, options)).verdict;
}

async function judgeAt(
  desk: Desk,
  picture: Picture,
  face: Face,
  sent: Dots,
  options: JudgeOptions,
): Promise<Omit<Inspected, "straight">> {
  const only = (findings: readonly FaceFinding[]) => ({ verdict: conclude(findings) });
  if (picture.side !== face.side) return only([ofCard("wrong-side")]);
  const contacts = (options.chip ?? "front") === face.side ? [chipKeepOut] : [];
  let looked: ReturnType<typeof lookAt>;
  try {
    const outline = findCard(picture);
    if (outline === undefined)
      return only([ofCard("card-not-found", "there is none, or its body has the tone of what it lies on")]);
    looked = lookAt(picture, outline, sent, options, contacts, desk);
  } catch (thrown) {
    return only([failed(thrown)]);
  }
  if ("findings" in looked) return only(looked.findings);
  const { level } = looked;
  let { sight } = looked;
  const judged: Judged[] = [];
  const raised: FieldMeasure[] = [];
  if (options.raised !== undefined && options.raised.lines.length > 0)
    try {
      const relief = judgeRelief(sight, face.side, options.raised);
      sight = relief.sight;
      judged.push({ findings: relief.findings });
      raised.push(...relief.measures);
    } catch (thrown) {
      return only([failed(thrown)]);
    }
  const found: FoundPart[] = [];
  // What the printer made is not among the dots that the engraver was sent.
  const judgedLayers = options.printed === undefined ? engraved : [...engraved, "colour"];
  for (const field of face.fields.filter(
    ({ layer, kind }) => judgedLayers.includes(layer) && !(layer === "colour" && kind === "art"),
  )) {
    const one = await guarded(field, () => judgeField(field, face, sight, contacts));
    judged.push(one);
    const other = isOther(field, one.findings);
    const parts = (one.inks ?? []).map(({ box, ink }) => ({ box, ink: other ? undefined : ink }));
    // Artwork lies under the fields.
    if (field.kind === "art") found.unshift(...parts);
    else found.push(...parts);
  }
  const card = { name: "card", kind: "art", layer: "laser", box: wholeCard } as const;
  judged.push(await guarded(card, () => ({ findings: judgeBare(sight, contacts) })));
  judged.push(await guarded(card, () => ({ findings: judgeSurface(sight, found, contacts) })));
  if (judged.some(({ findings }) => findings.some(({ what }) => extraInk.includes(what))))
    judged.push(await guarded(card, () => ({ findings: judgeDouble(sight) })));
  return {
    verdict: conclude(
      judged.flatMap(({ findings }) => findings),
      [...raised, ...judged.flatMap(({ measure }) => measure ?? [])],
    ),
    level,
  };
}

const judged = (picture: Picture, face: Face, sent: Dots, options: JudgeOptions) =>
  atDesk((desk) => judgeAt(desk, picture, face, sent, options));

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
  const outline = findCard(picture);
  return {
    ...(await judged(picture, face, sent, options)),
    straight: outline === undefined ? undefined : straighten(picture, outline, judgedAt),
  };
}
