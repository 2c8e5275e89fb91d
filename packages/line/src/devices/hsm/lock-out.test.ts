import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
