/** Vectors through both ends: what the reader's end says, the card's end must understand, and the other way round. */
import { describe, expect, test } from "vitest";
import { vectorsOf } from "../../node/testing.js";
import { atrs, echoCard } from "../../tools/contacts-bench.js";
import { hex, unhex } from "../bytes/index.js";
import { ContactedCard } from "../virtual/index.js";
import { decodeCharacter, encodeCharacter } from "./character.js";
import { coldReset } from "./reset.js";
import { encodeBlock } from "./t1-block.js";

interface AtrVector {
  readonly atr: string;
  readonly parsed?: unknown;
}

describe("answers to reset", () => {
  const good = vectorsOf<AtrVector>("atr").filter(({ parsed }) => parsed !== undefined);
  test.each(good)(
    "$atr comes through in its own convention, to the last character and no further",
    ({ atr }) => {
      const reset = coldReset(new ContactedCard(echoCard(unhex(atr))));
      expect(reset === "mute" ? reset : hex(reset.atr)).toBe(atr);
    },
  );
});

/** A card's contacts, spoken to by hand: 372/1, direct convention, T=1 by its ATR. */
function byHand() {
  const line = new ContactedCard(echoCard(atrs.t1Plain));
  if (coldReset(line) === "mute") throw new Error("the card is mute");
  return {
    line,
    say: (text: string): void => {
      for (const byte of unhex(text))
        line.send(encodeCharacter(byte, "direct"), 372, line.lastEdge + 12 * 372);
    },
    hear: (): string => {
      const bytes: number[] = [];
      for (;;) {
        const came = line.receive(372, line.lastEdge + 9600 * 372);
        if (came === undefined) return hex(Uint8Array.from(bytes));
        bytes.push(decodeCharacter(came.levels, "direct").byte);
      }
    },
  };
}

interface BlockVector {
  readonly meaning: string;
  readonly block_lrc: string;
}

describe("blocks of T=1, at the card", () => {
  const answers: Readonly<Record<string, string>> = {
    "S(IFS request 254)": "00E101FE1E",
    "I(0) no more, SELECT MF": hex(encodeBlock({ kind: "I", ns: 0, more: false, inf: unhex("9000") }, "LRC")),
    "I(0) more (chain)": "00900090",
    "R(0) ack": "00800080",
    "R(0) EDC error": "00800080",
    // A request that only a card makes is no block a card understands.
    "S(WTX request x3)": "00820082",
    "S(RESYNCH request)": "00E000E0",
    "S(ABORT request)": "00E200E2",
  };
  test.each(vectorsOf<BlockVector>("t1-blocks"))("$meaning", ({ meaning, block_lrc: block }) => {
    const { say, hear } = byHand();
    say(block);
    expect(hear()).toBe(answers[meaning]);
  });

  test("a damaged block is answered by R(0) with its reason, and again when nothing better comes", () => {
    const { say, hear } = byHand();
    say("00C101FE3F");
    expect(hear()).toBe("00810081");
    say("00810081");
    expect(hear()).toBe("00800080");
    say("00C101FE3E");
    expect(hear()).toBe("00E101FE1E");
  });
});

describe("PPS, at the card", () => {
  const answered = (atr: Uint8Array, request: string): string => {
    const line = new ContactedCard(echoCard(atr));
    coldReset(line);
    for (const byte of unhex(request))
      line.send(encodeCharacter(byte, "direct"), 372, line.lastEdge + 12 * 372);
    const bytes: number[] = [];
    for (;;) {
      const came = line.receive(372, line.lastEdge + 9600 * 372);
      if (came === undefined) return hex(Uint8Array.from(bytes));
      bytes.push(decodeCharacter(came.levels, "direct").byte);
    }
  };

  test.each([
    ["its own parameters are echoed", atrs.t1, "FF119678", "FF119678"],
    ["no parameters at all are echoed", atrs.t1, "FF01FE", "FF01FE"],
    ["the second protocol is echoed", atrs.both, "FF119678", "FF119678"],
    ["a wrong PCK meets silence", atrs.t1, "FF119679", ""],
    ["a protocol that is not offered meets silence", atrs.t0, "FF119678", ""],
    ["other parameters meet silence", atrs.t1, "FF11947A", ""],
  ])("%s", (_name, atr, request, answer) => {
    expect(answered(atr, request)).toBe(answer);
  });
});
