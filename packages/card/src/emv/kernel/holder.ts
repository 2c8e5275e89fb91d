import { type Response, SW, triesLeft } from "../../apdu/index.js";
import { CardProblem } from "../../bytes/index.js";
import type { Crypto, RsaPublicKey } from "../../crypto/index.js";
import type { CardChannel } from "../../program/index.js";
import { parseTlv } from "../../tlv/index.js";
import { type CvmRule, encipherPinForCard, parseCvmList, pinBlock2 } from "../basics.js";
import type { CardKeys } from "./proof.js";
import { ask, say } from "./talk.js";
import type { Evidence, TerminalData } from "./types.js";
import { TVR, type Verification } from "./verification.js";

/** Cardholder verification by the card's list (EMV Book 3, 10.5); a PIN is tried once, whatever happens. */
export async function verifyHolder(
  channel: CardChannel,
  crypto: Crypto,
  terminal: TerminalData,
  card: { readonly list: Uint8Array | undefined; readonly keys: CardKeys; readonly tvr: Verification },
): Promise<Evidence> {
  const step = "cardholder verification";
  if (card.list === undefined) return { step, result: "not done", detail: "the card has no list of methods" };
  const list = parseCvmList(card.list);
  let tried = false;
  for (const rule of list.rules) {
    if (!applies(rule, terminal, list)) continue;
    const { method } = rule;
    if (method === "none" || method === "signature") {
      if (terminal.methods.includes(method)) return { step, result: "ok", detail: method };
    } else if (method === "plainPin" || method === "encipheredPin") {
      if (can(terminal, method) && !tried) {
        const found = await offerPin(channel, crypto, terminal, { ...card, method });
        if (found === "right") return { step, result: "ok", detail: method };
        tried = found === "wrong";
        if (!rule.orNext) break;
        continue;
      }
    }
    if (!rule.orNext) break;
  }
  card.tvr.set(TVR.holderNotVerified);
  return { step, result: "failed", detail: tried ? "the PIN was not verified" : "no method led to it" };
}

/** A PIN that comes enciphered only cannot be shown in plain. */
const can = ({ methods, pin }: TerminalData, method: CvmRule["method"]): boolean =>
  (methods as readonly string[]).includes(method) && !(method === "plainPin" && typeof pin === "function");

function applies(
  { when, method }: CvmRule,
  terminal: TerminalData,
  { x, y }: { readonly x: number; readonly y: number },
): boolean {
  const { amount, transactionType = 0, cashback = 0 } = terminal;
  switch (when) {
    case "always":
      return true;
    case "ifSupported":
      return can(terminal, method);
    case "underX":
      return amount < x;
    case "overX":
      return amount > x;
    case "underY":
      return amount < y;
    case "overY":
      return amount > y;
    case "notCash":
      return transactionType === 0 && cashback === 0;
    case "cashback":
      return cashback > 0;
    case "unattendedCash":
    case "manualCash":
      return transactionType === 0x01;
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

async function offerPin(
  channel: CardChannel,
  crypto: Crypto,
  terminal: TerminalData,
  card: {
    readonly keys: CardKeys;
    readonly tvr: Verification;
    readonly method: "plainPin" | "encipheredPin";
  },
): Promise<"right" | "wrong" | "no key"> {
  const { tvr } = card;
  // The key is proved before anything is asked: its challenge holds for the very next command.
  const key = card.method === "encipheredPin" ? provedKey(card.keys) : undefined;
  if (card.method === "encipheredPin" && key === undefined) return "no key";
  const counter = await say(channel, { cla: 0x80, ins: 0xca, p1: 0x9f, p2: 0x17, le: 256 });
  const tries = counter.sw === SW.ok ? parseTlv(counter.data)[0]?.value[0] : undefined;
  if (tries === 0) {
    tvr.set(TVR.noPinTries);
    return "wrong";
  }
  if (terminal.pin === undefined) {
    tvr.set(TVR.pinNotEntered);
    return "wrong";
  }
  const response =
    key === undefined
      ? await showPlain(channel, terminal.pin)
      : await showEnciphered(channel, crypto, key, { pin: terminal.pin, random: terminal.random });
  if (response.sw === SW.ok) return "right";
  if (response.sw === SW.authenticationBlocked || triesLeft(response.sw) === 0) tvr.set(TVR.noPinTries);
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
