/** What a call of the key office has before it, and what it answers. */
import type { Hand, ProofCosts } from "./custodians.js";
import type { OfficeRefusal } from "./refusal.js";
import type { KeyRoom } from "./room.js";
import type { CeremonyTold, Keep } from "./types.js";

/** Where secrets come from and go to: a terminal, or file descriptors. Never an argument, a message or a file of ours. */
export interface Counter {
  /** A passphrase or a piece, unseen. */
  ask(what: "passphrase" | "piece", prompt: string): string;
  /** Hands a piece to the custodian who sits here, and to nobody else. */
  hand(text: string): void;
}

export interface Sat {
  readonly keep: Keep;
  readonly ceremony?: CeremonyTold;
  readonly block?: string;
  /** Thrown after the keep is written: a wrong passphrase counts even if nothing else happens. */
  readonly refused?: OfficeRefusal;
}

export interface Place {
  readonly keep: Keep;
  readonly counter: Counter;
  readonly room: KeyRoom;
  /** ISO 8601. */
  readonly at: string;
  readonly program: string;
  /** For tests: what a new custodian's key costs. */
  readonly costs?: ProofCosts;
}

/** A custodian whose passphrase was right: for this call they sign. */
export interface Signer {
  readonly key: string;
  readonly hand: Hand;
}
