/** What the machines of a line reach: layouts and orders are held against it before a card moves. */
import { engraverGeometry, printerGeometry, wheelsGeometry } from "../devices/marker/geometry.js";
import type { MarkerGeometry } from "../devices/marker/port.js";
import type { OrderRecord } from "../orders/types.js";
import type { Findings } from "../orders/problem.js";
import { LayoutProblem, type MachineReach, unreachable } from "../plan/layout/index.js";
import { valuesOf } from "../plan/prepare.js";
import type { LineFile, StationFile } from "../stations/line-file.js";
import { simulatedPrinting } from "../stations/line-pictures.js";
import type { Job } from "./job.js";
import { readLaser } from "./laser-desk.js";

/** Throws DataProblem for a laser's file that cannot be read. */
export async function reachOf({ stations }: Pick<LineFile, "stations">): Promise<readonly MachineReach[]> {
  const reach: MachineReach[] = [];
  for (const station of stations) {
    if (!station.does.includes("visual")) continue;
    for (const [what, geometry] of await geometriesOf(station))
      reach.push({ ...geometry, name: `the ${what} of ${station.name}` });
  }
  return reach;
}

async function geometriesOf({
  engraver,
  printer,
  embosser,
  indenter,
}: StationFile): Promise<readonly (readonly [string, MarkerGeometry])[]> {
  return [
    ...(engraver === undefined
      ? []
      : [
          [
            "engraver",
            engraverGeometry(engraver === "simulated" ? { dpi: 300 } : await readLaser(engraver.settings)),
          ] as const,
        ]),
    ...(printer === undefined
      ? []
      : (printer === "simulated" ? [simulatedPrinting] : printer).map(
          (one) => ["printer", printerGeometry(one)] as const,
        )),
    ...(embosser === undefined ? [] : [["embosser", wheelsGeometry("emboss")] as const]),
    ...(indenter === undefined ? [] : [["indent printer", wheelsGeometry("indent")] as const]),
  ];
}

/** Tells what of a record's card a line's machines cannot mark. Draws nothing but lines for wheels when `whole` is not said. */
export function tellUnreachable(
  { drawing, planned, order }: Job,
  record: OrderRecord,
  machines: readonly MachineReach[],
  findings: Findings,
  whole = false,
): void {
  if (drawing === undefined || machines.length === 0) return;
  const values = valuesOf(planned, record, order.order);
  try {
    const struck = drawing.struck(values, record.photos);
    const faces = whole ? drawing.draw(values, record.photos).faces : [];
    for (const { field, message, remedy } of unreachable(faces, struck, machines, drawing.blank))
      findings.tell({
        row: record.row,
        column: `field "${field}" of the card`,
        code: "out-of-reach",
        message,
        remedy,
      });
  } catch (thrown) {
    // What cannot be laid out at all is told where that is looked for.
    if (!(thrown instanceof LayoutProblem)) throw thrown;
  }
}
