/** A pcscd that a test starts, ends and kills as it likes; only inside the private world of tools/pcsc.mjs. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
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

export async function startPcscd(slots: number): Promise<Daemon> {
  const child = spawn(process.execPath, [tool, "daemon", "--slots", String(slots)], {
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

/** A reader of these tests at a port of the USB: device number of the moment, TCP port of its card, model, serial number if it has one. */
export interface Plugged {
  readonly port: string;
  readonly device: number;
  readonly tcp: number;
  readonly serial?: string;
  /** 0001 unless said otherwise; 0003 has two contact units, the second one's card at the TCP port behind the first one's. */
  readonly model?: "0001" | "0003";
}

/** A pcscd whose readers are USB devices that come and go (tools/usb_readers.py). */
export class UsbReaders {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  /** Where Linux would show the devices. */
  readonly devices: string;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, devices: string) {
    this.#child = child;
    this.#lines = lines;
    this.devices = devices;
  }

  static async start(): Promise<UsbReaders> {
    const child = spawn(process.execPath, [tool, "usb"], { stdio: ["pipe", "pipe", "inherit"] });
    if (child.stdout === null) throw new Error("no output");
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const said = ((await lines.next()).value as string | undefined)?.split(" ") ?? [];
    if (said[0] !== "ready") throw new Error("the private pcscd did not start");
    return new UsbReaders(child, lines, said[2] ?? "");
  }

  plug({ port, device, tcp, serial = "", model = "0001" }: Plugged): Promise<void> {
    return this.#tell(
      `in ${port} ${port.split("-")[0] ?? ""} ${String(device)} ${String(tcp)} ${model} ${serial}`,
    );
  }

  unplug(port: string): Promise<void> {
    return this.#tell(`out ${port}`);
  }

  async #tell(line: string): Promise<void> {
    this.#child.stdin?.write(`${line}\n`);
    if ((await this.#lines.next()).value !== "done") throw new Error(`not done: ${line}`);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin?.end();
    await ended;
  }
}
