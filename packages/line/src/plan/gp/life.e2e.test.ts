import { completedTiming, estimate } from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import type { Trouble } from "../life.test.data.js";
import {
  chip,
  GpHead,
  kinds,
  livedUntil,
  planned,
  productText,
  programOf,
  programsOf,
  throughTrouble,
} from "./life.test.data.js";

describe.each(kinds)("a card's interrupted life, %s", (_, text) => {
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
    .replace(/ {4}keys: \{ master.*\n/, "")
    .replace(/^(?:register|gate): .*\n/gm, "");
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
