import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Hsm } from "../port.js";
import { createKeystore, openVault } from "../vault.js";
import { othersRefused, pinBlockKeys, pinBlocks, readPin, searched } from "./pin-blocks.test.data.js";

let folder: string;
let opened: () => Promise<Hsm>;
let hsm: Hsm;
const printer = () => ({ pem: join(folder, "printer.pem"), folder });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-pin-blocks-"));
  const file = join(folder, "keystore.json");
  const unlock = { keyFile: join(folder, "key") };
  const letterPrinter = { writePrivateKeyTo: printer().pem };
  await createKeystore({ file, environment: "test", unlock, keys: pinBlockKeys, letterPrinter });
  opened = () => openVault({ file, unlock });
  hsm = await opened();
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
test.each([0, 3] as const)(
  "a block of format %i is opened for one account, and few that are wrong are answered",
  async (format) => {
    const own = await opened();
    onTestFinished(() => own.close());
    for (const { said, expected } of await searched(own, format)) expect(said).toContain(expected);
  },
);
