// `npm run check` (quick) and `npm test` (`--all`: with end-to-end runs and drills).
// Every check counts as one item beside the tests, and the last line is the one true total.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const total = { passed: 0, failed: 0, skipped: 0 };
/** What the slowest files of tests took is said at the end, so that growth is seen. */
const namedSlow = 10;
/** What failed, by name: said again at the end, which is all that may be left of a long output. @type {string[]} */
const failures = [];
/** Seconds of every file of tests, by its path. @type {Record<string, number>} */
const seconds = {};

/**
 * @param {string} script path of a program's JavaScript entry
 * @param {string[]} words
 * @param {{ env?: Record<string, string>, live?: boolean }} [how]
 * @returns {Promise<{ code: number, text: string, seconds: number }>}
 */
function run(script, words, { env = {}, live = false } = {}) {
  const began = performance.now();
  return new Promise((done) => {
    const child = spawn(process.execPath, [script, ...words], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: live ? "inherit" : ["ignore", "pipe", "pipe"],
    });
    /** @type {Buffer[]} */
    const parts = [];
    const keep = (/** @type {Buffer} */ part) => parts.push(part);
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    child.on("close", (code) => {
      const seconds = (performance.now() - began) / 1000;
      done({ code: code ?? 1, text: Buffer.concat(parts).toString(), seconds });
    });
  });
}

/** @param {string} name @param {string} script @param {string[]} words */
async function check(name, script, words) {
  const { code, text, seconds } = await run(script, words);
  if (code === 0) total.passed++;
  else {
    total.failed++;
    failures.push(name);
  }
  process.stdout.write(`${code === 0 ? "ok    " : "FAILED"} ${name} (${seconds.toFixed(1)} s)\n`);
  if (code !== 0) process.stdout.write(`${text.trimEnd()}\n`);
}

const vitest = "node_modules/vitest/vitest.mjs";

/** @param {string} script @param {string[]} words */
async function tests(script, words) {
  const folder = mkdtempSync(join(tmpdir(), "persoline-counts-"));
  const file = join(folder, "counts.json");
  const { code } = await run(script, words, {
    env: { PERSOLINE_COUNTS: file },
    live: true,
  });
  let counts = { passed: 0, failed: 0, skipped: 0, failures: /** @type {string[]} */ ([]), seconds: {} };
  try {
    counts = /** @type {typeof counts} */ (JSON.parse(readFileSync(file, "utf8")));
  } catch {
    // No counts at all: the exit code below makes it the failure it is.
  }
  if ((code !== 0 || counts.passed === 0) && counts.failed === 0) {
    counts.failed = 1;
    counts.failures = [`${words.join(" ")}: ended with ${String(code)}`];
  }
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
  failures.push(...counts.failures);
  Object.assign(seconds, counts.seconds);
  rmSync(folder, { recursive: true, force: true });
}

await check("types", "node_modules/typescript/bin/tsc", ["-b"]);
await check("joined program", "tools/bundle.mjs", []);
const all = process.argv.includes("--all");
// Beside all that follows: it waits more than it computes. It lives in a private PC/SC world; without one it fails, and says what to install.
const withReaders = all
  ? tests("tools/pcsc.mjs", ["namespace", process.execPath, vitest, "run", "--project", "pcsc"])
  : undefined;
await check("format", "node_modules/@biomejs/biome/bin/biome", ["format"]);
await check("lint", "node_modules/oxlint/bin/oxlint", ["--type-aware", "--deny-warnings"]);
await check("unused code (knip)", "node_modules/knip/bin/knip.js", []);
await tests(vitest, ["run", "--project", "card", "--project", "line"]);
if (all) await tests(vitest, ["run", "--project", "e2e"]);
await withReaders;

process.stdout.write("The slowest files of tests, in seconds:\n");
for (const [file, took] of Object.entries(seconds)
  .toSorted(([, a], [, b]) => b - a)
  .slice(0, namedSlow))
  process.stdout.write(`${took.toFixed(1).padStart(7)}  ${file}\n`);

if (failures.length > 0) process.stdout.write(`Failed:\n${failures.map((one) => `  ${one}\n`).join("")}`);
const skipped = total.skipped > 0 ? `, ${String(total.skipped)} skipped` : "";
process.stdout.write(`${String(total.passed)} passed, ${String(total.failed)} failed${skipped}\n`);
process.exitCode = total.failed === 0 ? 0 : 1;
