import type { Command } from "../../apdu/index.js";
import type { RsaPublicKey } from "../../crypto/index.js";
import type { CryptogramData, CryptogramVersion, PinDigits } from "../basics.js";

/** What the terminal is and what it is asked for. */
export interface TerminalData {
  /** Applications it knows, in its own order of preference. */
  readonly applications: readonly Uint8Array[];
  /** Ask the payment directory first; else every application by name. */
  readonly directory?: "contact" | "contactless";
  /** ISO 3166 and ISO 4217, three digits each. */
  readonly country: string;
  readonly currency: string;
  /** YYMMDD. */
  readonly date: string;
  /** In minor units. */
  readonly amount: number;
  readonly cashback?: number;
  /** 9C; default 00, purchase. */
  readonly transactionType?: number;
  /** It stands unattended and gives cash. */
  readonly atm?: boolean;
  /** 9F09 for this application, two bytes; absent: any version will do. */
  readonly applicationVersion?: Uint8Array;
  readonly methods: readonly ("plainPin" | "encipheredPin" | "signature" | "none")[];
  /**
   * What the cardholder enters, or whoever enciphers it for a card without showing it; absent: nobody does. One attempt only: a terminal
   * never tries again by itself.
   */
  readonly pin?: PinDigits | EncipherPin;
  /** Offline data authentication it can do. */
  readonly proofs: readonly ("sda" | "dda" | "cda")[];
  /** The certification authority's key of an application provider (5 bytes) and index (8F). */
  readonly authority: (provider: Uint8Array, index: number) => RsaPublicKey | undefined;
  readonly actions: {
    readonly default: Uint8Array;
    readonly denial: Uint8Array;
    readonly online: Uint8Array;
  };
  /** Above it the issuer is asked, in minor units. */
  readonly floorLimit: number;
  /** Absent: the terminal is offline. */
  readonly issuer?: (request: OnlineRequest) => Promise<OnlineAnswer | "unreachable">;
  readonly random: (length: number) => Uint8Array;
}

/**
 * A PIN that this terminal never sees: the value of VERIFY for the card's key and challenge, 7F ‖ format 2 block ‖ challenge ‖ random,
 * raised (EMV Book 2, 7.2). Such a PIN is never sent in plain.
 */
export type EncipherPin = (ask: {
  /** Proved by the card's certificates. */
  readonly key: RsaPublicKey;
  readonly challenge: Uint8Array;
}) => Promise<Uint8Array>;

/** What the issuer, here the security module, judges. */
export interface OnlineRequest {
  readonly pan: string;
  readonly psn: string;
  readonly cryptogram: Uint8Array;
  readonly version: CryptogramVersion;
  readonly data: CryptogramData;
}

export interface OnlineAnswer {
  /** 8A, two characters: "00" approves. */
  readonly responseCode: string;
  /** 91. */
  readonly authentication?: Uint8Array;
  /** 71 and 72: secured commands, before and after the second cryptogram. */
  readonly before?: readonly Command[];
  readonly after?: readonly Command[];
}

/** What one step of a transaction found; texts hold no PAN, PIN, key or cryptogram. */
export interface Evidence {
  readonly step:
    | "application selection"
    | "processing options"
    | "records"
    | "offline data authentication"
    | "restrictions"
    | "cardholder verification"
    | "risk management"
    | "first cryptogram"
    | "online"
    | "issuer authentication"
    | "second cryptogram"
    | "script";
  readonly result: "ok" | "failed" | "not done";
  readonly detail: string;
}

export type CryptogramType = "TC" | "ARQC" | "AAC";

export interface CardCryptogram {
  readonly type: CryptogramType;
  readonly cryptogram: Uint8Array;
  readonly version: CryptogramVersion;
  readonly data: CryptogramData;
}

/** How it ended. `stopped`: the card broke the rules of EMV, and no cryptogram decides. */
export interface TransactionResult {
  readonly outcome:
    | "approved offline"
    | "approved online"
    | "declined offline"
    | "declined online"
    | "stopped";
  readonly evidence: readonly Evidence[];
  /** Card's data by tag, personal ones among them. */
  readonly data: ReadonlyMap<number, Uint8Array>;
  /** Terminal verification results (95), 5 bytes. */
  readonly tvr: Uint8Array;
  /** Transaction status information (9B), 2 bytes. */
  readonly tsi: Uint8Array;
  /** Cardholder verification method results (9F34), 3 bytes; 3F 00 00: none was performed. */
  readonly cvmResults: Uint8Array;
  readonly first?: CardCryptogram;
  readonly second?: CardCryptogram;
}
