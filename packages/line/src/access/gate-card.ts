/** What a gate must know of the cards it reads; made from their products. */
import type { CommMode } from "@persoline/card/desfire";
import type { DesfireKey, KeyRef } from "@persoline/card/program";

/** Tags of what a holder's TLV objects say. */
export interface HolderTags {
  readonly validUntil?: number;
  readonly reference?: number;
}

interface AnyGateCard {
  /** The product's name: the register says which one a card was made by. */
  readonly product: string;
  /** Expected answer to reset. */
  readonly atr: Uint8Array;
}

/** The Persoline OS: an access application with keys and EFs. */
export interface FileCard extends AnyGateCard {
  readonly kind: "persoline-os";
  readonly aid: Uint8Array;
  readonly keys: KeyRef;
  readonly kid: number;
  /** Linear EF with one right in each EF record, readable after the gate's authentication. */
  readonly zones?: { readonly sfi: number; readonly count: number };
  /** Transparent EF of TLV objects, readable likewise. */
  readonly holder?: HolderTags & { readonly sfi: number; readonly size: number };
}

/** A GlobalPlatform card with the access applet (docs/gp-card.md 7): data groupings behind the same authentication. */
export interface AppletCard extends AnyGateCard {
  readonly kind: "globalplatform";
  readonly aid: Uint8Array;
  readonly keys: KeyRef;
  readonly kid: number;
  /** Grouping with all rights, joined by ", ". */
  readonly zones?: number;
  /** Grouping of TLV objects. */
  readonly holder?: HolderTags & { readonly grouping: number };
}

/** A DESFire-style card: an application, one of its keys, and files that this key reads. */
export interface NativeCard extends AnyGateCard {
  readonly kind: "desfire";
  readonly version: "ev1" | "ev2";
  readonly aid: number;
  readonly keyNumber: number;
  readonly key: DesfireKey;
  /** File with the card number that everybody reads: by it a card is looked up that hides its UID. */
  readonly number?: { readonly file: number; readonly size: number };
  /** Record file with one right in each record. */
  readonly zones?: { readonly file: number; readonly recordSize: number; readonly comm: CommMode };
  /** Data file of TLV objects. `most`: bytes of one reading. */
  readonly holder?: HolderTags & {
    readonly file: number;
    readonly size: number;
    readonly comm: CommMode;
    readonly most: number;
  };
}

export type GateCard = FileCard | AppletCard | NativeCard;
