import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fresh, on, powered } from "../../tools/bench.js";
import { crc32 as crc32Slowly } from "../../tools/image.js";
import { MemoryFailure } from "./chip.js";
import { Clock } from "./clock.js";
import { crc32 } from "./crc32.js";
import { FaultPlan } from "./faults.js";
import type { Fault } from "./index.js";
import { Memory } from "./memory.js";

function memory(...faults: Fault[]) {
  const { store } = fresh();
  const clock = new Clock(1);
  const made = new Memory(store, clock, new FaultPlan(faults));
  made.powerUp();
  return { store, clock, made };
}

const place = fc.record({
  address: fc.integer({ min: 0x0280, max: 0x7f00 }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 200 }),
});

describe("EEPROM", () => {
  test("holds what was written and leaves the rest, in silicon as in the copy, for one write a page touched", () => {
    fc.assert(
      fc.property(fc.array(place, { maxLength: 8 }), (writes) => {
        const { store, clock, made } = memory();
        const expected = store.load();
        let pages = 0;
        for (const { address, bytes } of writes) {
          made.write(address, bytes);
          expected.set(bytes, address);
          pages += Math.floor((address + bytes.length - 1) / 64) - Math.floor(address / 64) + 1;
        }
        expect(Buffer.compare(store.load(), expected)).toBe(0);
        expect(Buffer.compare(made.read(0, expected.length), expected)).toBe(0);
        expect(clock.pagesWritten).toBe(pages);
      }),
      { numRuns: 50 },
    );
  });

  test("says which page does not hold what was written", () => {
    const { made } = memory({ kind: "weak-page", page: 21 });
    made.write(20 * 64, new Uint8Array(64));
    expect(() => made.write(20 * 64 + 60, new Uint8Array(8))).toThrow(new MemoryFailure(21));
    expect(() => made.fill(21 * 64, 1, 0xff)).toThrow(MemoryFailure);
  });

  test("ends where it ends", () => {
    const { made } = memory();
    expect(() => made.write(0x7fff, new Uint8Array(2))).toThrow(/no EEPROM at 7fff/);
    expect(() => made.read(0x8000, 1)).toThrow(RangeError);
    expect(() => made.fill(65, 1, 0)).toThrow(/inside a page/);
  });

  test("belongs to the silicon: another card object on it goes on where the first stopped", () => {
    const { store, made } = memory();
    made.write(0x2000, Uint8Array.of(1, 2, 3));
    const other = new Memory(store, new Clock(1), new FaultPlan([]));
    other.powerUp();
    expect([...other.read(0x2000, 4)]).toEqual([1, 2, 3, 0xff]);
    expect(powered(on(store))).toMatch(/^3B98/);
  });
});

test("CRC-32 is that of IEEE 802.3", () => {
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
  fc.assert(fc.property(fc.uint8Array(), (bytes) => crc32(bytes) === crc32Slowly(bytes)));
});
