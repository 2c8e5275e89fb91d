/** What a card told of itself without being asked for any proof. Plain data: prints as table and as JSON alike. */

/** `told`: answered and read; `refused`: answered with a status word only; `not understood`: answered with something else. */
export interface Fact {
  readonly what: string;
  readonly value: string;
  readonly state: "told" | "refused" | "not understood";
}

/** A file that answered to SELECT. Texts are empty where the card did not say. */
export interface FoundFile {
  readonly path: string;
  /** Four hexadecimal digits; two of a DESFire file's number. */
  readonly fid: string;
  readonly structure: string;
  readonly size: string;
  readonly lifeCycle: string;
}

/** An application that answered to SELECT by name, or that EF.DIR lists. */
export interface FoundApplication {
  /** Hexadecimal. */
  readonly aid: string;
  /** By our table or the card's own label (printable characters only); empty when neither names it. */
  readonly name: string;
  readonly seen: "selected" | "listed" | "selected and listed";
}

export interface Inspection {
  /** In words, a line a fact; problems last. */
  readonly atr: readonly string[];
  readonly facts: readonly Fact[];
  readonly applications: readonly FoundApplication[];
  readonly files: readonly FoundFile[];
  /** What was wanted and did not answer to SELECT, as `DF` or `DF/EF`. */
  readonly missing: readonly string[];
  /** What was not asked for, and why the card was spared it. */
  readonly notAsked?: string;
  /** Why the rest is missing: the card fell silent, or its answers had no end. */
  readonly ended?: string;
}

/** Files of a product to look for beside the standard ones: DFs by name, each with its EFs; without AID those right in the MF. */
export interface WantedFiles {
  readonly name: string;
  readonly aid?: Uint8Array;
  readonly files: readonly { readonly name: string; readonly fid: number }[];
}

export interface InspectOptions {
  /** Answer to reset as received. */
  readonly atr: Uint8Array;
  readonly wanted?: readonly WantedFiles[];
  /** Why no SELECT may ask for an answer: words for people. Cards that are known for it (`silentCards`) are spared without it. */
  readonly silently?: string;
}
