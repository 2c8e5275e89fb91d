/**
 * A payment card's electrical proof: one whole online transaction at a terminal (EMV Book 3 and 4). It shows at once what nobody may read:
 * keys by the cryptogram that the security module judges, certificates and the card's own pair by the scheme's public key, the PIN by the
 * card's acceptance of what the module enciphered, the script keys by commands that the card carries out.
 */
import { SW } from "@persoline/card/apdu";
import { CardProblem, equal, utf8 } from "@persoline/card/bytes";
import {
  type OnlineAnswer,
  type OnlineRequest,
  type PaymentProfile,
  packCompressed,
  packNumeric,
  preparePayment,
  recoverStaticData,
  runTransaction,
  type TerminalData,
  type TransactionResult,
} from "@persoline/card/emv";
import type { Crypto } from "@persoline/card/crypto";
import {
  type CardChannel,
  CardMute,
  type Finding,
  type Outcome,
  type RejectCode,
  type SealedSecrets,
} from "@persoline/card/program";
import { parseTlv } from "@persoline/card/tlv";
import type { PreparedPayment } from "../plan/gp/payment/record.js";
import { withChip } from "./contact.js";
import { boundOf, type CardInWork, type PaymentDesk, type Visit } from "./station.js";

/** Its intent has a name of its own in the journal: nothing but this counts a card's transactions up. */
const noteName = "quality/transaction";
const ALL = new Uint8Array(5).fill(0xff);
const NONE = new Uint8Array(5);

type Verdict = { readonly code: RejectCode; readonly detail: string } | undefined;

/**
 * `interrupted`: an earlier visit may have begun transactions already. Nothing is tried again here: a card that falls silent or answers
 * wrongly is a reject, and its record is made anew. Throws DeviceFault.
 */
export async function proveByTransaction(
  card: CardInWork,
  visit: Visit,
  payment: PreparedPayment,
  interrupted: boolean,
): Promise<Outcome> {
  const { payment: desk, world, outside, journal } = visit;
  if (desk === undefined) throw new Error("this line has no terminal for payment cards");
  const note = (event: "intent" | "done" | "failed"): Promise<void> =>
    world.outside(
      outside.journalMs,
      journal.write({ serial: card.serial, station: noteName, program: noteName, segment: 0, event }),
    );
  return withChip(card, visit, ["completed"], async (channel) => {
    await note("intent");
    const { secrets } = boundOf(card);
    const terminal = new Terminal({ channel, visit, desk, payment, secrets });
    const { findings, verdict } = await heard(() =>
      terminal.prove(interrupted ? visit.limits.resumes + 1 : 0),
    );
    await note(verdict === undefined ? "done" : "failed");
    return verdict === undefined
      ? { kind: "passed", findings, changed: true }
      : { kind: "rejected", ...verdict, findings, changed: true };
  });
}

interface Proved {
  readonly findings: readonly Finding[];
  readonly verdict: Verdict;
}

/** A card that falls silent is a bad one, whatever it was asked: its PIN may have been in that command. */
async function heard(work: () => Promise<Proved>): Promise<Proved> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof CardMute)) throw thrown;
    return {
      findings: [],
      verdict: { code: "mute", detail: "the card fell silent in the middle of its transaction" },
    };
  }
}

interface Proving {
  readonly channel: CardChannel;
  readonly visit: Visit;
  readonly desk: PaymentDesk;
  readonly payment: PreparedPayment;
  readonly secrets: SealedSecrets;
}

class Terminal {
  readonly #ask: Proving;
  #judged: "right" | "wrong" | "not asked" = "not asked";

  constructor(ask: Proving) {
    this.#ask = ask;
  }

  /** `begun`: so many transactions may have been begun before. */
  async prove(begun: number): Promise<Proved> {
    const { channel, desk, payment } = this.#ask;
    const result = await runTransaction(channel, desk.crypto, this.#terminal());
    const found =
      this.#verdict(result) ??
      differing(result, payment) ??
      staticProof(desk.crypto, result, payment) ??
      (await countersOf(channel, result, payment.plan.profile, begun));
    return { findings: findingsOf(result, this.#judged), verdict: found };
  }

  #terminal(): TerminalData {
    const { desk, payment, visit } = this.#ask;
    const { profile, scheme } = payment.plan;
    return {
      applications: [profile.aid],
      ...(payment.plan.directory ? { directory: "contact" as const } : {}),
      country: profile.country,
      currency: profile.currency,
      date: validDay(desk.today(), payment),
      amount: amountFor(profile),
      methods: ["encipheredPin", "signature", "none"],
      pin: ({ key: publicKey, challenge }) =>
        this.#outside(
          desk.hsm.encipherPin({
            secrets: this.#ask.secrets,
            application: payment.plan.application,
            publicKey,
            challenge,
          }),
        ),
      proofs: ["sda", "dda", "cda"],
      authority: (provider, index) =>
        scheme !== undefined && equal(provider, scheme.authority.provider) && index === scheme.authority.index
          ? scheme.authority.key
          : undefined,
      // Whatever is found, the issuer is asked: its answer is what the card is judged by.
      actions: { default: ALL, denial: NONE, online: ALL },
      floorLimit: 0,
      issuer: (request) => this.#answer(request),
      random: (length) => visit.world.random(length),
    };
  }

  #outside<T>(answer: Promise<T>): Promise<T> {
    const { world, outside } = this.#ask.visit;
    return world.outside(outside.hsmMs, answer);
  }

  /** The module is the issuer's host: a right cryptogram is approved, and answered with commands that change nothing. */
  async #answer(request: OnlineRequest): Promise<OnlineAnswer | "unreachable"> {
    const { desk, payment } = this.#ask;
    const { masters, profile } = payment.plan;
    const { option } = profile.cryptogram;
    const responseCode = "00";
    const judged = await this.#outside(desk.hsm.judgeCryptogram({ masters, option, request, responseCode }));
    this.#judged = judged.verdict;
    if (judged.verdict === "wrong") return { responseCode: "05" };
    const value = Uint8Array.of(profile.offlineLimits.lower);
    const [unblock, limit] = await this.#outside(
      desk.hsm.paymentScripts({
        masters,
        option,
        request,
        scripts: [{ do: "pin-unblock" }, { do: "put-data", tag: 0x9f14, value }],
      }),
    );
    return {
      responseCode,
      authentication: judged.authentication,
      before: unblock === undefined ? [] : [unblock],
      after: limit === undefined ? [] : [limit],
    };
  }

  /** What of the transaction says that this is not the card it must be. */
  #verdict({ evidence, outcome, first, second }: TransactionResult): Verdict {
    const { profile } = this.#ask.payment.plan;
    const failed = (step: string) => evidence.find((one) => one.step === step && one.result !== "ok");
    const proof = failed("offline data authentication");
    const combined = evidence.find(({ detail }) => detail.endsWith("combined signature wrong"));
    if (profile.proof !== "none" && (proof ?? combined) !== undefined)
      return { code: "offline-proof-wrong", detail: (proof ?? combined)?.detail ?? "" };
    if (this.#judged === "wrong")
      return { code: "cryptogram-wrong", detail: "the security module does not believe the card's ARQC" };
    const last = evidence.at(-1);
    if (outcome === "stopped")
      return { code: "transaction-wrong", detail: `${last?.step ?? ""}: ${last?.detail ?? ""}` };
    if (provesPin(profile) && !(failed("cardholder verification") === undefined && saysPinRight(first)))
      return {
        code: "pin-wrong",
        detail: failed("cardholder verification")?.detail ?? "the card's own record of it says otherwise",
      };
    const other = evidence.find(
      ({ result, step }) => result === "failed" && step !== "cardholder verification",
    );
    if (other !== undefined) return { code: "transaction-wrong", detail: `${other.step}: ${other.detail}` };
    if (outcome !== "approved online" || first?.type !== "ARQC" || second?.type !== "TC")
      return { code: "transaction-wrong", detail: `it ended ${outcome}` };
    const scripts = evidence.filter(({ step }) => step === "script").length;
    return scripts === 2 ? undefined : { code: "transaction-wrong", detail: "not all scripts were run" };
  }
}

/** Enciphered PINs need the card's own key; a PIN that could only be shown in plain is proved by its counter. */
const provesPin = ({ cvm, proof }: PaymentProfile): boolean =>
  (proof === "dda" || proof === "cda") && cvm.rules.some(({ method }) => method === "encipheredPin");

/** Card verification results: PIN verification done, and not failed (docs/payment-card.md 5). The cryptogram covers them. */
function saysPinRight(first: TransactionResult["first"]): boolean {
  const [bits = 0] = first?.data.issuerApplicationData?.subarray(4) ?? [];
  return (bits & 0x06) === 0x04;
}

/** Above all amounts for which the card wants no or another verification. */
const amountFor = ({ cvm }: PaymentProfile): number => Math.max(cvm.x, cvm.y) + 1;

/** Today, or the first day on which the card is valid: cards are made before their time, and test cards at any. */
function validDay(today: string, { card }: PreparedPayment): string {
  const month = today.slice(0, 4);
  return month >= card.effective && month <= card.expiry ? today : `${card.effective}01`;
}

/** What the card said of itself against its record: who it is, until when, and what its stripe would say. */
function differing({ data }: TransactionResult, { card, plan }: PreparedPayment): Verdict {
  const expected: readonly (readonly [tag: number, what: string, value: Uint8Array])[] = [
    [0x5a, "PAN", packCompressed(card.pan)],
    [0x5f34, "PAN sequence number", packNumeric(card.psn, 1)],
    [0x5f20, "name", utf8(card.name)],
    [0x5f30, "service code", packNumeric(plan.profile.serviceCode, 2)],
  ];
  for (const [tag, what, value] of expected)
    if (!equal(data.get(tag) ?? NONE, value))
      return { code: "wrong-answer", detail: `the card's ${what} is not its record's` };
  const [year, month] = data.get(0x5f24) ?? [];
  const expiry = packNumeric(card.expiry, 2);
  return year === expiry[0] && month === expiry[1]
    ? undefined
    : { code: "wrong-answer", detail: "the card's expiry date is not its record's" };
}

/** Terminals that know nothing better than static data authentication believe the card too, whatever this one used. */
function staticProof(crypto: Crypto, { data }: TransactionResult, { card, plan }: PreparedPayment): Verdict {
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

/** The card's counters after its transaction: ATC, ATC of the last online one, PIN tries. */
async function countersOf(
  channel: CardChannel,
  { first }: TransactionResult,
  { pinTries }: PaymentProfile,
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
  ] as const;
  for (const [tag, what, value] of wanted) {
    const command = { cla: 0x80, ins: 0xca, p1: tag >> 8, p2: tag & 0xff, le: 256 };
    const [answer] = await channel.exchange([{ command, sw: [{ value: SW.ok, mask: 0xffff }] }]);
    if (answer?.sw !== SW.ok || !equal(valueOf(answer.data, tag), value))
      return { code: "counter-wrong", detail: `the ${what} is not what the transaction left it at` };
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
function findingsOf(
  { evidence, outcome }: TransactionResult,
  judged: "right" | "wrong" | "not asked",
): readonly Finding[] {
  const results = { ok: "ok", failed: "wrong", "not done": "not measured" } as const;
  return [
    ...evidence.map(({ step, result, detail }) => ({
      what: `transaction: ${step}`,
      result: results[result],
      detail,
    })),
    {
      what: "transaction: ARQC by the security module",
      result: judged === "right" ? "ok" : judged === "wrong" ? "wrong" : "not measured",
      detail: judged,
    },
    { what: "transaction", result: outcome === "approved online" ? "ok" : "wrong", detail: outcome },
  ];
}
