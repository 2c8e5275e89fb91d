import { cmac as nobleCmac } from "@noble/ciphers/aes.js";
import { createCipheriv } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../node/index.js";
import { codeOf, vectorsOf } from "../../node/testing.js";
import { equal, hex, unhex } from "../bytes/index.js";
import { cmac, kcvAes, kcvDes, pad80, unpad80 } from "./index.js";

const aesKey = fc.constantFrom(16, 24, 32).chain((n) => fc.uint8Array({ minLength: n, maxLength: n }));
const blocks = (size: number) =>
  fc.integer({ min: 1, max: 5 }).chain((n) => fc.uint8Array({ minLength: n * size, maxLength: n * size }));

describe("CMAC", () => {
  interface CmacVector {
    readonly alg: string;
    readonly key: string;
    readonly msg: string;
    readonly mac: string;
  }
  const vectors = vectorsOf<CmacVector>("cmac");
  const cipherOf = ({ alg, key }: CmacVector) =>
    alg.startsWith("AES") ? nodeCrypto.aes(unhex(key)) : nodeCrypto.des3(unhex(key));
  test("all vectors are here", () => expect(vectors.length).toBe(10));
  test.each(vectors)("$id", (vector) => {
    const message = unhex(vector.msg);
    expect(hex(cmac(cipherOf(vector), message))).toBe(vector.mac);
    const longer = new Uint8Array(message.length + 1);
    longer.set(message);
    expect(hex(cmac(cipherOf(vector), longer))).not.toBe(vector.mac);
    for (let at = 0; at < message.length; at++) {
      const damaged = message.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      expect(hex(cmac(cipherOf(vector), damaged))).not.toBe(vector.mac);
    }
  });
  test("agrees with another implementation", () => {
    fc.assert(
      fc.property(aesKey, fc.array(fc.uint8Array({ maxLength: 70 }), { maxLength: 4 }), (key, messages) => {
        // One cipher for all messages: nothing may carry over from one to the next.
        const cipher = nodeCrypto.aes(key);
        for (const message of messages) expect(hex(cmac(cipher, message))).toBe(hex(nobleCmac(message, key)));
      }),
    );
  });
  test("leaves its message alone", () => {
    const message = unhex("6BC1BEE22E409F96E93D7E117393172A");
    const before = hex(message);
    cmac(nodeCrypto.aes(new Uint8Array(16)), message);
    expect(hex(message)).toBe(before);
  });
});

describe("block ciphers", () => {
  test("CBC agrees with OpenSSL used in the ordinary way, message after message", () => {
    fc.assert(
      fc.property(
        aesKey,
        fc.array(fc.tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), blocks(16)), { maxLength: 4 }),
        (key, messages) => {
          const cipher = nodeCrypto.aes(key);
          for (const [iv, data] of messages) {
            const ordinary = createCipheriv(`aes-${key.length * 8}-cbc`, key, iv).setAutoPadding(false);
            const expected = new Uint8Array(ordinary.update(data));
            const encrypted = cipher.cbcEncrypt(iv, data);
            expect(hex(encrypted)).toBe(hex(expected));
            expect(hex(cipher.cbcDecrypt(iv, encrypted))).toBe(hex(data));
            expect(hex(cipher.decrypt(cipher.encrypt(data)))).toBe(hex(data));
          }
        },
      ),
    );
  });
  test("DES with keys of 8, 16 and 24 bytes", () => {
    // FIPS 81: DES-ECB of "Now is t" under 0123456789ABCDEF.
    expect(hex(nodeCrypto.des3(unhex("0123456789ABCDEF")).encrypt(unhex("4E6F772069732074")))).toBe(
      "3FA40E8A984D4815",
    );
    const two = unhex("404142434445464748494A4B4C4D4E4F");
    const three = unhex("404142434445464748494A4B4C4D4E4F4041424344454647");
    const data = unhex("00112233445566778899AABBCCDDEEFF");
    const iv = unhex("0102030405060708");
    const encrypted = nodeCrypto.des3(two).cbcEncrypt(iv, data);
    expect(hex(encrypted)).toBe(hex(nodeCrypto.des3(three).cbcEncrypt(iv, data)));
    expect(hex(nodeCrypto.des3(two).cbcDecrypt(iv, encrypted))).toBe(hex(data));
  });
  test("refuses wrong keys, IVs and lengths", () => {
    for (const length of [0, 8, 15, 17, 33])
      expect(codeOf(() => nodeCrypto.aes(new Uint8Array(length)))).toBe("bad-key");
    for (const length of [0, 7, 32])
      expect(codeOf(() => nodeCrypto.des3(new Uint8Array(length)))).toBe("bad-key");
    const cipher = nodeCrypto.aes(new Uint8Array(16));
    expect(codeOf(() => cipher.encrypt(new Uint8Array(15)))).toBe("bad-value");
    expect(codeOf(() => cipher.cbcEncrypt(new Uint8Array(8), new Uint8Array(16)))).toBe("bad-value");
    expect(codeOf(() => cipher.cbcDecrypt(new Uint8Array(16), new Uint8Array(17)))).toBe("bad-value");
    expect(cipher.cbcEncrypt(new Uint8Array(16), new Uint8Array(0)).length).toBe(0);
  });
  test("copies its key, and forgets it", () => {
    const key = unhex("2B7E151628AED2A6ABF7158809CF4F3C");
    const cipher = nodeCrypto.aes(key);
    key.fill(0);
    expect(hex(cmac(cipher, new Uint8Array(0)))).toBe("BB1D6929E95937287FA37D129B756746");
    cipher.wipe();
    expect(codeOf(() => cipher.encrypt(new Uint8Array(16)))).toBe("session-closed");
    expect(codeOf(() => cmac(cipher, new Uint8Array(0)))).toBe("session-closed");
  });
  test("SHA-256", () => {
    const digest = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
    expect(hex(nodeCrypto.sha256(unhex("616263")))).toBe(digest);
  });
});

describe("padding 80 00..", () => {
  test("goes on and comes off", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), fc.constantFrom(8, 16), (data, block) => {
        const padded = pad80(data, block);
        expect(padded.length % block).toBe(0);
        expect(padded.length).toBeGreaterThan(data.length);
        expect(equal(unpad80(padded, block), data)).toBe(true);
      }),
    );
  });
  test.each(["", "00", "0000000000000000", "81", "8001"])("%j is refused", (text) => {
    expect(codeOf(() => unpad80(unhex(text)))).toBe("bad-padding");
  });
  test("a whole block of zeros too many passes only where the block is not given", () => {
    const long = unhex(`AA80${"00".repeat(16)}`);
    expect(hex(unpad80(long))).toBe("AA");
    expect(codeOf(() => unpad80(long, 16))).toBe("bad-padding");
    expect(hex(unpad80(long.subarray(0, 17), 16))).toBe("AA");
  });
});

describe("key check values", () => {
  interface KcvVector {
    readonly key?: string;
    readonly kcv_3des_zeros?: string;
    readonly kcv_aes_ones?: string | Readonly<Record<"enc" | "mac" | "dek", string>>;
    readonly kcv_aes_zeros?: string;
    readonly keys?: Readonly<Record<"enc" | "mac" | "dek", string>>;
  }
  const vectors = vectorsOf<KcvVector>("putkey-storedata").filter(({ id }) => id.startsWith("kcv-"));
  test("all vectors are here", () =>
    expect(vectors.map(({ id }) => id)).toEqual(["kcv-default", "kcv-aes128"]));
  test("one key under three methods", () => {
    const [{ key = "", kcv_3des_zeros, kcv_aes_ones, kcv_aes_zeros } = {}] = vectors;
    expect(hex(kcvDes(nodeCrypto, unhex(key)))).toBe(kcv_3des_zeros);
    expect(hex(kcvAes(nodeCrypto, unhex(key)))).toBe(kcv_aes_ones);
    expect(hex(kcvAes(nodeCrypto, unhex(key)))).not.toBe(kcv_aes_zeros);
    expect(hex(nodeCrypto.aes(unhex(key)).encrypt(new Uint8Array(16)).slice(0, 3))).toBe(kcv_aes_zeros);
  });
  test("a key set", () => {
    const { keys, kcv_aes_ones: expected } = vectors[1] ?? {};
    if (keys === undefined || typeof expected !== "object") throw new Error("the vector is missing");
    for (const name of ["enc", "mac", "dek"] as const) {
      expect(hex(kcvAes(nodeCrypto, unhex(keys[name])))).toBe(expected[name]);
    }
  });
});
