export * from "./certificates.js";
export * from "./session.js";
