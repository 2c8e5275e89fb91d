import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test, vi } from "vitest";

// Each test starts a vitest of its own.
vi.setConfig({ testTimeout: 60_000 });

const root = fileURLToPath(new URL("..", import.meta.url));
const cache = `${root}node_modules/.cache`;
let folder: string | undefined;

/** Runs vitest with the reporter on these files and returns the last line it prints. `counts`: where the caller wants them. */
function lastLine(files: Readonly<Record<string, string>>, counts?: string): string | undefined {
  mkdirSync(cache, { recursive: true });
  folder = mkdtempSync(`${cache}/reporter-`);
  writeFileSync(
    `${folder}/vitest.config.mjs`,
    `export default { test: { pool: "forks", reporters: ["${root}tools/reporter.ts"] } };`,
  );
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(
      `${folder}/${name}`,
      `import { beforeAll, describe, expect, test } from "vitest";\n${text}`,
    );
  }
  const { PERSOLINE_COUNTS: _, ...env } = process.env;
  const { stdout } = spawnSync(
    process.execPath,
    [`${root}node_modules/vitest/vitest.mjs`, "run", "--root", folder],
    {
      env: counts === undefined ? env : { ...env, PERSOLINE_COUNTS: counts },
      encoding: "utf8",
    },
  );
  return stdout.trimEnd().split("\n").at(-1);
}

afterEach(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

test("counts tests by their state", () => {
  const file = 'test("a", () => {}); test("b", () => { expect(1).toBe(2); }); test.skip("c", () => {});';
  expect(lastLine({ "a.test.js": file })).toBe("1 passed, 1 failed, 1 skipped");
});

test("counts a module that does not load, a failed hook and an error outside every test", () => {
  expect(
    lastLine({
      "good.test.js": 'test("a", () => {});',
      "broken.test.js": 'throw new Error("on load");',
      "hook.test.js":
        'describe("d", () => { beforeAll(() => { throw new Error("hook"); }); test("a", () => {}); });',
      "stray.test.js":
        'test("a", async () => { Promise.reject(new Error("stray")); await new Promise((r) => setTimeout(r, 50)); });',
    }),
  ).toBe("2 passed, 3 failed, 1 skipped");
});

test("a caller gets the counts, and the seconds of every file with its imports and hooks", () => {
  const counts = `${cache}/reporter-${String(process.pid)}.json`;
  const slow =
    'await new Promise((r) => setTimeout(r, 300)); beforeAll(() => new Promise((r) => setTimeout(r, 300))); test("a", () => {});';
  lastLine({ "slow.test.js": slow, "quick.test.js": 'test("b", () => {});' }, counts);
  const told = JSON.parse(readFileSync(counts, "utf8")) as { readonly seconds: Record<string, number> };
  rmSync(counts);
  expect(told).toMatchObject({ passed: 2, failed: 0, skipped: 0 });
  expect(Object.keys(told.seconds).toSorted()).toEqual(["quick.test.js", "slow.test.js"]);
  expect(told.seconds["slow.test.js"]).toBeGreaterThanOrEqual(0.59);
});

test("a caller gets what failed by name, with the first line of why", () => {
  const counts = `${cache}/reporter-${String(process.pid)}-names.json`;
  const fails = 'describe("d", () => { test("b", () => { throw new Error("why\\nand more"); }); });';
  lastLine({ "a.test.js": fails, "load.test.js": 'throw new Error("on load");' }, counts);
  const told = JSON.parse(readFileSync(counts, "utf8")) as { readonly failures: readonly string[] };
  rmSync(counts);
  expect(told.failures.toSorted()).toEqual(["a.test.js > d > b\n    why", "load.test.js\n    on load"]);
});

test("an empty run and a run that dies are failures", () => {
  expect(lastLine({})).toBe("0 passed, 1 failed");
  expect(
    lastLine({
      "vitest.setup.js": "",
      "dies.test.js": 'test("a", () => { process.kill(process.ppid, "SIGINT"); });',
    }),
  ).toMatch(/, [1-9]\d* failed/);
});
