/** Custodians of a token's keys come and go as those of a keystore: their book lies in its register. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { comeAndGo, lockOut, joe, names } from "../office/custodians.test.data.js";
import { bob, Desk, eve, opened, plan } from "../office/office.test.data.js";
import { createTokenKeys } from "./pkcs11.js";
import { softToken } from "./softhsm.test.data.js";
import { openTokenOffice } from "./token-office.js";

test("custodians of a token come and go by two others; one alone brings nobody in", async () => {
  const folder = mkdtempSync(join(tmpdir(), "persoline-custodians-"));
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });
  const soft = softToken(folder, "custodians");
  for (const [name, value] of Object.entries(soft.environment)) vi.stubEnv(name, value);
  const file = join(folder, "token-keys.json");
  await createTokenKeys(
    {
      file,
      environment: "test",
      unlock: soft.access,
      keys: [],
      letterPrinter: { writePrivateKeyTo: join(folder, "printer.pem") },
    },
    { environment: soft.environment },
  );
  const first = await openTokenOffice(file, soft.access);
  await comeAndGo(await opened("test", first));
  first.close();
  expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ version: 3 });

  const second = await openTokenOffice(file, soft.access);
  const desk = new Desk("test", second);
  const again = { ...bob, passphrase: "bob has another passphrase" };
  await desk.begin({ do: "generate", key: plan("later") }, eve);
  await desk.confirm(again);
  expect(desk.key("later").life?.state).toBe("active");
  await lockOut(desk, again);
  await expect(desk.enrol(joe)).rejects.toThrow("it takes two custodians besides Joe");
  // Eve writes a friend into what she has open: no ceremony of two made him a custodian.
  const { custodians } = desk.keep.book;
  const [bobs] = custodians;
  if (bobs === undefined) throw new Error("there is no custodian");
  desk.keep = {
    ...desk.keep,
    book: { ...desk.keep.book, custodians: [...custodians, { ...bobs, name: "Joe", wrong: 0 }] },
  };
  await expect(desk.begin({ do: "generate", key: plan("none") }, eve)).rejects.toThrow(
    "no ceremony made Joe a custodian",
  );
  second.close();
  const third = await openTokenOffice(file, soft.access);
  third.close();
  expect(names(new Desk("test", third))).toEqual(["Bob", "Eve"]);
}, 120_000);
