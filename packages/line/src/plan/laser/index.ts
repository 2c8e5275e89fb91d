/** Lasers: what other rooms use. */
export {
  type LaserFormat,
  laserFormats,
  type LaserSettings,
  laserJsonSchema,
  parseLaser,
} from "./settings.js";
export {
  curveText,
  fitTable,
  parseCurve,
  parsePatches,
  type Patch,
} from "./curve.js";
export { type LaserJob, laserJob } from "./job.js";
export { type Burnt, outlinedFace, seenFace } from "./seen.js";
export { type Figures, figuresText } from "./time.js";
export { type LaserFile, calibrationFile, laserFile } from "./write.js";
export { LaserProblem } from "./problem.js";
export { readCapture } from "./capture.js";
