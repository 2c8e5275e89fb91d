import type { FramedRecord } from "@persoline/card/issuer-data";
import type { KeyRef, SecurityModule, Serial } from "@persoline/card/program";
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
 * 16 bytes and with longer ones (`scp03-long`), SCP11, DESFire; what issuers' files carry under a transport key; keys on their way into a card; cards that all share the master's own keys.
 */
export const hsmOperations = [
  "loader",
  "scp02",
  "scp03",
  "scp03-long",
  "scp11",
  "desfire",
  "issuer-data",
  "keys-to-card",
  "shared-keys",
  "proof",
  "gate",
  "pin",
  "letter",
  "seal",
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

export interface CapabilityReport {
  readonly provider: string;
  readonly environment: Environment;
  readonly operations: Readonly<Record<HsmOperation, Capability>>;
  /** How many acts of the key office its keys know, and the SHA-256 of the last one's text: whoever cuts the file's end off is found out. */
  readonly office: { readonly acts: number; readonly last: string };
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
    | "file-mac"
    | "key-block"
    | "issuer-signature"
    | "seal"
    | "sign"
    | "letter";
  readonly algorithm: "AES-128" | "AES-192" | "AES-256" | "3DES" | "Ed25519" | "X25519" | "P-256";
  /** Of P-256: the point, 04 ‖ x ‖ y, hexadecimal; to be certified, or an authority's. */
  readonly publicKey?: string;
  /** GlobalPlatform KCV (AES over 16 × 01, 3DES over 8 × 00), six hex digits (P-256: the first three bytes of SHA-256 over the point); of a master it tells nothing of the cards' keys. */
  readonly kcv: string;
  readonly environment: Environment;
  readonly published: boolean;
  /** State, cryptoperiod and origin of a key that came in by a ceremony. */
  readonly life?: KeyLife;
}

/** The security module as the line sees it. It has no "give me the key". Throws DeviceFault ("security-module") when it cannot answer, or not in time. */
/** So many letters may be asked for in one call: they share the disk's syncs, and memory stays flat. */
export const lettersAtOnce = 64;

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

export interface LetterAsk {
  readonly order: string;
  readonly record: number;
  readonly name: string;
  readonly sealed: Uint8Array;
  readonly letter: string;
  readonly addressee: string;
  readonly file: string;
}

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

  /** Draws a PIN for a record; what comes back is sealed for this module (AAD: order, record, name) and safe to store. */
  drawPin(ask: {
    readonly order: string;
    readonly record: number;
    readonly name: string;
    readonly length: number;
  }): Promise<Uint8Array>;
  /**
   * Renders PIN letters and writes each to its `file` itself, encrypted for the letter printer (X25519 + AES-256-GCM); no PIN ever comes
   * back. A letter carries number and reference, no card serial. At most `lettersAtOnce`; all are durable when this resolves. Refused before
   * anything is written when one of the PINs does not belong to its record; a file that is there already is never written over.
   */
  writeLetters(asks: readonly LetterAsk[]): Promise<void>;

  /** Is an issuer's file, known by its digest, of whom it says? Nothing of it may be read before the answer is "right". */
  proveIssuerFile(ask: IssuerFileAsk): Promise<"right" | "wrong">;
  /**
   * Judges the records' MACs and seals their secrets, which stay under the issuer's transport key, for their places in the order. For each
   * record: sealed by "AID/grouping", for `SealedSecrets.issuer`. At most `issuerRecordsAtOnce`; refused whole when one record is wrong.
   */
  takeIssuerRecords(ask: IssuerRecordsAsk): Promise<readonly Readonly<Record<string, Uint8Array>>[]>;

  /** A new data key for an order: sealed (to store) and, while the order is open, clear (to encrypt personal fields). */
  createDataKey(order: string): Promise<Uint8Array>;
  releaseDataKey(ask: { readonly order: string; readonly sealed: Uint8Array }): Promise<Uint8Array>;

  /** Ed25519 over the bytes, for result files and audit heads. */
  sign(purpose: "result" | "audit", bytes: Uint8Array): Promise<Uint8Array>;
  verify(purpose: "result" | "audit", bytes: Uint8Array, signature: Uint8Array): Promise<boolean>;
  random(length: number): Promise<Uint8Array>;
  /** Ends it, also when it hangs. */
  close(): Promise<void>;
}
