/** HPGL as plotters and many engravers' programs take it: 40 units a millimetre, origin at the card's lower left corner, y up; a pen for each kind of mark. */
import { card } from "../layout/index.js";
import type { LaserJob } from "./job.js";
import { markKinds } from "./settings.js";
import { rowsOf } from "./time.js";

const perMm = 40;

/** Pen numbers are the places in `markKinds`, from 1; power and speed are set for them at the machine. */
export function hpgl(job: LaserJob): string {
  const at = (x: number, y: number): string =>
    `${String(Math.round(x * perMm))},${String(Math.round((card.height - y) * perMm))}`;
  const out = ["IN;", "PA;"];
  for (const [i, kind] of markKinds.entries()) {
    const passes = job.passes.filter((pass) => pass.kind === kind);
    const pictures = job.pictures.filter((picture) => picture.kind === kind);
    if (passes.length + pictures.length === 0) continue;
    out.push(`SP${String(i + 1)};`);
    for (const { lines, pen } of passes)
      for (const line of lines) {
        const points: string[] = [];
        for (let k = 2; k + 1 < line.length; k += 2) points.push(at(line[k] ?? 0, line[k + 1] ?? 0));
        for (let pass = 0; pass < pen.passes; pass++)
          out.push(`PU${at(line[0] ?? 0, line[1] ?? 0)};`, `PD${points.join(",")};`);
      }
    for (const picture of pictures)
      for (let pass = 0; pass < picture.pen.passes; pass++)
        for (const { y, runs } of rowsOf(picture))
          for (const [a, b] of runs) out.push(`PU${at(a, y)};`, `PD${at(b, y)};`);
  }
  out.push("PU;", "SP0;", "");
  return out.join("\n");
}
