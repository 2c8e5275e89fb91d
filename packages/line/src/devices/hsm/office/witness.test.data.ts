/** Two custodians at the letters of live cards, the same with every provider. */
import { generateKeyPairSync } from "node:crypto";
import { existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { pinSentence } from "../order-policy.js";
import type { Hsm } from "../port.js";
import type { Secret } from "../secret.js";
import { ann, bob, opened } from "./office.test.data.js";
import type { OpenOffice } from "./room.js";
import type { Witnessing } from "./witness.js";

const machine = generateKeyPairSync("x25519");
export const letterPrinter = {
  publicKeyPem: machine.publicKey.export({ format: "pem", type: "spki" }).toString(),
};

interface Provider {
  readonly folder: string;
  readonly office: () => OpenOffice | Promise<OpenOffice>;
  readonly open: (deed?: Witnessing<Secret>) => Promise<Hsm>;
}

const order = "A-1";
const policy = [pinSentence({ name: "pin", length: 6 })];

/** Whoever proves nothing, or only one, gets no letter of a live card; what was tried is in the office's acts. */
export async function heldByTwo({ folder, office, open }: Provider): Promise<void> {
  const room = await office();
  const desk = await opened("live", room);
  await desk.both({ do: "allow", name: "product", sentences: policy });
  room.close();

  const acts = join(folder, "acts.jsonl");
  const deed = (more: Partial<Witnessing<Secret>> = {}): Witnessing<Secret> => ({
    what: "letters.release",
    order,
    by: ann.name,
    witness: bob.name,
    passphrases: [ann.passphrase, bob.passphrase],
    acts,
    at: "2027-03-02T10:00:00.000Z",
    program: "test",
    ...more,
  });
  const told = (): { what: string; result: string; who: string; object: string; why?: string }[] =>
    readFileSync(acts, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse((JSON.parse(line) as { text: string }).text) as never);
  const file = join(folder, "B1.letters");
  let sealed: Uint8Array | undefined;
  const written = async (given?: Witnessing<Secret>): Promise<void> => {
    const hsm = await open(given);
    try {
      const key = await hsm.createDataKey({ order, policy });
      (await hsm.releaseDataKey({ order, sealed: key, policy })).fill(0);
      sealed ??= await hsm.drawPin({ order, record: 1, name: "pin", length: 6 });
      const letters = [{ record: 1, name: "pin", sealed, letter: "L1", addressee: "Ada" }];
      await hsm.writeLetters({ order, batch: "B1", letters, file });
    } finally {
      await hsm.close();
    }
  };
  const refused = (given: Witnessing<Secret> | undefined, why: string) =>
    expect(written(given)).rejects.toThrow(why);

  await refused(undefined, "none stood for order A-1");
  await refused(deed({ order: "A-2" }), "none stood for order A-1");
  await refused(deed({ passphrases: [ann.passphrase, "wrong"] }), "not the passphrase of Bob");
  await refused(deed({ passphrases: ["wrong", bob.passphrase] }), "not the passphrase of Ann");
  await refused(deed({ witness: " ANN" }), "two different custodians");
  await refused(deed({ witness: "Eve" }), "Eve is no custodian");
  expect(existsSync(file)).toBe(false);
  expect(told().slice(-4)).toMatchObject([
    { what: "letters.release", who: "Ann", object: "order A-1, with Bob", result: "refused" },
    { result: "refused", why: expect.stringContaining("Ann") as string },
    { result: "refused", object: "order A-1, with  ANN" },
    { result: "refused", object: "order A-1, with Eve" },
  ]);
  // From files, as at a command line; each is read where the keys are.
  const from = ([ann, bob] as const).map(({ name, passphrase }) => {
    const place = join(folder, name);
    writeFileSync(place, `${passphrase}\n`, { mode: 0o600 });
    return place;
  });
  const passphrases = [{ fd: openSync(from[0] ?? "", "r") }, { fd: openSync(from[1] ?? "", "r") }] as const;
  await written(deed({ passphrases }));
  expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ batch: "B1", letters: 1 });
  expect(told().at(-1)).toMatchObject({ what: "letters.release", who: "Ann", result: "ok" });
  // Five wrong ones in a row lock a custodian out, here as in a ceremony.
  for (let wrong = 0; wrong < 5; wrong++)
    await refused(deed({ passphrases: [ann.passphrase, "wrong"] }), "not the passphrase of Bob");
  await refused(deed(), "Bob is locked out");
}
