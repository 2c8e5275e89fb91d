/** Whoever carries a session's commands tries to lead the card elsewhere between two of them (docs/card-os.md, 11). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../../node/index.js";
import { image12, image13, image20, image21, image22 } from "../../../tools/bench.js";
import { Bench, command, completedStore, create, createMf, tlv } from "../../../tools/os-bench.js";
import { hex, unhex } from "../../bytes/index.js";
import { memoryStore } from "../index.js";

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

const zeros = new Uint8Array(16);
const kcvOfZeros = hex(nodeCrypto.aes(zeros).encrypt(new Uint8Array(16).fill(1)).subarray(0, 3));

/** PUT KEY of key 01 of the current DF, sixteen zeros. */
function putKey(on: Bench): string {
  const { host } = on;
  if (host === undefined) throw new Error("no session is open");
  return on.safe(command("80D80001", `01881110${hex(host.underDek(zeros))}03${kcvOfZeros}`));
}

/** Whether the DF that this SELECT leads to after a reset has the PIN. */
function hasPinAt(on: Bench, selection: string): boolean {
  on.reset();
  on.say(selection);
  return on.say(`0020008108${pinBlock}`) === kept;
}
const hasPin = (on: Bench, df: string): boolean => hasPinAt(on, `00A4000C02${df}`);

/** Whether DF `df` has a key 01. */
function hasKey(on: Bench, df: string): boolean {
  on.reset();
  on.say(`00A4000C02${df}`);
  return on.say(`0088000110${"00".repeat(16)}00`).endsWith(kept);
}

const CARD_MANAGER = "A000000151000000";
/** Names of which one begins with another, the longer one made first. */
const NAMED = [
  ["0C00", "A000000876010102"],
  ["0D00", "A0000008760101"],
] as const;
const p2 = fc.constantFrom("0C", "0D", "0E", "0F", "04");
const byFile = fc
  .tuple(
    fc.constantFrom("00", "01", "02", "03", "08", "09"),
    fc.constantFrom("0C", "0C", "04", "0E"),
    fc.constantFrom("3F00", "0A00", "0B00", "0C00", "0D00", "0101", "0A000101", "0E00", ""),
  )
  .map(([p1, how, data]) => command(`00A4${p1}${how}`, data));
const byName = fc
  .tuple(p2, fc.constantFrom(...NAMED.map(([, aid]) => aid), "A00000087601", CARD_MANAGER))
  .map(([how, data]) => command(`00A404${how}`, data));
const selection = fc.oneof(byFile, byName);

const lead = "00A4080C020B00";
/** A DF that is not on the card. */
const missing = "00A4040C07A0000008760101";

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

  test("so does one before the session, where the session's own SELECT fails", () => {
    const on = bench(image);
    on.reset();
    expect(on.say(lead)).toBe(kept);
    on.open();
    expect(on.safe(missing)).toBe("6A82");
    expect([putPin(on), putKey(on)]).toEqual([kept, `01${kcvOfZeros}${kept}`]);
    expect([hasPin(on, "0B00"), hasKey(on, "0B00")]).toEqual([true, true]);
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

  test("where its own SELECT fails, the session is gone: nothing that was made for one DF is put into another", () => {
    for (const put of [putPin, putKey]) {
      const on = bench(image);
      on.reset();
      expect(on.say(lead)).toBe(kept);
      on.open();
      expect(on.safe(missing)).toBe("6A82");
      const pages = on.writes(() => {
        expect(put(on)).toBe(gone);
      });
      expect(pages).toBe(0);
      expect(["0A00", "0B00", "3F00"].map((df) => hasPin(on, df) || hasKey(on, df))).toEqual([
        false,
        false,
        false,
      ]);
    }
  });

  const failing: readonly (readonly [string, string, RegExp])[] = [
    ["no such file", "00A4000C020C00", /^6A82$/],
    ["another P2", "00A4001C023F00", /^6A86$/],
    ["a length that no identifier has", "00A4000C013F", /^6700$/],
    ["fewer bytes of answer than there are", "00A40804020B0001", /^6C..$/],
  ];
  test.each(failing)("its own SELECT that fails ends it: %s", (_, sent, answer) => {
    for (const level of [0x01, 0x33] as const) {
      const on = bench(image, level);
      expect(on.safe(sent)).toMatch(answer);
      expect(on.safe("00A4000C023F00")).toBe(gone);
      expect(on.open()).toBe(kept);
    }
  });

  test("its own SELECT by the beginning of a name ends it, as the DF that it finds is not the one named", () => {
    const on = bench(image);
    const named = create("820138", "83020C00", tlv("84", "A0000008760101FF"), tlv("AB", "80011F9000"));
    for (const sent of ["00A4000C023F00", named, "00A4040C08A0000008760101FF"])
      expect(on.safe(sent)).toBe(kept);
    expect(on.safe("00A4040C08A000000151000000")).toBe(kept);
    expect(on.safe(missing)).toBe(name === "1.3" ? "6A82" : kept);
    expect(putPin(on)).toBe(gone);
    expect(hasPin(on, "0C00")).toBe(false);
  });

  test("its own SELECT of a deactivated DF leads there and keeps it", () => {
    const on = bench(image);
    for (const sent of [lead, "00440000", "00040000", "00A4000C023F00"]) expect(on.safe(sent)).toBe(kept);
    expect(on.safe(lead)).toBe("6283");
    expect(on.safe("00440000")).toBe(kept);
  });

  test("it begins at the MF, without a current EF and without rights of the DF before", () => {
    const on = bench(image);
    expect(on.safe(lead)).toBe(kept);
    expect(putPin(on)).toBe(kept);
    on.reset();
    for (const sent of [lead, `0020008108${pinBlock}`, "00A4020C020101"]) expect(on.say(sent)).toBe(kept);
    on.say("8050000008010203040506070800");
    // An EF is current, which nobody may read before it is active; then none is.
    expect(on.say("00B0000004")).toBe(gone);
    expect(on.say("00200081")).toBe(kept);
    on.open(0x01);
    expect(on.safe("00B0000004")).toBe("6986");
    expect(on.safe("00A4020C020101")).toBe("6A82");
    on.open(0x01);
    expect(on.safe(lead)).toBe(kept);
    expect(on.safe("00200081")).toBe("63C3");
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

  test("a PIN is put where its session's own SELECT leads a card after a reset, whatever was sent before, or nowhere", () => {
    const made = bench(image);
    const steps = [
      "00A4000C023F00",
      ...NAMED.map(([fid, aid]) => create("820138", `8302${fid}`, tlv("84", aid))),
    ];
    for (const sent of steps) {
      expect(made.safe(sent)).toBe(kept);
      expect(made.safe("00A4000C023F00")).toBe(kept);
    }
    const content = made.store.load();
    let put = 0;
    fc.assert(
      fc.property(
        fc.array(selection, { maxLength: 3 }),
        fc.array(selection, { maxLength: 2 }),
        (before, own) => {
          const on = new Bench(memoryStore(content));
          for (const sent of before) on.say(sent);
          on.open(0x33);
          for (const sent of own) on.safe(sent);
          if (putPin(on) !== kept) return;
          put++;
          on.reset();
          for (const sent of own) expect(on.say(sent)).toMatch(/9000$/);
          expect(on.say(`0020008108${pinBlock}`)).toBe(kept);
          const aid = /^00A404..(?:..)(.*)$/.exec(own.at(-1) ?? "")?.[1];
          const [fid] = [...NAMED, ["3F00", CARD_MANAGER]].find(([, whole]) => whole === aid) ?? [];
          expect(aid === undefined || (fid !== undefined && hasPin(on, fid))).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
    expect(put).toBeGreaterThan(30);
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
