import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { drawRsaKey, nodeCrypto, random } from "../../node/index.js";
import { codeOf, unlessRefused, vectorsOf } from "../../node/testing.js";
import { concat, equal, hex, unhex, utf8 } from "../bytes/index.js";
import { kcvDes } from "../crypto/index.js";
import {
  applicationCryptogram,
  arpcMethod1,
  arpcMethod2,
  cardVerificationValue,
  commonSessionKey,
  CVM,
  CVM_CONDITION,
  type CvmMethod,
  decodeTrack,
  encipheredPinBlock4,
  encodeAfl,
  encodeCvmList,
  encodeDol,
  encodeTrack,
  fillDol,
  iccMasterKey,
  isPan,
  issuerAuthenticationData,
  luhnDigit,
  maskPan,
  naturalPin,
  oddParity,
  parseAfl,
  parseCvmList,
  parseDol,
  parseTrack2,
  parseTrack2Equivalent,
  pinBlock0,
  pinBlock1,
  pinBlock2,
  pinBlock3,
  pinFromOffset,
  pinOfBlock0,
  pinOfBlock1,
  pinOfBlock2,
  pinOfBlock3,
  pinOfEncipheredBlock4,
  pinOffset,
  type PinVerification,
  pinVerificationDigits,
  pinVerificationText,
  pinVerificationValue,
  recoverDynamicData,
  recoverIccCertificate,
  recoverIssuerCertificate,
  recoverStaticData,
  retailMac,
  ScriptSession,
  sessionKey,
  signDynamicData,
  signIccCertificate,
  signIssuerCertificate,
  signStaticData,
  splitDol,
  staticDataToAuthenticate,
  track1,
  track2,
  track2Equivalent,
} from "./basics.js";

const digits = (text: string): Uint8Array => Uint8Array.from(text, Number);
const anyPin = fc.array(fc.nat(9), { minLength: 4, maxLength: 12 }).map((pin) => Uint8Array.from(pin));
const anyPan = fc
  .string({ unit: fc.constantFrom(...Array.from("0123456789")), minLength: 12, maxLength: 18 })
  .map((payload) => payload + luhnDigit(payload));
/** The same bytes with one bit turned over. */
const turned = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, index) => (index === at % bytes.length ? byte ^ (1 << (at % 8)) : byte));

interface TrackVector {
  readonly payload?: string;
  readonly check?: string;
  readonly track?: 1 | 2;
  readonly text?: string;
  readonly chars_with_parity?: string;
  readonly lrc?: string;
}
describe("PAN and tracks", () => {
  const vectors = vectorsOf<TrackVector>("luhn-magstripe");
  test.each(vectors.filter(({ payload }) => payload !== undefined))("$id", ({ payload = "", check }) => {
    expect(luhnDigit(payload)).toBe(check);
  });
  test.each(vectors.filter(({ text }) => text !== undefined))("$id", (vector) => {
    const { track = 2, text = "" } = vector;
    const written = encodeTrack(track, text);
    expect(hex(written.characters)).toBe(vector.chars_with_parity);
    expect(hex(Uint8Array.of(written.lrc))).toBe(vector.lrc);
    expect(decodeTrack(track, written.characters, written.lrc)).toBe(text);
    for (let at = 0; at < written.characters.length; at++)
      expect(codeOf(() => decodeTrack(track, turned(written.characters, at), written.lrc))).toBe("bad-value");
    expect(codeOf(() => decodeTrack(track, written.characters, written.lrc ^ 3))).toBe("bad-value");
    expect(codeOf(() => decodeTrack(track, written.characters.slice(1), written.lrc))).toBe("bad-value");
  });
  test("any card's stripe and chip agree, and any wrong digit of a PAN is found", () => {
    fc.assert(
      fc.property(anyPan, fc.nat(18), fc.integer({ min: 1, max: 9 }), (pan, at, by) => {
        const data = { pan, expiry: "3109", serviceCode: "201", discretionary: "12345" };
        expect(parseTrack2(track2(data))).toEqual(data);
        expect(parseTrack2Equivalent(track2Equivalent(data))).toEqual(data);
        const place = at % pan.length;
        const wrong = `${pan.slice(0, place)}${(Number(pan[place]) + by) % 10}${pan.slice(place + 1)}`;
        expect([isPan(pan), isPan(wrong)]).toEqual([true, false]);
        expect(maskPan(pan)).toBe(`${pan.slice(0, 6)}${"*".repeat(pan.length - 10)}${pan.slice(-4)}`);
      }),
    );
  });
  test("what a track cannot hold", () => {
    const data = { pan: "4111111111111111", expiry: "3012", serviceCode: "201", discretionary: "0000" };
    expect(track1({ ...data, name: "DOE/JOHN" })).toBe("%B4111111111111111^DOE/JOHN^30122010000?");
    for (const wrong of [
      { pan: "411111111111111A" },
      { expiry: "3013" },
      { serviceCode: "20" },
      { discretionary: "1".repeat(20) },
      { discretionary: "A" },
    ])
      expect(codeOf(() => track2({ ...data, ...wrong }))).toBe("bad-value");
    for (const name of ["doe/john", "X", "DOE/JOHN^", "A".repeat(27)])
      expect(codeOf(() => track1({ ...data, name }))).toBe("bad-value");
    expect(codeOf(() => encodeTrack(2, ";12A4=?"))).toBe("bad-value");
    expect(codeOf(() => parseTrack2Equivalent(unhex("4111D30")))).toBe("bad-hex");
    expect(codeOf(() => parseTrack2Equivalent(unhex("4111111111111111E3012201")))).toBe("bad-value");
  });
});

describe("lists", () => {
  test("a data object list asks, fills and is taken apart again", () => {
    const list = unhex("9F02069F1A029F37045F2A025A0A");
    const entries = parseDol(list);
    expect(encodeDol(entries)).toEqual(list);
    const filled = fillDol(
      entries,
      new Map([
        [0x9f02, unhex("1234")],
        [0x9f1a, unhex("00000978")],
        [0x9f37, unhex("AABBCCDDEE")],
        [0x5a, unhex("4111111111111111")],
      ]),
    );
    expect(hex(filled)).toBe("0000000012340978AABBCCDD00004111111111111111FFFF");
    expect(hex(splitDol(entries, filled).get(0x9f37) ?? filled)).toBe("AABBCCDD");
    expect(codeOf(() => splitDol(entries, filled.slice(1)))).toBe("emv-answer");
    for (const wrong of ["9F", "9F02", "9F8080800101", "0001"])
      expect(codeOf(() => parseDol(unhex(wrong)))).toBe("emv-answer");
  });
  test("AFL and CVM list, both directions", () => {
    const afl = unhex("0801010010010301");
    expect(encodeAfl(parseAfl(afl))).toEqual(afl);
    for (const wrong of [
      "",
      "080101",
      "00010100",
      "F8010100",
      "08000100",
      "08020100",
      "08010102",
      "09010100",
    ])
      expect(codeOf(() => parseAfl(unhex(wrong)))).toBe("emv-answer");
    const list = unhex("0000138800000000440341031E031F06");
    expect(parseCvmList(list)).toEqual({
      x: 5000,
      y: 0,
      rules: [
        { method: "encipheredPin", orNext: true, when: "ifSupported" },
        { method: "plainPin", orNext: true, when: "ifSupported" },
        { method: "signature", orNext: false, when: "ifSupported" },
        { method: "none", orNext: false, when: "underX" },
      ],
    });
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(
          fc.record({
            method: fc.constantFrom(...(Object.keys(CVM) as CvmMethod[])),
            orNext: fc.boolean(),
            when: fc.constantFrom(...(Object.keys(CVM_CONDITION) as (keyof typeof CVM_CONDITION)[])),
          }),
          { minLength: 1 },
        ),
        (x, rules) => {
          expect(parseCvmList(encodeCvmList({ x, y: 0, rules }))).toEqual({ x, y: 0, rules });
        },
      ),
    );
    for (const wrong of [
      "00001388000000",
      "00001388000000004403FF",
      "00001388000000003003",
      "0000138800000000447F",
    ])
      expect(codeOf(() => parseCvmList(unhex(wrong)))).toBe("emv-answer");
  });
});

interface CryptoVector {
  readonly option?: "A" | "B";
  readonly pan: string;
  readonly psn: string;
  readonly imk?: string;
  readonly imk_ac?: string;
  readonly icc_mk?: string;
  readonly icc_mk_kcv?: string;
  readonly session_diversifier?: string;
  readonly sk_kcv?: string;
  readonly data?: string;
  readonly ac?: string;
  readonly arpc1_rc0000_with_mk?: string;
  readonly arpc1_rc0000_with_sk?: string;
  readonly arpc2_csu0?: string;
  readonly ac_input?: string;
  readonly arqc?: string;
  readonly arc?: string;
  readonly atc?: string;
  readonly csu?: string;
  readonly arpc?: string;
}
const kcv2 = (key: Uint8Array): string => hex(kcvDes(nodeCrypto, key)).slice(0, 4);

describe("keys and cryptograms", () => {
  const vectors = vectorsOf<CryptoVector>("emv-crypto");
  test.each(vectors.filter(({ option }) => option !== undefined))("$id", (vector) => {
    const { pan, psn, option = "A" } = vector;
    const master = iccMasterKey(nodeCrypto, unhex(vector.imk ?? ""), { pan, psn, option });
    expect(hex(master)).toBe(vector.icc_mk);
    expect(kcv2(master)).toBe(vector.icc_mk_kcv);
    const key = commonSessionKey(nodeCrypto, master, unhex(vector.session_diversifier ?? ""));
    expect(kcv2(key)).toBe(vector.sk_kcv);
    const ac = retailMac(nodeCrypto, key, unhex(vector.data ?? ""), 2);
    expect(hex(ac)).toBe(vector.ac);
    // Which ARPCs a vector tells differs.
    const rc = new Uint8Array(2);
    const arpcs = {
      arpc1_rc0000_with_mk: hex(arpcMethod1(nodeCrypto, master, ac, rc)),
      arpc1_rc0000_with_sk: hex(arpcMethod1(nodeCrypto, key, ac, rc)),
      arpc2_csu0: hex(arpcMethod2(nodeCrypto, key, ac, new Uint8Array(4))),
    };
    const told = (["arpc1_rc0000_with_mk", "arpc1_rc0000_with_sk", "arpc2_csu0"] as const).filter(
      (name) => vector[name] !== undefined,
    );
    expect(told.map((name) => arpcs[name])).toEqual(told.map((name) => vector[name]));
    expect(told.length).toBeGreaterThan(0);
  });
  test.each(vectors.filter(({ ac_input }) => ac_input !== undefined))("$id", (vector) => {
    const { pan, psn } = vector;
    const master = iccMasterKey(nodeCrypto, unhex(vector.imk_ac ?? ""), { pan, psn, option: "A" });
    const input = unhex(vector.ac_input ?? "");
    const version = vector.arc === undefined ? 18 : 10;
    const tail = input.subarray(33);
    const said = {
      terminal: input.subarray(0, 29),
      aip: input.subarray(29, 31),
      atc: input.subarray(31, 33),
      issuerApplicationData: version === 10 ? concat(unhex("06010A"), tail) : tail,
    };
    const arqc = applicationCryptogram(nodeCrypto, master, version, said);
    expect(hex(arqc)).toBe(vector.arqc);
    const responseCode = unhex(vector.arc ?? "3030");
    const data = issuerAuthenticationData(nodeCrypto, master, {
      version,
      atc: said.atc,
      cryptogram: arqc,
      responseCode,
      statusUpdate: unhex(vector.csu ?? "00000000"),
    });
    expect(hex(data)).toBe(`${vector.arpc ?? ""}${vector.arc ?? vector.csu ?? ""}`);
    const sessionCheck = kcv2(sessionKey(nodeCrypto, master, said.atc));
    expect([undefined, sessionCheck]).toContain(vector.sk_kcv);
    // Whatever it speaks of, one bit of it makes another cryptogram.
    for (let at = 0; at < 29; at++) {
      const other = applicationCryptogram(nodeCrypto, master, version, {
        ...said,
        terminal: turned(said.terminal, at),
      });
      expect(equal(other, arqc)).toBe(false);
    }
  });
  const macs = vectorsOf<{ alg: string; key: string; msg: string; padding: 1 | 2; mac: string }>(
    "mac-iso9797",
  );
  test.each(macs.filter(({ alg }) => alg.includes("alg 3")))("$id", ({ key, msg, padding, mac }) => {
    expect(hex(retailMac(nodeCrypto, unhex(key), unhex(msg), padding))).toBe(mac);
  });
  test("lengths that no key or value has are refused; parity is odd", () => {
    const card = { pan: "4111111111111111", psn: "00", option: "A" } as const;
    expect(codeOf(() => iccMasterKey(nodeCrypto, new Uint8Array(8), card))).toBe("bad-key");
    expect(codeOf(() => iccMasterKey(nodeCrypto, new Uint8Array(16), { ...card, psn: "1" }))).toBe(
      "bad-value",
    );
    expect(codeOf(() => sessionKey(nodeCrypto, new Uint8Array(16), new Uint8Array(3)))).toBe("bad-value");
    expect(codeOf(() => retailMac(nodeCrypto, new Uint8Array(24), new Uint8Array(3), 1))).toBe("bad-key");
    expect(hex(oddParity(unhex("00010203FEFF")))).toBe("01010202FEFE");
  });
  test("scripts are chained: a command sent twice, or out of its place, has another MAC", () => {
    const keys = { integrity: new Uint8Array(16).fill(1), confidentiality: new Uint8Array(16).fill(2) };
    const session = new ScriptSession(nodeCrypto, keys, unhex("0102030405060708"));
    const [first, second] = [session.applicationBlock(), session.applicationBlock()];
    expect([
      first.data?.length,
      hex(first.data ?? keys.integrity) === hex(second.data ?? keys.integrity),
    ]).toEqual([8, false]);
    expect(session.pinChange(pinBlock2(digits("1234"))).data?.length).toBe(24);
    expect(codeOf(() => session.secure({ cla: 0x80, ins: 0x1e, p1: 0, p2: 0 }))).toBe("bad-apdu");
  });
});

interface PinVector {
  readonly format: 0 | 1 | 2 | 3 | 4;
  readonly pin: string;
  readonly pan?: string;
  readonly block?: string;
  readonly block_example?: string;
  readonly key?: string;
  readonly pin_field?: string;
}
describe("PIN blocks", () => {
  test.each(vectorsOf<PinVector>("pin-blocks"))(
    "$id",
    ({ format, pin, pan = "", block, block_example, key, pin_field }) => {
      const bytes = unhex(block ?? block_example ?? "");
      const read = {
        0: () => pinOfBlock0(bytes, pan),
        1: () => pinOfBlock1(bytes),
        2: () => pinOfBlock2(bytes),
        3: () => pinOfBlock3(bytes, pan),
        4: () => pinOfEncipheredBlock4(nodeCrypto, unhex(key ?? ""), bytes, pan),
      }[format];
      expect([...read()].join("")).toBe(pin);
      const chance = (): Uint8Array => unhex(pin_field ?? "").slice(8);
      const made = {
        0: () => pinBlock0(digits(pin), pan),
        // Chance that gives the vector's own fill: its digits, and F.
        1: () => pinBlock1(digits(pin), () => Uint8Array.from(hex(bytes), Number)),
        2: () => pinBlock2(digits(pin)),
        3: () => pinBlock3(digits(pin), pan, () => new Uint8Array(16).fill(5)),
        4: () => encipheredPinBlock4(nodeCrypto, unhex(key ?? ""), { pin: digits(pin), pan, random: chance }),
      }[format];
      expect(made()).toEqual(bytes);
    },
  );
  test("any PIN comes back from any format; another PAN or a damaged block is refused or another PIN, never taken for right", () => {
    fc.assert(
      fc.property(anyPin, anyPan, fc.uint8Array({ minLength: 16, maxLength: 16 }), (pin, pan, key) => {
        expect(pinOfBlock0(pinBlock0(pin, pan), pan)).toEqual(pin);
        expect(pinOfBlock1(pinBlock1(pin, random))).toEqual(pin);
        expect(pinOfBlock2(pinBlock2(pin))).toEqual(pin);
        expect(pinOfBlock3(pinBlock3(pin, pan, random), pan)).toEqual(pin);
        const four = encipheredPinBlock4(nodeCrypto, key, { pin, pan, random });
        expect(pinOfEncipheredBlock4(nodeCrypto, key, four, pan)).toEqual(pin);
        for (let at = 0; at < 16; at++) {
          const other = unlessRefused(() => pinOfEncipheredBlock4(nodeCrypto, key, turned(four, at), pan));
          expect(other === undefined || !equal(other, pin)).toBe(true);
        }
        for (let at = 0; at < 8; at++) {
          const other = unlessRefused(() => pinOfBlock0(turned(pinBlock0(pin, pan), at), pan));
          expect(other === undefined || !equal(other, pin)).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
    for (const wrong of ["123", "1234567890123"])
      expect(codeOf(() => pinBlock2(digits(wrong)))).toBe("bad-value");
    expect(codeOf(() => pinOfBlock2(unhex("241234FFFFFFFF")))).toBe("bad-value");
    expect(codeOf(() => pinOfBlock2(unhex("24123AFFFFFFFFFF")))).toBe("bad-value");
    expect(codeOf(() => pinOfBlock2(unhex("241234FFFFFFFFF0")))).toBe("bad-value");
    expect(codeOf(() => pinOfBlock2(unhex("141234FFFFFFFFFF")))).toBe("bad-value");
  });
});

interface VerificationVector {
  readonly kind: string;
  readonly pvk?: string;
  readonly pvki?: string;
  readonly pin?: string;
  readonly pan: string;
  readonly pvv?: string;
  readonly table?: string;
  readonly validation?: readonly [number, number];
  readonly pad?: string;
  readonly offset?: string;
  readonly cvk?: string;
  readonly expiry?: string;
  readonly service_code?: string;
  readonly cvv?: string;
}
describe("PIN and card verification values", () => {
  const vectors = vectorsOf<VerificationVector>("pin-verification");
  test.each(vectors.filter(({ pvv }) => pvv !== undefined))("$id: $kind", (vector) => {
    const pin = digits(vector.pin ?? "");
    const value = (keyIndex: number): string =>
      pinVerificationValue(nodeCrypto, unhex(vector.pvk ?? ""), { pan: vector.pan, keyIndex, pin });
    expect(value(Number(vector.pvki))).toBe(vector.pvv);
    expect(value(9)).not.toBe(vector.pvv);
  });
  test.each(vectors.filter(({ offset }) => offset !== undefined))("$id: $kind", (vector) => {
    const [from = 0, to = 0] = vector.validation ?? [];
    const form = { table: vector.table ?? "", from, to, pad: vector.pad ?? "" };
    const ask = { pan: vector.pan, length: 4, form };
    const natural = naturalPin(nodeCrypto, unhex(vector.pvk ?? ""), ask);
    const { offset = "" } = vector;
    expect(pinOffset(natural, digits(vector.pin ?? ""))).toBe(offset);
    expect(pinFromOffset(natural, offset)).toEqual(digits(vector.pin ?? ""));
    fc.assert(
      fc.property(fc.array(fc.nat(9), { minLength: 4, maxLength: 4 }), (wanted) => {
        const own = Uint8Array.from(wanted);
        expect(pinFromOffset(natural, pinOffset(natural, own))).toEqual(own);
      }),
    );
    expect(codeOf(() => pinFromOffset(natural, "123"))).toBe("bad-value");
  });
  test("what a track says of the PIN: index and value, or index and offset, as long as the product says", () => {
    const key = unhex("0123456789ABCDEFFEDCBA9876543210");
    const pan = "1122334455667788";
    const said = (pin: string, how: PinVerification): string =>
      pinVerificationText(nodeCrypto, key, { pan, pin: digits(pin), said: how });
    expect(said("4524", { by: "pvv", keyIndex: 1 })).toBe("18523");
    // Of the twelve digits 233445566778 and F four times: by another program (openssl enc -des-ede), and by hand.
    expect(said("1234", { by: "offset", keyIndex: 2, digits: 4 })).toBe("24608");
    expect(said("123456", { by: "offset", keyIndex: 2, digits: 6 })).toBe("2460866");
    expect(codeOf(() => said("12345", { by: "offset", keyIndex: 2, digits: 4 }))).toBe("bad-value");
    expect(pinVerificationDigits({ by: "offset", keyIndex: 2, digits: 6 })).toBe(7);
  });
  test.each(vectors.filter(({ cvv }) => cvv !== undefined))("$id: $kind", (vector) => {
    const ask = { pan: vector.pan, expiry: vector.expiry ?? "", serviceCode: vector.service_code ?? "" };
    expect(cardVerificationValue(nodeCrypto, unhex(vector.cvk ?? ""), ask)).toBe(vector.cvv);
    expect(codeOf(() => cardVerificationValue(nodeCrypto, new Uint8Array(8), ask))).toBe("bad-key");
  });
});

interface CertificateVector {
  readonly ca_modulus: string;
  readonly ca_exponent: string;
  readonly issuer_cert_90: string;
  readonly issuer_remainder_92: string;
  readonly issuer_exponent_9F32: string;
  readonly issuer_modulus: string;
  readonly ssad_93: string;
  readonly static_data_to_authenticate: string;
  readonly dac_9F45: string;
}
describe("offline data authentication", () => {
  test.each(vectorsOf<CertificateVector>("emv-certs"))("$id", (vector) => {
    const authority = { modulus: unhex(vector.ca_modulus), exponent: unhex(vector.ca_exponent) };
    const carried = {
      certificate: unhex(vector.issuer_cert_90),
      remainder: unhex(vector.issuer_remainder_92),
      exponent: unhex(vector.issuer_exponent_9F32),
    };
    const issuer = recoverIssuerCertificate(nodeCrypto, authority, carried);
    expect(hex(issuer.publicKey.modulus)).toBe(vector.issuer_modulus);
    expect([issuer.issuer, issuer.expiry, hex(issuer.serial)]).toEqual(["427655", "1209", "0042B3"]);
    const data = unhex(vector.static_data_to_authenticate);
    const signed = unhex(vector.ssad_93);
    expect(hex(recoverStaticData(nodeCrypto, issuer.publicKey, signed, data))).toBe(vector.dac_9F45);
    for (let at = 0; at < 128; at += 5) {
      const certificate = turned(carried.certificate, at);
      expect(codeOf(() => recoverIssuerCertificate(nodeCrypto, authority, { ...carried, certificate }))).toBe(
        "emv-certificate",
      );
      const remainder = turned(carried.remainder, at);
      expect(codeOf(() => recoverIssuerCertificate(nodeCrypto, authority, { ...carried, remainder }))).toBe(
        "emv-certificate",
      );
      expect(codeOf(() => recoverStaticData(nodeCrypto, issuer.publicKey, turned(signed, at), data))).toBe(
        "emv-certificate",
      );
      expect(codeOf(() => recoverStaticData(nodeCrypto, issuer.publicKey, signed, turned(data, at)))).toBe(
        "emv-certificate",
      );
    }
  });
  /** Bytes that are the same each time: SHA-256 of a counter. */
  const seeded = (seed: number): ((length: number) => Uint8Array) => {
    let count = 0;
    return (length) => {
      let bytes = new Uint8Array(0);
      while (bytes.length < length)
        bytes = new Uint8Array(concat(bytes, nodeCrypto.sha256(utf8(`${seed}/${count++}`))));
      return bytes.slice(0, length);
    };
  };
  const pair = (bits: number, seed: number) => {
    const key = drawRsaKey({ bits, exponent: 3, random: seeded(seed) });
    return {
      ...key,
      signer: {
        modulus: key.publicKey.modulus,
        sign: (block: Uint8Array) => nodeCrypto.rsaPrivate(key.privateKey, block),
      },
    };
  };
  const [authority, issuer, icc] = [pair(1536, 1), pair(1408, 2), pair(1152, 3)];
  test("keys have their size, one seed gives one key, and raw RSA is its own inverse", () => {
    expect([authority, issuer, icc].map(({ publicKey }) => publicKey.modulus.length)).toEqual([
      192, 176, 144,
    ]);
    expect(pair(1152, 3).publicKey).toEqual(icc.publicKey);
    expect(pair(1152, 4).publicKey).not.toEqual(icc.publicKey);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 143, maxLength: 143 }), (bytes) => {
        const block = concat(Uint8Array.of(0), bytes);
        expect(nodeCrypto.rsaPublic(icc.publicKey, nodeCrypto.rsaPrivate(icc.privateKey, block))).toEqual(
          block,
        );
        expect(nodeCrypto.rsaPrivate(icc.privateKey, nodeCrypto.rsaPublic(icc.publicKey, block))).toEqual(
          block,
        );
      }),
      { numRuns: 20 },
    );
    expect(codeOf(() => nodeCrypto.rsaPublic(icc.publicKey, new Uint8Array(143)))).toBe("bad-value");
    expect(codeOf(() => nodeCrypto.rsaPublic(icc.publicKey, new Uint8Array(144).fill(0xff)))).toBe(
      "bad-value",
    );
    const broken = { ...icc.privateKey, dp: new Uint8Array(72) };
    expect(codeOf(() => nodeCrypto.rsaPrivate(broken, new Uint8Array(144)))).toBe("bad-key");
    expect(codeOf(() => drawRsaKey({ bits: 1000, exponent: 3, random }))).toBe("bad-value");
  });
  test("a chain built here is recovered here; one bit anywhere and it is not", () => {
    const issued = signIssuerCertificate(nodeCrypto, authority.signer, {
      issuer: "999901",
      expiry: "1232",
      serial: unhex("000001"),
      publicKey: issuer.publicKey,
    });
    expect(issued.remainder.length).toBe(20);
    const found = recoverIssuerCertificate(nodeCrypto, authority.publicKey, issued);
    expect([found.issuer, found.expiry, found.publicKey]).toEqual(["999901", "1232", issuer.publicKey]);
    const staticData = staticDataToAuthenticate(
      [
        { sfi: 2, whole: unhex("70025A00"), inside: unhex("5A00") },
        { sfi: 11, whole: unhex("70019A"), inside: unhex("9A") },
      ],
      unhex("7900"),
    );
    expect(hex(staticData)).toBe("5A0070019A7900");
    const content = {
      pan: "9999010000000004",
      expiry: "1231",
      serial: unhex("000002"),
      publicKey: icc.publicKey,
    };
    const card = signIccCertificate(nodeCrypto, issuer.signer, content, staticData);
    expect([card.certificate.length, card.remainder.length]).toEqual([176, 10]);
    expect(recoverIccCertificate(nodeCrypto, found.publicKey, card, staticData)).toEqual(content);
    const dynamic = concat(Uint8Array.of(8), unhex("1122334455667788"));
    const signed = signDynamicData(nodeCrypto, icc.signer, dynamic, unhex("01020304"));
    expect(recoverDynamicData(nodeCrypto, icc.publicKey, signed, unhex("01020304"))).toEqual(dynamic);
    const ssad = signStaticData(nodeCrypto, issuer.signer, unhex("DAC0"), staticData);
    expect(hex(recoverStaticData(nodeCrypto, issuer.publicKey, ssad, staticData))).toBe("DAC0");
    for (let at = 0; at < 176; at += 7) {
      const certificate = turned(card.certificate, at);
      expect(
        codeOf(() =>
          recoverIccCertificate(nodeCrypto, issuer.publicKey, { ...card, certificate }, staticData),
        ),
      ).toBe("emv-certificate");
      expect(
        codeOf(() => recoverIccCertificate(nodeCrypto, issuer.publicKey, card, turned(staticData, at))),
      ).toBe("emv-certificate");
      expect(
        codeOf(() => recoverDynamicData(nodeCrypto, icc.publicKey, turned(signed, at), unhex("01020304"))),
      ).toBe("emv-certificate");
      expect(
        codeOf(() => recoverDynamicData(nodeCrypto, icc.publicKey, signed, turned(unhex("01020304"), at))),
      ).toBe("emv-certificate");
    }
    expect(
      codeOf(() =>
        signIccCertificate(nodeCrypto, icc.signer, { ...content, publicKey: issuer.publicKey }, staticData),
      ),
    ).toBe("bad-value");
  });
});
