import { describe, expect, test } from "vitest";
import { Bench, command, completedStore, create, createMf, tlv } from "../../../tools/os-bench.js";
import { cardOn, TearingStore, tears, transmit } from "../../../tools/tearing.js";
import { type EepromStore, memoryStore } from "../index.js";

const rules = tlv("AB", "8001079000", "80011E9E0140");
const record = (kind: string, size: string, count: string): string => `8205${kind}2100${size}${count}`;

interface Case {
  readonly name: string;
  readonly shape: readonly string[];
  /** Before activation, after it, then the one that is torn. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly torn: string;
  readonly reads: readonly string[];
  /** By docs/card-os.md 5. */
  readonly writes: number;
}

const long = "5A".repeat(255);
const withinPage: Case = {
  name: "UPDATE BINARY within a page",
  shape: ["820101", "80020040"],
  before: [command("00D60000", "11".repeat(64))],
  after: [],
  torn: "00D6000804 22222222",
  reads: ["00B0000000"],
  writes: 4,
};
const cases: readonly Case[] = [
  withinPage,
  {
    name: "UPDATE BINARY over five pages",
    shape: ["820101", "80020180"],
    before: [],
    after: [command("00D60000", "11".repeat(200))],
    torn: command("00D6003F", long),
    reads: ["00B0000000", "00B0010000"],
    writes: 12,
  },
  {
    name: "UPDATE RECORD linear fixed over two pages",
    shape: [record("02", "30", "04")],
    before: [],
    after: [command("00DC0204", "11".repeat(48))],
    torn: command("00DC0204", "22".repeat(48)),
    reads: ["00B2010400", "00B2020400", "00B2030400", "00B2040400"],
    writes: 6,
  },
  {
    name: "UPDATE RECORD linear variable, another length",
    shape: [record("04", "20", "04")],
    before: [command("00DC0104", "11".repeat(32))],
    after: [],
    torn: "00DC010403 222222",
    reads: ["00B2010400", "00B2020400"],
    writes: 5,
  },
  {
    name: "APPEND RECORD linear variable",
    shape: [record("04", "20", "04")],
    before: [],
    after: ["00E2000002 1111"],
    torn: "00E2000003 222222",
    reads: ["00B2010400", "00B2020400"],
    writes: 5,
  },
  {
    name: "UPDATE RECORD cyclic, previous",
    shape: [record("06", "18", "05")],
    before: [command("00DC0003", "11".repeat(24))],
    after: [command("00DC0003", "33".repeat(24))],
    torn: command("00DC0003", "44".repeat(24)),
    reads: ["00B2010400", "00B2020400", "00B2030400", "00B2040400", "00B2050400"],
    writes: 7,
  },
];

/** The silicon of a card that has done all of a case but the command to be torn. */
function prepared({ shape, before, after }: Case): Uint8Array {
  const bench = new Bench(completedStore());
  bench.open(0x01);
  // A neighbour on each side, and something in them.
  const neighbour = (fid: string, byte: string): string[] => [
    create("820101", `8302${fid}`, "80020040", tlv("AB", "8001019000")),
    command("00D60000", byte.repeat(64)),
    "00440000",
  ];
  for (const sent of [
    createMf,
    ...neighbour("0001", "77"),
    create("83020101", ...shape, rules),
    ...neighbour("0002", "88"),
    "00A4000C020101",
    ...before,
    "00440000",
    ...after,
  ]) {
    const answered = bench.safe(sent);
    if (answered !== "9000") throw new Error(`${sent} was answered ${answered}`);
  }
  return bench.store.load();
}

/** All that can be read: the file, and its neighbours. */
function everything(eeprom: EepromStore, reads: readonly string[]): string[] {
  const card = cardOn(eeprom);
  card.powerOn();
  const sent = ["00A4000402010100", ...reads, "00A4000C020001", "00B0000000", "00A4000C020002", "00B0000000"];
  return sent.map((one) => transmit(card, one));
}

describe.each(cases)("$name", (one) => {
  const content = prepared(one);
  const old = everything(memoryStore(content), one.reads);
  const done = memoryStore(content);
  const card = cardOn(done);
  card.powerOn();
  transmit(card, "00A4000C020101");
  const before = card.counters.pagesWritten;
  const answered = transmit(card, one.torn);
  const writes = card.counters.pagesWritten - before;
  const fresh = everything(done, one.reads);

  test("costs what the specification says, and changes something", () => {
    expect(answered).toBe("9000");
    expect(writes).toBe(one.writes);
    expect(fresh).not.toEqual(old);
  });

  test.each(Object.keys(tears))(
    "torn at every page write (%s): all or nothing, and later commands work",
    (how) => {
      const outcomes = new Set<string>();
      for (let write = 1; write <= writes; write++) {
        const store = new TearingStore(content, tears[how] ?? ((bytes) => bytes));
        const torn = cardOn(store);
        torn.powerOn();
        transmit(torn, "00A4000C020101");
        store.arm(write);
        expect(transmit(torn, one.torn)).toBe("mute");
        const found = everything(store, one.reads);
        expect([old, fresh]).toContainEqual(found);
        outcomes.add(found.join() === old.join() ? "old" : "new");
        const again = cardOn(store);
        again.powerOn();
        transmit(again, "00A4000C020101");
        expect(transmit(again, one.torn)).toBe("9000");
      }
      expect([...outcomes]).toEqual(["old", "new"]);
    },
  );

  test("torn again while the reset mends it: still all of it", () => {
    // The last write but one of the command: the mark stands, the file is half written.
    for (let second = 1; second <= writes; second++) {
      const store = new TearingStore(content, (bytes) => bytes.map((byte, at) => (at < 32 ? 0xff : byte)));
      const torn = cardOn(store);
      torn.powerOn();
      transmit(torn, "00A4000C020101");
      store.arm(writes - 1);
      expect(transmit(torn, one.torn)).toBe("mute");
      store.arm(second);
      cardOn(store).powerOn();
      store.arm(Number.POSITIVE_INFINITY);
      expect(everything(store, one.reads)).toEqual(fresh);
    }
  });
});

test("a failing page is told, stays told, and no other file suffers", () => {
  const content = prepared(withinPage);
  const bench = new Bench(memoryStore(content), { kind: "weak-page", page: 0x3400 / 64 + 3 });
  bench.say("00A4000C020101");
  expect(bench.say("00D6000804 22222222")).toBe("6581");
  expect(bench.say("00D6000804 33333333")).toBe("6581");
  expect(bench.again({ kind: "weak-page", page: 0x3400 / 64 + 3 })).toMatch(/^3B/);
  bench.say("00A4000C020101");
  expect(bench.say("00D6000804 22222222")).toBe("6581");
  bench.say("00A4000C020001");
  expect(bench.say("00B0000000")).toBe(`${"77".repeat(64)}9000`);
});
