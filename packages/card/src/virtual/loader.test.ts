import { describe, expect, test } from "vitest";
import { hex, unhex } from "../bytes/index.js";
import {
  bytesOf,
  chipNumber,
  complete,
  fresh,
  initialize,
  image10,
  image12,
  keys,
  loaderKey,
  on,
  open,
  powered,
  say,
} from "../../tools/bench.js";
import { crc32 } from "../../tools/image.js";

const status = "80CADF0100";

describe("a fresh chip", () => {
  test("answers reset, tells its number and its state", () => {
    const { card } = fresh();
    expect(powered(card)).toBe("3B98968131FE45806650534C520100FF");
    expect(say(card, "80CA00CF00")).toBe(`CF0A${hex(chipNumber)}9000`);
    expect(say(card, status)).toBe("DF010B01010000000302004000009000");
  });

  test("answers only loader commands, and only well-formed ones", () => {
    const { card } = fresh();
    powered(card);
    const answers: Record<string, string> = {
      "00A4000C023F00": "6E00",
      "80A40000": "6D00",
      "80CA123400": "6A88",
      "80CA00CF": "6700",
      "80CA00CF05": "6C0C",
      "80CA00": "6700",
      "80CA00CF000000": "6700",
      "80120001": "6A86",
      "8012000000": "6700",
      "80140000": "6700",
      "8016000004000002010000": "6700",
      "80160000040000020104": "6A80",
      "80160000040000000004": "6A80",
      "8018000004000A0001": "6A86",
      "8018010204000A0001": "6A86",
      "801801000400040001": "6A80",
      "8018010004000A0101": "6A80",
      "801801000401FF0002": "6A80",
      "801801000401000000": "6A80",
      "8050000001AA00": "6700",
    };
    for (const [command, answer] of Object.entries(answers))
      expect(`${command} → ${say(card, command)}`).toBe(`${command} → ${answer}`);
  });

  test("tests its RAM, ROM and EEPROM", () => {
    const { store, card } = fresh();
    powered(card);
    expect(say(card, "80120000")).toBe("9000");
    expect(say(card, "8014000004")).toMatch(/^[0-9A-F]{8}9000$/);
    const whole = bytesOf(crc32(store.load()));
    expect(say(card, "80160000040000020004")).toBe(`${hex(whole)}9000`);
    // Chessboard on page 10, its inverse on page 11, then look.
    expect(say(card, "8018010004000A0001")).toBe("9000");
    expect(say(card, "8018020104000B0001")).toBe("9000");
    expect(hex(store.load().subarray(640, 768))).toBe("AA55".repeat(32) + "55AA".repeat(32));
    expect(say(card, "801801010400050100")).toBe("9000");
    expect(say(card, "8018020104010500FB")).toBe("9000");
  });
});

describe("authentication before completion", () => {
  test("the card proves itself first, and a doubtful card costs no try", () => {
    const { card } = fresh();
    powered(card);
    expect(open(card, unhex("FF".repeat(16))).sw).toBe("refused");
    expect(open(card).sw).toBe("9000");
    expect(say(card, status)).toMatch(/^DF010B010100000003/);
  });

  test("three wrong cryptograms and the loader is shut for ever", () => {
    const { store, card } = fresh();
    powered(card);
    const wrong = `8082000010${"00".repeat(16)}`;
    expect(say(card, wrong)).toBe("6985");
    for (const answer of ["63C2", "63C1", "63C0"]) {
      expect(say(card, initialize)).toMatch(/9000$/);
      expect(say(card, wrong)).toBe(answer);
      expect(say(card, wrong)).toBe("6985");
    }
    expect(say(card, initialize)).toBe("6983");
    const sameChip = on(store);
    powered(sameChip);
    expect(open(sameChip).sw).toBe("6983");
  });

  test("a right cryptogram gives all tries back", () => {
    const { card } = fresh();
    powered(card);
    say(card, initialize);
    expect(say(card, `8082000010${"00".repeat(16)}`)).toBe("63C2");
    expect(open(card).sw).toBe("9000");
    expect(say(card, status)).toBe("DF010B01010000000302004000009000");
  });

  test("a wrong MAC, or a MAC out of order, ends the session", () => {
    for (const spoil of ["mac", "data", "order"] as const) {
      const { card } = fresh();
      powered(card);
      const { host } = open(card);
      const [first, second] = [1, 2].map((n) => host.loadBlock(0x0280, Uint8Array.of(n)));
      if (first === undefined || second === undefined) throw new Error("two commands were made");
      if (spoil === "mac") first[first.length - 1] = (first.at(-1) ?? 0) ^ 1;
      if (spoil === "data") first[5] = 9;
      expect(say(card, spoil === "order" ? second : first)).toBe("6988");
      expect(say(card, first)).toBe("6982");
    }
  });

  test("nothing is loaded without a session, and neither reset nor RAM test leave one", () => {
    const { card } = fresh();
    powered(card);
    for (const command of [`84D602800A${"00".repeat(10)}`, `84D800010A${"00".repeat(10)}`])
      expect(say(card, command)).toBe("6982");
    const { host } = open(card);
    expect(card.warmReset()).toBeDefined();
    expect(say(card, host.loadBlock(0x0280, Uint8Array.of(1)))).toBe("6982");
    const again = open(card).host;
    expect(say(card, "80120000")).toBe("9000");
    expect(say(card, again.loadBlock(0x0280, Uint8Array.of(1)))).toBe("6982");
  });
});

describe("completion", () => {
  test("with either image: another ATR, another state, the loader gone", () => {
    for (const [image, minor] of [
      [image10, "00"],
      [image12, "02"],
    ] as const) {
      const { store, card } = fresh();
      powered(card);
      expect(complete(card, image)).toBe("9000");
      expect(say(card, "80CA00CF00")).toBe("6985");
      expect(say(card, status)).toBe("6985");
      expect(powered(card)).toMatch(new RegExp(`^3B9C968131FE458073B621006650534C4F01${minor}..$`));
      for (const command of ["80120000", "8014000004", "80160000040000020004", "8018010004000A0001"])
        expect(say(card, command)).toBe("6D00");
      const left = store.load();
      expect(left.subarray(0x40, 0xc0).every((byte) => byte === 0xff)).toBe(true);
      expect(hex(left)).not.toContain(hex(loaderKey));
    }
  });

  test("is refused without keys, without a sound image, or when the CRC is not that of the image", () => {
    const { card } = fresh();
    powered(card);
    const { host } = open(card);
    const activate = (length = image12.length, crc = crc32(image12)): string =>
      say(card, host.activate(0x0280, length, bytesOf(crc)));
    expect(say(card, host.loadBlock(0x0280, image12))).toBe("9000");
    expect(activate()).toBe("6985");
    expect(say(card, host.loadKeys(1, keys))).toBe("9000");
    expect(activate(image12.length, 1)).toBe("6985");
    expect(activate(image12.length - 1, crc32(image12.subarray(0, -1)))).toBe("6985");
    const other = image12.slice();
    other[6] = 2;
    expect(say(card, host.loadBlock(0x0280, other))).toBe("9000");
    expect(activate(other.length, crc32(other))).toBe("6985");
    expect(say(card, host.loadBlock(0x0280, image12))).toBe("9000");
    expect(activate()).toBe("9000");
  });

  test("blocks go into the image area and nowhere else", () => {
    const { store, card } = fresh();
    powered(card);
    const { host } = open(card);
    const bytes = Uint8Array.from({ length: 192 }, (_, i) => i);
    const answers = [0x0000, 0x0040, 0x027f, 0x1f41, 0x2000, 0xfff0, 0x1f40, 0x0281].map((address) =>
      say(card, host.loadBlock(address, bytes)),
    );
    expect(answers).toEqual(["6B00", "6B00", "6B00", "6B00", "6B00", "6B00", "9000", "9000"]);
    expect(hex(store.load().subarray(0x0280, 0x0342))).toBe(`FF${hex(bytes)}FF`);
    expect(say(card, host.loadBlock(0x0280, new Uint8Array(193)))).toBe("6700");
  });

  test("keys are taken only when all check values agree", () => {
    const { card } = fresh();
    powered(card);
    const { host } = open(card);
    const wrong = host.wrapKeys(keys);
    wrong[wrong.length - 1] = (wrong.at(-1) ?? 0) ^ 1;
    expect(say(card, host.secured(0xd8, 1, wrong))).toBe("6A80");
    expect(say(card, host.secured(0xd8, 0, host.wrapKeys(keys)))).toBe("6A86");
    expect(say(card, host.secured(0xd8, 0x80, host.wrapKeys(keys)))).toBe("6A86");
    expect(say(card, host.secured(0xd8, 1, host.wrapKeys(keys).subarray(1)))).toBe("6700");
    expect(say(card, host.loadKeys(0x7f, keys))).toBe("9000");
  });
});
