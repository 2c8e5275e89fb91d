/** Another token of the same label, two of them at once, and what a token's own refusals are told as. */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hex, unhex } from "@persoline/card/bytes";
import pkcs11js from "pkcs11js";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openTokenOffice } from "./token-office.js";
import { makeTokenKeys } from "./make.js";
import { probeToken } from "./probes.js";
import { readRegister } from "./register.js";
import { softToken, type SoftToken } from "./softhsm.test.data.js";
import { Token, TokenLost } from "./token.js";

const master = unhex("A0A1A2A3A4A5A6A7A8A9AAABACADAEAF");
let folder: string;
let first: SoftToken;
let file: string;
/** Serials of the token that the keys were made in, and of the other one of its label. */
let own: string;
let other: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-swapped-"));
  first = softToken(folder, "twin");
  for (const [name, value] of Object.entries(first.environment)) vi.stubEnv(name, value);
  file = join(folder, "token-keys.json");
  const token = await Token.open(first.access);
  own = token.serial;
  makeTokenKeys(
    token,
    {
      file,
      environment: "test",
      keys: [{ name: "gate", use: "application", published: hex(master) }],
      letterPrinter: { writePrivateKeyTo: join(folder, "printer.pem") },
    },
    probeToken(token),
  );
  token.disconnect();
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const office = async (more: { readonly serial?: string; readonly pin?: string } = {}) => {
  const one = await openTokenOffice(file, { ...first.access, ...more });
  one.close();
  return one.keep.keys.map(({ name }) => name as string);
};

test("the register names the token that its keys were made in", () => {
  expect(readRegister(file).serial).toBe(own);
  expect(own).toMatch(/^[0-9a-f]{16}$/);
});

test("a swapped token of the same label is told with both serials, and its PIN is not tried", async () => {
  const [kept = ""] = readdirSync(first.folder);
  const away = join(folder, "away");
  mkdirSync(away);
  renameSync(join(first.folder, kept), join(away, kept));
  softToken(folder, "twin");
  const { serial } = await Token.open(first.access).then((token) => {
    token.disconnect();
    return token;
  });
  other = serial;
  expect(other).not.toBe(own);
  // A PIN that is wrong: it would be refused as such if it were shown.
  await expect(office({ pin: "000000" })).rejects.toThrow(
    new RegExp(
      `made in token twin with serial ${own}, .*has serial ${other} in slot \\d+: put the right one in; its PIN was not tried`,
    ),
  );
  await expect(office({ serial: other })).rejects.toThrow(
    new RegExp(
      `key store-seal is not there\\. Its keys were made in token twin with serial ${own}, and token twin with serial ${other} is there: .*--token-serial ${own}`,
    ),
  );
  renameSync(join(away, kept), join(first.folder, kept));
});

test("two tokens of one label are refused until one is picked", async () => {
  await expect(office()).rejects.toThrow(
    new RegExp(`2 tokens have the label twin .*The keys here were made in the one with serial ${own}`),
  );
  await expect(office({ serial: "0000" })).rejects.toThrow("no token twin has serial 0000; there is serial");
  expect(await office({ serial: own })).toContain("gate");
});

test("a key that was deleted by somebody is told by its name, with operation, words and remedy", async () => {
  const token = await Token.open({ ...first.access, serial: own });
  const stranger = new pkcs11js.PKCS11();
  stranger.load(first.access.library);
  try {
    const [gate] = token.find("gate", "secret");
    if (gate === undefined) throw new Error("the key is not there");
    expect(() => token.encryptEcb(gate, new Uint8Array(16))).toThrow(
      /^token twin refuses, it cannot encrypt with key gate: the key may not be used so: .*persoline keys rotate.*\(CKR_KEY_FUNCTION_NOT_PERMITTED of C_EncryptInit\)$/,
    );
    const slot = stranger
      .C_GetSlotList(true)
      .find((one) => stranger.C_GetTokenInfo(one).serialNumber.trimEnd() === own);
    if (slot === undefined) throw new Error("the token is not there");
    const session = stranger.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION);
    stranger.C_DestroyObject(session, gate);
    const said = (): unknown => {
      try {
        return token.deriveBytes(gate, new Uint8Array(16));
      } catch (problem) {
        return problem;
      }
    };
    const problem = said();
    expect(problem).toBeInstanceOf(TokenLost);
    expect((problem as TokenLost).message).toMatch(
      /^token twin was lost, it cannot derive from key gate: the object is not there any more .*restore the token's backup \(CKR_OBJECT_HANDLE_INVALID\)$/,
    );
  } finally {
    token.disconnect();
  }
  await expect(
    openTokenOffice(file, { ...first.access, serial: own }).then((one) => one.close()),
  ).resolves.toBeUndefined();
});
