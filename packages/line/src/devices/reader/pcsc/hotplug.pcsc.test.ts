/** Readers that come and go while one and the same pcscd runs, and readers of one model told apart by where they are plugged in. */
import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { program } from "../../../app/command.test.data.js";
import { DeviceFault } from "../../problem.js";
import { ask, inserted, ScriptedCard } from "../contract.test.data.js";
import { type Daemon, UnpluggableReaders } from "../pcscd.test.data.js";
import { CardSlot } from "../vpcd/card-side.js";
import type { Binding } from "./names.js";
import { connectedReaders, type PcscReader, pcscReader } from "./reader.js";

const world = {
  now: () => performance.now(),
  sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
};
const atr = Uint8Array.of(0x3b, 0x80, 0x01, 0x81);
const [a, b, c] = [35_963, 35_965, 35_967];

let readers: UnpluggableReaders;
let pcscd: Daemon | undefined;
beforeEach(() => {
  readers = new UnpluggableReaders();
});
const open: { close: () => void }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) one.close();
  await pcscd?.stop();
  pcscd = undefined;
  readers.remove();
});

function cardAt(port: number): ScriptedCard {
  const slot = new CardSlot({ address: { host: "127.0.0.1", port } });
  const card = new ScriptedCard(atr);
  slot.insert(card);
  open.push({ close: () => slot.remove() });
  return card;
}

function head(name: string, binding: Binding, patienceMs = 5_000): PcscReader {
  const made = pcscReader({ name, binding, world, patienceMs, usbDevices: readers.usbDevices });
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

describe("within one pcscd", () => {
  const three = [
    { name: "Twin (A1)", port: a },
    { name: "Twin (B2)", port: b },
    { name: "Twin (C3)", port: c },
  ];

  test("a reader is unplugged in mid-command and comes back under another index: its head alone stops, and finds it by its serial number", async () => {
    pcscd = await readers.start(three, [c]);
    const [ofA, ofB] = [cardAt(a), cardAt(b)];
    const ownA = head("head A", { pcsc: "Twin", serial: "A1" }, 300);
    const ownB = head("head B", { pcsc: "Twin", serial: "B2" });
    await until(["Twin (A1) 00 00", "Twin (B2) 01 00"]);
    await ownA.awaitCard("present", 5_000);
    await ownB.awaitCard("present", 5_000);
    const [channelA, channelB] = [await inserted(ownA), await inserted(ownB)];
    await channelA.exchange([ask(0xca, 256)]);

    // Another reader takes its place and its index: nobody may speak to that one instead.
    readers.change({ out: [a], into: [c] });
    const ofC = cardAt(c);
    await until(["Twin (C3) 00 00", "Twin (B2) 01 00"]);
    const thrown = await channelA.exchange([ask(0xca, 256)]).catch((problem: unknown) => problem);
    expect(thrown).toBeInstanceOf(Error);
    await expect(ownA.insert()).rejects.toThrow(
      /Twin with the serial number A1 is not connected.*Twin \(C3\) 00 00/,
    );
    expect(await channelB.exchange([ask(0xca, 256)])).toHaveLength(1);

    // Back, with the card in it that is unknown now: a new reset, and whatever the line asks it first.
    readers.change({ into: [a] });
    await until(["Twin (C3) 00 00", "Twin (B2) 01 00", "Twin (A1) 02 00"]);
    const before = ofA.got.length;
    expect(await ownA.awaitCard("present", 8_000)).toBe(true);
    expect(await (await inserted(ownA)).exchange([ask(0xca, 256)])).toHaveLength(1);
    expect(ofA.got.slice(before)).toEqual([0xca]);
    expect(ofB.got).toEqual([0xca]);
    expect(ofC.got).toEqual([]);
  });

  test("unplugged between two cards: waited for, and the same reader goes on when it is plugged in again", async () => {
    pcscd = await readers.start(three);
    const ofA = cardAt(a);
    const own = head("head A", { pcsc: "Twin", serial: "A1" });
    await until(["Twin (A1) 00 00", "Twin (B2) 01 00", "Twin (C3) 02 00"]);
    await own.awaitCard("present", 5_000);
    await (await inserted(own)).exchange([ask(0xca, 256)]);
    readers.change({ out: [a] });
    await until(["Twin (B2) 01 00", "Twin (C3) 02 00"]);
    const back = own.awaitCard("present", 10_000);
    await world.sleep(600);
    readers.change({ into: [a] });
    expect(await back).toBe(true);
    expect(await (await inserted(own)).exchange([ask(0xca, 256)])).toHaveLength(1);
    expect(ofA.got).toEqual([0xca, 0xca]);
  });
});

describe("readers of one model without serial numbers", () => {
  const twins = [
    { name: "Twin", port: a },
    { name: "Twin", port: b },
  ];

  test("stay at their heads by USB port, though a reboot changes their order, their index and their device numbers", async () => {
    readers.plug(a, { port: "1-1", bus: 1, device: 4 });
    readers.plug(b, { port: "1-2.3", bus: 1, device: 5 });
    pcscd = await readers.start(twins);
    const [left, right] = [cardAt(a), cardAt(b)];
    const use = async (usb: string): Promise<void> => {
      const own = head(`head at ${usb}`, { pcsc: "Twin", usb });
      await own.awaitCard("present", 8_000);
      await (await inserted(own)).exchange([ask(0xca, 256)]);
    };
    // Both heads hold their cards at the same time: the second one does not ask for what the first one has.
    await use("1-1");
    expect([left.got, right.got]).toEqual([[0xca], []]);
    await use("1-2.3");
    expect([left.got, right.got]).toEqual([[0xca], [0xca]]);
    for (const one of open.splice(2)) one.close();

    await pcscd.stop();
    readers.plug(a, { port: "1-1", bus: 1, device: 9 });
    readers.plug(b, { port: "1-2.3", bus: 1, device: 4 });
    pcscd = await readers.start([...twins].reverse());
    expect(await names()).toEqual(["Twin 00 00", "Twin 01 00"]);
    await use("1-1");
    expect([left.got, right.got]).toEqual([[0xca, 0xca], [0xca]]);
    await use("1-2.3");
    expect([left.got, right.got]).toEqual([
      [0xca, 0xca],
      [0xca, 0xca],
    ]);
  });

  test("a port where nobody is plugged in is told with those that are; doctor shows what to write", async () => {
    readers.plug(a, { port: "1-1", bus: 1, device: 4 });
    readers.plug(b, { port: "1-2.3", bus: 1, device: 5 });
    pcscd = await readers.start(twins);
    await expect(head("head 1", { pcsc: "Twin", usb: "1-9" }, 0).insert()).rejects.toThrow(
      /Twin at USB port 1-9 is not connected: .*\(port 1-1\).*\(port 1-2\.3\)/,
    );
    await expect(head("head 1", { pcsc: "Twin" }, 0).insert()).rejects.toThrow(DeviceFault);
    const { stdout } = spawnSync(process.execPath, [program, "doctor", "--json"], {
      encoding: "utf8",
      env: { ...process.env, PERSOLINE_USB_DEVICES: readers.usbDevices },
    });
    const shown = (JSON.parse(stdout) as { readonly what: string; readonly detail: string }[]).filter(
      ({ what }) => what === "card readers",
    );
    expect(shown.map(({ detail }) => detail)).toEqual([
      "Twin 00 00: empty, usb: 1-1",
      "Twin 01 00: empty, usb: 1-2.3",
    ]);
  });

  test("a reader that does not tell where it is cannot be bound so, and is not guessed", async () => {
    readers.plug(b, { port: "1-2.3", bus: 1, device: 5 });
    pcscd = await readers.start(twins);
    await expect(head("head 1", { pcsc: "Twin", usb: "1-1" }, 0).insert()).rejects.toThrow(
      /at USB port 1-1 is not connected: .*"Twin 00 00", "Twin 01 00" \(port 1-2\.3\)/,
    );
  });
});
