/** A pcscd that a test starts, ends and kills as it likes; only inside the private world of tools/pcsc.mjs. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const tool = fileURLToPath(new URL("../../../../../tools/pcsc.mjs", import.meta.url));
const firstPort = 35_963;

export interface Slot {
  /** What a head is bound to. */
  readonly pcsc: string;
  readonly slot: number;
  readonly address: { readonly host: string; readonly port: number };
}

/** The slots that every daemon of these tests has, by number from 0. */
export const slotNumber = (number: number): Slot => ({
  pcsc: `Persoline vpcd ${String.fromCodePoint(65 + Math.floor(number / 2))}`,
  slot: number % 2,
  address: { host: "127.0.0.1", port: firstPort + number },
});

export interface Daemon {
  /** Ends it as a service manager does. */
  stop(): Promise<void>;
  /** Kills pcscd itself in the middle of whatever it does. */
  kill(): Promise<void>;
}

export const startPcscd = (slots: number): Promise<Daemon> => started(["--slots", String(slots)]);

async function started(options: readonly string[]): Promise<Daemon> {
  const child = spawn(process.execPath, [tool, "daemon", ...options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
  });
  const pid = await ready(child, ended);
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
  };
  return {
    stop,
    kill: async () => {
      process.kill(pid, "SIGKILL");
      await stop();
    },
  };
}

function ready(child: ChildProcess, ended: Promise<void>): Promise<number> {
  return new Promise((resolve, reject) => {
    child.stdout?.once("data", (text: Buffer) => resolve(Number(text.toString().split(" ")[1])));
    void ended.then(() => reject(new Error("the private pcscd did not start")));
  });
}

/** Where a reader of these tests is plugged in: USB bus and device number of the moment, and the port. */
export interface Plugged {
  readonly port: string;
  readonly bus: number;
  readonly device: number;
}

/** Readers that come and go while pcscd runs (tools/unpluggable-reader.c), and the USB as Linux would show it. */
export class UnpluggableReaders {
  readonly #folder = mkdtempSync(join(tmpdir(), "persoline-readers-"));
  readonly usbDevices = join(this.#folder, "usb");

  /** `names` as PC/SC shows them, the TCP ports of their cards beside them; those in `unplugged` are not there yet. */
  async start(
    readers: readonly { readonly name: string; readonly port: number }[],
    unplugged: readonly number[] = [],
  ): Promise<Daemon> {
    mkdirSync(this.usbDevices, { recursive: true });
    writeFileSync(join(this.#folder, "readers.json"), JSON.stringify(readers));
    for (const { port } of readers) rmSync(this.#file(port, "unplugged"), { force: true });
    for (const port of unplugged) writeFileSync(this.#file(port, "unplugged"), "");
    return started(["--in", this.#folder]);
  }

  #file(port: number, what: string): string {
    return join(this.#folder, `reader-${String(port)}.${what}`);
  }

  /** Out and in at once, as pcscd sees it when it is told to look. */
  change({
    out = [],
    into = [],
  }: {
    readonly out?: readonly number[];
    readonly into?: readonly number[];
  }): void {
    for (const port of out) writeFileSync(this.#file(port, "unplugged"), "");
    for (const port of into) rmSync(this.#file(port, "unplugged"), { force: true });
    const { status } = spawnSync("pcscd", ["--hotplug"], { stdio: "ignore" });
    if (status !== 0) throw new Error("pcscd does not hear");
  }

  /** The reader of this TCP port is at that USB port from now on. */
  plug(port: number, { port: usb, bus, device }: Plugged): void {
    const at = join(this.usbDevices, usb);
    mkdirSync(at, { recursive: true });
    for (const [name, value] of Object.entries({ busnum: bus, devnum: device, devpath: usb.split("-")[1] }))
      writeFileSync(join(at, name), `${String(value)}\n`);
    const channel = (0x0020_0000 | (bus << 8) | device).toString(16).padStart(8, "0");
    writeFileSync(this.#file(port, "channel"), channel);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
