/** DESFire-style cards at a gate: one authentication with the key of the access application, then its files (docs/desfire-card.md 6). */
import type { Response } from "@persoline/card/apdu";
import { concat, fromUtf8, hex } from "@persoline/card/bytes";
import {
  bare,
  getVersion,
  type NativeCommand,
  readData,
  readRecords,
  selectApplication,
} from "@persoline/card/desfire";
import type { CardChannel, SecureStep, Sent, Serial } from "@persoline/card/program";
import type { Hsm } from "../devices/hsm/port.js";
import type { NativeCard } from "./gate-card.js";
import { holderIn, said, saidAll, unpadded, word } from "./talk.js";
import type { CardData, KeyProof } from "./types.js";

export type SessionModule = Pick<Hsm, "openSession" | "authenticate" | "unwrap" | "closeSession">;

const DONE = 0x9100;
const native: Sent["sw"] = [{ value: 0x9100, mask: 0xff00 }];
const done: Sent["sw"] = [{ value: DONE, mask: 0xffff }];
const more: Sent["sw"] = [{ value: 0x91af, mask: 0xffff }];

/** The UID that a card shows to everybody, or that it hides it. */
export async function shownUid(channel: CardChannel): Promise<Serial | "hidden" | undefined> {
  const frame = bare({ ins: 0xaf, send: "plain", receive: "plain" });
  const [, , last] = await saidAll(channel, [
    { command: bare(getVersion), sw: more },
    { command: frame, sw: more },
    { command: frame, sw: done },
  ]);
  if (last?.sw !== DONE || last.data.length !== 14) return undefined;
  const uid = last.data.subarray(0, 7);
  return uid.every((byte) => byte === 0) ? "hidden" : (hex(uid) as Serial);
}

/** The number in the file that everybody reads; undefined: it has none. It proves nothing: it says whose key to ask for. */
export async function shownNumber(card: NativeCard, channel: CardChannel): Promise<string | undefined> {
  if (card.number === undefined) return undefined;
  const { file, size } = card.number;
  const [, read] = await saidAll(channel, [
    { command: bare(selectApplication(card.aid)), sw: done },
    { command: bare(readData(file, 0, size, "plain")), sw: done },
  ]);
  if (read?.sw !== DONE) return undefined;
  try {
    const text = fromUtf8(unpadded(read.data, 0x00, 0xff));
    return text === "" ? undefined : text;
  } catch {
    return undefined;
  }
}

/** One attempt, whatever comes of it. `rights`: how many the register has for the card. */
export async function provedNative(
  hsm: SessionModule,
  card: NativeCard,
  channel: CardChannel,
  { serial, rights }: { readonly serial: Serial; readonly rights: number },
): Promise<KeyProof> {
  const { version, aid, keyNumber, key } = card;
  const plan = readings(card, rights);
  const steps = plan.map(stepOf);
  const spec = { protocol: "desfire", version, aid, keyNumber, key, gate: true } as const;
  const { session, open } = await hsm.openSession({ channel: spec, serial });
  try {
    let answer = await said(channel, { command: open, sw: native });
    if (answer?.sw !== DONE)
      return { result: "unavailable", detail: `its access application answers ${word(answer?.sw)}` };
    for (;;) {
      const ready = await hsm.authenticate({ session, answer, steps });
      if (!ready.ok) {
        const wrong = ready.code === "card-cryptogram" || ready.code === "chip-number";
        return { result: wrong ? "wrong" : "unavailable", detail: ready.detail };
      }
      if ("more" in ready) {
        answer = await said(channel, { command: ready.more, sw: native });
        if (answer === undefined) return { result: "unavailable", detail: "the card fell silent" };
        continue;
      }
      const answers = await saidAll(
        channel,
        ready.commands.map((command) => ({ command, sw: done })),
      );
      const told = await hsm.unwrap({ session, answers });
      const data = told.ok ? dataIn(card, plan, told.answers) : undefined;
      return data === undefined
        ? { result: "unreadable", detail: "the card proved its key, but its files cannot be read" }
        : { result: "right", data };
    }
  } finally {
    await hsm.closeSession(session);
  }
}

interface Reading {
  readonly of: "holder" | "zone" | "beyond";
  readonly command: NativeCommand;
}

/**
 * The holder, the rights oldest first, and one record that must not be there: a card that has it has more rights than the register. One
 * that is not there ends the session, so it comes last.
 */
function readings({ zones, holder }: NativeCard, rights: number): Reading[] {
  const pieces = holder === undefined ? 0 : Math.ceil(holder.size / holder.most);
  const data = Array.from({ length: pieces }, (_, at): Reading[] => {
    if (holder === undefined) return [];
    const offset = at * holder.most;
    const length = Math.min(holder.most, holder.size - offset);
    return [{ of: "holder", command: readData(holder.file, offset, length, holder.comm) }];
  }).flat();
  if (zones === undefined) return data;
  const record = (newest: number) => readRecords({ ...zones, newest, count: 1 });
  const records = Array.from({ length: rights }, (_, at): Reading => {
    return { of: "zone", command: record(rights - 1 - at) };
  });
  return [...data, ...records, { of: "beyond", command: record(rights) }];
}

function stepOf({ command }: Reading): SecureStep {
  const { ins, header = new Uint8Array(0), send, receive, answerLength } = command;
  const shape = answerLength === undefined ? {} : { answerLength };
  return {
    cla: 0x90,
    ins,
    p1: 0,
    p2: 0,
    le: 256,
    data: [header],
    native: { clear: header.length, send, receive, ...shape },
  };
}

/** No such record. */
const BEYOND = 0x91be;

function dataIn(
  { zones, holder }: NativeCard,
  plan: readonly Reading[],
  answers: readonly Response[],
): CardData | undefined {
  const of = (what: Reading["of"]): Uint8Array[] =>
    plan.flatMap((one, at) => {
      const answer = answers[at];
      return one.of === what && answer?.sw === DONE ? [answer.data] : [];
    });
  const wanted = (what: Reading["of"]): number => plan.filter((one) => one.of === what).length;
  const pieces = of("holder");
  const written = [...of("zone"), ...of("beyond")];
  const last = answers.at(-1);
  // Only records may be missing; what ended the session otherwise hides what the card says.
  if (pieces.length !== wanted("holder")) return undefined;
  if (zones !== undefined && last?.sw !== BEYOND && answers.length < plan.length) return undefined;
  if (last !== undefined && last.sw !== DONE && last.sw !== BEYOND) return undefined;
  try {
    return {
      ...(zones === undefined ? {} : { zones: written.map((data) => fromUtf8(unpadded(data, 0x00, 0xff))) }),
      ...(holder === undefined ? {} : holderIn(objectsIn(concat(...pieces)), holder)),
    };
  } catch {
    return undefined;
  }
}

/** TLV objects up to where nothing was written: a new file is full of zeros, which are no tag. A length of more than FFFF is none. */
function objectsIn(bytes: Uint8Array): Uint8Array {
  let at = 0;
  while (at < bytes.length && bytes[at] !== 0x00 && bytes[at] !== 0xff) {
    let next = at + 1;
    if (((bytes[at] ?? 0) & 0x1f) === 0x1f) {
      while (((bytes[next] ?? 0) & 0x80) !== 0) next++;
      next++;
    }
    const first = bytes[next++] ?? 0;
    const size = first > 0x80 ? first - 0x80 : 0;
    let length = size === 0 ? first : 0;
    for (let more = 0; more < Math.min(size, 3); more++) length = length * 256 + (bytes[next + more] ?? 0);
    at = next + size + length;
  }
  return bytes.subarray(0, at);
}
