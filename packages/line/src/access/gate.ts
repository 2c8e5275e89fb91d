/** One passage: a conversation with whatever card is presented, a decision, a record. The door opens on a record that is durable. */
import { matchAtr } from "@persoline/card/atr";
import type { Response } from "@persoline/card/apdu";
import { fromUtf8, hex, sfi } from "@persoline/card/bytes";
import {
  getChallenge,
  mutualAuthenticate,
  readBinary,
  readRecord,
  selectByAid,
} from "@persoline/card/iso7816";
import { type CardChannel, CardMute, type KeyRef, type Sent, type Serial } from "@persoline/card/program";
import { findTlv, parseTlv } from "@persoline/card/tlv";
import type { Hsm } from "../devices/hsm/port.js";
import type { Reader } from "../devices/reader/port.js";
import { type Claim, type Decision, decide } from "./rules.js";
import type { CardData, Credential, Gate, GateRegister, KeyProof, Passage, Reading, Site } from "./types.js";
import { crossing, type ZoneTree } from "./zones.js";

/** What a gate must know of the cards it reads; made from their product. */
export interface GateCard {
  /** Expected answer to reset. */
  readonly atr: Uint8Array;
  /** The access application. */
  readonly aid: Uint8Array;
  readonly keys: KeyRef;
  readonly kid: number;
  /** Linear EF with one right in each EF record, readable after the gate's authentication. */
  readonly zones?: { readonly sfi: number; readonly count: number };
  /** Transparent EF of TLV objects, readable likewise; tags of what it says. */
  readonly holder?: {
    readonly sfi: number;
    readonly size: number;
    readonly validUntil?: number;
    readonly reference?: number;
  };
}

export interface GateParts {
  readonly site: Site;
  readonly tree: ZoneTree;
  readonly card: GateCard;
  readonly reader: Reader;
  readonly hsm: Pick<Hsm, "openMutual" | "judgeMutual">;
  readonly register: GateRegister;
  /** Milliseconds, monotonic: what a conversation takes. */
  readonly now: () => number;
}

const ok: Sent["sw"] = [{ value: 0x9000, mask: 0xffff }];
const endOfFile: Sent["sw"] = [...ok, { value: 0x6282, mask: 0xffff }];
/** GET DATA, chip number (docs/card-os.md 2): answered in every phase, also by a terminated card. */
const getChipNumber: Sent = { command: { cla: 0x80, ins: 0xca, p1: 0x00, p2: 0xcf, le: 256 }, sw: ok };

/**
 * Judges a card at a gate. Whatever the card is or does is a recorded passage; throws only what reader and security module throw
 * (DeviceFault): then nothing was decided and the gate stays shut.
 */
export async function pass(
  parts: GateParts,
  gate: Gate,
  ask: { readonly at: number; readonly places: Claim["places"] },
): Promise<Passage & { readonly ms: number }> {
  const { site, tree, register } = parts;
  let holder: Credential | undefined;
  let refusal: Claim["refusal"];
  const reading = await readCard(parts, async (serial) => {
    [holder, refusal] = await Promise.all([register.holder(serial), register.refused(serial)]);
    return holder !== undefined || refusal !== undefined ? { zones: holder?.zones ?? [] } : undefined;
  });
  const verdict = decide(site, tree, { ...ask, gate, reading, holder, refusal });
  return { ...record(tree, gate, ask.at, reading, holder, verdict), ms: reading.ms };
}

function record(
  tree: ZoneTree,
  gate: Gate,
  at: number,
  reading: Reading,
  holder: Credential | undefined,
  { decision, event, detail }: Decision,
): Passage {
  const took = `${String(Math.round(reading.ms))} ms`;
  return {
    at: new Date(at).toISOString(),
    gate: gate.name,
    ...crossing(tree, gate),
    decision,
    ...(reading.kind === "card" ? { serial: reading.serial } : {}),
    ...(holder === undefined ? {} : { reference: holder.reference }),
    ...(event === "granted" ? {} : { reason: event }),
    detail: detail === undefined ? `authenticated in ${took}` : `${detail} (${took})`,
  };
}

/** `lookUp` tells whether anybody here knows this card: no proof is sent to a stranger. */
async function readCard(
  parts: GateParts,
  lookUp: (serial: Serial) => Promise<{ readonly zones: readonly string[] } | undefined>,
): Promise<Reading> {
  const { reader, now } = parts;
  const began = now();
  const unreadable = (detail: string): Reading => ({ kind: "unreadable", detail, ms: now() - began });
  try {
    let reset = await reader.insert();
    if (reset === "mute") {
      await reader.reseat();
      reset = await reader.insert();
    }
    if (reset === "mute") return unreadable("no answer to reset, also after a second try");
    const { atr, channel } = reset;
    const serial = await chipNumber(channel);
    if (serial === undefined) return unreadable("another type of card: it tells no chip number");
    const known = await lookUp(serial);
    const key: KeyProof =
      known === undefined
        ? { result: "unavailable", detail: "not asked: nobody here knows this card" }
        : matchAtr(parts.card.atr, atr)
          ? await proved(parts, channel, serial, known.zones.length)
          : { result: "unavailable", detail: "its answer to reset is that of another type of card" };
    return { kind: "card", serial, key, ms: now() - began };
  } finally {
    await reader.remove();
  }
}

async function chipNumber(channel: CardChannel): Promise<Serial | undefined> {
  const { data, sw } = await said(channel, getChipNumber);
  return sw === 0x9000 && data.length === 12 && data[0] === 0xcf && data[1] === 10
    ? // Ten bytes in hexadecimal are what a serial is.
      (hex(data.subarray(2)) as Serial)
    : undefined;
}

/** One command; a card that falls silent has said nothing. */
async function said(channel: CardChannel, sent: Sent): Promise<{ data: Uint8Array; sw: number | undefined }> {
  return (await saidAll(channel, [sent]))[0] ?? { data: new Uint8Array(0), sw: undefined };
}

async function saidAll(channel: CardChannel, sent: readonly Sent[]): Promise<readonly Response[]> {
  try {
    return await channel.exchange(sent);
  } catch (thrown) {
    if (thrown instanceof CardMute) return thrown.answers;
    throw thrown;
  }
}

const word = (sw: number | undefined): string =>
  sw === undefined ? "silence" : sw.toString(16).toUpperCase().padStart(4, "0");

/** MUTUAL AUTHENTICATE (docs/card-os.md 6) once and never again, then what the card tells only a gate. */
async function proved(
  { card, hsm }: GateParts,
  channel: CardChannel,
  serial: Serial,
  rights: number,
): Promise<KeyProof> {
  const [selected, challenge] = await saidAll(channel, [
    { command: selectByAid(card.aid, { answer: "none" }), sw: ok },
    { command: getChallenge(16), sw: ok },
  ]);
  if (selected?.sw === 0x6285) return { result: "unavailable", detail: "the card is terminated" };
  if (selected?.sw !== 0x9000 || challenge?.sw !== 0x9000 || challenge.data.length !== 16) {
    const answer = word(selected?.sw === 0x9000 ? challenge?.sw : selected?.sw);
    return { result: "unavailable", detail: `its access application answers ${answer}` };
  }
  const { keys, kid } = card;
  const { session, data } = await hsm.openMutual({ keys, kid, serial, cardChallenge: challenge.data });
  const command = mutualAuthenticate({ reference: kid, proof: data });
  let answer: Awaited<ReturnType<typeof said>> | undefined;
  let proof: "right" | "wrong";
  try {
    answer = await said(channel, { command, sw: ok });
  } finally {
    // However the card or the reader ends it: the session in the security module ends here, with a judgement of nothing if need be.
    proof = await hsm.judgeMutual({
      session,
      answer: answer?.sw === 0x9000 ? answer.data : new Uint8Array(16),
    });
  }
  if (answer.sw === 0x6983) return { result: "blocked", detail: "the card's gate key is blocked" };
  if (answer.sw !== 0x9000) {
    return { result: "wrong", detail: `the card refuses the gate's proof (${word(answer.sw)})` };
  }
  if (proof === "wrong") {
    return { result: "wrong", detail: "the card's proof is wrong: it has another key" };
  }
  const told = await cardData(card, channel, rights);
  return told === undefined
    ? { result: "unreadable", detail: "the card proved its key, but its files cannot be read" }
    : { result: "right", data: told };
}

/** Reads one EF record more than there should be rights: it must be empty. */
async function cardData(card: GateCard, channel: CardChannel, rights: number): Promise<CardData | undefined> {
  const { zones, holder } = card;
  const rows = zones === undefined ? 0 : Math.min(zones.count, rights + 1);
  const sent: Sent[] = Array.from({ length: rows }, (_, at) => ({
    command: readRecord({ number: at + 1, sfi: sfi(zones?.sfi ?? 1) }),
    sw: ok,
  }));
  if (holder !== undefined) {
    const place = { offset: 0, sfi: sfi(holder.sfi), length: Math.min(256, holder.size) };
    sent.push({ command: readBinary(place), sw: endOfFile });
  }
  const answers = sent.length === 0 ? [] : await saidAll(channel, sent);
  if (answers.length !== sent.length || answers.some(({ sw }) => sw !== 0x9000 && sw !== 0x6282)) {
    return undefined;
  }
  try {
    const written = answers.slice(0, rows).map(({ data }) => fromUtf8(unpadded(data)));
    const objects = holder === undefined ? [] : parseTlv(unpadded(answers.at(-1)?.data ?? new Uint8Array(0)));
    const value = (tag: number | undefined): Uint8Array | undefined => {
      const found = tag === undefined ? undefined : findTlv(objects, tag);
      return found?.value;
    };
    const until = value(holder?.validUntil);
    const reference = value(holder?.reference);
    return {
      ...(zones === undefined ? {} : { zones: written.filter((right) => right !== "") }),
      ...(until === undefined ? {} : { validUntil: dateOf(until) }),
      ...(reference === undefined ? {} : { reference: fromUtf8(reference) }),
    };
  } catch {
    return undefined;
  }
}

/** Erased memory is FF. */
function unpadded(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0xff) end--;
  return bytes.subarray(0, end);
}

/** YYMMDD in packed digits (ISO/IEC 7816-6, 5F24): this century's. */
const dateOf = (bytes: Uint8Array): string => hex(bytes).replace(/^(..)(..)(..)$/, "20$1-$2-$3");
