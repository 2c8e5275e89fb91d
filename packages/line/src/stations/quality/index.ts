/** Judging pictures of cards: what stations and commands use. */
export type { FaceFinding, FaceVerdict, FaultOfFace, FieldMeasure } from "./finding.js";
export { inspectFace, judgeFace } from "./judge.js";
export type { JudgeOptions } from "./look.js";
export { decodePicture } from "./decode.js";
export { anyExposure, foreignLimits, type QualityLimits, simulatedLimits } from "./limits.js";
export { judgeEmboss } from "./emboss.js";
export type { Raised } from "./relief.js";
export {
  chipSays,
  crossCheck,
  embossSays,
  printSays,
  recordSays,
  type Statement,
  stripeSays,
} from "./cross-check.js";
export { type PictureWatch, watchPictures } from "./watch.js";
export { summarize } from "./summary.js";
export { greyOf, overlayPicture } from "./overlay.js";
export type { ExpectedGround } from "./light.js";
export type { Dots } from "./density.js";
export type { Grey } from "./straighten.js";
export { type Drift, drifted, driftText, DriftWatch } from "./drift.js";
export { type GoldenCard, learnSide } from "./learn.js";
export {
  limitsOf,
  parseProfile,
  type Profile,
  profileJsonSchema,
  ProfileProblem,
  profileText,
  type SideProfile,
} from "./profile.js";
export { codesIn } from "./code.js";
