import type { SecurityLevels } from "./security.js";

/**
 * Words. An **order** is a customer's request: a product and an input file. A **record** is one person's data in it, known by its number
 * (1 = first row of the input). An EF's record is always "EF record".
 */

/** How one field of a record comes from the input: a column and its rules. The product declares them (`person:`). */
export interface ColumnRule {
  readonly field: string;
  /** Header of the column as it stands in the file. */
  readonly column: string;
  readonly required: boolean;
  /** At most so many characters (grapheme clusters). */
  readonly max?: number;
  /** The cell is a list split at this text; `from`: the values allowed. */
  readonly list?: string;
  readonly from?: readonly string[];
  /** Must be different in every record. */
  readonly unique?: boolean;
  /** "text" (default), "date" (ISO 8601), "photo" (a file name beside the input file, or inside its photo folder). */
  readonly type?: "text" | "date" | "photo";
  /** Regular expression the whole value must match (linear time; checked when the product is read). */
  readonly pattern?: string;
}

/** A picture of the record's person, as read: re-encoded, upright, 8-bit grey or RGB PNG. */
export interface Photo {
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Of the file it was read from, hex; absent once the photo comes from the accounts. */
  readonly sha256?: string;
}

export interface OrderRecord {
  /** 1 = first row of data. */
  readonly number: number;
  /** NFC text, or a list. */
  readonly fields: Readonly<Record<string, string | readonly string[]>>;
  readonly photos: Readonly<Record<string, Photo>>;
  /** Row of the input file, for messages. */
  readonly row: number;
}

/** One thing wrong with an input file. Shows the shape of a value ("12 letters, 1 digit"), never the value itself. */
export interface InputProblem {
  readonly file: string;
  readonly row?: number;
  readonly column?: string;
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

/** Where the records of an order come from; paths are absolute. */
export interface OrderInput {
  /** `.csv`, `.xlsx`, `.json` or `.issuer`. */
  readonly file: string;
  /** XLSX: the sheet's name; without it the file must have one sheet only. */
  readonly sheet?: string;
  /** Folder of the pictures; without it they lie beside the input file. */
  readonly photos?: string;
  /** CSV without a byte order mark; a mark always tells UTF-8 or UTF-16. Default: utf-8. */
  readonly encoding?: "utf-8" | "windows-1251" | "windows-1252";
}

/** An order file (YAML) as read; paths are absolute. */
export interface Order {
  /** The customer's order number: letters, digits, dash; at most 32. */
  readonly order: string;
  readonly customer: string;
  readonly product: string;
  readonly input: OrderInput;
  readonly line: string;
  readonly environment: "test" | "live";
  /** Key file for the `test` environment: the published and the drawn keys of the security module (see docs). */
  readonly keys: string;
  /** How many records the input must have; another count refuses the file. */
  readonly records?: number;
  /** The least protection of keys and secrets that the customer accepts. */
  readonly security?: SecurityLevels;
  /** What test cards' PINs and key pairs follow from; absent: chance. */
  readonly testSeed?: string;
}
