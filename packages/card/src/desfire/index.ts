export * from "./an10922.js";
export * from "./commands.js";
export * from "./crc.js";
export * from "./ev1.js";
export * from "./ev2.js";
export * from "./exchange.js";
export * from "./native.js";
export type { DesfireSession } from "./session.js";
