import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readAll } from "./counter.js";

test("a descriptor that gives nothing is told with what opens one", () => {
  const folder = openSync(tmpdir(), "r");
  expect(() => readAll(folder)).toThrow(/cannot be read \(EISDIR\).*3<FILE.*npx hands none on/);
  closeSync(folder);
  expect(() => readAll(folder)).toThrow(/cannot be read \(EBADF\)/);
});

test.each(["", "\n", "\r\n"])("what gives %j gives no secret", (content) => {
  const folder = mkdtempSync(join(tmpdir(), "persoline-counter-"));
  const file = join(folder, "secret");
  writeFileSync(file, content);
  const descriptor = openSync(file, "r");
  expect(() => readAll(descriptor)).toThrow("gives nothing: is its file empty, its variable not set");
  closeSync(descriptor);
  rmSync(folder, { recursive: true });
});
