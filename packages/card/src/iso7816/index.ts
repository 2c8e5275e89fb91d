export * from "./access-rules.js";
export * from "./authenticate.js";
export * from "./data.js";
export * from "./descriptor.js";
export * from "./fcp.js";
export * from "./life-cycle.js";
export * from "./manage.js";
export * from "./select.js";
