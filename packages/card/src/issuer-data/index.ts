export type { FramedFile } from "./forms.js";
export {
  frameBody,
  isIssuerFile,
  parseHead,
  parsePreamble,
  preambleAtMost,
  provedBytes,
  recordMacBytes,
} from "./file.js";
export { IssuerDataProblem } from "./problem.js";
export { parseRecord } from "./record.js";
export type {
  FramedRecord,
  IssuerApplication,
  IssuerHead,
  IssuerRecord,
  Preamble,
  ProofAlgorithm,
  TransportMode,
} from "./types.js";
export { arranged, type Instructions, noInstructions, type SentTogether } from "./instructions.js";
