/** A pcscd that a test starts, ends and kills as it likes; only inside the private world of tools/pcsc.mjs. */
import { type ChildProcess, spawn } from "node:child_process";
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
