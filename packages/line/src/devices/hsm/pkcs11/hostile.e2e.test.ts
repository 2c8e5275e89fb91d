/** Hostile requests at a module whose masters are in a SoftHSM token. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import {
  afterRestart,
  attempt,
  honestAttempt,
  honestList,
  hostile,
  hostileKeys,
  prepare,
  waysRound,
} from "../hostile.test.data.js";
import { allowedAndRefused, inSessions, madeTwice } from "../hostile-sessions.test.data.js";
import { inTheField, otherAccounts, underAnotherList, unopened } from "../oracle.test.data.js";
import { endedOrders } from "../order-ends.test.data.js";
import { policyDigest } from "../order-policy.js";
import type { Hsm } from "../port.js";
import { createTokenKeys, openToken } from "./pkcs11.js";
import { softToken } from "./softhsm.test.data.js";

let folder: string;
let opened: () => Promise<Hsm>;
let hsm: Hsm;
let own: Awaited<ReturnType<typeof prepare>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-hostile-"));
  const letterPrinter = { writePrivateKeyTo: join(folder, "printer.pem") };
  const file = join(folder, "token-keys.json");
  const { access: unlock, environment } = softToken(folder, "hostile");
  await createTokenKeys(
    { file, environment: "test", unlock, keys: hostileKeys, letterPrinter },
    { environment },
  );
  opened = () => openToken({ file, unlock }, { environment });
  hsm = await opened();
  own = await prepare(hsm, "H-1", honestList);
});
afterAll(async () => {
  await hsm.close();
  rmSync(folder, { recursive: true });
});

const INITIALIZE_UPDATE = 0x50;

test("what the product says is done, all of it", async () => {
  expect((await honestAttempt(hsm, own.secrets)).said).toBe("made");
});
test.each([...hostile, ...inSessions])(
  "$name: refused by name, before anything else is sent",
  async (request) => {
    const { said, heard } = await attempt(hsm, request, own.secrets);
    expect(said).toContain("order H-1 does not let this be done, and nothing was sent");
    expect(said).toContain(request.said);
    expect(heard).toEqual([INITIALIZE_UPDATE]);
  },
);
test("a list that lets it be done does not help: no secret without command encryption, nothing from outside to be deciphered", async () => {
  for (const { way, said, expected } of await allowedAndRefused(hsm))
    expect([way, said]).toEqual([way, expect.stringContaining(expected)]);
});
test("a session makes its commands once: whoever asks for others under the same keys gets none, and the session is gone", async () => {
  for (const { way, said, expected } of await madeTwice(hsm, own.secrets))
    expect([way, said]).toEqual([way, expect.stringContaining(expected)]);
});
test("ways round the list are refused, each by its name", async () => {
  for (const { way, said, expected } of await waysRound(hsm, own))
    expect([way, said]).toEqual([way, expect.stringContaining(expected)]);
});
test("of an order that is not open nothing is made or told: no PIN can be tried on anybody's track 2", async () => {
  for (const { way, said, expected } of await unopened(hsm, own))
    expect([way, said]).toEqual([way, expect.stringContaining(expected)]);
});
test("cards in the field are answered nothing: no cryptogram judged right, no tries given back", async () => {
  for (const { way, said, expected } of await inTheField(hsm, own))
    expect([way, said]).toEqual([way, expect.stringContaining(expected)]);
});
test("a PIN is one account's, and an offset goes with no PIN that somebody else may know", async () => {
  for (const { way, said, expected } of await otherAccounts(hsm, own))
    expect([way, said]).toEqual([way, expect.stringContaining(expected)]);
});
test("in a new process another list opens none of the order's secrets", async () => {
  const next = await opened();
  onTestFinished(() => next.close());
  const { said, heard } = await afterRestart(next, own.secrets);
  expect(said).toContain("was made under another list of places than the order's own: it goes into no card");
  expect(heard).toEqual([]);
  for (const { way, said, expected } of await underAnotherList(next, own))
    expect([way, said]).toEqual([way, expect.stringContaining(expected)]);
});
test("what was sealed for an order opens from no copy of the database once it was delivered or erased", async () => {
  for (const { way, said, expected } of await endedOrders(opened, folder))
    expect([way, said]).toEqual([way, expect.stringContaining(expected)]);
});
test("the report tells the lists of the orders that are open", async () => {
  const { open } = (await hsm.capabilities()).policies;
  const told = open.find(({ order }) => order === "H-1");
  expect(told).toEqual({
    order: "H-1",
    digest: policyDigest(honestList),
    sentences: [...new Set(honestList)].toSorted(),
  });
});
