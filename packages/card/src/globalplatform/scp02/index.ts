export * from "./initialize.js";
export * from "./keys.js";
export * from "./session.js";
