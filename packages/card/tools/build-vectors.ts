import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { vectorFile, withOwnVectors } from "./card-os-vectors.js";

const before = existsSync(vectorFile) ? readFileSync(vectorFile, "utf8") : undefined;
writeFileSync(vectorFile, withOwnVectors(before));
