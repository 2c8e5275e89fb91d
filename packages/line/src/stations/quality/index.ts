/** Judging pictures of cards: what stations and commands use. */
export type { FaceFinding, FaceVerdict, FaultOfFace, FieldMeasure } from "./finding.js";
export { type JudgeOptions, judgeFace } from "./judge.js";
export { type QualityLimits, simulatedLimits } from "./limits.js";
export { judgeEmboss } from "./emboss.js";
export {
  crossCheck,
  embossSays,
  printSays,
  recordSays,
  type Statement,
  stripeSays,
} from "./cross-check.js";
export { type PictureWatch, watchPictures } from "./watch.js";
export { summarize } from "./summary.js";
