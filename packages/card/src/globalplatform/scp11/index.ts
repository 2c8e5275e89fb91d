export * from "./certificate.js";
export * from "./certificates.js";
export * from "./handshake.js";
export * from "./keys.js";
export * from "./session.js";
