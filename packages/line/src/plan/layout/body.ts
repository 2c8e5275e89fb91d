/** What a blank carries besides its print: the magnetic stripe and the signature panel, which people and cameras see as well. */
import type { PlacedElement, PlacedOutline } from "../placed.js";
import { boxOf, mm } from "./art.js";
import type { FaceTemplate } from "./template.js";
import { stripeBox } from "./zones.js";

/** No field of a layout is called so: their names have no space. */
const names = { stripe: "magnetic stripe", panel: "signature panel" } as const;

export const isOfBody = ({ field }: PlacedElement): boolean =>
  field === names.stripe || field === names.panel;

const mark = (field: string, d: string, colour: string): PlacedOutline => ({
  kind: "outline",
  layer: "preprint",
  field,
  d,
  colour,
  clear: false,
});

export function bodyMarks({ stripe, panel }: FaceTemplate["body"]): readonly PlacedOutline[] {
  const marks: PlacedOutline[] = [];
  if (stripe !== "none") {
    const { x, y, width, height } = stripeBox(stripe);
    // To the card's edges and a little beyond, as it was laminated before the card was cut.
    const d = `M${mm(x - 1)} ${mm(y)}H${mm(x + width + 1)}V${mm(y + height)}H${mm(x - 1)}Z`;
    marks.push(mark(names.stripe, d, "#2a211c"));
  }
  if (panel !== undefined) {
    const { x, y, width, height } = boxOf(panel);
    const r = 0.6;
    const d =
      `M${mm(x + r)} ${mm(y)}H${mm(x + width - r)}Q${mm(x + width)} ${mm(y)} ${mm(x + width)} ${mm(y + r)}V${mm(y + height - r)}` +
      `Q${mm(x + width)} ${mm(y + height)} ${mm(x + width - r)} ${mm(y + height)}H${mm(x + r)}Q${mm(x)} ${mm(y + height)} ${mm(x)} ${mm(y + height - r)}` +
      `V${mm(y + r)}Q${mm(x)} ${mm(y)} ${mm(x + r)} ${mm(y)}Z`;
    marks.push(mark(names.panel, d, "#fdfdfa"), { ...mark(names.panel, d, "#d2d6d4"), stroke: 0.1 });
  }
  return marks;
}
