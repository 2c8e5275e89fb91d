import { describe, expect, test } from "vitest";
import { image20, image21 } from "../../../../tools/bench.js";
import { Bench, command, completedStore, create, createMf } from "../../../../tools/os-bench.js";
import { type EepromStore, type Fault, makeVirtualCard } from "../../index.js";
import { nodeCrypto, random } from "../../../../node/index.js";
import { cardOn, TearingStore, tears } from "../../../../tools/tearing.js";

const draw = (tries: string, length: string, p2 = "81", p1 = "00"): string =>
  `805E${p1}${p2}02${tries}${length}00`;
const select = "00A4000C020100";

/** MF, DF 0100; nothing else. */
function bench(image = image21, ...faults: Fault[]): Bench {
  const made = new Bench(completedStore(image), ...faults);
  made.open(0x33);
  for (const sent of [createMf, create("820138", "83020100")])
    expect(`${sent}: ${made.safe(sent)}`).toBe(`${sent}: 9000`);
  made.reset();
  return made;
}

/** In a session of this level, the DF selected. */
function opened(on: Bench, level: 0x01 | 0x03 | 0x11 | 0x13 | 0x33 = 0x33): Bench {
  on.reset();
  on.open(level);
  expect(on.safe(select)).toMatch(/9000$/);
  return on;
}
const verify = (block: string): string => command("00200081", block);

describe("DRAW REFERENCE DATA", () => {
  test("a PIN of so many digits with so many tries, told in this answer; it opens the card", () => {
    for (const length of [4, 5, 6, 12]) {
      const on = opened(bench());
      const hexLength = length.toString(16).toUpperCase();
      let answer = "";
      // Two page writes, as for every secret that takes another's place.
      expect(on.writes(() => (answer = on.safe(draw("03", `0${hexLength}`))))).toBe(2);
      expect(answer).toMatch(
        new RegExp(`^2${hexLength}\\d{${String(length)}}F{${String(14 - length)}}9000$`),
      );
      const block = answer.slice(0, 16);
      on.reset();
      on.say(select);
      expect(on.say("00200081")).toBe("63C3");
      const wrong = block.replace(
        /^(2.)(\d)/,
        (_, head: string, digit: string) => head + String((Number(digit) + 1) % 10),
      );
      expect([on.say(verify(wrong)), on.say(verify(block))]).toEqual(["63C2", "9000"]);
    }
  });

  test("nobody reads it again: no command of the card answers it", () => {
    const on = opened(bench());
    const block = on.safe(draw("03", "08")).slice(0, 16);
    const answers: string[] = [];
    for (let ins = 0; ins < 256; ins += 2)
      for (const cla of ["00", "80"])
        for (const p2 of ["00", "81"]) {
          if (cla === "80" && ins === 0x5e) continue;
          const header = cla + ins.toString(16).padStart(2, "0").toUpperCase() + `00${p2}`;
          answers.push(on.say(`${header}00`), on.say(command(header, "00")));
        }
    expect(answers.filter((answer) => answer.includes(block))).toEqual([]);
  });

  test("a second one takes the place of the first, and nothing of that is left in the memory", () => {
    const on = opened(bench());
    const first = on.safe(draw("03", "0C")).slice(0, 16);
    const second = on.safe(draw("05", "0C")).slice(0, 16);
    expect(second).not.toBe(first);
    const memory = Buffer.from(on.store.load()).toString("hex").toUpperCase();
    expect([memory.includes(first.slice(2, 14)), memory.includes(second.slice(2, 14))]).toEqual([
      false,
      true,
    ]);
    on.reset();
    on.say(select);
    expect([on.say(verify(first)), on.say(verify(second))]).toEqual(["63C4", "9000"]);
  });

  test.each([0x01, 0x03, 0x11, 0x13] as const)(
    "a session of level %i, which would show it to others: refused",
    (level) => {
      const on = opened(bench(), level);
      expect(on.writes(() => expect(on.safe(draw("03", "04"))).toBe("6982"))).toBe(0);
      on.reset();
      on.say(select);
      expect(on.say("00200081")).toBe("6A88");
    },
  );

  test("without a session, and what is out of range: refused, nothing written", () => {
    const on = bench();
    on.say(select);
    expect(on.writes(() => expect(on.say(draw("03", "04"))).toBe("6982"))).toBe(0);
    opened(on);
    for (const [sent, answer] of [
      [draw("00", "04"), "6A80"],
      [draw("10", "04"), "6A80"],
      [draw("03", "03"), "6A80"],
      [draw("03", "0D"), "6A80"],
      ["805E0081010300", "6700"],
      ["805E008103030400", "6700"],
      [draw("03", "04", "81", "01"), "6A86"],
      [draw("03", "04", "83"), "6A88"],
      [draw("03", "04", "82"), "6985"],
    ] as const)
      expect([sent, on.writes(() => expect([sent, on.safe(sent)]).toEqual([sent, answer]))]).toEqual([
        sent,
        0,
      ]);
  });

  test("image 2.0 cannot", () => {
    const on = opened(bench(image20));
    expect(on.safe(draw("03", "04"))).toBe("6D00");
  });

  test("a generator that gives no digit: refused, and the PIN before it stays", () => {
    const store = bench().store;
    const silent: EepromStore = store;
    const card = makeVirtualCard({
      eeprom: silent,
      random: (length) => new Uint8Array(length).fill(0xff),
      crypto: nodeCrypto,
    });
    const on = new Bench(store);
    on.card = card;
    opened(on);
    expect(on.writes(() => expect(on.safe(draw("03", "04"))).toBe("6400"))).toBe(0);
  });

  test("every digit comes in every place about as often as any other", () => {
    const store = bench().store;
    const on = new Bench(store);
    on.card = makeVirtualCard({ eeprom: store, random, crypto: nodeCrypto });
    opened(on);
    const seen = Array.from({ length: 4 }, () => Array.from({ length: 10 }, () => 0));
    const draws = 1000;
    for (let n = 0; n < draws; n++) {
      const digits = on.safe(draw("03", "04")).slice(2, 6);
      Array.from(digits).forEach((digit, place) => {
        const counts = seen[place] ?? [];
        counts[Number(digit)] = (counts[Number(digit)] ?? 0) + 1;
      });
    }
    // A hundred expected; six standard deviations are 57.
    for (const counts of seen)
      for (const count of counts) expect(Math.abs(count - draws / 10)).toBeLessThan(58);
  });

  test("torn at each of its page writes: the PIN before it or the new one, and never half of either", () => {
    const start = opened(bench());
    const before = start.safe(draw("03", "0C")).slice(0, 16);
    const content = start.store.load();
    for (const tear of Object.values(tears))
      for (const write of [1, 2]) {
        const silicon = new TearingStore(content, tear);
        const on = new Bench(completedStore(image21));
        on.card = makeVirtualCard({ eeprom: silicon, random, crypto: nodeCrypto });
        opened(on);
        silicon.arm(write);
        expect(on.safe(draw("05", "0C"))).toBe("mute");
        const again = cardOn(silicon);
        const after = new Bench(completedStore(image21));
        after.card = again;
        after.reset();
        after.say(select);
        const state = after.say("00200081");
        const isOld = after.say(verify(before)) === "9000";
        expect([state, isOld]).toEqual(state === "63C3" ? ["63C3", true] : ["63C5", false]);
      }
  });
});
