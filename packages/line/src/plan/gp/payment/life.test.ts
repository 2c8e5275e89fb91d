import { completedTiming, estimate, explain, explanationText } from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import { made, PaymentHead } from "./life.test.data.js";
import { channelKinds, paymentText, withProof } from "./payment.test.data.js";

const kinds = [
  ...channelKinds,
  ["SCP03, static proof", withProof(paymentText, "sda")],
  ["SCP03, no proof", withProof(paymentText, "none")],
] as const;

describe.each(kinds)("a payment card's life, %s", (_, text) => {
  test("passes every station; a finished card is foreign to the next round", async () => {
    const head = await new PaymentHead(await made(text)).until("end");
    expect(head.tries).toBe(10);
    expect(await head.run(head.program("proof"))).toMatchObject({ kind: "passed" });
    expect(await head.run(head.program("test"))).toMatchObject({ kind: "rejected", code: "foreign-card" });
  });

  test("planned times are those of the card's own clock, never above", async () => {
    const how = await made(text);
    for (const name of ["initialisation", "personalization", "proof"]) {
      const head = await new PaymentHead(how).until(name);
      const before = head.card.elapsedMicros;
      expect((await head.run(head.program(name))).kind).toBe("passed");
      const ms = (head.card.elapsedMicros - before) / 1000;
      const least = estimate(head.program(name), completedTiming).ms;
      expect(`${name} ${String(least <= ms * 1.02)}`).toBe(`${name} true`);
      expect(least / ms).toBeGreaterThan(0.85);
    }
  });
});

test("explain names what the security module fills in, and shows none of it", async () => {
  const { prepared } = await made();
  const text = explanationText(explain(prepared.personalization, completedTiming));
  expect(text).toContain("⟨keys AC, SMI and SMC of this card, 48 bytes⟩");
  expect(text).toContain("⟨reference PIN, 8 bytes⟩");
  expect(text).toContain("⟨track 2 equivalent data, 16 bytes⟩");
});

test("the programs are what they were (golden file; update on purpose only)", async () => {
  const { programs } = await made();
  const text = programs
    .map(([, program]) => explanationText(explain(program, completedTiming)))
    .join("\n\n\n");
  await expect(`${text}\n`).toMatchFileSnapshot("../../golden/payment.txt");
});
