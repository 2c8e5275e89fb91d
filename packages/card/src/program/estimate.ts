import { dataLength } from "./answer.js";
import { cmacBlocks, type Estimate, figure, type Work } from "./figure.js";
import { scp11AgreementCost, scp11HostCost, scp11OpenCost } from "./estimate-scp11.js";
import { type CardTiming, exchangeWire, powerUpWire } from "./timing.js";
import type { SecureChannelSpec } from "./channel-spec.js";
import type { CardProgram, Step } from "./types.js";

export type { Estimate } from "./figure.js";

/** What one message to the card costs; `step` is absent for power-up and the opening of a session. */
export interface Cost extends Estimate {
  readonly what: "power-up" | "before" | "open" | "challenge" | "authenticate" | "step";
  readonly segment?: string;
  readonly step?: Step;
}

export interface EstimateOptions {
  /** How often the card gets power in this program. Default 1. */
  readonly powerUps?: number;
}

/** The sum of `costs`. */
export function estimate(program: CardProgram, timing: CardTiming, options: EstimateOptions = {}): Estimate {
  return total(costs(program, timing, options));
}

export function total(items: readonly Estimate[]): Estimate {
  const sum = (pick: (item: Estimate) => number): number =>
    items.reduce((value, item) => value + pick(item), 0);
  return {
    ms: sum((item) => item.ms),
    wireMs: sum((item) => item.wireMs),
    writeMs: sum((item) => item.writeMs),
    cryptoMs: sum((item) => item.cryptoMs),
    workMs: sum((item) => item.workMs),
    characters: sum((item) => item.characters),
    pages: sum((item) => item.pages),
    apdus: sum((item) => item.apdus),
  };
}

/** Item by item, in the order in which the card will see them. */
export function costs(program: CardProgram, timing: CardTiming, options: EstimateOptions = {}): Cost[] {
  const items: Cost[] = [];
  for (let up = 0; up < (options.powerUps ?? 1); up++) {
    const pages = up === 0 ? (program.resetPages ?? 0) : 0;
    items.push({ what: "power-up", ...figure(timing, powerUpWire(timing), { pages }), apdus: 0 });
  }
  for (const segment of program.segments) {
    const { name, channel, before = [] } = segment;
    for (const step of channel === "plain" ? [] : before)
      items.push({ what: "before", segment: name, step, ...stepCost(step, "plain", timing) });
    if (channel !== "plain") {
      items.push({ what: "open", segment: name, ...openCost(channel, timing) });
      if (channel.protocol === "desfire")
        items.push({ what: "challenge", segment: name, ...desfireChallengeCost(channel, timing) });
      if (channel.protocol === "scp11" && channel.host !== undefined)
        items.push({ what: "challenge", segment: name, ...scp11HostCost(channel.host, timing) });
      items.push({ what: "authenticate", segment: name, ...authenticateCost(channel, timing) });
    }
    for (const step of segment.steps) {
      items.push({ what: "step", segment: name, step, ...stepCost(step, channel, timing) });
    }
  }
  return items;
}

const padded = (bytes: number): number => 16 * Math.ceil((bytes + 1) / 16);

/** Bytes of a challenge, a cryptogram and a MAC: 16 in SCP03's mode S16 (i bit 01), else 8. */
export const channelSize = (channel: SecureChannelSpec): 8 | 16 =>
  channel.protocol === "scp03" && ((channel.i ?? 0) & 0x01) !== 0 ? 16 : 8;

/** One triple DES block of the coprocessor (docs/gp-card.md 8), and how many of them a message takes with its padding. */
const desMicros = 15;
const desBlocks = (bytes: number): number => Math.floor(bytes / 8) + 1;

/** SCP03: challenge, three session keys and the card cryptogram; loader: cryptogram and two session keys. */
function openCost(channel: SecureChannelSpec, timing: CardTiming): Estimate {
  if (channel.protocol === "desfire") return desfireCost(timing, 3, 0);
  if (channel.protocol === "scp11") return scp11OpenCost(timing);
  if (channel.protocol === "loader") {
    return figure(timing, exchangeWire(timing, 5 + 16 + 1, 10 + 16 + 16 + 2), { aes: 3 * cmacBlocks(43) });
  }
  if (channel.protocol === "scp02") {
    // Four session keys of two blocks, the challenge over the AID, two cryptograms.
    const blocks = 4 * 2 + ((channel.i & 0x40) === 0 ? 0 : desBlocks(8)) + 2 * desBlocks(16);
    return figure(timing, exchangeWire(timing, 5 + 8 + 1, 28 + 2), { micros: blocks * desMicros });
  }
  const size = channelSize(channel);
  const counted = channel.i === undefined || (channel.i & 0x10) !== 0;
  const answer = 10 + 3 + 2 * size + (counted ? 3 : 0) + 2;
  return figure(timing, exchangeWire(timing, 5 + size + 1, answer), {
    aes: (counted ? cmacBlocks(16 + 3 + 8) : 0) + 4 * cmacBlocks(16 + 2 * size),
  });
}

type DesfireChannel = Extract<SecureChannelSpec, { protocol: "desfire" }>;

/** AES blocks that a DESFire-style card needs for a native command of so many bytes (docs/desfire-card.md 1). */
export const nativeBlocks = (bytes: number): number => 2 + Math.ceil(bytes / 8);

/** `90 INS 00 00 [Lc data] 00`, answered by `data 91 SS`. */
function desfireCost(timing: CardTiming, data: number, answer: number, work: Work = {}): Estimate {
  const wire = exchangeWire(timing, 5 + (data > 0 ? 1 + data : 0), answer + 2);
  return figure(timing, wire, { ...work, aes: nativeBlocks(data) + (work.aes ?? 0) });
}

/** Key number, and for EV2 the length of the host's capabilities; answered by the enciphered RndB. */
const desfireChallengeCost = (channel: DesfireChannel, timing: CardTiming): Estimate =>
  desfireCost(timing, channel.version === "ev1" ? 1 : 2, 16);

/** EV1: CRC-32 and zeros, or a MAC of 8 bytes; EV2: padding by 80 and a MAC (docs/desfire-card.md 4). */
function desfireStepCost(step: Step, { version }: DesfireChannel, timing: CardTiming): Estimate {
  const isEv1 = version === "ev1";
  const { clear = 0, send = "plain", receive = "plain", endsSession = false } = step.native ?? {};
  const whole = dataLength(step, "desfire");
  const sealed = (bytes: number): number =>
    isEv1 ? 16 * Math.ceil((bytes + 4) / 16) : (bytes > 0 ? padded(bytes) : 0) + 8;
  const mac = isEv1 ? 0 : 8;
  const sent = { plain: whole, mac: whole + 8, session: whole + mac, full: clear + sealed(whole - clear) };
  const answer = answerLength(step);
  const bare = isEv1 ? answer + 8 : answer;
  const received = { plain: bare, mac: answer + 8, session: answer + 8, full: sealed(answer) };
  const { pages, aesBlocks = 0, micros = 0, shortPulse = false } = step.cost;
  const work = { pages, micros, shortPulse, aes: aesBlocks };
  return desfireCost(timing, sent[send], endsSession ? answer : received[receive], work);
}

/** Two pages: the lowered counter before the comparison, the full one after it. */
function authenticateCost(channel: SecureChannelSpec, timing: CardTiming): Estimate {
  if (channel.protocol === "desfire") return desfireCost(timing, 32, channel.version === "ev1" ? 16 : 32);
  if (channel.protocol === "scp11") return scp11AgreementCost(channel, timing);
  const size = channelSize(channel);
  const wire = exchangeWire(timing, 5 + 2 * size, 2);
  if (channel.protocol === "scp02")
    return figure(timing, wire, { micros: desBlocks(5 + 8) * desMicros, pages: 2 });
  const aes =
    channel.protocol === "loader" ? cmacBlocks(43) : cmacBlocks(16 + 2 * size) + cmacBlocks(16 + 5 + size);
  return figure(timing, wire, { aes, pages: 2 });
}

/** Plain and wrapped size of a step: SCP03 pads, encrypts and adds MACs (Amendment D 6.2), so does SCP02 (GPCS E.4); the loader adds a MAC. */
export function stepCost(step: Step, channel: "plain" | SecureChannelSpec, timing: CardTiming): Estimate {
  const data = dataLength(step, channel === "plain" ? "plain" : channel.protocol);
  const answer = answerLength(step);
  const le = step.le === undefined ? 0 : 1;
  const { pages, aesBlocks = 0, micros = 0, shortPulse = false } = step.cost;
  const work = { pages, micros, shortPulse };
  if (channel === "plain") {
    const command = 4 + (data > 0 ? 1 + data : 0) + le;
    return figure(timing, exchangeWire(timing, command, answer + 2), { ...work, aes: aesBlocks });
  }
  if (channel.protocol === "loader") {
    return figure(timing, exchangeWire(timing, 5 + data + 8 + le, answer + 2), {
      ...work,
      aes: aesBlocks + cmacBlocks(16 + 5 + data + 8),
    });
  }
  if (channel.protocol === "desfire") return desfireStepCost(step, channel, timing);
  const size = channelSize(channel);
  const encrypted = (channel.level & 0x02) !== 0 && data > 0;
  const rmac = (channel.level & 0x10) !== 0;
  if (channel.protocol === "scp02") {
    const sent = encrypted ? 8 * desBlocks(data) : data;
    const blocks =
      1 +
      desBlocks(5 + data) +
      (encrypted ? sent / 8 : 0) +
      (rmac ? desBlocks(5 + data + 1 + answer + 2) : 0);
    const wire = exchangeWire(timing, 5 + sent + 8 + le, answer + (rmac ? 8 : 0) + 2);
    return figure(timing, wire, { ...work, aes: aesBlocks, micros: micros + blocks * desMicros });
  }
  const sent = encrypted ? padded(data) : data;
  const rencrypted = (channel.level & 0x20) !== 0 && answer > 0;
  const body = rencrypted ? padded(answer) : answer;
  const aes =
    aesBlocks +
    (encrypted ? sent / 16 + 1 : 0) +
    cmacBlocks(16 + 5 + sent) +
    (rencrypted ? body / 16 + 1 : 0) +
    (rmac ? cmacBlocks(16 + body + 2) : 0);
  const wire = exchangeWire(timing, 5 + sent + size + le, body + (rmac ? size : 0) + 2);
  return figure(timing, wire, { ...work, aes });
}

/** Bytes the card will answer: known from the expectation; a proof has 16; else at most Le. */
function answerLength(step: Step): number {
  if (step.answer !== undefined) return step.answer.value.length;
  if (step.judge !== undefined) return step.judge.proof === "uid" ? 7 : 16;
  return step.cost.answer ?? (step.native === undefined ? (step.le ?? 0) : 0);
}
