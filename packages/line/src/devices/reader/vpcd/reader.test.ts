import { connect, type Socket } from "node:net";
import { CardMute } from "@persoline/card/program";
import { afterEach, describe, expect, test } from "vitest";
import { ask, atr, DawdlingCard, inserted, readerContract, ScriptedCard } from "../contract.test.data.js";
import { CardSlot, parseAddress } from "./card-side.js";
import { Frames } from "./frames.js";
import { type VpcdReader, type VpcdReaderOptions, vpcdReader } from "./reader.js";

const world = {
  now: () => performance.now(),
  sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
};

const open: { close: () => void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

async function listening(
  options: Partial<VpcdReaderOptions> = {},
): Promise<VpcdReader & { readonly at: number }> {
  const reader = vpcdReader({ name: "head", port: 0, world, patienceMs: 300, ...options });
  open.push(reader);
  return { ...reader, at: await reader.port() };
}

function slotAt(reader: { readonly at: number }, silence: "leave" | "hang" = "leave"): CardSlot {
  const slot = new CardSlot({ address: { host: "127.0.0.1", port: reader.at }, silence });
  open.push({ close: () => slot.remove() });
  return slot;
}

readerContract(
  "vpcd-direct",
  async (cardAtr) => {
    const reader = await listening();
    const slot = slotAt(reader);
    const card = new ScriptedCard(cardAtr);
    slot.insert(card);
    await reader.awaitCard("present", 2000);
    return { reader, card, clear: () => slot.remove() };
  },
  "not measured",
);

describe("vpcd-direct", () => {
  test("a card that never answers is cut off after its time; what it was asked is not asked again", async () => {
    const reader = await listening({ answerMs: 200 });
    const card = new ScriptedCard(atr);
    slotAt(reader, "hang").insert(card);
    await reader.awaitCard("present", 2000);
    const channel = await inserted(reader);
    const thrown = await channel.exchange([ask(0xca, 256), ask(0x10)]).catch((problem: unknown) => problem);
    expect(thrown).toBeInstanceOf(CardMute);
    expect(thrown).toMatchObject({ message: "no answer within 0.2 s" });
    expect(thrown instanceof CardMute ? thrown.answers.length : 0).toBe(1);
    expect(card.got).toEqual([0xca, 0x10]);
  });

  test("a command that may take long gets its time: DELETE is waited for where READ BINARY is given up", async () => {
    const reader = await listening({ answerMs: 200 });
    const card = new ScriptedCard(atr);
    const slow = connect(reader.at, "127.0.0.1");
    open.push({ close: () => slow.destroy() });
    const frames = new Frames();
    const say = (body: Uint8Array): void => void slow.write(Uint8Array.of(0, body.length, ...body));
    slow.on("data", (bytes: Buffer) => {
      for (const message of frames.take(bytes)) {
        if (message.length > 1) setTimeout(() => say(Uint8Array.of(0x90, 0x00)), 500);
        else if (message[0] === 0x04) say(card.powerOn() ?? atr);
      }
    });
    await reader.awaitCard("present", 2000);
    const channel = await inserted(reader);
    expect(await channel.exchange([ask(0xe4)])).toMatchObject([{ sw: 0x9000 }]);
    await expect(channel.exchange([ask(0xb0, 256)])).rejects.toThrow("no answer within 0.2 s");
  });

  test("an answer in pieces that never ends is given up as a whole, though each piece came in time", async () => {
    const reader = await listening({ answerMs: 300 });
    const card = new DawdlingCard(atr, 130);
    const slot = new CardSlot({ address: { host: "127.0.0.1", port: reader.at }, timed: true });
    open.push({ close: () => slot.remove() });
    slot.insert(card);
    await reader.awaitCard("present", 2000);
    const channel = await inserted(reader);
    const began = performance.now();
    const thrown = await channel
      .exchange([ask(0xca, 256), ask(0xb2, 256), ask(0xca, 256)])
      .catch((problem: unknown) => problem);
    expect(thrown).toBeInstanceOf(CardMute);
    expect(thrown).toMatchObject({ message: "its answer came in pieces and was not whole within 0.6 s" });
    expect(thrown instanceof CardMute ? thrown.answers.length : 0).toBe(1);
    // The first answer, the whole time of the second, and nothing after it.
    expect(performance.now() - began).toBeLessThan(3_000);
    expect(card.got.filter((ins) => ins === 0xb2)).toEqual([0xb2]);
    expect(card.got.slice(0, 2)).toEqual([0xca, 0xb2]);
    expect(new Set(card.got.slice(2))).toEqual(new Set([0xc0]));
  });

  test("a command longer than vpcd's messages is refused with the way out, and nothing of it is sent", async () => {
    const reader = await listening();
    const card = new ScriptedCard(atr);
    slotAt(reader).insert(card);
    await reader.awaitCard("present", 2000);
    const channel = await inserted(reader);
    const put = (length: number) =>
      channel.exchange([
        { command: { cla: 0, ins: 0xd6, p1: 0, p2: 0, data: new Uint8Array(length) }, sw: [] },
      ]);
    await expect(put(65_529)).rejects.toMatchObject({
      name: "DeviceFault",
      code: "refused",
      message: expect.stringMatching(/INS D6.*65536 bytes.*65535.*chain/) as string,
    });
    expect(card.got).toEqual([]);
    // One byte less is carried.
    expect(await put(65_528)).toMatchObject([{ sw: 0x6a82 }]);
  });

  test("one that comes and leaves again at every question is mute once its time to come is over", async () => {
    const reader = await listening();
    let comes = 0;
    let isOver = false;
    const come = (): void => {
      if (isOver) return;
      comes++;
      const card = connect(reader.at, "127.0.0.1");
      card.on("data", () => card.destroy());
      card.on("error", () => undefined);
      card.on("close", come);
    };
    open.push({ close: () => (isOver = true) });
    come();
    await reader.awaitCard("present", 2000);
    expect(await reader.insert()).toBe("mute");
    expect(comes).toBeGreaterThan(2);
  });

  test("cards that change places between two looks: the first one was taken out, and the next one lies there", async () => {
    const reader = await listening();
    const [first, next] = [slotAt(reader), slotAt(reader)] as const;
    first.insert(new ScriptedCard(atr));
    expect(await reader.awaitCard("present", 2000)).toBe(true);
    expect(await reader.awaitCard("absent", 0)).toBe(false);
    first.remove();
    await world.sleep(100);
    next.insert(new ScriptedCard(atr));
    await world.sleep(100);
    expect(await reader.awaitCard("absent", 0)).toBe(true);
    expect(await reader.awaitCard("absent", 0)).toBe(false);
    expect(await reader.awaitCard("present", 0)).toBe(true);
  });

  test("one card lies at a head: a second one is turned away and the first is not disturbed", async () => {
    const reader = await listening();
    const first = new ScriptedCard(atr);
    slotAt(reader).insert(first);
    await reader.awaitCard("present", 2000);
    const channel = await inserted(reader);
    const second = connect(reader.at, "127.0.0.1");
    await new Promise((resolve) => second.once("close", resolve));
    expect(await channel.exchange([ask(0xca, 256)])).toHaveLength(1);
    expect(first.got).toEqual([0xca]);
  });

  test("extended APDUs pass both ways", async () => {
    const reader = await listening();
    const card = new ScriptedCard(atr);
    const got: Uint8Array[] = [];
    card.transmit = (apdu) => {
      got.push(apdu);
      return Uint8Array.of(...new Uint8Array(60_000).fill(0x5a), 0x90, 0x00);
    };
    slotAt(reader).insert(card);
    await reader.awaitCard("present", 2000);
    const channel = await inserted(reader);
    const command = { cla: 0, ins: 0xcb, p1: 0x3f, p2: 0xff, data: new Uint8Array(1000).fill(7), le: 65_536 };
    const [answer] = await channel.exchange([{ command, sw: [{ value: 0x9000, mask: 0xffff }] }]);
    expect(answer?.data).toEqual(new Uint8Array(60_000).fill(0x5a));
    expect(got[0]?.length).toBe(4 + 3 + 1000 + 2);
  });

  test("a port that is taken is told", async () => {
    const reader = await listening();
    const message = expect.stringMatching(
      /^cannot listen on 127\.0\.0\.1:\d+: the port is taken, by .*: end that, or take another port$/,
    ) as string;
    await expect(listening({ port: reader.at })).rejects.toMatchObject({ code: "port-taken", message });
  });
});

describe("the card's end", () => {
  test("understands messages in pieces and several at once, connects again, and has an ATR also without power", async () => {
    const heard: Buffer[] = [];
    const reader = await listening();
    const port = reader.at;
    reader.close();
    const slot = new CardSlot({ address: { host: "127.0.0.1", port } });
    open.push({ close: () => slot.remove() });
    // Nobody listens yet.
    slot.insert(new ScriptedCard(atr));
    await world.sleep(50);
    const { createServer } = await import("node:net");
    let socket: Socket | undefined;
    const frames = new Frames();
    const server = createServer((one) => {
      socket = one;
      one.on("data", (bytes) => heard.push(...frames.take(bytes)));
    }).listen(port, "127.0.0.1");
    open.push({ close: () => void server.close() });
    while (socket === undefined) await world.sleep(20);
    socket.write(Buffer.of(0x00));
    await world.sleep(20);
    socket.write(Buffer.of(0x01, 0x04, 0x00, 0x01));
    await world.sleep(20);
    socket.write(Buffer.of(0x01, 0x00, 0x05, 0x00, 0xca, 0x00, 0x00, 0x00));
    while (heard.length < 2) await world.sleep(10);
    expect(heard.map((body) => body.toString("hex"))).toEqual(["3b00", "0102039000"]);
  });

  test.each([
    ["127.0.0.1:35963", { host: "127.0.0.1", port: 35_963 }],
    ["[::1]:1", { host: "::1", port: 1 }],
    ["localhost", undefined],
    ["host:0", undefined],
    ["host:65536", undefined],
  ])("address %s", (text, address) => {
    expect(parseAddress(text)).toEqual(address);
  });
});
