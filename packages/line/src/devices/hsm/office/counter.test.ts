import { closeSync, openSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { readAll } from "./counter.js";

test("a descriptor that gives nothing is told with what opens one", () => {
  const folder = openSync(tmpdir(), "r");
  expect(() => readAll(folder)).toThrow(/cannot be read \(EISDIR\).*3<FILE.*npx hands none on/);
  closeSync(folder);
  expect(() => readAll(folder)).toThrow(/cannot be read \(EBADF\)/);
});
