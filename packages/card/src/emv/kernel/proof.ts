import { CardProblem, equal } from "../../bytes/index.js";
import type { Crypto, RsaPublicKey } from "../../crypto/index.js";
import type { CardChannel } from "../../program/index.js";
import { findTlv, parseTlv } from "../../tlv/index.js";
import {
  AIP,
  fillDol,
  parseDol,
  recoverDynamicData,
  recoverIccCertificate,
  recoverIssuerCertificate,
  recoverStaticData,
  staticDataToAuthenticate,
  unpackCompressed,
} from "../basics.js";
import type { ReadRecord } from "./select.js";
import { ask, need } from "./talk.js";
import type { TerminalData } from "./types.js";

const none = new Uint8Array(0);
export type ChosenProof = "none" | "sda" | "dda" | "cda";

/** The best that both sides can do (EMV Book 3, 10.3). */
export function chooseProof(terminal: TerminalData, aip: Uint8Array): ChosenProof {
  const [bits = 0] = aip;
  const both = (proof: "sda" | "dda" | "cda"): boolean =>
    terminal.proofs.includes(proof) && (bits & AIP[proof]) !== 0;
  if (both("cda")) return "cda";
  if (both("dda")) return "dda";
  return both("sda") ? "sda" : "none";
}

/** Keys of a card, each proved by the one before; all of them throw CardProblem `emv-certificate` or `emv-answer`. */
export class CardKeys {
  readonly #crypto: Crypto;
  readonly #terminal: TerminalData;
  readonly #data: ReadonlyMap<number, Uint8Array>;
  readonly #authenticated: readonly ReadRecord[];

  constructor(
    crypto: Crypto,
    terminal: TerminalData,
    card: { readonly data: ReadonlyMap<number, Uint8Array>; readonly authenticated: readonly ReadRecord[] },
  ) {
    this.#crypto = crypto;
    this.#terminal = terminal;
    this.#data = card.data;
    this.#authenticated = card.authenticated;
  }

  /** A wrong list makes the proof fail, not the transaction (EMV Book 3, 10.3). */
  #staticData(): Uint8Array {
    const listed = this.#data.get(0x9f4a);
    if (listed !== undefined && !equal(listed, Uint8Array.of(0x82)))
      throw new CardProblem("emv-answer", "static data tag list", "it may only name 82");
    return staticDataToAuthenticate(
      this.#authenticated,
      listed === undefined ? undefined : this.#data.get(0x82),
    );
  }

  issuer(): RsaPublicKey {
    const data = this.#data;
    const index = need(data, 0x8f)[0] ?? 0;
    const authority = this.#terminal.authority(need(data, 0x84).slice(0, 5), index);
    if (authority === undefined)
      throw new CardProblem(
        "emv-certificate",
        "issuer certificate",
        "the terminal does not know the authority's key",
      );
    const found = recoverIssuerCertificate(this.#crypto, authority, {
      certificate: need(data, 0x90),
      remainder: data.get(0x92) ?? none,
      exponent: need(data, 0x9f32),
    });
    // Three to eight digits (EMV Book 2, table 6): none at all would be everybody's.
    if (found.issuer.length < 3 || !this.#pan().startsWith(found.issuer))
      throw new CardProblem("emv-certificate", "issuer certificate", "it is another issuer's");
    this.#mustBeValid("issuer certificate", found.expiry);
    return found.publicKey;
  }

  icc(): RsaPublicKey {
    const data = this.#data;
    return this.#ofCard("ICC certificate", this.#staticData(), [
      need(data, 0x9f46),
      data.get(0x9f48),
      need(data, 0x9f47),
    ]);
  }

  /** For enciphered PINs: its own certificate, else the ICC key. */
  pin(): RsaPublicKey {
    const data = this.#data;
    const certificate = data.get(0x9f2d);
    if (certificate === undefined) return this.icc();
    return this.#ofCard("PIN key certificate", none, [certificate, data.get(0x9f2f), need(data, 0x9f2e)]);
  }

  /** Signed static data; throws when they do not hold. */
  checkStatic(): void {
    recoverStaticData(this.#crypto, this.issuer(), need(this.#data, 0x93), this.#staticData());
  }

  #pan(): string {
    return unpackCompressed(need(this.#data, 0x5a));
  }

  #ofCard(
    what: string,
    staticData: Uint8Array,
    [certificate, remainder = none, exponent]: readonly [Uint8Array, Uint8Array | undefined, Uint8Array],
  ): RsaPublicKey {
    const found = recoverIccCertificate(
      this.#crypto,
      this.issuer(),
      { certificate, remainder, exponent },
      staticData,
    );
    if (found.pan !== this.#pan()) throw new CardProblem("emv-certificate", what, "it is another card's");
    this.#mustBeValid(what, found.expiry);
    return found.publicKey;
  }

  /** Until the last day of the month MMYY. */
  #mustBeValid(what: string, mmyy: string): void {
    const yymm = `${mmyy.slice(2)}${mmyy.slice(0, 2)}`;
    if (yymm < this.#terminal.date.slice(0, 4))
      throw new CardProblem("emv-certificate", what, "it has expired");
  }
}

/** INTERNAL AUTHENTICATE and the signature over what the DDOL asked for (EMV Book 2, 6.5). */
export async function authenticateDynamically(
  channel: CardChannel,
  crypto: Crypto,
  key: RsaPublicKey,
  card: { readonly data: ReadonlyMap<number, Uint8Array>; readonly values: ReadonlyMap<number, Uint8Array> },
): Promise<void> {
  const list = parseDol(card.data.get(0x9f49) ?? Uint8Array.of(0x9f, 0x37, 0x04));
  if (!list.some(({ tag }) => tag === 0x9f37))
    throw new CardProblem("emv-answer", "DDOL", "it asks for no unpredictable number");
  const asked = fillDol(list, card.values);
  const answer = parseTlv(await ask(channel, { cla: 0, ins: 0x88, p1: 0, p2: 0, data: asked, le: 256 }));
  const signature = findTlv(answer, 0x80)?.value ?? findTlv(answer, 0x77, 0x9f4b)?.value ?? none;
  const dynamic = recoverDynamicData(crypto, key, signature, asked);
  if (dynamic.length < 2 || (dynamic[0] ?? 0) > dynamic.length - 1)
    throw new CardProblem("emv-certificate", "signed dynamic data", "there is no ICC dynamic number");
}
