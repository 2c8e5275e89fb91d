import { describe, expect, test } from "vitest";
import { image20 } from "../../../../tools/bench.js";
import { Bench, command, completedStore, create, createMf, tlv, wrong } from "../../../../tools/os-bench.js";
import { hex, unhex } from "../../../bytes/index.js";
import type { Fault } from "../../index.js";

const block = (digits: string): string =>
  `2${digits.length.toString(16).toUpperCase()}${digits}`.padEnd(16, "F");
const local = "81";
const rule = (reference: string): string => `A406 8301${reference} 950108`.replaceAll(" ", "");

function underDek(bench: Bench, limit: number, digits: string): string {
  const plain = unhex(`${hex(Uint8Array.of(limit))}${block(digits)}80000000000000`);
  return hex(bench.host?.underDek(plain) ?? plain);
}

/** MF with PIN 9999 (5), DF 0100 with PIN 1234 (3) and resetting code 12345678 (2); EFs 0101 by the DF's PIN, 0102 by the MF's. */
function bench(...faults: Fault[]): Bench {
  const made = new Bench(completedStore(image20), ...faults);
  made.open(0x33);
  const steps = [
    createMf,
    command("00240181", underDek(made, 5, "9999")),
    create("820138", "83020100"),
    command("00240181", underDek(made, 3, "1234")),
    command("00240182", underDek(made, 2, "12345678")),
    create("820101", "83020101", "80020004", "880108", tlv("AB", "800101", rule(local))),
    "00440000",
    create("820101", "83020102", "80020004", "880110", tlv("AB", "800101", rule("01"))),
    "00440000",
  ];
  for (const sent of steps) expect(`${sent}: ${made.safe(sent)}`).toBe(`${sent}: 9000`);
  made.reset();
  made.say("00A4000C020100");
  return made;
}

const verify = (reference: string, digits: string): string => command(`002000${reference}`, block(digits));
const change = (old: string, next: string, reference = local): string =>
  command(`002400${reference}`, block(old) + block(next));

test("the DF's PIN and the MF's: their rights, and how long they hold", () => {
  const on = bench();
  expect(
    wrong(on, [
      ["00B0810001", "6982"],
      [verify("00", "1234"), "9000", 2],
      ["00B0810001", "009000"],
      ["00B0820001", "6982"],
      [verify("01", "9999"), "9000", 2],
      ["00B0820001", "009000"],
      ["00200001", "9000", 0],
      ["00200081", "9000", 0],
    ]),
  ).toEqual([]);
  on.say("00A4000C023F00");
  on.say("00A4000C020100");
  expect(
    wrong(on, [
      ["00B0820001", "009000"],
      ["00B0810001", "6982"],
      ["00200082", "6985"],
      ["00200083", "6A88"],
      ["00200003", "6A88"],
      ["00200181", "6A86"],
      [verify("01", "9998"), "63C4", 1],
      ["00B0820001", "6982"],
    ]),
  ).toEqual([]);
});

test("CHANGE REFERENCE DATA with the old PIN: a wrong one costs a try, the counter first", () => {
  const on = bench();
  expect(
    wrong(on, [
      [change("4321", "5678"), "63C2", 1],
      [change("1234", "567"), "6A80", 0],
      [change("1234", "5678"), "9000", 3],
      ["00B0810001", "009000"],
      [verify(local, "1234"), "63C2", 1],
      [verify(local, "5678"), "9000", 2],
      [change("12345678", "1111", "82"), "6985", 0],
      [command("00240081", block("1234")), "6700", 0],
      [command("00240281", block("1234")), "6982", 0],
      [change("0000", "1111", "01"), "63C4", 1],
    ]),
  ).toEqual([]);
  on.reset();
  on.say("00A4000C020100");
  expect(wrong(on, [[change("0000", "1111"), "63C2", 1]])).toEqual([]);
  on.say(change("0000", "1111"));
  on.say(change("0000", "1111"));
  expect(wrong(on, [[change("5678", "1111"), "6983", 0]])).toEqual([]);
});

describe("RESET RETRY COUNTER", () => {
  const blocked = (): Bench => {
    const on = bench();
    for (let wrong = 0; wrong < 3; wrong++) on.say(verify(local, "0000"));
    expect(on.say("00200081")).toBe("6983");
    return on;
  };

  test("by code and new PIN, by code alone", () => {
    const on = blocked();
    expect(
      wrong(on, [
        [command("002C0081", block("12345678") + block("4711")), "9000", 3],
        ["00200081", "63C3", 0],
        ["00B0810001", "6982"],
        [verify(local, "4711"), "9000", 2],
        [command("002C0181", block("12345678")), "9000", 2],
        ["00B0810001", "6982"],
        [verify(local, "4711"), "9000", 2],
      ]),
    ).toEqual([]);
  });

  test("a wrong code costs one of its own tries, and the last one blocks it", () => {
    const on = blocked();
    expect(
      wrong(on, [
        [command("002C0181", block("87654321")), "63C1", 1],
        [command("002C0081", block("87654321") + block("1")), "6A80", 0],
        [command("002C0181", block("12345678")), "9000", 2],
      ]),
    ).toEqual([]);
    on.say(command("002C0181", block("87654321")));
    on.say(command("002C0181", block("87654321")));
    expect(
      wrong(on, [
        [command("002C0181", block("12345678")), "6983", 0],
        [command("002C0181", block("12345678").slice(2)), "6700", 0],
        [command("002C0101", block("12345678")), "6A88", 0],
        [command("002C0182", block("12345678")), "6A88", 0],
        [command("002C0481", block("12345678")), "6A86", 0],
        ["002C0381", "6982", 0],
        [command("002C0281", "00".repeat(16)), "6982", 0],
      ]),
    ).toEqual([]);
  });

  test("in a session: with a new PIN, with nothing", () => {
    const on = blocked();
    on.open(0x33);
    expect(on.safe("00A4000C020100")).toBe("9000");
    expect(on.safe(command("002C0281", underDek(on, 3, "2222")))).toBe("6A80");
    expect(on.writes(() => expect(on.safe(command("002C0281", underDek(on, 0, "2222")))).toBe("9000"))).toBe(
      2,
    );
    expect(on.say(verify(local, "2222"))).toBe("9000");
    expect(on.writes(() => expect(on.safe("002C0381")).toBe("9000"))).toBe(1);
    expect(on.writes(() => expect(on.safe("002C0301")).toBe("9000"))).toBe(1);
  });

  test.each([1, 2])(
    "power lost at page write %i: the code's try is gone or not, PIN old or new, never a mixture",
    (write) => {
      const base = blocked();
      const on = new Bench(base.store, { kind: "torn-at", write });
      on.say("00A4000C020100");
      expect(on.say(command("002C0081", block("12345678") + block("4711")))).toBe("mute");
      on.again();
      on.say("00A4000C020100");
      expect(on.say("00200081")).toBe("6983");
      expect(on.say(command("002C0181", block("87654321")))).toBe(write === 1 ? "63C1" : "63C0");
    },
  );
});

test("a resetting code takes the place of a key", () => {
  const on = bench();
  on.open(0x01);
  on.safe("00A4000C020100");
  const key = hex(on.host?.wrapKey(unhex("A1".repeat(16))) ?? unhex(""));
  expect(on.safe(command("80D80001", `01${key}`))).toMatch(/9000$/);
  expect(on.safe(command("80D80010", `01${key}`))).toBe("6A84");
  on.safe("00A4000C023F00");
  for (const kid of ["01", "10"]) expect(on.safe(command(`80D800${kid}`, `01${key}`))).toMatch(/9000$/);
  expect(on.safe(command("00240102", underDek(on, 2, "12345678")))).toBe("6A84");
});

test("keys: the state of one, by number or by the environment", () => {
  const on = bench();
  on.open(0x01);
  on.safe("00A4000C020100");
  const key = hex(on.host?.wrapKey(unhex("A1".repeat(16))) ?? unhex(""));
  on.safe(command("80D80001", `01${key}`));
  on.reset();
  on.say("00A4000C020100");
  expect(
    wrong(on, [
      ["00820001", "63CF"],
      ["00820002", "6A88"],
      ["00820000", "6A88"],
      ["0022C1A403830101", "9000"],
      ["00820000", "63CF"],
      ["002281A403800101", "9000"],
      ["00820000", "6985"],
      ["0022F301", "9000"],
      ["00820000", "6A88"],
      ["0022F302", "6A88"],
      ["0022F201", "6A81"],
      ["0022C1B603830101", "6A81"],
      ["0022C1A403840101", "6A80"],
      ["0022C1A4", "6A80"],
      ["0022C1A40283 01", "6A80"],
    ]),
  ).toEqual([]);
});

test("GET CHALLENGE of any length; only 8 and 16 bytes serve", () => {
  const on = bench();
  for (const length of [1, 8, 16, 32, 255]) {
    const le = length.toString(16).padStart(2, "0");
    expect(on.say(`00840000${le}`).length).toBe(2 * length + 4);
  }
  expect(on.say("0084000000").length).toBe(2 * 256 + 4);
  expect(on.say("00840000")).toBe("6700");
  expect(on.say("0084010008")).toBe("6A86");
});
