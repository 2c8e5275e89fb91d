import { equalConstantTime, utf8 } from "../../bytes/index.js";
import type { Crypto } from "../../crypto/index.js";
import {
  applicationCryptogram,
  type DerivationOption,
  iccMasterKey,
  issuerAuthenticationData,
  statusUpdateFor,
} from "../basics.js";
import type { OnlineRequest } from "../kernel/index.js";

/**
 * What a security module says of a card's ARQC: right, with the issuer authentication data (91) for the response code, or wrong, with
 * nothing. The master key is the issuer's for cryptograms, 16 bytes. Throws CardProblem `bad-key`, `bad-value`.
 */
export function judgeCryptogram(
  crypto: Crypto,
  master: Uint8Array,
  ask: {
    readonly request: OnlineRequest;
    readonly option: DerivationOption;
    /** 8A, two characters. */
    readonly responseCode: string;
  },
): IssuerVerdict {
  const { request, option, responseCode } = ask;
  const { pan, psn } = request;
  const key = iccMasterKey(crypto, master, { pan, psn, option });
  try {
    return judgeByCardKey(crypto, key, request, responseCode);
  } finally {
    key.fill(0);
  }
}

export type IssuerVerdict =
  | { readonly verdict: "right"; readonly authentication: Uint8Array }
  | { readonly verdict: "wrong" };

/** The same with the card's own key for cryptograms, where its master is elsewhere. */
export function judgeByCardKey(
  crypto: Crypto,
  key: Uint8Array,
  { version, cryptogram, data }: OnlineRequest,
  responseCode: string,
): IssuerVerdict {
  if (!equalConstantTime(applicationCryptogram(crypto, key, version, data), cryptogram))
    return { verdict: "wrong" };
  const authentication = issuerAuthenticationData(crypto, key, {
    version,
    atc: data.atc,
    cryptogram,
    responseCode: utf8(responseCode),
    statusUpdate: statusUpdateFor(responseCode),
  });
  return { verdict: "right", authentication };
}
