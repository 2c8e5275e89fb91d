import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Hsm } from "../port.js";
import { createKeystore, openVault } from "../vault.js";
import { pinBlockKeys, pinBlocks, readPin, othersRefused } from "./pin-blocks.test.data.js";

let folder: string;
let hsm: Hsm;
const printer = () => ({ pem: join(folder, "printer.pem"), folder });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-pin-blocks-"));
  const file = join(folder, "keystore.json");
  const unlock = { keyFile: join(folder, "key") };
  const letterPrinter = { writePrivateKeyTo: printer().pem };
  await createKeystore({ file, environment: "test", unlock, keys: pinBlockKeys, letterPrinter });
  hsm = await openVault({ file, unlock });
});
afterAll(async () => {
  await hsm.close();
  rmSync(folder, { recursive: true });
});

test("blocks of all formats that issuers send are there", () => {
  expect(new Set(pinBlocks.map(({ format }) => format))).toEqual(new Set([0, 1, 3, 4]));
});
test.each(pinBlocks)("$id, format $format: the vault opens it", async (ask) => {
  expect(await readPin(hsm, ask, printer())).toBe(ask.pin);
});
test("a block of another key, format, PAN or length is refused, without a digit", async () => {
  for (const { said, expected } of await othersRefused(hsm)) {
    expect(said).toContain(expected);
    expect(said).not.toContain("1234");
  }
});
