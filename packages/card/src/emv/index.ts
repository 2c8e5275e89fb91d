export * from "./basics.js";
export * from "./kernel/index.js";
export * from "./prepare/index.js";
