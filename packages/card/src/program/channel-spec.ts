/** How a segment's secure session is opened: which protocol, by which keys, and what they come from. Nothing of it is secret: keys are named. */
import type { Brand } from "../bytes/index.js";

/** Name of a key (a master or a set of masters) in the security module, e.g. "issuer-2026". */
export type KeyRef = Brand<string, "KeyRef">;

/** How a card's keys come from their master and its chip number (docs/products.md); "none": all cards have the master's own. */
export type Diversification = "kdf3" | "emv-cps" | "visa2" | "visa" | "none";
/** What the keys of a set are. */
export type KeyForm = "aes-128" | "aes-192" | "aes-256" | "3des";

/** What NXP AN10922 makes a card's key of, in this order: UID (7 bytes), AID (3, as it is written), key number (1), constants. */
export type DesfireInput = readonly ("uid" | "aid" | "key" | Uint8Array)[];
/** An AES-128 key of a DESFire card by its master; without `input` all cards have the master itself. */
export interface DesfireKey {
  readonly keys: KeyRef;
  readonly input?: DesfireInput;
}

/** `kvn` FF is the set a card came with: it is asked for by 00. `isd`: AID of the security domain, default A000000151000000. */
export type SecureChannelSpec =
  | { readonly protocol: "loader"; readonly keys: KeyRef }
  /** `aid` 0 is the card itself; "default": the published key of a fresh card or application, sixteen zeros. */
  | {
      readonly protocol: "desfire";
      readonly version: "ev1" | "ev2";
      readonly aid: number;
      readonly keyNumber: number;
      readonly key: DesfireKey | "default";
      /** A session of a gate: the card proves its UID first, files are only read, and answers that nobody foresees may come in any place. */
      readonly gate?: true;
    }
  | {
      readonly protocol: "scp02";
      readonly keys: KeyRef;
      readonly kvn: number;
      readonly level: 0x01 | 0x03 | 0x11 | 0x13;
      readonly i: 0x15 | 0x35 | 0x55 | 0x75;
      readonly diversify: Exclude<Diversification, "kdf3">;
      readonly isd?: Uint8Array;
    }
  | {
      readonly protocol: "scp03";
      readonly keys: KeyRef;
      readonly kvn: number;
      readonly level: 0x01 | 0x03 | 0x11 | 0x13 | 0x33;
      /** A card that says another one is refused; absent: whatever the card says, in S8 mode. */
      readonly i?: number;
      /** Default KDF3. */
      readonly diversify?: "kdf3" | "none";
      readonly isd?: Uint8Array;
    }
  | Scp11ChannelSpec;

/** SCP11 (GlobalPlatform Amendment F): keys agreed upon by P-256, each side known by its certificate. */
export interface Scp11ChannelSpec {
  readonly protocol: "scp11";
  /** b does not tell the card who the host is: nothing is written in it. */
  readonly variant: "a" | "b" | "c";
  /** Version of the card's key pair; its identifier follows from the variant. */
  readonly kvn: number;
  /** MACs both ways, or MACs and encryption both ways. */
  readonly level: 0x11 | 0x33;
  readonly keyLength: 16 | 24 | 32;
  /** The authority whose public key the cards' certificates are judged by. */
  readonly authority: KeyRef;
  /** What the cards' certificates call it; absent: whatever they do. */
  readonly authorityName?: Uint8Array;
  /** "chip-number": a certificate names its chip by the number that the card itself tells; "any": it names it otherwise, and is not compared. */
  readonly subject: "chip-number" | "any";
  /** For a and c. */
  readonly host?: Scp11HostSpec;
  readonly isd?: Uint8Array;
}

export interface Scp11HostSpec {
  /** The host's private key. */
  readonly keys: KeyRef;
  /** From the certificate that the card's authority signed to that of `keys`, 7F21 each; nothing secret. */
  readonly certificates: readonly Uint8Array[];
  /** Version of the card's key 10 (CA-KLOC), which the first certificate is under. */
  readonly authorityKvn: number;
}

/** Identifiers of the card's key pairs, and of the authority of hosts. */
export const scp11Kids = { a: 0x11, b: 0x13, c: 0x15, authority: 0x10 } as const;
