/** Sessions with a card manager inside the vault: SCP02, SCP03 and SCP11 (GlobalPlatform), and what is put into cards under them. */
import type { Command, Response } from "@persoline/card/apdu";
import { CardProblem, hex, unhex, unmoved } from "@persoline/card/bytes";
import { kcvAes, type KeptKey } from "@persoline/card/crypto";
import {
  initializeUpdate,
  isKept,
  type KeptKeySet,
  type KeySet,
  type NewKey,
  parseInitializeUpdate,
  parseInitializeUpdateScp02,
  putKey,
  Scp02Session,
  Scp03Session,
  type Scp11Session,
  wipeKeySet,
} from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import {
  asksIssuer,
  type Judge,
  type KeyRef,
  type Part,
  type SealedSecrets,
  type SecureChannelSpec,
  type SecureStep,
  type Serial,
} from "@persoline/card/program";
import { issuerSecret, keptIssuerSecret } from "./issuer-data.js";
import type { Keyring } from "./keyring.js";
import { VaultRefusal } from "./vault-refusal.js";
import { random } from "./draw.js";
import { PaymentParts } from "./payment/session.js";
import { Scp11SessionOpening } from "./scp11-opening.js";
import { mustDraw, takeDrawnPin } from "./drawn-pin.js";
import { expectedProof } from "./proof.js";
import { unseal } from "./seal.js";
import {
  type Authenticated,
  type Awaited,
  type CardSession,
  damaged,
  filled,
  otherChip,
  type Unwrapped,
  usedUp,
  verdicts,
  WRONG_CRYPTOGRAM,
} from "./session-parts.js";

/** The card manager: its AID enters the pseudo-random card challenge (docs/card-os.md 4). */
const CARD_MANAGER = unhex("A000000151000000");
const NONE = new Uint8Array(0);
/** The set a card came with is named by 00 (GPCS table 11-67). */
const INITIAL_KVN = 0xff;

type Spec = Extract<SecureChannelSpec, { protocol: "scp02" | "scp03" | "scp11" }>;
type Session = Scp02Session | Scp03Session | Scp11Session;

/** A session with a card's security domain: SCP02, SCP03 or SCP11. */
export class ChannelSession implements CardSession {
  readonly open: Command;
  readonly #hostChallenge: Uint8Array;
  readonly #ring: Keyring;
  readonly #channel: Spec;
  readonly #serial: Serial;
  /** SCP11 takes several passes. */
  readonly #agreement: Scp11SessionOpening | undefined;
  #session: Session | undefined;
  #awaited: readonly Awaited[] = [];
  /** PINs that the card draws, by the place of their step, and whose they are. */
  #draws: readonly SecureStep["draws"][] = [];
  #secrets: SealedSecrets | undefined;

  constructor(ring: Keyring, channel: Spec, serial: Serial) {
    this.#ring = ring;
    this.#channel = channel;
    this.#serial = serial;
    const isS16 = channel.protocol === "scp03" && ((channel.i ?? 0) & 0x01) !== 0;
    this.#hostChallenge = random(isS16 ? 16 : 8);
    if (channel.protocol === "scp11") {
      this.#agreement = new Scp11SessionOpening(ring, channel, serial);
      this.open = this.#agreement.first;
      return;
    }
    const kvn = channel.kvn === INITIAL_KVN ? 0x00 : channel.kvn;
    this.open = initializeUpdate({ kvn, hostChallenge: this.#hostChallenge });
  }

  authenticate(
    response: Response,
    steps: readonly SecureStep[],
    secrets: SealedSecrets | undefined,
  ): Authenticated {
    const next = this.#agreement?.next(response);
    if (next !== undefined && !("session" in next)) return next;
    if (next !== undefined) return { ...this.#secured(next.session, steps, secrets), opened: true };
    let session: Scp02Session | Scp03Session | Authenticated;
    try {
      session = this.#opened(response.data);
    } catch (error) {
      if (!(error instanceof CardProblem)) throw error;
      if (error.code === "scp03-card-cryptogram" || error.code === "scp02-card-cryptogram")
        return WRONG_CRYPTOGRAM;
      return damaged(error.message);
    }
    if ("ok" in session) return session;
    const { commands } = this.#secured(session, steps, secrets);
    return { ok: true, commands: [session.externalAuthenticate, ...commands] };
  }

  #secured(session: Session, steps: readonly SecureStep[], secrets: SealedSecrets | undefined) {
    this.#session?.close();
    this.#session = session;
    for (const step of steps) mustDraw(step, this.#channel, secrets);
    this.#draws = steps.map(({ draws }) => draws);
    this.#secrets = secrets;
    const payments = new PaymentParts(this.#ring, secrets);
    try {
      const ready = steps.map((step) => this.#ready(step, session, secrets, payments));
      this.#awaited = ready.map(({ awaited }) => awaited);
      return { ok: true, commands: session.wrapAll(ready.map(({ command }) => command)) } as const;
    } finally {
      payments.wipe();
    }
  }

  /** Judges who answers before any key is made for it. Throws CardProblem. */
  #opened(data: Uint8Array): Scp02Session | Scp03Session | Authenticated {
    const channel = this.#channel;
    if (channel.protocol === "scp11") throw new VaultRefusal("this session is closed");
    const common = {
      crypto: nodeCrypto,
      hostChallenge: this.#hostChallenge,
      selectedAid: channel.isd ?? CARD_MANAGER,
    };
    if (channel.protocol === "scp02") {
      const answer = parseInitializeUpdateScp02(data);
      const { i, level, diversify } = channel;
      return (
        this.#stranger(answer) ??
        usedUp(answer.sequenceCounter) ??
        this.#with(
          this.#ring.desKeySet(channel.keys, this.#serial, diversify),
          (keys: KeySet) => new Scp02Session({ ...common, keys, answer, i, level }),
        )
      );
    }
    const answer = parseInitializeUpdate(data);
    const { i, level, diversify } = channel;
    if (i !== undefined && answer.i !== i) {
      const name = (value: number): string => value.toString(16).padStart(2, "0");
      return damaged(`INITIALIZE UPDATE: the card says i = ${name(answer.i)}, its product says ${name(i)}`);
    }
    return (
      this.#stranger(answer) ??
      usedUp(answer.sequenceCounter) ??
      this.#with(
        this.#ring.kept?.keySet(channel.keys, this.#serial, diversify) ??
          this.#ring.keySet(channel.keys, this.#serial, diversify),
        (keys: KeySet | KeptKeySet) => new Scp03Session({ ...common, keys, answer, level }),
      )
    );
  }

  #stranger({ kdd, kvn }: { readonly kdd: Uint8Array; readonly kvn: number }): Authenticated | undefined {
    if (hex(kdd) !== this.#serial) return otherChip(kdd, this.#serial);
    if (kvn === this.#channel.kvn) return undefined;
    return damaged(`INITIALIZE UPDATE: key version ${kvn} answered, ${this.#channel.kvn} was asked`);
  }

  /** Bytes are wiped; of keys that are kept elsewhere the session takes DEK over, and wipes it when it is closed. */
  #with<Keys extends KeySet | KeptKeySet, Opened extends Scp02Session | Scp03Session>(
    keys: Keys,
    open: (keys: Keys) => Opened,
  ): Opened {
    let opened: Opened | undefined;
    try {
      opened = open(keys);
      return opened;
    } finally {
      if (!isKept(keys)) wipeKeySet(keys);
      else for (const key of [keys.enc, keys.mac]) key.wipe();
      if (opened === undefined && isKept(keys)) keys.dek.wipe();
    }
  }

  #ready(step: SecureStep, session: Session, secrets: SealedSecrets | undefined, payments: PaymentParts) {
    const { cla, ins, p1, p2, le } = step;
    const { data, awaited } = filled(step, (part) =>
      this.#part(part, step.judge, session, { secrets, payments }),
    );
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
    session: Session,
    { secrets, payments }: { readonly secrets: SealedSecrets | undefined; readonly payments: PaymentParts },
  ): { bytes: Uint8Array; awaited?: Awaited } {
    switch (part.secret) {
      case "key": {
        const kept = this.#keptFor(session, part);
        if (kept !== undefined) return this.#putKept([kept], part.kid, part.kvn, session);
        const key = this.#ring.applicationKey(part.keys, part.kid, this.#serial);
        return this.#putKeys([key], part.kid, part.kvn, session);
      }
      case "key-set": {
        const { kvn } = part;
        const keptSet = isKeptSession(session) ? this.#ring.kept?.newKeySet(part, this.#serial) : undefined;
        if (keptSet !== undefined) return this.#putKept(keptSet, 1, kvn, session);
        const type = part.form === "3des" ? "3des" : "aes";
        const set = this.#ring.newKeySet(part, this.#serial);
        return this.#putKeys([set.enc, set.mac, set.dek], 1, kvn, session, type);
      }
      case "wrapped-key": {
        const kept = this.#keptFor(session, part);
        if (kept !== undefined) {
          const [bytes = new Uint8Array(0)] = wrapped([kept], session);
          return { bytes };
        }
        const key = this.#ring.applicationKey(part.keys, part.kid, this.#serial);
        const bytes = session.encryptWithDek(key);
        key.fill(0);
        return { bytes };
      }
      case "check-value": {
        const kept = this.#keptFor(session, part);
        if (kept !== undefined) {
          const value = kept.checkValue();
          kept.wipe();
          return { bytes: value };
        }
        const key = this.#ring.applicationKey(part.keys, part.kid, this.#serial);
        const value = kcvAes(nodeCrypto, key);
        key.fill(0);
        return { bytes: value };
      }
      case "issuer-dgi": {
        const kept = isKeptSession(session) ? keptIssuerSecret(this.#ring, part, secrets) : undefined;
        if (kept !== undefined) {
          const [bytes = new Uint8Array(0)] = wrapped([kept], session);
          if (bytes.length !== part.length)
            throw new VaultRefusal(`an issuer's grouping has ${bytes.length} bytes, not ${part.length}`);
          return { bytes };
        }
        const clear = issuerSecret(this.#ring, part, secrets);
        try {
          return { bytes: session.encryptWithDek(clear) };
        } finally {
          clear.fill(0);
        }
      }
      case "payment": {
        const clear = payments.value(part);
        if (part.under === "clear") return { bytes: clear };
        try {
          return { bytes: session.encryptWithDek(clear) };
        } finally {
          clear.fill(0);
        }
      }
      case "pin":
        return { bytes: this.#pin(part, session, secrets) };
      case "challenge": {
        if (judge === undefined || judge.proof === "uid")
          throw new VaultRefusal("a challenge without anything to judge");
        // Outside of it wrong ones are counted.
        if (judge.proof !== "file" && asksIssuer(judge))
          throw new VaultRefusal("what is the issuer's judges proofs outside of a session only");
        const challenge = random(16);
        const serial = this.#serial;
        const equals = expectedProof(this.#ring, judge, { serial, challenge, secrets });
        return { bytes: challenge, awaited: { equals } };
      }
      case "desfire-key":
        throw new VaultRefusal("keys of DESFire cards go into those only");
    }
  }

  /** PUT KEY's data field; the card has to answer with the key version and the check values. */
  #putKeys(
    keys: readonly Uint8Array[],
    firstKeyId: number,
    kvn: number,
    session: Session,
    type: "aes" | "3des" = "aes",
  ) {
    const put = putKeyData(
      keys.map((key) => ({ type, key })),
      firstKeyId,
      kvn,
      session,
    );
    for (const key of keys) key.fill(0);
    return put;
  }

  /** The same with keys that stay in the token: they come out under the session's DEK only. */
  #putKept(keys: readonly KeptKey[], firstKeyId: number, kvn: number, session: Session) {
    const kcvs = keys.map((key) => key.checkValue());
    const all = wrapped(keys, session).map((bytes, at) => ({
      type: "wrapped-aes" as const,
      length: 16 as const,
      wrapped: bytes,
      kcv: kcvs[at] ?? new Uint8Array(0),
    }));
    return putKeyData(all, firstKeyId, kvn, session);
  }

  /** A card's application key where both it and the session's keys stay in the token. */
  #keptFor(session: Session, { keys, kid }: { keys: KeyRef; kid: number }): KeptKey | undefined {
    if (!isKeptSession(session)) return undefined;
    return this.#ring.kept?.applicationKey({ keys, kid, serial: this.#serial }, "to-card");
  }

  /** CHANGE REFERENCE DATA: tries ‖ ISO 9564-1 format 2 block ‖ 80 00.., under the DEK. */
  #pin(
    part: Extract<Part, { secret: "pin" }>,
    session: Session,
    secrets: SealedSecrets | undefined,
  ): Uint8Array {
    const sealed = secrets?.pins[part.pin];
    if (secrets === undefined || sealed === undefined)
      throw new VaultRefusal(`no sealed PIN "${part.pin}" came with this record`);
    const { order, record } = secrets;
    const digits = unseal(this.#ring, { purpose: "pin", order, record, name: part.pin }, sealed);
    const block = unmoved(16);
    block[0] = part.tries;
    formatTwo(digits, block.subarray(1, 9));
    block[9] = 0x80;
    const bytes = session.encryptWithDek(block);
    digits.fill(0);
    block.fill(0);
    return bytes;
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
        // Nothing of a PIN leaves, whatever became of the others.
        const before = bare.map((one, at) => (this.#draws[at] === undefined ? one : { ...one, data: NONE }));
        return {
          ok: false,
          code: "response-mac",
          at: bare.length,
          answers: verdicts(before, this.#awaited),
        };
      }
    }
    const judged = verdicts(bare, this.#awaited);
    return {
      ok: true,
      answers: judged.map((answer, at) => {
        const drawn = this.#draws[at];
        return drawn === undefined ? answer : takeDrawnPin(this.#ring, drawn, this.#secrets, answer);
      }),
    };
  }

  close(): void {
    this.#agreement?.close();
    this.#session?.close();
    this.#session = undefined;
  }
}

const isKeptSession = (session: Session): session is Scp03Session =>
  session instanceof Scp03Session && session.isKept;

/** Keys of the token under the session's DEK; they are wiped. */
function wrapped(keys: readonly KeptKey[], session: Session): Uint8Array[] {
  try {
    if (!isKeptSession(session)) throw new VaultRefusal("the session's keys are not in the token");
    return keys.map((key) => session.wrapWithDek(key));
  } finally {
    for (const key of keys) key.wipe();
  }
}

function putKeyData(keys: readonly NewKey[], firstKeyId: number, kvn: number, session: Session) {
  const { command, expected } = putKey({
    oldKvn: 0,
    newKvn: kvn,
    firstKeyId,
    keys,
    crypto: nodeCrypto,
    dekEncrypt: (data) => session.encryptWithDek(data),
  });
  return { bytes: command.data ?? new Uint8Array(0), awaited: { equals: expected } };
}

/** ISO 9564-1 format 2 into eight bytes: `2L`, the digits, filled with F. */
function formatTwo(digits: Uint8Array, block: Uint8Array): void {
  block.fill(0xff);
  block[0] = 0x20 | digits.length;
  digits.forEach((code, at) => {
    const digit = code - 0x30;
    const place = 1 + (at >> 1);
    block[place] = at % 2 === 0 ? (digit << 4) | 0x0f : ((block[place] ?? 0) & 0xf0) | digit;
  });
}
