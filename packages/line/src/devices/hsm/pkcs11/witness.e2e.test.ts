import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { heldByTwo, letterPrinter } from "../office/witness.test.data.js";
import { createTokenKeys, openToken } from "./pkcs11.js";
import { softToken } from "./softhsm.test.data.js";
import { openTokenOffice } from "./token-office.js";

test("a token's module writes letters of live cards while two custodians stand for them, and for nobody else", async () => {
  const folder = mkdtempSync(join(tmpdir(), "persoline-witness-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const { access: unlock, environment } = softToken(folder, "witness");
  // The office is in this process, and its token's library reads where its tokens are.
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
  const file = join(folder, "token-keys.json");
  const options = { environment, swapAccepted: true };
  await createTokenKeys({ file, environment: "live", unlock, keys: [], letterPrinter }, options);
  await heldByTwo({
    folder,
    office: () => openTokenOffice(file, unlock),
    open: (deed) => openToken({ file, unlock, deed }, options),
  });
  const office = await openTokenOffice(file, unlock);
  expect(office.keep.book.custodians.map(({ wrong }) => wrong)).toEqual([0, 5]);
  office.close();
}, 120_000);
