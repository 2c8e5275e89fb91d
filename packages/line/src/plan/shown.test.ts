import { join } from "node:path";
import type { CardProgram, Step } from "@persoline/card/program";
import { expect, test } from "vitest";
import { prepareRecord, readJob } from "../app/job.js";
import { readInput } from "../orders/input.js";
import { type Shown, shownBy } from "./shown.js";

const examples = join(import.meta.dirname, "../../../../examples");
const none: Shown = { read: 0, mac: 0, authenticated: 0, keys: 0, states: 0 };

/** Counted by hand from the products. */
test.each<[name: string, shown: Shown]>([
  ["usim-like", { read: 6, mac: 4, authenticated: 1, keys: 1, states: 2, pin: "all 3 tries left" }],
  // One of its files is read in two pieces.
  ["pkcs15", { read: 8, mac: 1, authenticated: 1, keys: 1, states: 2, pin: "all 3 tries left" }],
  // Two data groupings; key version, card and application.
  ["gp-access", { ...none, read: 2, authenticated: 1, keys: 1, states: 3 }],
  // A session for the card and one for each of five keys.
  ["desfire-access", { ...none, read: 4, keys: 6, states: 21 }],
  // SFI 1 of the directory is another file than SFI 1 of the application.
  ["payment", { ...none, read: 3, keys: 1, states: 8 }],
  ["foreign-badge", { ...none, read: 2, pin: "verified" }],
])("the proof of examples/%s shows what its product has", async (name, shown) => {
  const job = await readJob(join(examples, name, "order.yaml"));
  const input = await readInput(job.order.input, job.planned.product.columns);
  expect.assertions(1);
  for await (const record of input.records()) {
    const { proof } = prepareRecord({ ...job, drawing: undefined }, record);
    expect(shownBy(proof)).toEqual(shown);
    break;
  }
});

const step = (more: Partial<Step>): Step => ({
  cla: 0x00,
  ins: 0xb0,
  p1: 0,
  p2: 0,
  data: [],
  sw: [{ value: 0x9000, mask: 0xffff }],
  again: "same",
  changes: false,
  why: "",
  clause: "",
  cost: { pages: 0 },
  ...more,
});
const shown = (...steps: readonly Step[]): Shown => {
  const program: CardProgram = { name: "p", segments: [{ name: "s", channel: "plain", steps }] };
  return shownBy(program);
};

test("an answer of which no byte counts shows nothing, nor does a command without an expected one", () => {
  const value = Uint8Array.of(1, 2);
  expect(shown(step({ answer: { value } }))).toEqual({ ...none, read: 1 });
  expect(shown(step({ answer: { value, mask: Uint8Array.of(0, 0) } }))).toEqual(none);
  expect(shown(step({}), step({ ins: 0xf2 }))).toEqual(none);
});

test("tries that are only known to be some are not told as all, and a PIN that the card took is told so", () => {
  const tries = (...left: readonly number[]) =>
    step({ ins: 0x20, sw: left.map((one) => ({ value: 0x63c0 | one, mask: 0xffff })) });
  expect(shown(tries(3)).pin).toBe("all 3 tries left");
  expect(shown(tries(2, 3, 4)).pin).toBe("at least 2 tries left");
  expect(shown(tries(3), step({ ins: 0x20, data: [new Uint8Array(8)] })).pin).toBe("verified");
  // Of a DESFire card 20 is another command.
  expect(shown(step({ cla: 0x90, ins: 0x20 })).pin).toBeUndefined();
});
