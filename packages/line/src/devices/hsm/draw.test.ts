import type { KeyRef, Serial } from "@persoline/card/program";
import { afterEach, expect, test } from "vitest";
import { drawFrom, random, randomDigits } from "./draw.js";
import { Keyring } from "./keyring.js";
import { anyPin, openOrderNow } from "./order.test.data.js";
import { vaultCalls } from "./vault-core.js";

afterEach(() => {
  drawFrom();
});

test("a generator that repeats itself is not believed again in this process", () => {
  let stuck = false;
  let count = 0;
  drawFrom((length) => new Uint8Array(length).fill(stuck ? 7 : ++count));
  expect(random(16)).not.toEqual(random(16));
  stuck = true;
  random(16);
  expect(() => random(16)).toThrow("repeats itself");
  stuck = false;
  expect(() => random(16)).toThrow("repeats itself");
});

test("too few bytes are a broken generator too, and short draws do not count as repeated", () => {
  let count = 0;
  drawFrom((length) => Uint8Array.from({ length }, () => ++count));
  expect([random(1), random(1)]).toEqual([Uint8Array.of(1), Uint8Array.of(9)]);
  drawFrom(() => new Uint8Array(3));
  expect(() => random(16)).toThrow("repeats itself");
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
