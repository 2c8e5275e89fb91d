export * from "./authenticate.js";
export * from "./session.js";
export { deriveSmKeys, type SmCipher, type SmKeys } from "./suite.js";
