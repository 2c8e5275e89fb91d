export * from "./apdu.js";
export * from "./follow-up.js";
export * from "./status.js";
