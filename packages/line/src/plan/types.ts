/** What a product and a record become: plain data, the same for the same input. */
import type { CardProgram, Serial, Step, SwPattern } from "@persoline/card/program";
import type { ColumnRule } from "../orders/types.js";
import type { PlannedDesfire } from "./desfire/compile.js";
import type { PlannedForeign } from "./foreign/compile.js";
import type { PlannedGp } from "./gp/compile.js";
import type { PinMethod } from "./gp/payment/model.js";
import type { PreparedPayment } from "./gp/payment/record.js";
import type { PersonalPlan } from "./personal.js";
import type { PinOrigin } from "./pin-origin.js";
import type { Face, Said } from "./placed.js";
import type { Product } from "./product-model.js";
import type { Told } from "./told.js";

export type { Box, Face, PlacedField } from "./placed.js";

/** Everything all cards of a product share, compiled once. `Product` (the validated YAML) is defined in product-model.ts. */
export interface CompiledProduct {
  readonly name: string;
  readonly columns: readonly ColumnRule[];
  readonly pins: readonly {
    readonly name: string;
    readonly length: number;
    readonly tries: number;
    readonly letter: boolean;
    /** Of a payment application also derived from the account number. */
    readonly by: PinOrigin | PinMethod;
  }[];
  /** Expected ATR of the blank, and after completion; mask bytes FF = compare. */
  readonly atr: { readonly blank: Uint8Array; readonly completed: Uint8Array };
  /** How a card is asked who it is: chip number unless this says its UID, which a finished card may no longer show. */
  readonly identity?: "uid" | "random-uid";
  readonly test: CardProgram;
  readonly completion: CardProgram;
  readonly initialisation: CardProgram;
  /** Ends a personalized reject for ever, under the issuer's keys; undefined where the card knows no end. */
  readonly termination: CardProgram | undefined;
  /** The same for a card that still has its initial keys. */
  readonly terminationInitial: CardProgram | undefined;
  /** Absent where chips have a number of their own. */
  readonly writtenNumber?: WrittenNumber;
}

/** For a chip without a number: the line writes the stock's into it, and the card says it from then on. */
export interface WrittenNumber {
  /** Beginning of all numbers of such blanks; hexadecimal, capitals. */
  readonly begins: string;
  /** Plain steps that cost nothing; the last one is answered with the number's bytes. */
  readonly ask: readonly Step[];
  /** What a card without a number answers to one of them. */
  readonly absent: SwPattern;
  /** Takes the place of `completion`. */
  readonly numbering: (serial: Serial) => CardProgram;
}

/** What `compile` gives and `prepare` fills in. */
export interface PlannedProduct extends CompiledProduct {
  readonly product: Product;
  readonly termination: CardProgram;
  readonly terminationInitial: CardProgram;
  /** Version of the operating system that the completion image brings. */
  readonly os: { readonly major: number; readonly minor: number };
  /** Its cards' secure sessions hear their own commands only (docs/card-os.md 11). */
  readonly guardsSessions: boolean;
  /** All that personalization and proof share among cards. */
  readonly personal: PersonalPlan;
}

/** A product of any kind of card, compiled. */
export type AnyPlanned = PlannedProduct | PlannedGp | PlannedDesfire | PlannedForeign;

export interface EmbossLine {
  /** Name of the layout's line. */
  readonly field?: string;
  /** Parts of it that come of the record. */
  readonly said?: readonly Said[];
  readonly text: string;
  readonly font: "7B" | "4B";
  readonly x: number;
  readonly yFromBottom: number;
  readonly pitch: number;
}

/** A record prepared for a product: what is personal. */
export interface PreparedRecord {
  readonly number: number;
  readonly personalization: CardProgram;
  /** Proof of the chip, right after personalization and again at the end (a new challenge each time). */
  readonly proof: CardProgram;
  readonly faces: readonly Face[];
  readonly emboss: readonly EmbossLine[];
  /** Of a payment card: what its transaction is judged by. */
  readonly payment?: PreparedPayment;
  /** What the proof does not show of its chip, a sentence each. */
  readonly unproved?: readonly string[];
  /** What record and chip say of whose card it is. */
  readonly told?: Told;
}
