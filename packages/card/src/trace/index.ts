export * from "./compare.js";
export type { Personal } from "./mask.js";
export * from "./read.js";
export * from "./record.js";
export { type Replay, replayed } from "./replay.js";
export * from "./types.js";
