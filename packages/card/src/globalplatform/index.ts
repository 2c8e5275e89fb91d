export * from "./card-data.js";
export * from "./commands.js";
export * from "./diversify.js";
export * from "./kdf.js";
export * from "./put-key.js";
export * from "./registry.js";
export * from "./scp02/index.js";
export * from "./scp03/index.js";
