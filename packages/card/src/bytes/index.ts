export * from "./brand.js";
export * from "./bytes.js";
export * from "./names.js";
export * from "./problem.js";
export * from "./secret.js";
