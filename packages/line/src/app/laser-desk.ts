/** The files of lasers as they lie on disk. */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { DataProblem } from "../orders/problem.js";
import { type LaserSettings, parseCurve, parseLaser } from "../plan/laser/index.js";

async function textOf(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch {
    const refused = { file, code: "no-file", message: `the ${what} cannot be opened` };
    throw new DataProblem([{ ...refused, remedy: "check the path and the file's permissions" }]);
  }
}

/** Settings and the curve they name. Throws DataProblem. */
export async function readLaser(file: string): Promise<LaserSettings> {
  return parseLaser(await textOf(file, "laser's file"), file, async (name) => {
    const curve = resolve(dirname(file), name);
    return parseCurve(await textOf(curve, "dot-gain curve"), curve);
  });
}
