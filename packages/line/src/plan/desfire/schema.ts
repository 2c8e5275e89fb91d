import { z } from "zod";
import { column, content, hexBytes, keyName, productSchema, template, word } from "../product-schema.js";

/**
 * Product files of DESFire-style cards (`card.os: desfire`): the card's own key and settings, applications with their keys, files with what
 * goes into them. Nothing of it is code.
 */
const input = z
  .array(z.union([z.enum(["uid", "aid", "key"]), hexBytes(1, 31, "a constant")]))
  .min(1)
  .describe(
    "What NXP AN10922 makes a card's key of, in this order: uid (7 bytes), aid (3), key (number, 1), constants in hexadecimal. Without it all cards have the master itself",
  );
const master = { keys: keyName, input: input.optional() };
const version = hexBytes(1, 1, "a key version");
const settings = {
  "master-key-changeable": z.boolean().default(true),
  "free-directory": z.boolean().default(false).describe("Files and settings are listed without a key"),
  "free-create": z.boolean().default(false).describe("Created and deleted without a key"),
  changeable: z.boolean().default(true).describe("These settings may be changed later"),
};

const right = z
  .union([z.number().int().min(0).max(13), z.enum(["free", "never"])])
  .describe("Key number, free (anyone) or never");
const file = {
  name: word,
  file: z.number().int().min(0).max(31).describe("File number"),
  mode: z.enum(["plain", "mac", "full"]).describe("How its data go over the air"),
  rights: z.strictObject({
    read: right,
    write: right,
    "read-write": right.default("never"),
    change: right.default("never"),
  }),
};
const files = z.discriminatedUnion("type", [
  z.strictObject({
    ...file,
    type: z.enum(["standard", "backup"]),
    size: z.number().int().min(1).max(4096),
    content: content.optional(),
  }),
  z.strictObject({
    ...file,
    type: z.literal("value"),
    lower: z.int32().default(0),
    upper: z.int32(),
    value: z.int32().default(0).describe("What it begins with"),
  }),
  z.strictObject({
    ...file,
    type: z.enum(["linear", "cyclic"]),
    record: z.number().int().min(1).max(44).describe("Bytes of a record: it goes in one frame"),
    count: z.number().int().min(1).max(255),
    content: content.optional(),
  }),
]);

const application = z.strictObject({
  name: word,
  aid: hexBytes(3, 3, "an AID"),
  keys: z.strictObject({ ...master, count: z.number().int().min(1).max(14) }),
  settings: z
    .strictObject({
      "change-keys": z
        .union([z.number().int().min(0).max(13), z.enum(["same", "frozen"])])
        .default(0)
        .describe("Key that changes keys; same: each changes itself; frozen: none but the master key"),
      ...settings,
    })
    .prefault({}),
  files: z.array(files).max(32),
});

export const desfireProductSchema = z
  .strictObject({
    product: productSchema.shape.product,
    card: z.strictObject({
      os: z.literal("desfire"),
      atr: hexBytes(2, 33, "an ATR"),
      hardware: hexBytes(7, 7, "the hardware's part of GetVersion"),
      memory: z.number().int().min(256).max(262_144).describe("Free bytes of a fresh card (GetFreeMemory)"),
    }),
    session: z.enum(["ev1", "ev2"]).default("ev2"),
    initial: z
      .strictObject({ ...master, version: version.default("00") })
      .optional()
      .describe("The card's own key as its maker left it; without it the published one, sixteen zeros"),
    generation: version.default("01").describe("Version of all keys that the issuer puts in"),
    picc: z.strictObject({
      ...master,
      settings: z.strictObject(settings).prefault({}),
      "random-uid": z.boolean().default(false).describe("Never taken back"),
      "no-format": z.boolean().default(false).describe("Never taken back"),
    }),
    "card-number": template.default("{order}-{record:5}"),
    applications: z.array(application).min(1).max(16),
    person: z.record(word, column),
    register: productSchema.shape.register,
    gate: z
      .strictObject({
        application: word.describe("The access application, by its name"),
        key: z.number().int().min(1).max(13).describe("Its key for gates; key 0 governs and is none"),
        zones: word.optional().describe("Record file with the holder's rights"),
        holder: word.optional().describe("File of TLV objects with number and validity"),
        number: word
          .optional()
          .describe(
            "File with {cardNumber} that anyone may read: a card that hides its UID is looked up by it",
          ),
      })
      .optional()
      .describe("What a gate uses (docs/desfire-card.md 6); without it these cards open no gates"),
    visual: productSchema.shape.visual,
    carrier: productSchema.shape.carrier,
    security: productSchema.shape.security,
    quality: z.strictObject({ camera: z.array(word).default([]) }).default({ camera: [] }),
  })
  .meta({
    title: "Persoline product for DESFire-style cards",
    description: "Keys, applications, files, contents, layout",
  });

export type DesfireProductFile = z.output<typeof desfireProductSchema>;
export type DesfireFileEntry = DesfireProductFile["applications"][number]["files"][number];
