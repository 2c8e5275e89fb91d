import { z } from "zod";
import {
  column,
  content,
  hexBytes,
  keyName,
  path,
  pinMethods,
  productSchema,
  template,
  value,
  version,
  word,
} from "../product-schema.js";
import { paymentSchema } from "./payment/schema.js";

/**
 * Product files of GlobalPlatform cards (`card.os: globalplatform`): applications that are installed and personalized through the card's
 * security domain. Their keys, channels and data stand in the file; nothing of it is code.
 */
const aid = hexBytes(5, 16, "an AID");
/** Those with command encryption: the security module puts no secret into a card without it. */
const levels = z.enum(["03", "13", "33"]);
const common = {
  keys: keyName,
  isd: aid.optional().describe("AID of the security domain; default A000000151000000"),
};
const scp02 = z.strictObject({
  protocol: z.literal("scp02"),
  i: z
    .enum(["15", "35", "55", "75"])
    .describe("INITIALIZE UPDATE does not tell it: see the card's data sheet"),
  level: levels.exclude(["33"]),
  diversify: z.enum(["emv-cps", "visa2", "visa", "none"]),
  ...common,
});
const scp03 = z.strictObject({
  protocol: z.literal("scp03"),
  i: z.enum(["00", "10", "20", "30", "60", "70", "01", "11", "21", "31", "61", "71"]),
  level: levels,
  diversify: z.enum(["kdf3", "none"]).default("kdf3"),
  algorithm: z.enum(["aes-128", "aes-192", "aes-256"]).default("aes-128"),
  ...common,
});
const scp11 = z.strictObject({
  protocol: z.literal("scp11"),
  variant: z
    .enum(["a", "c"])
    .describe("b is not for products: the card would not know its host, and lets nothing be written"),
  version: version.describe("Version of the card's key pair"),
  level: z.literal("33").default("33").describe("MACs and encryption both ways"),
  algorithm: z
    .enum(["aes-128", "aes-192", "aes-256"])
    .default("aes-128")
    .describe("What the session keys are"),
  authority: z
    .strictObject({
      key: keyName,
      name: hexBytes(1, 16, "an authority's name").optional().describe("What certificates call it (tag 42)"),
    })
    .describe("Whose certificates the cards have: a key of the list for card-authority"),
  subject: z
    .enum(["chip-number", "any"])
    .default("chip-number")
    .describe("any: the cards' certificates name them by something else than the chip number"),
  host: z.strictObject({
    key: keyName,
    certificates: z
      .array(hexBytes(100, 600, "a certificate"))
      .min(1)
      .max(4)
      .describe("From the one that the card's authority signed to the one of the key (7F21)"),
    authority: version.describe("Version of the card's key 10, which the first certificate is under"),
  }),
  "key-information": hexBytes(4, 200, "key information")
    .optional()
    .describe(
      "Entries C0 .. of the key information template (tag E0) where the card tells its keys otherwise",
    ),
  isd: common.isd,
});
const initialVersion = hexBytes(1, 1, "a key version").describe(
  "01 to 7F, or FF: the set that PUT KEY takes away",
);
const initial = z.discriminatedUnion("protocol", [
  scp02.extend({ version: initialVersion.default("FF") }),
  scp03.extend({ version: initialVersion.default("FF") }),
  scp11,
]);
const issuer = z.discriminatedUnion("protocol", [
  scp02.extend({ version: version.default("20") }),
  scp03.extend({ version: version.default("30") }),
]);

const grouping = z
  .string()
  .regex(/^[0-9A-F]{4}$/, "a data grouping is named by four hexadecimal digits (capitals), in quotes");
const kid = z.string().regex(/^[0-9A-F]{2}$/, "a key identifier has two hexadecimal digits, in quotes");

const application = z.strictObject({
  name: word,
  load: path.optional().describe("Load file that brings the package; without it the package is in the card"),
  package: aid,
  module: aid,
  aid,
  privileges: z.array(z.enum(["cardReset", "cardLock", "cardTerminate", "cvmManagement"])).default([]),
  memory: z.number().int().min(16).max(8192).optional().describe("Bytes of its data (tag C8)"),
  parameters: hexBytes(0, 64, "parameters").optional().describe("Application specific parameters (tag C9)"),
  data: z.record(grouping, content).default({}).describe("Data groupings in ascending order, for STORE DATA"),
  read: z
    .array(grouping)
    .default([])
    .describe("Groupings that anyone can read by GET DATA: they are compared"),
  keys: z
    .strictObject({ master: keyName, ids: z.array(kid).min(1) })
    .optional()
    .describe("Groupings 81xx under the data encryption key, each after its check value 90xx"),
  issuer: z
    .record(
      grouping,
      z.strictObject({
        bytes: z.number().int().min(1).max(239).describe("Its length in clear, without padding"),
        secret: z
          .boolean()
          .default(false)
          .describe("It comes under the transport key, and goes in under the session's"),
        pad: z.boolean().default(false).describe("Secret: padded 80 00.. to whole blocks"),
      }),
    )
    .default({})
    .describe(
      "Groupings that come from an issuer's file (docs/issuer-data.md), sent in ascending order unless its instructions say otherwise",
    ),
  payment: paymentSchema.optional(),
  directory: z
    .enum(["contact", "contactless"])
    .optional()
    .describe("It is the directory that names the payment application (PSE, PPSE)"),
});

export const gpProductSchema = z
  .strictObject({
    product: productSchema.shape.product,
    card: z.strictObject({
      os: z.literal("globalplatform"),
      protocol: z.enum(["T=1", "T=0"]).default("T=1"),
      atr: hexBytes(2, 33, "an ATR"),
    }),
    initial: initial.describe("The channel that the card comes with"),
    channel: issuer.describe("The issuer's channel: its keys take the place of the initial ones"),
    "card-number": template.default("{order}-{record:5}"),
    issuer: z
      .strictObject({ identification: value.optional(), "card-image": value.optional() })
      .default({})
      .describe("Issuer identification number (tag 42) and card image number (tag 45)"),
    applications: z.array(application).min(1).max(8),
    person: z.record(word, column),
    register: productSchema.shape.register,
    gate: z
      .strictObject({
        application: word.describe("The access applet, by its name"),
        key: kid.describe("Its key for gates"),
        zones: grouping.optional().describe("Grouping with the holder's rights"),
        holder: grouping.optional().describe("Grouping of TLV objects with number and validity"),
      })
      .optional()
      .describe("What a gate uses (docs/gp-card.md 7); without it these cards open no gates"),
    pin: z
      .strictObject({
        ...pinMethods,
        application: word.describe("The access applet that keeps it, by its name"),
      })
      .optional()
      .describe("A PIN of the access applet (docs/gp-card.md 7)"),
    visual: z
      .strictObject({ front: path.optional(), back: path.optional(), emboss: path.optional() })
      .optional()
      .describe("Both faces, or raised characters only"),
    carrier: productSchema.shape.carrier,
    security: productSchema.shape.security,
    quality: z.strictObject({ camera: z.array(word).default([]) }).default({ camera: [] }),
  })
  .meta({
    title: "Persoline product for GlobalPlatform cards",
    description: "Channels, applications, contents, layout",
  });

export type GpProductFile = z.output<typeof gpProductSchema>;
