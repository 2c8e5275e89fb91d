import { equalConstantTime, utf8 } from "../../bytes/index.js";
import type { Crypto } from "../../crypto/index.js";
import {
  applicationCryptogram,
  type DerivationOption,
  iccMasterKey,
  issuerAuthenticationData,
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
): { readonly verdict: "right"; readonly authentication: Uint8Array } | { readonly verdict: "wrong" } {
  const { request, option, responseCode } = ask;
  const { pan, psn, version, cryptogram, data } = request;
  const key = iccMasterKey(crypto, master, { pan, psn, option });
  try {
    if (!equalConstantTime(applicationCryptogram(crypto, key, version, data), cryptogram))
      return { verdict: "wrong" };
    const authentication = issuerAuthenticationData(crypto, key, {
      version,
      atc: data.atc,
      cryptogram,
      responseCode: utf8(responseCode),
    });
    return { verdict: "right", authentication };
  } finally {
    key.fill(0);
  }
}
