/**
 * Words: a **program** is what one visit to a station does to one card, as plain data; a **step** is one command with its
 * expected answer and its reason; a **segment** is the unit that is journalled, sent in one message and, after an
 * interruption, either skipped, resumed or rejected as a whole.
 *
 * A program never holds a key, a PIN or a challenge: it names them, and the security module fills them in.
 */
import type { Command, Response } from "../apdu/index.js";
import type { Brand } from "../bytes/index.js";
import type { ModulePart, PaymentProfile, PaymentRecord } from "../emv/index.js";
import type { DesfireKey, Diversification, KeyForm, KeyRef, SecureChannelSpec } from "./channel-spec.js";

/** The chip's number in hexadecimal, ten bytes (DESFire: its UID, seven): how a blank or card is known. */
export type Serial = Brand<string, "Serial">;

/**
 * What happens if a step is sent again:
 * `same` nothing changes; `session` its whole secure session starts again; `probe` ask first by a command that costs nothing;
 * `never` the outcome of an interruption cannot be mended by sending it again.
 */
export type Again = "same" | "session" | "probe" | "never";

/** A piece of a command's data field; everything that is not bytes is filled in by the security module. */
export type Part =
  | Uint8Array
  /** One key of a DF, diversified (KDF3, k = kid) and wrapped under the session's DEK: `KVN ‖ 88 11 10 … ‖ 03 KCV`. */
  | { readonly secret: "key"; readonly keys: KeyRef; readonly kid: number; readonly kvn: number }
  /**
   * A key set of the card (k = 1, 2, 3) for PUT KEY (GlobalPlatform 11.8) or, in a loader session, LOAD KEYS. AES of 16 bytes a key unless
   * `form` says otherwise, diversified by KDF3 unless `diversify` does.
   */
  | {
      readonly secret: "key-set";
      readonly keys: KeyRef;
      readonly kvn: number;
      readonly form?: KeyForm;
      readonly diversify?: Diversification;
    }
  /** One application key of 16 bytes (KDF3, k = kid) under the session's DEK, as STORE DATA carries it; or its check value in clear. */
  | { readonly secret: "wrapped-key" | "check-value"; readonly keys: KeyRef; readonly kid: number }
  /**
   * One key for ChangeKey of a DESFire card: key and version; "random": one that nobody will ever know. `aid` 0 is the card itself. `old`:
   * the present key where it is another than the session's own, which the card must find in the difference.
   */
  | {
      readonly secret: "desfire-key";
      readonly aid: number;
      readonly key: number;
      readonly version: number;
      readonly value: DesfireKey | "random";
      readonly old?: DesfireKey | "default";
    }
  /** The PIN bound to this record: CHANGE REFERENCE DATA's 16 bytes under the DEK (docs/card-os.md 4). */
  | { readonly secret: "pin"; readonly pin: string; readonly tries: number }
  /**
   * A grouping that came from the issuer under a transport key: `length` clear bytes, padded 80 00.. to whole blocks of `pad` bytes when
   * that is given, under the session's DEK. `application`: its AID, hexadecimal in capitals.
   */
  | {
      readonly secret: "issuer-dgi";
      readonly application: string;
      readonly dgi: number;
      readonly length: number;
      readonly pad?: 8 | 16;
    }
  /**
   * A value of a payment application that only the security module knows. "dek": under the session's DEK, padded 80 00.. to whole blocks of
   * `pad` bytes, always, when that is given (else it is whole blocks already); "clear": as it is. `application`: its AID, hexadecimal in
   * capitals.
   */
  | {
      readonly secret: "payment";
      readonly application: string;
      readonly part: ModulePart;
      readonly under: "dek" | "clear";
      readonly pad?: 8 | 16;
    }
  /** 16 random bytes of the security module, which judges the answer (see `judge`). */
  | { readonly secret: "challenge" };

/** What came from the issuer under a transport key, by its place in the card. */
export type IssuerSecret = Omit<Extract<Part, { secret: "issuer-dgi" }>, "secret">;

/** A card's key, by its number in the card: made from a master, or the issuer's own. */
export type ProvedKey =
  | { readonly keys: KeyRef; readonly kid: number }
  | { readonly issuer: IssuerSecret; readonly kid: number };

/** How the security module judges the answer to a step with a `challenge` part (docs/card-os.md 6, docs/gp-card.md 7). */
export type Judge =
  /** The answer is the UID of this very card (DESFire GetCardUID). */
  | { readonly proof: "uid" }
  | OpenJudge
  | {
      readonly proof: "file";
      readonly keys: KeyRef;
      readonly kid: number;
      readonly fid: number;
      readonly content: Uint8Array;
    };

/** What cards prove outside of any session too: a key; the whole content of a data grouping, which may be known to the security module alone. */
export type OpenJudge =
  | ({ readonly proof: "internal" } & ProvedKey)
  | ({
      readonly proof: "grouping";
      readonly id: number;
      readonly content: Uint8Array | IssuerSecret;
    } & ProvedKey);

/** By its name in `SealedSecrets.pins`. */
export interface DrawnPin {
  readonly pin: string;
  readonly length: number;
}

/** A status word pattern: `(sw & mask) === value`. */
export interface SwPattern {
  readonly value: number;
  readonly mask: number;
}

/** Expected data: every byte compared under the mask (absent mask: all bits); the length must agree. */
export interface ExpectedData {
  readonly value: Uint8Array;
  readonly mask?: Uint8Array;
}

/** How a DESFire session protects a native command and its answer (docs/desfire-card.md 4). */
export interface NativeShape {
  /** Bytes at the data field's beginning that go in clear in every mode. */
  readonly clear: number;
  readonly send: "plain" | "mac" | "full" | "session";
  readonly receive: "plain" | "mac" | "full" | "session";
  readonly answerLength?: number;
  readonly endsSession?: boolean;
}

export interface Step {
  readonly cla: number;
  readonly ins: number;
  readonly p1: number;
  readonly p2: number;
  readonly data: readonly Part[];
  /** Ne; absent: no answer expected. */
  readonly le?: number;
  readonly sw: readonly SwPattern[];
  readonly answer?: ExpectedData;
  readonly judge?: Judge;
  /**
   * The card draws this PIN and tells it in the answer, once: the security module takes it from there, hands it back sealed and nothing
   * else of the answer. It must be kept before anything is built upon it (`Run.keep`).
   */
  readonly draws?: DrawnPin;
  /** Of a native command of a DESFire card; elsewhere absent. */
  readonly native?: NativeShape;
  readonly again: Again;
  /** The command changes the card (its intent must be durable before it leaves). */
  readonly changes: boolean;
  /** What an unexpected answer says of the card; default "command-refused". */
  readonly reject?: RejectCode;
  /** In words, for people: "create EF holder (0101), 256 bytes". No personal datum, no secret. */
  readonly why: string;
  /** Source: standard and clause, or docs/card-os.md section. */
  readonly clause: string;
  /** For `estimate`: EEPROM pages this command makes the card write, and its AES blocks and other work (µs) beyond channel security. */
  readonly cost: {
    readonly pages: number;
    readonly aesBlocks?: number;
    readonly micros?: number;
    readonly shortPulse?: boolean;
    /** Bytes the card will answer, where no expectation tells. */
    readonly answer?: number;
  };
  /**
   * How to find out whether a `probe` step was done: plain commands; the step counts as done when all answers are as expected
   * and as not done when the first answer that is not has a status word that matches `absent`; anything else is a fault of the card. What
   * was done is not sent again: `instead` goes in its place, `ask` when it is absent.
   */
  readonly probe?: {
    readonly ask: readonly Step[];
    readonly absent: readonly SwPattern[];
    readonly instead?: readonly Step[];
  };
}

export interface Segment {
  /** Unique in the program: "create files", "issuer keys". */
  readonly name: string;
  /** "plain", or the secure session that all steps of the segment share; the session's opening commands are the runner's. */
  readonly channel: "plain" | SecureChannelSpec;
  readonly steps: readonly Step[];
  /** Of a secure segment: plain steps that lead to whoever opens the session, sent each time before it is opened. They change nothing. */
  readonly before?: readonly Step[];
  /** Plain steps that tell, after an interruption, that the whole segment is done (all as expected) or not (anything else). */
  readonly done?: readonly Step[];
}

export interface CardProgram {
  /** "office-access/personalization": the journal's key together with the digest. */
  readonly name: string;
  readonly segments: readonly Segment[];
  /** Pages that the card itself writes at the first reset of this visit (for `estimate`). */
  readonly resetPages?: number;
}

export type RejectCode =
  | "mute"
  | "wrong-atr"
  | "atr-malformed"
  | "wrong-chip-number"
  | "ram-fault"
  | "rom-fault"
  | "eeprom-fault"
  | "command-refused"
  | "wrong-answer"
  | "memory-failure"
  | "protocol-error"
  | "card-cryptogram"
  /** The key set's sequence counter is at its end, or close to it. */
  | "keys-used-up"
  | "response-mac"
  | "proof-wrong"
  /** A payment card's transaction: certificates or signatures, its PIN, its cryptogram, its scripts, its counters, or anything else of it. */
  | "offline-proof-wrong"
  | "pin-wrong"
  | "cryptogram-wrong"
  | "script-wrong"
  | "counter-wrong"
  | "transaction-wrong"
  | "weak-challenge"
  | "interrupted"
  | "too-many-resumes"
  | "mark-unknown"
  | "mark-wrong"
  /** Chip, print, raised characters, stripe and record are not of one person. */
  | "contradiction"
  | "picture-wrong"
  | "no-picture"
  | "foreign-card"
  /** At the mailer it lay before a carrier that is not its own, or nobody could read one of the two. */
  | "carrier-mismatch"
  | "held-unattended";

/**
 * How a visit ends. `rejected`: the card's fault; `held`: doubtful, people decide; `returned`: not our card, untouched;
 * `halted`: the machine's fault, nobody is rejected and the card's journal stays open.
 */
export type Outcome =
  | { readonly kind: "passed"; readonly findings?: readonly Finding[] }
  | {
      readonly kind: "rejected";
      readonly code: RejectCode;
      readonly detail: string;
      readonly findings?: readonly Finding[];
    }
  | { readonly kind: "held"; readonly question: string; readonly findings?: readonly Finding[] }
  | {
      readonly kind: "returned";
      readonly code: "wrong-card-type" | "not-in-stock" | "already-personalized";
      readonly detail: string;
    }
  | {
      readonly kind: "halted";
      readonly device: string;
      readonly code: "unplugged" | "timeout" | "refused" | "journal" | "wrong-keys" | "security-module";
      readonly detail: string;
    };

/** Something measured or not measured at a station, kept with the card's record. */
export interface Finding {
  readonly what: string;
  readonly result: "ok" | "wrong" | "not measured" | "simulated";
  readonly detail?: string;
  /** Which of several equal devices measured it. */
  readonly by?: string;
  /** What was measured, by name; units are those of whoever measured it. */
  readonly measures?: Readonly<Record<string, number>>;
}

/** What a command must answer so that a channel goes on to the next one of the same exchange. */
export interface Sent {
  readonly command: Command;
  readonly sw: readonly SwPattern[];
}

/**
 * A powered card. `exchange` sends commands in order and stops after the first answer whose status word matches none of its
 * patterns: the answers returned are one per command sent. 61xx and 6Cxx are followed by the channel itself.
 * Throws CardMute when the card stops answering, DeviceFault when the reader does; both carry the answers had so far (`answers`).
 */
export interface CardChannel {
  exchange(commands: readonly Sent[]): Promise<readonly Response[]>;
}

/** The card stopped answering: its doing, or it is gone. `answers`: what came before. */
export class CardMute extends Error {
  override readonly name = "CardMute";
  constructor(
    readonly answers: readonly Response[],
    detail = "the card stopped answering",
  ) {
    super(detail);
  }
}

export type SessionId = Brand<number, "SessionId">;

/** A step as the security module gets it: it fills in the parts, wraps, later unwraps and judges. */
export type SecureStep = Pick<Step, "cla" | "ins" | "p1" | "p2" | "data" | "judge" | "draws" | "native"> & {
  readonly le?: number;
  /** The answer's data where they are known to the byte: EV1 of DESFire chains the next command to them. */
  readonly answer?: Uint8Array;
};

/**
 * Whose secrets are in hand, and the sealed PIN(s) by name. Only the security module can open them, and it opens none that was drawn for
 * another order, record or name.
 */
export interface SealedSecrets {
  readonly order: string;
  /** Number of the record, from 1. */
  readonly record: number;
  readonly pins: Readonly<Record<string, Uint8Array>>;
  /** Sealed groupings of the issuer, by "AID/grouping" (hexadecimal in capitals). */
  readonly issuer?: Readonly<Record<string, Uint8Array>>;
  /** Payment applications by their AID (hexadecimal in capitals). */
  readonly payment?: Readonly<Record<string, PaymentSecrets>>;
  /** Contents of the magnetic stripe, sealed for its encoder. */
  readonly stripe?: string;
}

/** An issuer's keys for a payment application, by name: each has one purpose. */
export interface PaymentMasters {
  /** Application cryptograms, and the integrity and confidentiality of scripts (triple DES). */
  readonly ac: KeyRef;
  readonly smi: KeyRef;
  readonly smc: KeyRef;
  /** Card verification values, PIN verification values. */
  readonly cvk: KeyRef;
  readonly pvk: KeyRef;
  /** RSA, which signs the card's certificate and static data; absent with proof "none". */
  readonly issuer?: KeyRef;
}

/** What a payment application of one card is filled in from. */
export interface PaymentSecrets {
  readonly masters: PaymentMasters;
  readonly profile: PaymentProfile;
  readonly card: PaymentRecord;
  /** Its name in `pins`. */
  readonly pin: string;
  /** From the module's data preparation: what cannot be derived again (key pair, certificate, signature), bound to card and profile. */
  readonly sealed: Uint8Array;
}

export interface UnwrappedAnswer extends Response {
  /** For steps with `judge` or `draws`, and for those that put keys in (the check values the card answered). */
  readonly verdict?: "right" | "wrong";
  /** For a step that `draws` a PIN: the PIN, sealed for its place. The answer's data are empty then. */
  readonly sealed?: Uint8Array;
}

/** The session's next command, or all of them. */
export type Ready =
  | { readonly ok: true; readonly more: Command }
  | { readonly ok: true; readonly commands: readonly Command[]; readonly opened?: true };

/**
 * What the runner asks of a security module: business operations on one card's secure session. Extended by
 * `devices/hsm/port.ts`. The three calls are one message each, whatever the number of commands.
 */
export interface SecurityModule {
  /**
   * Draws the host challenge and gives the opening command (INITIALIZE UPDATE, INITIALIZE LOADER, SelectApplication, GET DATA of certificates). Throws DeviceFault when one of
   * `secrets` is damaged or belongs to another record: nothing has been sent to the card then.
   */
  openSession(ask: {
    readonly channel: SecureChannelSpec;
    readonly serial: Serial;
    /** Whose cards these are: secrets go where this order's list lets them, and nowhere without one. Absent: the order of `secrets`. */
    readonly order?: string;
    /** What `secret: "pin"` parts are filled from; absent for a program that has none. */
    readonly secrets?: SealedSecrets;
  }): Promise<{ readonly session: SessionId; readonly open: Command }>;
  /**
   * Diversifies, derives, judges the card's cryptogram (a wrong one: nothing was sent that costs a try; the session is closed),
   * fills in the parts and wraps all steps. `commands[0]` is EXTERNAL AUTHENTICATE / AUTHENTICATE LOADER, then one per step. Protocols of
   * more passes (DESFire, SCP11) answer `more`, whose answer comes here again, and `opened` when nothing but the steps is left to send.
   */
  authenticate(ask: {
    readonly session: SessionId;
    readonly answer: Response;
    readonly steps: readonly SecureStep[];
  }): Promise<
    | Ready
    | {
        readonly ok: false;
        readonly code: "card-cryptogram" | "protocol-error" | "chip-number" | "keys-used-up";
        readonly detail: string;
      }
  >;
  /** Checks and removes response security, judges proofs, closes the session. `answers`: those of the steps (without the authenticate command's). */
  unwrap(ask: { readonly session: SessionId; readonly answers: readonly Response[] }): Promise<
    | { readonly ok: true; readonly answers: readonly UnwrappedAnswer[] }
    | {
        readonly ok: false;
        readonly code: "response-mac";
        readonly at: number;
        readonly answers: readonly UnwrappedAnswer[];
      }
  >;
  closeSession(session: SessionId): Promise<void>;
  /**
   * Outside of any session: a challenge of 16 bytes for each thing that the card is to prove, in order. `secrets`: whose the issuer's keys
   * and groupings are; absent where none are asked about.
   */
  openProof(ask: {
    readonly serial: Serial;
    readonly judges: readonly OpenJudge[];
    readonly secrets?: SealedSecrets;
  }): Promise<{ readonly proof: number; readonly challenges: readonly Uint8Array[] }>;
  /** `answers`: to each challenge one; judged once. */
  judgeProof(ask: {
    readonly proof: number;
    readonly answers: readonly Uint8Array[];
  }): Promise<readonly ("right" | "wrong")[]>;
}

/** One line of the journal. */
export interface Note {
  readonly serial: Serial;
  readonly station: string;
  readonly program: string;
  readonly segment: number;
  /**
   * `passed`: the card left this station good (segment −1; detail: what was seen there); `bound`: a record was bound to it (detail: its
   * number); `rejected`: it was judged bad (segment −1; detail: why), which no later event takes back.
   */
  readonly event: "intent" | "done" | "failed" | "passed" | "bound" | "rejected";
  readonly detail?: string;
}

/**
 * Durable when the promise resolves, in the order of writing: a note that is durable has all earlier ones before it. The runner waits for
 * `intent` before the first changing command, for `failed` at the end, and for `done` not at all: whoever passes the card on notes that,
 * and waits.
 */
export interface Journal {
  write(note: Note): Promise<void>;
}

/**
 * Time and chance, handed in. `sleep` waits; `outside` is for an answer that comes from outside this process (security module, worker,
 * journal): on virtual time it is a due event after `ms`, elsewhere just the answer.
 */
export interface World {
  /** Milliseconds, monotonic. */
  now(): number;
  sleep(ms: number): Promise<void>;
  random(length: number): Uint8Array;
  outside<T>(ms: number, answer: Promise<T>): Promise<T>;
}
