export * from "./authorize.js";
export * from "./blocks.js";
export * from "./issue.js";
export * from "./prepare.js";
export * from "./sample.js";
export * from "./types.js";
