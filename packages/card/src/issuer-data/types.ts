import type { Instructions } from "./instructions.js";

/** How the whole file is proved: AES-CMAC under a shared key, or the issuer's Ed25519 signature. */
export type ProofAlgorithm = "AES-CMAC" | "Ed25519";

/** The first 110 bytes (binary form) or the first line (JSON form). */
export interface Preamble {
  readonly form: "binary" | "json";
  readonly algorithm: ProofAlgorithm;
  /** Name of the key in the security module, and its check value (hexadecimal; empty for Ed25519). */
  readonly key: string;
  readonly kcv: string;
  readonly proof: Uint8Array;
  /** What the proof covers, before the digest of the body. */
  readonly covered: Uint8Array;
  /** Where the body begins. */
  readonly length: number;
}

export interface IssuerHead {
  /** 32 hexadecimal digits, drawn by the issuer. */
  readonly file: string;
  readonly order: string;
  readonly product: string;
  readonly issuer: string;
  readonly environment: "test" | "live";
  /** ISO 8601, UTC. */
  readonly created: string;
  readonly expires: string;
  /** Transport key that secrets are under, by name and check value; the same of the key of the records' MACs. */
  readonly transportKey: string;
  readonly transportKcv: string;
  readonly macKey: string;
  readonly macKcv: string;
  readonly records: number;
}

/** How secrets are under the transport key: AES key wrap with padding (RFC 5649), or triple DES as CPS has it. */
export type TransportMode = "aes-wrap" | "3des-cbc" | "3des-ecb";

export interface IssuerApplication {
  readonly aid: Uint8Array;
  readonly mode: TransportMode;
  /** Security level that the issuer asks for (SECLEV): 00, 01 or 03. */
  readonly level: number;
  readonly instructions: Instructions;
  readonly groupings: readonly {
    readonly id: number;
    /** As it stands in the file: under the transport key when `secret`. A view. */
    readonly value: Uint8Array;
    readonly secret: boolean;
  }[];
}

export interface IssuerRecord {
  /** From 1, in the file's order. */
  readonly number: number;
  /** Column names and values for the record, as a JSON input has them. */
  readonly data: Readonly<Record<string, string | readonly string[]>>;
  readonly applications: readonly IssuerApplication[];
}

/** A record's bytes as its MAC covers them. Views. */
export interface FramedRecord {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly mac: Uint8Array;
}
