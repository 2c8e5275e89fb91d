export * from "./initialize.js";
export * from "./keys.js";
export * from "./messaging.js";
export * from "./session.js";
