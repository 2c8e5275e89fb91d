import { z } from "zod";
import { securitySchema } from "../orders/security.js";

/**
 * Product files (YAML) as people write them. `schemas/product.schema.json` is generated from here. What a schema cannot say (sizes that
 * do not fit, names that lead nowhere) is checked in product.ts.
 */
export const hexBytes = (least: number, most: number, what: string) =>
  z
    .string()
    .regex(/^(?:[0-9A-Fa-f]{2})+$/, `${what} is written as pairs of hexadecimal digits`)
    .min(2 * least, `${what} has at least ${least} bytes (${2 * least} hexadecimal digits)`)
    .max(2 * most, `${what} has at most ${most} bytes (${2 * most} hexadecimal digits)`);

export const keyName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "a key name has 1 to 32 small letters, digits and dashes")
  .describe("Name of a key in the security module");
export const word = z
  .string()
  .regex(
    /^[a-z][A-Za-z0-9-]{0,31}$/,
    "a name begins with a small letter and has letters, digits and dashes, at most 32",
  );
/** How holders of cards without an account number come to a PIN; whoever has it spreads these into a `pin:` of its own. */
export const pinMethods = {
  method: z
    .enum(["drawn", "card", "trivial", "issuer"])
    .describe(
      "drawn by the security module; card: drawn by the card, which tells it once (Persoline OS from image 2.1 on); trivial: the same for all, to be changed; issuer: enciphered in the input",
    ),
  length: z.number().int().min(4).max(12),
  tries: z.number().int().min(1).max(15),
  letter: z.boolean(),
  digits: z
    .string()
    .regex(/^[0-9]{4,12}$/, "a PIN has 4 to 12 digits, in quotes")
    .optional()
    .describe("trivial: the PIN"),
  block: z
    .strictObject({
      field: word.describe("Field with the PIN block, hexadecimal"),
      keys: keyName.describe("Transport key (triple DES) it is enciphered under"),
    })
    .optional()
    .describe("issuer: where its PIN blocks are, ISO 9564-1 format 1"),
};
export const path = z.string().min(1).max(255).describe("File, relative to this one");
export const version = hexBytes(1, 1, "a key version").describe("Key version number (KVN), 01 to 7F");
const keyId = hexBytes(1, 1, "a key identifier");
const fid = hexBytes(2, 2, "a file identifier").describe(
  "File identifier, four hexadecimal digits in quotes",
);
export const template = z
  .string()
  .max(500)
  .describe(
    "Text with {field} of `person`, {order}, {record}, {record:6} (with leading zeros) or {cardNumber}",
  );

const rule = z
  .string()
  .regex(
    /^(?:always|never|(?:perso|pin|auth\([a-z-]+\))(?: and (?:perso|pin|auth\([a-z-]+\)))*)$/,
    'a rule is always, never, or one or more of perso, pin, auth(gate) joined by "and"',
  )
  .describe(
    "Who may do this once the file is active: always, never, perso (a secure session), pin, auth(gate)",
  );

const access = { read: rule, update: rule, append: rule.optional() };
const ef = { ef: word, fid, sfi: z.number().int().min(1).max(30) };
const records = { record: z.number().int().min(1).max(239), count: z.number().int().min(1).max(254) };

const df = z.strictObject({
  df: hexBytes(5, 16, "an AID").describe("Application identifier (DF name), 5 to 16 bytes"),
  name: word,
  fid: fid.optional(),
  keys: keyName.optional().describe("Master of the application's keys"),
  gate: keyId.default("01").describe("Identifier of the key that gates authenticate with, 01 to 0F"),
  proof: keyId.default("10").describe("Identifier of the key that proves files, 10 to 1F"),
  version: version.default("01"),
});

const file = z.union([
  df,
  z.strictObject({
    ...ef,
    type: z.literal("transparent"),
    size: z.number().int().min(1).max(19136),
    ...access,
  }),
  z.strictObject({
    ...ef,
    type: z.enum(["linear-fixed", "linear-variable", "cyclic"]),
    ...records,
    ...access,
  }),
]);

export const tag = z.string().regex(/^(?:[0-9A-Fa-f]{2}){1,3}$/, "a tag is written in hexadecimal digits");

const filledTo = z
  .number()
  .int()
  .min(1)
  .max(255)
  .optional()
  .describe("Always so many bytes: what is left is filled with FF");

const plainValue = z
  .union([
    template,
    z.strictObject({ text: template, bytes: filledTo }),
    z
      .strictObject({ date: template })
      .describe("An ISO 8601 date as YYMMDD in BCD, 3 bytes (ISO/IEC 7816-6)"),
    z
      .strictObject({ number: template, bytes: z.number().int().min(1).max(6) })
      .describe("Unsigned, most significant byte first"),
    z.strictObject({ digits: template }).describe("Decimal digits in BCD, filled with F"),
    z
      .strictObject({ swapped: template, bytes: filledTo })
      .describe(
        "Decimal digits in BCD, the first of two in the low half of a byte, filled with F (ETSI TS 102 221)",
      ),
    z.strictObject({ hex: hexBytes(1, 255, "a constant") }),
  ])
  .meta({ id: "plain" });

/** Objects within objects. */
export interface ObjectEntry {
  [tag: string]: z.output<typeof plainValue> | ObjectEntry[];
}
const objectEntry: z.ZodType<ObjectEntry> = z
  .lazy(() => z.record(tag, z.union([plainValue, z.array(objectEntry)])))
  .describe("One object: its tag, and its value, or the objects in it")
  .meta({ id: "object" });

export const value = z
  .union([
    plainValue,
    z.strictObject({ parts: z.array(plainValue).min(1) }).describe("Values one behind the other"),
    z
      .strictObject({ objects: z.array(objectEntry).min(1) })
      .describe("BER-TLV objects in the order given, constructed ones with a list of the objects in them"),
  ])
  .describe("What is written: text (UTF-8), or one of the other forms");

export const content = z.union([
  z
    .strictObject({ tlv: z.record(tag, value) })
    .describe(
      "BER-TLV objects, written in ascending order of their tags; an empty value leaves its object out",
    ),
  z.strictObject({ value }).describe("The bytes of one value from the file's beginning"),
  z
    .strictObject({ records: z.union([template, z.array(value).min(1)]) })
    .describe("One EF record each: a list field, or values"),
]);

export const column = z.strictObject({
  column: z.string().min(1).max(100).describe("Header of the column in the input file"),
  required: z.boolean().default(false),
  max: z.number().int().min(1).max(1000).optional().describe("At most so many characters"),
  list: z.string().min(1).max(3).optional().describe("The cell is a list, split at this text"),
  from: z.array(z.string().min(1)).min(1).optional().describe("The only values allowed"),
  unique: z.boolean().optional(),
  type: z.enum(["text", "date", "photo"]).optional(),
  pattern: z.string().max(200).optional().describe("Regular expression that the whole value matches"),
});

export const productSchema = z
  .strictObject({
    product: z
      .string()
      .regex(
        /^[a-z0-9][a-z0-9-]{0,31}$/,
        "a product's name has small letters, digits and dashes, at most 32",
      ),
    card: z.strictObject({
      os: z.literal("persoline-os"),
      protocol: z.literal("T=1"),
      memory: z.literal("32KiB"),
      atr: z.strictObject({
        blank: hexBytes(2, 33, "an ATR"),
        completed: hexBytes(2, 33, "an ATR"),
      }),
      rom: z.strictObject({
        version: z.string().regex(/^\d{1,2}\.\d{1,2}$/, 'a version is written as "1.0"'),
        checksum: hexBytes(4, 4, "a CRC-32"),
      }),
    }),
    completion: z.strictObject({
      image: path,
      key: keyName,
      "initial-keys": keyName,
      "initial-version": version.default("01"),
    }),
    channel: z.strictObject({
      protocol: z.literal("scp03"),
      i: z.literal("70"),
      level: z
        .enum(["03", "13", "33"])
        .describe("Always with command encryption: nothing secret goes into a card without it"),
      keys: keyName,
      version: version.default("30"),
    }),
    "card-number": template.default("{order}-{record:5}"),
    files: z
      .array(file)
      .min(2)
      .describe("DFs, each followed by its EFs; EFs before the first DF belong to the MF"),
    person: z.record(word, column),
    write: z.record(word, content),
    register: z
      .union([
        z.literal("none"),
        z.strictObject({
          name: word.describe("Field with the holder's name"),
          zones: word.describe("List field with the holder's rights at gates"),
          department: word.optional(),
          "valid-from": word.optional().describe("Date field"),
          "valid-until": word.optional().describe("Date field"),
        }),
      ])
      .optional()
      .describe(
        "Which fields go into the access register when an order is delivered; none: these cards open no gates",
      ),
    pin: z.strictObject({ ...pinMethods, df: word.optional() }).optional(),
    visual: z.strictObject({ front: path, back: path, emboss: path.optional() }).optional(),
    carrier: path
      .optional()
      .describe("Template of the letter that a card is fixed to when it is mailed, relative to this file"),
    security: securitySchema.optional(),
    quality: z
      .strictObject({ camera: z.array(word).default([]), chip: z.array(word).min(1) })
      .describe("chip: atr, card-state, key-version, access-key, pin-state, and names of files"),
  })
  .meta({
    title: "Persoline product",
    description: "What a kind of card is: files, keys, contents, layout, checks",
  });

export type ProductFile = z.output<typeof productSchema>;
export type EfEntry = Exclude<ProductFile["files"][number], { df: string }>;
export type DfEntry = Extract<ProductFile["files"][number], { df: string }>;
export const isDf = (entry: ProductFile["files"][number]): entry is DfEntry => "df" in entry;
