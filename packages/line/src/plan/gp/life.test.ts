import { hex, unhex } from "@persoline/card/bytes";
import { diversifyKdf3 } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import { completedTiming, estimate, explain, explanationText } from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import { prepare, recordProblems } from "../prepare.js";
import {
  chip,
  GpHead,
  kinds,
  livedUntil,
  memoryText,
  pinDigits,
  secretsOf,
  planned,
  productText,
  programOf,
  programsOf,
  record,
  scp11Text,
  scp02Text,
  serial,
  withPin,
} from "./life.test.data.js";

describe.each(kinds)("a card's life, %s", (_, text) => {
  test("passes every station, and the maker's keys are nowhere in it", async () => {
    const head = await livedUntil(text, "end");
    expect(head.tries).toBe(10);
    expect(await head.run(programOf(text, "proof"))).toMatchObject({ kind: "passed" });
    // Issued already: the first question of a new round tells.
    expect(await head.run(programOf(text, "test"))).toMatchObject({ kind: "rejected", code: "foreign-card" });
    const maker = diversifyKdf3(nodeCrypto, unhex("404142434445464748494A4B4C4D4E4F"), unhex(serial));
    expect(memoryText(head)).not.toContain(hex(maker.enc));
  });

  test("planned times are close to the card's own clock", async () => {
    for (const name of ["initialisation", "personalization", "proof"]) {
      const head = await livedUntil(text, name);
      const before = head.card.elapsedMicros;
      expect((await head.run(programOf(text, name))).kind).toBe("passed");
      const ms = (head.card.elapsedMicros - before) / 1000;
      const least = estimate(programOf(text, name), completedTiming).ms;
      expect(`${name} ${String(least <= ms * 1.02)}`).toBe(`${name} true`);
      expect(least / ms).toBeGreaterThan(0.5);
    }
  });
});

test("a key that the chip keeps otherwise than it was told to is found by the proof, which nobody can read", async () => {
  const compiled = planned(productText);
  const head = new GpHead(chip(compiled), [{ kind: "stores-wrong", grouping: 0x8101, byte: 5 }]);
  for (const [station, program] of programsOf(compiled)) {
    if (station === "proof") break;
    expect([station, (await head.run(program)).kind]).toEqual([station, "passed"]);
  }
  expect(await head.run(programOf(productText, "proof"))).toMatchObject({
    kind: "rejected",
    code: "proof-wrong",
    detail: expect.stringContaining("access proves key 01") as string,
  });
});

test("SCP11: the maker's hosts are out of the card once it is the issuer's", async () => {
  const head = await livedUntil(scp11Text, "end");
  const before = head.card.counters.pagesWritten;
  const end = await head.run(planned(scp11Text).terminationInitial);
  expect(end).toMatchObject({ kind: "rejected", code: "card-cryptogram" });
  expect(head.card.counters.pagesWritten).toBe(before);
  expect((await head.run(programOf(scp11Text, "proof"))).kind).toBe("passed");
});

test("SCP11: a chip without its certificate's private key hears of nothing but the agreement", async () => {
  const compiled = planned(scp11Text);
  const head = new GpHead(chip(compiled), [{ kind: "wrong-loader-key" }]);
  expect(await head.run(compiled.initialisation)).toMatchObject({
    kind: "rejected",
    code: "card-cryptogram",
  });
  expect([head.card.counters.apdus, head.card.counters.pagesWritten, head.tries]).toEqual([3, 0, 10]);
});

describe("keys are asked for, never tried", () => {
  test("a torn PUT KEY sends no INITIALIZE UPDATE before the key information template was read", async () => {
    const program = programOf(productText, "personalization");
    const before = (await livedUntil(productText, "personalization")).store.load();
    const last = estimate(program, completedTiming).apdus - 1;
    const head = new GpHead(before);
    head.trouble = { command: last, lost: "answer", how: "mute" };
    const sent: string[] = [];
    const transmit = head.card.transmit.bind(head.card);
    head.card.transmit = (apdu) => {
      sent.push(hex(apdu.subarray(0, 4)));
      return transmit(apdu);
    };
    expect((await head.run(program)).kind).toBe("passed");
    // After PUT KEY, whose answer was lost: the question, and nothing more.
    expect(sent.slice(sent.findIndex((text) => text.startsWith("84D8")) + 1)).toEqual(["80CA00E0"]);
  });
  test("a card with keys of another maker: one INITIALIZE UPDATE, no EXTERNAL AUTHENTICATE, all tries left", async () => {
    const compiled = planned(productText);
    const head = new GpHead(chip(compiled), [{ kind: "wrong-loader-key" }]);
    const before = head.card.counters.pagesWritten;
    const end = await head.run(compiled.initialisation);
    expect(end).toMatchObject({ kind: "rejected", code: "card-cryptogram" });
    expect(head.card.counters.apdus).toBe(1);
    expect(head.card.counters.pagesWritten).toBe(before);
    expect(head.tries).toBe(10);
  });
});

/** What a card tells of its keys before a try is risked (docs/cards-and-readers.md, "Tries"). */
describe.each([
  ["SCP03", productText, 0xff_ffff],
  ["SCP02", scp02Text, 0xffff],
])("a blank whose keys somebody has used, %s", (_, text, dead) => {
  const compiled = planned(text);
  /** Wrong keys, as often as this. */
  const tried = (head: GpHead, times: number): GpHead => {
    head.card.powerOn();
    for (let at = 0; at < times; at++) {
      head.card.transmit(unhex("8050000008010203040506070800"));
      head.card.transmit(unhex(`8482010010${"00".repeat(16)}`));
    }
    head.card.powerOff();
    return head;
  };
  /** How the first session ends, which commands went, and that nothing was written. */
  const begun = async (head: GpHead) => {
    const sent: number[] = [];
    const transmit = head.card.transmit.bind(head.card);
    head.card.transmit = (apdu) => {
      sent.push(apdu[1] ?? 0);
      return transmit(apdu);
    };
    const [pages, tries] = [head.card.counters.pagesWritten, head.tries];
    const end = await head.run(compiled.initialisation);
    expect([head.card.counters.pagesWritten, head.tries]).toEqual([pages, tries]);
    return { end: end.kind === "rejected" ? `${end.code}: ${end.detail}` : end.kind, sent };
  };

  test("the first test asks for no session: there are cards that count every question as a failure", async () => {
    const head = new GpHead(chip(compiled));
    expect((await head.run(compiled.test)).kind).toBe("passed");
    expect(compiled.test.segments.flatMap(({ steps }) => steps.map(({ ins }) => ins))).not.toContain(0x50);
  });
  test("blocked, it is thrown out at its one question, with its status word", async () => {
    const head = tried(new GpHead(chip(compiled)), 10);
    expect(head.tries).toBe(0);
    const { end, sent } = await begun(head);
    expect(end).toMatch(/^command-refused: .*INITIALIZE UPDATE.*6983/);
    expect(sent).toEqual([0x50]);
  });
  test("with one try left, and other keys than ours: that try is not risked", async () => {
    const head = tried(new GpHead(chip(compiled), [{ kind: "wrong-loader-key" }]), 9);
    expect(head.tries).toBe(1);
    const { end, sent } = await begun(head);
    expect(end).toMatch(/^card-cryptogram/);
    expect(sent).toEqual([0x50]);
  });
  test("with one try left, and our keys: it is opened, and has all its tries again", async () => {
    const head = tried(new GpHead(chip(compiled)), 9);
    expect((await head.run(compiled.initialisation)).kind).toBe("passed");
    expect(head.tries).toBe(10);
  });
  test("with 256 sessions left it is good, with one fewer it is thrown out before anything is proved to it", async () => {
    expect((await new GpHead(chip(compiled, dead - 256)).run(compiled.initialisation)).kind).toBe("passed");
    const { end, sent } = await begun(new GpHead(chip(compiled, dead - 255)));
    expect(end).toMatch(/^keys-used-up: .*leaves 255 sessions/);
    expect(sent).toEqual([0x50]);
  });
});

describe("a reject is ended for ever", () => {
  test.each([
    ["personalization", "terminationInitial"],
    ["end", "termination"],
  ] as const)("before %s by %s", async (until, name) => {
    const head = await livedUntil(productText, until);
    const compiled = planned(productText);
    expect((await head.run(compiled[name])).kind).toBe("passed");
    expect(await head.run(programOf(productText, "proof"))).toMatchObject({ kind: "rejected" });
  });
});

describe.each([
  ["SCP03", withPin(productText)],
  ["SCP02", withPin(scp02Text)],
])("the holder's PIN, %s", (_, text) => {
  const block = (digits: string): string => `2${String(digits.length)}${digits}`.padEnd(16, "F");
  const wrong = (digits: string): string =>
    digits.startsWith("0") ? `1${digits.slice(1)}` : `0${digits.slice(1)}`;
  const pinOf = (product: string): string => pinDigits(secretsOf([programOf(product, "personalization")]));
  const on = async () => {
    const head = await livedUntil(text, "end");
    head.card.powerOn();
    const say = (apdu: string): string => hex(head.card.transmit(unhex(apdu)) ?? new Uint8Array(0));
    expect(say("00A4040008A00000087602010100")).toMatch(/9000$/);
    return { head, say };
  };

  test("is the one that was drawn: it opens what is its own, and can be changed", async () => {
    const { say } = await on();
    const pin = pinOf(text);
    expect(say("00CA040100")).toBe("6982");
    expect(say(`0020008108${block(pin)}`)).toBe("9000");
    expect(say("00CA040100")).toMatch(/^47502D3030313037 ?9000$/);
    expect(say(`0024008110${block(wrong(pin))}${block("2468")}`)).toBe("63C2");
    expect(say("00CA040100")).toBe("6982");
    expect(say(`0024008110${block(pin)}${block("2468")}`)).toBe("9000");
    expect(say(`0020008108${block("2468")}`)).toBe("9000");
    expect(say(`0020008108${block(pin)}`)).toBe("63C2");
  });

  test("has three tries, which the proof wants to see whole; then it is blocked, and tells nothing", async () => {
    const { head, say } = await on();
    const pin = pinOf(text);
    expect(say("00200081")).toBe("63C3");
    expect(say(`0020008108${block(wrong(pin))}`)).toBe("63C2");
    expect(await head.run(programOf(text, "proof"))).toMatchObject({
      kind: "rejected",
      code: "wrong-answer",
    });
    head.card.powerOn();
    say("00A4040008A00000087602010100");
    expect(say("0020008108AABBCCDDEEFF0011")).toBe("6A80");
    for (const left of ["63C1", "63C0", "6983"]) expect(say(`0020008108${block(wrong(pin))}`)).toBe(left);
    expect(say(`0020008108${block(pin)}`)).toBe("6983");
    expect(say("00200081")).toBe("6983");
    expect(say("00CA828100")).toBe("6A88");
    expect(say("00CA7E8100")).toBe("6A88");
    expect(say("0020008208FFFFFFFFFFFFFFFF")).toBe("6A88");
  });

  test("torn at every page write of VERIFY: no try is won, none but this one lost", async () => {
    const { head } = await on();
    const before = head.store.load();
    const wrongBlock = block(wrong(pinOf(text)));
    const lefts: string[] = [];
    for (let write = 1, answered = false; !answered; write++) {
      const torn = new GpHead(before, [{ kind: "torn-at", write }]);
      torn.card.powerOn();
      torn.card.transmit(unhex("00A4040008A00000087602010100"));
      answered = torn.card.transmit(unhex(`0020008108${wrongBlock}`)) !== undefined;
      const after = new GpHead(torn.store.load());
      after.card.powerOn();
      after.card.transmit(unhex("00A4040008A00000087602010100"));
      lefts.push(hex(after.card.transmit(unhex("00200081")) ?? new Uint8Array(0)));
    }
    // The last one was not torn; of the others each has its old tries or one less.
    expect(lefts.length).toBeGreaterThan(1);
    expect(lefts.at(-1)).toBe("63C2");
    expect(lefts.filter((left) => left !== "63C3" && left !== "63C2")).toEqual([]);
  });
});

test("explain names keys and shows none; every command has its clause", () => {
  for (const [, text] of kinds) {
    const shown = programsOf(planned(text)).map(([, program]) =>
      explanationText(explain(program, completedTiming)),
    );
    const whole = shown.join("\n");
    expect(whole).toContain("⟨key access-app kid 01⟩");
    expect(whole).toContain("⟨check value of key access-app kid 01⟩");
    expect(whole).toMatch(/⟨key set gp-issuer(-des)? as version (30|20)⟩/);
    expect(whole).toContain("SELECT");
  }
});

test("what does not fit is told by its column, without the value", () => {
  const compiled = planned(productText);
  const long = { ...record, fields: { ...record.fields, department: "Ж".repeat(130) } };
  const problems = recordProblems(compiled, long, { order: "GP-26-1", file: "people.csv" });
  expect(problems).toMatchObject([{ column: "Department", code: "does-not-fit", row: 4 }]);
  expect(JSON.stringify(problems)).not.toContain("Ж");
  expect(() => prepare(compiled, long, { order: "GP-26-1" })).toThrow("grouping 0102");
});
