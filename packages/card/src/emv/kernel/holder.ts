import { type Response, SW, triesLeft } from "../../apdu/index.js";
import { CardProblem, equal } from "../../bytes/index.js";
import type { Crypto, RsaPublicKey } from "../../crypto/index.js";
import type { CardChannel } from "../../program/index.js";
import { parseTlv } from "../../tlv/index.js";
import {
  cvmConditionOf,
  type CvmList,
  type CvmMethod,
  cvmMethodOf,
  type CvmRule,
  encipherPinForCard,
  packNumeric,
  parseCvmRules,
  pinBlock2,
} from "../basics.js";
import type { CardKeys } from "./proof.js";
import { ask, say } from "./talk.js";
import { CASH, withCashback } from "./restrictions.js";
import type { Evidence, TerminalData } from "./types.js";
import { TVR, type Verification } from "./verification.js";

/** What came of it (9F34; EMV Book 4, 6.3.4.5): code and condition of the last rule that was performed, and 00 unknown, 01 failed, 02 successful. */
export type CvmResults = readonly [code: number, condition: number, result: 0x00 | 0x01 | 0x02];
export const NONE_PERFORMED: CvmResults = [0x3f, 0x00, 0x00];

export interface HolderVerified {
  readonly evidence: Evidence;
  readonly results: CvmResults;
  /** Whether there were rules to go by. */
  readonly performed: boolean;
}

/** Cardholder verification by the card's list (EMV Book 3, 10.5); a PIN is tried once, whatever happens. */
export async function verifyHolder(
  channel: CardChannel,
  crypto: Crypto,
  terminal: TerminalData,
  card: {
    readonly list: Uint8Array | undefined;
    /** 9F42: amounts of the list are in it. */
    readonly currency: Uint8Array | undefined;
    readonly keys: CardKeys;
    readonly tvr: Verification;
  },
): Promise<HolderVerified> {
  const step = "cardholder verification";
  const { tvr } = card;
  if (card.list === undefined) tvr.set(TVR.dataMissing);
  const list = card.list === undefined ? undefined : parseCvmRules(card.list);
  if (list === undefined || list.rules.length === 0) {
    const detail = "the card has no list of methods";
    const evidence = { step, result: "not done", detail } as const;
    return { evidence, results: NONE_PERFORMED, performed: false };
  }
  let tried = false;
  let last: CvmResults = [0x3f, 0x00, 0x01];
  const failing = (detail: string): HolderVerified => {
    tvr.set(TVR.holderNotVerified);
    return { evidence: { step, result: "failed", detail }, results: last, performed: true };
  };
  const inCurrency = card.currency !== undefined && equal(card.currency, packNumeric(terminal.currency, 2));
  for (const { code, condition } of list.rules) {
    const method = cvmMethodOf(code);
    const when = cvmConditionOf(condition);
    if (when === undefined || !applies(when, method, terminal, { ...list, inCurrency })) continue;
    const done: Performed =
      method === undefined
        ? "unrecognised"
        : await perform(channel, crypto, terminal, { ...card, method, tried });
    if (done === "unrecognised") tvr.set(TVR.unrecognisedMethod);
    if (done === "no pad") tvr.set(TVR.noPinPad);
    if (done === "right" || done === "signed") {
      const results: CvmResults = [code, condition, done === "right" ? 0x02 : 0x00];
      return { evidence: { step, result: "ok", detail: method ?? "" }, results, performed: true };
    }
    if (done === "wrong" || done === "failed") last = [code, condition, 0x01];
    tried ||= done === "wrong";
    if ((code & OR_NEXT) === 0) break;
  }
  return failing(tried ? "the PIN was not verified" : "no method led to it");
}

const OR_NEXT = 0x40;
const PIN_BY_CARD: Partial<Record<CvmMethod, "plainPin" | "encipheredPin">> = {
  plainPin: "plainPin",
  plainPinAndSignature: "plainPin",
  encipheredPin: "encipheredPin",
  encipheredPinAndSignature: "encipheredPin",
};
const withSignature = (method: CvmMethod): boolean =>
  method === "plainPinAndSignature" || method === "encipheredPinAndSignature";

/** `signed`: done, and nobody knows yet; `failed`: without a PIN; `no pad`, `unsupported`, `not entered`: not performed at all. */
type Performed =
  | "right"
  | "signed"
  | "wrong"
  | "failed"
  | "not entered"
  | "no pad"
  | "unsupported"
  | "unrecognised";

async function perform(
  channel: CardChannel,
  crypto: Crypto,
  terminal: TerminalData,
  card: {
    readonly method: CvmMethod;
    readonly keys: CardKeys;
    readonly tvr: Verification;
    readonly tried: boolean;
  },
): Promise<Performed> {
  const { method, keys, tvr } = card;
  const { methods } = terminal;
  if (method === "fail") return "failed";
  if (method === "none") return methods.includes("none") ? "right" : "unsupported";
  if (method === "signature") return methods.includes("signature") ? "signed" : "unsupported";
  const pin = PIN_BY_CARD[method];
  if (pin === undefined) return "no pad";
  // A terminal that can do either way of showing the card a PIN has a pad for both (10.5.1).
  if (!methods.includes("plainPin") && !methods.includes("encipheredPin")) return "no pad";
  if (card.tried || !can(terminal, method)) return "unsupported";
  const offered = await offerPin(channel, crypto, terminal, { keys, tvr, method: pin });
  return offered === "right" && withSignature(method) ? "signed" : offered;
}

/** A PIN that comes enciphered only cannot be shown in plain. */
function can({ methods, pin }: Pick<HolderTerminal, "methods" | "pin">, method: CvmMethod): boolean {
  if (method === "fail") return true;
  const shown = PIN_BY_CARD[method];
  if (shown === undefined) return (methods as readonly string[]).includes(method);
  return (
    methods.includes(shown) &&
    !(shown === "plainPin" && typeof pin === "function") &&
    (!withSignature(method) || methods.includes("signature"))
  );
}

/** What the list comes to first at this terminal, before any method has failed, amounts in the card's own currency; undefined: nothing. */
export function firstMethod(terminal: HolderTerminal, { x, y, rules }: CvmList): CvmMethod | undefined {
  for (const { when, method, orNext } of rules) {
    if (!applies(when, method, terminal, { x, y, inCurrency: true })) continue;
    if (can(terminal, method)) return method;
    if (!orNext) return undefined;
  }
  return undefined;
}

/** What of a terminal decides over methods. */
type HolderTerminal = Pick<
  TerminalData,
  "amount" | "atm" | "cashback" | "methods" | "pin" | "transactionType"
>;

/** Conditions of annex C3; one whose data are missing is not met. */
function applies(
  when: CvmRule["when"],
  method: CvmMethod | undefined,
  terminal: HolderTerminal,
  { x, y, inCurrency }: { readonly x: number; readonly y: number; readonly inCurrency: boolean },
): boolean {
  const { amount, atm = false, transactionType = 0 } = terminal;
  const cash = transactionType === CASH;
  switch (when) {
    case "always":
      return true;
    case "ifSupported":
      return method !== undefined && can(terminal, method);
    case "underX":
      return inCurrency && amount < x;
    case "overX":
      return inCurrency && amount > x;
    case "underY":
      return inCurrency && amount < y;
    case "overY":
      return inCurrency && amount > y;
    case "notCash":
      return !cash && !withCashback(terminal);
    case "cashback":
      return withCashback(terminal);
    case "unattendedCash":
      return cash && atm;
    case "manualCash":
      return cash && !atm;
  }
}

/** The key for enciphered PINs; undefined when the card's certificates do not prove one: the method cannot be used then. */
function provedKey(keys: CardKeys): RsaPublicKey | undefined {
  try {
    return keys.pin();
  } catch (problem) {
    if (problem instanceof CardProblem) return undefined;
    throw problem;
  }
}

/** Either says that no try was left (EMV Book 3, 10.5.1). */
const BLOCKED: ReadonlySet<number> = new Set([SW.authenticationBlocked, SW.referenceDataNotUsable]);

async function offerPin(
  channel: CardChannel,
  crypto: Crypto,
  terminal: TerminalData,
  card: {
    readonly keys: CardKeys;
    readonly tvr: Verification;
    readonly method: "plainPin" | "encipheredPin";
  },
): Promise<"right" | "wrong" | "failed" | "not entered"> {
  const { tvr } = card;
  // The key is proved before anything is asked: its challenge holds for the very next command.
  const key = card.method === "encipheredPin" ? provedKey(card.keys) : undefined;
  if (card.method === "encipheredPin" && key === undefined) return "failed";
  const counter = await say(channel, { cla: 0x80, ins: 0xca, p1: 0x9f, p2: 0x17, le: 256 });
  const tries = counter.sw === SW.ok ? parseTlv(counter.data)[0]?.value[0] : undefined;
  if (tries === 0) {
    tvr.set(TVR.noPinTries);
    return "wrong";
  }
  if (terminal.pin === undefined) {
    tvr.set(TVR.pinNotEntered);
    return "not entered";
  }
  const response =
    key === undefined
      ? await showPlain(channel, terminal.pin)
      : await showEnciphered(channel, crypto, key, { pin: terminal.pin, random: terminal.random });
  if (response.sw === SW.ok) return "right";
  if (BLOCKED.has(response.sw) || triesLeft(response.sw) === 0) tvr.set(TVR.noPinTries);
  return "wrong";
}

/** Throws TypeError for a PIN that only comes enciphered: the list of methods was read wrongly. */
async function showPlain(channel: CardChannel, pin: NonNullable<TerminalData["pin"]>): Promise<Response> {
  if (typeof pin === "function") throw new TypeError("this PIN is never sent in plain");
  const block = pinBlock2(pin);
  try {
    return await say(channel, { cla: 0, ins: 0x20, p1: 0, p2: 0x80, data: block });
  } finally {
    block.fill(0);
  }
}

/** GET CHALLENGE and VERIFY: the challenge holds for the very next command. One try of the card's is at stake. */
export async function showEnciphered(
  channel: CardChannel,
  crypto: Crypto,
  key: RsaPublicKey,
  {
    pin,
    random,
  }: { readonly pin: NonNullable<TerminalData["pin"]>; readonly random: TerminalData["random"] },
): Promise<Response> {
  const challenge = await ask(channel, { cla: 0, ins: 0x84, p1: 0, p2: 0, le: 8 });
  let data: Uint8Array;
  if (typeof pin === "function") data = await pin({ key, challenge });
  else {
    const block = pinBlock2(pin);
    data = encipherPinForCard(crypto, key, { block, challenge, random });
    block.fill(0);
  }
  return say(channel, { cla: 0, ins: 0x20, p1: 0, p2: 0x88, data });
}
