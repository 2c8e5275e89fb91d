export * from "./line.js";
export * from "./pps.js";
export * from "./t1.js";
export * from "./t1-block.js";
export * from "./terminal.js";
export * from "./timing.js";
