/** Whoever carries a session's commands tries to lead the card elsewhere between two of them (docs/card-os.md, 11). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { image12, image13, image20, image21, image22 } from "../../../tools/bench.js";
import { Bench, completedStore, create, createMf, tlv } from "../../../tools/os-bench.js";
import { hex, unhex } from "../../bytes/index.js";

const kept = "9000";
const gone = "6982";
const pinBlock = "241234FFFFFFFFFF";

/** MF with DFs A (0A00) and B (0B00), an EF 0101 in each; a session is open in A, and its EF is current. */
function bench(image: Uint8Array, level: 0x01 | 0x33 = 0x33): Bench {
  const made = new Bench(completedStore(image));
  made.open(level);
  const rules = tlv("AB", "80011F9000");
  const steps = ["0A00", "0B00"].flatMap((df) => [
    create("820138", `8302${df}`, rules),
    create("820101", "83020101", "80020004", rules),
    "00D6000004AAAAAAAA",
    "00A4000C023F00",
  ]);
  for (const sent of [createMf, ...steps, "00A4000C020A00", "00A4020C020101"])
    expect(`${sent}: ${made.safe(sent)}`).toBe(`${sent}: 9000`);
  return made;
}

/** CHANGE REFERENCE DATA as a host that knows nothing of DFs but the current one sends it. */
function putPin(on: Bench): string {
  const { host } = on;
  if (host === undefined) throw new Error("no session is open");
  return on.safe(`0024018110${hex(host.underDek(unhex(`03${pinBlock}80000000000000`)))}`);
}

/** Whether DF `df` has the PIN. */
function hasPin(on: Bench, df: string): boolean {
  on.reset();
  on.say("00A4000C023F00");
  on.say(`00A4000C02${df}`);
  return on.say(`0020008108${pinBlock}`) === kept;
}

const lead = "00A4080C020B00";

describe.each([
  ["1.2", image12],
  ["2.0", image20],
  ["2.1", image21],
])("image %s stays as it is", (_, image) => {
  test("a plain SELECT in between leads the session's PIN into the other DF", () => {
    const on = bench(image);
    expect(on.say(lead)).toBe(kept);
    expect(putPin(on)).toBe(kept);
    expect([hasPin(on, "0A00"), hasPin(on, "0B00")]).toEqual([false, true]);
  });
});

describe.each([
  ["1.3", image13],
  ["2.2", image22],
])("image %s", (name, image) => {
  test("a plain SELECT in between is done and ends the session: the PIN is in neither DF", () => {
    const on = bench(image);
    expect(on.say(lead)).toBe(kept);
    expect(putPin(on)).toBe(gone);
    expect([hasPin(on, "0A00"), hasPin(on, "0B00")]).toEqual([false, false]);
  });

  test("without it the PIN is where the session's own SELECT led, also after another of them", () => {
    const on = bench(image);
    expect(putPin(on)).toBe(kept);
    expect(on.safe(lead)).toBe(kept);
    expect([hasPin(on, "0A00"), hasPin(on, "0B00")]).toEqual([true, false]);
  });

  const plain: readonly (readonly [string, string])[] = [
    ["READ BINARY of the current EF", "00B0000004"],
    ["READ BINARY by SFI, which makes another EF current", "00B0810004"],
    ["UPDATE BINARY of another EF", "00D6810001BB"],
    ["CREATE FILE", create("820101", "83020102", "80020004")],
    ["GET DATA of the card", "80CA006600"],
    ["GET DATA in the other class", "00CA006600"],
    ["GET CHALLENGE", "0084000010"],
    ["VERIFY", `0020008108${pinBlock}`],
    ["ACTIVATE FILE of the current file", "00440000"],
    ["a command of ours", "80F08007"],
    ["an unknown instruction", "00EE0000"],
    ["another logical channel", "01A4000C020B00"],
    ["the first of a chain", "10D6000001BB"],
    ["ISO secure messaging", "0CB0000004"],
    ["a selection in another class", "80A4000C020B00"],
  ];
  test.each(plain)("%s in plain is not done, and the session is gone", (_, sent) => {
    for (const level of [0x01, 0x33] as const) {
      const on = bench(image, level);
      const pages = on.writes(() => {
        expect(on.say(sent)).toBe(gone);
      });
      expect(pages).toBe(0);
      expect(on.safe("00A4000C023F00")).toBe(gone);
      // Nothing of it is left behind: the card goes on as without a session.
      expect(on.say("00A4000C023F00")).toBe(kept);
    }
  });

  test("whatever comes from outside, no command of the session is done after it", () => {
    const made = bench(image);
    const outside = fc
      .uint8Array({ minLength: 4, maxLength: 24 })
      .filter(([cla = 0]) => (cla & 0x7f) !== 0x04)
      .map((bytes) => hex(bytes));
    fc.assert(
      fc.property(outside, (sent) => {
        made.reset();
        made.open(0x01);
        expect(made.safe(lead)).toBe(kept);
        made.say(sent);
        expect(made.safe("00A4000C020101")).toBe(gone);
      }),
      { numRuns: 300 },
    );
  });

  test("a SELECT that fails ends the session too; INITIALIZE UPDATE opens another one", () => {
    const on = bench(image);
    expect(on.say("00A4000C020C00")).toBe("6A82");
    expect(on.safe("00A4000C023F00")).toBe(gone);
    expect(on.open()).toBe(kept);
    expect(on.open()).toBe(kept);
    expect(on.safe("00A4000C023F00")).toBe(kept);
  });

  test("before EXTERNAL AUTHENTICATE and after the session everything is as without it", () => {
    const on = bench(image);
    on.say("8050000008010203040506070800");
    expect(on.say("00A4000C023F00")).toBe(kept);
    expect(on.say("80CA006600")).toMatch(/9000$/);
    expect(on.say("8482330010" + "00".repeat(16))).toBe("6300");
    expect(on.say("00A4000C020A00")).toBe(kept);
    expect(on.say("00B0810004")).toBe("6A82");
  });

  test("its ATR says which image it is", () => {
    const [major = "", minor = ""] = name.split(".");
    const atr = hex(new Bench(completedStore(image)).card.powerOn() ?? new Uint8Array(0));
    expect(atr.slice(-6, -2)).toBe(`0${major}0${minor}`);
  });
});
