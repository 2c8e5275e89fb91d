/** Sessions with DESFire-style cards inside the vault: three passes, then native commands (docs/desfire-card.md 4). */
import type { Command, Response } from "@persoline/card/apdu";
import { CardProblem, concat, unhex } from "@persoline/card/bytes";
import {
  bare,
  changeKey,
  type DesfireSession,
  Ev1Authentication,
  Ev1Session,
  Ev2Authentication,
  type NativeCommand,
  selectApplication,
} from "@persoline/card/desfire";
import { nodeCrypto } from "@persoline/card/node";
import type { DesfireKey, Part, SecureChannelSpec, SecureStep, Serial } from "@persoline/card/program";
import { random } from "./draw.js";
import type { Keyring } from "./keyring.js";
import { VaultRefusal } from "./vault-refusal.js";
import {
  type Authenticated,
  type Awaited,
  type CardSession,
  damaged,
  type Unwrapped,
  verdicts,
} from "./session-parts.js";

type Spec = Extract<SecureChannelSpec, { protocol: "desfire" }>;
type KeyPart = Extract<Part, { secret: "desfire-key" }>;

/** Published: a fresh card and a fresh application have it (docs/desfire-card.md 3). */
const defaultKey = (): Uint8Array => new Uint8Array(16);
export const DONE = 0x9100;
export const WRONG_KEY = 0x91ae;

/** One DESFire card's session, EV1 or EV2. */
export class NativeSession implements CardSession {
  readonly open: Command;
  readonly #ring: Keyring;
  readonly #channel: Spec;
  readonly #serial: Serial;
  #authentication: Ev1Authentication | Ev2Authentication | undefined;
  #isProved = false;
  #session: DesfireSession | undefined;
  #awaited: readonly Awaited[] = [];

  constructor(ring: Keyring, channel: Spec, serial: Serial) {
    this.#ring = ring;
    this.#channel = channel;
    this.#serial = serial;
    this.open = bare(selectApplication(channel.aid));
  }

  authenticate(response: Response, steps: readonly SecureStep[]): Authenticated {
    const authentication = this.#authentication;
    try {
      if (authentication === undefined) return { ok: true, more: this.#begun().first };
      if (!this.#isProved) {
        this.#isProved = true;
        return { ok: true, more: authentication.answer(response) };
      }
      if (response.sw === WRONG_KEY) return wrongKey(this.#channel);
      this.#session?.close();
      this.#session = authentication.finish(response);
    } catch (error) {
      if (!(error instanceof CardProblem)) throw error;
      return error.code === "desfire-proof" ? wrongKey(this.#channel) : damaged(error.message);
    }
    const session = this.#session;
    const ready = steps.map((step, at) => this.#ready(step, session, at === steps.length - 1));
    this.#awaited = ready.map(({ awaited }) => awaited);
    return { ok: true, commands: ready.map(({ command }) => command), opened: true };
  }

  #begun(): Ev1Authentication | Ev2Authentication {
    const { version, aid, keyNumber } = this.#channel;
    const key = this.#keyAt(this.#channel.key, aid, keyNumber);
    const opening = { crypto: nodeCrypto, key, keyNumber, random: random(16) };
    const begun = version === "ev1" ? new Ev1Authentication(opening) : new Ev2Authentication(opening);
    key.fill(0);
    this.#authentication = begun;
    return begun;
  }

  #keyAt(key: DesfireKey | "default" | "random", aid: number, number: number): Uint8Array {
    if (key === "default") return defaultKey();
    if (key === "random") return random(16);
    return this.#ring.desfireKey(key, { serial: this.#serial, aid, key: number });
  }

  /** EV1 chains every answer into the next command: it must be known before, or be the last. */
  #ready(step: SecureStep, session: DesfireSession, last: boolean): { command: Command; awaited: Awaited } {
    const made = this.#command(step);
    const command = session.wrap(made);
    if (made.data !== undefined && step.data.some((part) => !(part instanceof Uint8Array))) made.data.fill(0);
    const uid = step.judge?.proof === "uid" ? unhex(this.#serial) : undefined;
    if (session instanceof Ev1Session && !last) {
      const foreseen = uid ?? step.answer ?? (made.receive === "full" ? undefined : new Uint8Array(0));
      if (foreseen === undefined)
        throw new VaultRefusal("EV1 sends no command behind one whose answer nobody can foresee");
      session.foresee(foreseen);
    }
    return { command, awaited: uid === undefined ? undefined : { equals: uid } };
  }

  #command({ ins, data, native, judge }: SecureStep): NativeCommand {
    if (native === undefined) throw new VaultRefusal("this command is none of a DESFire card");
    if (judge !== undefined && judge.proof !== "uid")
      throw new VaultRefusal(`a DESFire session judges no "${judge.proof}" proof`);
    const key = data.find(
      (part): part is KeyPart => !(part instanceof Uint8Array) && part.secret === "desfire-key",
    );
    if (key !== undefined) return this.#newKey(key);
    const whole = concat(
      ...data.map((part) => {
        if (part instanceof Uint8Array) return part;
        throw new VaultRefusal(`a DESFire session cannot carry a "${part.secret}"`);
      }),
    );
    const { clear, ...shape } = native;
    return { ins, header: whole.subarray(0, clear), data: whole.subarray(clear), ...shape };
  }

  #newKey({ aid, key, version, value, old }: KeyPart): NativeCommand {
    const { keyNumber } = this.#channel;
    if (aid !== this.#channel.aid)
      throw new VaultRefusal("a key is changed in the application that the session is with");
    if ((old === undefined) !== (key === keyNumber))
      throw new VaultRefusal(
        "the session's own key is changed without its old value, every other one with it",
      );
    const fresh = this.#keyAt(value, aid, key);
    const before = old === undefined ? undefined : this.#keyAt(old, aid, key);
    const made = changeKey({
      key,
      authenticated: keyNumber,
      value: fresh,
      version,
      piccMaster: aid === 0,
      ...(before === undefined ? {} : { old: before }),
    });
    fresh.fill(0);
    before?.fill(0);
    return made;
  }

  unwrap(answers: readonly Response[]): Unwrapped {
    const session = this.#session;
    if (session === undefined) throw new VaultRefusal("this session is closed");
    const open: Response[] = [];
    for (const answer of answers) {
      // A refusal comes bare and ends the session.
      if (answer.sw !== DONE) {
        open.push(answer);
        break;
      }
      try {
        open.push({ sw: answer.sw, data: session.unwrap(answer) });
      } catch (error) {
        if (!(error instanceof CardProblem)) throw error;
        return { ok: false, code: "response-mac", at: open.length, answers: verdicts(open, this.#awaited) };
      }
    }
    return { ok: true, answers: verdicts(open, this.#awaited) };
  }

  close(): void {
    this.#authentication?.close();
    this.#session?.close();
    this.#session = undefined;
  }
}

export const wrongKey = ({ aid, keyNumber }: Spec): Authenticated => ({
  ok: false,
  code: "card-cryptogram",
  detail: `the card has another key ${keyNumber} in ${aid === 0 ? "the card itself" : `application ${aid.toString(16).toUpperCase().padStart(6, "0")}`} (91AE or a wrong proof): one attempt, and no other was made`,
});
