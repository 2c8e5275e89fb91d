export * from "./atr.js";
export * from "./describe.js";
export * from "./historical.js";
export * from "./match.js";
export * from "./tables.js";
export * from "./timing.js";
