/** A serial port as Linux gives it: a tty set raw by stty (coreutils), read and written as a stream. */
import { execFile } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isatty, ReadStream } from "node:tty";
import { promisify } from "node:util";
import { DeviceFault } from "../../problem.js";
import { longestAnswer, type Wire } from "./wire.js";

export interface SerialPort {
  /** As /dev/ttyS0 or /dev/serial/by-id/…: the latter stays when ports are plugged otherwise. */
  readonly serial: string;
  readonly baud: number;
  readonly flow: "none" | "rts-cts" | "xon-xoff";
}

const flowWords = {
  none: ["-crtscts", "-ixon", "-ixoff"],
  "rts-cts": ["crtscts", "-ixon", "-ixoff"],
  "xon-xoff": ["-crtscts", "ixon", "ixoff"],
} as const;

const run = promisify(execFile);

export function serialWire(device: string, { serial, baud, flow }: SerialPort): Wire {
  let port: ReadStream | undefined;
  let hear: ((part: Buffer) => void) | undefined;
  let broken: ((message: string) => void) | undefined;
  const unplugged = (why: string): DeviceFault =>
    new DeviceFault(device, "unplugged", `${device} at ${serial}: ${why}`);

  const close = (): void => {
    port?.destroy();
    port = undefined;
  };
  const open = async (): Promise<ReadStream> => {
    if (port !== undefined) return port;
    let fd: number;
    try {
      // 8 data bits, no parity, one stop bit; no modem lines waited for.
      await run("stty", [
        "-F",
        serial,
        "raw",
        "-echo",
        "clocal",
        "cs8",
        "-parenb",
        "-cstopb",
        String(baud),
        ...flowWords[flow],
      ]);
      fd = openSync(serial, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
    } catch {
      throw unplugged(
        "the port cannot be opened: is the machine plugged in, and may this user use it (group dialout)?",
      );
    }
    if (!isatty(fd)) {
      closeSync(fd);
      throw unplugged("this is no serial port");
    }
    const opened = new ReadStream(fd);
    opened.on("data", (part: Buffer) => hear?.(part));
    const lost = (why: string) => (): void => {
      if (port !== opened) return;
      close();
      broken?.(why);
    };
    opened.on("error", lost("the port failed"));
    opened.on("end", lost("the port was unplugged"));
    opened.on("close", lost("the port was unplugged"));
    port = opened;
    // What the machine said before is nobody's answer: it is read, and nobody hears it.
    await sleep(50);
    return opened;
  };

  return {
    async exchange(bytes, heard, timeoutMs) {
      const stream = await open();
      // One turn of the loop, so that what has come meanwhile is dropped too.
      await sleep(5);
      return new Promise((resolve, reject) => {
        let said = Buffer.alloc(0);
        const end = (finish: () => void): void => {
          clearTimeout(late);
          hear = undefined;
          broken = undefined;
          finish();
        };
        const late = setTimeout(() => {
          end(() =>
            reject(new DeviceFault(device, "timeout", `${device} gave no answer in ${String(timeoutMs)} ms`)),
          );
        }, timeoutMs);
        hear = (part) => {
          said = Buffer.concat([said, part]);
          const known = heard(said);
          if (known !== undefined) end(() => resolve(known));
          else if (said.length > longestAnswer) end(() => reject(unplugged("it talks without end")));
        };
        broken = (why) => end(() => reject(unplugged(why)));
        stream.write(bytes);
      });
    },
    ready: async () => {
      await open();
    },
    close,
  };
}
