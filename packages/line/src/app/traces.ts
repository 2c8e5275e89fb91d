/** Traces of conversations with cards: recorded at a reader, shown to people, and held against another card. */
import { readFileSync, writeFileSync } from "node:fs";
import { decodeCommand, describeSw, type StatusWord } from "@persoline/card/apdu";
import { CardProblem, unhex } from "@persoline/card/bytes";
import { inspectCard, type Inspection } from "@persoline/card/inspect";
import type { CardChannel } from "@persoline/card/program";
import { CardMute } from "@persoline/card/program";
import {
  type Compared,
  compareWith,
  type Personal,
  readTrace,
  recorded,
  replayed,
  type TraceLine,
  traceText,
} from "@persoline/card/trace";
import { DeviceFault } from "../devices/problem.js";
import type { Reader } from "../devices/reader/port.js";
import { Refusal } from "./problem.js";

/** Throws Refusal naming the file, and the line when it is one; also for a trace in which nothing was asked. */
export function traceIn(file: string): readonly TraceLine[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    throw new Refusal(`${file} cannot be opened: check the path and the file's permissions`);
  }
  let lines: readonly TraceLine[];
  try {
    lines = readTrace(text);
  } catch (thrown) {
    if (thrown instanceof CardProblem) throw new Refusal(`${file}: ${thrown.message}`);
    throw thrown;
  }
  if (exchangesOf(lines).length === 0)
    throw new Refusal(`${file} holds no exchange: record it again with "persoline card trace record"`);
  return lines;
}

/** Powers the card at a reader, does the work and takes the power away. Throws Refusal for a mute card. */
async function atReader<T>(
  reader: Reader,
  work: (atr: Uint8Array, channel: CardChannel) => Promise<T>,
): Promise<T> {
  try {
    const reset = await reader.insert();
    if (reset === "mute") throw new Refusal("the card gives no answer to reset");
    return await work(reset.atr, reset.channel);
  } finally {
    await reader.remove();
  }
}

export interface Recording {
  readonly reader: Reader;
  /** A new file; one that exists is refused. */
  readonly file: string;
  /** Command APDUs in hexadecimal digits; none: an inspection is recorded. */
  readonly apdus: readonly string[];
  readonly personal: Personal;
  readonly now: () => number;
}

export interface Recorded {
  readonly exchanges: number;
  /** Why the rest is missing: the card went away, and the command at which it did. */
  readonly ended?: string;
}

/**
 * Records a conversation. What came before the card went away, or before the reader failed, is in the file. Throws Refusal, DeviceFault
 * (which names the file when there is one).
 */
export async function record({ reader, file, apdus, personal, now }: Recording): Promise<Recorded> {
  const commands = apdus.map((text) => {
    try {
      return decodeCommand(unhex(text.replaceAll(" ", "")));
    } catch (thrown) {
      if (thrown instanceof CardProblem) throw new Refusal(`--apdu ${text.slice(0, 8)}…: ${thrown.message}`);
      throw thrown;
    }
  });
  const lines: TraceLine[] = [];
  const work = async (atr: Uint8Array, channel: CardChannel): Promise<string | undefined> => {
    const began = now();
    const watched = recorded(channel, atr, {
      now: () => Math.round((now() - began) * 10) / 10,
      write: (line) => lines.push(line),
      personal,
    });
    if (commands.length === 0) return (await inspectCard(watched, { atr })).ended;
    try {
      await watched.exchange(commands.map((command) => ({ command, sw: [{ value: 0, mask: 0 }] })));
      return undefined;
    } catch (thrown) {
      if (!(thrown instanceof CardMute)) throw thrown;
      const last = lines.at(-1);
      // As it stands in the file: masked.
      return last?.what === "mute" ? `${thrown.message}; it was asked ${cut(last.command)}` : thrown.message;
    }
  };
  let ended: string | undefined;
  try {
    ended = await atReader(reader, work);
  } catch (thrown) {
    if (thrown instanceof DeviceFault && exchangesOf(lines).length > 0 && left(file, lines))
      throw new DeviceFault(
        thrown.device,
        thrown.code,
        `${thrown.message}; the ${counted(exchangesOf(lines).length)} before that are in ${file}`,
        { cause: thrown },
      );
    throw thrown;
  }
  write(file, lines);
  return { exchanges: exchangesOf(lines).length, ...(ended === undefined ? {} : { ended }) };
}

/** "1 exchange", "2 exchanges". */
export const counted = (exchanges: number): string =>
  `${String(exchanges)} exchange${exchanges === 1 ? "" : "s"}`;

const exchangesOf = (lines: readonly TraceLine[]): readonly TraceLine[] =>
  lines.filter(({ what }) => what !== "reset");

/** Throws Refusal. */
function write(file: string, lines: readonly TraceLine[]): void {
  try {
    writeFileSync(file, traceText(lines), { flag: "wx", mode: 0o600 });
  } catch (thrown) {
    const there = thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST";
    throw new Refusal(
      there ? `${file} is there already: name a new file` : `${file} cannot be written: check the folder`,
    );
  }
}

/** Whether the lines are in the file: beside a fault of the reader, that of the file is the smaller one. */
function left(file: string, lines: readonly TraceLine[]): boolean {
  try {
    write(file, lines);
    return true;
  } catch (thrown) {
    if (thrown instanceof Refusal) return false;
    throw thrown;
  }
}

/** The trace's own card, inspected: it answers as long as it was asked the same. Throws Refusal when it was not. */
export async function inspectTrace(lines: readonly TraceLine[], file: string): Promise<Inspection> {
  try {
    const { atr, channel } = replayed(lines);
    return await inspectCard(channel, { atr });
  } catch (thrown) {
    if (thrown instanceof CardProblem)
      throw new Refusal(
        `${file} is no recorded inspection (${thrown.message}); name a card to compare it with`,
      );
    throw thrown;
  }
}

export const compareTrace = (lines: readonly TraceLine[], reader: Reader): Promise<Compared> =>
  atReader(reader, (atr, channel) => compareWith(lines, { atr, channel }));

/** One line of a trace as cells: time, command, length of the answer's data, status in words. */
export function traceRow(line: TraceLine): readonly string[] {
  const ms = line.ms.toFixed(1);
  if (line.what === "reset") return [ms, "reset", "", line.atr];
  if (line.what === "mute") return [ms, cut(line.command), "", "no answer"];
  const sw = Number.parseInt(line.answer.slice(-4), 16);
  return [ms, cut(line.command), cut(line.answer.slice(0, -4)), describeSw(sw as StatusWord)];
}

/** Long bytes are cut, and their number told. */
export const cut = (text: string): string =>
  text.length > 44 ? `${text.slice(0, 40)}… (${String(text.length / 2)})` : text;
