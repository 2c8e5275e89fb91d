/** A place of the machine that holds one body, or a bin. */
export type Place =
  | { readonly at: "head"; readonly station: string; readonly head: number }
  | { readonly at: "queue"; readonly station: string; readonly slot: number }
  | { readonly at: "tray"; readonly station: string; readonly tray: number; readonly slot: number } // of a tray that goes to another room as a whole
  | { readonly at: "hopper" } // back to the blanks
  | { readonly at: "reject" }
  | { readonly at: "hold" }
  | { readonly at: "apart" } // the mailer's own reject tray: cards whose carrier was not theirs
  | { readonly at: "good"; readonly order: string; readonly slot: number }; // each order has its output; slot = record number: it keeps input order

/** A tray of a station, by its number from 0. */
export interface TrayPlace {
  readonly station: string;
  readonly tray: number;
}

/** In the machine, or in one of its trays. */
export const isInMachine = (at: Place["at"]): at is "head" | "queue" | "tray" =>
  at === "head" || at === "queue" || at === "tray";

/** Bins that can be full. The hopper is emptied by the line itself. */
export const bins = ["reject", "hold", "good"] as const;
export type Bin = (typeof bins)[number];
export const isBin = (at: Place["at"]): at is Bin => bins.some((bin) => bin === at);

/** So many bodies fit into a bin; one that is not named holds any number. */
export type BinSizes = { readonly [bin in Bin]?: number | undefined };

/** What was fed: the number printed on the blank's body, when this transport can read it. */
export interface Fed {
  readonly label: string | undefined;
  /** The chip itself said so, and not the number on a body that anybody may print. */
  readonly byChip?: true;
}

/**
 * Moves bodies. A move either happened or did not; after a kill `occupied` tells which. Throws DeviceFault: "jam", or "bin-full" for a bin
 * that has no room: nothing falls on the floor. No blank is fed unless every bin has room for it and all bodies in the machine: "bin-full"
 * of a feed may be over as soon as one of them has left.
 */
export interface Transport {
  readonly kind: "real" | "simulated";
  /** Milliseconds a move takes (for the planner). */
  readonly moveMs: number;
  /** "ended": whoever brings the cards has had enough; that says nothing about the stock. */
  feed(to: Place): Promise<Fed | "empty" | "ended">;
  /** `again`: the card was there before, and only goes back to where it came from. */
  move(from: Place, to: Place, again?: "again"): Promise<void>;
  /** Takes a tray with all that lies in it to the other room, or back; where it is there already, nothing happens. */
  readonly carry?: (tray: TrayPlace, to: "away" | "here") => Promise<void>;
  /**
   * Every head, queue place and slot of a tray that holds a body now, with the label if it can be read there; a tray's bodies wherever
   * the tray is.
   */
  occupied(): Promise<readonly { readonly place: Place; readonly label: string | undefined }[]>;
}
