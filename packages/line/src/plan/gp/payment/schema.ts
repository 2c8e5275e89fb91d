import { CVM, CVM_CONDITION, type CvmRule } from "@persoline/card/emv";
import { z } from "zod";
import { hexBytes, keyName, path, word } from "../../product-schema.js";

/** EMV's names in the words of a YAML file: `encipheredPin` is enciphered-pin. */
const dashed = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** An enumeration of a table's names as people write them. */
function namesOf<T extends string>(table: Readonly<Record<T, number>>) {
  const names = Object.keys(table) as T[];
  const written = names.map(dashed);
  return z
    .enum(written as [string, ...string[]])
    .transform((text) => names[written.indexOf(text)] ?? (text as T));
}

const digits = (count: number, what: string) =>
  z.string().regex(new RegExp(`^[0-9]{${count}}$`), `${what} has ${count} digits, in quotes`);
const amount = z.number().int().min(0).max(0xffffffff).describe("In the currency's smallest unit");
const actionCode = hexBytes(5, 5, "an action code").describe("Bits of the terminal verification results");
const byte = z.number().int().min(0).max(0xff);

const cvmRule = z
  .strictObject({
    method: namesOf<CvmRule["method"]>(CVM),
    when: namesOf<CvmRule["when"]>(CVM_CONDITION).default("always"),
    "or-next": z.boolean().default(false).describe("When it fails, the next rule is tried"),
  })
  .describe("One cardholder verification rule (EMV Book 3, annex C3)");

/** How a cardholder comes to a PIN; the security module alone knows any of them. */
const pin = z.strictObject({
  method: z
    .enum(["drawn", "derived", "issuer", "trivial", "card"])
    .describe(
      "drawn by the security module; derived from the PAN (IBM 3624) under a key for that alone; issuer: enciphered in the input; trivial: the same for all, to be changed; card (drawn by the card itself) is refused here",
    ),
  length: z.number().int().min(4).max(12).default(4),
  tries: z.number().int().min(1).max(15).default(3),
  letter: z.boolean().default(true),
  verification: z
    .enum(["pvv", "offset"])
    .default("pvv")
    .describe(
      "What stripe and chip say of the PIN: a PIN verification value, keys.pvk being for emv-pvk; or its offset (IBM 3624), keys.pvk being for ibm-3624",
    ),
  "key-index": z
    .number()
    .int()
    .min(0)
    .max(6)
    .default(1)
    .describe("Digit of the key (PVKI), before verification value or offset"),
  keys: keyName
    .optional()
    .describe(
      "derived: the key that PINs follow from (use ibm-3624), never the one of PIN verification values",
    ),
  digits: z
    .string()
    .regex(/^[0-9]{4,12}$/, "a PIN has 4 to 12 digits, in quotes")
    .optional()
    .describe("trivial: the PIN"),
  block: z
    .strictObject({
      field: word.describe("Field with the PIN block, hexadecimal"),
      format: z.union([z.literal(0), z.literal(1), z.literal(3), z.literal(4)]).describe("ISO 9564-1"),
      keys: keyName.describe(
        "Key of PIN blocks (use pin-transport) it is enciphered under: triple DES, for format 4 AES",
      ),
    })
    .optional()
    .describe("issuer: where its PIN blocks are"),
});

export const paymentSchema = z
  .strictObject({
    label: z.string().regex(/^[A-Za-z0-9 ]{1,16}$/, "a label has 1 to 16 letters, digits and spaces"),
    language: z.string().regex(/^[a-z]{2}$/, "a language is two small letters (ISO 639-1)"),
    issuer: z
      .string()
      .regex(/^(?:[0-9]{6}|[0-9]{8})$/, "an issuer number has 6 or 8 digits, in quotes")
      .describe("First digits of every PAN (IIN)"),
    country: digits(3, "a country (ISO 3166-1, numeric)"),
    currency: digits(3, "a currency (ISO 4217, numeric)"),
    "currency-exponent": z.number().int().min(0).max(9).default(2),
    "service-code": digits(3, "a service code"),
    proof: z
      .enum(["none", "sda", "dda", "cda"])
      .describe("Offline data authentication (EMV Book 2, 5 and 6)"),
    "icc-key": z
      .number()
      .int()
      .multipleOf(16)
      .min(1024)
      .max(1408)
      .default(1152)
      .describe("Bits of the card's own RSA key, for dda and cda"),
    certificate: path.optional().describe("The issuer's certificate, relative to this file"),
    authority: path.optional().describe("The scheme's public key that made it, relative to this file"),
    cvm: z.array(cvmRule).min(1).max(16).describe("Cardholder verification, in order"),
    "cvm-amounts": z.strictObject({ x: amount.default(0), y: amount.default(0) }).default({ x: 0, y: 0 }),
    actions: z
      .strictObject({ default: actionCode, denial: actionCode, online: actionCode })
      .describe("Issuer action codes (9F0D, 9F0E, 9F0F)"),
    usage: hexBytes(2, 2, "usage control").default("FF00").describe("Application usage control (9F07)"),
    version: hexBytes(2, 2, "an application version").default("0001").describe("9F08"),
    "offline-limits": z
      .strictObject({ lower: byte, upper: byte })
      .describe("Consecutive offline transactions: wants online (9F14), at most (9F23)"),
    pin,
    cryptogram: z.strictObject({
      version: z.union([z.literal(10), z.literal(18)]).describe("Cryptogram version number"),
      "key-index": byte.default(1),
      option: z.enum(["A", "B"]).describe("How cards' keys are derived (EMV Book 2, A1.4)"),
    }),
    keys: z
      .strictObject({
        ac: keyName,
        smi: keyName,
        smc: keyName,
        cvk: keyName,
        pvk: keyName,
        issuer: keyName.optional(),
      })
      .describe(
        "Masters of the security module: cryptograms, scripts' integrity and confidentiality, verification values, certificates",
      ),
    fields: z
      .strictObject({
        pan: word,
        psn: word.optional(),
        expiry: word,
        effective: word,
        name: word,
      })
      .describe(
        "Fields of `person`: PAN, sequence number (01 without it), dates (YYMM or MM/YY), name as it is embossed",
      ),
    stripe: z.boolean().default(true).describe("Tracks 1 and 2 are made for the encoder, encrypted for it"),
    personalized: z
      .enum(["security-domain", "application"])
      .default("security-domain")
      .describe(
        "Through whose channel: the security domain's, or one the application opens itself (EMV CPS)",
      ),
  })
  .describe("It is a payment application (docs/payment-card.md)");

export type PaymentFile = z.output<typeof paymentSchema>;

const bytes = (least: number, most: number, what: string) => hexBytes(least, most, what);

/** Two small files of public data, as a scheme hands them out. */
export const authoritySchema = z.strictObject({
  provider: bytes(5, 5, "a registered application provider (RID)"),
  index: bytes(1, 1, "an index"),
  modulus: bytes(64, 248, "a modulus"),
  exponent: bytes(1, 3, "an exponent"),
});

export const certificateSchema = z.strictObject({
  authority: bytes(1, 1, "an index").describe("Index of the authority's key (8F)"),
  certificate: bytes(64, 248, "a certificate").describe("90"),
  remainder: z
    .union([bytes(1, 247, "a remainder"), z.literal("")])
    .default("")
    .describe("92"),
  exponent: bytes(1, 3, "an exponent").describe("9F32"),
});
