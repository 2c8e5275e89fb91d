import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sealKeystore } from "./keystore.js";
import { beginTry, endTry, openGuarded, waitAfter } from "./lock-out.js";

let folder: string;
let keystore: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-lock-"));
  keystore = join(folder, "keystore.json");
});
afterEach(() => rmSync(folder, { recursive: true }));

const noon = Date.UTC(2026, 5, 1, 12);

test("five wrong ones are forgiven, then each further one doubles the wait, to a day at most", () => {
  expect([0, 4, 5, 6, 9].map(waitAfter)).toEqual([0, 0, 30_000, 60_000, 480_000]);
  expect(waitAfter(40)).toBe(24 * 3_600_000);
  for (let tries = 0; tries < 5; tries++) beginTry(keystore, noon);
  expect(() => beginTry(keystore, noon + 29_000)).toThrow("heard in 1 s");
  // To be refused is no try.
  beginTry(keystore, noon + 30_000);
  expect(() => beginTry(keystore, noon + 60_000)).toThrow("locked after 6 wrong");
});

test("a clock set back neither opens it nor locks it for years; a damaged note counts as locked", () => {
  for (let tries = 0; tries < 5; tries++) beginTry(keystore, noon);
  expect(() => beginTry(keystore, 0)).toThrow("heard in 30 s");
  writeFileSync(`${keystore}.tries`, "{}");
  expect(() => beginTry(keystore)).toThrow("locked");
  endTry(keystore);
  beginTry(keystore);
});

test("the keystore itself: a wrong passphrase counts, the right one clears the count, a locked one is not even tried", () => {
  sealKeystore(keystore, "test", [], { passphrase: "right" });
  for (let tries = 0; tries < 4; tries++)
    expect(() => openGuarded(keystore, { passphrase: "wrong" })).toThrow("does not open");
  expect(() => openGuarded(join(folder, "none.json"), { passphrase: "x" })).toThrow("no keystore here");
  expect(existsSync(join(folder, "none.json.tries"))).toBe(false);
  openGuarded(keystore, { passphrase: "right" });
  expect(existsSync(`${keystore}.tries`)).toBe(false);
  for (let tries = 0; tries < 5; tries++)
    expect(() => openGuarded(keystore, { passphrase: "wrong" })).toThrow("does not open");
  for (const passphrase of ["wrong", "right"])
    expect(() => openGuarded(keystore, { passphrase })).toThrow(
      expect.objectContaining({ name: "KeystoreProblem", code: "locked" }) as Error,
    );
});

test("of many tries at the same moment each is counted: five are heard, the others find it locked", async () => {
  const script = `
    const [module, begin, ...keystores] = process.argv.slice(1);
    const { beginTry } = await import(module);
    while (Date.now() < Number(begin));
    const told = keystores.map((keystore) => {
      try {
        beginTry(keystore);
        return "heard";
      } catch (problem) {
        return problem.code;
      }
    });
    process.stdout.write(JSON.stringify(told));`;
  const module = new URL("../../../dist/devices/hsm/lock-out.js", import.meta.url).href;
  const names = Array.from({ length: 20 }, (_, at) => `keystore-${String(at)}.json`);
  const begin = String(Date.now() + 2500);
  const rivals = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const keystores = names.map((name) => join(folder, name));
      const rival = spawn(
        process.execPath,
        ["--input-type=module", "-e", script, module, begin, ...keystores],
        {
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      const [said] = (await once(rival.stdout, "data")) as [Buffer];
      return JSON.parse(said.toString()) as readonly string[];
    }),
  );
  const each = [...Array<string>(5).fill("heard"), ...Array<string>(3).fill("locked")];
  for (const [at, name] of names.entries()) {
    expect([name, rivals.map((told) => told[at] ?? "").toSorted()]).toEqual([name, each]);
    expect(JSON.parse(readFileSync(join(folder, `${name}.tries`), "utf8"))).toMatchObject({ wrong: 5 });
  }
  expect(readdirSync(folder)).toHaveLength(names.length);
}, 60_000);
