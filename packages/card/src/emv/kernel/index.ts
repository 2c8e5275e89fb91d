export * from "./transaction.js";
export * from "./types.js";
export { showEnciphered } from "./holder.js";
