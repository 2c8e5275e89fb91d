import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { complete, fresh, image12, on, powered } from "../../tools/bench.js";
import type { Response, StatusWord } from "../apdu/index.js";
import { concat, hex, u16, unhex, utf8 } from "../bytes/index.js";
import { type CardChannel, CardMute } from "../program/index.js";
import { encodeTlv, tlv } from "../tlv/index.js";
import { decodeResponse, encodeCommand, transmitWhole } from "../apdu/index.js";
import { inspectCard } from "./index.js";

type Answer = string | Uint8Array | undefined;

/** A channel whose card answers by a function of the command in hexadecimal digits; undefined is silence. */
function channelOf(answer: (command: string) => Answer): CardChannel & { readonly sent: string[] } {
  const sent: string[] = [];
  return {
    sent,
    exchange: async (commands) => {
      const answers: Response[] = [];
      for (const { command } of commands) {
        answers.push(
          await transmitWhole((one) => {
            const text = hex(encodeCommand(one));
            sent.push(text);
            const said = answer(text);
            if (said === undefined) return Promise.reject(new CardMute(answers));
            return Promise.resolve(decodeResponse(typeof said === "string" ? unhex(said) : said));
          }, command),
        );
      }
      return answers;
    },
  };
}

const atr = unhex("3B9C968131FE458073B621006650534C4F010200");
const instructionsOf = (sent: readonly string[]) => new Set(sent.map((command) => command.slice(2, 4)));

describe("our own chip", () => {
  const { store, card } = fresh();
  powered(card);
  const blank = store.load();
  complete(card, image12);
  powered(card);
  const completed = store.load();

  test.each([
    ["blank", blank, "ROM only"],
    ["completed", completed, "operating system completed"],
  ])("%s: tells number, state and keys, and its memory stays as it was", async (_name, content, phase) => {
    const silicon = { ...store, load: () => content.slice(), write: () => expect.unreachable() };
    const copy = on(silicon);
    const answered = copy.powerOn() ?? new Uint8Array(0);
    const channel = channelOf((command) => copy.transmit(unhex(command)));
    const found = await inspectCard(channel, { atr: answered });
    const fact = (what: string) => found.facts.find((one) => one.what === what);
    expect(fact("chip number")).toMatchObject({ value: "5053000000000000002A", state: "told" });
    expect(fact("chip status")?.value).toContain(phase);
    expect(found.ended).toBeUndefined();
    expect(
      [...instructionsOf(channel.sent)].filter((ins) => !["A4", "CA", "B0", "B2"].includes(ins)),
    ).toEqual([]);
  });
});

describe("a stranger's card", () => {
  const entry = (name: string, label: string) =>
    encodeTlv(tlv(0x61, tlv(0x4f, unhex(name)), tlv(0x50, utf8(label))));
  const records = [
    entry("A0000000871002FF49", "USIM of <b>someone\u001b[31m"),
    entry("A000000063504B43532D3135", ""),
  ];
  const fcp = (id: number, descriptor: string) =>
    encodeTlv(tlv(0x62, tlv(0x82, unhex(descriptor)), tlv(0x83, u16(id)), tlv(0x80, u16(64))));
  const stranger = (command: string): Answer => {
    if (command === "80CA004200") return "6E00";
    if (command === "00CA004200") return concat(encodeTlv(tlv(0x42, unhex("498720"))), u16(0x9000));
    if (command.slice(2, 4) === "CA") return "6A88";
    // Neither silence nor FCP is to be had, only FCI by P2 00.
    if (command.startsWith("00A4") && command.slice(6, 8) !== "00") return "6A86";
    if (command.startsWith("00A40000023F00")) return concat(fcp(0x3f00, "38"), u16(0x9000));
    if (command.startsWith("00A40000022F00")) return concat(fcp(0x2f00, "0221001402"), u16(0x9000));
    if (command.startsWith("00A4040007A0000000871002")) return "9000";
    if (command.startsWith("00B2")) {
      const record = records[Number.parseInt(command.slice(4, 6), 16) - 1];
      return record === undefined ? "6A83" : concat(record, u16(0x9000));
    }
    return "6A82";
  };

  test("tells MF, EF.DIR and applications; its text is made harmless", async () => {
    const found = await inspectCard(channelOf(stranger), { atr });
    expect(found.files).toMatchObject([
      { path: "MF", fid: "3F00", structure: "DF" },
      { path: "EF.DIR", fid: "2F00", structure: "linear-fixed" },
    ]);
    expect(found.applications).toEqual([
      { aid: "A0000000871002FF49", name: "USIM of <b>someone?[31m", seen: "listed" },
      { aid: "A000000063504B43532D3135", name: "PKCS#15", seen: "listed" },
      { aid: "A0000000871002", name: "USIM", seen: "selected" },
    ]);
    expect(found.facts).toContainEqual({
      what: "issuer identification number",
      value: "498720",
      state: "told",
    });
  });

  test("a telecom file is one beside a USIM; elsewhere the product's name counts, or the name is a guess and told as one", async () => {
    const pathsOf = async (usim: boolean, wanted?: { readonly name: string; readonly fid: number }) => {
      const channel = channelOf((command) => {
        if (command.startsWith("00A40000023F00")) return concat(fcp(0x3f00, "38"), u16(0x9000));
        if (/^00A40[0-2]00027F10/.test(command)) return concat(fcp(0x7f10, "38"), u16(0x9000));
        if (command.startsWith("00A4") && command.slice(6, 8) !== "00") return "6A86";
        return usim && command.startsWith("00A4040007A0000000871002") ? "9000" : "6A82";
      });
      const { files } = await inspectCard(channel, {
        atr,
        ...(wanted === undefined ? {} : { wanted: [{ name: "MF", files: [wanted] }] }),
      });
      return files.map(({ path }) => path);
    };
    expect(await pathsOf(true)).toEqual(["MF", "DF.TELECOM"]);
    expect(await pathsOf(false)).toEqual(["MF", "DF.TELECOM?"]);
    expect(await pathsOf(false, { name: "access", fid: 0x7f10 })).toEqual(["MF", "MF/access"]);
  });

  /** Bears SELECT without an answer only, and holds MF, a transparent EF.DIR and one file more. */
  const fragile = (command: string): Answer => {
    if (!command.startsWith("00A4")) {
      if (command.startsWith("00B2")) return "6981";
      return command.startsWith("00B0") ? concat(entry("A0000000871002FF49", "USIM"), u16(0x9000)) : "6D00";
    }
    const there = ["00023F00", "00022F00", "02020101"].includes(command.slice(4, 6) + command.slice(8, 14));
    if (!there) return "6A82";
    return command.slice(6, 8) === "0C" ? "9000" : undefined;
  };
  const wanted = [
    {
      name: "MF",
      files: [
        { name: "holder", fid: 0x0101 },
        { name: "zones", fid: 0x0102 },
      ],
    },
  ];

  test("falls silent where SELECT wants an answer: everything else was learned before, and the command is told", async () => {
    const found = await inspectCard(channelOf(fragile), { atr, wanted });
    expect(found.files.map(({ path, fid, structure }) => [path, fid, structure])).toEqual([
      ["MF", "3F00", ""],
      ["EF.DIR", "2F00", ""],
      ["MF/holder", "0101", ""],
    ]);
    expect(found.missing).toEqual(["MF/zones"]);
    expect(found.applications).toEqual([{ aid: "A0000000871002FF49", name: "USIM", seen: "listed" }]);
    expect(found.ended).toContain("it was asked 00A40004023F0000");
  });

  test.each([
    ["by its ATR", { atr: unhex("3B951381018073FF01000B") }, "vicc 0.8"],
    ["as its product declares", { atr, silently: "seen on a badge" }, "seen on a badge"],
  ])("%s: it is never asked for an answer, and what it was spared is told", async (_by, options, why) => {
    const channel = channelOf(fragile);
    const found = await inspectCard(channel, { ...options, wanted });
    expect(found.ended).toBeUndefined();
    expect(found.files.map(({ path }) => path)).toEqual(["MF", "EF.DIR", "MF/holder"]);
    expect(found.notAsked).toContain(why);
    const selects = channel.sent.filter((command) => command.startsWith("00A4"));
    expect(new Set(selects.map((command) => command.slice(6, 8)))).toEqual(new Set(["0C"]));
  });

  test("silent from the third command on: what was learned stays, the end is told", async () => {
    let left = 2;
    const found = await inspectCard(
      channelOf(() => (left-- > 0 ? "6A88" : undefined)),
      { atr },
    );
    expect(found.facts).toHaveLength(2);
    expect(found.ended).toContain("stopped answering");
  });

  test("whatever a card answers: harmless commands only, an end, and no control character", async () => {
    const bomb = concat(new Uint8Array(240).fill(0x61), u16(0x9000));
    const any = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((data) => concat(data, u16(0x9000))),
      fc.constantFrom(...["6A82", "6A86", "9000", "6283", "6E00"].map(unhex), bomb),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(any, { minLength: 1, maxLength: 20 }), async (said) => {
        let at = 0;
        const channel = channelOf(() => said[at++ % said.length]);
        const found = await inspectCard(channel, { atr: said[0] ?? atr });
        expect(channel.sent.length).toBeLessThanOrEqual(256);
        // Class 90 is the native one of DESFire-style cards (desfire.test.ts).
        const iso = channel.sent.filter((command) => !command.startsWith("90"));
        for (const ins of instructionsOf(iso)) expect(["A4", "CA", "B0", "B2"]).toContain(ins);
        expect(JSON.stringify(found)).not.toMatch(/\\u00[01]|\\u007f/);
      }),
      { numRuns: 100 },
    );
  });

  test("a fault of the reader is nobody's answer", async () => {
    const broken: CardChannel = { exchange: () => Promise.reject(new Error("unplugged")) };
    await expect(inspectCard(broken, { atr })).rejects.toThrow("unplugged");
  });

  test("a channel that hands over nothing ends it", async () => {
    const empty: CardChannel = { exchange: () => Promise.resolve([]) };
    expect(await inspectCard(empty, { atr })).toMatchObject({ ended: "the reader handed over no answer" });
  });

  test("status words that are none are told as they are", async () => {
    const odd: CardChannel = {
      exchange: () => Promise.resolve([{ data: new Uint8Array(0), sw: 0x1234 as StatusWord }]),
    };
    const { facts } = await inspectCard(odd, { atr });
    expect(facts[0]?.value).toContain("1234");
  });
});
