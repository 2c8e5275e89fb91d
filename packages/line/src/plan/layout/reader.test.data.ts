import { readFileSync } from "node:fs";
import type { LayoutReader } from "./template.js";

/** Fetches the bases and artwork of layouts that all lie in one folder. */
export const readerIn =
  (folder: URL): LayoutReader =>
  (relative) => ({ file: relative, text: readFileSync(new URL(relative, folder), "utf8") });
