/** What the machines of each kind reach, known without opening one. */
import { id1 } from "@persoline/card/id1";
import { carriage } from "./emboss/records.js";
import type { MarkerGeometry } from "./port.js";

/** `bounds`: left, top, right and bottom of the field that the beam reaches, mm; the whole card when not said. */
export function engraverGeometry({
  bounds: [left, top, right, bottom] = [0, 0, id1.width, id1.height],
  dpi,
}: {
  readonly bounds?: readonly [number, number, number, number];
  readonly dpi: number;
}): MarkerGeometry {
  return { does: "raster", reach: { x: left, y: top, width: right - left, height: bottom - top }, dpi };
}

/** `bleed`: mm printed beyond each edge; `margin`: mm at each edge that the head leaves white. */
export function printerGeometry({
  dpi,
  bleed = 0,
  margin = 0,
}: {
  readonly dpi: number;
  readonly bleed?: number | undefined;
  readonly margin?: number | undefined;
}): MarkerGeometry {
  const within = margin - bleed;
  const reach = { x: within, y: within, width: id1.width - 2 * within, height: id1.height - 2 * within };
  return { does: "colour", reach, dpi };
}

/** Of desktop embossers, and of indent printers behind the same carriage. */
export const wheelsGeometry = (does: "emboss" | "indent"): MarkerGeometry => ({ does, ...carriage });
