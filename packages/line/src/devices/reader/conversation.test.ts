import { unhex, hex } from "@persoline/card/bytes";
import type { Sent } from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import { converse, type Manner, type Patience, Silence } from "./conversation.js";

const ok = [{ value: 0x9000, mask: 0xffff }];
/** READ BINARY of three bytes under GlobalPlatform secure messaging: a MAC of eight bytes in its data field. */
const securedRead: Sent = {
  command: { cla: 0x84, ins: 0xb0, p1: 0x81, p2: 0, data: unhex("1122334455667788"), le: 3 },
  sw: ok,
};
/** INSTALL: data, and an answer of whatever length. */
const install: Sent = {
  command: { cla: 0x80, ins: 0xe6, p1: 0x0c, p2: 0, data: unhex("AABB"), le: 256 },
  sw: ok,
};
/** On a clock that stands. */
const over = (protocol: "T=0" | "T=1"): Manner => ({ protocol, answerMs: 20_000, now: () => 0 });
const read: Sent = { command: { cla: 0, ins: 0xb0, p1: 0x81, p2: 0, le: 4 }, sw: ok };

/** A card that gives these answers one after the other, and what it got. */
function scripted(...answers: string[]) {
  const got: string[] = [];
  const transmit = (apdu: Uint8Array): Promise<Uint8Array> => {
    got.push(hex(apdu));
    return Promise.resolve(unhex(answers.shift() ?? "6F00"));
  };
  return { got, transmit };
}

describe("over T=0 a command with data and Le goes without Le, and GET RESPONSE fetches its answer", () => {
  test("9000 says that it is accepted: GET RESPONSE brings its Le, and all that is announced belongs to the answer", async () => {
    const { got, transmit } = scripted("9000", "0102036108", "A1A2A3A4A5A6A7A89000");
    const { answers } = await converse(transmit, [securedRead], over("T=0"));
    expect(got).toEqual(["84B08100081122334455667788", "00C0000003", "00C0000008"]);
    expect(answers.map(({ data, sw }) => [hex(data), sw])).toEqual([["010203A1A2A3A4A5A6A7A8", 0x9000]]);
  });

  test("6Cxx to the GET RESPONSE is followed, and what it refuses is the command's answer", async () => {
    const corrected = scripted("9000", "6C02", "01029000");
    expect((await converse(corrected.transmit, [install], over("T=0"))).answers[0]).toMatchObject({
      sw: 0x9000,
    });
    expect(corrected.got.at(-1)).toBe("00C0000002");
    const refused = scripted("9000", "6982");
    expect((await converse(refused.transmit, [securedRead], over("T=0"))).answers[0]).toMatchObject({
      sw: 0x6982,
    });
  });

  test.each([
    ["to the command itself", ["6C02", "9000"], 1],
    ["again and again to its GET RESPONSE", ["9000", "6C02", "6C01", "9000"], 3],
  ])("6Cxx %s does not bring the command once more: it may have been done", async (_, said, sent) => {
    const { got, transmit } = scripted(...said);
    const { answers } = await converse(transmit, [install], over("T=0"));
    expect(got.filter((apdu) => apdu.startsWith("80E6"))).toHaveLength(1);
    expect(got).toHaveLength(sent);
    expect((answers[0]?.sw ?? 0) >> 8).toBe(0x6c);
  });

  test.each(["6985", "6D00", "6E00", "6F00"])(
    "a card that has nothing to fetch says %s, and 9000 stands",
    async (status) => {
      const { got, transmit } = scripted("9000", status);
      const { answers } = await converse(transmit, [install], over("T=0"));
      expect(got).toEqual(["80E60C0002AABB", "00C0000000"]);
      expect(answers).toMatchObject([{ sw: 0x9000 }]);
    },
  );

  test("61xx at once, a refusal, and commands without data need no more than before", async () => {
    const more = scripted("6102", "01029000");
    await converse(more.transmit, [install], over("T=0"));
    expect(more.got).toEqual(["80E60C0002AABB", "00C0000002"]);
    const refused = scripted("6A80");
    await converse(refused.transmit, [install], over("T=0"));
    expect(refused.got).toHaveLength(1);
    const plain = scripted("010203049000");
    await converse(plain.transmit, [read], over("T=0"));
    expect(plain.got).toEqual(["00B0810004"]);
  });
});

test("over T=1 the whole APDU goes, and nothing is fetched behind 9000", async () => {
  const { got, transmit } = scripted("9000");
  await converse(transmit, [securedRead], over("T=1"));
  expect(got).toEqual(["84B0810008112233445566778803"]);
});

describe("an answer in pieces has one deadline, whatever the card announces", () => {
  const select: Sent = { command: { cla: 0, ins: 0xa4, p1: 4, p2: 0, data: unhex("A000"), le: 256 }, sw: ok };
  const erase: Sent = {
    command: { cla: 0x80, ins: 0xe4, p1: 0, p2: 0, data: unhex("4F00"), le: 256 },
    sw: ok,
  };
  /** A card that takes so long about each piece, and has always one more; on a clock of its own. */
  function dawdling(ms: number) {
    let clock = 0;
    const got: string[] = [];
    const patience: Patience[] = [];
    const transmit = (apdu: Uint8Array, given: Patience): Promise<Uint8Array> => {
      got.push(hex(apdu.subarray(0, 2)));
      patience.push(given);
      clock += Math.min(ms, given.ms);
      return ms > given.ms ? Promise.reject(new Silence(given.late)) : Promise.resolve(unhex("EE6101"));
    };
    const manner: Manner = { protocol: "T=1", answerMs: 20_000, now: () => clock };
    return { transmit, manner, got, patience, elapsed: () => clock };
  }

  test("each piece within its time, and never an end: silent after twice the time of one, and nothing is asked again", async () => {
    const card = dawdling(7_000);
    const { answers, broken } = await converse(card.transmit, [select, read], card.manner);
    expect(answers).toEqual([]);
    expect(broken).toBeInstanceOf(Silence);
    expect(broken?.message).toBe("its answer came in pieces and was not whole within 40 s");
    expect(card.elapsed()).toBe(40_000);
    // The command once, then pieces: the last one had only what was left.
    expect(card.got).toEqual(["00A4", "00C0", "00C0", "00C0", "00C0", "00C0"]);
    expect(card.patience.map(({ ms }) => ms)).toEqual([20_000, 20_000, 20_000, 19_000, 12_000, 5_000]);
  });
  test("a command that may take long gives its pieces as much more", async () => {
    const card = dawdling(10_000);
    const { broken } = await converse(card.transmit, [erase], card.manner);
    expect(broken?.message).toContain("within 120 s");
    expect(card.got.filter((head) => head === "80E4")).toHaveLength(1);
    expect(card.elapsed()).toBe(120_000);
  });
  test("the time is each command's own: the next one begins anew", async () => {
    let clock = 0;
    const said = ["6101", "019000", "6101", "019000"];
    const transmit = (): Promise<Uint8Array> => {
      clock += 15_000;
      return Promise.resolve(unhex(said.shift() ?? "6F00"));
    };
    const manner: Manner = { protocol: "T=1", answerMs: 20_000, now: () => clock };
    const { answers, broken } = await converse(transmit, [select, select], manner);
    expect(broken).toBeUndefined();
    expect(answers.map(({ sw }) => sw)).toEqual([0x9000, 0x9000]);
  });
});
