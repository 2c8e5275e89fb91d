import { describe, expect, test } from "vitest";
import { PaymentBench, record, type Scp } from "../../../tools/payment-bench.js";
import { hex, unhex } from "../../bytes/index.js";
import {
  type Evidence,
  type PaymentProfile,
  pinBlock2,
  runTransaction,
  type TerminalData,
} from "../../emv/index.js";
import { nodeCrypto } from "../../../node/index.js";

const run = (bench: PaymentBench, change: Partial<TerminalData> = {}) =>
  runTransaction(bench.channel, nodeCrypto, bench.terminal(change));
const said = (evidence: readonly Evidence[]): string[] =>
  evidence.map(({ step, result, detail }) => `${step}: ${result}, ${detail}`);
const getData = (tag: number) => ({ cla: 0x80, ins: 0xca, p1: tag >> 8, p2: tag & 0xff, le: 256 });
/** Value of GET DATA, in hexadecimal digits; the application must be selected. */
const told = (bench: PaymentBench, tag: number): string => hex(bench.gp.send(getData(tag)).data).slice(6);
const wrongPin = (): Uint8Array => record.pin.map((digit) => (digit + 1) % 10);
/** A limit under which no PIN is asked lies at 2000. */
const withPin = { amount: 3000 };

const cards: readonly (readonly [Scp, Partial<PaymentProfile>])[] = (["scp02", "scp03"] as const).flatMap(
  (scp) =>
    ([10, 18] as const).flatMap((version) =>
      (["none", "sda", "dda", "cda"] as const).map(
        (proof) => [scp, { proof, cryptogram: { version, keyIndex: 1, option: "B" } }] as const,
      ),
    ),
);

describe("a whole transaction, card and terminal from one specification", () => {
  test.each(cards)("%s %j: online approved, then offline approved", async (scp, profile) => {
    const bench = new PaymentBench({ scp, profile }).personalize();
    const online = await run(bench, withPin);
    expect(online.outcome).toBe("approved online");
    expect([online.first?.type, online.second?.type]).toEqual(["ARQC", "TC"]);
    expect(said(online.evidence)).toContain("issuer authentication: ok, the card believes the issuer");
    const proof = profile.proof ?? "none";
    const step = online.evidence.find((one) => one.step === "offline data authentication");
    expect([step?.result, step?.detail.slice(0, 3)]).toEqual(
      proof === "none" ? ["not done", "car"] : ["ok", proof.toUpperCase()],
    );
    expect([told(bench, 0x9f36), told(bench, 0x9f13), told(bench, 0x9f17)]).toEqual(["0001", "0001", "03"]);
    // An amount that asks for no PIN; without offline proof the issuer is asked again.
    const next = await run(bench);
    expect(next.outcome).toBe(proof === "none" ? "approved online" : "approved offline");
    expect(next.first?.type).toBe(proof === "none" ? "ARQC" : "TC");
    // Nothing was found wrong: at most that no proof, or the static one, was chosen.
    expect(hex(next.tvr)).toBe({ none: "8000000000", sda: "0200000000" }[proof as string] ?? "0000000000");
    expect(told(bench, 0x9f36)).toBe("0002");
  });
  test.each(["contact", "contactless", undefined] as const)(
    "the application is found: %s",
    async (directory) => {
      const bench = new PaymentBench().personalize();
      const terminal = bench.terminal();
      const { directory: _, ...byName } = terminal;
      const found = await runTransaction(
        bench.channel,
        nodeCrypto,
        directory === undefined ? byName : { ...terminal, directory },
      );
      expect(found.evidence[0]?.detail).toBe(directory === undefined ? "by name" : "by directory");
      expect(found.outcome).toBe("approved online");
      const stranger = await run(bench, { applications: [unhex("A0000000031010")] });
      expect([stranger.outcome, stranger.evidence.at(-1)?.detail]).toEqual([
        "stopped",
        "application selection: no application in common",
      ]);
    },
  );
  test("level 01 and 33 personalize as well as 03", async () => {
    for (const level of [0x01, 0x33])
      expect((await run(new PaymentBench().personalize(level))).outcome).toBe("approved online");
  });
  test("plain and enciphered PIN, and none entered", async () => {
    const bench = new PaymentBench().personalize();
    for (const method of ["plainPin", "encipheredPin"] as const) {
      const { evidence, outcome } = await run(bench, { ...withPin, methods: [method] });
      expect(said(evidence)).toContain(`cardholder verification: ok, ${method}`);
      expect(outcome).toMatch(/^approved/);
    }
    const terminal = bench.terminal(withPin);
    const { pin: _, ...nobody } = terminal;
    const { tvr } = await runTransaction(bench.channel, nodeCrypto, nobody);
    expect(hex(tvr)).toBe("0000880000");
  });
  test("the issuer declines: AAC, and the card remembers that it was online", async () => {
    const bench = new PaymentBench().personalize();
    const result = await run(bench, {
      issuer: (request) => Promise.resolve(bench.answer(request, { responseCode: "05" })),
    });
    expect([result.outcome, result.second?.type]).toEqual(["declined online", "AAC"]);
    expect(told(bench, 0x9f13)).toBe("0001");
  });
  test.each([
    ["05", "00000000", "AAC"],
    ["00", "00800000", "TC"],
  ])(
    "version 18: a proved issuer whose answer to %s is the card status update %s, whatever the terminal says: %s",
    async (responseCode, update, type) => {
      const bench = new PaymentBench().personalize();
      let proof = unhex("");
      const result = await run(bench, {
        issuer: (request) => {
          const { authentication = unhex("") } = bench.answer(request, { responseCode });
          proof = authentication;
          return Promise.resolve({ responseCode: "00", authentication });
        },
      });
      expect([hex(proof).slice(8), result.second?.type]).toEqual([update, type]);
      expect(said(result.evidence)).toContain("issuer authentication: ok, the card believes the issuer");
    },
  );
  test("an issuer that cannot prove itself gets no TC, and the next transaction must be online", async () => {
    for (const version of [10, 18] as const) {
      const bench = new PaymentBench({
        profile: { cryptogram: { version, keyIndex: 1, option: "A" } },
      }).personalize();
      const result = await run(bench, {
        issuer: (request) => {
          const answer = bench.answer(request);
          const authentication =
            answer.authentication?.map((byte, at) => (at === 0 ? byte ^ 1 : byte)) ?? unhex("");
          return Promise.resolve({ ...answer, authentication });
        },
      });
      expect([result.outcome, result.second?.type]).toEqual(["declined online", "AAC"]);
      expect(hex(result.tvr).slice(8)).toBe("40");
      // CVR a: second AAC, first ARQC, issuer authentication failed.
      expect(hex(result.second?.data.issuerApplicationData ?? unhex("")).slice(8, 10)).toBe("28");
      expect(told(bench, 0x9f13)).toBe("0000");
    }
  });
  test("a cryptogram of another key is not believed by the issuer", async () => {
    const bench = new PaymentBench().personalize();
    const result = await run(bench, {
      issuer: (request) =>
        Promise.resolve(bench.answer({ ...request, cryptogram: request.cryptogram.map((byte) => byte ^ 1) })),
    });
    expect(result.outcome).toBe("declined online");
  });
  test("out of reach: a new card is declined, one that was online is approved until its upper limit", async () => {
    const bench = new PaymentBench().personalize();
    const offline = { issuer: () => Promise.resolve("unreachable" as const) };
    expect((await run(bench, offline)).outcome).toBe("declined offline");
    expect((await run(bench)).outcome).toBe("approved online");
    const outcomes: string[] = [];
    for (let n = 0; n < 6; n++) outcomes.push((await run(bench, offline)).outcome);
    // Three by itself, two more after asking in vain, then no more.
    expect(outcomes).toEqual([...Array<string>(5).fill("approved offline"), "declined offline"]);
  });
  test("above the floor limit the issuer is asked, expired cards are declined or asked about", async () => {
    const bench = new PaymentBench().personalize();
    await run(bench);
    expect((await run(bench, { amount: 5000 })).first?.type).toBe("ARQC");
    const late = await run(bench, { date: "350101" });
    expect(hex(late.tvr).slice(0, 4)).toBe("0440");
  });
});

describe("PIN", () => {
  test("wrong three times blocks; the right one too is refused then; a script gives the tries back", async () => {
    const bench = new PaymentBench().personalize();
    const left: string[] = [];
    for (let n = 0; n < 3; n++) {
      const { tvr } = await run(bench, { ...withPin, pin: wrongPin() });
      left.push(`${told(bench, 0x9f17)} ${hex(tvr).slice(4, 6)}`);
    }
    expect(left).toEqual(["02 80", "01 80", "00 A0"]);
    const blocked = await run(bench, withPin);
    expect(hex(blocked.tvr).slice(4, 6)).toBe("A0");
    expect(bench.gp.say({ cla: 0, ins: 0x20, p1: 0, p2: 0x80, data: pinBlock2(record.pin) })).toBe("6983");
    const helped = await run(bench, {
      ...withPin,
      issuer: (request) =>
        Promise.resolve(bench.answer(request, { before: (script) => [script.pinUnblock()] })),
    });
    expect(said(helped.evidence)).toContain("script: ok, instruction 24: 9000");
    expect(told(bench, 0x9f17)).toBe("03");
    const { evidence } = await run(bench, withPin);
    expect(said(evidence)).toContain("cardholder verification: ok, encipheredPin");
  });
  test("a new PIN by script: the old one is wrong from then on, and is nowhere in the memory", async () => {
    const bench = new PaymentBench({ scp: "scp02" }).personalize();
    const fresh = wrongPin();
    await run(bench, {
      issuer: (request) =>
        Promise.resolve(bench.answer(request, { after: (script) => [script.pinChange(pinBlock2(fresh))] })),
    });
    expect(hex((await run(bench, { ...withPin })).tvr).slice(4, 6)).toBe("80");
    expect(hex((await run(bench, { ...withPin, pin: fresh })).tvr).slice(4, 6)).toBe("00");
    expect(hex(bench.gp.store.load())).not.toContain(hex(pinBlock2(record.pin)));
    expect(hex(bench.gp.store.load())).toContain(hex(pinBlock2(fresh)));
  });
});

describe("scripts", () => {
  const scripted = (bench: PaymentBench, how: Parameters<PaymentBench["answer"]>[1]) =>
    run(bench, { issuer: (request) => Promise.resolve(bench.answer(request, how)) });
  test("PUT DATA, block, unblock", async () => {
    const bench = new PaymentBench().personalize();
    await scripted(bench, {
      before: (script) => [script.putData(0x9f14, unhex("09"))],
      after: (script) => [script.applicationBlock()],
    });
    expect(told(bench, 0x9f14)).toBe("09");
    expect((await run(bench)).evidence.at(-1)?.detail).toBe(
      "application selection: the application is blocked",
    );
    // Selected by name it still talks, but gives nothing but AAC; its issuer unblocks it under that.
    const blocked = await bench.channel.exchange([
      { command: { cla: 0, ins: 0xa4, p1: 4, p2: 0, data: bench.profile.aid, le: 256 }, sw: [] },
    ]);
    expect(blocked[0]?.sw).toBe(0x6283);
  });
  test("CARD BLOCK locks the card, and its issuer's SET STATUS alone opens it", async () => {
    const bench = new PaymentBench().personalize();
    await scripted(bench, { after: (script) => [script.cardBlock()] });
    expect((await run(bench)).outcome).toBe("stopped");
    const session = bench.open();
    bench.secured(session, { cla: 0x80, ins: 0xf0, p1: 0x80, p2: 0x0f });
    expect((await run(bench)).outcome).toMatch(/^approved/);
  });
  test("a wrong MAC, one out of order and one repeated are refused, and end the scripts", async () => {
    const bench = new PaymentBench().personalize();
    const result = await scripted(bench, {
      before: (script) => {
        const [first, second] = [script.putData(0x9f14, unhex("07")), script.putData(0x9f14, unhex("08"))];
        return [first, first, second];
      },
    });
    expect(said(result.evidence).filter((line) => line.startsWith("script"))).toEqual([
      "script: ok, instruction DA: 9000",
      "script: failed, instruction DA: 6988",
    ]);
    expect(hex(result.tvr).slice(8)).toBe("20");
    expect(told(bench, 0x9f14)).toBe("07");
    const next = await run(bench);
    // CVR c: one script, one failed.
    expect(hex(next.first?.data.issuerApplicationData ?? unhex("")).slice(12)).toBe("18");
  });
});
