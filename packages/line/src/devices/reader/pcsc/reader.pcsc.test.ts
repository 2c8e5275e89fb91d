import { CardMute } from "@persoline/card/program";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { DeviceFault } from "../../problem.js";
import { ask, atr, DawdlingCard, inserted, readerContract, ScriptedCard } from "../contract.test.data.js";
import { type Daemon, slotNumber, startPcscd } from "../pcscd.test.data.js";
import { CardSlot } from "../vpcd/card-side.js";
import { connectedReaders, type PcscOptions, type PcscReader, pcscReader } from "./reader.js";

const world = {
  now: () => performance.now(),
  sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
};
const noOffer = Uint8Array.of(0x3b, 0x00);
/** T=1 first, T=0 too: TD1 80, TD2 01 would be the other way round. */
const both = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);

let pcscd: Daemon;
beforeAll(async () => {
  pcscd = await startPcscd(4);
});
afterAll(() => pcscd.stop());

const open: { close: () => void }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) one.close();
  await leftAlone();
});

/** pcscd looks every 400 ms: a card that is put in before its next look does not count as another one. */
async function leftAlone(): Promise<void> {
  while ((await connectedReaders()).some(({ card }) => card !== "none")) await world.sleep(250);
  await world.sleep(500);
}

function slotWith(card: ScriptedCard | undefined, silence: "leave" | "hang" = "leave", number = 0): CardSlot {
  const slot = new CardSlot({ address: slotNumber(number).address, silence });
  if (card !== undefined) slot.insert(card);
  open.push({ close: () => slot.remove() });
  return slot;
}

function reader(options: Partial<PcscOptions> = {}, number = 0): PcscReader {
  const { pcsc, slot } = slotNumber(number);
  const made = pcscReader({ name: "desk reader", binding: { pcsc, slot }, world, ...options });
  open.push(made);
  return made;
}

async function benched(cardAtr: Uint8Array | undefined) {
  const card = new ScriptedCard(cardAtr);
  const slot = slotWith(card);
  const own = reader();
  await own.awaitCard("present", 3000);
  return { reader: own, card, clear: () => slot.remove() };
}

readerContract("PC/SC", benched, "not measured");

describe("a PC/SC reader", () => {
  test("chooses T=1 where a card offers it, and says which protocol it speaks", async () => {
    for (const [offered, wish, chosen] of [
      [noOffer, undefined, "T=0"],
      [both, undefined, "T=1"],
      [both, ["T=0", "T=1"], "T=0"],
    ] as const) {
      const slot = slotWith(new ScriptedCard(offered));
      const own = reader(wish === undefined ? {} : { protocols: wish });
      await own.awaitCard("present", 3000);
      const reset = await own.insert();
      expect(reset === "mute" ? [] : reset.findings).toContainEqual({
        what: "transmission protocol",
        result: "ok",
        detail: chosen,
      });
      own.close();
      slot.remove();
      await leftAlone();
    }
  });

  test("a cold reset takes the power away, a warm one does not", async () => {
    const { reader: own, card } = await benched(atr);
    const offs: boolean[] = [];
    const powerOff = card.powerOff.bind(card);
    const warmReset = card.warmReset.bind(card);
    card.powerOff = () => {
      offs.push(true);
      powerOff();
    };
    let warm = 0;
    card.warmReset = () => {
      warm++;
      return warmReset();
    };
    await own.insert();
    expect(offs.length).toBeGreaterThan(0);
    offs.length = 0;
    warm = 0;
    await (own as PcscReader).reset("warm");
    expect({ offs: offs.length, warm }).toEqual({ offs: 0, warm: 1 });
  });

  test("an answer in pieces that never ends is given up as a whole, and the next reset finds the card as it was", async () => {
    const card = new DawdlingCard(both, 250);
    const slot = new CardSlot({ address: slotNumber(0).address, timed: true });
    slot.insert(card);
    open.push({ close: () => slot.remove() });
    const own = reader({ answerMs: 1_000 });
    await own.awaitCard("present", 3000);
    const channel = await inserted(own);
    const thrown = await channel
      .exchange([ask(0xca, 256), ask(0xb2, 256), ask(0xca, 256)])
      .catch((problem: unknown) => problem);
    expect(thrown).toBeInstanceOf(CardMute);
    expect(thrown).toMatchObject({ message: "its answer came in pieces and was not whole within 2 s" });
    expect(thrown instanceof CardMute ? thrown.answers.length : 0).toBe(1);
    expect(card.got.filter((ins) => ins === 0xb2)).toEqual([0xb2]);
    expect(await (await inserted(own)).exchange([ask(0xca, 256)])).toHaveLength(1);
  });

  test("a card torn out in the middle of a command is silent, and its answers before are not lost", async () => {
    const card = new ScriptedCard(both);
    const slot = slotWith(card);
    const own = reader();
    await own.awaitCard("present", 3000);
    const channel = await inserted(own);
    const transmit = card.transmit.bind(card);
    card.transmit = (apdu) => {
      const answer = transmit(apdu);
      if (apdu[1] === 0x84) slot.remove();
      return answer;
    };
    const thrown = await channel
      .exchange([ask(0xca, 256), ask(0x84, 256)])
      .catch((problem: unknown) => problem);
    expect(thrown).toBeInstanceOf(CardMute);
    expect(thrown instanceof CardMute ? thrown.answers.length : 0).toBe(1);
    expect(card.got.filter((ins) => ins === 0x84)).toHaveLength(1);
    card.transmit = transmit;
    await leftAlone();
    slot.insert(card);
    await own.awaitCard("present", 3000);
    expect(await (await inserted(own)).exchange([ask(0xca, 256)])).toHaveLength(1);
  });

  test("a card that never answers is given up after its time, its command is not sent again, and the next card is served", async () => {
    const card = new ScriptedCard(both);
    const slot = slotWith(card, "hang");
    const own = reader({ answerMs: 700 });
    await own.awaitCard("present", 3000);
    const channel = await inserted(own);
    const began = performance.now();
    const thrown = await channel.exchange([ask(0xca, 256), ask(0x10)]).catch((problem: unknown) => problem);
    expect(thrown).toMatchObject({ name: "CardMute", message: "no answer within 0.7 s" });
    expect(thrown instanceof CardMute ? thrown.answers.length : 0).toBe(1);
    expect(performance.now() - began).toBeLessThan(3000);
    expect(card.got.filter((ins) => ins === 0x10)).toHaveLength(1);
    // Its contacts are lifted; another card is put in.
    slot.remove();
    await leftAlone();
    slot.insert(new ScriptedCard(both));
    await own.awaitCard("present", 5000);
    expect(await (await inserted(own)).exchange([ask(0xca, 256)])).toHaveLength(1);
  });

  test("other readers go on while a card hangs", async () => {
    slotWith(new ScriptedCard(both), "hang");
    slotWith(new ScriptedCard(both), "leave", 2);
    const hanging = reader({ answerMs: 1500 });
    const free = reader({}, 2);
    await hanging.awaitCard("present", 3000);
    await free.awaitCard("present", 3000);
    const stuck = (await inserted(hanging)).exchange([ask(0x10)]).catch((problem: unknown) => problem);
    const channel = await inserted(free);
    const began = performance.now();
    for (let at = 0; at < 100; at++) await channel.exchange([ask(0xca, 256)]);
    expect(performance.now() - began).toBeLessThan(1200);
    expect(await stuck).toBeInstanceOf(CardMute);
  });

  test("only one program has the card: a second one is told so", async () => {
    const { reader: own } = await benched(both);
    await own.insert();
    await expect(reader().insert()).rejects.toThrow("another program is using this reader");
  });

  test("a reader that is not there is named, with those that are", async () => {
    const missing = reader({ binding: { pcsc: "Persoline vpcd Z" }, patienceMs: 0 });
    await expect(missing.insert()).rejects.toThrow(
      /vpcd Z is not connected: PC\/SC has only "Persoline vpcd A 00 00"/,
    );
    const unclear = reader({ binding: { pcsc: "Persoline vpcd B" }, patienceMs: 0 });
    await expect(unclear.insert()).rejects.toThrow(/2 readers answer to this binding/);
  });

  test("lists readers and what lies in them", async () => {
    const { reader: own } = await benched(both);
    await own.awaitCard("present", 3000);
    const readers = await connectedReaders();
    expect(readers).toHaveLength(4);
    expect(readers[0]).toMatchObject({ name: "Persoline vpcd A 00 00", card: "present", atr: both });
    expect(readers[3]).toEqual({ name: "Persoline vpcd B 00 01", card: "none" });
  });
});

describe("a PC/SC service that dies", () => {
  test("in the middle of a conversation: the machine's fault; when it is back, the same reader works again", async () => {
    const { reader: own } = await benched(both);
    const channel = await inserted(own);
    await pcscd.kill();
    await expect(channel.exchange([ask(0xca, 256)])).rejects.toThrow(DeviceFault);
    const quick = reader({ patienceMs: 0 });
    await expect(quick.insert()).rejects.toThrow("the PC/SC service does not answer: start it");
    const back = own.awaitCard("present", 8000);
    pcscd = await startPcscd(4);
    expect(await back).toBe(true);
    expect(await (await inserted(own)).exchange([ask(0xca, 256)])).toHaveLength(1);
  });
});

describe("a reader that is unplugged", () => {
  test("between two cards: told by its name with those that are left, which go on; plugged in again it works", async () => {
    const card = new ScriptedCard(both);
    slotWith(card, "leave", 2);
    slotWith(new ScriptedCard(both), "leave", 0);
    const own = reader({ patienceMs: 500 }, 2);
    const other = reader({}, 0);
    await own.awaitCard("present", 3000);
    await (await inserted(own)).exchange([ask(0xca, 256)]);
    const seen = card.got.length;
    // The service is there again at once, and has the first two slots only.
    await pcscd.stop();
    pcscd = await startPcscd(2);
    expect((await connectedReaders()).map(({ name }) => name)).toEqual([
      "Persoline vpcd A 00 00",
      "Persoline vpcd A 00 01",
    ]);
    const thrown = await own.insert().catch((problem: unknown) => problem);
    expect(thrown).toBeInstanceOf(DeviceFault);
    expect(thrown).toMatchObject({
      code: "unplugged",
      message: expect.stringContaining("vpcd A 00 00") as string,
    });
    expect(card.got).toHaveLength(seen);
    await other.awaitCard("present", 8000);
    expect(await (await inserted(other)).exchange([ask(0xca, 256)])).toHaveLength(1);
    const back = own.awaitCard("present", 10_000);
    await pcscd.stop();
    pcscd = await startPcscd(4);
    expect(await back).toBe(true);
    expect(await (await inserted(own)).exchange([ask(0xca, 256)])).toHaveLength(1);
  });
});
