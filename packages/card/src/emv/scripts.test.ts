import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../node/index.js";
import { vectorsOf } from "../../node/testing.js";
import { concat, hex, unhex } from "../bytes/index.js";
import { kcvDes } from "../crypto/index.js";
import { encodeCommand } from "../apdu/index.js";
import { commonSessionKey, iccMasterKey, pinBlock2, retailMac, ScriptSession } from "./index.js";

interface ScriptVector {
  readonly id: string;
  readonly imk_smi: string;
  readonly imk_smc: string;
  readonly pan: string;
  readonly psn: string;
  readonly kcv_smi: string;
  readonly kcv_smc: string;
  readonly cryptogram: string;
  readonly kcv_session_smi: string;
  readonly kcv_session_smc: string;
  readonly pin: string;
  readonly enciphered: string;
  readonly mac_unchained_lc10: string;
  readonly chained: readonly { readonly command: string; readonly data: string; readonly mac: string }[];
}

const kcv = (key: Uint8Array): string => hex(kcvDes(nodeCrypto, key));
const digits = (pin: string): Uint8Array => Uint8Array.from(pin, Number);

/** The card's keys of a vector, and a session for its cryptogram with one bit of something turned. */
function sessionOf(vector: ScriptVector, turned?: "integrity" | "confidentiality" | "cryptogram") {
  const turn = (what: typeof turned, bytes: Uint8Array): Uint8Array =>
    what === turned ? bytes.map((byte, at) => (at === 5 ? byte ^ 0x10 : byte)) : bytes;
  const key = (imk: string): Uint8Array =>
    iccMasterKey(nodeCrypto, unhex(imk), { pan: vector.pan, psn: vector.psn, option: "A" });
  const integrity = turn("integrity", key(vector.imk_smi));
  const confidentiality = turn("confidentiality", key(vector.imk_smc));
  const cryptogram = turn("cryptogram", unhex(vector.cryptogram));
  const session = new ScriptSession(nodeCrypto, { integrity, confidentiality }, cryptogram);
  return { session, integrity, confidentiality, cryptogram };
}

const pinChange = ({ pin }: ScriptVector, session: ScriptSession): string =>
  hex(session.pinChange(pinBlock2(digits(pin))).data ?? new Uint8Array(0));

describe("issuer scripts against outside values", () => {
  const vectors = vectorsOf<ScriptVector>("emv-scripts");

  test.each(vectors)("$id", (vector) => {
    const { session, integrity, confidentiality, cryptogram } = sessionOf(vector);
    expect([kcv(integrity), kcv(confidentiality)]).toEqual([vector.kcv_smi, vector.kcv_smc]);
    const key = commonSessionKey(nodeCrypto, integrity, cryptogram);
    expect(kcv(key)).toBe(vector.kcv_session_smi);
    expect(kcv(commonSessionKey(nodeCrypto, confidentiality, cryptogram))).toBe(vector.kcv_session_smc);
    const whole = concat(unhex("8424000210"), unhex(vector.enciphered));
    expect(hex(retailMac(nodeCrypto, key, whole, 2))).toBe(vector.mac_unchained_lc10);
    const made = [
      session.pinChange(pinBlock2(digits(vector.pin))),
      session.pinUnblock(),
      session.putData(0x9f14, Uint8Array.of(3)),
    ];
    expect(made.map((command) => hex(encodeCommand(command)))).toEqual(
      vector.chained.map(({ command, data, mac }) => `${command}${data}${mac}`),
    );
  });

  test.each(vectors)("$id: one bit of a key or of the cryptogram makes another command", (vector) => {
    const right = pinChange(vector, sessionOf(vector).session);
    const [data, mac] = [right.slice(0, 32), right.slice(32)];
    for (const part of ["integrity", "confidentiality", "cryptogram"] as const) {
      const wrong = pinChange(vector, sessionOf(vector, part).session);
      expect([part, wrong.slice(0, 32) === data, wrong.slice(32) === mac]).toEqual([
        part,
        // The key of MACs has no part in the data; the MAC covers them.
        part === "integrity",
        false,
      ]);
    }
  });
});
