import { describe, expect, test } from "vitest";
import { vectorsOf } from "../../node/testing.js";
import { concat, hex, unhex } from "../bytes/index.js";
import {
  type Block,
  BlockProtocol,
  type BlockPort,
  decodeBlock,
  encodeBlock,
  type ReadBlock,
} from "./index.js";

interface BlockVector {
  readonly id: string;
  readonly pcb: string;
  readonly inf: string;
  readonly block_lrc: string;
}

describe("blocks", () => {
  test.each(vectorsOf<BlockVector>("t1-blocks"))("$id: read and written", ({ block_lrc: text }) => {
    const block = decodeBlock(unhex(text), "LRC");
    if (block.kind === "invalid") throw new Error(`invalid: ${block.why}`);
    expect(hex(encodeBlock(block, "LRC"))).toBe(text);
    const wrong = unhex(text);
    for (let at = 0; at < wrong.length; at++) {
      for (const bit of [0x01, 0x80]) {
        const damaged = wrong.with(at, (wrong[at] ?? 0) ^ bit);
        expect(decodeBlock(damaged, "LRC").kind).toBe("invalid");
      }
    }
  });

  test.each([
    ["a NAD nobody sent", "01008001", "other"],
    ["LEN FF", "0000FF", "other"],
    ["cut off", "000002AA", "other"],
    ["an R-block with data", "008001AA2B", "other"],
    ["a reserved S-block", "00C400C4", "other"],
    ["IFS of 255", "00C101FF3F", "other"],
    ["reserved bits of an I-block", "00010001", "other"],
    ["a wrong check", "00000001", "edc"],
  ])("%s is invalid", (_name, text, why) => {
    expect(decodeBlock(unhex(text), "LRC")).toEqual({ kind: "invalid", why });
  });

  test("CRC: two bytes, and every damaged bit shows", () => {
    const block = encodeBlock({ kind: "I", ns: 0, more: false, inf: unhex("313233343536373839") }, "CRC");
    expect(block).toHaveLength(3 + 9 + 2);
    expect(decodeBlock(block, "CRC")).toMatchObject({ kind: "I", ns: 0, more: false });
    for (let bit = 0; bit < 8 * block.length; bit++) {
      const damaged = block.with(bit >> 3, (block[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
      expect(decodeBlock(damaged, "CRC").kind).toBe("invalid");
    }
  });
});

const silence = "silence";
const edc = "edc error";
const other = "other error";

const name = (block: Block): string => {
  switch (block.kind) {
    case "I":
      return `I(${String(block.ns)},${block.more ? "1" : "0"})`;
    case "R":
      return `R(${String(block.nr)})${block.error === "none" ? "" : ` ${block.error}`}`;
    case "S":
      return `S(${block.what} ${block.response ? "response" : "request"}${block.value === undefined ? "" : ` ${String(block.value)}`})`;
  }
};

function read(text: string): ReadBlock | undefined {
  if (text === silence) return undefined;
  if (text === edc) return { kind: "invalid", why: "edc" };
  if (text === other) return { kind: "invalid", why: "other" };
  const information = /^I\((\d),(\d)\)(?: (\w+))?$/.exec(text);
  if (information !== null) {
    const [, ns, more, data = "9000"] = information;
    return { kind: "I", ns: ns === "1" ? 1 : 0, more: more === "1", inf: unhex(data) };
  }
  const acknowledged = /^R\((\d)\)( \w+)?$/.exec(text);
  if (acknowledged !== null) {
    const error = acknowledged[2] === " edc" ? "edc" : acknowledged[2] === " other" ? "other" : "none";
    return { kind: "R", nr: acknowledged[1] === "1" ? 1 : 0, error };
  }
  const [, what = "", way, value] = /^S\((\w+) (\w+)(?: (\d+))?\)$/.exec(text) ?? [];
  if (what !== "resynch" && what !== "ifs" && what !== "abort" && what !== "wtx") throw new Error(text);
  return {
    kind: "S",
    what,
    response: way === "response",
    ...(value === undefined ? {} : { value: Number(value) }),
  };
}

/** Runs a conversation, written down as the reader's and the card's blocks in turn; the waiting time of each in BWT. */
function play(lines: readonly (readonly [reader: string, card: string, times?: number])[], ifsc = 4) {
  let at = 0;
  const port: BlockPort = {
    exchange: (block, times) => {
      const line = lines[at++];
      if (line === undefined) throw new Error(`unexpected ${name(block)}`);
      expect(`${String(at)}: ${name(block)}`).toBe(`${String(at)}: ${line[0]}`);
      expect(times).toBe(line[2] ?? 1);
      return read(line[1]);
    },
  };
  return { protocol: new BlockProtocol(port, ifsc), over: () => at === lines.length };
}

const short = unhex("00100000");
const long = unhex("001100000401020304");

/** Conversations after the scenarios of ISO/IEC 7816-3, annex A: reader, card. */
describe("scenarios of annex A", () => {
  test.each([
    ["one block each", short, "9000", [["I(0,0)", "I(0,0)"]]],
    [
      "the card needs more time",
      short,
      "9000",
      [
        ["I(0,0)", "S(wtx request 3)"],
        ["S(wtx response 3)", "I(0,0)", 3],
      ],
    ],
    [
      "the card changes its IFSC, in the middle of a chain",
      long,
      "9000",
      [
        ["I(0,1)", "S(ifs request 2)"],
        ["S(ifs response 2)", "R(1)"],
        ["I(1,1)", "R(0)"],
        ["I(0,1)", "R(1)"],
        ["I(1,0)", "I(0,0)"],
      ],
    ],
    [
      "chains both ways",
      long,
      "0102039000",
      [
        ["I(0,1)", "R(1)"],
        ["I(1,1)", "R(0)"],
        ["I(0,0)", "I(0,1) 010203"],
        ["R(1)", "I(1,0)"],
      ],
    ],
    [
      "the card did not understand the I-block",
      short,
      "9000",
      [
        ["I(0,0)", "R(0) edc"],
        ["I(0,0)", "I(0,0)"],
      ],
    ],
    [
      "the card's answer is damaged",
      short,
      "9000",
      [
        ["I(0,0)", edc],
        ["R(0) edc", "I(0,0)"],
      ],
    ],
    [
      "nothing comes, the I-block was lost",
      short,
      "9000",
      [
        ["I(0,0)", silence],
        ["R(0) other", "R(0)"],
        ["I(0,0)", "I(0,0)"],
      ],
    ],
    [
      "the card's complaint is damaged too",
      short,
      "9000",
      [
        ["I(0,0)", other],
        ["R(0) other", "R(0) other"],
        ["I(0,0)", "I(0,0)"],
      ],
    ],
    [
      "an acknowledgement in the card's chain is lost",
      short,
      "01029000",
      [
        ["I(0,0)", "I(0,1) 0102"],
        ["R(1)", "R(1) other"],
        ["R(1)", "I(1,0)"],
      ],
    ],
    [
      "an acknowledgement in our chain is damaged",
      long.subarray(0, 5),
      "9000",
      [
        ["I(0,1)", edc],
        ["R(0) edc", "R(1)"],
        ["I(1,0)", "I(0,0)"],
      ],
    ],
    [
      "the request for more time is damaged",
      short,
      "9000",
      [
        ["I(0,0)", edc],
        ["R(0) edc", "S(wtx request 2)"],
        ["S(wtx response 2)", edc, 2],
        ["R(0) edc", "S(wtx request 2)"],
        ["S(wtx response 2)", "I(0,0)", 2],
      ],
    ],
    [
      "a number that is not expected is damage",
      short,
      "9000",
      [
        ["I(0,0)", "I(1,0)"],
        ["R(0) other", "I(0,0)"],
      ],
    ],
  ] as const)("%s", (_name, apdu, answer, lines) => {
    const { protocol, over } = play(lines);
    expect(hex(protocol.transmit(apdu))).toBe(answer);
    expect(over()).toBe(true);
  });

  test("numbers go on from APDU to APDU", () => {
    const { protocol } = play([
      ["S(ifs request 254)", "S(ifs response 254)"],
      ["I(0,0)", "I(0,0)"],
      ["I(1,0)", "I(1,0)"],
      ["I(0,0)", "I(0,0)"],
    ]);
    protocol.announce();
    for (let again = 0; again < 3; again++) expect(hex(protocol.transmit(short))).toBe("9000");
  });

  test.each([
    [
      "three damaged answers: resynchronized, and the command is not sent again",
      "line-protocol",
      [
        ["I(0,0)", edc],
        ["R(0) edc", edc],
        ["R(0) edc", edc],
        ["S(resynch request)", "S(resynch response)"],
      ],
    ],
    [
      "a dead card: three resynchronizations and no more",
      "line-silent",
      [
        ["I(0,0)", silence],
        ["R(0) other", silence],
        ["R(0) other", silence],
        ["S(resynch request)", silence],
        ["S(resynch request)", edc],
        ["S(resynch request)", silence],
      ],
    ],
    [
      "the card aborts",
      "line-protocol",
      [
        ["I(0,0)", "S(abort request)"],
        ["S(abort response)", "R(1)"],
      ],
    ],
    [
      "the card never understands",
      "line-protocol",
      [
        ["I(0,0)", "R(0) edc"],
        ["I(0,0)", "R(0) edc"],
        ["I(0,0)", "R(0) edc"],
        ["S(resynch request)", "S(resynch response)"],
      ],
    ],
  ] as const)("%s", (_name, code, lines) => {
    const { protocol, over } = play(lines);
    expect(() => protocol.transmit(short)).toThrow(expect.objectContaining({ code }));
    expect(over()).toBe(true);
    // Nothing more may be said before the reset.
    expect(() => protocol.transmit(short)).toThrow("reset the card");
  });

  test("requests without end, empty pieces without end, bytes without end: all bounded", () => {
    const endless = (answer: (n: number) => Block): BlockProtocol => {
      let n = 0;
      return new BlockProtocol({ exchange: () => answer(n++) }, 254);
    };
    const patience = endless(() => ({ kind: "S", what: "wtx", response: false, value: 255 }));
    expect(() => patience.transmit(short)).toThrow(expect.objectContaining({ code: "line-endless" }));
    const piece = (inf: Uint8Array) => (n: number) =>
      ({ kind: "I", ns: n % 2 === 0 ? 0 : 1, more: true, inf }) as const;
    expect(() => endless(piece(new Uint8Array(0))).transmit(short)).toThrow(
      expect.objectContaining({ code: "line-endless" }),
    );
    expect(() => endless(piece(concat(new Uint8Array(254)))).transmit(short)).toThrow(
      expect.objectContaining({ code: "endless-response" }),
    );
  });
});
