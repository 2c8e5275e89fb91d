import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createKeystore, openVault } from "../vault.js";
import { keystoreOffice } from "./keystore-office.js";
import { heldByTwo, letterPrinter } from "./witness.test.data.js";

test("the vault writes letters of live cards while two custodians stand for them, and for nobody else", async () => {
  const folder = mkdtempSync(join(tmpdir(), "persoline-witness-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "keystore.json");
  const unlock = { keyFile: join(folder, "key") };
  const swapAccepted = true;
  await createKeystore({ file, environment: "live", unlock, keys: [], letterPrinter }, { swapAccepted });
  await heldByTwo({
    folder,
    office: () => keystoreOffice(file, unlock),
    open: (deed) => openVault({ file, unlock, deed, swapAccepted }),
  });
  expect(keystoreOffice(file, unlock).keep.book.custodians.map(({ wrong }) => wrong)).toEqual([0, 5]);
}, 120_000);
