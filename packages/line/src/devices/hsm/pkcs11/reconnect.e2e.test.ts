/** Keys are found again by what they are: the library is ended behind the keyring's back, in one process with it, with decoys in the token. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hex, unhex } from "@persoline/card/bytes";
import { cmac } from "@persoline/card/crypto";
import { diversifyKeyKdf3 } from "@persoline/card/globalplatform";
import { nodeCrypto, random } from "@persoline/card/node";
import type { KeyRef, Serial } from "@persoline/card/program";
import pkcs11js from "pkcs11js";
import { afterEach, beforeEach, expect, test } from "vitest";
import { drawIssuerKey, rsaNumbers } from "../payment/issuer-key.js";
import { keys, prepared, TestCard } from "../payment/payment-card.test.data.js";
import { vaultCalls } from "../vault-core.js";
import { makeTokenKeys } from "./make.js";
import { findMaster, ownNumbers } from "./masters.js";
import { probeToken } from "./probes.js";
import { readRegister, type Register, type RegisteredKey, writeRegister } from "./register.js";
import { softToken, type SoftToken } from "./softhsm.test.data.js";
import { Token } from "./token.js";
import { TokenKeyring } from "./token-keyring.js";

const chip = "504C0102030400000042" as Serial;
const master = unhex("A0A1A2A3A4A5A6A7A8A9AAABACADAEAF");
const decoy = unhex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF");
let folder: string;
let soft: SoftToken;
let token: Token;
let file: string;
/** A stranger in the same process: same library, same token. */
let stranger: pkcs11js.PKCS11;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-reconnect-"));
  soft = softToken(folder, "reconnect");
  Object.assign(process.env, soft.environment);
  file = join(folder, "token-keys.json");
  token = await Token.open(soft.access);
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
  stranger = new pkcs11js.PKCS11();
  stranger.load(soft.access.library);
});
afterEach(() => {
  token.disconnect();
  stranger.close();
  rmSync(folder, { recursive: true });
});

const ringOf = (): TokenKeyring => new TokenKeyring(token, file, readRegister(file), probeToken(token));

/** What the token's owner might do between two cards: everything ended, and other keys put under our labels. */
function restarted(
  more: { readonly value: Uint8Array; readonly extractable?: boolean; readonly sign?: boolean }[],
  label = "reconnect",
): void {
  stranger.C_Finalize();
  stranger.C_Initialize();
  const slot = stranger
    .C_GetSlotList(true)
    .find((one) => stranger.C_GetTokenInfo(one).label.trimEnd() === label);
  if (slot === undefined) throw new Error("the token is not there");
  const session = stranger.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION);
  stranger.C_Login(session, pkcs11js.CKU_USER, soft.access.pin);
  for (const { value, extractable = false, sign = false } of more) {
    stranger.C_CreateObject(session, [
      { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_SECRET_KEY },
      { type: pkcs11js.CKA_KEY_TYPE, value: pkcs11js.CKK_AES },
      { type: pkcs11js.CKA_TOKEN, value: true },
      { type: pkcs11js.CKA_PRIVATE, value: true },
      { type: pkcs11js.CKA_SENSITIVE, value: true },
      { type: pkcs11js.CKA_EXTRACTABLE, value: extractable },
      { type: pkcs11js.CKA_LABEL, value: "gate" },
      { type: pkcs11js.CKA_DERIVE, value: true },
      ...[
        pkcs11js.CKA_ENCRYPT,
        pkcs11js.CKA_DECRYPT,
        pkcs11js.CKA_VERIFY,
        pkcs11js.CKA_WRAP,
        pkcs11js.CKA_UNWRAP,
      ].map((type) => ({ type, value: false })),
      { type: pkcs11js.CKA_SIGN, value: sign },
      { type: pkcs11js.CKA_VALUE, value: Buffer.from(value) },
    ]);
  }
  stranger.C_Finalize();
  stranger.C_Initialize();
}

function storeOf({ keys: all }: Pick<Register, "keys">): RegisteredKey {
  const store = all.find(({ use }) => use === "seal");
  if (store === undefined) throw new Error("there is no key for seals");
  return store;
}

/** The gate's proof to a card, and the one a card with the right key expects. */
function proof(calls: ReturnType<typeof vaultCalls>): readonly [string, string] {
  const cardChallenge = random(16);
  const { data } = calls.openMutual({ keys: "gate" as KeyRef, kid: 1, serial: chip, cardChallenge });
  const key = nodeCrypto.aes(diversifyKeyKdf3(nodeCrypto, master, unhex(chip), 1));
  const message = Buffer.concat([Uint8Array.of(3), unhex(chip), cardChallenge, data.subarray(0, 16)]);
  return [hex(data.subarray(16)), hex(cmac(key, message))];
}

test("after a restart with decoys of the same label the right key works on, never another", () => {
  const calls = vaultCalls(ringOf());
  const [first, expected] = proof(calls);
  expect(first).toBe(expected);
  for (const _ of [1, 2, 3]) {
    restarted([{ value: decoy }]);
    const [again, wanted] = proof(calls);
    expect(again).toBe(wanted);
  }
  expect(token.find("gate", "secret").length).toBe(4);
});

test("with only a decoy left it is refused, and so it stays", () => {
  const calls = vaultCalls(ringOf());
  const [handle] = token.find("gate", "secret");
  if (handle === undefined) throw new Error("the key is not there");
  token.destroy(handle);
  restarted([{ value: decoy }]);
  for (const _ of [1, 2]) expect(() => proof(calls)).toThrow("none with check value");
});

test("a copy of the right key that may leave the token, or do more, is refused", () => {
  const ring = ringOf();
  restarted([{ value: master }]);
  expect(() => proof(vaultCalls(ring))).toThrow("there 2 times");
  token.connect();
  for (const handle of token.find("gate", "secret")) token.destroy(handle);
  restarted([{ value: master, extractable: true }]);
  token.connect();
  expect(() => ringOf()).toThrow("it may leave the token");
  for (const handle of token.find("gate", "secret")) token.destroy(handle);
  restarted([{ value: master, sign: true }]);
  token.connect();
  expect(() => ringOf()).toThrow("it may also sign");
});

test("what a key was made as it stays: another object of its value, brought in later or free to be copied, is refused", () => {
  const entry = () => readRegister(file).keys.find(({ name }) => name === "gate");
  expect(entry()?.standing).toEqual({ born: false, fixed: true });
  const store = readRegister(file).keys.find(({ use }) => use === "seal");
  expect(store?.standing).toEqual({ born: true, fixed: true });
  for (const handle of token.find("gate", "secret")) token.destroy(handle);
  restarted([{ value: master }]);
  token.connect();
  expect(() => ringOf()).toThrow("key gate: it was made never to be changed or copied, and now it may be");
});

test("a key that was drawn in the token is not the one that comes in with the same value", () => {
  const strange = { ...readRegister(file), mac: "" };
  const macKey = findMaster(token, storeOf(strange)).own(ownNumbers.register);
  const keys = strange.keys.map((key) =>
    key.name === "gate" ? { ...key, standing: { born: true, fixed: true } } : key,
  );
  writeRegister(file, { ...strange, keys }, macKey);
  expect(() => ringOf()).toThrow(
    "key gate: it was drawn in the token, and the token says now that it was not",
  );
});

test("a key of before goes on, and what the token says of it is told", () => {
  for (const handle of token.find("gate", "secret")) token.destroy(handle);
  restarted([{ value: master }]);
  token.connect();
  const now = { ...readRegister(file), mac: "" };
  const macKey = findMaster(token, storeOf(now)).own(ownNumbers.register);
  const keys = now.keys.map((key) =>
    Object.fromEntries(Object.entries(key).filter(([name]) => name !== "standing")),
  );
  writeRegister(file, { ...now, keys: keys as unknown as Register["keys"] }, macKey);
  const ring = ringOf();
  const [first, expected] = proof(vaultCalls(ring));
  expect(first).toBe(expected);
  const told = new Map<string, unknown>(ring.describe().map(({ name, standing }) => [name, standing]));
  expect(told.get("gate")).toEqual({ born: false, fixed: false });
  expect(told.get("store-seal")).toEqual({ born: true, fixed: true });
});

test("card keys of the last connection are never used in the next", () => {
  const ring = ringOf();
  const key = ring.kept?.applicationKey({ keys: "gate" as KeyRef, kid: 1, serial: chip }, "mac");
  expect(key?.cmac(new Uint8Array(16)).length).toBe(16);
  restarted([]);
  token.connect();
  expect(() => key?.cmac(new Uint8Array(16))).toThrow("went with the token's last connection");
});

test("a token that answers wrong makes no key for a card", () => {
  const ring = ringOf();
  const ask = { keys: "gate" as KeyRef, kid: 1, serial: chip };
  ring.kept?.applicationKey(ask, "to-card").wipe();
  const right = token.deriveBytes.bind(token);
  token.deriveBytes = (key, block) => right(key, block).map((byte, at) => (at === 7 ? byte ^ 1 : byte));
  expect(() => ring.kept?.applicationKey(ask, "to-card")).toThrow("answers with another key than gate");
});

test("payment masters, an issuer's RSA key and keys of its files among decoys of their labels; a second copy is refused", async () => {
  const { access } = softToken(folder, "payments");
  const own = await Token.open(access);
  const register = join(folder, "payments.json");
  const files = [
    { name: "issuer-tk", use: "transport", algorithm: "AES-256" },
    { name: "issuer-mac", use: "file-mac" },
  ] as const;
  const report = probeToken(own);
  makeTokenKeys(
    own,
    {
      file: register,
      environment: "test",
      keys: [...keys, ...files],
      letterPrinter: { writePrivateKeyTo: join(folder, "payments.pem") },
    },
    report,
  );
  const found = () => new TokenKeyring(own, register, readRegister(register), report);
  own.makeMaster({ label: "pay-ac", algorithm: "3DES" });
  own.makeMaster({ label: "pay-cvk/single", algorithm: "3DES" });
  own.makeMaster({ label: "issuer-tk", algorithm: "AES-256", kind: "transport" });
  own.makeMaster({ label: "issuer-mac", algorithm: "AES-128", kind: "mac-master" });
  own.makeRsaPair("pay-issuer", 1408);
  const calls = vaultCalls(found());
  const ready = await prepared(calls);
  const card = new TestCard("scp02");
  await card.personalize(calls, ready);
  expect((await card.transact(calls, ready)).outcome).toBe("approved online");
  const { name = "", seed } = keys.find(({ use }) => use === "emv-issuer") ?? {};
  own.importRsa(name, rsaNumbers(drawIssuerKey("RSA-1408", seed)));
  expect(found).toThrow("key pay-issuer is there 2 times");
  calls.wipe();
});

test("a payment master or transport key that may do more than its work is refused", async () => {
  const { access } = softToken(folder, "too much");
  const own = await Token.open(access);
  const register = join(folder, "too-much.json");
  const report = probeToken(own);
  const value = "70717273747576777879808182838485";
  makeTokenKeys(
    own,
    {
      file: register,
      environment: "test",
      keys: [{ name: "gate", use: "file-mac", published: value }],
      letterPrinter: { writePrivateKeyTo: join(folder, "too-much.pem") },
    },
    report,
  );
  for (const handle of own.find("gate", "secret")) own.destroy(handle);
  restarted([{ value: unhex(value), sign: true }], "too much");
  own.connect();
  expect(() => new TokenKeyring(own, register, readRegister(register), report)).toThrow("it may also derive");
  own.disconnect();
});
