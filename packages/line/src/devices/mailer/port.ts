/** What a reader or a camera at the mailer says of one thing: its code, that it has none that can be read, or that nothing lies there. */
export type Read =
  | { readonly seen: "code"; readonly text: string }
  | { readonly seen: "unreadable" }
  | { readonly seen: "nothing" };

/** A carrier and a card at the fixing place, before anything is fixed. */
export interface Sight {
  readonly carrier: Read;
  /** The chip's number, the number on its body, or the card number that a code on it holds. */
  readonly card: Read;
}

/**
 * Takes carriers from a stack and cards from a tray, one of each, shows what it reads and waits: it fixes the card only when it is told to, for what
 * is glued and folded cannot be undone. Throws DeviceFault; when `fix` throws, nobody knows whether it did.
 */
export interface Mailer {
  readonly name: string;
  readonly kind: "real" | "simulated";
  /** What lies at the fixing place since an interruption; undefined: nothing, or nobody can tell. */
  lying(): Promise<Sight | undefined>;
  /** The next carrier and the next card. `due`: which are expected, for a person. "ended": whoever brings them has had enough. */
  present(due: { readonly record: number; readonly carrier: string }): Promise<Sight | "ended">;
  /** Reads once more what lies there. "ended" as above. */
  again(): Promise<Sight | "ended">;
  /** Fixes the card to the carrier: the letter goes on its way. */
  fix(): Promise<void>;
  /** Both go into the mailer's own reject tray, away from letters and from other rejects. What is known of them is for a person. */
  apart(known: { readonly carrier?: string; readonly card?: string }): Promise<void>;
  /** Both go back to where they came from. */
  back(): Promise<void>;
}
