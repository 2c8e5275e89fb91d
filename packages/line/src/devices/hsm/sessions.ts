/** Card sessions inside the vault: what is between INITIALIZE and the last unwrapped answer. Written from docs/card-os.md and Amendment D. */
import { randomBytes } from "node:crypto";
import type { Command, Response } from "@persoline/card/apdu";
import { CardProblem, concat, equalConstantTime, hex, u16, unhex } from "@persoline/card/bytes";
import { type BlockCipher, cmac, kcvAes } from "@persoline/card/crypto";
import {
  initializeUpdate,
  parseInitializeUpdate,
  putKey,
  Scp03Session,
  wipeKeySet,
} from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import type {
  Judge,
  Part,
  SealedSecrets,
  SecureChannelSpec,
  SecureStep,
  Serial,
  UnwrappedAnswer,
} from "@persoline/card/program";
import { type Keyring, VaultRefusal } from "./keyring.js";
import { unseal } from "./seal.js";

export type Authenticated =
  | { readonly ok: true; readonly commands: readonly Command[] }
  | {
      readonly ok: false;
      readonly code: "card-cryptogram" | "protocol-error" | "chip-number";
      readonly detail: string;
    };
export type Unwrapped =
  | { readonly ok: true; readonly answers: readonly UnwrappedAnswer[] }
  | {
      readonly ok: false;
      readonly code: "response-mac";
      readonly at: number;
      readonly answers: readonly UnwrappedAnswer[];
    };

/** What the vault waits for in the answer to one step: a proof, or the check values of keys it put in. */
type Awaited = { readonly equals: Uint8Array } | undefined;

/** One card's session: `authenticate` once, `unwrap` once, `close` always. */
export interface CardSession {
  readonly open: Command;
  authenticate(
    answer: Response,
    steps: readonly SecureStep[],
    secrets: SealedSecrets | undefined,
  ): Authenticated;
  unwrap(answers: readonly Response[]): Unwrapped;
  close(): void;
}

/** The card manager: its AID enters the pseudo-random card challenge (docs/card-os.md 4). */
const CARD_MANAGER = unhex("A000000151000000");

const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));

export function openCardSession(ring: Keyring, channel: SecureChannelSpec, serial: Serial): CardSession {
  return channel.protocol === "loader"
    ? new LoaderSession(ring, channel.keys, serial)
    : new Scp03CardSession(ring, channel, serial);
}

const damaged = (detail: string): Authenticated => ({ ok: false, code: "protocol-error", detail });
const otherChip = (answered: Uint8Array, serial: Serial): Authenticated => ({
  ok: false,
  code: "chip-number",
  detail: `the card says it is chip ${hex(answered)}, expected was ${serial}`,
});
const WRONG_CRYPTOGRAM: Authenticated = {
  ok: false,
  code: "card-cryptogram",
  detail:
    "the card's cryptogram is wrong: not the keys this card should have; it was left alone, no try is lost",
};

/** Fills in a step's parts and remembers what its answer has to be. */
function filled(
  step: SecureStep,
  fill: (part: Exclude<Part, Uint8Array>) => { bytes: Uint8Array; awaited?: Awaited },
) {
  let awaited: Awaited;
  const parts = step.data.map((part) => {
    if (part instanceof Uint8Array) return part;
    const done = fill(part);
    awaited ??= done.awaited;
    return done.bytes;
  });
  return { data: concat(...parts), awaited };
}

const verdicts = (answers: readonly Response[], awaited: readonly Awaited[]): UnwrappedAnswer[] =>
  answers.map((answer, at) => {
    const expected = awaited[at];
    if (expected === undefined) return answer;
    return { ...answer, verdict: equalConstantTime(answer.data, expected.equals) ? "right" : "wrong" };
  });

class LoaderSession implements CardSession {
  readonly open: Command;
  readonly #hostChallenge = random(16);
  readonly #ring: Keyring;
  readonly #keys: Parameters<Keyring["loaderKey"]>[0];
  readonly #serial: Serial;
  #mac: BlockCipher | undefined;
  #dek: BlockCipher | undefined;
  #chaining: Uint8Array = new Uint8Array(16);

  constructor(ring: Keyring, keys: Parameters<Keyring["loaderKey"]>[0], serial: Serial) {
    this.#ring = ring;
    this.#keys = keys;
    this.#serial = serial;
    this.open = { cla: 0x80, ins: 0x50, p1: 0, p2: 0, data: this.#hostChallenge, le: 256 };
  }

  authenticate(answer: Response, steps: readonly SecureStep[]): Authenticated {
    const { data } = answer;
    if (data.length !== 42) return damaged(`INITIALIZE LOADER: 42 bytes were expected, ${data.length} came`);
    const chip = data.subarray(0, 10);
    if (hex(chip) !== this.#serial) return otherChip(chip, this.#serial);
    const context = concat(chip, this.#hostChallenge, data.subarray(10, 26));
    const key = this.#ring.loaderKey(this.#keys, this.#serial);
    const cipher = nodeCrypto.aes(key);
    key.fill(0);
    const derived = (label: number) => cmac(cipher, concat(Uint8Array.of(label), context));
    try {
      if (!equalConstantTime(derived(0x01), data.subarray(26))) return WRONG_CRYPTOGRAM;
      const host = derived(0x02);
      this.#mac = once(derived(0x03));
      this.#dek = once(derived(0x04));
      const commands = steps.map((step) => this.#wrap(step));
      return { ok: true, commands: [{ cla: 0x80, ins: 0x82, p1: 0, p2: 0, data: host }, ...commands] };
    } finally {
      cipher.wipe();
    }
  }

  /** M(n) = CMAC(S-MAC, M(n−1) ‖ header ‖ Lc ‖ data), eight bytes of it sent. */
  #wrap(step: SecureStep): Command {
    const { cla, ins, p1, p2, le } = step;
    const { data } = filled(step, (part) => {
      if (part.secret !== "key-set")
        throw new VaultRefusal(`a loader session cannot carry a "${part.secret}"`);
      return { bytes: this.#initialKeys(part.keys) };
    });
    if (this.#mac === undefined) throw new VaultRefusal("this session is closed");
    const header = Uint8Array.of(cla, ins, p1, p2, data.length + 8);
    this.#chaining = cmac(this.#mac, concat(this.#chaining, header, data));
    return {
      cla,
      ins,
      p1,
      p2,
      data: concat(data, this.#chaining.subarray(0, 8)),
      ...(le === undefined ? {} : { le }),
    };
  }

  #initialKeys(keys: Parameters<Keyring["keySet"]>[0]): Uint8Array {
    const set = this.#ring.keySet(keys, this.#serial);
    const iv = new Uint8Array(16);
    const dek = this.#dek;
    if (dek === undefined) throw new VaultRefusal("this session is closed");
    const all = concat(
      ...[set.enc, set.mac, set.dek].map((key) => concat(dek.cbcEncrypt(iv, key), kcvAes(nodeCrypto, key))),
    );
    wipeKeySet(set);
    return all;
  }

  unwrap(answers: readonly Response[]): Unwrapped {
    return { ok: true, answers };
  }

  close(): void {
    this.#mac?.wipe();
    this.#dek?.wipe();
    this.#mac = undefined;
    this.#dek = undefined;
  }
}

/** A cipher that alone holds its key. */
function once(key: Uint8Array): BlockCipher {
  const cipher = nodeCrypto.aes(key);
  key.fill(0);
  return cipher;
}

class Scp03CardSession implements CardSession {
  readonly open: Command;
  readonly #hostChallenge = random(8);
  readonly #ring: Keyring;
  readonly #channel: Extract<SecureChannelSpec, { protocol: "scp03" }>;
  readonly #serial: Serial;
  #session: Scp03Session | undefined;
  #awaited: readonly Awaited[] = [];

  constructor(ring: Keyring, channel: Extract<SecureChannelSpec, { protocol: "scp03" }>, serial: Serial) {
    this.#ring = ring;
    this.#channel = channel;
    this.#serial = serial;
    this.open = initializeUpdate({ kvn: channel.kvn, hostChallenge: this.#hostChallenge });
  }

  authenticate(
    response: Response,
    steps: readonly SecureStep[],
    secrets: SealedSecrets | undefined,
  ): Authenticated {
    let answer: ReturnType<typeof parseInitializeUpdate>;
    try {
      answer = parseInitializeUpdate(response.data);
    } catch (error) {
      if (!(error instanceof CardProblem)) throw error;
      return damaged(error.message);
    }
    if (hex(answer.kdd) !== this.#serial) return otherChip(answer.kdd, this.#serial);
    if (answer.kvn !== this.#channel.kvn) {
      return damaged(`INITIALIZE UPDATE: key version ${answer.kvn} answered, ${this.#channel.kvn} was asked`);
    }
    const keys = this.#ring.keySet(this.#channel.keys, this.#serial);
    try {
      this.#session = new Scp03Session({
        crypto: nodeCrypto,
        keys,
        hostChallenge: this.#hostChallenge,
        answer,
        level: this.#channel.level,
        selectedAid: CARD_MANAGER,
      });
    } catch (error) {
      if (!(error instanceof CardProblem)) throw error;
      if (error.code === "scp03-card-cryptogram") return WRONG_CRYPTOGRAM;
      return damaged(error.message);
    } finally {
      wipeKeySet(keys);
    }
    const session = this.#session;
    const ready = steps.map((step) => this.#ready(step, session, secrets));
    this.#awaited = ready.map(({ awaited }) => awaited);
    return {
      ok: true,
      commands: [session.externalAuthenticate, ...session.wrapAll(ready.map(({ command }) => command))],
    };
  }

  #ready(step: SecureStep, session: Scp03Session, secrets: SealedSecrets | undefined) {
    const { cla, ins, p1, p2, le } = step;
    const { data, awaited } = filled(step, (part) => this.#part(part, step.judge, session, secrets));
    const command: Command = {
      cla,
      ins,
      p1,
      p2,
      ...(data.length > 0 ? { data } : {}),
      ...(le === undefined ? {} : { le }),
    };
    return { command, awaited };
  }

  #part(
    part: Exclude<Part, Uint8Array>,
    judge: Judge | undefined,
    session: Scp03Session,
    secrets: SealedSecrets | undefined,
  ): { bytes: Uint8Array; awaited?: Awaited } {
    switch (part.secret) {
      case "key": {
        const key = this.#ring.applicationKey(part.keys, part.kid, this.#serial);
        return this.#putKeys([key], part.kid, part.kvn, session);
      }
      case "key-set": {
        const set = this.#ring.keySet(part.keys, this.#serial);
        return this.#putKeys([set.enc, set.mac, set.dek], 1, part.kvn, session);
      }
      case "pin":
        return { bytes: this.#pin(part, session, secrets) };
      case "challenge": {
        if (judge === undefined) throw new VaultRefusal("a challenge without anything to judge");
        const challenge = random(16);
        return { bytes: challenge, awaited: { equals: this.#proof(judge, challenge) } };
      }
    }
  }

  /** PUT KEY's data field; the card has to answer with the key version and the check values. */
  #putKeys(keys: readonly Uint8Array[], firstKeyId: number, kvn: number, session: Scp03Session) {
    const { command, expected } = putKey({
      oldKvn: 0,
      newKvn: kvn,
      firstKeyId,
      keys: keys.map((key) => ({ type: "aes" as const, key })),
      crypto: nodeCrypto,
      dekEncrypt: (data) => session.encryptWithDek(data),
    });
    for (const key of keys) key.fill(0);
    return { bytes: command.data ?? new Uint8Array(0), awaited: { equals: expected } };
  }

  /** CHANGE REFERENCE DATA: tries ‖ ISO 9564-1 format 2 block ‖ 80 00.., under the DEK. */
  #pin(
    part: Extract<Part, { secret: "pin" }>,
    session: Scp03Session,
    secrets: SealedSecrets | undefined,
  ): Uint8Array {
    const sealed = secrets?.pins[part.pin];
    if (secrets === undefined || sealed === undefined)
      throw new VaultRefusal(`no sealed PIN "${part.pin}" came with this record`);
    const { order, record } = secrets;
    const digits = unseal(this.#ring.sealing(), { purpose: "pin", order, record, name: part.pin }, sealed);
    const block = new Uint8Array(16);
    block[0] = part.tries;
    block.set(formatTwo(digits), 1);
    block[9] = 0x80;
    const bytes = session.encryptWithDek(block);
    digits.fill(0);
    block.fill(0);
    return bytes;
  }

  /** What the card has to answer (docs/card-os.md 6). */
  #proof(judge: Judge, challenge: Uint8Array): Uint8Array {
    const key = this.#ring.applicationKey(judge.keys, judge.kid, this.#serial);
    const cipher = once(key);
    const chip = unhex(this.#serial);
    const message =
      judge.proof === "internal"
        ? concat(Uint8Array.of(0x01), chip, challenge)
        : concat(
            Uint8Array.of(0x05),
            chip,
            challenge,
            u16(judge.fid),
            u16(judge.content.length),
            judge.content,
          );
    const proof = cmac(cipher, message);
    cipher.wipe();
    return proof;
  }

  unwrap(answers: readonly Response[]): Unwrapped {
    const session = this.#session;
    if (session === undefined) throw new VaultRefusal("this session is closed");
    const bare: Response[] = [];
    for (const answer of answers) {
      try {
        bare.push(session.unwrap(answer));
      } catch (error) {
        if (!(error instanceof CardProblem)) throw error;
        return { ok: false, code: "response-mac", at: bare.length, answers: verdicts(bare, this.#awaited) };
      }
    }
    return { ok: true, answers: verdicts(bare, this.#awaited) };
  }

  close(): void {
    this.#session?.close();
    this.#session = undefined;
  }
}

/** ISO 9564-1 format 2: `2L`, the digits, filled with F. */
function formatTwo(digits: Uint8Array): Uint8Array {
  const block = new Uint8Array(8).fill(0xff);
  block[0] = 0x20 | digits.length;
  digits.forEach((code, at) => {
    const digit = code - 0x30;
    const place = 1 + (at >> 1);
    block[place] = at % 2 === 0 ? (digit << 4) | 0x0f : ((block[place] ?? 0) & 0xf0) | digit;
  });
  return block;
}
