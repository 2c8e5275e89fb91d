/**
 * G-code for GRBL 1.1 and its kin in laser mode ($32=1): millimetres, absolute, origin at the card's lower left corner, y up. `M4` lets the
 * power follow the speed, `M3` holds it; S goes from 0 to `$30`; `G0` moves dark.
 */
import { card } from "../layout/index.js";
import type { LaserJob } from "./job.js";
import { type Pen, markKinds } from "./settings.js";
import { rowsOf, runUp } from "./time.js";

/** A tenth of a micrometre is more than any axis has. */
const n = (value: number): string => String(Number(value.toFixed(4)));

/** Comments name kinds of marks and the machine, never what is written on the card. */
export function gcode(job: LaserJob): string {
  const { settings } = job;
  const { mode, scale } = settings.gcode;
  const at = (x: number, y: number): string => `X${n(x)} Y${n(card.height - y)}`;
  const s = (pen: Pen): string => n((pen.power / 100) * scale);
  const f = (pen: Pen): string => n(pen.speed * 60);
  const out = [
    `; ${settings.name}, ${job.side}`,
    `; about ${(job.figures.ms / 1000).toFixed(1)} s`,
    "G21",
    "G90",
    "G17",
    "G94",
    mode === "dynamic" ? "M4 S0" : "M3 S0",
  ];
  for (const kind of markKinds) {
    for (const { pen, lines } of job.passes.filter((pass) => pass.kind === kind)) {
      out.push(`; ${kind}`);
      for (const line of lines)
        for (let pass = 0; pass < pen.passes; pass++) {
          out.push(`G0 ${at(line[0] ?? 0, line[1] ?? 0)}`);
          for (let i = 2; i + 1 < line.length; i += 2)
            out.push(`G1 ${at(line[i] ?? 0, line[i + 1] ?? 0)}${i === 2 ? ` F${f(pen)} S${s(pen)}` : ""}`);
        }
    }
    for (const picture of job.pictures.filter((one) => one.kind === kind)) {
      const { pen } = picture;
      const ramp = runUp(pen, settings);
      out.push(`; ${kind}`);
      for (let pass = 0; pass < pen.passes; pass++)
        for (const { y, from, to, runs } of rowsOf(picture)) {
          const way = Math.sign(to - from);
          out.push(`G0 ${at(from - way * ramp, y)}`, `G1 X${n(from)} F${f(pen)} S0`);
          let x = from;
          for (const [a, b] of runs) {
            if (a !== x) out.push(`G1 X${n(a)} S0`);
            out.push(`G1 X${n(b)} S${s(pen)}`);
            x = b;
          }
          out.push(`G1 X${n(to + way * ramp)} S0`);
        }
    }
  }
  out.push("M5 S0", "G0 X0 Y0", "M2", "");
  return out.join("\n");
}
