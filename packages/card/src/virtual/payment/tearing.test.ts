import { describe, expect, test } from "vitest";
import { issued, PaymentBench, record } from "../../../tools/payment-bench.js";
import { nodeCrypto } from "../../../node/index.js";
import type { Command } from "../../apdu/index.js";
import { aid, hex, readU16, utf8 } from "../../bytes/index.js";
import { pinBlock2, runTransaction, SAMPLE_AID, type TransactionResult } from "../../emv/index.js";
import { deleteObject, installForPersonalization } from "../../globalplatform/index.js";
import { memoryStore } from "../index.js";

const select: Command = { cla: 0, ins: 0xa4, p1: 4, p2: 0, data: SAMPLE_AID, le: 256 };
const verify = (pin: Uint8Array): Command => ({ cla: 0, ins: 0x20, p1: 0, p2: 0x80, data: pinBlock2(pin) });
const fresh = record.pin.map((digit) => (digit + 5) % 10);
const told = (bench: PaymentBench, tag: number): number => {
  const { data } = bench.gp.send({ cla: 0x80, ins: 0xca, p1: tag >> 8, p2: tag & 0xff, le: 256 });
  return data.subarray(3).reduce((sum, byte) => sum * 256 + byte, 0);
};
const over = (content: Uint8Array, write?: number): PaymentBench =>
  new PaymentBench({
    store: memoryStore(content.slice()),
    ...(write === undefined ? {} : { faults: [{ kind: "torn-at", write }] }),
  });
/** The transaction's end, or undefined when the card fell silent. */
const unlessMute = async (work: Promise<TransactionResult>): Promise<TransactionResult | undefined> => {
  try {
    return await work;
  } catch (thrown) {
    if (thrown instanceof Error && thrown.message === "mute") return undefined;
    throw thrown;
  }
};

const personalized = new PaymentBench().personalize().gp.store.load().slice();
/** With PIN, online, and two scripts: every kind of counter changes. Cryptograms that left the card are told by their ATCs. */
function everything(bench: PaymentBench, seen: number[] = []): Promise<TransactionResult> {
  const terminal = bench.terminal({
    amount: 3000,
    issuer: (request) => {
      seen.push(readU16(request.data.atc));
      return Promise.resolve(
        bench.answer(request, {
          before: (script) => [script.putData(0x9f14, Uint8Array.of(9))],
          after: (script) => [
            script.pinChange(pinBlock2(fresh)),
            script.applicationBlock(),
            script.applicationUnblock(),
          ],
        }),
      );
    },
  });
  return runTransaction(bench.channel, nodeCrypto, terminal);
}

describe("a transaction torn at every page write", () => {
  test("counters are old or new, a cryptogram's ATC never comes again, one PIN of two is right, and it goes on", async () => {
    const whole = over(personalized);
    const start = whole.gp.card.counters.pagesWritten;
    expect((await everything(whole)).outcome).toBe("approved online");
    const writes = whole.gp.card.counters.pagesWritten - start;
    expect(writes).toBeGreaterThan(50);
    const pins = new Set<string>();
    for (let write = 1; write <= writes; write++) {
      const bench = over(personalized, write);
      const seen: number[] = [];
      expect(await unlessMute(everything(bench, seen))).toBeUndefined();
      const after = over(bench.gp.store.load());
      expect(after.gp.say(select).slice(0, 2)).toMatch(/90|62/);
      expect([0, 1]).toContain(told(after, 0x9f36));
      expect([0, 1]).toContain(told(after, 0x9f13));
      expect([3, 9]).toContain(told(after, 0x9f14));
      expect([2, 3]).toContain(told(after, 0x9f17));
      const right = [record.pin, fresh].filter((pin) => after.gp.say(verify(pin)) === "9000");
      expect(right.length).toBe(1);
      pins.add(hex(pinBlock2(right[0] ?? fresh)));
      const blocked = after.gp.say(select) === "6283";
      const atcs: number[] = [];
      const next = await everything(over(after.gp.store.load()), atcs);
      // Torn between the last two scripts it stays blocked: the issuer asked for that.
      expect(next.outcome === "stopped").toBe(blocked);
      expect(atcs.every((atc) => atc > Math.max(0, ...seen))).toBe(true);
    }
    expect(pins.size).toBe(2);
  });
  test("a wrong PIN torn anywhere never leaves more tries than a whole one and one more", () => {
    const whole = over(personalized);
    whole.gp.say(select);
    const start = whole.gp.card.counters.pagesWritten;
    expect(whole.gp.say(verify(fresh))).toBe("63C2");
    expect(whole.gp.card.counters.pagesWritten - start).toBe(1);
    const bench = over(personalized, 1);
    bench.gp.say(select);
    // The counter is written before anything is compared: what is torn has told nothing.
    expect(bench.gp.say(verify(fresh))).toBe("mute");
    const again = over(bench.gp.store.load());
    again.gp.say(select);
    expect([2, 3]).toContain(told(again, 0x9f17));
  });
});

describe("personalization torn at every page write of its last block", () => {
  test("all of it is there or nothing; deleted and begun again, the card is whole", async () => {
    const application = aid(SAMPLE_AID);
    const prepare = (bench: PaymentBench) => {
      const session = bench.open();
      bench.install(session);
      bench.secured(session, installForPersonalization(application));
      const commands = bench.storing(issued(bench.profile, "scp03").dgis, session);
      for (const command of commands.slice(0, -1)) bench.secured(session, command);
      const last = commands.at(-1) ?? select;
      return { session, last };
    };
    const rehearsal = new PaymentBench();
    const { session, last } = prepare(rehearsal);
    const until = rehearsal.gp.card.counters.pagesWritten;
    rehearsal.secured(session, last);
    const writes = rehearsal.gp.card.counters.pagesWritten - until;
    expect(writes).toBeGreaterThan(20);
    const found = new Set<string>();
    for (let write = 1; write <= writes; write++) {
      const bench = new PaymentBench({ faults: [{ kind: "torn-at", write: until + write }] });
      const begun = prepare(bench);
      expect(bench.gp.say(begun.session.wrap(begun.last))).toBe("mute");
      bench.gp.power();
      bench.gp.send(select);
      found.add(bench.gp.say({ cla: 0, ins: 0xb2, p1: 1, p2: 0x0c, le: 256 }));
      if (write % 8 !== 0) continue;
      bench.gp.power();
      const again = bench.open();
      for (const name of [SAMPLE_AID, utf8("1PAY.SYS.DDF01"), utf8("2PAY.SYS.DDF01")])
        bench.secured(again, deleteObject({ aid: aid(name) }));
      bench.gp.power();
      bench.personalize();
      const terminal = bench.terminal();
      expect((await runTransaction(bench.channel, nodeCrypto, terminal)).outcome).toBe("approved online");
    }
    // The last page makes it whole: whatever is torn before leaves a card that was never personalized.
    expect([...found]).toEqual(["6985"]);
  });
});
