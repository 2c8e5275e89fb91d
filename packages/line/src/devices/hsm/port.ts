import type { Command } from "@persoline/card/apdu";
import type { RsaPublicKey } from "@persoline/card/crypto";
import type { IssuerVerdict, OnlineRequest, PaymentProfile, PaymentRecord } from "@persoline/card/emv";
import type { FramedRecord } from "@persoline/card/issuer-data";
import type { KeyRef, PaymentMasters, SealedSecrets, SecurityModule, Serial } from "@persoline/card/program";
import type { KeyLife } from "./office/life.js";

/**
 * How well a provider keeps the keys of an operation, best first: `token` they never leave the token, `module-process` they are clear only
 * inside the provider's own process, `session-keys-in-host` a card session's keys are in the line's process, `trusted-host` all may be.
 */
export type ProtectionLevel = "token" | "module-process" | "session-keys-in-host" | "trusted-host";
export const protectionLevels = [
  "token",
  "module-process",
  "session-keys-in-host",
  "trusted-host",
] as const satisfies readonly ProtectionLevel[];

/**
 * What a module is asked for, as a product or an order may demand a level of it: sessions with a card's loader, SCP02, SCP03 with keys of
 * 16 bytes and with longer ones (`scp03-long`), SCP11, DESFire; its sessions under the published key of a fresh card or application, whose
 * keys, and what goes in by them, follow from what anyone between module and card hears (`desfire-first-keys`); what issuers' files carry under a transport key, translated whole under AES
 * (`issuer-data`), or padded or under triple DES, where it must be clear in between (`issuer-data-clear`); keys on their way into a card,
 * AES of 16 bytes in a loader's session or in one of SCP03 with such keys (`keys-to-card`), or of another form or in another session, where
 * they must be clear in between (`keys-to-card-clear`); cards that all share the master's own keys; of payment cards their keys,
 * verification values and tracks (`emv-keys`), their own RSA pairs (`emv-rsa`), what the issuer's RSA key signs (`emv-issuer`), cryptograms
 * judged and scripts made (`emv-cryptogram`); PINs, their letters; what seals and signs for the installation; an order's key for personal
 * data (`data-key`), which the line itself works with while the order is open.
 */
export const hsmOperations = [
  "loader",
  "scp02",
  "scp03",
  "scp03-long",
  "scp11",
  "desfire",
  "desfire-first-keys",
  "issuer-data",
  "issuer-data-clear",
  "keys-to-card",
  "keys-to-card-clear",
  "shared-keys",
  "proof",
  "gate",
  "emv-keys",
  "emv-rsa",
  "emv-issuer",
  "emv-cryptogram",
  "pin",
  "letter",
  "seal",
  "data-key",
  "sign",
  "random",
] as const;
export type HsmOperation = (typeof hsmOperations)[number];
export type Environment = "test" | "live";

/** How an operation's keys and secrets are kept, and whether it gave its known answer at start. */
export interface Capability {
  /** `unavailable`: this provider cannot do it at all, or its probe failed. */
  readonly level: ProtectionLevel | "unavailable";
  readonly probed: boolean;
  /** In words: why the level is not a better one. */
  readonly note?: string;
}

/** Whether this machine may write memory to a disk: never, only encrypted, not this process's ("kept-out"), or it may. */
export interface Swap {
  readonly state: "none" | "encrypted" | "kept-out" | "possible" | "unknown";
  readonly detail: string;
}

export interface CapabilityReport {
  readonly provider: string;
  readonly environment: Environment;
  readonly operations: Readonly<Record<HsmOperation, Capability>>;
  /** How many acts of the key office its keys know, and the SHA-256 of the last one's text: whoever cuts the file's end off is found out. */
  readonly office: { readonly acts: number; readonly last: string };
  /** Lists of what orders may have done with their secrets: those that two custodians have approved, and those of the orders that are open. */
  readonly policies: {
    readonly approved: readonly { readonly name: string; readonly digest: string }[];
    readonly open: readonly {
      readonly order: string;
      readonly digest: string;
      readonly sentences: readonly string[];
    }[];
  };
  /** Where the module runs. */
  readonly swap: Swap;
  /** Key pairs for payment cards that are drawn ahead, one pool for each size in use. */
  readonly iccKeys: readonly IccKeyFigures[];
}

/** How full a pool of cards' RSA pairs is. */
export interface IccKeyFigures {
  /** Bytes of the modulus. */
  readonly modulusBytes: number;
  /** How many it keeps ready, and how many are now. */
  readonly size: number;
  readonly ready: number;
  /** Since the module was opened: pairs drawn, and pairs that were asked for when none was ready. */
  readonly drawn: number;
  readonly waited: number;
}

/** Public half of an issuer's RSA key, hexadecimal, with the certificate of the scheme's authority once it was taken in. */
export interface IssuerPublicKey {
  readonly modulus: string;
  readonly exponent: string;
  readonly certificate?: {
    /** 8F. */
    readonly authorityIndex: number;
    readonly certificate: string;
    readonly remainder: string;
    readonly exponent: string;
  };
}

/** What a token says of one of its keys (PKCS#11 2.40, 4.9 and 4.4). */
export interface KeyStanding {
  /** Drawn in the token, and never readable outside it: CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE. */
  readonly born: boolean;
  /** Its attributes cannot be changed and it cannot be copied: neither CKA_MODIFIABLE nor CKA_COPYABLE. */
  readonly fixed: boolean;
}

export interface KeyDescription {
  readonly name: KeyRef;
  readonly use:
    | "loader"
    | "scp02"
    | "scp03"
    | "scp11"
    | "card-authority"
    | "desfire"
    | "application"
    | "transport"
    | "pin-transport"
    | "file-mac"
    | "key-block"
    | "issuer-signature"
    | "emv-ac"
    | "emv-smi"
    | "emv-smc"
    | "emv-cvk"
    | "emv-pvk"
    | "ibm-3624"
    | "emv-issuer"
    | "seal"
    | "sign"
    | "letter"
    | "stripe-encoder";
  readonly algorithm:
    | "AES-128"
    | "AES-192"
    | "AES-256"
    | "3DES"
    | "RSA-1152"
    | "RSA-1408"
    | "Ed25519"
    | "X25519"
    | "P-256";
  /**
   * Hexadecimal. Of P-256: the point, 04 ‖ x ‖ y; to be certified, or an authority's. Of the line's Ed25519 pair: its public half (RFC 8032, 32
   * bytes), by which machines outside know what the line sent.
   */
  readonly publicKey?: string;
  /** GlobalPlatform KCV (AES over 16 × 01, 3DES over 8 × 00), six hex digits (P-256: the first three bytes of SHA-256 over the point; RSA: over the modulus); of a master it tells nothing of the cards' keys. */
  readonly kcv: string;
  readonly environment: Environment;
  readonly published: boolean;
  /** State, cryptoperiod and origin of a key that came in by a ceremony. */
  readonly life?: KeyLife;
  /** Of an issuer's RSA key. */
  readonly issuer?: IssuerPublicKey;
  /** Of a key in a token. */
  readonly standing?: KeyStanding;
}

/** So many letters make a batch at most: one file for the printer, so that memory stays flat. */
export const lettersABatch = 250;

/** So many records of an issuer's file may be handed over in one call. */
export const issuerRecordsAtOnce = 256;

export interface IssuerFileAsk {
  /** The file's first bytes, all of its preamble. */
  readonly preamble: Uint8Array;
  /** SHA-256 of everything after it. */
  readonly bodyDigest: Uint8Array;
}

export interface IssuerRecordsAsk {
  readonly order: string;
  readonly form: "binary" | "json";
  /** The head's bytes: each record's MAC covers them too. */
  readonly head: Uint8Array;
  readonly records: readonly FramedRecord[];
}

/** One letter of a batch: the record's PIN as it was sealed, and what is printed beside it. */
export interface LetterAsk {
  readonly record: number;
  /** Of the PIN. */
  readonly name: string;
  readonly sealed: Uint8Array;
  readonly letter: string;
  readonly addressee: string;
}

/** A page each, in this order; at most `lettersABatch`. */
export interface LetterPages {
  readonly order: string;
  readonly letters: readonly LetterAsk[];
}

export interface LettersAsk extends LetterPages {
  /** The batch's number: it stands on each page. */
  readonly batch: string;
  readonly file: string;
}

/** Formats of ISO 9564-1 that come from issuers; format 2 is for cards alone. */
type PinBlockFormat = 0 | 1 | 3 | 4;

/**
 * A PIN that is not drawn: the same for all and to be changed; derived from the PAN under a key for that alone (IBM 3624); or the issuer's,
 * in a block of ISO 9564-1: format 0, 1 or 3 under a triple DES key for PIN blocks, format 4 under an AES one.
 */
export type PinSource =
  | { readonly method: "trivial"; readonly digits: string }
  | { readonly method: "derived"; readonly keys: KeyRef }
  | {
      readonly method: "issuer";
      readonly keys: KeyRef;
      readonly format: PinBlockFormat;
      /** Enciphered: 8 bytes, format 4 16. */
      readonly block: Uint8Array;
    };

/** So many of issuers' PIN blocks may be wrong in the life of a module's process. */
export const wrongBlocksAtMost = 8;

/** So many proofs of files and groupings, or by an issuer's key, may be wrong in the life of a module's process: a line with such cards has stopped long before. */
export const wrongProofsAtMost = 64;

/** Whether an order's secrets ended by this call. */
export type SecretsEnd = "ended" | "ended-before";

/** So many payment cards may be prepared in one call. */
export const paymentsAtOnce = 64;

/** One payment application of one card; the record's own PIN goes in sealed, for its verification value. */
export interface PaymentAsk {
  readonly order: string;
  readonly record: number;
  /** AID, hexadecimal in capitals; the profile's own. */
  readonly application: string;
  readonly masters: PaymentMasters;
  readonly profile: PaymentProfile;
  readonly card: PaymentRecord;
  /** Name of the PIN, and the PIN as it was sealed for this record. */
  readonly pin: string;
  readonly sealedPin: Uint8Array;
  /** Tracks 1 and 2 for the encoder are wanted. */
  readonly stripe?: boolean;
  /** In the test environment: the card's pair is drawn from this, order, record and application alone, the same each time. */
  readonly seed?: string;
}

export interface PaymentPrepared {
  /** For `PaymentSecrets.sealed`; dies with the card's sealed PIN. */
  readonly sealed: Uint8Array;
  /** Content for the encoder, encrypted for it (X25519 + AES-256-GCM), bound to order and record. */
  readonly stripe?: string;
}

/** A payment card of a record: its order must be open, and its list must say that it is made under these masters. */
export interface PaymentCardAsk {
  readonly secrets: SealedSecrets;
  /** AID, hexadecimal in capitals. */
  readonly application: string;
}

/** What the record's card said of its transaction. */
export interface PaymentJudgement extends PaymentCardAsk {
  readonly request: OnlineRequest;
}

/** A card in production has made fewer transactions: later ones are another's business than the line's. */
export const transactionsAtMost = 16;

/** The security module as the line sees it. It has no "give me the key". Throws DeviceFault ("security-module") when it cannot answer, or not in time. */
export interface Hsm extends SecurityModule {
  readonly name: string;
  readonly kind: "real" | "embedded";
  capabilities(): Promise<CapabilityReport>;
  keys(): Promise<readonly KeyDescription[]>;

  /** Host side of MUTUAL AUTHENTICATE (docs/card-os.md 6) at a gate: two calls, the host never sees a key. */
  openMutual(ask: {
    readonly keys: KeyRef;
    readonly kid: number;
    readonly serial: Serial;
    readonly cardChallenge: Uint8Array;
  }): Promise<{ readonly session: number; readonly data: Uint8Array }>;
  judgeMutual(ask: { readonly session: number; readonly answer: Uint8Array }): Promise<"right" | "wrong">;

  /**
   * Draws a PIN for a record of an open order, or takes it from where `by` says; what comes back is sealed for this module (AAD: order, record,
   * name, list, account) and safe to store. An issuer's block is opened for one account; of a wrong one nothing is told but that it is wrong,
   * and after `wrongBlocksAtMost` of them none is opened any more.
   */
  drawPin(ask: {
    readonly order: string;
    readonly record: number;
    readonly name: string;
    readonly length: number;
    /** Whose it is: 12 to 19 digits. Without it the PIN goes into no payment card, none is derived, and of issuers' blocks only format 1 opens. */
    readonly pan?: string;
    /** Absent: of chance. */
    readonly by?: PinSource;
    /** In the test environment, in place of chance: the same PIN each time for this seed, order, record and name. */
    readonly seed?: string;
  }): Promise<Uint8Array>;
  /**
   * Renders a batch of PIN letters as PDF and writes it to `file` itself, encrypted once for the letter printer (X25519 + AES-256-GCM); no PIN
   * ever comes back. A letter carries its number, the batch's, the order's and an addressee: no card serial, no account number. Durable when
   * this resolves. Refused before anything is written when one of the PINs does not belong to its record; a file that is there already is
   * never written over.
   */
  writeLetters(ask: LettersAsk): Promise<void>;
  /** Whether a batch of them would be written: opens each PIN as `writeLetters` does, is refused as it is, writes and tells nothing. */
  tryLetters(ask: LetterPages): Promise<void>;

  /** Is an issuer's file, known by its digest, of whom it says? Nothing of it may be read before the answer is "right". */
  proveIssuerFile(ask: IssuerFileAsk): Promise<"right" | "wrong">;
  /**
   * Judges the records' MACs and seals their secrets, which stay under the issuer's transport key, for their places in the order. For each
   * record: sealed by "AID/grouping", for `SealedSecrets.issuer`. At most `issuerRecordsAtOnce`; refused whole when one record is wrong.
   */
  takeIssuerRecords(ask: IssuerRecordsAsk): Promise<readonly Readonly<Record<string, Uint8Array>>[]>;

  /**
   * Data preparation of payment cards, before one of them moves: takes a pair from the pool, certifies it, signs the static data, and seals
   * what cannot be derived again (AAD: order, record, application). The module makes what it signs from profile and card itself. At most
   * `paymentsAtOnce`. Refused whole, nothing kept, when one is wrong.
   */
  preparePayment(asks: readonly PaymentAsk[]): Promise<readonly PaymentPrepared[]>;
  /** From now on so many pairs of this size are kept ready (0 to 4,096), drawn in the background; resolves at once, with the figures. */
  drawIccKeysAhead(ask: { readonly modulusBytes: number; readonly size: number }): Promise<IccKeyFigures>;
  /**
   * Is this a cryptogram of the record's own card, in one of its first transactions (`transactionsAtMost`)? With it the issuer's approval (91
   * for the response code 00). Any other card's is wrong.
   */
  judgeCryptogram(ask: PaymentJudgement): Promise<IssuerVerdict>;
  /**
   * For the card that made this cryptogram three commands that change nothing in a good one: PIN CHANGE to the PIN that the record has already
   * (only a card with both keys of scripts can do that), PIN UNBLOCK, PUT DATA of the lower offline limit (9F14) that the product gives it.
   * Others are not made here. Refused when `judgeCryptogram` says wrong.
   */
  paymentScripts(ask: PaymentJudgement): Promise<readonly Command[]>;
  /**
   * Is this the track 2 equivalent (57) that the record's chip must have, to the last digit? Its PIN verification value and its own
   * verification value are known to the module alone.
   */
  judgeTrack2(ask: PaymentCardAsk & { readonly track2: Uint8Array }): Promise<"right" | "wrong">;
  /** The record's stripe for the encoder, as in `PaymentPrepared`, made anew from masters, PIN and person: what a stripe is judged by. */
  stripeAgain(ask: PaymentCardAsk): Promise<string>;
  /**
   * The record's PIN for VERIFY, enciphered for the card (EMV Book 2, 7.2) and for no other: refused when `publicKey` is not of the pair that
   * the module drew for this card.
   */
  encipherPin(
    ask: PaymentCardAsk & {
      readonly publicKey: RsaPublicKey;
      /** 8 bytes, from GET CHALLENGE. */
      readonly challenge: Uint8Array;
    },
  ): Promise<Uint8Array>;

  /**
   * A new data key for an order, whose own secrets in the module come with it and stay where they are there already: sealed (to store) and, while the order is open, clear (to encrypt personal fields). `policy`: all that may be
   * done with the order's secrets (order-policy.ts), fixed with it for good; without one they go into no card.
   */
  createDataKey(ask: { readonly order: string; readonly policy?: readonly string[] }): Promise<Uint8Array>;
  /** With `policy`, which must be the order's own, its secrets may go into cards from now on. */
  releaseDataKey(ask: {
    readonly order: string;
    readonly sealed: Uint8Array;
    readonly policy?: readonly string[];
  }): Promise<Uint8Array>;

  /** Whether `endPins` or `endOrder` was asked for the order before, also where it was interrupted: no PIN of it opens any more. */
  havePinsEnded(ask: { readonly order: string }): Promise<boolean>;
  /**
   * Destroys, for good, what the order's PINs, groupings and prepared payment cards are sealed under: from then on no copy of the database opens
   * them. For after the delivery. "ended-before": there was nothing left to do. Interrupted, the same call does the rest.
   */
  endPins(ask: { readonly order: string }): Promise<SecretsEnd>;
  /** The same, and what the order's data key is sealed under. For after the erasure; the order's number is not used again. */
  endOrder(ask: { readonly order: string }): Promise<SecretsEnd>;

  /** Ed25519 over the bytes, for result files and audit heads. */
  sign(purpose: "result" | "audit", bytes: Uint8Array): Promise<Uint8Array>;
  /** "ceremony": of the key office alone, which signs the records of its ceremonies. */
  verify(
    purpose: "result" | "audit" | "ceremony",
    bytes: Uint8Array,
    signature: Uint8Array,
  ): Promise<boolean>;
  random(length: number): Promise<Uint8Array>;
  /** Ends it, also when it hangs. */
  close(): Promise<void>;
}
