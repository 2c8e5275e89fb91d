/** How a laser's file is called, and what its name says of its format. */
import { extname } from "node:path";
import { type LaserFormat, laserFormats } from "../plan/laser/index.js";
import { Refusal } from "./problem.js";

/** What names of each format end with, the usual one first. */
const endings: Readonly<Record<LaserFormat, readonly string[]>> = {
  gcode: [laserFormats.gcode, ".nc", ".ngc", ".gc"],
  hpgl: [laserFormats.hpgl, ".hpgl", ".hpg"],
  dxf: [laserFormats.dxf],
  bmp: [laserFormats.bmp],
  tiff: [laserFormats.tiff, ".tiff"],
  pdf: [laserFormats.pdf],
};

const formats = Object.keys(laserFormats) as readonly LaserFormat[];

export interface LaserOut {
  readonly format: LaserFormat;
  /** The name as it was told; with a side, that before its ending. A name without any ending gets the format's. */
  readonly file: (side?: string) => string;
}

/** `usual`: the name, without an ending, when none was told. Throws Refusal: the name says no format, or another. */
export function laserOut(out: string | undefined, format: LaserFormat | undefined, usual: string): LaserOut {
  const ending = out === undefined ? "" : extname(out);
  const named = formats.find((one) => endings[one].includes(ending.toLowerCase()));
  const chosen = format ?? named ?? (out === undefined ? "gcode" : undefined);
  if (chosen === undefined)
    throw new Refusal(
      `--out ${out ?? ""}: no format's name ends so; say --format, or end it with ${Object.values(endings).flat().join(", ")}`,
    );
  if (named !== undefined && named !== chosen)
    throw new Refusal(
      `--out ${out ?? ""} is a name for ${named}, not for ${chosen}: end it with ${endings[chosen].join(", ")}`,
    );
  const stem = out === undefined ? usual : out.slice(0, out.length - ending.length);
  const last = ending === "" ? laserFormats[chosen] : ending;
  return { format: chosen, file: (side) => `${stem}${side === undefined ? "" : `-${side}`}${last}` };
}
