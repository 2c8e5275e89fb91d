import type { Face } from "../../plan/types.js";
import type { FacesVerdict } from "../station.js";
import type { FaceFinding, FaceVerdict } from "./finding.js";

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

/**
 * The verdicts on a card's sides as one for the station, with every field's measurement or its fault in words; no personal datum.
 * A side without a verdict (no picture, no raster) is a reject.
 */
export function summarize(
  sides: readonly { readonly face: Face; readonly verdict: FaceVerdict | undefined }[],
): FacesVerdict {
  const findings = sides.flatMap(({ face, verdict }) => {
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
        .map(({ field, dx, dy, ink }) => ({
          what: `${face.side} ${field}`,
          result: "ok" as const,
          detail: `place ${Math.hypot(dx, dy).toFixed(2)} mm, ink ${(ink * 100).toFixed(0)} %`,
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
  return { kind, detail, findings };
}
