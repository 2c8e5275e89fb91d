import { completedTiming, estimate } from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import type { Trouble } from "../../life.test.data.js";
import { throughTrouble } from "../life.test.data.js";
import { made, PaymentHead } from "./life.test.data.js";
import { channelKinds } from "./payment.test.data.js";

describe.each(channelKinds)("a payment card's interrupted life, %s", (_, text) => {
  test.each(["initialisation", "personalization"])(
    "%s: trouble at every command ends with the same card, no try lost",
    async (name) => {
      const how = await made(text);
      const before = (await new PaymentHead(how).until(name)).store.load();
      const program = how.programs.find(([own]) => own === name)?.[1];
      if (program === undefined) throw new Error(name);
      const commands = estimate(program, completedTiming).apdus;
      expect(commands).toBeGreaterThan(12);
      const names = how.programs.map(([own]) => own);
      for (let command = 0; command < commands; command++) {
        for (const lost of ["command", "answer"] as const) {
          for (const kind of ["mute", "fault"] as const) {
            const trouble: Trouble = { command, lost, how: kind };
            const head = new PaymentHead(how, [], before);
            head.trouble = trouble;
            const end = await throughTrouble(head, program);
            const where = JSON.stringify(trouble);
            expect([where, end.kind === "rejected" ? end.detail : end.kind]).toEqual([where, "passed"]);
            expect([where, head.tries]).toEqual([where, 10]);
            for (const next of names.slice(names.indexOf(name) + 1)) {
              const later = await head.run(head.program(next));
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

  test("torn at every page write: the application is personalized once, wholly, and the card goes on", async () => {
    const how = await made(text);
    const before = (await new PaymentHead(how).until("initialisation")).store.load();
    const whole = new PaymentHead(how, [], before);
    const both = ["initialisation", "personalization"];
    for (const name of both) await whole.run(whole.program(name));
    const writes = whole.card.counters.pagesWritten;
    expect(writes).toBeGreaterThan(50);
    for (let write = 1; write <= writes; write++) {
      const head = new PaymentHead(how, [{ kind: "torn-at", write }], before);
      for (const name of [...both, "proof"]) {
        const end = await head.run(head.program(name));
        expect([write, name, end.kind === "rejected" ? end.detail : end.kind]).toEqual([
          write,
          name,
          "passed",
        ]);
      }
      expect([write, head.tries]).toEqual([write, 10]);
    }
  });
});
