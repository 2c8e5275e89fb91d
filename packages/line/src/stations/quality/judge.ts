import type { Picture } from "../../devices/camera/port.js";
import { chipKeepOut } from "../../plan/layout/index.js";
import { engraved, type Face, type PlacedField } from "../../plan/placed.js";
import { judgeCode } from "./code.js";
import { type Dots, expectedInk, judgedAt, nearInk, seenInk } from "./density.js";
import {
  judgeArt,
  judgeBare,
  judgeInk,
  judgePhoto,
  judgeText,
  type Sight,
  sightOf,
  uprightness,
} from "./fields.js";
import type { FaceFinding, FaceVerdict, FaultOfFace, FieldMeasure } from "./finding.js";
import { type QualityLimits, simulatedLimits } from "./limits.js";
import { findCard, straighten } from "./straighten.js";

export interface JudgeOptions {
  readonly limits?: QualityLimits;
  /** Side with the contacts; default "front". */
  readonly chip?: "front" | "back" | "none";
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
  if (picture.side !== face.side) return conclude([ofCard("wrong-side")]);
  const limits = options.limits ?? simulatedLimits;
  const contacts = (options.chip ?? "front") === face.side ? [chipKeepOut] : [];
  let sight: Sight;
  try {
    const outline = findCard(picture);
    if (outline === undefined) return conclude([ofCard("card-not-found")]);
    const expected = expectedInk(sent);
    const near = nearInk(expected);
    const seen = seenInk(straighten(picture, outline, judgedAt), near);
    const { upright, turned } = uprightness(seen, expected);
    if (turned > upright + 0.1)
      return conclude([{ ...ofCard("upside-down"), measured: upright, limit: turned, unit: "correlation" }]);
    sight = sightOf(seen, expected, near, limits);
  } catch (thrown) {
    return conclude([ofCard("detector-failed", thrown instanceof Error ? thrown.message : "unknown reason")]);
  }
  const judged: Judged[] = [];
  // What the printer made is not among the dots that the engraver was sent.
  for (const field of face.fields.filter(({ layer }) => engraved.includes(layer)))
    judged.push(await guarded(field, () => judgeField(field, face, sight, contacts)));
  const card = { name: "card", kind: "art", layer: "laser", box: wholeCard } as const;
  judged.push(await guarded(card, () => ({ findings: judgeBare(sight, contacts) })));
  return conclude(
    judged.flatMap(({ findings }) => findings),
    judged.flatMap(({ measure }) => measure ?? []),
  );
}
