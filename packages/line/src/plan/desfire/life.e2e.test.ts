import { completedTiming, estimate } from "@persoline/card/program";
import type { CardProgram, RunEnd } from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import { ReaderFailed, type Trouble } from "../life.test.data.js";
import { DesfireHead, kinds, livedUntil, planned, programOf, programsOf } from "./life.test.data.js";

const told = (end: RunEnd): string => (end.kind === "rejected" ? end.detail : end.kind);

describe.each(kinds)("a card's interrupted life, %s", (_, text) => {
  test.each(["initialisation", "personalization"])(
    "%s: trouble at every command ends with the same card, no proof refused",
    async (name) => {
      const program = programOf(text, name);
      const before = (await livedUntil(text, name)).store.load();
      const commands = estimate(program, completedTiming).apdus;
      expect(commands).toBeGreaterThan(10);
      for (let command = 0; command < commands; command++) {
        for (const lost of ["command", "answer"] as const) {
          for (const how of ["mute", "fault"] as const) {
            const trouble: Trouble = { command, lost, how };
            const head = new DesfireHead(before);
            head.trouble = trouble;
            const where = JSON.stringify(trouble);
            expect([where, told(await throughTrouble(head, program))]).toEqual([where, "passed"]);
            await passesTheRest(head, text, name, where);
          }
        }
      }
    },
  );

  test.each(["initialisation", "personalization"])("%s, torn at every page write", async (name) => {
    const program = programOf(text, name);
    const before = (await livedUntil(text, name)).store.load();
    const whole = new DesfireHead(before);
    await whole.run(program);
    const writes = whole.card.counters.pagesWritten;
    expect(writes).toBeGreaterThan(15);
    for (let write = 1; write <= writes; write++) {
      const head = new DesfireHead(before, [{ kind: "torn-at", write }]);
      const where = `torn at ${String(write)}`;
      expect([where, told(await head.run(program))]).toEqual([where, "passed"]);
      await passesTheRest(head, text, name, where);
    }
  });

  test("killed between the last segment and the note that the card passed: everything proves done, nothing is sent again", async () => {
    for (const name of ["initialisation", "personalization"]) {
      const head = await livedUntil(text, name);
      const program = programOf(text, name);
      expect(told(await head.run(program))).toBe("passed");
      const pages = head.card.counters.pagesWritten;
      const end = await head.run(program, { resume: { segment: 0, resumes: 0 } });
      expect([name, told(end)]).toEqual([name, "passed"]);
      expect([name, head.refusedProofs]).toEqual([name, 0]);
      expect([name, head.card.counters.pagesWritten - pages]).toEqual([name, 0]);
    }
  });
});

describe.each(kinds)("an interrupted termination, %s", (_, text) => {
  test("ends with a dead card, or with one that is as it was and says so", async () => {
    const { termination } = planned(text);
    const before = (await livedUntil(text, "end")).store.load();
    const commands = estimate(termination, completedTiming).apdus;
    for (let command = 0; command < commands; command++) {
      for (const lost of ["command", "answer"] as const) {
        const head = new DesfireHead(before);
        head.trouble = { command, lost, how: "mute" };
        const end = await head.run(termination);
        const where = [command, lost].join(" ");
        // Mute before anything was changed: the card is as it was, and a reject that could not be ended.
        const isUntouched = end.kind === "rejected" && end.code === "mute" && !end.changed;
        expect([where, isUntouched ? "passed" : told(end)]).toEqual([where, "passed"]);
        const proof = await head.run(programOf(text, "proof"));
        expect([where, proof.kind]).toEqual([where, isUntouched ? "passed" : "rejected"]);
        expect([where, head.refusedProofs]).toEqual([where, 0]);
      }
    }
  });
});

/** Whatever comes after the station, on the card that the trouble left. */
async function passesTheRest(head: DesfireHead, text: string, name: string, where: string): Promise<void> {
  const left = programsOf(planned(text)).map(([station]) => station);
  for (const next of left.slice(left.indexOf(name) + 1)) {
    expect([where, next, told(await head.run(programOf(text, next)))]).toEqual([where, next, "passed"]);
  }
  expect([where, head.refusedProofs]).toEqual([where, 0]);
}

/** A process that begins anew knows the journal only; a card mute before any change is seated again. */
async function throughTrouble(head: DesfireHead, program: CardProgram): Promise<RunEnd> {
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
