/**
 * Words. A **zone** is an area people are inside of or not; zones form a tree. A **gate** leads from one zone into another. A
 * **passage** is a card at a gate, granted or refused. A **stay** is the time between an entry and its exit, as [in, out).
 */
import type { Serial } from "@persoline/card/program";

/** Where people are who are in no zone. */
export const outside = "outside";

export interface Zone {
  readonly name: string;
  /** The zone it lies in. */
  readonly parent?: string;
  /** Rights on the card of which one lets its holder in; none: everybody whose card is good. */
  readonly rights: readonly string[];
  /** At most so many people at a time. */
  readonly limit?: number;
  /** People gather here in an emergency. */
  readonly muster: boolean;
}

/**
 * Anti-passback of a gate. `hard`: refused unless the card's holder is where the gate leads from; `soft`: granted and recorded;
 * `timed`: refused when the same card entered the same zone less than so many minutes ago.
 */
export type Passback =
  | { readonly kind: "off" | "soft" | "hard" }
  | { readonly kind: "timed"; readonly minutes: number };

export interface Gate {
  readonly name: string;
  /** Zone names, or `outside`. */
  readonly from: string;
  readonly to: string;
  readonly passback: Passback;
}

export interface Site {
  readonly name: string;
  /** IANA name; dates on cards and days of reports are local. */
  readonly timeZone: string;
  readonly zones: readonly Zone[];
  readonly gates: readonly Gate[];
  /** Local time (HH:MM) at which, each day, everybody's place is forgotten by anti-passback: the next passage is free and tells it anew. */
  readonly forgive?: string;
}

/** What happened, named after the access events of BACnet (ASHRAE 135). */
export type AccessEvent =
  | "granted"
  | "passback-detected"
  | "denied-unknown-credential"
  | "denied-authentication-unavailable"
  | "denied-incorrect-authentication-factor"
  | "denied-max-attempts"
  | "denied-authentication-factor-error"
  | "denied-credential-disabled"
  | "denied-credential-manual-disable"
  | "denied-credential-not-yet-active"
  | "denied-credential-expired"
  | "denied-zone-no-access-rights"
  | "denied-upper-occupancy-limit"
  | "denied-passback";

/** A holder as the access register knows them. */
export interface Credential {
  readonly serial: Serial;
  readonly reference: string;
  readonly name: string;
  readonly department: string;
  readonly zones: readonly string[];
  /** ISO 8601: a date (the whole local day counts) or a time. */
  readonly validFrom?: string;
  readonly validUntil?: string;
  readonly status: "active" | "blocked" | "withdrawn";
  /** Name of the product that the card was made by. */
  readonly product?: string;
}

/** What a gate asks the access register. */
export interface GateRegister {
  holder(serial: Serial): Promise<Credential | undefined>;
  refused(serial: Serial): Promise<{ readonly reason: string; readonly since: string } | undefined>;
  /** The card with this number that opens gates, else the one that did last. */
  numbered(cardNumber: string): Promise<Serial | undefined>;
}

/** What a card says of itself once the gate has proved itself. */
export interface CardData {
  readonly zones?: readonly string[];
  /** ISO 8601 date. */
  readonly validUntil?: string;
  readonly reference?: string;
}

/** How the mutual authentication ended. `unavailable`: the card has no such application, or is terminated, or was not asked. */
export type KeyProof =
  | { readonly result: "right"; readonly data: CardData }
  | {
      readonly result: "wrong" | "blocked" | "unavailable" | "unreadable";
      readonly detail: string;
    };

/** What came out of the conversation with whatever was presented at a gate. */
export type Reading =
  | { readonly kind: "unreadable"; readonly detail: string; readonly ms: number }
  /** It speaks as our cards do, but who it is cannot be looked up. */
  | { readonly kind: "stranger"; readonly detail: string; readonly ms: number }
  | { readonly kind: "card"; readonly serial: Serial; readonly key: KeyProof; readonly ms: number };

/** A passage as it is recorded. `zone`, `direction`: the zone entered, or the one left for the zone around it. */
export interface Passage {
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly gate: string;
  readonly zone: string;
  readonly direction: "in" | "out";
  readonly serial?: Serial;
  readonly reference?: string;
  readonly decision: "granted" | "refused";
  /** An AccessEvent; absent when nothing is to be said of a granted passage. */
  readonly reason?: string;
  readonly detail?: string;
}
