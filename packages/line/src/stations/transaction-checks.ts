/** What a payment card's transaction says of the card: against its record, its product, and the steps that went before. */
import { SW } from "@persoline/card/apdu";
import { CardProblem, equal, hex, utf8 } from "@persoline/card/bytes";
import type { Crypto } from "@persoline/card/crypto";
import {
  type CardCryptogram,
  type CryptogramData,
  knownBytes,
  type PaymentProfile,
  packCompressed,
  packNumeric,
  preparePayment,
  recoverStaticData,
  type TransactionResult,
} from "@persoline/card/emv";
import type { CardChannel, Finding, RejectCode } from "@persoline/card/program";
import { encodeTlv, parseTlv, tlv } from "@persoline/card/tlv";
import { arqcFinding, stepFinding, transactionFinding } from "../ledger/proof.js";
import type { PreparedPayment } from "../plan/gp/payment/record.js";

const NONE = new Uint8Array(0);

/** Why the card is a reject; undefined: it is not. */
export type Verdict = { readonly code: RejectCode; readonly detail: string } | undefined;

export interface Proved {
  readonly findings: readonly Finding[];
  readonly verdict: Verdict;
}

/** Card verification results: PIN verification done, and not failed (docs/payment-card.md 5). The cryptogram covers them. */
export function saysPinRight(said: CryptogramData | undefined): boolean {
  const [bits = 0] = said?.issuerApplicationData.subarray(4) ?? [];
  return (bits & 0x06) === 0x04;
}

/** What a card's refusal of a script says of its keys (docs/payment-card.md 6). */
export function scriptTrouble(evidence: TransactionResult["evidence"]): Verdict {
  const found = evidence.find(({ step, result }) => step === "script" && result === "failed");
  if (found === undefined) return undefined;
  const { detail } = found;
  const why = /: 698[78]$/.test(detail)
    ? ": the card does not believe the script's MAC, so its key of scripts' integrity is another"
    : /^instruction 24: 6A80$/.test(detail)
      ? ": the card finds no PIN in the script, so its key of confidential scripts is another"
      : "";
  return { code: "script-wrong", detail: `script, ${detail}${why}` };
}

/** What a good card's proof may leave in the terminal verification results. */
function allowedTvr({ profile, terminal }: PreparedPayment["plan"]): Uint8Array {
  const { proof } = profile;
  return Uint8Array.of(
    proof === "none" ? 0x80 : proof === "sda" ? 0x02 : 0x00,
    // Never online yet.
    0x08,
    // A PIN that cannot be shown here is proved by its counter.
    terminal.showsPin ? 0x00 : 0xff,
    // Above the floor limit, as it must be; after an interruption an offline transaction more than its limits.
    0xe0,
    0x00,
  );
}

/** Whatever the steps said one by one: bits that none of them may leave. */
export function unexpectedTvr({ tvr }: TransactionResult, { plan }: PreparedPayment): Verdict {
  const allowed = allowedTvr(plan);
  return tvr.every((byte, at) => (byte & ~(allowed[at] ?? 0)) === 0)
    ? undefined
    : { code: "transaction-wrong", detail: `terminal verification results ${hex(tvr)}` };
}

/** Scripts done since the last completed online transaction, and whether one failed (docs/payment-card.md 5). */
function scriptsSaid(one: CardCryptogram | undefined): { readonly done: number; readonly failed: boolean } {
  const [bits = 0] = one?.data.issuerApplicationData.subarray(6) ?? [];
  return { done: bits >> 4, failed: (bits & 0x08) !== 0 };
}

/** Status words are anybody's; the count is under the card's second cryptogram. `before`: scripts run before that. */
export function scriptsUncounted({ first, second }: TransactionResult, before: number): Verdict {
  const [begun, over] = [scriptsSaid(first), scriptsSaid(second)];
  return over.done === Math.min(15, begun.done + before) && !over.failed
    ? undefined
    : { code: "script-wrong", detail: "the card's own count of scripts, under its TC, says otherwise" };
}

/** Today, or the first day on which the card is valid: cards are made before their time, and test cards at any. */
export function validDay(today: string, { card }: PreparedPayment): string {
  const month = today.slice(0, 4);
  return month >= card.effective && month <= card.expiry ? today : `${card.effective}01`;
}

/** What the card said of itself against its record: who it is, until when, and what its stripe would say. */
export function differing({ data }: TransactionResult, { card, plan }: PreparedPayment): Verdict {
  const expected: readonly (readonly [tag: number, what: string, value: Uint8Array])[] = [
    [0x5a, "PAN", packCompressed(card.pan)],
    [0x5f34, "PAN sequence number", packNumeric(card.psn, 1)],
    [0x5f20, "name", utf8(card.name)],
    [0x5f30, "service code", packNumeric(plan.profile.serviceCode, 2)],
  ];
  const { serviceCode, pinVerification } = plan.profile;
  // The digits behind are the security module's, which judges them all.
  if (
    !hex(data.get(0x57) ?? NONE).startsWith(
      `${card.pan}D${card.expiry}${serviceCode}${pinVerification.keyIndex}`,
    )
  )
    return { code: "wrong-answer", detail: "the card's track 2 is not its record's" };
  for (const [tag, what, value] of expected)
    if (!equal(data.get(tag) ?? NONE, value))
      return { code: "wrong-answer", detail: `the card's ${what} is not its record's` };
  const [year, month] = data.get(0x5f24) ?? [];
  const expiry = packNumeric(card.expiry, 2);
  return year === expiry[0] && month === expiry[1]
    ? undefined
    : { code: "wrong-answer", detail: "the card's expiry date is not its record's" };
}

/**
 * What says how the card works: no signature covers profile and file locator of a card without offline data authentication, and a
 * cryptogram of version 10 does not cover the key's index.
 */
export function misconfigured({ data, first }: TransactionResult, { card, plan }: PreparedPayment): Verdict {
  const { profile } = plan;
  const { dgis } = preparePayment(profile, card);
  const options = knownBytes(dgis.find(({ id }) => id === 0x9104)?.parts ?? []) ?? NONE;
  const said = [0x82, 0x94].map((tag) => tlv(tag, data.get(tag) ?? NONE));
  if (!equal(encodeTlv(said), options))
    return { code: "wrong-answer", detail: "the card's AIP or AFL is not its product's" };
  const { keyIndex, version } = profile.cryptogram;
  return equal(first?.data.issuerApplicationData.subarray(1, 3) ?? NONE, Uint8Array.of(keyIndex, version))
    ? undefined
    : {
        code: "wrong-answer",
        detail: "key index or cryptogram version of the card are not its product's",
      };
}

/** Terminals that know nothing better than static data authentication believe the card too, whatever this one used. */
export function staticProof(
  crypto: Crypto,
  { data }: TransactionResult,
  { card, plan }: PreparedPayment,
): Verdict {
  const { profile, scheme } = plan;
  if (scheme === undefined) return undefined;
  try {
    const { staticData } = preparePayment(profile, card);
    recoverStaticData(crypto, scheme.issuer, data.get(0x93) ?? NONE, staticData);
    return undefined;
  } catch (problem) {
    if (!(problem instanceof CardProblem)) throw problem;
    return { code: "offline-proof-wrong", detail: problem.message };
  }
}

/** The card's counters after its transaction: ATC, ATC of the last online one, PIN tries, and the limits of its offline ones. */
export async function countersOf(
  channel: CardChannel,
  { first }: TransactionResult,
  { pinTries, offlineLimits }: PaymentProfile,
  begun: number,
): Promise<Verdict> {
  const atc = first?.data.atc ?? new Uint8Array(2);
  const count = ((atc[0] ?? 0) << 8) | (atc[1] ?? 0);
  if (count < 1 || count > 1 + begun)
    return {
      code: "counter-wrong",
      detail: `it was the card's transaction ${count}, and ${begun === 0 ? "must be its first" : `at most ${begun} were begun before`}`,
    };
  const wanted = [
    [0x9f36, "application transaction counter", atc],
    [0x9f13, "counter of the last online transaction", atc],
    [0x9f17, "PIN tries left", Uint8Array.of(pinTries)],
    [0x9f14, "lower consecutive offline limit", Uint8Array.of(offlineLimits.lower)],
    [0x9f23, "upper consecutive offline limit", Uint8Array.of(offlineLimits.upper)],
  ] as const;
  for (const [tag, what, value] of wanted) {
    const command = { cla: 0x80, ins: 0xca, p1: tag >> 8, p2: tag & 0xff, le: 256 };
    const [answer] = await channel.exchange([{ command, sw: [{ value: SW.ok, mask: 0xffff }] }]);
    if (answer?.sw !== SW.ok || !equal(valueOf(answer.data, tag), value))
      return { code: "counter-wrong", detail: `the ${what} is not what it must be after this transaction` };
  }
  return undefined;
}

function valueOf(bytes: Uint8Array, tag: number): Uint8Array {
  try {
    const [object, ...more] = parseTlv(bytes);
    return object?.tag === tag && more.length === 0 ? object.value : NONE;
  } catch {
    return NONE;
  }
}

/** Step by step, in EMV's words: no PAN, PIN, key or cryptogram among them. */
export function findingsOf(
  { cvmResults, evidence, outcome, tsi, tvr }: TransactionResult,
  judged: "right" | "wrong" | "not asked",
): readonly Finding[] {
  const results = { ok: "ok", failed: "wrong", "not done": "not measured" } as const;
  return [
    ...evidence.map(({ step, result, detail }) => ({
      what: stepFinding(step),
      result: results[result],
      detail,
    })),
    {
      what: arqcFinding,
      result: judged === "right" ? "ok" : judged === "wrong" ? "wrong" : "not measured",
      detail: judged,
    },
    {
      what: transactionFinding,
      result: outcome === "approved online" ? "ok" : "wrong",
      detail: `${outcome}; TVR ${hex(tvr)}, TSI ${hex(tsi)}, CVM results ${hex(cvmResults)}`,
    },
  ];
}
