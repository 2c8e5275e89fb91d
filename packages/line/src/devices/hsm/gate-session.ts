/** A gate's sessions with DESFire-style cards inside the vault: who the card is, then what its files say (docs/desfire-card.md 6). */
import type { Command, Response } from "@persoline/card/apdu";
import { CardProblem, concat, equalConstantTime, unhex } from "@persoline/card/bytes";
import {
  bare,
  type DesfireSession,
  Ev1Authentication,
  Ev2Authentication,
  getCardUid,
  type NativeCommand,
  selectApplication,
} from "@persoline/card/desfire";
import { nodeCrypto } from "@persoline/card/node";
import type { SecureChannelSpec, SecureStep, Serial, UnwrappedAnswer } from "@persoline/card/program";
import { random } from "./draw.js";
import type { Keyring } from "./keyring.js";
import { DONE, WRONG_KEY, wrongKey } from "./native-session.js";
import { type Authenticated, type CardSession, damaged, otherChip, type Unwrapped } from "./session-parts.js";
import { VaultRefusal } from "./vault-refusal.js";

type Spec = Extract<SecureChannelSpec, { protocol: "desfire" }>;

/** ReadData, ReadRecords: a gate changes nothing. */
const READS: ReadonlySet<number> = new Set([0xbd, 0xbb]);

/**
 * Passes: challenge, proof, true UID, and, with EV1, each reading but the last: their answers enter the chain of the next command, and
 * nobody knows them before. EV2 sends all readings at once.
 */
export class GateSession implements CardSession {
  readonly open: Command;
  readonly #ring: Keyring;
  readonly #channel: Spec;
  readonly #serial: Serial;
  #authentication: Ev1Authentication | Ev2Authentication | undefined;
  #awaits: "selection" | "challenge" | "proof" | "uid" | "reading" = "selection";
  #session: DesfireSession | undefined;
  readonly #told: UnwrappedAnswer[] = [];

  constructor(ring: Keyring, channel: Spec, serial: Serial) {
    if (channel.key === "default")
      throw new VaultRefusal("a gate has no business with the published key of a fresh card");
    this.#ring = ring;
    this.#channel = channel;
    this.#serial = serial;
    this.open = bare(selectApplication(channel.aid));
  }

  authenticate(response: Response, steps: readonly SecureStep[]): Authenticated {
    const commands = steps.map(readingOf);
    try {
      return this.#next(response, commands);
    } catch (error) {
      if (!(error instanceof CardProblem)) throw error;
      return error.code === "desfire-proof" ? wrongKey(this.#channel) : damaged(error.message);
    }
  }

  #next(response: Response, commands: readonly NativeCommand[]): Authenticated {
    switch (this.#awaits) {
      case "selection":
        if (response.sw !== DONE) return damaged("the card does not select this application");
        this.#awaits = "challenge";
        return { ok: true, more: this.#begun().first };
      case "challenge":
        this.#awaits = "proof";
        return { ok: true, more: this.#opening().answer(response) };
      case "proof": {
        if (response.sw === WRONG_KEY) return wrongKey(this.#channel);
        this.#session = this.#opening().finish(response);
        this.#awaits = "uid";
        return { ok: true, more: this.#session.wrap(getCardUid) };
      }
      case "uid": {
        const uid = this.#opened().unwrap(response);
        if (!equalConstantTime(uid, unhex(this.#serial))) return otherChip(uid, this.#serial);
        this.#awaits = "reading";
        return this.#ask(commands);
      }
      case "reading": {
        // A refusal comes bare and ends the session: what was read before it stands.
        if (response.sw !== DONE) {
          this.#told.push(response);
          return { ok: true, commands: [], opened: true };
        }
        this.#told.push({ sw: response.sw, data: this.#opened().unwrap(response) });
        return this.#ask(commands);
      }
    }
  }

  #ask(commands: readonly NativeCommand[]): Authenticated {
    const left = commands.slice(this.#told.length);
    const [first] = left;
    const session = this.#opened();
    if (this.#channel.version === "ev1" && first !== undefined && left.length > 1)
      return { ok: true, more: session.wrap(first) };
    return { ok: true, commands: left.map((command) => session.wrap(command)), opened: true };
  }

  #begun(): Ev1Authentication | Ev2Authentication {
    const { version, aid, keyNumber, key: named } = this.#channel;
    if (named === "default") throw new VaultRefusal("this session is closed");
    // A key that makes no new cards any more still knows its old ones.
    const key = this.#ring.desfireKey(named, { serial: this.#serial, aid, key: keyNumber }, "check");
    const opening = { crypto: nodeCrypto, key, keyNumber, random: random(16) };
    const begun = version === "ev1" ? new Ev1Authentication(opening) : new Ev2Authentication(opening);
    key.fill(0);
    this.#authentication = begun;
    return begun;
  }

  #opening(): Ev1Authentication | Ev2Authentication {
    if (this.#authentication === undefined) throw new VaultRefusal("this session is closed");
    return this.#authentication;
  }

  #opened(): DesfireSession {
    if (this.#session === undefined) throw new VaultRefusal("this session is closed");
    return this.#session;
  }

  unwrap(answers: readonly Response[]): Unwrapped {
    const session = this.#opened();
    for (const answer of answers) {
      if (answer.sw !== DONE) {
        this.#told.push(answer);
        break;
      }
      try {
        this.#told.push({ sw: answer.sw, data: session.unwrap(answer) });
      } catch (error) {
        if (!(error instanceof CardProblem)) throw error;
        return { ok: false, code: "response-mac", at: this.#told.length, answers: this.#told };
      }
    }
    return { ok: true, answers: this.#told };
  }

  close(): void {
    this.#authentication?.close();
    this.#authentication = undefined;
    this.#session?.close();
    this.#session = undefined;
  }
}

function readingOf({ ins, data, native }: SecureStep): NativeCommand {
  if (native === undefined || !READS.has(ins))
    throw new VaultRefusal(
      `a gate only reads: command ${ins.toString(16).toUpperCase().padStart(2, "0")} is none of its`,
    );
  const header = data.map((part) => {
    if (part instanceof Uint8Array) return part;
    throw new VaultRefusal(`a gate's session cannot carry a "${part.secret}"`);
  });
  const { clear: _, ...shape } = native;
  return { ins, header: concat(...header), ...shape };
}
