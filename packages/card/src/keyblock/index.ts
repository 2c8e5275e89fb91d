export * from "./block.js";
export * from "./components.js";
export { type KeyBlockHeader, type KeyBlockVersion, type OptionalBlock, parseHeader } from "./header.js";
