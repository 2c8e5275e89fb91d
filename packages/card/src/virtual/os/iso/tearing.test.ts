import { describe, expect, test } from "vitest";
import { image20 } from "../../../../tools/bench.js";
import { Bench, command, completedStore, create, createMf, tlv } from "../../../../tools/os-bench.js";
import { cardOn, TearingStore, tears, transmit } from "../../../../tools/tearing.js";
import { type EepromStore, memoryStore } from "../../index.js";

const rules = tlv("AB", "80017F9000");
const records = (kind: string, coding = "21"): string => `8205${kind}${coding}002005`;
const fiveRecords = [1, 2, 3, 4, 5].map((n) => command(`00DC0${n}04`, `1${n}`.repeat(32)));

interface Case {
  readonly name: string;
  readonly shape: readonly string[];
  /** After activation, in plain. */
  readonly before: readonly string[];
  readonly torn: string;
  readonly reads: readonly string[];
  /** By docs/card-os.md 5 and 10. */
  readonly writes: number;
}

const binary: Pick<Case, "shape" | "reads"> = { shape: ["82020121", "80020300"], reads: ["00B00000000300"] };
const extended = (header: string, data: string): string =>
  `${header}00${(data.length / 2).toString(16).padStart(4, "0")}${data}`;

const cases: readonly Case[] = [
  {
    ...binary,
    name: "UPDATE BINARY of 700 bytes",
    before: [],
    torn: extended("00D60008", "5A".repeat(700)),
    writes: 2 * 12 + 2,
  },
  {
    ...binary,
    name: "UPDATE BINARY D7",
    before: [],
    torn: "00D700000A 5402003A 5304 22222222",
    writes: 4,
  },
  {
    ...binary,
    name: "WRITE BINARY",
    before: ["00D60000040F0F0F0F"],
    torn: "00D00000045A5A5A5A",
    writes: 4,
  },
  {
    ...binary,
    name: "ERASE BINARY to the end",
    before: [extended("00D60000", "11".repeat(768))],
    torn: "000E0010",
    writes: 2 * 12 + 2,
  },
  {
    name: "UPDATE RECORD DD",
    shape: [records("02")],
    before: fiveRecords,
    torn: "00DD020408 540110 5303 AAAAAA",
    reads: ["00B2010500"],
    writes: 4,
  },
  {
    name: "WRITE RECORD with AND",
    shape: [records("02", "61")],
    before: fiveRecords,
    torn: command("00D20204", "30".repeat(32)),
    reads: ["00B2010500"],
    writes: 4,
  },
  {
    name: "ERASE RECORDS to the last",
    shape: [records("02")],
    before: fiveRecords,
    torn: "000C0205",
    reads: ["00B2010500"],
    writes: 2 * 3 + 2,
  },
  {
    name: "ERASE RECORDS of a cyclic EF",
    shape: [records("06")],
    before: [1, 2, 3, 4, 5, 6, 7].map((n) => command("00E20000", `1${n}`.repeat(32))),
    torn: "000C0205",
    reads: ["00B2010500"],
    writes: 2 * 3 + 2,
  },
  {
    name: "ERASE RECORD of a linear variable EF",
    shape: [records("04")],
    before: fiveRecords,
    torn: "000C0205",
    reads: ["00B2010500"],
    writes: 1,
  },
  {
    name: "PUT DATA",
    shape: ["82023921", "80020100"],
    before: ["00DA005A021234", command("00DA0050", "41".repeat(100))],
    torn: command("00DA005A", "56".repeat(90)),
    reads: ["00CB0101025C0000"],
    writes: 2 * 4 + 2,
  },
  {
    ...binary,
    name: "TERMINATE EF",
    before: [],
    torn: "00E80000",
    writes: 1,
  },
];

/** The silicon of a card that has done all of a case but the command to be torn. */
function prepared({ shape, before }: Case): Uint8Array {
  const bench = new Bench(completedStore(image20));
  bench.open(0x01);
  const steps = [createMf, create("83020101", ...shape, rules, "8A0105")];
  for (const sent of steps) expect(`${sent}: ${bench.safe(sent)}`).toBe(`${sent}: 9000`);
  bench.reset();
  bench.say("00A4000C020101");
  for (const sent of before) expect(`${sent}: ${bench.say(sent)}`).toBe(`${sent}: 9000`);
  return bench.store.load();
}

function everything(eeprom: EepromStore, reads: readonly string[]): string[] {
  const card = cardOn(eeprom);
  card.powerOn();
  return ["00A4020402010100", ...reads].map((one) => transmit(card, one));
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
    "torn at every page write (%s): all or nothing, and it can be done again",
    (how) => {
      for (let write = 1; write <= writes; write++) {
        const store = new TearingStore(content, tears[how] ?? ((bytes) => bytes));
        const torn = cardOn(store);
        torn.powerOn();
        transmit(torn, "00A4000C020101");
        store.arm(write);
        expect(transmit(torn, one.torn)).toBe("mute");
        const found = everything(store, one.reads);
        expect([old, fresh]).toContainEqual(found);
        // What is erased already may be told so.
        if (found.join() === fresh.join() && one.writes === 1) continue;
        const again = cardOn(store);
        again.powerOn();
        transmit(again, "00A4000C020101");
        expect(transmit(again, one.torn)).toBe("9000");
        expect(everything(store, one.reads)).toEqual(fresh);
      }
    },
  );
});

test("a large write finds no room for its copy: 6A84, nothing written", () => {
  const bench = new Bench(completedStore(image20));
  bench.open(0x01);
  // 299 pages of bodies: the MF's pair, an EF of 12 pages, and nearly all that is left.
  const steps = [
    createMf,
    create("83020101", ...binary.shape, rules, "8A0105"),
    create("82020121", "83020102", `8002${(64 * 283).toString(16)}`, rules),
    "00A4000C020101",
  ];
  for (const sent of steps) expect(`${sent}: ${bench.safe(sent)}`).toBe(`${sent}: 9000`);
  const large = extended("00D60000", "5A".repeat(700));
  expect(bench.writes(() => expect(bench.say(large)).toBe("6A84"))).toBe(0);
  expect(bench.say(command("00D60000", "5A".repeat(255)))).toBe("9000");
});
