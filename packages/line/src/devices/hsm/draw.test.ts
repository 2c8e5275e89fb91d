import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeyRef, Serial } from "@persoline/card/program";
import { afterEach, expect, onTestFinished, test } from "vitest";
import { makeKeystore } from "./ceremony.js";
import { drawFrom, random, randomDigits } from "./draw.js";
import { Keyring } from "./keyring.js";
import { anyPin, openOrderNow } from "./order.test.data.js";
import { vaultCalls } from "./vault-core.js";

afterEach(() => {
  drawFrom();
});

/** A sound generator that gives the same in every run. */
function sound(): (length: number) => Uint8Array {
  let count = 0;
  return (length) => {
    const blocks = Array.from({ length: Math.ceil(length / 32) }, () =>
      createHash("sha256").update(String(count++)).digest(),
    );
    return new Uint8Array(Buffer.concat(blocks)).slice(0, length);
  };
}
/** How many draws of 16 bytes come before the refusal; at most a thousand. */
function drawnBefore(next: (length: number) => Uint8Array): number {
  drawFrom(next);
  for (let count = 0; count < 1000; count++)
    try {
      random(16);
    } catch {
      return count;
    }
  return 1000;
}

test("a generator that repeats itself is not believed again in this process", () => {
  const generator = sound();
  let stuck = false;
  drawFrom((length) => (stuck ? new Uint8Array(length).fill(7) : generator(length)));
  expect(random(16)).not.toEqual(random(16));
  stuck = true;
  expect(() => random(16)).toThrow("repeats itself");
  stuck = false;
  expect(() => random(16)).toThrow("repeats itself");
});

test("the first bytes of a generator are judged before anybody gets one", () => {
  const one = sound()(512);
  expect(drawnBefore((length) => one.slice(0, length))).toBe(0);
  expect(drawnBefore((length) => new Uint8Array(length))).toBe(0);
  expect(drawnBefore(sound())).toBe(1000);
});

test("a generator of a short period, or with one that a counter alone changes, is found", () => {
  const generator = sound();
  const few = Array.from({ length: 40 }, () => generator(256));
  let at = 0;
  expect(drawnBefore((length) => (few[at++ % 40] ?? new Uint8Array(0)).slice(0, length))).toBe(36);
  const one = generator(256);
  let count = 0;
  const numbered = (rest: (length: number) => Uint8Array) => (length: number) => {
    const drawn = rest(length);
    drawn[0] = ++count & 0xff;
    drawn[1] = count >> 8;
    return drawn;
  };
  expect(drawnBefore(numbered((length) => new Uint8Array(length)))).toBe(0);
  // No eight equal bytes are in a row, and no draw is like another; but the values of its fixed places come too often.
  expect(drawnBefore(numbered((length) => one.slice(0, length)))).toBeLessThan(32);
  const halves = (length: number) => generator(length).map((byte, place) => (place % 4 === 3 ? 0x5a : byte));
  expect(drawnBefore(halves)).toBe(0);
});

test("a sound generator is believed for as long as an order of many cards takes", () => {
  drawFrom();
  expect(
    Array.from({ length: 3000 }, (_, count) => random(1 + (count % 700))).map(({ length }) => length),
  ).toEqual(Array.from({ length: 3000 }, (_, count) => 1 + (count % 700)));
});

test("too few bytes are a broken generator too, and short draws do not count as repeated", () => {
  drawFrom(sound());
  const short = Array.from({ length: 600 }, () => random(1)[0]);
  expect(new Set(short).size).toBeGreaterThan(200);
  const generator = sound();
  let isShort = false;
  drawFrom((length) => generator(isShort ? 3 : length));
  random(16);
  isShort = true;
  expect(() => random(16)).toThrow("repeats itself");
});

test("a key that was drawn is like no other of its keystore; published ones may be", () => {
  const folder = mkdtempSync(join(tmpdir(), "persoline-drawn-"));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  const value = sound()(16);
  const generator = sound();
  generator(16);
  drawFrom((length) => (length === 16 ? value.slice() : generator(length)));
  const make = (name: string, keys: Parameters<typeof makeKeystore>[0]["keys"]) => {
    makeKeystore({
      file: join(folder, name),
      environment: "test",
      unlock: { keyFile: join(folder, "key") },
      keys,
      letterPrinter: { writePrivateKeyTo: join(folder, `${name}.pem`) },
    });
  };
  const published = Buffer.from(value).toString("hex").toUpperCase();
  const known = { name: "known", use: "scp03", published } as const;
  expect(() => {
    make("twice", [known, { name: "drawn", use: "scp03" }]);
  }).toThrow(/keys known and drawn are one and the same/);
  expect(existsSync(join(folder, "twice"))).toBe(false);
  drawFrom();
  make("published", [known, { ...known, name: "other" }]);
});

test("stuck, the module makes no PIN and no data key, and opens no session with a card or a gate", () => {
  const sealing = {
    name: "store-seal",
    use: "seal",
    algorithm: "AES-256",
    environment: "test",
    published: false,
    value: Buffer.alloc(32, 1),
  } as unknown as ConstructorParameters<typeof Keyring>[1][number];
  const calls = vaultCalls(new Keyring("test", [sealing]));
  openOrderNow(calls, "A-1", anyPin());
  drawFrom((length) => new Uint8Array(length));
  const pin = { order: "A-1", record: 1, name: "pin", length: 6 };
  expect(() => calls.drawPin(pin)).toThrow("repeats itself");
  expect(() => calls.createDataKey({ order: "A-1" })).toThrow("repeats itself");
  expect(() => calls.random(16)).toThrow("repeats itself");
  // Nothing has left for the card then: it is the machine's fault, and the line stops with the card untouched.
  const serial = "50530000000000000042" as Serial;
  const keys = "none" as KeyRef;
  for (const channel of [
    { protocol: "loader", keys },
    { protocol: "scp03", keys, kvn: 1, level: 0x33 },
    { protocol: "scp02", keys, kvn: 1, level: 0x03, i: 0x55, diversify: "visa2" },
  ] as const)
    expect(() => calls.openSession({ channel, serial })).toThrow("repeats itself");
  expect(() => calls.openMutual({ keys, kid: 1, serial, cardChallenge: new Uint8Array(16) })).toThrow(
    "repeats itself",
  );
});

test("digits are as likely as one another", () => {
  const counts = Array.from({ length: 10 }, () => 0);
  for (const code of randomDigits(20_000)) counts[code - 0x30] = (counts[code - 0x30] ?? 0) + 1;
  // Chi-square with 9 degrees of freedom: 45 is passed once in a million runs.
  expect(counts.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0)).toBeLessThan(45);
});
