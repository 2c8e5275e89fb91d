/** The linter: what is wrong with a product's layouts, before a card is wasted on it. */
import type { Face } from "../placed.js";
import { type FaceLayout, layoutFace } from "./face.js";
import type { LayoutFinding, Say } from "./lint-finding.js";
import { lintGeometry } from "./lint-geometry.js";
import { lintArt, lintInk } from "./lint-ink.js";
import { lintMrz } from "./lint-mrz.js";
import { lintStruck, lintUnderStruck, raisedLines, type Struck, type StruckLine } from "./lint-struck.js";
import { lintAlphabets, lintCapacity, lintSizes, type ProductFields } from "./lint-text.js";
import { lintMachines, type MachineReach } from "./machines.js";
import type { Photos } from "./pictures.js";
import { type LayoutPlace, type LayoutProblem, placeText } from "./problem.js";
import type { FieldValues } from "./text.js";
import type { VisualLayout } from "./visual.js";

export type { ProductFields } from "./lint-text.js";
export type { LayoutFinding } from "./lint-finding.js";

function placeOf({ template }: FaceLayout, fields: readonly string[]): LayoutPlace {
  for (const name of fields) {
    const place = [...template.fields, ...template.art].find((one) => one.name === name)?.place;
    if (place !== undefined) return place;
  }
  return { file: template.file, line: 1, column: 1 };
}

/** Lines of an embossing layout stand in a file of their own. */
type Places = Readonly<Record<string, LayoutPlace>>;

function gathered(layout: FaceLayout, work: (say: Say) => void, others: Places = {}): LayoutFinding[] {
  const findings: LayoutFinding[] = [];
  work((rule, severity, fields, message, remedy) => {
    findings.push({
      rule,
      severity,
      side: layout.template.side,
      at: others[fields[0] ?? ""] ?? placeOf(layout, fields),
      fields,
      message,
      remedy,
    });
  });
  return findings;
}

const unsaid: ProductFields = { longest: {}, fixed: ["order", "record", "cardNumber"] };

/** What is wrong with a layout whatever the record. */
export const lintLayout = (layout: FaceLayout, fields: ProductFields = unsaid): LayoutFinding[] =>
  gathered(layout, (say) => {
    lintAlphabets(layout, fields, say);
    lintCapacity(layout, fields, say);
    lintArt(layout, say);
  });

export interface LintRecord {
  readonly number: number;
  readonly values: FieldValues;
  readonly photos: Photos;
}

const recordsShown = 5;

/** The same finding of several records as one, with the first few of their numbers unless all have it; the first wording stays. */
class Merged {
  readonly #found = new Map<
    string,
    { readonly finding: LayoutFinding; readonly records: number[]; count: number }
  >();

  add(finding: LayoutFinding, record?: number): void {
    const { rule, severity, side, fields, message } = finding;
    // One rule may tell several things of a field; their measures differ from record to record.
    const said = rule === "record" ? "" : message.replaceAll(/[\d.]+/g, "#");
    const key = JSON.stringify([rule, severity, side, fields, said]);
    const known = this.#found.get(key) ?? { finding, records: [], count: 0 };
    this.#found.set(key, known);
    known.count++;
    if (record !== undefined && known.records.length < recordsShown) known.records.push(record);
  }

  all(records: number): LayoutFinding[] {
    return [...this.#found.values()].map(({ finding, records: own, count }) =>
      own.length === 0 || (count >= records && finding.rule !== "record")
        ? finding
        : { ...finding, records: own },
    );
  }
}

const ofProblem = (
  { code, at, field, what, remedy }: LayoutProblem,
  side: "front" | "back",
): LayoutFinding => ({
  rule: "record",
  severity: "error",
  side,
  at,
  fields: field === undefined ? [] : [field],
  message: `${code}: ${what}`,
  remedy,
});

/** Rendering what lies under the marks is the costly part; so many records show every layout they make. */
const inkRecords = 12;

/**
 * Both sides of a product, with the records at hand (samples, or an order's input): every record is laid out, and what is wrong is told
 * once with the records it was seen with. Errors first, in the files' order. `machines`: those of a line that is to make the cards.
 */
export function lintVisual(
  visual: VisualLayout,
  records: readonly LintRecord[],
  fields: ProductFields = unsaid,
  machines: readonly MachineReach[] = [],
): readonly LayoutFinding[] {
  const merged = new Merged();
  // Characters that are raised on an otherwise bare card are judged as well.
  const bareFront =
    visual.raised !== undefined && visual.sides.every(({ template }) => template.side === "back");
  const sides = bareFront ? [visual.bare, ...visual.sides] : visual.sides;
  const back = sides.find(({ template }) => template.side === "back");
  const raised = visual.raised?.lines ?? [];
  const others: Places = Object.fromEntries(raised.map(({ name, place }) => [name, place]));
  for (const layout of sides) for (const finding of lintLayout(layout, fields)) merged.add(finding);
  records.forEach(({ number, values, photos }, i) => {
    const problems = visual.problems(values, photos);
    for (const problem of problems)
      merged.add(ofProblem(problem, problem.at.file === back?.template.file ? "back" : "front"), number);
    if (problems.length > 0) return;
    const { faces: drawn, emboss } = visual.draw(values, photos);
    const faces = bareFront ? [layoutFace(visual.bare, {}, {}), ...drawn] : drawn;
    const struckOn = (face: Face): StruckLine[] => [
      ...(face.side === "front" ? raisedLines(visual.raised, emboss) : []),
      ...face.own.flatMap((element) => (element.kind === "line" ? [{ ...element, side: face.side }] : [])),
    ];
    for (const [at, face] of faces.entries()) {
      const layout = sides[at];
      if (layout === undefined) continue;
      const struck: Struck = {
        here: struckOn(face),
        behind: faces.filter(({ side }) => side !== face.side).flatMap(struckOn),
      };
      const findings = gathered(
        layout,
        (say) => {
          lintGeometry(face, layout.template, say);
          lintStruck(struck, visual.blank, say);
          lintUnderStruck(face, struck, say);
          lintMrz(face, layout, say);
          lintSizes(face, layout, say);
          lintMachines(face, struck.here, machines, say);
          if (i < inkRecords) lintInk(face, layout, say);
        },
        others,
      );
      for (const finding of findings) merged.add(finding, number);
    }
  });
  return merged
    .all(records.length)
    .toSorted(
      (a, b) =>
        (a.severity === b.severity ? 0 : a.severity === "error" ? -1 : 1) ||
        a.at.file.localeCompare(b.at.file, "en") ||
        (a.at.line ?? 0) - (b.at.line ?? 0),
    );
}

/** `file:line:column error [rule] field: what is wrong; what to do`. */
export function findingText({ at, severity, rule, fields, message, remedy, records }: LayoutFinding): string {
  const name = fields.length === 0 ? "" : ` ${fields.join(" and ")}:`;
  const seen =
    records === undefined || records.length === 0
      ? ""
      : ` (record${records.length === 1 ? "" : "s"} ${records.join(", ")}${records.length === recordsShown ? ", …" : ""})`;
  return `${placeText(at)} ${severity} [${rule}]${name} ${message}${seen}; ${remedy}`;
}
