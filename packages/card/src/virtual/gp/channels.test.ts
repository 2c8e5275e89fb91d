import { describe, expect, test } from "vitest";
import { aes, des, GpBench, keysOf, selectOf } from "../../../tools/gp-bench.js";
import { concat, hex, unhex } from "../../bytes/index.js";
import { getCardData, initializeUpdate, openChannel, storeStream } from "../../globalplatform/index.js";

const channels = [
  ...[0x15, 0x35, 0x55, 0x75].flatMap((i02) =>
    [0x00, 0x01, 0x03, ...((i02 & 0x20) === 0 ? [] : [0x11, 0x13])].map((level) => ({
      name: `SCP02 i=${i02.toString(16)}`,
      level,
      chip: { keySets: [des()], i02 },
      keys: keysOf(16),
      i02: i02 as 0x15,
      size: 8,
    })),
  ),
  ...[0x00, 0x10, 0x20, 0x30, 0x60, 0x70, 0x01, 0x71].flatMap((i03) =>
    ([16, 24, 32] as const).flatMap((length) =>
      [0x01, 0x03, 0x11, 0x13, 0x33]
        .filter((level) => (((level & 0x30) << 1) & ~i03) === 0)
        .map((level) => ({
          name: `SCP03 i=${i03.toString(16).padStart(2, "0")} AES-${String(length * 8)}`,
          level,
          chip: { keySets: [aes(length)], i03 },
          keys: keysOf(length),
          i02: 0x55 as const,
          size: (i03 & 1) === 0 ? 8 : 16,
        })),
    ),
  ),
];
const opened = (one: (typeof channels)[number], bench: GpBench) =>
  bench.open({
    keys: one.keys,
    level: one.level,
    i02: one.i02,
    hostChallenge: new Uint8Array(one.size).fill(0x5a),
  });

describe("every channel, by two writings of one standard", () => {
  test("there are many", () => expect(channels.length).toBeGreaterThan(60));
  test.each(channels.filter(({ level }) => level === 0))(
    "$name, level 0 authenticates, and manages nothing",
    (one) => {
      const bench = new GpBench(one.chip);
      const session = opened(one, bench);
      const ask = { cla: 0x80, ins: 0xf2, p1: 0x80, p2: 2, data: unhex("4F00"), le: 256 };
      expect(bench.secured(session, ask)).toBe("6982");
    },
  );
  test.each(channels.filter(({ level }) => level !== 0))("$name, level $level", (one) => {
    const bench = new GpBench(one.chip);
    for (let round = 0; round < 2; round++) {
      const session = opened(one, bench);
      expect(session.challengeChecked).toBe(
        "keySets" in one.chip &&
          ("i02" in one.chip ? (one.chip.i02 & 0x40) !== 0 : (one.chip.i03 & 0x10) !== 0),
      );
      const iin = concat(unhex("4210"), new Uint8Array(16).fill(round));
      expect(bench.secured(session, storeStream(iin)[0] ?? openChannel())).toBe("9000");
      const { data } = bench.secure(session, getCardData(0x42));
      expect(hex(data)).toBe(hex(iin));
      // A refusal in between, and nothing is out of step.
      expect(bench.secured(session, getCardData(0x45))).toBe("6A88");
      expect(bench.secure(session, getCardData(0x66)).data.length).toBeGreaterThan(30);
    }
  });
  test.each(channels.filter(({ level }) => level !== 0))(
    "$name, level $level: one bit wrong ends it",
    (one) => {
      const bench = new GpBench(one.chip);
      const session = opened(one, bench);
      const command = session.wrap(storeStream(unhex("420142"))[0] ?? openChannel());
      const data = command.data?.slice() ?? new Uint8Array(0);
      data[data.length - 1] = (data[data.length - 1] ?? 0) ^ 1;
      expect(bench.say({ ...command, data })).toBe("6982");
      // The channel is gone: not even the right command is taken.
      expect(bench.say(command)).toBe("6982");
      expect(bench.say(getCardData(0x42))).toBe("6A88");
    },
  );
});

describe("the channel's rules", () => {
  test("a wrong host: one try, counted before the comparison; each failure slower, the tenth locks a SECURED card", () => {
    const bench = new GpBench({ life: "secured" });
    const good = keysOf(16);
    const times: number[] = [];
    for (let failure = 1; failure <= 10; failure++) {
      const answer = bench.send(initializeUpdate({ kvn: 0, hostChallenge: new Uint8Array(8) }));
      expect(answer.sw).toBe(0x9000);
      const before = bench.card.elapsedMicros;
      const wrong = { cla: 0x84, ins: 0x82, p1: 0x01, p2: 0, data: new Uint8Array(16) };
      expect(bench.say(wrong)).toBe("6300");
      times.push(Math.round((bench.card.elapsedMicros - before) / 100_000));
    }
    expect(times).toEqual([0, 0, 1, 2, 4, 8, 16, 32, 64, 128]);
    bench.power();
    expect(bench.say(initializeUpdate({ kvn: 0, hostChallenge: new Uint8Array(8) }))).toBe("6983");
    expect(() => bench.open({ keys: good, level: 1 })).toThrow("6983");
    expect(bench.say(selectOf(""))).toBe("6283");
  });
  test("a right one gives the tries back", () => {
    const bench = new GpBench({});
    for (let round = 0; round < 3; round++) {
      for (let failure = 0; failure < 9; failure++) {
        bench.send(initializeUpdate({ kvn: 0, hostChallenge: new Uint8Array(8) }));
        expect(bench.say({ cla: 0x84, ins: 0x82, p1: 0x01, p2: 0, data: new Uint8Array(16) })).toBe("6300");
      }
      bench.open({ keys: keysOf(16), level: 0x33 });
    }
  });
  test("levels that i does not allow, and commands out of order", () => {
    const bench = new GpBench({ i03: 0x10 });
    expect(() => bench.open({ keys: keysOf(16), level: 0x33 })).toThrow("security level 33");
    bench.send(initializeUpdate({ kvn: 0, hostChallenge: new Uint8Array(8) }));
    expect(bench.say({ cla: 0x84, ins: 0x82, p1: 0x33, p2: 0, data: new Uint8Array(16) })).toBe("6A86");
    expect(bench.say({ cla: 0x84, ins: 0x82, p1: 0x01, p2: 0, data: new Uint8Array(16) })).toBe("6985");
    expect(bench.say(initializeUpdate({ kvn: 0x31, hostChallenge: new Uint8Array(8) }))).toBe("6A88");
    expect(bench.say(initializeUpdate({ kvn: 0, hostChallenge: new Uint8Array(16) }))).toBe("6700");
    const session = bench.open({ keys: keysOf(16), level: 1 });
    // A plain command of the domain inside the channel ends it; GET DATA does not.
    expect(bench.say(getCardData(0xe0))).toBe("9000");
    expect(bench.secured(session, getCardData(0xe0))).toBe("9000");
    expect(bench.say({ cla: 0x80, ins: 0xf2, p1: 0x80, p2: 2, data: unhex("4F00"), le: 256 })).toBe("6982");
    expect(bench.say(session.wrap(getCardData(0xe0)))).toBe("6982");
  });
  test.each([
    ["READ BINARY", { cla: 0x00, ins: 0xb0, p1: 0, p2: 0, le: 1 }],
    ["an unknown instruction", { cla: 0x80, ins: 0xee, p1: 0, p2: 0 }],
    [
      "one that came secured, and nobody unwraps",
      { cla: 0x84, ins: 0xee, p1: 0, p2: 0, data: new Uint8Array(8) },
    ],
    ["INSTALL in another class", { cla: 0x00, ins: 0xe6, p1: 0x20, p2: 0, data: unhex("00000000000000") }],
  ])("%s inside the channel ends it: what was secured for later is not done", (_, sent) => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 1 });
    expect(bench.say(sent)).toBe("6982");
    expect(bench.say(session.wrap(getCardData(0xe0)))).toBe("6982");
    expect(bench.say(sent)).toBe("6D00");
  });
  test("SELECT inside the channel is done and ends it, where it finds nothing it changes nothing", () => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 1 });
    expect(bench.say(selectOf("A0000000999999"))).toBe("6A82");
    expect(bench.secured(session, getCardData(0xe0))).toBe("9000");
    expect(bench.say(selectOf(""))).toBe("9000");
    expect(bench.say(session.wrap(getCardData(0xe0)))).toBe("6982");
  });
  test("MANAGE CHANNEL, channels in the class byte and chaining are refused, and nothing else happens", () => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 1 });
    expect(bench.say(openChannel())).toBe("6881");
    expect(bench.say({ cla: 0x81, ins: 0xca, p1: 0, p2: 0xe0, le: 256 })).toBe("6881");
    expect(bench.say({ cla: 0xc0, ins: 0xca, p1: 0, p2: 0xe0, le: 256 })).toBe("6881");
    expect(bench.say({ cla: 0x90, ins: 0xca, p1: 0, p2: 0xe0, le: 256 })).toBe("6884");
    expect(bench.secured(session, getCardData(0xe0))).toBe("9000");
  });
});
