import type {
  Certificate,
  CryptogramVersion,
  CvmList,
  DerivationOption,
  PinVerification,
} from "../basics.js";

/** How a card proves its data offline (EMV Book 2, 5 and 6); each brings what the ones before it bring. */
export type OfflineProof = "none" | "sda" | "dda" | "cda";

/** A payment product: what all its cards have in common. No secret, no personal datum. */
export interface PaymentProfile {
  readonly aid: Uint8Array;
  /** Up to 16 characters (50). */
  readonly label: string;
  /** Two lower-case letters (5F2D). */
  readonly language: string;
  /** First 6 or 8 digits of the PAN. */
  readonly issuer: string;
  /** ISO 3166 and ISO 4217, three digits each (5F28, 9F42). */
  readonly country: string;
  readonly currency: string;
  readonly currencyExponent: number;
  readonly serviceCode: string;
  readonly proof: OfflineProof;
  readonly cvm: CvmList;
  /** 9F0D, 9F0E, 9F0F: bits of the TVR, 5 bytes each. */
  readonly actions: {
    readonly default: Uint8Array;
    readonly denial: Uint8Array;
    readonly online: Uint8Array;
  };
  /** 9F07. */
  readonly usage: Uint8Array;
  /** 9F08. */
  readonly applicationVersion: Uint8Array;
  /** Consecutive offline transactions until it wants online (9F14), and at most without (9F23). */
  readonly offlineLimits: { readonly lower: number; readonly upper: number };
  readonly pinTries: number;
  readonly cryptogram: {
    readonly version: CryptogramVersion;
    readonly keyIndex: number;
    readonly option: DerivationOption;
  };
  readonly pinVerification: PinVerification;
  /** The issuer's certificate by the scheme's key, and how long both moduli are; absent with proof "none". */
  readonly issuerKey?: {
    readonly authorityIndex: number;
    readonly certificate: Certificate;
    readonly modulusBytes: number;
    readonly iccModulusBytes: number;
  };
}

/** One card: personal data, which stay in the order. */
export interface PaymentRecord {
  /** Digits, the last one right. */
  readonly pan: string;
  /** Two digits. */
  readonly psn: string;
  /** YYMM. */
  readonly expiry: string;
  /** YYMM, its first day. */
  readonly effective: string;
  /** `SURNAME/FIRST`, as it is embossed and written on stripe and chip. */
  readonly name: string;
}

/** A value that only the security module can give; its length is known beforehand. */
export type ModulePart =
  /** Keys AC ‖ SMI ‖ SMC of this card, or their check values. */
  | { readonly secret: "emv-keys" | "emv-key-checks"; readonly length: number }
  /** Reference PIN, ISO 9564 format 2. */
  | { readonly secret: "emv-pin"; readonly length: number }
  /** One part of the ICC key; the module draws the pair. */
  | { readonly secret: "emv-icc-key"; readonly part: IccKeyPart; readonly length: number }
  /** Of the certificate for that pair over `staticData` (see `PreparedCard`). */
  | {
      readonly secret: "emv-icc-certificate";
      readonly part: "certificate" | "remainder";
      readonly length: number;
    }
  | { readonly secret: "emv-static-signature"; readonly length: number }
  /** Track 2 equivalent data with PVV or offset, and the chip's own verification value. */
  | { readonly secret: "emv-track2"; readonly length: number };

export type IccKeyPart = "qInverse" | "dq" | "dp" | "q" | "p";

/** One data grouping: bytes that are known, and names of what the security module fills in. */
export interface PreparedDgi {
  readonly id: number;
  readonly parts: readonly (Uint8Array | ModulePart)[];
  /** Goes in under the session's data encryption key: padded as docs/payment-card.md 2 says. */
  readonly encrypted?: "whole-blocks" | "pad-80" | "pad-80-if-needed";
}

/** A card as it leaves data preparation. */
export interface PreparedCard {
  readonly dgis: readonly PreparedDgi[];
  /** What certificates and signatures cover. */
  readonly staticData: Uint8Array;
  /** The stripe comes from the same fields; the verification values are the module's. */
  readonly stripe: {
    readonly name: string;
    readonly pan: string;
    readonly expiry: string;
    readonly serviceCode: string;
  };
}
