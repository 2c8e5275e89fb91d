/** A real token whose last try is told by a flag that SoftHSM never sets: what it says of itself is changed on the way, and nothing else. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { findSigning, spkiOf } from "./masters.js";
import type { RegisteredKey } from "./register.js";
import { softToken, type SoftToken } from "./softhsm.test.data.js";
import { EDWARDS } from "./token-computing.js";
import { type Library, loaded } from "./token-session.js";
import { Token } from "./token.js";

let folder: string;
let soft: SoftToken;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-tries-"));
  soft = softToken(folder, "tries");
  for (const [name, value] of Object.entries(soft.environment)) vi.stubEnv(name, value);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** Takes in a signing key that others made. */
class Bringing extends Token {
  bring(seed: Uint8Array, extractable: boolean): void {
    const p11 = this.p11;
    this.call({ does: "take in" }, (session) =>
      this.module.C_CreateObject(session, [
        { type: p11.CKA_CLASS, value: p11.CKO_PRIVATE_KEY },
        { type: p11.CKA_KEY_TYPE, value: EDWARDS.keyType },
        { type: p11.CKA_TOKEN, value: false },
        { type: p11.CKA_LABEL, value: "line-signature" },
        { type: p11.CKA_PRIVATE, value: true },
        { type: p11.CKA_SENSITIVE, value: !extractable },
        { type: p11.CKA_EXTRACTABLE, value: extractable },
        { type: p11.CKA_SIGN, value: true },
        { type: p11.CKA_EC_PARAMS, value: EDWARDS.parameters },
        { type: p11.CKA_VALUE, value: Buffer.from(seed) },
      ]),
    );
  }
}

type Flag = "CKF_USER_PIN_FINAL_TRY" | "CKF_USER_PIN_LOCKED" | "CKF_USER_PIN_COUNT_LOW";
/** `flags`: what the token says besides; `logins`: how often it was shown a PIN. */
async function telling(pin: string, flags: (p11: Library, logins: number) => number) {
  const { p11, module, access } = await loaded({ ...soft.access, pin });
  let logins = 0;
  const info = module.C_GetTokenInfo.bind(module);
  const login = module.C_Login.bind(module);
  module.C_GetTokenInfo = (slot) => {
    const told = info(slot);
    return { ...told, flags: told.flags | flags(p11, logins) };
  };
  module.C_Login = (session, user, shown) => {
    logins++;
    login(session, user, shown);
  };
  const token = new Bringing({ p11, module, access });
  onTestFinished(() => {
    token.disconnect();
  });
  return { token, logins: () => logins };
}
const always = (flag: Flag) => (p11: Library) => p11[flag];

test.each([
  ["CKF_USER_PIN_FINAL_TRY", /only one try of its PIN is left, and it is not spent here.*own tools/],
  ["CKF_USER_PIN_LOCKED", /its PIN is locked.*nothing was tried$/],
] as const)("%s: no PIN is shown, right or wrong", async (flag, says) => {
  for (const pin of ["624813", "111111"]) {
    const { token, logins } = await telling(pin, always(flag));
    expect(() => {
      token.connect();
    }).toThrow(says);
    expect(logins()).toBe(0);
  }
});

test("after a wrong one, people hear that the next is the last; an earlier slip alone stops nothing", async () => {
  const wrong = await telling("111111", (p11, logins) => (logins > 0 ? p11.CKF_USER_PIN_FINAL_TRY : 0));
  expect(() => {
    wrong.token.connect();
  }).toThrow(/the PIN was refused.*Its next wrong PIN is its last/);
  expect(wrong.logins()).toBe(1);
  const right = await telling("624813", always("CKF_USER_PIN_COUNT_LOW"));
  right.token.connect();
  expect(right.logins()).toBe(1);
});

test("a signing key that may leave the token, or that is there twice, signs nothing", async () => {
  const { token } = await telling("624813", () => 0);
  token.connect();
  const keys = [{ name: "line-signature", use: "sign" } as unknown as RegisteredKey];
  const openOf = (point: Uint8Array) =>
    createPublicKey({ key: Buffer.from(spkiOf(point)), format: "der", type: "spki" });
  const made = token.makeSigningPair("line-signature");
  expect(token.signEd25519(findSigning(token, { keys }, openOf(made.open)), new Uint8Array(1))).toHaveLength(
    64,
  );

  // The same private half brought in from outside, once where it may leave and once more.
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const seed = Buffer.from(privateKey.export({ format: "jwk" }).d ?? "", "base64url");
  const open = createPublicKey(publicKey.export({ format: "pem", type: "spki" }).toString());
  token.bring(seed, true);
  expect(() => findSigning(token, { keys }, open)).toThrow(
    /line-signature: it may leave the token; it must not/,
  );
  token.bring(seed, false);
  expect(() => findSigning(token, { keys }, open)).toThrow("is there 2 times: remove the copies");
});
