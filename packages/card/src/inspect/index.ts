export { isHarmless, nativeClass } from "./harmless.js";
export { inspectCard } from "./inspect.js";
export * from "./types.js";
