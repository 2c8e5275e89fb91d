import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import {
  othersRefused,
  pinBlockKeys,
  pinBlocks,
  readPin,
  searched,
} from "../payment/pin-blocks.test.data.js";
import type { Hsm } from "../port.js";
import { createTokenKeys, openToken } from "./pkcs11.js";
import { softToken } from "./softhsm.test.data.js";

let folder: string;
let opened: () => Promise<Hsm>;
let hsm: Hsm;
const printer = () => ({ pem: join(folder, "printer.pem"), folder });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-pin-blocks-"));
  const token = softToken(folder, "pin blocks");
  const { access: unlock, environment } = token;
  const file = join(folder, "token-keys.json");
  const letterPrinter = { writePrivateKeyTo: printer().pem };
  const drawn = { name: "pin-drawn", use: "pin-transport", algorithm: "AES-256" } as const;
  const keys = [...pinBlockKeys, drawn];
  await createTokenKeys({ file, environment: "test", unlock, keys, letterPrinter }, { environment });
  opened = () => openToken({ file, unlock }, { environment });
  hsm = await opened();
});
afterAll(async () => {
  await hsm.close();
  rmSync(folder, { recursive: true });
});

test.each(pinBlocks)("$id, format $format: the token deciphers it, its module opens it", async (ask) => {
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
test("keys of PIN blocks have their check values, and the report says where a PIN is clear", async () => {
  const told = (await hsm.keys()).filter(({ use }) => use === "pin-transport");
  expect(told.map(({ kcv }) => /^[0-9A-F]{6}$/.test(kcv))).toEqual([true, true, true]);
  const { pin } = (await hsm.capabilities()).operations;
  expect(pin).toMatchObject({ level: "module-process", probed: true });
  expect(pin.note).toContain("decipher issuers' ones");
});
