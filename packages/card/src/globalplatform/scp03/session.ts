import type { Command } from "../../apdu/index.js";
import { CardProblem, equalConstantTime } from "../../bytes/index.js";
import type { Crypto } from "../../crypto/index.js";
import { isKept, type KeptKeySet, type KeySet } from "../diversify.js";
import type { Scp03Answer } from "./initialize.js";
import {
  deriveKeptSessionKeys,
  deriveScp03SessionKeys,
  pseudoRandomChallenge,
  scp03Cryptogram,
} from "./keys.js";
import { type Scp03Level, Scp03Messaging } from "./messaging.js";

export interface Scp03Opening {
  readonly crypto: Crypto;
  /**
   * Static keys of one length, 16, 24 or 32 bytes each; copied, the caller wipes its own. Or keys of 16 bytes kept elsewhere: DEK is the
   * session's from now on (`close` wipes it; the caller does when this throws), ENC and MAC stay the caller's.
   */
  readonly keys: KeySet | KeptKeySet;
  readonly hostChallenge: Uint8Array;
  readonly answer: Scp03Answer;
  readonly level: Scp03Level;
  /** AID of the application selected before: with it, a pseudo-random card challenge is checked. */
  readonly selectedAid?: Uint8Array;
  /** Cards that do not count commands without data (a deviation): "with-data". Default "all", as the standard has it. */
  readonly counts?: "all" | "with-data";
}

/** The host's side of an SCP03 session (GlobalPlatform Amendment D). */
export class Scp03Session extends Scp03Messaging {
  /** EXTERNAL AUTHENTICATE, to be sent first, as it stands; its response is bare. */
  readonly externalAuthenticate: Command;
  /** Whether the card challenge was proved to be the one this card must give. */
  readonly challengeChecked: boolean;

  /**
   * Derives the session keys and judges the card's cryptogram, in constant time, before anything is sent that could cost a try.
   * Throws CardProblem `scp03-card-cryptogram`, `scp03-challenge`, `scp03-level`, `bad-key`.
   */
  constructor(opening: Scp03Opening) {
    const { crypto, keys, hostChallenge, answer, level, counts = "all" } = opening;
    checkKeys(keys);
    checkLevel(level, answer.i);
    if (hostChallenge.length !== answer.cardChallenge.length) {
      const hint = `a host challenge of ${hostChallenge.length} bytes was answered by ${answer.cardChallenge.length}`;
      throw new CardProblem("scp03-answer", "INITIALIZE UPDATE", hint);
    }
    const session = isKept(keys)
      ? deriveKeptSessionKeys(keys, hostChallenge, answer.cardChallenge)
      : deriveScp03SessionKeys(crypto, keys, hostChallenge, answer.cardChallenge);
    const macLength = answer.mode === "S16" ? 16 : 8;
    super({
      ...session,
      crypto,
      dek: keys.dek,
      level,
      macLength,
      counts,
      name: "SCP03",
      chaining: new Uint8Array(16),
    });
    const isBytes = session.sMac instanceof Uint8Array;
    const sMac = session.sMac instanceof Uint8Array ? crypto.aes(session.sMac) : session.sMac;
    for (const key of [session.sEnc, session.sMac, session.sRmac]) if (key instanceof Uint8Array) key.fill(0);
    try {
      const expected = scp03Cryptogram(sMac, "card", hostChallenge, answer.cardChallenge);
      if (!equalConstantTime(expected, answer.cardCryptogram)) {
        throw new CardProblem(
          "scp03-card-cryptogram",
          "INITIALIZE UPDATE",
          "the card cryptogram does not match",
        );
      }
      this.challengeChecked = checkChallenge(opening);
      const data = scp03Cryptogram(sMac, "host", hostChallenge, answer.cardChallenge);
      this.externalAuthenticate = this.opening({ cla: 0x80, ins: 0x82, p1: level, p2: 0x00, data });
    } catch (error) {
      this.close();
      throw error;
    } finally {
      if (isBytes) sMac.wipe();
    }
  }
}

/** Judges the card and gives the session with its EXTERNAL AUTHENTICATE; throws as the constructor does. */
export function openScp03(opening: Scp03Opening): Scp03Session {
  return new Scp03Session(opening);
}

function checkKeys(keys: KeySet | KeptKeySet): void {
  if (isKept(keys)) {
    if ([keys.enc, keys.mac, keys.dek].every(({ keyLength }) => keyLength === 16)) return;
    throw new CardProblem("bad-key", "SCP03", "static keys that stay where they are kept have 16 bytes");
  }
  const { enc, mac, dek } = keys;
  const length = enc.length;
  if ((length !== 16 && length !== 24 && length !== 32) || mac.length !== length || dek.length !== length) {
    throw new CardProblem("bad-key", "SCP03", "the three static keys have one length of 16, 24 or 32 bytes");
  }
}

const LEVELS: readonly number[] = [0x00, 0x01, 0x03, 0x11, 0x13, 0x33];

function checkLevel(level: number, i: number): void {
  const name = level.toString(16).padStart(2, "0");
  if (!LEVELS.includes(level))
    throw new CardProblem("scp03-level", "SCP03", `${name} is not a security level`);
  if (((level & 0x10) !== 0 && (i & 0x20) === 0) || ((level & 0x20) !== 0 && (i & 0x40) === 0)) {
    const has = i.toString(16).padStart(2, "0");
    throw new CardProblem("scp03-level", "SCP03", `security level ${name} is not possible with i = ${has}`);
  }
}

function checkChallenge({ crypto, keys, answer, selectedAid }: Scp03Opening): boolean {
  if (answer.sequenceCounter === undefined || selectedAid === undefined) return false;
  const size = answer.cardChallenge.length;
  const expected = pseudoRandomChallenge(crypto, keys.enc, answer.sequenceCounter, selectedAid, size);
  if (!equalConstantTime(expected, answer.cardChallenge)) {
    throw new CardProblem(
      "scp03-challenge",
      "INITIALIZE UPDATE",
      "the card challenge is not the pseudo-random one",
    );
  }
  return true;
}
