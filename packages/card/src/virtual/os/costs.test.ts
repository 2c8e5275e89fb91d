import { describe, expect, test } from "vitest";
import { Bench, command, create, createMf, tlv } from "../../../tools/os-bench.js";
import type { Level } from "../../../tools/scp03-host.js";
import { hex, unhex } from "../../bytes/index.js";

const rules = tlv("AB", "8001079000", "80011E9E0140");
const binary = create("820101", "83020101", "80020100", rules);
const records = (kind: string): string => create(`8205${kind}21002004`, "83020101", rules);
const activate = "00440000";
const pinBlock = "241234FFFFFFFFFF";

/** Page writes as in docs/card-os.md 5; the session is of level 01. */
const acts: readonly (readonly [string, number, readonly string[], string])[] = [
  ["CREATE FILE, MF", 3, [], createMf],
  ["CREATE FILE, DF", 3, [createMf], create("820138", "83020100")],
  ["CREATE FILE, 256 bytes", 5, [createMf], binary],
  ["CREATE FILE, 1 byte", 2, [createMf], create("820101", "83020101", "80020001")],
  ["CREATE FILE, 4 records of 32", 3, [createMf], records("04")],
  ["UPDATE BINARY in one page, LCS 03", 1, [createMf, binary], command("00D60000", "AA".repeat(64))],
  ["UPDATE BINARY across pages, LCS 03", 2, [createMf, binary], command("00D60020", "AA".repeat(64))],
  ["UPDATE BINARY of 247 bytes, LCS 03", 4, [createMf, binary], command("00D60001", "AA".repeat(247))],
  [
    "UPDATE BINARY in one page, LCS 05",
    4,
    [createMf, binary, activate],
    command("00D60000", "AA".repeat(64)),
  ],
  ["UPDATE BINARY across pages, LCS 05", 6, [createMf, binary, activate], "00D6003F02AAAA"],
  ["UPDATE RECORD linear fixed, LCS 03", 1, [createMf, records("02")], command("00DC0104", "AA".repeat(32))],
  [
    "UPDATE RECORD linear fixed, LCS 05",
    4,
    [createMf, records("02"), activate],
    command("00DC0104", "AA".repeat(32)),
  ],
  ["UPDATE RECORD linear variable, LCS 03", 2, [createMf, records("04")], "00DC010402AAAA"],
  ["UPDATE RECORD linear variable, LCS 05", 5, [createMf, records("04"), activate], "00DC010402AAAA"],
  ["APPEND RECORD linear variable, LCS 03", 2, [createMf, records("04")], "00E2000002AAAA"],
  ["APPEND RECORD linear variable, LCS 05", 5, [createMf, records("04"), activate], "00E2000002AAAA"],
  ["UPDATE RECORD cyclic, LCS 03", 2, [createMf, records("06")], command("00DC0003", "AA".repeat(32))],
  [
    "UPDATE RECORD cyclic, LCS 05",
    5,
    [createMf, records("06"), activate],
    command("00DC0003", "AA".repeat(32)),
  ],
  [
    "UPDATE RECORD cyclic in its place, LCS 05",
    4,
    [createMf, records("06"), activate],
    command("00DC0204", "AA".repeat(32)),
  ],
  ["ACTIVATE FILE", 1, [createMf, binary], activate],
  ["DEACTIVATE FILE", 1, [createMf, binary, activate], "00040000"],
  ["DELETE FILE, 256 bytes", 5, [createMf, binary], "00E40000020101"],
  ["SET STATUS", 1, [], "80F08007"],
  ["TERMINATE CARD USAGE", 8, [], "00FE0000"],
  ["TERMINATE CARD USAGE, an MF", 10, [createMf, binary], "00FE0000"],
  ["SELECT", 0, [createMf, binary], "00A4000C020101"],
  ["READ BINARY", 0, [createMf, binary], "00B0000010"],
  ["READ RECORD", 0, [createMf, records("02")], "00B2010400"],
  ["GET CHALLENGE", 0, [], "0084000010"],
];

test.each(acts)("%s: %i page writes", (_, pages, before, act) => {
  const bench = new Bench();
  bench.open(0x01);
  for (const sent of before) expect(bench.safe(sent)).toBe("9000");
  expect(bench.writes(() => expect(bench.safe(act)).toMatch(/9000$/))).toBe(pages);
});

test("keys and PIN: two page writes each, counters one", () => {
  const bench = new Bench();
  bench.open(0x01);
  bench.safe(createMf);
  const { host } = bench;
  const key = hex(host?.wrapKey(unhex("A1".repeat(16))) ?? unhex(""));
  const pin = hex(host?.underDek(unhex(`03${pinBlock}80000000000000`)) ?? unhex(""));
  for (const sent of [command("80D80001", `01${key}`), command("00240181", pin)]) {
    expect(bench.writes(() => expect(bench.safe(sent)).toMatch(/9000$/))).toBe(2);
  }
  expect(bench.writes(() => expect(bench.safe("002C0381")).toMatch(/9000$/))).toBe(1);
  expect(bench.writes(() => expect(bench.say(command("00200081", pinBlock))).toBe("9000"))).toBe(2);
});

/** AES blocks of a CMAC over so many bytes (docs/card-os.md 8). */
const cmac = (bytes: number): number => Math.max(1, Math.ceil(bytes / 16)) + 1;
const padded = (bytes: number): number => Math.floor(bytes / 16) + 1;

describe("AES blocks", () => {
  test("opening a session", () => {
    const bench = new Bench();
    expect(bench.blocks(() => bench.say("8050000008010203040506070800"))).toBe(15);
    expect(bench.blocks(() => bench.open())).toBe(15 + 6);
  });

  test.each([0x01, 0x03, 0x11, 0x13, 0x33] as const)(
    "a command and its answer at level %i",
    (level: Level) => {
      const bench = new Bench();
      bench.open(level);
      const spent = (data: number, answered: number): number => {
        const encrypted = level & 0x02 && data > 0 ? padded(data) : 0;
        const sealed = level & 0x20 && answered > 0 ? padded(answered) : 0;
        const command =
          cmac(16 + 5 + (encrypted > 0 ? encrypted * 16 : data)) + (encrypted > 0 ? encrypted + 1 : 0);
        const response =
          level & 0x10
            ? cmac(16 + (sealed > 0 ? sealed * 16 : answered) + 2) + (sealed > 0 ? sealed + 1 : 0)
            : 0;
        return command + response;
      };
      expect(bench.blocks(() => bench.safe(createMf))).toBe(spent(createMf.length / 2 - 5, 0));
      expect(bench.blocks(() => bench.safe(binary))).toBe(spent(binary.length / 2 - 5, 0));
      expect(bench.blocks(() => bench.safe(command("00D60000", "AA".repeat(32))))).toBe(spent(32, 0));
      expect(bench.blocks(() => bench.safe("00B0000020"))).toBe(spent(0, 32));
      expect(bench.blocks(() => bench.safe("00B0000021"))).toBe(spent(0, 33));
      // Errors go bare.
      const bare = spent(2, 0) - (level & 0x10 ? cmac(18) : 0);
      expect(bench.blocks(() => expect(bench.safe("00A4000C020999")).toBe("6A82"))).toBe(bare);
    },
  );

  test("keys, proofs, PIN", () => {
    const bench = new Bench();
    bench.open(0x01);
    bench.safe(createMf);
    const { host } = bench;
    const key = (): string => hex(host?.wrapKey(unhex("A1".repeat(16))) ?? unhex(""));
    const pin = hex(host?.underDek(unhex(`03${pinBlock}80000000000000`)) ?? unhex(""));
    // The key under the DEK, and its KCV.
    for (const kid of ["01", "10"]) {
      expect(bench.blocks(() => bench.safe(command(`80D800${kid}`, `01${key()}`)))).toBe(
        cmac(16 + 5 + 24) + 2,
      );
    }
    expect(bench.blocks(() => bench.safe(command("00240181", pin)))).toBe(cmac(16 + 5 + 16) + 1);
    bench.safe(create("820101", "83020101", "80020050"));
    const prove = command("805C0101", `10${"00".repeat(16)}`);
    expect(bench.blocks(() => bench.safe(prove))).toBe(cmac(16 + 5 + 17) + cmac(1 + 10 + 16 + 2 + 2 + 0x50));
    expect(bench.blocks(() => bench.say(command("00200081", pinBlock)))).toBe(0);
    expect(bench.blocks(() => bench.say(command("00880001", "00".repeat(16))))).toBe(cmac(27));
    bench.say("0084000010");
    expect(bench.blocks(() => bench.say(command("00820001", "00".repeat(16))))).toBe(cmac(27));
    bench.say("0084000010");
    expect(bench.blocks(() => bench.say(command("00820001", "00".repeat(32))))).toBe(cmac(43));
  });
});
