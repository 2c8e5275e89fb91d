import type { Face } from "../../plan/types.js";
import type { FacesVerdict } from "../station.js";
import { measuresOf } from "./drift.js";
import type { FaceFinding, FaceVerdict } from "./finding.js";
import { type QualityLimits, simulatedLimits } from "./limits.js";

const tell = ({ field, what, measured, limit, unit, box, detail }: FaceFinding): string => {
  const place = `at ${box.x.toFixed(1)}, ${box.y.toFixed(1)} mm`;
  const value = unit === "count" ? "" : ` (${measured.toFixed(2)} ${unit}, limit ${limit.toFixed(2)})`;
  return `${field}: ${what}${value} ${place}${detail === undefined ? "" : `, ${detail}`}`;
};

/** The heaviest finding of each field, in words. */
function worstOfEach(findings: readonly FaceFinding[]): readonly FaceFinding[] {
  const worst = new Map<string, FaceFinding>();
  for (const finding of findings) {
    const key = `${finding.field} ${finding.what}`;
    const known = worst.get(key);
    if (known === undefined || (known.weight === "doubtful" && finding.weight === "reject"))
      worst.set(key, finding);
  }
  return [...worst.values()];
}

/** Whether the picture may be to blame for all that keeps it from passing. A detector that failed is a reject, not a bad picture. */
const mayBePicture = ({ findings }: FaceVerdict): boolean =>
  findings.every(
    ({ what, weight }) =>
      weight === "doubtful" ||
      what === "card-not-found" ||
      what === "no-picture" ||
      what === "frozen-picture",
  );

/**
 * The verdicts on a card's sides as one for the station, with every field's measurement or its fault in words; no personal datum.
 * A side without a verdict (no picture, no raster) is a reject.
 */
export function summarize(
  sides: readonly {
    readonly face: Face;
    readonly verdict: FaceVerdict | undefined;
    /** That it was judged by; the built-in ones when not said. */
    readonly limits?: QualityLimits | undefined;
  }[],
  camera?: string,
): FacesVerdict {
  const findings = sides.flatMap(({ face, verdict, limits = simulatedLimits }) => {
    if (verdict === undefined)
      return [{ what: `${face.side} card`, result: "wrong" as const, detail: "not judged" }];
    const wrong = worstOfEach(verdict.findings);
    const named = new Set(wrong.map(({ field }) => field));
    return [
      ...wrong.map((finding) => ({
        what: `${face.side} ${finding.field}`,
        result: "wrong" as const,
        detail: tell(finding),
      })),
      ...verdict.measures
        .filter(({ field }) => !named.has(field))
        .map((measure) => ({
          what: `${face.side} ${measure.field}`,
          result: "ok" as const,
          detail: `place ${Math.hypot(measure.dx, measure.dy).toFixed(2)} mm, ${measure.kind === "raised" ? "raised" : `ink ${(measure.ink * 100).toFixed(0)} %`}`,
          ...(camera === undefined ? {} : { by: camera }),
          measures: measuresOf(measure, limits),
        })),
    ];
  });
  const detail = sides
    .flatMap(({ face, verdict }) =>
      verdict === undefined
        ? [`${face.side}: not judged`]
        : worstOfEach(verdict.findings).map((one) => `${face.side} ${tell(one)}`),
    )
    .slice(0, 4)
    .join("; ");
  const verdicts = sides.map(({ verdict }) => verdict?.verdict ?? "reject");
  const kind = verdicts.includes("reject") ? "rejected" : verdicts.includes("doubtful") ? "held" : "passed";
  const retake =
    kind !== "passed" && sides.every(({ verdict }) => verdict !== undefined && mayBePicture(verdict));
  return { kind, detail, findings, ...(retake ? { retake } : {}) };
}
