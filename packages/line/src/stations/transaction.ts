/**
 * A payment card's electrical proof: one whole online transaction at a terminal (EMV Book 3 and 4). It shows at once what nobody may read:
 * keys by the cryptogram that the security module judges, certificates and the card's own pair by the scheme's public key, the PIN by the
 * card's acceptance of what the module enciphered, the script keys by commands that the card carries out.
 */
import { SW } from "@persoline/card/apdu";
import { CardProblem, equal } from "@persoline/card/bytes";
import type { RsaPublicKey } from "@persoline/card/crypto";
import {
  type OnlineAnswer,
  type OnlineRequest,
  runTransaction,
  showEnciphered,
  type TerminalData,
  type TransactionResult,
} from "@persoline/card/emv";
import {
  type CardChannel,
  CardMute,
  type Note,
  type Outcome,
  type SealedSecrets,
} from "@persoline/card/program";
import type { PreparedPayment } from "../plan/gp/payment/record.js";
import { withChip } from "./contact.js";
import { boundOf, type CardInWork, type PaymentDesk, type Visit } from "./station.js";
import {
  countersOf,
  differing,
  findingsOf,
  misconfigured,
  type Proved,
  saysPinRight,
  scriptsUncounted,
  scriptTrouble,
  staticProof,
  unexpectedTvr,
  validDay,
  type Verdict,
} from "./transaction-checks.js";

/** Its intent has a name of its own in the journal: nothing but this counts a card's transactions up. */
const noteName = "quality/transaction";
const ALL = new Uint8Array(5).fill(0xff);
const NONE = new Uint8Array(5);
/** Issuer scripts before and after the second cryptogram. */
const SCRIPTS = { before: 1, after: 2 } as const;

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
  const head = { serial: card.serial, station: noteName, program: noteName, segment: 0 };
  const note = (news: Pick<Note, "event" | "detail">): Promise<void> =>
    world.outside(outside.journalMs, journal.write({ ...head, ...news }));
  return withChip(card, visit, ["completed"], async (channel) => {
    await note({ event: "intent" });
    const { secrets } = boundOf(card);
    const terminal = new Terminal({ channel, visit, desk, payment, secrets });
    const { findings, verdict } = await heard(() =>
      terminal.prove(interrupted ? visit.limits.resumes + 1 : 0),
    );
    await note(verdict === undefined ? { event: "done" } : { event: "failed", detail: verdict.code });
    return verdict === undefined
      ? { kind: "passed", findings, changed: true }
      : { kind: "rejected", ...verdict, findings, changed: true };
  });
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
  /** For which the PIN was enciphered. */
  #pinKey: RsaPublicKey | undefined;

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
      (await this.#track2(result)) ??
      misconfigured(result, payment) ??
      staticProof(desk.crypto, result, payment) ??
      (await this.#clearing(result)) ??
      unexpectedTvr(result, payment) ??
      scriptsUncounted(result, SCRIPTS.before) ??
      (await this.#keptPin()) ??
      (await countersOf(channel, result, payment.plan.profile, begun));
    return { findings: findingsOf(result, this.#judged), verdict: found };
  }

  #terminal(): TerminalData {
    const { desk, payment, visit } = this.#ask;
    const { profile, scheme, terminal } = payment.plan;
    return {
      applications: [profile.aid],
      ...(payment.plan.directory ? { directory: "contact" as const } : {}),
      ...terminal,
      currency: profile.currency,
      applicationVersion: profile.applicationVersion,
      date: validDay(desk.today(), payment),
      pin: (asked) => this.#encipheredPin(asked),
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

  #encipheredPin({ key, challenge }: { key: RsaPublicKey; challenge: Uint8Array }): Promise<Uint8Array> {
    const { desk, payment, secrets } = this.#ask;
    const { application } = payment.plan;
    this.#pinKey = key;
    return this.#outside(desk.hsm.encipherPin({ secrets, application, publicKey: key, challenge }));
  }

  #outside<T>(answer: Promise<T>): Promise<T> {
    const { world, outside } = this.#ask.visit;
    return world.outside(outside.hsmMs, answer);
  }

  /**
   * The module is the issuer's host: a right cryptogram is approved, and answered with commands that change nothing. The PIN that the card
   * has already is set once more: only a card with both keys of scripts can do that, and its second cryptogram covers that it did.
   */
  async #answer(request: OnlineRequest): Promise<OnlineAnswer | "unreachable"> {
    const { desk, payment, secrets } = this.#ask;
    const { application, terminal } = payment.plan;
    const judgement = { secrets, application, request };
    const judged = await this.#outside(desk.hsm.judgeCryptogram(judgement));
    this.#judged = judged.verdict;
    if (judged.verdict === "wrong") return { responseCode: "05" };
    // A card with another PIN is a reject, and stays as it is.
    if (terminal.showsPin && !saysPinRight(request.data)) return { responseCode: "05" };
    const scripts = await this.#outside(desk.hsm.paymentScripts(judgement));
    return {
      responseCode: "00",
      authentication: judged.authentication,
      before: scripts.slice(0, SCRIPTS.before),
      after: scripts.slice(SCRIPTS.before),
    };
  }

  /** The PIN that the script left is the record's: a card that takes what it cannot decipher has another one now. */
  async #keptPin(): Promise<Verdict> {
    const { channel, desk, payment, visit } = this.#ask;
    const key = this.#pinKey;
    if (key === undefined || !payment.plan.terminal.showsPin) return undefined;
    try {
      const { sw } = await showEnciphered(channel, desk.crypto, key, {
        pin: (asked) => this.#encipheredPin(asked),
        random: (length) => visit.world.random(length),
      });
      if (sw === SW.ok) return undefined;
    } catch (problem) {
      if (!(problem instanceof CardProblem)) throw problem;
      return { code: "transaction-wrong", detail: problem.message };
    }
    const detail =
      "after the script that set it anew the card has another PIN: its key of confidential scripts is another";
    return { code: "script-wrong", detail };
  }

  /** Its last digits are known to the security module alone, and nothing that the card signs covers them. */
  async #track2({ data }: TransactionResult): Promise<Verdict> {
    const { desk, payment, secrets } = this.#ask;
    const { application } = payment.plan;
    const track2 = data.get(0x57) ?? NONE;
    const judged = await this.#outside(desk.hsm.judgeTrack2({ secrets, application, track2 }));
    return judged === "right"
      ? undefined
      : {
          code: "wrong-answer",
          detail: "verification values in the card's track 2 are not its record's",
        };
  }

  /** The TC is what the issuer is paid by: like the ARQC it must be one, and no signature need cover it. */
  async #clearing({ second }: TransactionResult): Promise<Verdict> {
    if (second === undefined) return undefined;
    const { desk, payment, secrets } = this.#ask;
    const { application } = payment.plan;
    const { pan, psn } = payment.card;
    const { cryptogram, version, data } = second;
    const request = { pan, psn, cryptogram, version, data };
    const judged = await this.#outside(desk.hsm.judgeCryptogram({ secrets, application, request }));
    return judged.verdict === "right"
      ? undefined
      : { code: "cryptogram-wrong", detail: "the security module does not believe the card's TC" };
  }

  /** What of the transaction says that this is not the card it must be. */
  #verdict({ evidence, outcome, first, second }: TransactionResult): Verdict {
    const { profile, terminal } = this.#ask.payment.plan;
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
    if (terminal.showsPin && !(failed("cardholder verification") === undefined && saysPinRight(first?.data)))
      return {
        code: "pin-wrong",
        detail: failed("cardholder verification")?.detail ?? "the card's own record of it says otherwise",
      };
    const script = scriptTrouble(evidence);
    if (script !== undefined) return script;
    const other = evidence.find(
      ({ result, step }) => result === "failed" && step !== "cardholder verification",
    );
    if (other !== undefined) return { code: "transaction-wrong", detail: `${other.step}: ${other.detail}` };
    if (outcome !== "approved online" || first?.type !== "ARQC" || second?.type !== "TC")
      return { code: "transaction-wrong", detail: `it ended ${outcome}` };
    const scripts = evidence.filter(({ step }) => step === "script").length;
    return scripts === SCRIPTS.before + SCRIPTS.after
      ? undefined
      : { code: "transaction-wrong", detail: "not all scripts were run" };
  }
}
