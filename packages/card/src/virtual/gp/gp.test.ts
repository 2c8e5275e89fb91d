import { describe, expect, test } from "vitest";
import { aes, des, GpBench, gpNumber, isdAid, keysOf, selectOf } from "../../../tools/gp-bench.js";
import { parseAtr } from "../../atr/index.js";
import { concat, equal, hex, unhex } from "../../bytes/index.js";
import {
  getCardData,
  openChannel,
  parseCardData,
  parseCardResources,
  parseCplc,
  parseKeyInformation,
  storeStream,
} from "../../globalplatform/index.js";
import { findTlv, parseTlv, tlv } from "../../tlv/index.js";
import { fabricateGlobalPlatform } from "../index.js";

describe("what it tells", () => {
  test("ATR, CPLC, card data, keys, resources; nothing that was not stored", () => {
    const bench = new GpBench({ keySets: [des(), aes(32)], i02: 0x75 });
    const atr = parseAtr(bench.card.powerOn() ?? new Uint8Array(0));
    expect(atr.problems.filter(({ severity }) => severity === "error")).toEqual([]);
    const cplc = parseCplc(bench.send(getCardData(0x9f7f)).data);
    expect(hex(cplc.icSerial)).toBe("00000007");
    expect(hex(cplc.icBatch)).toBe("0304");
    expect(parseCardData(bench.send(getCardData(0x66)).data)).toMatchObject({
      gpVersion: "2.3.1",
      scps: [
        { scp: 2, i: 0x75 },
        { scp: 3, i: 0x70 },
      ],
    });
    const keys = parseKeyInformation(bench.send(getCardData(0xe0)).data);
    expect(
      keys.map(({ id, kvn, components }) => [id, kvn, components[0]?.type, components[0]?.length]),
    ).toEqual([
      [1, 0x20, 0x80, 16],
      [2, 0x20, 0x80, 16],
      [3, 0x20, 0x80, 16],
      [1, 0x30, 0x88, 32],
      [2, 0x30, 0x88, 32],
      [3, 0x30, 0x88, 32],
    ]);
    expect(parseCardResources(bench.send(getCardData(0xff21)).data)).toEqual({
      applications: 0,
      freeNonVolatile: (512 - 74) * 64,
      freeVolatile: 1024,
    });
    expect(hex(bench.send(getCardData(0xcf)).data)).toBe(`CF0A${hex(gpNumber)}`);
    expect(hex(bench.send(getCardData(0xc1)).data)).toBe("C1020000");
    for (const tag of [0x42, 0x45, 0x67]) expect(bench.say(getCardData(tag))).toBe("6A88");
    expect(bench.say({ cla: 0x80, ins: 0xca, p1: 0x9f, p2: 0x7f, le: 16 })).toBe("6C2D");
  });
  test("issuer data and CPLC are written at once with the last block", () => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    const commands = storeStream(
      [tlv(0x42, unhex("0102")), tlv(0x45, unhex("A1A2A3")), tlv(0x9f66, unhex("1122334455667788"))],
      { blockSize: 7 },
    );
    for (const command of commands.slice(0, -1)) expect(bench.secured(session, command)).toBe("9000");
    expect(bench.say(getCardData(0x42))).toBe("6A88");
    expect(bench.secured(session, commands.at(-1) ?? openChannel())).toBe("9000");
    expect(hex(bench.send(getCardData(0x45)).data)).toBe("4503A1A2A3");
    const cplc = parseCplc(bench.send(getCardData(0x9f7f)).data);
    expect(hex(concat(cplc.personalizer, cplc.persoDate, cplc.persoEquipId))).toBe("1122334455667788");
    // A block that does not follow ends what was begun.
    expect(bench.secured(session, commands[1] ?? openChannel())).toBe("6A86");
    expect(bench.secured(session, storeStream(unhex("9F6801AA"))[0] ?? openChannel())).toBe("6A80");
  });
});

describe("the fab", () => {
  const chipNumber = gpNumber;
  test.each([
    [{ keySets: [] }],
    [{ keySets: [{ ...aes(), kvn: 0x80 }] }],
    [{ keySets: [{ ...aes(), mac: new Uint8Array(32) }] }],
    [{ keySets: [{ ...des(), enc: new Uint8Array(24) }] }],
    [{ keySets: [aes()], i02: 0x45 }],
    [{ keySets: [aes()], i03: 0x40 }],
    [{ keySets: [aes()], isd: unhex("A0") }],
    [{ keySets: [aes()], pages: 74 }],
    [{ keySets: [aes()], chipNumber: new Uint8Array(9) }],
  ])("refuses %#", (wrong) => {
    expect(() => fabricateGlobalPlatform({ chipNumber, ...wrong })).toThrow(RangeError);
  });
  test("another ISD, another state", () => {
    const other = unhex("A0000005591010FFFFFFFF8900000100");
    const bench = new GpBench({ isd: other, life: "secured" });
    expect(bench.say(selectOf(hex(other)))).toBe("9000");
    const session = bench.open({ keys: keysOf(16), level: 0x33, aid: other });
    expect(session.challengeChecked).toBe(true);
    const listed = bench.secure(session, {
      cla: 0x80,
      ins: 0xf2,
      p1: 0x80,
      p2: 2,
      data: unhex("4F00"),
      le: 256,
    });
    expect(equal(findTlv(parseTlv(listed.data), 0xe3, 0x4f)?.value ?? isdAid, other)).toBe(true);
  });
});
