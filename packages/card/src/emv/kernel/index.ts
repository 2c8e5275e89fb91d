export * from "./transaction.js";
export * from "./types.js";
export { firstMethod, showEnciphered } from "./holder.js";
export { restrictionsOf } from "./restrictions.js";
