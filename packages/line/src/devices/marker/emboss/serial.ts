/** A serial port as Linux gives it: a tty set raw by stty (coreutils), read and written as a stream. */
import { execFile } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isatty, ReadStream } from "node:tty";
import { promisify } from "node:util";
import { DeviceFault } from "../../problem.js";
import { forgetUnanswered, isUnanswered, noteUnanswered } from "../../unanswered.js";
import { type IdleQuestion, longestAnswer, type Readiness, type Wire } from "./wire.js";

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

/** So long a machine may take to say that it is idle, and so long it must be quiet after it. */
const idleWithinMs = 3_000;
const quietMs = 100;

export interface SerialWireOptions extends SerialPort {
  /** Is there while a card has no answer, through the end of this process: one file for each port. */
  readonly unanswered: string;
  readonly idleMs?: number;
}

export function serialWire(device: string, options: SerialWireOptions): Wire {
  const { serial, baud, flow, unanswered, idleMs = idleWithinMs } = options;
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

  /** Cards and questions one after the other: an answer to one is none to the other. */
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work);
    turn = mine.catch(() => undefined);
    return mine;
  };

  const refuse = (why: string): DeviceFault => new DeviceFault(device, "refused", `${device}: ${why}`);
  const outstanding = (): DeviceFault =>
    refuse(
      `a card was sent to it and its answer did not come; it may come yet, and would be taken for the next card's. Take the card out, switch the machine off and on, see that it holds none, remove ${unanswered}, then go on`,
    );

  async function sent<T>(
    bytes: Uint8Array,
    heard: (answer: Buffer) => T | undefined,
    timeoutMs: number,
  ): Promise<T> {
    if (isUnanswered(unanswered)) throw outstanding();
    const stream = await open();
    noteUnanswered(unanswered, `${device} at ${serial}: a card was sent, and its answer has not come`);
    // One turn of the loop, so that what has come meanwhile is dropped too.
    await sleep(5);
    const known = await new Promise<T>((resolve, reject) => {
      let said = Buffer.alloc(0);
      const end = (finish: () => void): void => {
        clearTimeout(late);
        hear = undefined;
        broken = undefined;
        finish();
      };
      const fail = (problem: DeviceFault): void =>
        end(() => {
          // Nothing of the card may wait in the port for a machine that comes back.
          close();
          reject(problem);
        });
      const late = setTimeout(
        () => fail(new DeviceFault(device, "timeout", `${device} gave no answer in ${String(timeoutMs)} ms`)),
        timeoutMs,
      );
      hear = (part) => {
        said = Buffer.concat([said, part]);
        const answer = heard(said);
        if (answer !== undefined) end(() => resolve(answer));
        else if (said.length > longestAnswer) fail(unplugged("it talks without end"));
      };
      broken = (why) => fail(unplugged(why));
      stream.write(bytes);
    });
    forgetUnanswered(unanswered);
    return known;
  }

  /** What comes back within a second: all that is said until it is quiet. */
  async function told(query: Uint8Array): Promise<Buffer> {
    const stream = await open();
    let said = Buffer.alloc(0);
    let last = 0;
    hear = (part) => {
      said = Buffer.concat([said, part]).subarray(0, longestAnswer);
      last = performance.now();
    };
    try {
      stream.write(query);
      for (const until = performance.now() + 1_000; performance.now() < until; ) {
        await sleep(10);
        if (said.length > 0 && performance.now() - last > quietMs) break;
      }
    } finally {
      hear = undefined;
    }
    return said;
  }

  /** Asks until the machine says that it is idle, and nothing else. An answer to an earlier card meanwhile is one that nobody can place. */
  async function asked({ query, idle }: IdleQuestion, ends: Readiness["ends"]): Promise<void> {
    let all = Buffer.alloc(0);
    for (const until = performance.now() + idleMs; performance.now() < until; await sleep(quietMs)) {
      const said = await told(query);
      all = Buffer.concat([all, said]).subarray(-longestAnswer);
      if (ends(all))
        throw refuse(
          "it answered for an earlier card just now, and may have struck what lies in it: look at that card, then go on",
        );
      if (Buffer.from(idle).equals(said)) return;
    }
    close();
    throw new DeviceFault(
      device,
      "timeout",
      `${device} does not say that it is idle: is it switched on, empty and without a fault?`,
    );
  }

  return {
    exchange: (bytes, heard, timeoutMs) => inTurn(() => sent(bytes, heard, timeoutMs)),
    ready: ({ ends, question }) =>
      inTurn(async () => {
        if (question === undefined) {
          if (isUnanswered(unanswered)) throw outstanding();
          await open();
          return;
        }
        await open();
        await asked(question, ends);
        forgetUnanswered(unanswered);
      }),
    close,
  };
}
