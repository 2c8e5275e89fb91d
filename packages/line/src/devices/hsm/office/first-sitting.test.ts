/** What can be judged without a secret is judged before the first custodian's passphrase is heard, and again when the others sit. */
import { beforeEach, describe, expect, test } from "vitest";
import { ann, bob, type Desk, opened, plan } from "./office.test.data.js";
import type { KeyAction } from "./types.js";

const component = "67C9F0E2A1B3C4D5E6F7089A1B2C3D4E";
/** Of the component, over 16 × 01. */
const imported = (name: string): Extract<KeyAction, { do: "import" }> => ({
  do: "import",
  key: plan(name, { use: "scp02", algorithm: "3DES" }),
  form: "components",
  count: 2,
  kcv: "C7FDF7",
  method: "gp",
});
const state = (name: string, to: Extract<KeyAction, { do: "state" }>["state"]): KeyAction => ({
  do: "state",
  name,
  state: to,
  reason: "test",
});
const successor = (old: string): KeyAction => ({ do: "rotate", old, key: plan(`${old}-2`) });

let desk: Desk;
beforeEach(async () => {
  desk = await opened();
  for (const name of ["gate", "old", "bad"]) await desk.both({ do: "generate", key: plan(name) });
  await desk.both(state("old", "deactivated"));
  await desk.both(state("bad", "compromised"));
});

test.each<[string, KeyAction, string | undefined, string]>([
  [
    "an active key is destroyed",
    state("gate", "destroyed"),
    undefined,
    'End it first: "persoline keys retire gate"',
  ],
  ["a retired key is activated", state("old", "active"), undefined, "cannot become active"],
  ["an active key is activated", state("gate", "active"), undefined, "cannot become active"],
  ["a compromised key is suspended", state("bad", "suspended"), undefined, "it can become destroyed"],
  ["a retired key is rotated", successor("old"), undefined, "cannot become deactivated"],
  ["a name is used twice", imported("gate"), "475315", "there is, or was, a key gate"],
  ["a component has no check value", imported("zmk"), undefined, "component 1 of 2"],
  ["a check value is none", imported("zmk"), "47531", "6 hexadecimal digits"],
  [
    "a share is given a check value",
    { ...imported("zmk"), form: "shares" },
    "475315",
    "a share proves itself",
  ],
])("nothing is heard and nothing begins where %s", async (_, action, pieceKcv, why) => {
  const heard = desk.prompts.length;
  await expect(desk.begin(action, ann, component, pieceKcv)).rejects.toThrow(why);
  expect(desk.prompts).toHaveLength(heard);
  expect(desk.keep.book.pending).toEqual([]);
});

test("a name that another ceremony is about to give is taken, until that one is over", async () => {
  await desk.begin(imported("zmk"), ann, component, "475315");
  const first = desk.last;
  const again = () => desk.begin({ do: "generate", key: plan("zmk") }, bob);
  await expect(again()).rejects.toThrow(`ceremony ${first} is to make a key zmk already`);
  await expect(desk.begin({ ...successor("gate"), key: plan("zmk") } as KeyAction, bob)).rejects.toThrow(
    `persoline keys cancel ${first}`,
  );
  await desk.ask({ ask: "cancel", number: first, by: ann.name }, ann.passphrase);
  await again();
  expect(desk.keep.book.pending).toHaveLength(1);
});

describe("a block of another key", () => {
  test("is refused once the first custodian has proved themselves, and before it waits for the second", async () => {
    await desk.both({ do: "generate", key: plan("kbpk", { use: "key-block", algorithm: "AES-256" }) });
    await desk.both({ do: "generate", key: plan("out"), leaves: { as: "block", under: "kbpk" } });
    const block = desk.block ?? "";
    const take = (text: string): KeyAction => ({
      do: "import-block",
      key: plan("in"),
      under: "kbpk",
      block: text,
    });
    const wrong = { ...ann, passphrase: "a wrong passphrase" };
    // Whoever is nobody learns nothing of a block.
    await expect(desk.begin(take(block), wrong)).rejects.toThrow("not the passphrase of Ann");
    await expect(desk.begin(take(block))).rejects.toThrow("this is the value of key out");
    const damaged = `${block.slice(0, -1)}${block.endsWith("0") ? "1" : "0"}`;
    await expect(desk.begin(take(damaged))).rejects.toThrow("nothing was made");
    expect(desk.keep.book.pending).toEqual([]);
  });
});

test("what has changed since the first sitting is told at the second before a piece is heard, and the ceremony is over", async () => {
  await desk.begin(state("gate", "suspended"));
  const first = desk.last;
  await desk.both(state("gate", "compromised"));
  desk.last = first;
  await expect(desk.confirm(bob)).rejects.toThrow(
    `key gate is compromised and cannot become suspended; from here it can become destroyed. Ceremony ${first} is over`,
  );
  expect(desk.keep.book.pending).toEqual([]);
  expect(desk.key("gate").life?.state).toBe("compromised");
});

test("the second component's check value is asked for before the second custodian's passphrase", async () => {
  await desk.begin(imported("zmk"), ann, component, "475315");
  const heard = desk.prompts.length;
  await expect(desk.confirm(bob, "0123456789ABCDEFFEDCBA9876543210")).rejects.toThrow("component 2 of 2");
  expect(desk.prompts).toHaveLength(heard);
  expect(desk.keep.book.pending).toHaveLength(1);
});
