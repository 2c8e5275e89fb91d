/** Readers that come and go while one and the same pcscd runs, and readers of one model told apart by where they are plugged in. */
import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { program } from "../../../app/command.test.data.js";
import { ask, inserted, ScriptedCard } from "../contract.test.data.js";
import { UsbReaders } from "../pcscd.test.data.js";
import { CardSlot } from "../vpcd/card-side.js";
import { ReaderHost } from "./host.js";
import type { Binding } from "./names.js";
import { connectedReaders, type PcscReader, pcscReader } from "./reader.js";

const world = {
  now: () => performance.now(),
  sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
};
const atr = Uint8Array.of(0x3b, 0x80, 0x01, 0x81);
const [a, b, c] = [35_963, 35_964, 35_965];
const model = "Persoline Twin";

let usb: UsbReaders;
beforeEach(async () => {
  usb = await UsbReaders.start();
});
const open: { close: () => void }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) one.close();
  await usb.stop();
});

function cardAt(port: number): ScriptedCard {
  const slot = new CardSlot({ address: { host: "127.0.0.1", port } });
  const card = new ScriptedCard(atr);
  slot.insert(card);
  open.push({ close: () => slot.remove() });
  return card;
}

function head(name: string, binding: Binding, patienceMs = 5_000): PcscReader {
  const made = pcscReader({ name, binding, world, patienceMs, usbDevices: usb.devices });
  open.push(made);
  return made;
}

const names = async (): Promise<readonly string[]> => (await connectedReaders()).map(({ name }) => name);
async function until(shown: readonly string[]): Promise<void> {
  const end = performance.now() + 8_000;
  while ((await names()).toSorted().join() !== shown.toSorted().join()) {
    if (performance.now() > end) throw new Error(`PC/SC has ${(await names()).join(", ")}`);
    await world.sleep(50);
  }
}

describe("readers with serial numbers, within one pcscd", () => {
  const left = { port: "1-1", device: 4, tcp: a, serial: "A1" };
  const right = { port: "1-2", device: 5, tcp: b, serial: "B2" };
  const third = { port: "1-3", device: 6, tcp: c, serial: "C3" };

  test("unplugged in mid-conversation and back under another index: its head alone stops, and finds it by its serial number", async () => {
    await usb.plug(left);
    await usb.plug(right);
    await until([`${model} (A1) 00 00`, `${model} (B2) 01 00`]);
    const [ofA, ofB] = [cardAt(a), cardAt(b)];
    const ownA = head("head A", { pcsc: model, serial: "A1" }, 300);
    const ownB = head("head B", { pcsc: model, serial: "B2" });
    await ownA.awaitCard("present", 5_000);
    await ownB.awaitCard("present", 5_000);
    const [channelA, channelB] = [await inserted(ownA), await inserted(ownB)];
    await channelA.exchange([ask(0xca, 256)]);

    // In the middle of its conversation: the machine's fault, not the card's.
    await usb.unplug(left.port);
    await until([`${model} (B2) 01 00`]);
    await expect(channelA.exchange([ask(0xca, 256)])).rejects.toMatchObject({
      name: "DeviceFault",
      code: "unplugged",
    });
    // Another reader takes its index: nobody may speak to that one instead.
    await usb.plug(third);
    await until([`${model} (C3) 00 00`, `${model} (B2) 01 00`]);
    const ofC = cardAt(c);
    await expect(ownA.insert()).rejects.toThrow(
      /with the serial number A1 is not connected.*Persoline Twin \(C3\) 00 00/,
    );
    expect(await channelB.exchange([ask(0xca, 256)])).toHaveLength(1);

    // Back, with a card in it of which nothing is known: a new reset, and whatever the line asks it first.
    await usb.plug({ ...left, device: 9 });
    await until([`${model} (C3) 00 00`, `${model} (B2) 01 00`, `${model} (A1) 02 00`]);
    const before = ofA.got.length;
    expect(await ownA.awaitCard("present", 8_000)).toBe(true);
    expect(await (await inserted(ownA)).exchange([ask(0xca, 256)])).toHaveLength(1);
    expect(ofA.got.slice(before)).toEqual([0xca]);
    expect(ofB.got).toEqual([0xca]);
    expect(ofC.got).toEqual([]);
  });

  test("unplugged between two cards: waited for, and the same reader goes on when it is plugged in again", async () => {
    await usb.plug(left);
    await usb.plug(right);
    await until([`${model} (A1) 00 00`, `${model} (B2) 01 00`]);
    const ofA = cardAt(a);
    const own = head("head A", { pcsc: model, serial: "A1" }, 20_000);
    await own.awaitCard("present", 5_000);
    await (await inserted(own)).exchange([ask(0xca, 256)]);
    await own.remove();
    await usb.unplug(left.port);
    await until([`${model} (B2) 01 00`]);
    const back = own.awaitCard("present", 20_000);
    await world.sleep(600);
    await usb.plug({ ...left, device: 9 });
    expect(await back).toBe(true);
    expect(await (await inserted(own)).exchange([ask(0xca, 256)])).toHaveLength(1);
    expect(ofA.got).toEqual([0xca, 0xca]);
  });

  test("looked at all the time while others come and go: nobody is told that a reader has left who did not ask for it", async () => {
    await usb.plug(right);
    await until([`${model} (B2) 00 00`]);
    const host = new ReaderHost("looker", {});
    open.push(host);
    let isOver = false;
    const seen = { all: 0, without: 0, with: 0 };
    const looking = (async () => {
      while (!isOver) {
        const said = await host.ask({ ask: "list" }, 5_000);
        const listed = said.answer === "readers" ? said.readers.map(({ name }) => name) : [];
        seen.all++;
        if (listed.some((name) => name.includes("(A1)"))) seen.with++;
        else seen.without++;
        if (!listed.includes(`${model} (B2) 00 00`)) throw new Error(`only ${listed.join()}`);
      }
    })();
    try {
      for (let round = 0; round < 8; round++) {
        await usb.plug({ ...left, device: 10 + round });
        await world.sleep(300);
        await usb.unplug(left.port);
        await world.sleep(300);
      }
    } finally {
      isOver = true;
      await looking;
    }
    expect(seen.with).toBeGreaterThan(0);
    expect(seen.without).toBeGreaterThan(0);
  });

  test("the card is taken out and put back in one and the same reader: a new reset tells of it", async () => {
    await usb.plug(left);
    await until([`${model} (A1) 00 00`]);
    const slot = new CardSlot({ address: { host: "127.0.0.1", port: a } });
    open.push({ close: () => slot.remove() });
    const card = new ScriptedCard(atr);
    slot.insert(card);
    const own = head("head A", { pcsc: model, serial: "A1" });
    await own.awaitCard("present", 5_000);
    const channel = await inserted(own);
    await channel.exchange([ask(0xca, 256)]);
    slot.remove();
    expect(await own.awaitCard("absent", 5_000)).toBe(true);
    slot.insert(card);
    expect(await own.awaitCard("present", 5_000)).toBe(true);
    await expect(channel.exchange([ask(0xca, 256)])).rejects.toThrow("taken out");
    expect(card.got).toEqual([0xca]);
    expect(await (await inserted(own)).exchange([ask(0xca, 256)])).toHaveLength(1);
  });
});

describe("readers of one model without serial numbers", () => {
  const left = { port: "1-1", device: 4, tcp: a };
  const right = { port: "1-2.3", device: 5, tcp: b };
  const both = [`${model} 00 00`, `${model} 01 00`];

  test("stay at their heads by USB port, though a reboot changes their order, their index and their device numbers", async () => {
    await usb.plug(left);
    await usb.plug(right);
    await until(both);
    const [ofLeft, ofRight] = [cardAt(a), cardAt(b)];
    const use = async (at: string): Promise<void> => {
      const own = head(`head at ${at}`, { pcsc: model, usb: at });
      await own.awaitCard("present", 8_000);
      await (await inserted(own)).exchange([ask(0xca, 256)]);
    };
    // Both heads hold their cards at the same time: the second one cannot ask where the first one's reader is, and need not.
    await use("1-1");
    expect([ofLeft.got, ofRight.got]).toEqual([[0xca], []]);
    await use("0000:00:14.0/2.3");
    expect([ofLeft.got, ofRight.got]).toEqual([[0xca], [0xca]]);
    for (const one of open.splice(2)) one.close();

    await usb.stop();
    usb = await UsbReaders.start();
    await usb.plug({ ...right, device: 4 });
    await usb.plug({ ...left, device: 9 });
    await until(both);
    await use("1-1");
    expect([ofLeft.got.length, ofRight.got.length]).toEqual([2, 1]);
    await use("1-2.3");
    expect([ofLeft.got.length, ofRight.got.length]).toEqual([2, 2]);
  });

  test("they change their names within one pcscd: a head that held its card goes to its port, not to its name", async () => {
    await usb.plug(left);
    await usb.plug(right);
    await until(both);
    const [ofLeft, ofRight] = [cardAt(a), cardAt(b)];
    const own = head("head", { pcsc: model, usb: "1-1" });
    await own.awaitCard("present", 8_000);
    await (await inserted(own)).exchange([ask(0xca, 256)]);
    await usb.unplug(left.port);
    await usb.unplug(right.port);
    await until([]);
    await usb.plug(right);
    await usb.plug(left);
    await until(both);
    await own.awaitCard("present", 8_000);
    await (await inserted(own)).exchange([ask(0xca, 256)]);
    expect([ofLeft.got.length, ofRight.got.length]).toEqual([2, 0]);
  });

  test("a device with two contact units: its port alone does not say which, its slot does", async () => {
    const dual = "Persoline Dual";
    await usb.plug({ port: "1-4", device: 7, tcp: a, model: "0003" });
    await until([`${dual} 00 00`, `${dual} 00 01`]);
    const [first, second] = [cardAt(a), cardAt(b)];
    await expect(head("head 1", { pcsc: dual, usb: "1-4" }, 0).insert()).rejects.toThrow(
      /2 readers answer .* slot/,
    );
    const own = head("head 2", { pcsc: dual, usb: "1-4", slot: 1 });
    await own.awaitCard("present", 5_000);
    await (await inserted(own)).exchange([ask(0xca, 256)]);
    expect([first.got, second.got]).toEqual([[], [0xca]]);
  });

  test("a port where nobody is plugged in is told with those that are; doctor shows what to write", async () => {
    await usb.plug(left);
    await usb.plug(right);
    await until(both);
    await expect(head("head 1", { pcsc: model, usb: "1-9" }, 0).insert()).rejects.toThrow(
      /Persoline Twin at USB port 1-9 is not connected: .*\(port 1-1\).*\(port 1-2\.3\)/,
    );
    await expect(head("head 1", { pcsc: model }, 0).insert()).rejects.toThrow(/2 readers answer .* usb/);
    const { stdout } = spawnSync(process.execPath, [program, "doctor", "--json"], {
      encoding: "utf8",
      env: { PERSOLINE_USB_DEVICES: usb.devices },
    });
    const shown = (JSON.parse(stdout) as { readonly what: string; readonly detail: string }[]).filter(
      ({ what }) => what === "card readers",
    );
    expect(shown.map(({ detail }) => detail)).toEqual([
      `${model} 00 00: empty, usb: 1-1 or 0000:00:14.0/1`,
      `${model} 01 00: empty, usb: 1-2.3 or 0000:00:14.0/2.3`,
    ]);
  });

  test("where Linux shows no such device a reader cannot be bound by its port, and is not guessed", async () => {
    await usb.plug(left);
    await until([`${model} 00 00`]);
    const blind = pcscReader({
      name: "head 1",
      binding: { pcsc: model, usb: "1-1" },
      world,
      patienceMs: 0,
      usbDevices: "/nowhere",
    });
    open.push(blind);
    await expect(blind.insert()).rejects.toThrow(
      /at USB port 1-1 is not connected: PC\/SC has only "Persoline Twin 00 00"$/,
    );
  });
});
