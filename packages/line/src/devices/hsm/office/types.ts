/** What the key office is asked, keeps and answers. No text or object here that leaves its process holds a secret. */
import type { Environment, KeyDescription } from "../port.js";
import type { StoredKey } from "../keystore.js";
import type { ApprovedPolicy } from "../order-policy.js";
import type { Custodian } from "./custodians.js";
import type { KeyState } from "./life.js";

/** How a check value is taken: "gp" GlobalPlatform (AES over 01s), "zeros" the classic one, "cmac" X9.24-1:2017 (five bytes for AES). */
export type KcvMethod = "gp" | "zeros" | "cmac";
export const kcvMethods: readonly KcvMethod[] = ["gp", "zeros", "cmac"];

export interface KeyPlan {
  readonly name: string;
  readonly use: KeyDescription["use"];
  readonly algorithm: KeyDescription["algorithm"];
  /** Cryptoperiod, ISO 8601 with zone. */
  readonly from?: string;
  readonly until?: string;
}

/** How a key leaves at its birth, the only time that it can. */
export type Leaving =
  | { readonly as: "components"; readonly count: number }
  | { readonly as: "shares"; readonly count: number; readonly needed: number }
  | { readonly as: "block"; readonly under: string };

/** A certificate as its file has it, hexadecimal; `authority`: the key it is to be judged with. */
export interface CertificateFile {
  readonly authorityIndex: number;
  readonly authority: { readonly modulus: string; readonly exponent: string };
  readonly certificate: string;
  readonly remainder: string;
  readonly exponent: string;
}

export type KeyAction =
  | { readonly do: "generate"; readonly key: KeyPlan; readonly leaves?: Leaving }
  | {
      readonly do: "import";
      readonly key: KeyPlan;
      readonly form: "components" | "shares";
      /** Pieces to come, one from each custodian. */
      readonly count: number;
      readonly kcv: string;
      readonly method: KcvMethod;
    }
  | { readonly do: "import-block"; readonly key: KeyPlan; readonly under: string; readonly block: string }
  /** A public key (SPKI, PEM): an issuer's (Ed25519), a card authority's (P-256), the stripe encoder's (X25519). */
  | { readonly do: "import-public"; readonly key: KeyPlan; readonly pem: string }
  /** Of an issuer's RSA key by the scheme's authority. */
  | { readonly do: "certificate"; readonly name: string; readonly file: CertificateFile }
  | { readonly do: "rotate"; readonly old: string; readonly key: KeyPlan }
  | {
      readonly do: "state";
      readonly name: string;
      readonly state: Exclude<KeyState, "pre-activation">;
      readonly reason: string;
    }
  | { readonly do: "export-block"; readonly name: string }
  /** What orders of a product may have done with their secrets, sentence by sentence (order-policy.ts). */
  | { readonly do: "allow"; readonly name: string; readonly sentences: readonly string[] }
  /** `name`: digest of such a list, or its first digits. */
  | { readonly do: "forbid"; readonly name: string; readonly reason: string }
  | RosterAction;

/** Of the custodians themselves. `open`: the candidate's public one (Ed25519, 32 bytes, base64); the office sets it. */
export type RosterAction =
  | { readonly do: "custodian"; readonly name: string; readonly open?: string }
  /** A custodian who is locked out, or has forgotten, sets a new passphrase. */
  | { readonly do: "custodian-renew"; readonly name: string; readonly reason: string; readonly open?: string }
  | {
      readonly do: "custodian-remove";
      readonly name: string;
      readonly reason: string;
      readonly open?: never;
    };

export interface Sitting {
  readonly by: string;
  /** ISO 8601. */
  readonly at: string;
  /** Check value of the component that was entered or handed out. */
  readonly kcv?: string;
  /** Number of the share that was entered or handed out. */
  readonly share?: number;
  /**
   * SHA-256 of the last record when this custodian sat: whoever writes an earlier record anew breaks the signature. With the public key and
   * the signature (Ed25519, base64; sittings.ts) absent in older keystores.
   */
  readonly head?: string;
  readonly key?: string;
  readonly signature?: string;
}

/** A ceremony that waits for its other custodians. The pieces are secret and stand in the sealed keystore only. */
export interface Pending {
  readonly number: string;
  readonly action: KeyAction;
  readonly needed: number;
  readonly sittings: readonly Sitting[];
  /** Components (hexadecimal) or shares entered so far, or still to be handed out. */
  readonly pieces: readonly string[];
  /** A new custodian, or one with a new passphrase, until two others confirm it. */
  readonly custodian?: Custodian;
  /** ISO 8601, when it was begun; absent in older keystores, whose first sitting says it. */
  readonly since?: string;
}

/** So long a ceremony may wait for its custodians, unless a setting says otherwise; milliseconds. */
export const usualPatience = 24 * 3_600_000;

export type PendingView = Omit<Pending, "pieces" | "custodian">;

/** What is told of a ceremony that is whole. */
export interface CeremonyRecord {
  readonly format: "persoline-key-ceremony";
  readonly version: 1;
  readonly number: string;
  readonly environment: Environment;
  readonly action: string;
  readonly sittings: readonly Sitting[];
  readonly key?: {
    readonly name: string;
    readonly use: string;
    readonly algorithm: string;
    readonly kcv: string;
    readonly state: KeyState;
    readonly source: string;
    readonly from?: string;
    readonly until?: string;
  };
  /** Check value as the sender states it, and how it is taken. */
  readonly stated?: { readonly kcv: string; readonly method: KcvMethod };
  readonly reason?: string;
  /** What orders may have done with their secrets from now on, or no more. */
  readonly list?: { readonly name: string; readonly digest: string; readonly sentences: readonly string[] };
  /** SHA-256 of the action's JSON, which each sitting signs. Absent in older keystores. */
  readonly deed?: string;
  /** A change of the custodians, whole: its JSON is what `deed` is of. */
  readonly roster?: RosterAction;
  /** Pieces of keys that a custodian who was removed had in hand. */
  readonly holds?: readonly string[];
  /** Absent when it became whole. */
  readonly ended?: "expired" | "void";
  /** When it became whole, expired or void. */
  readonly completed: string;
  readonly program: string;
  readonly keystoreRevision: number;
  /** SHA-256 of the record before, hex; zeros before the first. */
  readonly previous: string;
}

/** `text` is the record's JSON, byte for byte what was signed (Ed25519 under the keystore's signature key, purpose "ceremony"). */
export interface SignedRecord {
  readonly text: string;
  /** base64 */
  readonly signature: string;
}

/** One thing that somebody did or tried in the key office. */
export interface Act {
  /** 1, 2, 3 … */
  readonly sequence: number;
  readonly at: string;
  /** As they named themselves; the office itself where it let a ceremony expire. */
  readonly who: string;
  readonly what: string;
  readonly object: string;
  readonly result: "ok" | "refused";
  /** SHA-256 of what may be told of the office, before and after. */
  readonly before: string;
  readonly after: string;
  readonly why?: string;
  /** Sittings that are still to come. */
  readonly left?: number;
  /** SHA-256 of the act before, hex; zeros before the first. */
  readonly previous: string;
}

/** `text` is the act's JSON; the signature (Ed25519, base64) is the security module's for audits. */
export interface SignedAct {
  readonly text: string;
  readonly signature: string;
}

/** Where no ceremony was held. */
export const noOffice = { acts: 0, last: "0".repeat(64) } as const;

/** A list that two custodians have allowed. */
export interface AllowedList extends ApprovedPolicy {
  readonly sentences: readonly string[];
  readonly ceremony: string;
  readonly since: string;
  /** ISO 8601, when two custodians forbade it again. */
  readonly ended?: string;
}

/** What a keystore keeps besides its keys. */
export interface OfficeBook {
  readonly custodians: readonly Custodian[];
  readonly pending: readonly Pending[];
  readonly records: readonly SignedRecord[];
  /** Absent in older keystores. */
  readonly acts?: readonly SignedAct[];
  /** Absent where none was ever allowed. */
  readonly lists?: readonly AllowedList[];
  /** The number the next ceremony gets. */
  readonly next: number;
}

export const emptyBook: OfficeBook = { custodians: [], pending: [], records: [], next: 1 };

export interface Keep {
  readonly environment: Environment;
  readonly revision: number;
  readonly keys: readonly StoredKey[];
  readonly book: OfficeBook;
}

export type OfficeAsk =
  | { readonly ask: "list" }
  /** What the scheme's authority certifies of this key. */
  | { readonly ask: "request"; readonly name: string }
  | { readonly ask: "begin"; readonly action: KeyAction; readonly by: string; readonly pieceKcv?: string }
  | {
      readonly ask: "confirm";
      readonly number: string;
      readonly by: string;
      readonly pieceKcv?: string;
      /** A key block is waited for. */
      readonly wantsBlock?: boolean;
    }
  | { readonly ask: "cancel"; readonly number: string; readonly by: string }
  /** Two custodians stand for a deed that is no ceremony (witness.ts). */
  | {
      readonly ask: "witness";
      readonly what: string;
      readonly object: string;
      readonly by: string;
      readonly witness: string;
    };

export interface CustodianView {
  readonly name: string;
  readonly since: string;
  readonly locked: boolean;
  readonly triesLeft: number;
  /** First digits of SHA-256 of the public key; absent of those who have not sat since sittings are signed. */
  readonly key?: string;
  /** Pieces of keys they had in hand, in words. */
  readonly holds: readonly string[];
}

export interface CeremonyTold {
  readonly number: string;
  /** Sittings to come. */
  readonly left: number;
  /** What it does, and to which key. */
  readonly what: string;
  /** What else whoever sits here should know. */
  readonly notes?: readonly string[];
}

export interface OfficeAnswer {
  readonly environment: Environment;
  readonly revision: number;
  readonly keys: readonly KeyDescription[];
  readonly custodians: readonly CustodianView[];
  readonly pending: readonly PendingView[];
  readonly records: readonly SignedRecord[];
  readonly lists: readonly AllowedList[];
  /** Ed25519 public key of the records' signatures, SPKI, PEM. */
  readonly signedBy: string;
  /** The ceremony that this call began, went on with or ended. */
  readonly ceremony?: CeremonyTold;
  /** A key block that leaves now; ciphertext. */
  readonly block?: string;
  /** JSON, for the scheme's authority. */
  readonly request?: string;
}
