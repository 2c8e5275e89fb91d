export * from "./ber.js";
export * from "./compact.js";
export * from "./dgi.js";
