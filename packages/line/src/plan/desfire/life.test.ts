import { hex, unhex } from "@persoline/card/bytes";
import { diversifyAn10922 } from "@persoline/card/desfire";
import { nodeCrypto } from "@persoline/card/node";
import { atrTiming, completedTiming, estimate, explain, explanationText } from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import { prepare, recordProblems } from "../prepare.js";
import {
  chip,
  DesfireHead,
  ev1Text,
  kinds,
  livedUntil,
  masters,
  memoryText,
  planned,
  productText,
  programOf,
  programsOf,
  record,
  uid,
} from "./life.test.data.js";

const timing = atrTiming(completedTiming, unhex("3B8180018080"));

/** What AN10922 makes of a master, written here apart from the security module. */
const keyOf = (master: string, ...input: readonly string[]): string =>
  hex(diversifyAn10922(nodeCrypto, "AES-128", unhex(masters[master] ?? ""), unhex(input.join(""))));

describe.each(kinds)("a card's life, %s", (_, text) => {
  test("passes every station; each key is its place's own, and no proof was refused", async () => {
    const head = await livedUntil(text, "end");
    expect(head.refusedProofs).toBe(0);
    expect(await head.run(programOf(text, "proof"))).toMatchObject({ kind: "passed" });
    // Issued already: the first question of a new round tells.
    expect(await head.run(programOf(text, "test"))).toMatchObject({ kind: "rejected", code: "foreign-card" });
    const memory = memoryText(head);
    const tail = "4E4F52444B4149";
    const keys = [
      keyOf("desfire-picc", uid, "000000", tail),
      ...[0, 1, 2].map((key) => keyOf("desfire-access-app", uid, "F51C40", `0${key}`, tail)),
      ...[0, 1].map((key) => keyOf("desfire-canteen-app", uid, "F51C41", `0${key}`, tail)),
    ];
    for (const key of keys) expect(memory.includes(`${key}26`)).toBe(true);
    for (const master of Object.values(masters)) expect(memory).not.toContain(master);
  });

  test("planned times are within 3 % of the card's own clock, pages are the same", async () => {
    for (const name of ["test", "initialisation", "personalization", "proof"]) {
      const head = await livedUntil(text, name);
      const before = head.card.elapsedMicros;
      const pages = head.card.counters.pagesWritten;
      const apdus = head.card.counters.apdus;
      expect((await head.run(programOf(text, name))).kind).toBe("passed");
      const ms = (head.card.elapsedMicros - before) / 1000;
      const found = estimate(programOf(text, name), timing);
      expect([name, found.apdus, found.pages]).toEqual([
        name,
        head.card.counters.apdus - apdus,
        head.card.counters.pagesWritten - pages,
      ]);
      expect([name, Math.abs(found.ms / ms - 1) < 0.03]).toEqual([name, true]);
    }
  });
});

describe("keys are asked for, never tried", () => {
  test("a lost answer to the last ChangeKey of an application: versions are read, and no other key is used", async () => {
    const program = programOf(productText, "personalization");
    const before = (await livedUntil(productText, "personalization")).store.load();
    const head = new DesfireHead(before);
    const transmit = head.card.transmit.bind(head.card);
    let changes = 0;
    head.card.transmit = (apdu) => {
      const answer = transmit(apdu);
      // Keys 2, 1 and 0 of the first application: the answer to the third is lost, and the card with it.
      return apdu[1] === 0xc4 && ++changes === 3 ? undefined : answer;
    };
    expect((await head.run(program)).kind).toBe("passed");
    const third = head.heard.filter((apdu) => apdu.startsWith("90C4"))[2] ?? "";
    const after = head.heard.slice(head.heard.indexOf(third) + 1);
    expect(after.slice(0, 2)).toEqual(["905A000003401CF500", "9064000001" + "0000"]);
    expect(head.refusedProofs).toBe(0);
    expect((await head.run(programOf(productText, "proof"))).kind).toBe("passed");
  });

  test("a card whose own key is another's: one attempt, nothing written, and what the reject says", async () => {
    const before = (await livedUntil(productText, "end")).store.load();
    const head = new DesfireHead(before);
    const end = await head.run(planned(ev1Text).initialisation);
    expect(end).toMatchObject({
      kind: "rejected",
      code: "card-cryptogram",
      detail: expect.stringContaining("one attempt") as string,
    });
    expect(head.refusedProofs).toBe(1);
    expect(head.heard).toHaveLength(3);
    expect(head.card.counters.pagesWritten).toBe(0);
  });

  test("another person's card, made of the same masters, is not taken for this one", async () => {
    const head = await livedUntil(productText, "end");
    const other = await head.run(programOf(productText, "proof"), { serial: "04A1B200000108" as never });
    expect(other).toMatchObject({ kind: "rejected", code: "card-cryptogram" });
  });
});

describe("a reject is ended for ever", () => {
  test.each([
    ["personalization", "terminationInitial", productText],
    ["end", "termination", productText],
    ["end", "termination", ev1Text],
  ] as const)("before %s by %s", async (until, name, text) => {
    const head = await livedUntil(text, until);
    const compiled = planned(text);
    const wrong = name === "termination" ? compiled.terminationInitial : compiled.termination;
    // The other program asks whose key is in the card, and leaves it alone.
    expect(await head.run(wrong)).toMatchObject({ kind: "rejected", code: "wrong-answer" });
    expect((await head.run(compiled[name])).kind).toBe("passed");
    expect(head.refusedProofs).toBe(0);
    expect(await head.run(programOf(text, "proof"))).toMatchObject({ kind: "rejected" });
    expect(await head.run(compiled[name])).toMatchObject({ kind: "rejected" });
    const memory = memoryText(head);
    expect(memory).not.toContain(hex(new TextEncoder().encode("NK-0107")));
    for (const app of ["F51C40", "F51C41"]) {
      const master = app === "F51C40" ? "desfire-access-app" : "desfire-canteen-app";
      expect(memory).not.toContain(keyOf(master, uid, app, "00", "4E4F52444B4149"));
    }
    expect(memory).not.toContain(keyOf("desfire-picc", uid, "000000", "4E4F52444B4149"));
  });
});

test("explain names keys and their making, and shows none; every command has its clause", () => {
  for (const [, text] of kinds) {
    const explained = programsOf(planned(text)).map(([, program]) => explain(program, timing));
    const whole = explained.map(explanationText).join("\n");
    expect(whole).toContain("⟨key desfire-picc, AN10922 of uid ‖ 000000 ‖ 4E4F52444B4149 as version 26⟩");
    expect(whole).toContain("in place of the default key⟩");
    expect(whole).toContain("application F51C40, key 2: ⟨the default key⟩");
    const clauses = explained.flatMap(({ segments }) =>
      segments.flatMap(({ commands }) => commands.map(({ clause }) => clause)),
    );
    expect(clauses.every((clause) => clause.startsWith("docs/desfire-card.md"))).toBe(true);
  }
});

test("the programs are what they were (golden file; update on purpose only)", async () => {
  const compiled = planned(productText);
  const programs = [
    ...programsOf(compiled).map(([, program]) => program),
    compiled.termination,
    compiled.terminationInitial,
  ];
  const text = programs.map((program) => explanationText(explain(program, timing))).join("\n\n\n");
  await expect(`${text}\n`).toMatchFileSnapshot("../golden/desfire-access.txt");
});

test("what is done for ever comes last, under the issuer's key", () => {
  const { segments } = programOf(productText, "personalization");
  expect(segments.map(({ name }) => name)).toEqual([
    "fill access, key 2",
    "read back access, key 1",
    "keys of access",
    "settings of access",
    "keys of canteen",
    "settings of canteen",
    "the card's own key",
    "the card's settings",
    "what is never taken back",
  ]);
  expect(segments.at(-1)?.steps.map(({ ins }) => ins)).toEqual([0x5c]);
});

test("what does not fit is told by its column, without the value", () => {
  const compiled = planned(productText);
  const long = { ...record, fields: { ...record.fields, name: "Ж".repeat(60) } };
  const problems = recordProblems(compiled, long, { order: "2026-320", file: "people.csv" });
  expect(problems).toMatchObject([{ code: "does-not-fit", row: 4 }]);
  expect(problems[0]?.column).toContain("Full name");
  expect(JSON.stringify(problems)).not.toContain("Ж");
  expect(() => prepare(compiled, long, { order: "2026-320" })).toThrow("file holder");
});

test("a fresh chip is known by its hardware, memory and lack of keys", async () => {
  for (const [from, to, code] of [
    ["04010112001A05", "04010101001A05", "foreign-card"],
    ["memory: 7872", "memory: 7871", "eeprom-fault"],
  ] as const) {
    const head = new DesfireHead(chip());
    const end = await head.run(programOf(productText.replace(from, to), "test"));
    expect(end).toMatchObject({ kind: "rejected", code });
    expect(head.card.counters.pagesWritten).toBe(0);
  }
});
