export * from "./transaction.js";
export * from "./types.js";
