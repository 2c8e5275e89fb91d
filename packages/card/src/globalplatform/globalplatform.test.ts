import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../node/index.js";
import { codeOf, unlessRefused, vectorsOf } from "../../node/testing.js";
import { decodeCommand, encodeCommand } from "../apdu/index.js";
import { aid, concat, hex, unhex } from "../bytes/index.js";
import { cmac, kcvAes, kcvDes } from "../crypto/index.js";
import { encodeTlv, parseDgis, parseTlv } from "../tlv/index.js";
import {
  CARD_STATES,
  checkPutKeyAnswer,
  cplcDate,
  diversify3des,
  diversifyKdf3,
  diversifyKeyKdf3,
  encodeCplc,
  getCardData,
  getStatus,
  kdfCounterFirst,
  keyDgis,
  parseCardData,
  parseCardResources,
  parseCplc,
  parseKeyInformation,
  parseOid,
  parseStatus,
  parseStatusOld,
  putKey,
  sessionsLeft,
  setStatus,
  storeData,
  storeDataBlocks,
  wipeKeySet,
} from "./index.js";

/** Every way of cutting the bytes is refused by a CardProblem or gives something else. */
const refusesEveryCut = (text: string, read: (bytes: Uint8Array) => unknown) => {
  const bytes = unhex(text);
  for (let cut = 0; cut < bytes.length; cut++) {
    // A cut between two objects leaves fewer of them, never the same.
    expect(unlessRefused(() => read(bytes.subarray(0, cut)))).not.toEqual(read(bytes));
  }
};

describe("SP 800-108", () => {
  interface KdfVector {
    readonly counter_bits: number;
    readonly ki: string;
    readonly fixed_input: string;
    readonly ko: string;
  }
  const vectors = vectorsOf<KdfVector>("kdf-sp800-108");
  test("all vectors are here", () => expect(vectors.length).toBe(4));
  test.each(vectors)("$id", ({ counter_bits, ki, fixed_input, ko }) => {
    const cipher = nodeCrypto.aes(unhex(ki));
    const counterBytes = counter_bits === 16 ? 2 : 1;
    const derive = (fixed: Uint8Array) => hex(kdfCounterFirst(cipher, fixed, ko.length / 2, counterBytes));
    expect(derive(unhex(fixed_input))).toBe(ko);
    const damaged = unhex(fixed_input);
    damaged[0] = (damaged[0] ?? 0) ^ 1;
    expect(derive(damaged)).not.toBe(ko);
    expect(derive(unhex(fixed_input).subarray(1))).not.toBe(ko);
  });
});

describe("diversification", () => {
  interface DiversificationVector {
    readonly method: string;
    readonly master: string;
    readonly kdd: string;
    readonly key_type: string;
    readonly kcv?: Readonly<Record<"enc" | "mac" | "dek", string>>;
    readonly keys: Readonly<Partial<Record<"enc" | "mac" | "dek", string>>>;
  }
  const vectors = vectorsOf<DiversificationVector>("key-diversification");
  test("all vectors are here", () => expect(vectors.length).toBe(3));
  test.each(vectors)("$id", ({ method, master, kdd, kcv, keys }) => {
    const diversify = (data: Uint8Array) =>
      method === "KDF3"
        ? diversifyKdf3(nodeCrypto, unhex(master), data)
        : diversify3des(nodeCrypto, unhex(master), data, "emv-cps");
    const check = method === "KDF3" ? kcvAes : kcvDes;
    const set = diversify(unhex(kdd));
    for (const name of ["enc", "mac", "dek"] as const) {
      const given = { key: hex(set[name]), kcv: hex(check(nodeCrypto, set[name])) };
      // One vector gives a single key, and no check values.
      expect(given).toEqual({ key: keys[name] ?? given.key, kcv: kcv?.[name] ?? given.kcv });
    }
    const other = unhex(kdd);
    other[9] = (other[9] ?? 0) ^ 1;
    expect(hex(diversify(other).enc)).not.toBe(keys.enc);
    expect(codeOf(() => diversify(unhex(kdd).subarray(1)))).toBe("bad-value");
    wipeKeySet(set);
    expect([...set.enc, ...set.mac, ...set.dek].every((byte) => byte === 0)).toBe(true);
  });
  test("Visa templates take their bytes from other places", () => {
    const master = unhex("404142434445464748494A4B4C4D4E4F");
    const kdd = unhex("00010203040506070809");
    const block = (text: string) => hex(nodeCrypto.des3(master).encrypt(unhex(text)));
    expect(hex(diversify3des(nodeCrypto, master, kdd, "visa2").mac)).toBe(
      block("000104050607F002000104050607" + "0F02"),
    );
    expect(hex(diversify3des(nodeCrypto, master, kdd, "visa").dek)).toBe(
      block("000102030809F003000102030809" + "0F03"),
    );
    expect(codeOf(() => diversify3des(nodeCrypto, master.subarray(8), kdd, "visa"))).toBe("bad-key");
  });
  test("KDF3 gives keys of any number", () => {
    const master = new Uint8Array(16).fill(7);
    const kdd = new Uint8Array(10).fill(1);
    const expected = cmac(nodeCrypto.aes(master), concat(unhex("010000000900"), kdd));
    expect(hex(diversifyKeyKdf3(nodeCrypto, master, kdd, 9))).toBe(hex(expected));
    for (const k of [-1, 256, 0.5])
      expect(codeOf(() => diversifyKeyKdf3(nodeCrypto, master, kdd, k))).toBe("bad-value");
  });
});

describe("PUT KEY and key groupings", () => {
  interface PutKeyVector {
    readonly dek?: string;
    readonly s_dek?: string;
    readonly keys: readonly string[];
    readonly new_kvn: string;
    readonly old_kvn: string;
    readonly apdu: string;
    readonly kvn: string;
    readonly expected: string;
  }
  const vectors = vectorsOf<PutKeyVector>("putkey-storedata");
  const putKeys = vectors.filter(({ id }) => id.startsWith("putkey-"));
  const number = (text: string) => Number.parseInt(text, 16);
  /** What both vectors' data encryption keys do. */
  const dekOf = ({ dek, s_dek }: PutKeyVector) =>
    dek === undefined
      ? (data: Uint8Array) => nodeCrypto.des3(unhex(s_dek ?? "")).encrypt(data)
      : (data: Uint8Array) => nodeCrypto.aes(unhex(dek)).cbcEncrypt(new Uint8Array(16), data);
  const askOf = (v: PutKeyVector) => ({
    oldKvn: number(v.old_kvn),
    newKvn: number(v.new_kvn),
    firstKeyId: 1,
    keys: v.keys.map((key) => ({
      type: v.dek === undefined ? ("3des" as const) : ("aes" as const),
      key: unhex(key),
    })),
    crypto: nodeCrypto,
    dekEncrypt: dekOf(v),
  });
  test("all vectors are here", () => expect([vectors.length, putKeys.length]).toEqual([5, 2]));
  test.each(putKeys)("$id", (v) => {
    const { command, expected } = putKey(askOf(v));
    expect(hex(encodeCommand(command))).toBe(v.apdu);
    // Back: the same keys come out of the recorded command.
    const data = decodeCommand(unhex(v.apdu)).data ?? new Uint8Array(0);
    const field = (data.length - 1) / v.keys.length;
    v.keys.forEach((key, at) => {
      const bytes = data.subarray(1 + at * field, 1 + (at + 1) * field);
      const wrapped = v.dek === undefined ? bytes.subarray(2, 18) : bytes.subarray(3, 19);
      const clear =
        v.dek === undefined
          ? nodeCrypto.des3(unhex(v.s_dek ?? "")).decrypt(wrapped)
          : nodeCrypto.aes(unhex(v.dek)).cbcDecrypt(new Uint8Array(16), wrapped);
      expect(hex(clear)).toBe(key);
      expect(hex(expected.subarray(1 + 3 * at, 4 + 3 * at))).toBe(hex(bytes.subarray(-3)));
    });
    expect(() => checkPutKeyAnswer(expected, expected.slice())).not.toThrow();
    for (let at = 0; at < expected.length; at++) {
      const damaged = expected.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      expect(codeOf(() => checkPutKeyAnswer(expected, damaged))).toBe("kcv-mismatch");
      expect(codeOf(() => checkPutKeyAnswer(expected, expected.subarray(0, at)))).toBe("kcv-mismatch");
    }
  });
  test("one key alone, and AES-192 padded to 32 bytes", () => {
    const [v] = putKeys;
    if (v === undefined) throw new Error("the vector is missing");
    const { command } = putKey({
      ...askOf(v),
      firstKeyId: 2,
      keys: [{ type: "aes", key: new Uint8Array(24).fill(1) }],
    });
    expect(command.p2).toBe(0x02);
    expect(hex((command.data ?? new Uint8Array(0)).subarray(0, 4))).toBe("30882118");
    expect(command.data?.length).toBe(1 + 3 + 32 + 4);
  });
  test("refuses bad numbers and keys", () => {
    const [v] = putKeys;
    if (v === undefined) throw new Error("the vector is missing");
    const ask = askOf(v);
    for (const wrong of [{ keys: [] }, { newKvn: 0 }, { newKvn: 0x80 }, { firstKeyId: 0x7e }]) {
      expect(codeOf(() => putKey({ ...ask, ...wrong }))).toBe("bad-value");
    }
    expect(codeOf(() => putKey({ ...ask, keys: [{ type: "3des", key: new Uint8Array(24) }] }))).toBe(
      "bad-key",
    );
    expect(codeOf(() => putKey({ ...ask, keys: [{ type: "aes", key: new Uint8Array(20) }] }))).toBe(
      "bad-key",
    );
  });
  test("storedata-keys-3xaes128", () => {
    const v = vectors.find(({ id }) => id === "storedata-keys-3xaes128");
    if (v === undefined) throw new Error("the vector is missing");
    const ask = { kvn: number(v.kvn), keys: v.keys.map(unhex), crypto: nodeCrypto, dekEncrypt: dekOf(v) };
    expect(hex(keyDgis(ask))).toBe(v.expected);
    const [description, ...values] = parseDgis(unhex(v.expected));
    expect(parseTlv(description?.value ?? new Uint8Array(0)).map(({ tag }) => tag)).toEqual([
      0xb7, 0xb9, 0xb9, 0xb9,
    ]);
    const dek = nodeCrypto.aes(unhex(v.dek ?? ""));
    expect(values.map(({ value }) => hex(dek.cbcDecrypt(new Uint8Array(16), value)))).toEqual(v.keys);
    for (let cut = 1; cut < 10; cut++)
      expect(codeOf(() => parseDgis(unhex(v.expected).subarray(0, -cut)))).toBe("bad-dgi");
    expect(codeOf(() => keyDgis({ ...ask, keys: [new Uint8Array(16), new Uint8Array(32)] }))).toBe("bad-key");
    expect(codeOf(() => keyDgis({ ...ask, keys: [] }))).toBe("bad-key");
  });
});

describe("what a card tells", () => {
  interface GpVector {
    readonly tlv: string;
    readonly data: string;
    readonly fields: Readonly<Record<string, string>>;
    readonly gp_version: string;
    readonly scp: readonly { readonly scp: string; readonly i: string }[];
    readonly config_oid: string;
    readonly chip_oid: string;
    readonly keys: readonly {
      readonly id: number;
      readonly kvn: number;
      readonly type?: string;
      readonly len?: number;
      readonly types?: readonly (readonly [string, number])[];
    }[];
    readonly aids: readonly string[];
    readonly states: readonly string[];
    readonly installed_apps: number;
    readonly free_nvm: number;
    readonly free_ram: number;
  }
  const vectors = vectorsOf<GpVector>("gp-parsing");
  const vector = (id: string) => {
    const found = vectors.find((v) => v.id === id);
    if (found === undefined) throw new Error(`${id} is missing`);
    return found;
  };
  test("all vectors are here, and their objects are written as they were read", () => {
    expect(vectors.map(({ id }) => id)).toEqual([
      "cplc-1",
      "card-data-1",
      "key-info-3",
      "get-status-old",
      "ext-card-resources",
    ]);
    for (const { tlv = "", data = "" } of vectors)
      expect(hex(encodeTlv(parseTlv(unhex(tlv + data))))).toBe(tlv + data);
  });
  test("CPLC", () => {
    const { tlv, fields } = vector("cplc-1");
    const cplc = parseCplc(unhex(tlv));
    // Field names of the vector: the same words, abbreviations in capitals.
    const plain = (name: string) => name.toLowerCase();
    expect(
      Object.fromEntries(Object.entries(cplc).map(([name, value]) => [plain(name), hex(value)])),
    ).toEqual(Object.fromEntries(Object.entries(fields).map(([name, value]) => [plain(name), value])));
    expect(hex(encodeCplc(cplc))).toBe(tlv);
    expect(parseCplc(unhex(tlv.slice(6)))).toEqual(cplc);
    refusesEveryCut(tlv, parseCplc);
    expect(codeOf(() => encodeCplc({ ...cplc, icSerial: new Uint8Array(3) }))).toBe("bad-value");
    expect(cplcDate(cplc.icFabDate)).toEqual({ year: 3, day: 244 });
    expect(cplcDate(unhex("0000"))).toBeUndefined();
    expect(cplcDate(unhex("9367"))).toBeUndefined();
    expect(cplcDate(unhex("1A00"))).toBeUndefined();
  });
  test("card data", () => {
    const v = vector("card-data-1");
    // The vector counts in the arc 2 that stands for card management.
    expect(v.gp_version).toBe("2.2.3");
    expect(parseCardData(unhex(v.tlv))).toEqual({
      gpVersion: v.gp_version.slice(2),
      scps: v.scp.map(({ scp, i }) => ({ scp: Number.parseInt(scp, 16), i: Number.parseInt(i, 16) })),
      identificationOid: "1.2.840.114283.3",
      configurationOid: v.config_oid,
      chipOid: v.chip_oid,
    });
    refusesEveryCut(v.tlv, parseCardData);
    expect(codeOf(() => parseCardData(unhex("66027300" + "00")))).toBe("bad-tlv");
    expect(codeOf(() => parseCardData(unhex("6600")))).toBe("bad-response");
    expect(codeOf(() => parseCardData(unhex("660A7308640606042A030405")))).toBe("bad-response");
  });
  test("object identifiers", () => {
    expect(parseOid(unhex("2A864886FC6B04038170"))).toEqual([1, 2, 840, 114283, 4, 3, 240]);
    expect(parseOid(unhex("8837"))).toEqual([2, 999]);
    for (const text of ["", "2A86", "FFFFFFFFFFFFFFFFFF7F"])
      expect(codeOf(() => parseOid(unhex(text)))).toBe("bad-tlv");
  });
  test("key information", () => {
    const v = vector("key-info-3");
    const components = ({ type, len, types }: (typeof v.keys)[number]) =>
      types ?? [[type ?? "", len ?? 0] as const];
    expect(parseKeyInformation(unhex(v.tlv))).toEqual(
      v.keys.map((key) => ({
        id: key.id,
        kvn: key.kvn,
        components: components(key).map(([type, length]) => ({ type: Number.parseInt(type, 16), length })),
      })),
    );
    refusesEveryCut(v.tlv, parseKeyInformation);
    expect(parseKeyInformation(unhex("E006C00401018810" + "E006C00402018810")).length).toBe(2);
    expect(parseKeyInformation(unhex("E00CC00A0130FF8800100118" + "0101"))).toEqual([
      { id: 1, kvn: 0x30, components: [{ type: 0x88, length: 16 }], usage: unhex("18"), access: unhex("01") },
    ]);
    for (const text of ["E100", "E002C100", "E004C0020130", "E005C003013088", "E00AC0080130FF8800100118"]) {
      expect(codeOf(() => parseKeyInformation(unhex(text)))).toBe("bad-response");
    }
  });
  test("registry entries", () => {
    const v = vector("get-status-old");
    const entries = parseStatus(unhex(v.data));
    expect(entries.map(({ aid }) => hex(aid))).toEqual(v.aids);
    expect(entries.map(({ lifeCycle }) => hex(Uint8Array.of(lifeCycle)))).toEqual(v.states);
    refusesEveryCut(v.data, parseStatus);
    expect(codeOf(() => parseStatus(unhex("E3074F05A000000004")))).toBe("bad-response");
    expect(codeOf(() => parseStatus(unhex("E400")))).toBe("bad-response");
    const [full] = parseStatus(
      unhex("E3254F05A0000000049F700107C503800000C405A000000003CC05A0000001518405A000000003"),
    );
    expect(full).toMatchObject({ lifeCycle: 7, privileges: unhex("800000"), modules: [unhex("A000000003")] });
  });
  test("registry entries of the old form", () => {
    const text = "08A00000015141434C010010A000000220200301010100000000000601" + "00";
    const entries = parseStatusOld(unhex(text));
    expect(entries.map(({ aid, lifeCycle }) => [hex(aid), lifeCycle])).toEqual([
      ["A00000015141434C", 1],
      ["A0000002202003010101000000000006", 1],
    ]);
    expect(codeOf(() => parseStatusOld(unhex(text).subarray(0, -1)))).toBe("bad-response");
    expect(
      parseStatusOld(unhex("05A000000003010002" + "05A000000001" + "05A000000002"), true)[0]?.modules.length,
    ).toBe(2);
  });
  test("resources", () => {
    const v = vector("ext-card-resources");
    expect(parseCardResources(unhex(v.tlv))).toEqual({
      applications: v.installed_apps,
      freeNonVolatile: v.free_nvm,
      freeVolatile: v.free_ram,
    });
    refusesEveryCut(v.tlv, parseCardResources);
    expect(codeOf(() => parseCardResources(unhex("FF2103810102")))).toBe("bad-response");
  });
});

describe("commands", () => {
  const isd = aid(unhex("A000000151000000"));
  test.each([
    [getCardData(0x9f7f), "80CA9F7F00"],
    [getCardData(0xe0), "80CA00E000"],
    [getStatus("isd"), "80F28002024F0000"],
    [getStatus("applications", { next: true }), "80F24003024F0000"],
    [getStatus("load-files", { aid: isd }), "80F220020A4F08A00000015100000000"],
    [getStatus("load-files-and-modules"), "80F21002024F0000"],
    [setStatus({ of: "isd", state: CARD_STATES.secured, aid: isd }), "80F0800F08A000000151000000"],
    [setStatus({ of: "application", state: 0x87, aid: isd }), "80F0408708A000000151000000"],
    [
      setStatus({ of: "security-domain-and-applications", state: 0x07, aid: isd }),
      "80F0600708A000000151000000",
    ],
    [storeData({ structure: "dgi", data: unhex("AA"), block: 0, last: false }), "80E2080001AA"],
    [
      storeData({
        structure: "ber-tlv",
        encryption: "encrypted",
        data: unhex("AA"),
        block: 255,
        last: true,
        answers: true,
      }),
      "80E2F1FF01AA00",
    ],
  ] as const)("%# is %s", (command, expected) => {
    expect(hex(encodeCommand(command))).toBe(expected);
  });
  test("STORE DATA blocks are numbered, the last is marked", () => {
    const blocks = storeDataBlocks([unhex("01"), unhex("02"), unhex("03")], {
      structure: "dgi",
      encryption: "application",
    });
    expect(blocks.map(({ p1, p2 }) => [p1, p2])).toEqual([
      [0x28, 0],
      [0x28, 1],
      [0xa8, 2],
    ]);
    expect(codeOf(() => storeData({ structure: "none", data: unhex("01"), block: 256, last: true }))).toBe(
      "bad-value",
    );
  });
});

test.each([
  ["0000", 65_535],
  ["FFFE", 1],
  ["FFFF", 0],
  ["000001", 16_777_214],
  ["FFFFFF", 0],
])("a sequence counter %s leaves %i sessions", (counter, left) => {
  expect(sessionsLeft(unhex(counter))).toBe(left);
});
