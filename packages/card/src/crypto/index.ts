export * from "./cmac.js";
export * from "./kcv.js";
export * from "./padding.js";
export * from "./port.js";
