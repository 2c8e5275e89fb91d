export { inspectCard } from "./inspect.js";
export * from "./types.js";
