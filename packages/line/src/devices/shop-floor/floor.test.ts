import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VirtualCard } from "@persoline/card/virtual";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Place } from "../transport/port.js";
import { eepromPages, eepromPageSize, openEeprom } from "./eeprom-file.js";
import { ShopFloor } from "./floor.js";
import { faultsOf } from "./lot-book.js";
import { chipNumberOf, type LotPlan, plantFaults, serialOf } from "./lot.js";
import type { Silicon } from "./silicon.js";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "persoline-floor-"));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** A chip that only remembers: enough to see where bodies and files go. */
const deadSilicon: Silicon = {
  fabricate: (chipNumber) => {
    const bytes = new Uint8Array(eepromPageSize * eepromPages).fill(0xff);
    bytes.set(chipNumber);
    return bytes;
  },
  power: (): VirtualCard => ({
    powerOn: () => undefined,
    warmReset: () => undefined,
    powerOff: () => undefined,
    transmit: () => undefined,
    elapsedMicros: 0,
    counters: { apdus: 0, pagesWritten: 0, wireCharacters: 0, aesBlocks: 0 },
  }),
};

const plan = (more: Partial<LotPlan> = {}): LotPlan => ({
  lot: "L2026A",
  count: 5,
  seed: 7,
  faults: [],
  flaws: [],
  ...more,
});
const head = (number: number): Place => ({ at: "head", station: "completion", head: number });
const slot = (number: number): Place => ({ at: "queue", station: "completion", slot: number });

describe("a lot", () => {
  test("has labels in order and chip numbers of its own, the same whenever it is asked for", () => {
    const items = new ShopFloor(root, deadSilicon).makeLot(plan());
    expect(items.map(({ label }) => label)).toEqual([
      "L2026A-000001",
      "L2026A-000002",
      "L2026A-000003",
      "L2026A-000004",
      "L2026A-000005",
    ]);
    expect(new Set(items.map(({ serial }) => serial)).size).toBe(5);
    expect(items.every(({ serial }) => /^[0-9A-F]{20}$/.test(serial))).toBe(true);
    expect(new ShopFloor(root, deadSilicon).makeLot(plan())).toEqual(items);
  });

  test("delivered again, it does not give back what has left the hopper", () => {
    const floor = new ShopFloor(root, deadSilicon);
    floor.makeLot(plan());
    floor.feed(head(0));
    floor.makeLot(plan());
    expect(floor.census()).toHaveLength(5);
    expect(floor.nextBlank()).toBe("L2026A-000002");
  });

  test("delivered again with another plan, it is refused", () => {
    const floor = new ShopFloor(root, deadSilicon);
    floor.makeLot(
      plan({ faults: [{ blanks: 1, what: { kind: "wrong-atr", atr: Uint8Array.of(0x3b, 0) } }] }),
    );
    floor.makeLot(
      plan({ faults: [{ blanks: 1, what: { kind: "wrong-atr", atr: Uint8Array.of(0x3b, 0) } }] }),
    );
    expect(() => floor.makeLot(plan({ count: 6 }))).toThrow("L2026A was delivered before");
  });

  test("delivered again with another seed, it is still the first one's", () => {
    const items = new ShopFloor(root, deadSilicon).makeLot(plan());
    const floor = new ShopFloor(root, deadSilicon);
    expect(floor.makeLot(plan({ seed: 8 }))).toEqual(items);
    expect(floor.census()).toHaveLength(5);
    const chip = readFileSync(join(floor.feed(head(0))?.dir ?? "", "chip.eeprom"));
    expect(serialOf(chip.subarray(0, 10))).toBe(items[0]?.serial);
  });

  test("a second lot lies behind the first", () => {
    const floor = new ShopFloor(root, deadSilicon);
    floor.makeLot(plan({ count: 2 }));
    floor.makeLot(plan({ lot: "AAA", count: 1 }));
    const fed = [0, 1, 2, 3].map((number) => floor.feed(head(number))?.label);
    expect(fed).toEqual(["L2026A-000001", "L2026A-000002", "AAA-000001", undefined]);
  });

  test("gives each planted fault to as many blanks as asked, one each, by seed", () => {
    const planted = plan({
      count: 200,
      faults: [
        { blanks: 3, among: 50, what: { kind: "dead" } },
        { blanks: { number: 17 }, what: { kind: "rom-fault" } },
        { blanks: 4, what: { kind: "weak-page", page: 300 } },
      ],
      flaws: [{ blanks: 2, what: "missing-line" }],
    });
    const bodies = [...plantFaults(planted)];
    expect(bodies).toHaveLength(10);
    expect(bodies.every(([, { chip, faces }]) => chip.length + faces.length === 1)).toBe(true);
    const numbersOf = (kind: string): number[] =>
      bodies.filter(([, { chip }]) => chip[0]?.kind === kind).map(([number]) => number);
    expect(numbersOf("rom-fault")).toEqual([17]);
    expect(numbersOf("dead")).toHaveLength(3);
    expect(numbersOf("dead").every((number) => number <= 50)).toBe(true);
    expect([...plantFaults(planted)]).toEqual(bodies);
    expect([...plantFaults({ ...planted, seed: 8 })]).not.toEqual(bodies);
  });

  test("makes a body only when it is needed, with its chip number and its faults", () => {
    const floor = new ShopFloor(root, deadSilicon);
    const atr = Uint8Array.of(0x3b, 0x00);
    floor.makeLot(plan({ faults: [{ blanks: { number: 1 }, what: { kind: "wrong-atr", atr } }] }));
    const asleep = join(root, "hopper", "000001-L2026A-000001", "chip.eeprom");
    expect(existsSync(asleep)).toBe(false);
    const fed = floor.feed(head(0));
    const chip = readFileSync(join(fed?.dir ?? "", "chip.eeprom"));
    expect(chip).toHaveLength(32 * 1024);
    expect(serialOf(chip.subarray(0, 10))).toBe(serialOf(chipNumberOf(plan(), 1)));
    expect(faultsOf(fed?.dir ?? "")).toEqual({ chip: [{ kind: "wrong-atr", atr }], faces: [] });
    expect(faultsOf(floor.feed(head(1))?.dir ?? "")).toEqual({ chip: [], faces: [] });
  });
});

describe("moves", () => {
  test("every body is in exactly one place, wherever it goes", () => {
    const floor = new ShopFloor(root, deadSilicon);
    floor.makeLot(plan());
    for (const number of [0, 1, 2, 3]) floor.feed(head(number));
    floor.move(head(0), slot(2));
    floor.move(slot(2), { at: "good", order: "A-1", slot: 17 });
    floor.move(head(1), { at: "reject" });
    floor.move(head(2), { at: "hold" });
    const places = Object.fromEntries(floor.census().map(({ label, place }) => [label, place]));
    expect(places).toEqual({
      "L2026A-000001": { at: "good", order: "A-1", slot: 17 },
      "L2026A-000002": { at: "reject" },
      "L2026A-000003": { at: "hold" },
      "L2026A-000004": head(3),
      "L2026A-000005": { at: "hopper" },
    });
    expect(new ShopFloor(root, deadSilicon).occupied()).toEqual([{ place: head(3), label: "L2026A-000004" }]);
  });

  test("each order has an output of its own: the same slot of two orders, and never two bodies in one", () => {
    const floor = new ShopFloor(root, deadSilicon);
    floor.makeLot(plan());
    for (const number of [0, 1, 2]) floor.feed(head(number));
    floor.move(head(0), { at: "good", order: "A-1", slot: 1 });
    floor.move(head(1), { at: "good", order: "A-2", slot: 1 });
    expect(() => {
      floor.move(head(2), { at: "good", order: "A-1", slot: 1 });
    }).toThrow("output slot 1 of order A-1 is not empty: L2026A-000001 lies there");
    expect(floor.find("L2026A-000001")?.dir).toBe(join(root, "good/A-1/000001-L2026A-000001"));
    expect(floor.find("L2026A-000002")?.dir).toBe(join(root, "good/A-2/000001-L2026A-000002"));
  });

  test("a blank that comes back lies before those never fed", () => {
    const floor = new ShopFloor(root, deadSilicon);
    floor.makeLot(plan());
    for (const number of [0, 1, 2]) floor.feed(head(number));
    floor.move(head(1), { at: "hopper" });
    floor.move(head(0), { at: "hopper" });
    const again = [0, 1, 4].map((number) => floor.feed(head(number))?.label);
    expect(again).toEqual(["L2026A-000001", "L2026A-000002", "L2026A-000004"]);
  });

  test("one look at the whole floor finds what a search for each number finds", () => {
    const floor = new ShopFloor(root, deadSilicon);
    const items = floor.makeLot(plan({ count: 6 }));
    for (const to of [
      head(0),
      slot(1),
      { at: "reject" },
      { at: "good", order: "A-1", slot: 3 },
      { at: "hold" },
    ] as const) {
      floor.feed(head(7));
      floor.move(head(7), to);
    }
    const all = floor.bodies();
    expect(all.size).toBe(6);
    for (const { label } of items) expect(all.get(label)).toEqual(floor.find(label));
  });

  test("a person carries one body out of a bin that holds several", () => {
    const floor = new ShopFloor(root, deadSilicon);
    floor.makeLot(plan({ count: 3 }));
    for (let turn = 0; turn < 3; turn++) {
      floor.feed(head(0));
      floor.move(head(0), { at: "hold" });
    }
    expect(floor.carry("L2026A-000002", { at: "hold" }, { at: "good", order: "A-1", slot: 9 })).toBe(true);
    expect(floor.carry("L2026A-000002", { at: "hold" }, { at: "reject" })).toBe(false);
    expect(floor.census()).toEqual([
      { place: { at: "good", order: "A-1", slot: 9 }, label: "L2026A-000002" },
      { place: { at: "hold" }, label: "L2026A-000001" },
      { place: { at: "hold" }, label: "L2026A-000003" },
    ]);
  });

  test("what was taken out of a bin takes no room, also when it is carried on later", () => {
    const floor = new ShopFloor(root, deadSilicon);
    floor.makeLot(plan());
    for (const number of [0, 1, 2]) {
      floor.feed(head(number));
      floor.move(head(number), { at: "hold" });
    }
    expect(floor.empty("hold")).toBe(3);
    floor.carry("L2026A-000001", { at: "hold" }, { at: "reject" });
    floor.takeAway("L2026A-000002", { at: "hold" });
    floor.feed(head(0));
    floor.move(head(0), { at: "hold" });
    for (const one of [floor, new ShopFloor(root, deadSilicon)]) {
      expect(one.fill("hold")).toBe(1);
      expect(one.fill("reject")).toBe(1);
    }
    floor.takeAway("L2026A-000004", { at: "hold" });
    expect(floor.fill("hold")).toBe(0);
  });

  test("a blank that was taken out of the hopper is not fed, also not by who has looked already", () => {
    const floor = new ShopFloor(root, deadSilicon);
    floor.makeLot(plan());
    expect(floor.nextBlank()).toBe("L2026A-000001");
    const people = new ShopFloor(root, deadSilicon);
    for (const number of [1, 3])
      expect(people.takeAway(`L2026A-00000${String(number)}`, { at: "hopper" })).toBe(true);
    expect([0, 1, 2].map((number) => floor.feed(head(number))?.label)).toEqual([
      "L2026A-000002",
      "L2026A-000004",
      "L2026A-000005",
    ]);
    expect(floor.feed(head(3))).toBeUndefined();
  });

  test("nothing is put on another body, and nothing is taken from an empty place", () => {
    const floor = new ShopFloor(root, deadSilicon);
    floor.makeLot(plan());
    floor.feed(head(0));
    floor.feed(head(1));
    expect(() => {
      floor.move(head(0), head(1));
    }).toThrow("completion, head 2 is not empty");
    expect(() => {
      floor.move(head(2), slot(0));
    }).toThrow("nothing lies at completion, head 3");
    expect(floor.census()).toHaveLength(5);
  });

  test("a chip stays one object in the machine and is let go of at its end", () => {
    const floor = new ShopFloor(root, deadSilicon);
    floor.makeLot(plan());
    floor.feed(head(0));
    const card = floor.cardAt(head(0));
    expect(card).toBeDefined();
    floor.move(head(0), slot(0));
    expect(floor.cardAt(slot(0))).toBe(card);
    floor.move(slot(0), { at: "reject" });
    expect(floor.cardAt(slot(0))).toBeUndefined();
    expect(floor.cardAt({ at: "reject" })).not.toBe(card);
    floor.close();
  });
});

describe("the silicon of a body", () => {
  test("is written page by page into its file, and read again as it lies there", () => {
    const file = join(root, "chip.eeprom");
    writeFileSync(file, new Uint8Array(32 * 1024).fill(0xff));
    const eeprom = openEeprom(file);
    const page = Uint8Array.from({ length: 64 }, (_, at) => at);
    eeprom.write(511, page);
    expect(readFileSync(file).subarray(511 * 64)).toEqual(Buffer.from(page));
    expect(eeprom.load().slice(511 * 64)).toEqual(page);
    expect(() => {
      eeprom.write(512, page);
    }).toThrow(RangeError);
    expect(() => {
      eeprom.write(0, page.slice(1));
    }).toThrow(RangeError);
    eeprom.close();
    eeprom.close();
  });

  test("a page is erased or written, and its neighbours stay as they are", () => {
    const file = join(root, "chip.eeprom");
    writeFileSync(file, new Uint8Array(32 * 1024).fill(0x33));
    const eeprom = openEeprom(file);
    for (const value of [0xff, 0x11, 0x22, 0xff, 0xff, 0xaa]) {
      eeprom.write(2, new Uint8Array(64).fill(value));
      const now = readFileSync(file);
      expect([...now.subarray(128, 192)]).toEqual(Array.from({ length: 64 }, () => value));
      expect([now[127], now[192]]).toEqual([0x33, 0x33]);
      expect(eeprom.load()).toEqual(Uint8Array.from(now));
    }
    eeprom.close();
  });

  test("pages of a test pattern reach the file before anything that is written after them", () => {
    const file = join(root, "chip.eeprom");
    writeFileSync(file, new Uint8Array(32 * 1024).fill(0xff));
    const eeprom = openEeprom(file);
    const board = Uint8Array.from({ length: 64 }, (_, at) => (at % 2 === 0 ? 0xaa : 0x55));
    for (let page = 5; page < 300; page++) eeprom.write(page, board);
    eeprom.write(300, new Uint8Array(64).fill(1));
    const whole = readFileSync(file);
    expect(whole.subarray(0, 5 * 64).every((byte) => byte === 0xff)).toBe(true);
    for (let page = 5; page < 300; page++) {
      expect(Uint8Array.from(whole.subarray(page * 64, page * 64 + 64))).toEqual(board);
    }
    expect(eeprom.load()).toEqual(Uint8Array.from(whole));
    for (const page of [400, 402, 401]) eeprom.write(page, board);
    eeprom.close();
    const closed = readFileSync(file);
    for (const page of [400, 401, 402]) expect(closed[page * 64]).toBe(0xaa);
    expect(closed[403 * 64]).toBe(0xff);
  });

  test("a file that is too short is not taken for a chip", () => {
    const file = join(root, "chip.eeprom");
    writeFileSync(file, new Uint8Array(100));
    const eeprom = openEeprom(file);
    expect(() => eeprom.load()).toThrow("has 100 bytes: no chip");
    eeprom.close();
  });
});
