/**
 * Products on cards of other makers: an ISO 7816 file system as it comes from its maker, without a secure channel of this project. What such
 * a card does otherwise than the standard says is declared, mood by mood, each with a witness: never found out by trying.
 */
import { unhex } from "@persoline/card/bytes";
import { z } from "zod";
import { type FileProblem, type ReadYaml, strictYaml } from "../../orders/yaml.js";
import type { ColumnRule } from "../../orders/types.js";
import { fieldsOf, plainForms, templateOf, type ValueForm } from "../content.js";
import { columnRule, type ContentModel, contentModel, type Product } from "../product-model.js";
import { column, content, hexBytes, productSchema, template, word } from "../product-schema.js";

const witness = {
  "seen-on": z.string().min(3).max(200).describe("Card, version, where it came from"),
  evidence: z.string().min(3).max(300).describe("What was sent and what came back"),
};

const mood = z.discriminatedUnion("mood", [
  z
    .strictObject({ mood: z.literal("select-without-answer"), ...witness })
    .describe("SELECT must ask for no answer (P2 = 0C)"),
  z
    .strictObject({ mood: z.literal("le-on-updates"), ...witness })
    .describe("Commands that write must carry an Le field though nothing comes back"),
  z
    .strictObject({ mood: z.literal("records-without-size"), ...witness })
    .describe("A file of EF records must be created without its size (object 80)"),
  z
    .strictObject({
      mood: z.literal("tolerated"),
      on: z.enum(["update", "create", "read", "verify"]),
      sw: hexBytes(2, 2, "a status word"),
      ...witness,
    })
    .describe("A warning that means success on this card"),
  z
    .strictObject({
      mood: z.literal("ends"),
      by: z.enum(["terminate-card-usage", "terminate-df"]),
      ...witness,
    })
    .describe(
      "It can be ended (ISO/IEC 7816-9): rejects with somebody's data are; without this mood they stay readable until they are destroyed",
    ),
  z
    .strictObject({ mood: z.literal("data-coding"), byte: hexBytes(1, 1, "a data coding byte"), ...witness })
    .describe("The file descriptor must carry this data coding byte"),
]);

const named = { ef: word, fid: hexBytes(2, 2, "a file identifier"), sfi: z.number().int().min(1).max(30) };
const file = z.discriminatedUnion("type", [
  z.strictObject({ ...named, type: z.literal("transparent"), size: z.number().int().min(1).max(0x7fff) }),
  z.strictObject({
    ...named,
    type: z.literal("linear-variable"),
    record: z.number().int().min(1).max(254),
    count: z.number().int().min(1).max(254),
  }),
]);

export const foreignSchema = z
  .strictObject({
    product: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "a name has small letters, digits and dashes"),
    card: z.strictObject({
      os: z.literal("iso7816"),
      atr: hexBytes(2, 33, "an ATR"),
      "command-data": z
        .number()
        .int()
        .min(16)
        .max(255)
        .default(128)
        .describe("At most so many data bytes in one command"),
      moods: z.array(mood).default([]),
    }),
    number: z
      .strictObject({
        ef: word.describe("A transparent file of 10 bytes or more, which holds nothing else"),
        begins: hexBytes(1, 6, "the beginning of card numbers").describe(
          "Of all numbers of this product's blanks in the stock",
        ),
      })
      .describe("Such a chip has no number of its own: the line writes the stock's into it before all else"),
    "card-number": template.describe("Of the card, from {order} and {record}"),
    files: z.array(file).min(1),
    person: z.record(word, column),
    write: z.record(word, content),
    carrier: productSchema.shape.carrier,
    pin: z
      .strictObject({
        reference: hexBytes(1, 1, "a reference"),
        transport: z.string().regex(/^\d{4,8}$/, "a transport PIN has 4 to 8 digits"),
        length: z.number().int().min(4).max(16).describe("Bytes of the field, filled with 00"),
        "tries-left": z
          .strictObject({ "at-least": z.number().int().min(1).max(15), ...witness })
          .optional()
          .describe(
            "VERIFY without data tells 63CX on this card and costs no try (some cards count it as a wrong PIN): with fewer tries left the PIN is not shown",
          ),
      })
      .optional()
      .describe("The maker's published PIN, shown to be right once, at the very end"),
  })
  .meta({
    title: "Persoline product on a card of another maker",
    description: "Files, contents and moods of an ISO 7816 card that has no secure channel",
  });

export type ForeignFile = z.output<typeof foreignSchema>;
export type Mood = ForeignFile["card"]["moods"][number];
export type ForeignEf = ForeignFile["files"][number];

/** A product file of such cards, and what the line asks of a product of whichever card. */
export interface ForeignProduct
  extends Omit<ForeignFile, "card">,
    Pick<Product, "name" | "atr" | "cardNumber" | "visual" | "quality"> {
  readonly kind: "iso7816";
  /** Gates know files of the Persoline OS, not these. */
  readonly register: "none";
  readonly columns: readonly ColumnRule[];
  readonly card: Omit<ForeignFile["card"], "atr"> & { readonly atr: Uint8Array };
}

/** Bytes of a card's number. */
export const numberLength = 10;

/** The file that holds the card's number. */
export const numberFile = ({ files, number }: Pick<ForeignFile, "files" | "number">): ForeignEf | undefined =>
  files.find(({ ef }) => ef === number.ef);

export type ReadForeign =
  | { readonly ok: true; readonly product: ForeignProduct; readonly problem: ReadYaml<unknown>["problem"] }
  | { readonly ok: false; readonly problems: readonly FileProblem[] };

/** For editors: `schemas/foreign-product.schema.json`. */
export const foreignJsonSchema = (): unknown => z.toJSONSchema(foreignSchema, { io: "input" });

/** Reads a product file: schema and meaning, every problem with its place. Pure: `file` is for messages only. */
export function parseForeign(text: string, file: string): ReadForeign {
  const read = strictYaml(foreignSchema, text, file);
  if (!read.ok) return read;
  const { value } = read;
  const problems: FileProblem[] = [];
  for (const [at, { ef, fid, sfi }] of value.files.entries()) {
    const twice = value.files.findIndex((other) => other.ef === ef || other.fid === fid || other.sfi === sfi);
    if (twice !== at) {
      problems.push(
        read.problem(
          ["files", at],
          "twice",
          `${ef} has a name, identifier or short identifier that is there already`,
          "give each file its own",
        ),
      );
    }
  }
  const holder = numberFile(value);
  if (
    holder?.type !== "transparent" ||
    holder.size < numberLength ||
    value.write[value.number.ef] !== undefined
  ) {
    problems.push(
      read.problem(
        ["number", "ef"],
        "no-place",
        `the card's number needs a transparent file of ${String(numberLength)} bytes or more that holds nothing else`,
        "name such a file, and write nothing into it",
      ),
    );
  }
  const fields = new Set([...Object.keys(value.person), ...lineFields]);
  for (const [name, content] of Object.entries(value.write)) {
    const stranger = fieldsIn(content).find((field) => !fields.has(field));
    if (stranger !== undefined) {
      problems.push(
        read.problem(
          ["write", name],
          "no-field",
          `there is no field ${stranger}`,
          `name a field of person, or ${lineFields.join(", ")}`,
        ),
      );
    }
    const ef = value.files.find((one) => one.ef === name);
    if (ef === undefined) {
      problems.push(
        read.problem(["write", name], "no-file", `there is no file ${name}`, "name one of the files"),
      );
    } else if ("records" in content !== (ef.type !== "transparent")) {
      problems.push(
        read.problem(
          ["write", name],
          "wrong-form",
          `${name} is ${ef.type}`,
          "write records into a record file only",
        ),
      );
    }
  }
  const numberFields = fieldsOf(value["card-number"]).filter((field) => !["order", "record"].includes(field));
  if (numberFields.length > 0) {
    problems.push(
      read.problem(
        ["card-number"],
        "no-field",
        `a card number has no field ${numberFields.join(", ")}`,
        "use {order} and {record}",
      ),
    );
  }
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, product: modelOf(value), problem: read.problem };
}

const lineFields: readonly string[] = ["order", "record", "cardNumber"];

/** The fields that a file is filled from. */
export function fieldsIn(written: ForeignFile["write"][string]): readonly string[] {
  const model = contentModel(written);
  return model.kind === "list"
    ? [model.field]
    : formsOf(model)
        .flatMap(plainForms)
        .flatMap((form) => fieldsOf(templateOf(form) ?? ""));
}

const formsOf = (model: Exclude<ContentModel, { kind: "list" }>): readonly ValueForm[] =>
  model.kind === "tlv"
    ? model.objects.map(([, form]) => form)
    : model.kind === "value"
      ? [model.form]
      : model.forms;

function modelOf(file: ForeignFile): ForeignProduct {
  const atr = unhex(file.card.atr);
  return {
    ...file,
    kind: "iso7816",
    name: file.product,
    // Nothing is completed: the card answers the same all its life.
    atr: { blank: atr, completed: atr },
    cardNumber: file["card-number"],
    register: "none",
    columns: Object.entries(file.person).map(([field, rules]) => columnRule(field, rules)),
    quality: { camera: [], chip: [] },
    card: { ...file.card, atr },
  };
}
