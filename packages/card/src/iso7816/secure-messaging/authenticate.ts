import type { Command, Response } from "../../apdu/index.js";
import { CardProblem, concat, equal, xor } from "../../bytes/index.js";
import type { Crypto } from "../../crypto/index.js";
import { type KeyReference, mutualAuthenticate } from "../authenticate.js";
import { SecureMessaging } from "./session.js";
import { deriveSmKeys, MAC_LENGTH, sameMac, type SmCipher, type SmSuite, smSuite } from "./suite.js";

export interface SmAuthentication extends KeyReference {
  readonly crypto: Crypto;
  readonly cipher: SmCipher;
  /** The seed both sides know, 16 bytes. */
  readonly seed: Uint8Array;
  /** The card's last GET CHALLENGE, 8 bytes. */
  readonly cardChallenge: Uint8Array;
  /** Random bytes of the host: 8 and 16. */
  readonly hostChallenge: Uint8Array;
  readonly hostKey: Uint8Array;
}

const CRYPTOGRAM = 32;

/**
 * Mutual authentication with key establishment (ISO/IEC 11770-2 mechanism 6, as in ICAO Doc 9303-11, 4.3.1): the command to
 * send once, and what to make of its response. A wrong seed costs a try: never to be sent again blindly.
 * Throws CardProblem `bad-key`, `bad-value`.
 */
export function authenticateForSm(ask: SmAuthentication): {
  readonly command: Command;
  /** Throws CardProblem `sm-authentication` unless the card proved that it knows the seed. */
  readonly open: (response: Response) => SecureMessaging;
} {
  const { crypto, cipher, seed, cardChallenge, hostChallenge, hostKey } = ask;
  if (cardChallenge.length !== 8 || hostChallenge.length !== 8 || hostKey.length !== 16) {
    throw new CardProblem("bad-value", "MUTUAL AUTHENTICATE", "challenges have 8 bytes, the host's key 16");
  }
  const suite = smSuite(crypto, cipher, deriveSmKeys(crypto, cipher, seed));
  const cryptogram = suite.encrypt(concat(hostChallenge, cardChallenge, hostKey));
  const proof = concat(cryptogram, suite.mac(new Uint8Array(0), cryptogram));
  const { algorithm, reference } = ask;
  const command = mutualAuthenticate({
    reference,
    proof,
    le: CRYPTOGRAM + MAC_LENGTH,
    ...(algorithm === undefined ? {} : { algorithm }),
  });
  return {
    command,
    open: (response) => {
      const cardKey = judged(suite, response, concat(cardChallenge, hostChallenge));
      suite.wipe();
      const keys = deriveSmKeys(crypto, cipher, xor(hostKey, cardKey));
      // 3DES: the ends of both challenges; AES: zeros, as after PACE (TR-03110-3, F.3).
      const counter =
        cipher === "3DES" ? concat(cardChallenge.subarray(4), hostChallenge.subarray(4)) : new Uint8Array(16);
      return new SecureMessaging({ crypto, cipher, keys, counter });
    },
  };
}

/** The card's half of the key. */
function judged(suite: SmSuite, { data, sw }: Response, challenges: Uint8Array): Uint8Array {
  const refused = (hint: string): CardProblem => {
    suite.wipe();
    return new CardProblem("sm-authentication", "MUTUAL AUTHENTICATE", hint);
  };
  if (sw !== 0x9000) throw refused("the card refuses the host's proof");
  if (data.length !== CRYPTOGRAM + MAC_LENGTH) throw refused(`${data.length} bytes are not the card's proof`);
  const cryptogram = data.subarray(0, CRYPTOGRAM);
  if (!sameMac(data.subarray(CRYPTOGRAM), suite.mac(new Uint8Array(0), cryptogram)))
    throw refused("the MAC of the card's proof does not match");
  const plain = suite.decrypt(cryptogram);
  if (!equal(plain.subarray(0, 16), challenges)) throw refused("the card answers other challenges");
  return plain.subarray(16);
}
