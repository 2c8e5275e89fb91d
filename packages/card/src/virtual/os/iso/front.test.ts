import { describe, expect, test } from "vitest";
import { image20, powered } from "../../../../tools/bench.js";
import { Bench, command, completedStore, create, createMf, tlv, wrong } from "../../../../tools/os-bench.js";
import { hex } from "../../../bytes/index.js";
import { completedTiming, exchangeWire } from "../../../program/index.js";

const all = tlv("AB", "80011F9000");
/** An active EF of 1,000 bytes (SFI 1) under an active MF, all allowed to all. */
function bench(): Bench {
  const made = new Bench(completedStore(image20));
  made.open(0x01);
  for (const sent of [createMf, create("820101", "83020101", "800203E8", "880108", all), "00440000"]) {
    expect(`${sent}: ${made.safe(sent)}`).toBe(`${sent}: 9000`);
  }
  made.reset();
  return made;
}

const extended = (header: string, data: string, le = ""): string =>
  `${header}00${(data.length / 2).toString(16).padStart(4, "0")}${data}${le}`;

test("ATR says chains, extended lengths and partial names", () => {
  expect(powered(bench().card)).toBe("3B9C968131FE458073F621C06650534C4F020081");
});

describe("class bytes", () => {
  test.each([
    ["01A4000C00", "6881"],
    ["03B0000001", "6881"],
    ["0DB0000001", "6881"],
    ["40B0000001", "6881"],
    ["7FB0000001", "6881"],
    ["81CA006600", "6881"],
    ["0070000001", "6881"],
    ["0070800100", "6881"],
    ["08B0000001", "6882"],
    ["88CA006600", "6882"],
    ["0CB0000001", "6985"],
    ["14D6000001AA", "6884"],
    ["1CD6000001AA", "6884"],
    ["90CA006600", "6884"],
    ["20B0000001", "6E00"],
    ["3FB0000001", "6E00"],
    ["A0B0000001", "6E00"],
    ["C0B0000001", "6E00"],
    ["FFB0000001", "6E00"],
    ["0061000001", "6D00"],
    ["0090000001", "6D00"],
    ["00EE000001", "6D00"],
    ["80EE000001", "6D00"],
  ])("%s: %s", (sent, answered) => {
    expect(wrong(bench(), [[sent, answered]])).toEqual([]);
  });
});

describe("lengths", () => {
  const mf = "620A82013883023F008A0103";
  const block = "5A".repeat(600);
  test("all cases, short and extended", () => {
    expect(
      wrong(bench(), [
        ["00A40000", "9000"],
        ["00CA00CF", "9000"],
        ["00A400000000", "6700"],
        ["00A4000002", "6C0C"],
        ["00A40000023F00", "9000"],
        ["00A40004023F0000", `${mf}9000`],
        [extended("00A40004", "3F00", "0000"), `${mf}9000`],
        [extended("00A4000C", "3F00"), "9000"],
        ["00A40004000009", "6C0C"],
        [extended("00D68100", block), "9000"],
        ["00B00000000258", `${block}9000`],
        ["00B00000000000", `${block}${"00".repeat(400)}9000`],
        ["00B0000000", `${"5A".repeat(256)}9000`],
        ["00B00258000200", `${"00".repeat(400)}6282`],
        ["00B00000000401", "6700"],
        ["00B00000", "6700"],
        [extended("00B00000", "AA", "0000"), "6700"],
        ["00D60000000000", "6700"],
        ["00D6000000000101", "9000"],
        ["00D60000000002AA", "6700"],
        ["00D600000000", "6700"],
        [extended("00D60000", "11".repeat(1025)), "6700"],
        [extended("80CA0066", "", ""), "6700"],
      ]),
    ).toEqual([]);
  });
});

test.each([1, 255, 256, 700, 1000])(
  "UPDATE and READ of %i bytes last as long as the host reckons",
  (length) => {
    const on = bench();
    on.say("00A4000C020101");
    const cost = (sent: string): number => {
      const before = on.card.elapsedMicros;
      on.say(sent);
      return on.card.elapsedMicros - before;
    };
    const update = extended("00D60000", "5A".repeat(length));
    const pages = 2 * Math.ceil(length / 64) + 2;
    const reckoned = exchangeWire(completedTiming, update.length / 2, 2).micros + pages * 3500;
    expect(cost(update)).toBeCloseTo(reckoned, 3);
    const read = `00B0000000${length.toString(16).padStart(4, "0")}`;
    expect(cost(read)).toBeCloseTo(exchangeWire(completedTiming, 7, length + 2).micros, 3);
  },
);

describe("chains", () => {
  test("data in pieces are one command", () => {
    const on = bench();
    on.say("00A40000");
    expect(
      wrong(on, [
        ["00A4000C020101", "9000"],
        ["10D6000003010203", "9000"],
        ["10D60000020405", "9000"],
        ["00D600000106", "9000"],
        ["00B0000007", "010203040506009000"],
        ["10A4000C0101", "9000"],
        ["00A4000C0101", "9000"],
        ["00B0000006", "0102030405069000"],
      ]),
    ).toEqual([]);
  });

  test("another command in between ends it, and nothing was written", () => {
    const on = bench();
    const none = on.writes(() => {
      expect(
        wrong(on, [
          ["00A4000C020101", "9000"],
          ["10D6000003010203", "9000"],
          ["00B0000003", "6883"],
          ["00B0000003", "0000009000"],
          ["10D6000003010203", "9000"],
          ["00D60001010A", "6883"],
          ["10D6000003010203", "9000"],
          ["10EE000001AA", "6883"],
          ["10EE000001AA", "6D00"],
          ["10D60000", "6700"],
          ["10D6000001AA00", "6700"],
          ["10D6000003010203", "9000"],
          ["80CA006600", "6883"],
        ]),
      ).toEqual([]);
      on.say("10D6000003010203");
      on.reset();
    });
    expect(none).toBe(0);
    expect(wrong(on, [["00A4000C020101", "9000"]])).toEqual([]);
    for (let sum = 255; sum <= 1275; sum += 255) {
      expect(on.say(command("10D60000", "22".repeat(255)))).toBe(sum <= 1020 ? "9000" : "6700");
    }
    // 1,021 bytes do not fit into an EF of 1,000.
    for (let piece = 0; piece < 4; piece++) on.say(command("10D60000", "22".repeat(255)));
    expect(on.say("00D600000122")).toBe("6A84");
  });
});

test("a terminated card still tells its number, whatever the length", () => {
  const on = new Bench(completedStore(image20));
  on.open(0x01);
  expect(on.safe("00FE0000")).toBe("9000");
  on.reset();
  expect(
    wrong(on, [
      ["00A40000", "6285"],
      ["00B0000001", "6985"],
      ["10D6000001AA", "6985"],
      ["00CA00CF000000", `CF0A${"5053000000000000002A"}9000`],
    ]),
  ).toEqual([]);
});

test("images 1.0 and 1.2 answer none of this", () => {
  const old = new Bench();
  const answers = ["00D0000001AA", "00220000", "10D6000001AA", "00B0000000 0000", "00CB3FFF025C0000"].map(
    (sent) => old.say(sent),
  );
  expect(answers).toEqual(["6D00", "6D00", "6884", "6700", "6D00"]);
  expect(hex(old.card.powerOn() ?? new Uint8Array(0)).slice(16, 24)).toBe("73B62100");
});
