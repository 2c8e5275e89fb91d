/**
 * A reader host: one process, one PC/SC context, one reader. The binding blocks in native code while a card is silent, serialises all
 * readers of one context, and dies of a disconnect in mid-command; here that costs one process, which the line starts again.
 */
import { isExtended } from "@persoline/card/apdu";
import { parseAtr } from "@persoline/card/atr";
import type { Card, Context, Reader } from "smartcard";
import { converse, type Patience, Silence } from "../conversation.js";
import { type Channel, channelOf } from "./channel.js";
import { packAnswers, unpackCommands } from "./packets.js";
import type { HostAnswer, HostAsk, HostFault, Protocol } from "./host-protocol.js";
import { connected, readersOf, state, stateOf } from "./look.js";
import { isInUse, troubleOf } from "./trouble.js";

/** winscard.h; the same on all systems. */
const share = { exclusive: 1 } as const;
const protocolBits: Readonly<Record<Protocol, number>> = { "T=0": 1, "T=1": 2 };
const disposition = { leave: 0, reset: 1, unpower: 2 } as const;
/** pcscd itself looks every 400 ms. */
const lookMs = 100;
const aliveMs = 500;
/** Less than this is asked of pcsclite for one answer (MAX_BUFFER_SIZE_EXTENDED is 65,548). */
const mostBytes = 65_546;
/** Instead of 258. */
const someBytes = 2_048;
/** pcscd knows that a card has left after one look, every 400 ms. */
const noticeMs = 600;
/** Whoever asks where a reader is plugged in has it for a moment: so often, and so long between, a connection is tried again. */
const sharing = { times: 5, ms: 50 } as const;

class AddonMissing extends Error {}
/** The card has not answered in time. */
class Late extends Silence {}

/** Kept for as long as this process lives: a context that is collected takes its cards with it ("Invalid handle"). */
let context: Context | undefined;
let reader: Reader | undefined;
let card: Card | undefined;
let cardProtocol: Protocol = "T=1";
/** What each reader hung on when it was last asked: true of the one whose card this process holds, for as long as it holds it. */
const channels = new Map<string, Channel>();

async function open(): Promise<Context> {
  if (context !== undefined) return context;
  const binding = await import("smartcard").catch(() => undefined);
  if (binding === undefined) throw new AddonMissing();
  context = new binding.Context();
  return context;
}

const send = (answer: HostAnswer): void => {
  process.send?.(answer);
};

const faultOf = (thrown: unknown): HostFault => {
  if (thrown instanceof AddonMissing) {
    return {
      code: "no-addon",
      message:
        "the PC/SC binding is not built on this machine: sudo apt-get install -y --no-install-recommends build-essential python3 libpcsclite-dev pcscd, then npm rebuild smartcard (or npm ci)",
    };
  }
  const trouble = troubleOf(thrown, "other");
  return trouble.kind === "fault"
    ? trouble.fault
    : { code: "refused", message: thrown instanceof Error ? thrown.message : "PC/SC failed" };
};

async function list(): Promise<HostAnswer> {
  return { answer: "readers", readers: await connected(await open()) };
}

/** A handle dies with its reader, also when another one takes its name. */
function stillHeld(now: Card): boolean {
  try {
    return (now.atr?.length ?? 0) > 0;
  } catch {
    return false;
  }
}

async function channel(name: string, socket: string | undefined): Promise<Channel> {
  const known = channels.get(name);
  if (known !== undefined && card !== undefined && reader?.name === name) {
    if (stillHeld(card)) return known;
    // The reader of this name may be another one by now.
    off();
  }
  const found = await channelOf(name, socket);
  channels.set(name, found);
  return found;
}

async function find(name: string): Promise<Reader | undefined> {
  reader = readersOf(await open()).find((one) => one.name === name);
  return reader;
}

const unplugged: HostAnswer = {
  answer: "fault",
  fault: { code: "unplugged", message: "the reader is no longer connected: plug it in again" },
};

async function awaitCard(ask: Extract<HostAsk, { ask: "await" }>): Promise<HostAnswer> {
  const until = performance.now() + ask.ms;
  for (;;) {
    const now = await find(ask.reader);
    if (now === undefined) return unplugged;
    const seen = await stateOf(await open(), now);
    if (seen === undefined) return unplugged;
    const present = (seen.state & state.present) !== 0;
    if (present === (ask.card === "present")) return { answer: "awaited", came: true };
    const left = until - performance.now();
    if (left <= 0) return { answer: "awaited", came: false };
    await new Promise((resolve) => setTimeout(resolve, Math.min(left, lookMs)));
  }
}

async function reset(ask: Extract<HostAsk, { ask: "reset" }>): Promise<HostAnswer> {
  try {
    const how = ask.kind === "cold" ? disposition.unpower : disposition.reset;
    const now = await powered(ask.reader, ask.protocols, how);
    if (now === undefined) return unplugged;
    cardProtocol = now.protocol === protocolBits["T=0"] ? "T=0" : "T=1";
    const atr = now.atr;
    if (atr === null || atr.length === 0) return await muteOrGone(ask.reader);
    return { answer: "reset", atr: new Uint8Array(atr), protocol: cardProtocol };
  } catch (thrown) {
    off();
    const trouble = troubleOf(thrown, "reset");
    if (trouble.kind === "no card") return { answer: "no card" };
    if (trouble.kind === "fault") return { answer: "fault", fault: trouble.fault };
    return muteOrGone(ask.reader);
  }
}

/** A card that was taken out a moment ago looks mute until pcscd has looked again. */
async function muteOrGone(name: string): Promise<HostAnswer> {
  const gone = await awaitCard({ ask: "await", reader: name, card: "absent", ms: noticeMs });
  if (gone.answer === "fault") return gone;
  return gone.answer === "awaited" && gone.came ? { answer: "no card" } : { answer: "mute" };
}

/** The card of this reader, freshly reset; undefined when the reader is gone. */
async function powered(name: string, protocols: readonly Protocol[], how: number): Promise<Card | undefined> {
  if (card !== undefined && reader?.name === name) {
    try {
      await resetAs(card, protocols, how);
      return card;
    } catch {
      // Another card lies there now, or this one was silent: a new connection tells.
      off();
    }
  }
  const found = await find(name);
  if (found === undefined) return undefined;
  card = await connection(found, protocols);
  await resetAs(card, protocols, how);
  return card;
}

async function connection(found: Reader, protocols: readonly Protocol[]): Promise<Card> {
  for (let again = 0; ; again++) {
    try {
      return await found.connect(share.exclusive, bitsOf(protocols));
    } catch (thrown) {
      if (again === sharing.times || !isInUse(thrown)) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, sharing.ms));
    }
  }
}

/** With the first wished protocol that the card offers: PC/SC left alone takes the card's first offer. */
async function resetAs(now: Card, protocols: readonly Protocol[], how: number): Promise<void> {
  const wished = wishOf(now, protocols);
  try {
    await now.reconnect(share.exclusive, bitsOf(wished), how);
  } catch (thrown) {
    // The ATR was that of the card before: this one offers something else.
    if (wished.length === protocols.length) throw thrown;
    await now.reconnect(share.exclusive, bitsOf(protocols), how);
  }
  const again = wishOf(now, protocols);
  if (again.join() !== wished.join()) await now.reconnect(share.exclusive, bitsOf(again), how);
}

const bitsOf = (protocols: readonly Protocol[]): number =>
  protocols.reduce((bits, protocol) => bits | protocolBits[protocol], 0);

function wishOf(now: Card, protocols: readonly Protocol[]): readonly Protocol[] {
  const offered = parseAtr(new Uint8Array(now.atr ?? [])).protocols;
  const wished = protocols.find((protocol) => offered.includes(protocol === "T=0" ? 0 : 1));
  return wished === undefined ? protocols : [wished];
}

async function exchange(ask: Extract<HostAsk, { ask: "exchange" }>): Promise<HostAnswer> {
  const now = card;
  if (now === undefined) {
    return {
      answer: "answers",
      answers: packAnswers([]),
      fault: { code: "refused", message: "no card has power here" },
    };
  }
  const alive = setInterval(() => send({ answer: "alive" }), aliveMs);
  const { answerMs } = ask;
  const { late, again: nextAnswer, stop } = deadline(answerMs);
  try {
    const { answers: all, broken } = await converse(
      (apdu, patience) => {
        nextAnswer(patience);
        return Promise.race([transmit(now, apdu), late]);
      },
      unpackCommands(ask.commands),
      { protocol: cardProtocol, answerMs, now: () => performance.now() },
    );
    const answers = packAnswers(all);
    if (broken === undefined) return { answer: "answers", answers };
    if (broken instanceof Late) return { answer: "answers", answers, silent: broken.message, stuck: true };
    if (broken instanceof Silence) return { answer: "answers", answers, silent: broken.message };
    const trouble = troubleOf(broken, "exchange");
    if (trouble.kind === "fault") return { answer: "answers", answers, fault: trouble.fault };
    return {
      answer: "answers",
      answers,
      silent: trouble.kind === "silence" ? trouble.message : "the card is gone",
    };
  } finally {
    clearInterval(alive);
    stop();
  }
}

/** Room for more than a card may say: an answer that is too long then shows as one, and not as an error without a name. */
async function transmit(now: Card, apdu: Uint8Array): Promise<Uint8Array> {
  const maxRecvLength = isExtended(apdu) ? mostBytes : someBytes;
  const answer = await now.transmit(Buffer.from(apdu.buffer, apdu.byteOffset, apdu.length), {
    maxRecvLength,
  });
  return new Uint8Array(answer.buffer, answer.byteOffset, answer.length);
}

/** One timer for all APDUs of an exchange, wound up again for each; a new one where the next may take longer or less long. */
function deadline(usual: number): {
  readonly late: Promise<never>;
  again: (patience: Patience) => void;
  stop: () => void;
} {
  let timer: NodeJS.Timeout | undefined;
  let set = usual;
  let told = "no answer";
  let end: (ms: number) => NodeJS.Timeout;
  const late = new Promise<never>((_resolve, reject) => {
    end = (ms) => setTimeout(() => reject(new Late(told)), ms);
    timer = end(usual);
  });
  // Nobody may be listening when it comes.
  late.catch(() => undefined);
  const again = ({ ms, late: text }: Patience): void => {
    told = text;
    if (ms === set) {
      timer?.refresh();
      return;
    }
    clearTimeout(timer);
    set = ms;
    timer = end(ms);
  };
  return { late, again, stop: () => clearTimeout(timer) };
}

function off(): void {
  try {
    card?.disconnect(disposition.unpower);
  } catch {
    // It is gone already.
  }
  card = undefined;
}

async function answerTo(ask: HostAsk): Promise<HostAnswer> {
  try {
    switch (ask.ask) {
      case "list":
        return await list();
      case "channel":
        return { answer: "channel", channel: await channel(ask.reader, ask.socket) };
      case "await":
        return await awaitCard(ask);
      case "reset":
        return await reset(ask);
      case "exchange":
        return await exchange(ask);
      case "off":
        off();
        return { answer: "done" };
    }
  } catch (thrown) {
    return { answer: "fault", fault: faultOf(thrown) };
  }
}

process.on("message", (ask: HostAsk) => {
  void answerTo(ask).then(send);
});
process.on("disconnect", () => {
  off();
  process.exit(0);
});
