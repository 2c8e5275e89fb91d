import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codeOf, unlessRefused, vectorsOf } from "../../node/testing.js";
import { equal, hex, unhex } from "../bytes/index.js";
import {
  type Command,
  chain,
  decodeCommand,
  decodeResponse,
  describeSw,
  encodeCommand,
  encodeResponse,
  expectSw,
  followUp,
  isExtended,
  type Response,
  SW,
  statusWord,
  swMatches,
  transmitWhole,
  triesLeft,
} from "./index.js";

const instruction = fc.nat(255).filter((ins) => (ins & 0xf0) !== 0x60 && (ins & 0xf0) !== 0x90);
const length = fc.oneof(fc.nat(300), fc.constantFrom(1, 255, 256, 257, 65535));
const command: fc.Arbitrary<Command> = fc
  .record({
    cla: fc.nat(254),
    ins: instruction,
    p1: fc.nat(255),
    p2: fc.nat(255),
    nc: length,
    le: fc.option(fc.constantFrom(1, 2, 255, 256, 257, 65535, 65536), { nil: undefined }),
  })
  .map(({ nc, le, ...header }) => ({
    ...header,
    ...(nc === 0 ? {} : { data: new Uint8Array(nc).fill(nc & 0xff) }),
    ...(le === undefined ? {} : { le }),
  }));

describe("command APDUs", () => {
  interface ApduVector {
    readonly header: string;
    readonly nc: number;
    readonly data: string;
    readonly ne: number | null;
    readonly extended: boolean;
    readonly apdu: string;
  }
  const vectors = vectorsOf<ApduVector>("apdu-cases");
  const commandOf = ({ header, data, ne }: ApduVector): Command => {
    const [cla = 0, ins = 0, p1 = 0, p2 = 0] = unhex(header);
    return {
      cla,
      ins,
      p1,
      p2,
      ...(data === "" ? {} : { data: unhex(data) }),
      ...(ne === null ? {} : { le: ne }),
    };
  };
  test("all vectors are here", () => expect(vectors.length).toBe(6));
  test.each(vectors)("$id", (vector) => {
    const plain = commandOf(vector);
    expect(plain.data?.length ?? 0).toBe(vector.nc);
    expect(hex(encodeCommand(plain, { extended: vector.extended }))).toBe(vector.apdu);
    expect(decodeCommand(unhex(vector.apdu))).toEqual(plain);
    expect(isExtended(unhex(vector.apdu))).toBe(vector.extended);
  });
  test.each(vectors)("$id cut anywhere is refused or another command", (vector) => {
    const bytes = unhex(vector.apdu);
    for (let cut = 0; cut < bytes.length; cut++) {
      const part = bytes.subarray(0, cut);
      const read = unlessRefused(() => decodeCommand(part));
      if (read === undefined) continue;
      // Header alone, header with Le, or without the last Le: never the same command, and never shorter than it says.
      expect(read).not.toEqual(commandOf(vector));
      expect(hex(encodeCommand(read, { extended: isExtended(part) }))).toBe(hex(part));
    }
  });
  test("reads what it writes, in both forms", () => {
    fc.assert(
      fc.property(command, (plain) => {
        for (const form of [{}, { extended: true }]) {
          const { data, ...header } = decodeCommand(encodeCommand(plain, form));
          const { data: sent, ...expected } = plain;
          expect(header).toEqual(expected);
          // Compared by hand: the matcher takes its time over 64 KiB.
          expect(equal(data ?? new Uint8Array(0), sent ?? new Uint8Array(0))).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });
  test("any bytes are read back the same, or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
        const read = unlessRefused(() => decodeCommand(bytes));
        const again = read === undefined ? bytes : encodeCommand(read, { extended: isExtended(bytes) });
        expect(hex(again)).toBe(hex(bytes));
      }),
    );
  });
  const header = { cla: 0, ins: 0xb0, p1: 0, p2: 0 };
  test("takes the short form whenever it fits", () => {
    expect(hex(encodeCommand({ ...header, le: 256 }))).toBe("00B0000000");
    expect(hex(encodeCommand({ ...header, le: 257 }))).toBe("00B00000000101");
    expect(hex(encodeCommand({ ...header, le: 65536 }))).toBe("00B00000000000");
    expect(encodeCommand({ ...header, data: new Uint8Array(256) }).length).toBe(4 + 3 + 256);
    expect(hex(encodeCommand({ ...header, data: new Uint8Array(0) }))).toBe("00B00000");
    expect(hex(encodeCommand(header, { extended: true }))).toBe("00B00000");
  });
  test("refuses the impossible", () => {
    expect(codeOf(() => encodeCommand({ ...header, data: new Uint8Array(256) }, { extended: false }))).toBe(
      "too-long",
    );
    expect(codeOf(() => encodeCommand({ ...header, le: 257 }, { extended: false }))).toBe("too-long");
    expect(codeOf(() => encodeCommand({ ...header, data: new Uint8Array(65536) }))).toBe("too-long");
    for (const le of [0, 65537, 1.5]) expect(codeOf(() => encodeCommand({ ...header, le }))).toBe("bad-apdu");
    for (const wrong of [{ cla: 0xff }, { ins: 0x6a }, { ins: 0x90 }, { p1: 256 }, { p2: -1 }]) {
      expect(codeOf(() => encodeCommand({ ...header, ...wrong }))).toBe("bad-apdu");
    }
    for (const text of ["", "00A404", "FFA40400", "00610000", "00A400000001", "00A4000003AABB"]) {
      expect(codeOf(() => decodeCommand(unhex(text)))).toBe("bad-apdu");
    }
    expect(codeOf(() => decodeCommand(unhex("00A40000000000AA")))).toBe("bad-apdu");
    expect(codeOf(() => decodeCommand(unhex("00A40000000002AABB01")))).toBe("bad-apdu");
  });
  test("messages show the header only", () => {
    const pin = { ...header, ins: 0x20, data: unhex("3132333435"), le: 0 };
    expect(() => encodeCommand(pin)).toThrow(/^command 00200000: Ne 0 /);
  });
});

describe("responses", () => {
  test("read and written", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
        const read = decodeResponse(encodeResponse({ data, sw: SW.ok }));
        expect(equal(read.data, data)).toBe(true);
        expect(read.sw).toBe(SW.ok);
      }),
    );
  });
  test.each(["", "90", "6000", "0000", "A000", "AABB1234"])("%j is no response", (text) => {
    expect(codeOf(() => decodeResponse(unhex(text)))).toBe("bad-response");
  });
});

describe("status words", () => {
  test("names, numbers and words", () => {
    expect(describeSw(SW.fileNotFound)).toBe("6A82 file or application not found");
    expect(describeSw(statusWord(0x63c1))).toBe("63C1 refused, 1 try left");
    expect(describeSw(statusWord(0x6110))).toBe("6110 done, 16 bytes wait for GET RESPONSE");
    expect(describeSw(statusWord(0x6c00))).toBe("6C00 wrong Le, 256 bytes are there");
    expect(describeSw(statusWord(0x6faa))).toBe("6FAA no precise diagnosis");
    expect(describeSw(statusWord(0x9abc))).toBe("9ABC a meaning of this card's own");
    const numbers = Object.values(SW);
    expect(new Set(numbers).size).toBe(numbers.length);
  });
  test("tries left are for 63CX alone", () => {
    for (let x = 0; x < 16; x++) expect(triesLeft(statusWord(0x63c0 | x))).toBe(x);
    expect(triesLeft(SW.warningChanged)).toBeUndefined();
    expect(triesLeft(SW.authenticationBlocked)).toBeUndefined();
    expect(triesLeft(SW.ok)).toBeUndefined();
  });
  test("patterns", () => {
    expect(expectSw("9000", "61xx", "63CX")).toEqual([
      { value: 0x9000, mask: 0xffff },
      { value: 0x6100, mask: 0xff00 },
      { value: 0x63c0, mask: 0xfff0 },
    ]);
    const patterns = expectSw("9000", "63Cx");
    expect(swMatches(SW.ok, patterns)).toBe(true);
    expect(swMatches(statusWord(0x63c7), patterns)).toBe(true);
    expect(swMatches(statusWord(0x63d0), patterns)).toBe(false);
    expect(swMatches(SW.ok, [])).toBe(false);
    for (const text of ["900", "90000", "90y0", ""]) expect(codeOf(() => expectSw(text))).toBe("bad-value");
  });
});

describe("command chaining", () => {
  const store: Command = {
    cla: 0x80,
    ins: 0xe2,
    p1: 0x80,
    p2: 0,
    data: new Uint8Array(600).map((_, i) => i),
    le: 256,
  };
  test("cuts, marks all but the last, and expects an answer once", () => {
    const pieces = chain(store, 255);
    expect(pieces.map(({ cla }) => cla)).toEqual([0x90, 0x90, 0x80]);
    expect(pieces.map(({ le }) => le)).toEqual([undefined, undefined, 256]);
    expect(pieces.map(({ data }) => data?.length)).toEqual([255, 255, 90]);
    expect(pieces.map(({ data }) => hex(data ?? new Uint8Array(0))).join("")).toBe(
      hex(store.data ?? new Uint8Array(0)),
    );
  });
  test("what fits stays alone; bad classes and sizes are refused", () => {
    expect(chain(store, 600)).toEqual([store]);
    for (const cla of [0x20, 0x3f, 0x90]) expect(codeOf(() => chain({ ...store, cla }))).toBe("bad-apdu");
    expect(codeOf(() => chain(store, 0))).toBe("bad-value");
  });
});

describe("responses in pieces", () => {
  /** A card that keeps `content` for GET RESPONSE, at most 256 bytes a piece. */
  const cardWith = (content: Uint8Array, first: Response) => {
    const sent: string[] = [];
    let at = 0;
    const transmit = (asked: Command): Promise<Response> => {
      sent.push(hex(encodeCommand(asked)));
      if (asked.ins !== 0xc0) return Promise.resolve(first);
      const piece = content.subarray(at, at + (asked.le ?? 0));
      at += piece.length;
      const left = content.length - at;
      const sw = left === 0 ? SW.ok : statusWord(0x6100 | (left >= 256 ? 0 : left));
      return Promise.resolve({ data: piece, sw });
    };
    return { sent, transmit };
  };
  const nothing = new Uint8Array(0);
  const select: Command = { cla: 0x01, ins: 0xa4, p1: 4, p2: 0, data: unhex("A000000151"), le: 256 };

  test("61XX: all of it, on the command's channel", async () => {
    const content = new Uint8Array(700).map((_, i) => i);
    const { sent, transmit } = cardWith(content, { data: nothing, sw: statusWord(0x6100) });
    const response = await transmitWhole(transmit, select);
    expect(hex(response.data)).toBe(hex(content));
    expect(response.sw).toBe(SW.ok);
    expect(sent.slice(1)).toEqual(["01C0000000", "01C0000000", "01C00000BC"]);
  });
  test("61XX with a smaller Le takes only what was asked for", async () => {
    const { sent, transmit } = cardWith(new Uint8Array(20), { data: nothing, sw: statusWord(0x6114) });
    const response = await transmitWhole(transmit, { ...select, le: 8 });
    expect(response).toEqual({ data: new Uint8Array(8), sw: 0x610c });
    expect(sent.length).toBe(2);
  });
  test("GET RESPONSE drops secure messaging and chaining bits, keeps the channel", () => {
    const next = (cla: number) => followUp({ data: nothing, sw: statusWord(0x6105) }, { ...select, cla });
    expect([0x84, 0x0f, 0x90, 0x66, 0xe3].map((cla) => next(cla))).toMatchObject(
      [0x00, 0x03, 0x00, 0x46, 0x43].map((cla) => ({ do: "send", command: { cla, ins: 0xc0, le: 5 } })),
    );
  });
  test("6CXX: the same command once more, with the right Le", async () => {
    const sent: Command[] = [];
    const read: Command = { cla: 0, ins: 0xb0, p1: 0, p2: 0, le: 256 };
    const response = await transmitWhole((asked) => {
      sent.push(asked);
      const right = asked.le === 16;
      return Promise.resolve(
        right ? { data: new Uint8Array(16), sw: SW.ok } : { data: nothing, sw: statusWord(0x6c10) },
      );
    }, read);
    expect(response.data.length).toBe(16);
    expect(sent).toEqual([read, { ...read, le: 16 }]);
  });
  test.each([0x20, 0x21, 0x24, 0x26, 0x28, 0x2c, 0x82, 0x86, 0xe0, 0xe2])(
    "6CXX does not bring INS %i again: it may cost a try or make another; a wrong Le of its GET RESPONSE is corrected",
    async (ins) => {
      const costly: Command = { cla: 0, ins, p1: 0, p2: 0x81, data: new Uint8Array(8), le: 256 };
      const got: number[] = [];
      const answers = [0x6c10];
      const card = (command: Command): Promise<Response> => {
        got.push(command.ins);
        return Promise.resolve({ data: nothing, sw: statusWord(answers.shift() ?? 0x9000) });
      };
      expect((await transmitWhole(card, costly)).sw).toBe(0x6c10);
      expect(got).toEqual([ins]);
      answers.push(0x6110, 0x6c08);
      expect((await transmitWhole(card, costly)).sw).toBe(SW.ok);
      expect(got).toEqual([ins, ins, 0xc0, 0xc0]);
    },
  );
  test("6CXX does not bring a native command again", async () => {
    const got: number[] = [];
    const card = (command: Command): Promise<Response> => {
      got.push(command.ins);
      return Promise.resolve({ data: nothing, sw: statusWord(0x6c10) });
    };
    const more: Command = { cla: 0x90, ins: 0xaf, p1: 0, p2: 0, data: new Uint8Array(32), le: 256 };
    expect((await transmitWhole(card, more)).sw).toBe(0x6c10);
    expect(got).toEqual([0xaf]);
  });
  test("6CXX twice, or without Le, is the caller's answer", async () => {
    const read: Command = { cla: 0, ins: 0xb0, p1: 0, p2: 0, le: 256 };
    let count = 0;
    const stubborn = () => {
      count++;
      return Promise.resolve({ data: nothing, sw: statusWord(0x6c10) });
    };
    expect((await transmitWhole(stubborn, read)).sw).toBe(0x6c10);
    expect(count).toBe(2);
    const { le: _, ...noLe } = read;
    expect((await transmitWhole(stubborn, noLe)).sw).toBe(0x6c10);
    expect(count).toBe(3);
  });
  test("a card that never ends is stopped", async () => {
    let count = 0;
    const endless = (data: Uint8Array) => () => {
      count++;
      return Promise.resolve({ data, sw: statusWord(0x6100) });
    };
    await expect(transmitWhole(endless(nothing), select)).rejects.toMatchObject({ code: "endless-response" });
    expect(count).toBeLessThan(260);
    await expect(transmitWhole(endless(new Uint8Array(9000)), select)).rejects.toMatchObject({
      code: "endless-response",
    });
  });
  test("exactly 64 KiB pass", async () => {
    const { transmit } = cardWith(new Uint8Array(65536), { data: nothing, sw: statusWord(0x6100) });
    expect((await transmitWhole(transmit, select)).data.length).toBe(65536);
  });
  test("errors come through unchanged", () => {
    expect(followUp({ data: nothing, sw: SW.fileNotFound }, select)).toEqual({
      do: "done",
      response: { data: nothing, sw: SW.fileNotFound },
    });
  });
});
