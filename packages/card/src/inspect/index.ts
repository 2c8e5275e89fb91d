export { isHarmless, nativeClass } from "./harmless.js";
export { knownSilent } from "./known.js";
export { inspectCard } from "./inspect.js";
export * from "./types.js";
