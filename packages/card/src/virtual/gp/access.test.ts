import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../../node/index.js";
import { accessApp, GpBench, gpNumber, installAccess, keysOf, selectOf } from "../../../tools/gp-bench.js";
import type { Command } from "../../apdu/index.js";
import { concat, hex, unhex } from "../../bytes/index.js";
import { cmac } from "../../crypto/index.js";
import { installForPersonalization, type NewDgi, storeDgis } from "../../globalplatform/index.js";

describe("the access applet", () => {
  const key = new Uint8Array(16).fill(0x4b);
  const kcv = nodeCrypto.aes(key).encrypt(new Uint8Array(16).fill(1)).slice(0, 3);
  const personalized = (over: readonly NewDgi[] = []) => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    expect(bench.secured(session, installAccess)).toBe("9000");
    expect(bench.secured(session, installForPersonalization(accessApp))).toBe("9000");
    const dek = { encrypt: (data: Uint8Array) => session.encryptWithDek(data), block: 16 as const };
    const groupings: NewDgi[] = [
      { id: 0x0101, value: new Uint8Array(300).fill(0x41) },
      { id: 0x0201, value: unhex("5157") },
      { id: 0x0301, value: unhex("99") },
      { id: 0x9001, value: kcv },
      { id: 0x8101, value: key, secret: "whole-blocks" },
      ...over,
    ];
    const answers = storeDgis(groupings, { dek }).map((command) => bench.secured(session, command));
    return { bench, answers };
  };
  const get = (p1: number, p2: number): Command => ({ cla: 0, ins: 0xca, p1, p2, le: 256 });
  test("who may read what, and a gate that proves itself", () => {
    const { bench, answers } = personalized();
    expect(new Set(answers)).toEqual(new Set(["9000"]));
    bench.power();
    expect(bench.say(selectOf(hex(accessApp)))).toBe("9000");
    expect(bench.send(get(2, 1)).sw).toBe(0x6982);
    expect(bench.say(get(3, 1))).toBe("6982");
    expect(bench.say(get(0x81, 1))).toBe("6A88");
    const aesKey = nodeCrypto.aes(key);
    const challenge = unhex("00112233445566778899AABBCCDDEEFF");
    const internal = bench.send({ cla: 0, ins: 0x88, p1: 0, p2: 1, data: challenge, le: 256 });
    expect(hex(internal.data)).toBe(hex(cmac(aesKey, concat(Uint8Array.of(1), gpNumber, challenge))));
    const rc = bench.send({ cla: 0, ins: 0x84, p1: 0, p2: 0, le: 16 }).data;
    const rh = new Uint8Array(16).fill(9);
    const proof = cmac(aesKey, concat(Uint8Array.of(3), gpNumber, rc, rh));
    const mutual = { cla: 0, ins: 0x82, p1: 0, p2: 1, data: concat(rh, proof), le: 256 };
    const answer = bench.send(mutual);
    expect(hex(answer.data)).toBe(hex(cmac(aesKey, concat(Uint8Array.of(4), gpNumber, rh, rc))));
    expect(hex(bench.send(get(2, 1)).data)).toBe("5157");
    expect(bench.say(mutual)).toBe("6985");
    bench.power();
    bench.send(selectOf(hex(accessApp)));
    expect(bench.say(get(2, 1))).toBe("6982");
    bench.send({ cla: 0, ins: 0x84, p1: 0, p2: 0, le: 16 });
    expect(bench.say(mutual)).toBe("63CE");
  });
  test("a key whose check value differs, or that came in clear: nothing of it all is kept", () => {
    const wrong = personalized([{ id: 0x8102, value: key }]);
    expect(wrong.answers.at(-1)).toBe("6A80");
    expect(wrong.bench.say(selectOf(hex(accessApp)))).toBe("9000");
    expect(wrong.bench.say(get(2, 1))).toBe("6A88");
    const other = personalized([
      { id: 0x9002, value: unhex("000000") },
      { id: 0x8102, value: key, secret: "whole-blocks" },
    ]);
    expect(other.answers.at(-1)).toBe("6A80");
    expect(personalized([{ id: 0x7777, value: unhex("00") }]).answers.at(-1)).toBe("6A80");
  });
});

describe("the access applet's PIN", () => {
  const limitAndBlock = (text: string) => unhex(`${text}80000000000000`);
  const withPin = (value: Uint8Array, secret = true) => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    expect(bench.secured(session, installAccess)).toBe("9000");
    expect(bench.secured(session, installForPersonalization(accessApp))).toBe("9000");
    const dek = { encrypt: (data: Uint8Array) => session.encryptWithDek(data), block: 16 as const };
    const one: NewDgi = { id: 0x8281, value, ...(secret ? { secret: "whole-blocks" as const } : {}) };
    const answers = storeDgis([one], { dek }).map((command) => bench.secured(session, command));
    return { bench, session, dek, answer: answers.at(-1) };
  };

  test.each([
    ["in clear", limitAndBlock("032512345FFFFFFFFF"), false],
    ["no try", limitAndBlock("002512345FFFFFFFFF"), true],
    ["too many tries", limitAndBlock("102512345FFFFFFFFF"), true],
    ["another format", limitAndBlock("030512345FFFFFFFFF"), true],
    ["another padding", unhex("032512345FFFFFFFFF00000000000000"), true],
    ["longer", new Uint8Array(32), true],
  ])("%s is none", (_, value, secret) => {
    const { bench, answer } = withPin(value, secret);
    expect(answer).toBe("6A80");
    bench.power();
    expect(bench.say(selectOf(hex(accessApp)))).toBe("9000");
    expect(bench.say({ cla: 0, ins: 0x20, p1: 0, p2: 0x81 })).toBe("6A88");
  });

  test("the issuer unblocks it by storing it anew; nothing of the old one stays in the memory", () => {
    const { bench, answer } = withPin(limitAndBlock("012512345FFFFFFFFF"));
    expect(answer).toBe("9000");
    bench.power();
    expect(bench.say(selectOf(hex(accessApp)))).toBe("9000");
    const verify = (block: string) => bench.say({ cla: 0, ins: 0x20, p1: 0, p2: 0x81, data: unhex(block) });
    expect(verify("2599999FFFFFFFFF")).toBe("63C0");
    expect(verify("2512345FFFFFFFFF")).toBe("6983");
    bench.power();
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    const dek = { encrypt: (data: Uint8Array) => session.encryptWithDek(data), block: 16 as const };
    expect(bench.secured(session, installForPersonalization(accessApp))).toBe("9000");
    const anew: NewDgi = {
      id: 0x8281,
      value: limitAndBlock("0226867530FFFFFFFF"),
      secret: "whole-blocks",
    };
    expect(storeDgis([anew], { dek }).map((command) => bench.secured(session, command))).toEqual(["9000"]);
    bench.power();
    expect(bench.say(selectOf(hex(accessApp)))).toBe("9000");
    expect(verify("2512345FFFFFFFFF")).toBe("63C1");
    expect(verify("26867530FFFFFFFF")).toBe("9000");
    expect(bench.say({ cla: 0, ins: 0x20, p1: 0, p2: 0x81 })).toBe("9000");
  });
});
