export { makeVirtualCard, type PersolineCard } from "./card.js";
export * from "./desfire/index.js";
export { fabricate, memoryStore } from "./fab.js";
export * from "./contacts/index.js";
export { type FabEllipticKey, fabricateGlobalPlatform, type GlobalPlatformChip } from "./gp/fab.js";
export { compare, type Difference, type Snapshot, snapshot } from "./snapshot.js";
export * from "./types.js";
