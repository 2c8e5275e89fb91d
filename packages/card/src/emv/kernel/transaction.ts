import { type Command, SW } from "../../apdu/index.js";
import { CardProblem, concat, utf8 } from "../../bytes/index.js";
import type { Crypto } from "../../crypto/index.js";
import type { CardChannel } from "../../program/index.js";
import { AIP, packNumeric, unpackCompressed, unpackNumeric } from "../basics.js";
import { type CombinedProof, generate, type Generated } from "./cryptogram.js";
import { type CvmResults, NONE_PERFORMED, verifyHolder } from "./holder.js";
import { authenticateDynamically, CardKeys, type ChosenProof, chooseProof } from "./proof.js";
import { restrictionsOf } from "./restrictions.js";
import { checkVelocity } from "./risk.js";
import { processingOptions, readRecords, selectApplication } from "./select.js";
import { need, say } from "./talk.js";
import { terminalObjects } from "./terminal-objects.js";
import type {
  CardCryptogram,
  CryptogramType,
  Evidence,
  OnlineAnswer,
  TerminalData,
  TransactionResult,
} from "./types.js";
import { Status, TVR, Verification } from "./verification.js";

/**
 * One contact transaction from selection to the last script (EMV Book 3, 10), over a card that has just been reset: what a terminal finds is
 * the electrical proof of a card that nobody may read. A card that breaks the rules ends it as `stopped`; a reader's or mute card's fault is
 * the channel's to throw.
 */
export async function runTransaction(
  channel: CardChannel,
  crypto: Crypto,
  terminal: TerminalData,
): Promise<TransactionResult> {
  const run = new Run(channel, crypto, terminal);
  try {
    return run.result(await run.perform());
  } catch (problem) {
    if (!(problem instanceof CardProblem)) throw problem;
    run.note(run.at, "failed", problem.message);
    return run.result("stopped");
  }
}

class Run {
  readonly #channel: CardChannel;
  readonly #crypto: Crypto;
  readonly #terminal: TerminalData;
  readonly #evidence: Evidence[] = [];
  readonly #data = new Map<number, Uint8Array>();
  readonly #values: Map<number, Uint8Array>;
  readonly #tvr = new Verification();
  readonly #tsi = new Status();
  #cvmResults: CvmResults = NONE_PERFORMED;
  #first: CardCryptogram | undefined;
  #second: CardCryptogram | undefined;
  /** The step in work. */
  at: Evidence["step"] = "application selection";

  constructor(channel: CardChannel, crypto: Crypto, terminal: TerminalData) {
    this.#channel = channel;
    this.#crypto = crypto;
    this.#terminal = terminal;
    const { amount, cashback = 0, country, currency, date, transactionType = 0 } = terminal;
    this.#values = new Map([
      [0x9f02, packNumeric(String(amount), 6)],
      [0x9f03, packNumeric(String(cashback), 6)],
      [0x9f1a, packNumeric(country, 2)],
      [0x5f2a, packNumeric(currency, 2)],
      [0x9a, packNumeric(date, 3)],
      [0x9c, Uint8Array.of(transactionType)],
      [0x9f37, terminal.random(4)],
      ...terminalObjects(terminal),
    ]);
  }

  note(step: Evidence["step"], result: Evidence["result"], detail: string): void {
    this.#evidence.push({ step, result, detail });
  }

  result(outcome: TransactionResult["outcome"]): TransactionResult {
    return {
      outcome,
      evidence: this.#evidence,
      data: this.#data,
      tvr: this.#tvr.bytes,
      tsi: this.#tsi.bytes,
      cvmResults: Uint8Array.from(this.#cvmResults),
      ...(this.#first === undefined ? {} : { first: this.#first }),
      ...(this.#second === undefined ? {} : { second: this.#second }),
    };
  }

  async perform(): Promise<TransactionResult["outcome"]> {
    const channel = this.#channel;
    this.note(this.at, "ok", await selectApplication(channel, this.#terminal, this.#data));
    this.at = "processing options";
    const pdolData = await processingOptions(channel, this.#data, this.#values);
    const aip = need(this.#data, 0x82);
    this.note(this.at, "ok", "AIP and AFL are there");
    this.at = "records";
    const { count, authenticated } = await readRecords(channel, this.#data);
    for (const tag of [0x5a, 0x5f24, 0x8c, 0x8d]) need(this.#data, tag);
    this.note(this.at, "ok", `${count} records`);
    const keys = new CardKeys(this.#crypto, this.#terminal, { data: this.#data, authenticated });
    const combined = await this.#prove(keys, aip, pdolData);
    this.#restrict();
    await this.#verifyHolder(keys, aip);
    await this.#manageRisk(aip);
    const first = await this.#generateFirst(aip, combined);
    if (first.type === "TC") return this.#signed(first) ? "approved offline" : "declined offline";
    if (first.type === "AAC") return "declined offline";
    return this.#online(first, aip, combined);
  }

  /** Offline data authentication; for CDA only the keys, the signature comes with the cryptogram. */
  async #prove(keys: CardKeys, aip: Uint8Array, pdolData: Uint8Array): Promise<CombinedProof | undefined> {
    this.at = "offline data authentication";
    const proof = chooseProof(this.#terminal, aip);
    if (proof === "none") {
      this.#tvr.set(TVR.offlineProofNotDone);
      this.note(this.at, "not done", "card and terminal have no method in common");
      return undefined;
    }
    if (proof === "sda") this.#tvr.set(TVR.sdaSelected);
    if (!PROOF_DATA[proof].every((tag) => this.#data.has(tag))) this.#tvr.set(TVR.dataMissing);
    try {
      if (proof === "cda") {
        const key = keys.icc();
        this.note(this.at, "ok", "CDA: certificates hold, the signature comes with the cryptogram");
        return { key, sent: pdolData };
      }
      if (proof === "sda") keys.checkStatic();
      else
        await authenticateDynamically(this.#channel, this.#crypto, keys.icc(), {
          data: this.#data,
          values: this.#values,
        });
      this.#tsi.did("offlineProof");
      this.note(this.at, "ok", proof.toUpperCase());
    } catch (problem) {
      if (!(problem instanceof CardProblem)) throw problem;
      this.#tsi.did("offlineProof");
      this.#tvr.set(FAILED[proof]);
      this.note(this.at, "failed", `${proof.toUpperCase()}: ${problem.message}`);
    }
    return undefined;
  }

  /** Processing restrictions (10.4). */
  #restrict(): void {
    this.at = "restrictions";
    const found = restrictionsOf(this.#terminal, this.#data);
    for (const { bit } of found) this.#tvr.set(TVR[bit]);
    const detail = found.map((one) => one.detail).join("; ");
    this.note(
      this.at,
      detail === "" ? "ok" : "failed",
      detail === "" ? "version, usage and dates fit" : detail,
    );
  }

  async #verifyHolder(keys: CardKeys, aip: Uint8Array): Promise<void> {
    this.at = "cardholder verification";
    if (((aip[0] ?? 0) & AIP.cardholderVerification) === 0) {
      this.note(this.at, "not done", "the card does not ask for it");
      return;
    }
    const [list, currency] = [0x8e, 0x9f42].map((tag) => this.#data.get(tag));
    const card = { list, currency, keys, tvr: this.#tvr };
    const found = await verifyHolder(this.#channel, this.#crypto, this.#terminal, card);
    this.#evidence.push(found.evidence);
    this.#cvmResults = found.results;
    if (found.performed) this.#tsi.did("holderVerification");
  }

  /** Floor limit, and for a card with limits of its own how often it was offline (10.6). */
  async #manageRisk(aip: Uint8Array): Promise<void> {
    this.at = "risk management";
    const { amount, floorLimit } = this.#terminal;
    if (((aip[0] ?? 0) & AIP.terminalRiskManagement) === 0) {
      this.note(this.at, "not done", "the card does not ask for it");
      return;
    }
    this.#tsi.did("terminalRiskManagement");
    if (amount >= floorLimit) this.#tvr.set(TVR.aboveFloorLimit);
    const counted = await checkVelocity(this.#channel, this.#data);
    for (const bit of counted.bits) this.#tvr.set(TVR[bit]);
    this.note(
      this.at,
      "ok",
      [`${amount >= floorLimit ? "above" : "below"} the floor limit`, ...counted.words].join(", "),
    );
  }

  /** Terminal action analysis (10.7) and the first cryptogram. */
  async #generateFirst(aip: Uint8Array, combined: CombinedProof | undefined): Promise<Generated> {
    this.at = "first cryptogram";
    const { actions, issuer } = this.#terminal;
    const tvr = this.#tvr;
    const code = (tag: number): Uint8Array => this.#data.get(tag) ?? new Uint8Array(5).fill(0xff);
    const offline = tvr.meets(this.#data.get(0x9f0d) ?? code(0x9f0d), actions.default);
    let type: CryptogramType = "TC";
    if (tvr.meets(this.#data.get(0x9f0e), actions.denial)) type = "AAC";
    else if (issuer !== undefined && tvr.meets(code(0x9f0f), actions.online)) type = "ARQC";
    else if (issuer === undefined && offline) type = "AAC";
    const list = need(this.#data, 0x8c);
    const first = await generate(this.#channel, this.#crypto, {
      type,
      list,
      values: this.#asked(),
      aip,
      combined,
    });
    this.#first = first;
    this.#tsi.did("cardRiskManagement");
    if (ORDER[first.type] > ORDER[type])
      throw new CardProblem("emv-answer", "GENERATE AC", `the card gave ${first.type} for ${type}`);
    this.#noteCryptogram(first, type);
    return first;
  }

  #noteCryptogram(one: Generated, asked: CryptogramType): void {
    if (one.signature !== "none") this.#tsi.did("offlineProof");
    if (one.signature === "wrong") this.#tvr.set(TVR.cdaFailed);
    const signature = one.signature === "none" ? "" : `, combined signature ${one.signature}`;
    const given = one.type === asked ? one.type : `${one.type} for ${asked}`;
    this.note(this.at, one.signature === "wrong" ? "failed" : "ok", `${given}${signature}`);
  }

  #asked(more: readonly (readonly [number, Uint8Array])[] = []): Map<number, Uint8Array> {
    return new Map([
      ...this.#values,
      [0x95, this.#tvr.bytes],
      [0x9b, this.#tsi.bytes],
      [0x9f34, Uint8Array.from(this.#cvmResults)],
      ...more,
    ]);
  }

  #signed(one: Generated): boolean {
    return one.signature !== "wrong";
  }

  async #online(
    first: Generated,
    aip: Uint8Array,
    combined: CombinedProof | undefined,
  ): Promise<TransactionResult["outcome"]> {
    this.at = "online";
    // A wrong combined signature is not worth a question: the transaction is declined (EMV Book 4, 6.3.2.1).
    const answer = this.#signed(first) ? await this.#askIssuer(first) : "unreachable";
    const reached = answer !== "unreachable";
    const approved = reached ? answer.responseCode === "00" : this.#signed(first) && !this.#refusesOffline();
    const offline = !this.#signed(first) ? "declined" : approved ? "unreachedApproved" : "unreachedDeclined";
    const responseCode = reached ? answer.responseCode : OFFLINE_CODE[offline];
    const authentication = reached ? answer.authentication : undefined;
    if (reached) await this.#authenticateIssuer(aip, authentication);
    if (reached && !(await this.#runScripts(answer.before ?? []))) this.#tvr.set(TVR.scriptFailedBefore);
    this.at = "second cryptogram";
    const type = approved ? "TC" : "AAC";
    const values = this.#asked([
      [0x8a, utf8(responseCode)],
      ...(authentication === undefined ? [] : ([[0x91, authentication]] as const)),
    ]);
    const list = need(this.#data, 0x8d);
    // An AAC carries no signature, and none is asked for.
    const proof =
      combined === undefined || type === "AAC"
        ? undefined
        : { key: combined.key, sent: concat(combined.sent, first.sent) };
    const second = await generate(this.#channel, this.#crypto, { type, list, values, aip, combined: proof });
    this.#second = second;
    if (ORDER[second.type] > ORDER[type] || second.type === "ARQC")
      throw new CardProblem("emv-answer", "GENERATE AC", `the card gave ${second.type} for ${type}`);
    this.#noteCryptogram(second, type);
    if (reached && !(await this.#runScripts(answer.after ?? []))) this.#tvr.set(TVR.scriptFailedAfter);
    const good = second.type === "TC" && this.#signed(second);
    return `${good ? "approved" : "declined"} ${reached ? "online" : "offline"}`;
  }

  #refusesOffline(): boolean {
    return this.#tvr.meets(
      this.#data.get(0x9f0d) ?? new Uint8Array(5).fill(0xff),
      this.#terminal.actions.default,
    );
  }

  async #askIssuer(first: Generated): Promise<OnlineAnswer | "unreachable"> {
    const { version, cryptogram, data } = first;
    const pan = unpackCompressed(need(this.#data, 0x5a));
    const psn = unpackNumeric(this.#data.get(0x5f34) ?? Uint8Array.of(0));
    const answer =
      (await this.#terminal.issuer?.({ pan, psn, cryptogram, version, data })) ?? ("unreachable" as const);
    if (answer === "unreachable") this.note(this.at, "not done", "the issuer cannot be reached");
    else this.note(this.at, "ok", `response code ${answer.responseCode}`);
    return answer;
  }

  async #authenticateIssuer(aip: Uint8Array, data: Uint8Array | undefined): Promise<void> {
    this.at = "issuer authentication";
    if (data === undefined || ((aip[0] ?? 0) & AIP.issuerAuthentication) === 0) {
      this.note(
        this.at,
        "not done",
        data === undefined ? "the issuer sent no proof" : "left to the second cryptogram",
      );
      return;
    }
    const { sw } = await say(this.#channel, { cla: 0x00, ins: 0x82, p1: 0, p2: 0, data });
    this.#tsi.did("issuerAuthentication");
    if (sw !== SW.ok) this.#tvr.set(TVR.issuerAuthenticationFailed);
    this.note(
      this.at,
      sw === SW.ok ? "ok" : "failed",
      sw === SW.ok ? "the card believes the issuer" : "the card does not",
    );
  }

  /** In order, until one fails (10.10). */
  async #runScripts(commands: readonly Command[]): Promise<boolean> {
    this.at = "script";
    for (const command of commands) {
      this.#tsi.did("scripts");
      const { sw } = await say(this.#channel, command);
      const good = sw === SW.ok || sw >> 8 === 0x62 || sw >> 8 === 0x63;
      const word = sw.toString(16).toUpperCase().padStart(4, "0");
      this.note(
        this.at,
        good ? "ok" : "failed",
        `instruction ${command.ins.toString(16).toUpperCase()}: ${word}`,
      );
      if (!good) return false;
    }
    return true;
  }
}

/** 8A as a terminal sets it itself (EMV Book 4, annex A6): a combined signature that is wrong keeps no terminal from going online. */
const OFFLINE_CODE = { declined: "Z1", unreachedApproved: "Y3", unreachedDeclined: "Z3" } as const;
const ORDER: Readonly<Record<CryptogramType, number>> = { AAC: 0, ARQC: 1, TC: 2 };
/** Without them a proof fails, and data are missing besides (EMV Book 3, 7.2 and 10.3). */
const KEY_DATA = [0x8f, 0x90, 0x9f32] as const;
const PROOF_DATA: Readonly<Record<Exclude<ChosenProof, "none">, readonly number[]>> = {
  sda: [...KEY_DATA, 0x93],
  dda: [...KEY_DATA, 0x9f46, 0x9f47],
  cda: [...KEY_DATA, 0x9f46, 0x9f47],
};
const FAILED: Readonly<Record<Exclude<ChosenProof, "none">, (typeof TVR)[keyof typeof TVR]>> = {
  sda: TVR.sdaFailed,
  dda: TVR.ddaFailed,
  cda: TVR.cdaFailed,
};
