import { hex, unhex } from "@persoline/card/bytes";
import { diversifyKdf3 } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import { completedTiming, estimate, explain, explanationText } from "@persoline/card/program";
import type { CardProgram, RunEnd } from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import { ReaderFailed, type Trouble } from "../life.test.data.js";
import { prepare, recordProblems } from "../prepare.js";
import {
  chip,
  GpHead,
  memoryText,
  planned,
  productText,
  programsOf,
  record,
  scp02Text,
  serial,
} from "./life.test.data.js";

const kinds = [
  ["SCP03", productText],
  ["SCP02", scp02Text],
] as const;

/** All programs up to this one, without trouble. */
async function livedUntil(text: string, name: string): Promise<GpHead> {
  const compiled = planned(text);
  const head = new GpHead(chip(compiled));
  for (const [station, program] of programsOf(compiled)) {
    if (station === name) break;
    const end = await head.run(program);
    if (end.kind !== "passed") throw new Error(`${station}: ${JSON.stringify(end)}`);
  }
  return head;
}
const programOf = (text: string, name: string): CardProgram => {
  const found = programsOf(planned(text)).find(([station]) => station === name)?.[1];
  if (found === undefined) throw new Error(`no program ${name}`);
  return found;
};

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

  test.each(["initialisation", "personalization"])(
    "%s: trouble at every command ends with the same card, no try lost",
    async (name) => {
      const program = programOf(text, name);
      const before = (await livedUntil(text, name)).store.load();
      const commands = estimate(program, completedTiming).apdus;
      expect(commands).toBeGreaterThan(5);
      for (let command = 0; command < commands; command++) {
        for (const lost of ["command", "answer"] as const) {
          for (const how of ["mute", "fault"] as const) {
            const trouble: Trouble = { command, lost, how };
            const head = new GpHead(before);
            head.trouble = trouble;
            const end = await throughTrouble(head, program);
            const where = JSON.stringify(trouble);
            expect([where, end.kind === "rejected" ? end.detail : end.kind]).toEqual([where, "passed"]);
            expect([where, head.tries]).toEqual([where, 10]);
            const left = programsOf(planned(text)).map(([station]) => station);
            for (const next of left.slice(left.indexOf(name) + 1)) {
              const later = await head.run(programOf(text, next));
              expect([where, next, later.kind === "rejected" ? later.detail : later.kind]).toEqual([
                where,
                next,
                "passed",
              ]);
            }
          }
        }
      }
    },
  );

  test("personalization, torn at every page write: the key information template tells whether the issuer's keys are in", async () => {
    const program = programOf(text, "personalization");
    const before = (await livedUntil(text, "personalization")).store.load();
    const whole = new GpHead(before);
    await whole.run(program);
    const writes = whole.card.counters.pagesWritten;
    expect(writes).toBeGreaterThan(15);
    for (let write = 1; write <= writes; write++) {
      const head = new GpHead(before, [{ kind: "torn-at", write }]);
      const end = await head.run(program);
      expect([write, end.kind === "rejected" ? end.detail : end.kind]).toEqual([write, "passed"]);
      expect([write, head.tries]).toEqual([write, 10]);
      expect([write, (await head.run(programOf(text, "proof"))).kind]).toEqual([write, "passed"]);
    }
  });
});

/** A process that begins anew knows the journal only; a card mute before any change is seated again. */
async function throughTrouble(head: GpHead, program: CardProgram): Promise<RunEnd> {
  try {
    const end = await head.run(program);
    const seat = end.kind === "rejected" && end.code === "mute" && !end.changed;
    return seat ? await head.run(program) : end;
  } catch (thrown) {
    if (!(thrown instanceof ReaderFailed)) throw thrown;
    const open = head.notes.at(-1)?.event === "intent" ? head.notes.at(-1) : undefined;
    const resume = open && { segment: open.segment, program: open.program, resumes: 0 };
    return head.run(program, resume === undefined ? {} : { resume });
  }
}

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

describe("a package that comes with the product", () => {
  const component = (tag: number, ...content: number[]) => [tag, 0, content.length, ...content];
  const name = [0xf0, 0x50, 0x4c, 0x47, 0x44, 0x01];
  const loadFile = Uint8Array.of(
    ...component(1, 0xde, 0xca, 0xff, 0xed, 1, 2, 4, 0, 1, name.length, ...name),
    ...component(3, 1, name.length + 1, ...name, 1, 0, 8),
    ...component(7, ...Array.from({ length: 250 }, (_, at) => at)),
    ...component(9, ...Array.from({ length: 250 }, (_, at) => 255 - at)),
  );
  const text = productText
    .replace("package: A00000087602\n", "load: wallet.ijc\n    package: F0504C474401\n")
    .replace("A0000008760201\n", "F0504C47440101\n")
    .replace("aid: A000000876020101", "aid: F0504C4744010101")
    .replace(/ {4}keys: \{ master.*\n/, "");
  const compiled = planned(text, new Map([["access", loadFile]]));
  test("is loaded and installed, also after any interruption", async () => {
    const commands = estimate(compiled.initialisation, completedTiming).apdus;
    expect(compiled.initialisation.segments[0]?.steps.filter(({ ins }) => ins === 0xe8)).toHaveLength(3);
    for (let command = 0; command < commands; command++) {
      const head = new GpHead(chip(compiled));
      head.trouble = { command, lost: "answer", how: "mute" };
      for (const [station, program] of programsOf(compiled)) {
        if (station === "test") continue;
        const end =
          station === "initialisation" ? await throughTrouble(head, program) : await head.run(program);
        expect([command, station, end.kind === "rejected" ? end.detail : end.kind]).toEqual([
          command,
          station,
          "passed",
        ]);
      }
      expect(head.tries).toBe(10);
    }
  });
});
