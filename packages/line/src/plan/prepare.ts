import type { InputProblem, OrderRecord, Photo } from "../orders/types.js";
import { ContentProblem, fill, type Values } from "./content.js";
import type { PlannedDesfire } from "./desfire/compile.js";
import { desfirePersonalization, desfireProblems, desfireProof, desfireShown } from "./desfire/prepare.js";
import { foreignProblems, type PlannedForeign } from "./foreign/compile.js";
import { foreignPersonalization, foreignProof, foreignShown } from "./foreign/programs.js";
import type { PlannedGp } from "./gp/compile.js";
import { embossedValues, type PreparedPayment, preparedPayment } from "./gp/payment/record.js";
import { gpPersonalization, type GpProblem, gpProblems } from "./gp/prepare.js";
import { gpProof, gpShown, gpUnproved } from "./gp/proof.js";
import { type Content, contentOf, personalization, proof, shownOf } from "./personal.js";
import { chipSays, paymentTold, recordTold, type ShownContent, type Told } from "./told.js";
import type { AnyPlanned, EmbossLine, Face, PreparedRecord } from "./types.js";
import { pinProblems } from "./pin-origin.js";

export interface PrepareOptions {
  /** The customer's order number, as `{order}` in templates. */
  readonly order: string;
  /** The record's so manieth card; default 1. */
  readonly attempt?: number;
  /** Draws the record's faces (`plan/layout`); without it the card stays blank outside. */
  readonly draw?: (
    values: Values,
    photos: Readonly<Record<string, Photo>>,
  ) => { readonly faces: readonly Face[]; readonly emboss: readonly EmbossLine[] };
}

/** A record's fields, and what the line adds: order, record, cardNumber. */
export function valuesOf(compiled: AnyPlanned, record: OrderRecord, order: string): Values {
  const own = { ...record.fields, order, record: String(record.number) };
  const values = { ...own, cardNumber: fill(compiled.product.cardNumber, own) };
  return "payment" in compiled ? { ...values, ...embossedValues(compiled.payment, values) } : values;
}

/** Turns a record into its programs and faces. Pure. Throws ContentProblem for a record that `recordProblems` would have told about. */
export function prepare(compiled: AnyPlanned, record: OrderRecord, options: PrepareOptions): PreparedRecord {
  const values = valuesOf(compiled, record, options.order);
  const drawn = options.draw?.(values, record.photos) ?? { faces: [], emboss: [] };
  const tell = (shown: readonly ShownContent[]): Told =>
    recordTold(registerOf(compiled), record.fields, chipSays(shown), values);
  if (!("personal" in compiled)) {
    const { attempt } = options;
    const programs = otherPrograms(compiled, values, attempt);
    const told =
      programs.payment === undefined ? tell(otherShown(compiled, values)) : payedTold(programs.payment);
    return { number: record.number, ...programs, ...drawn, told };
  }
  const { product, personal } = compiled;
  const contents = new Map<string, Content>();
  for (const df of personal.dfs) {
    for (const { model, personal: own } of df.files)
      if (own) contents.set(model.name, contentOf(model, values));
  }
  return {
    number: record.number,
    personalization: personalization(product, personal, contents),
    proof: proof(product, personal, contents),
    ...drawn,
    told: tell(
      personal.dfs.flatMap((df) =>
        df.files.flatMap(({ model }) => {
          const own = contents.get(model.name);
          return own === undefined ? [] : shownOf(model.content, own);
        }),
      ),
    ),
  };
}

const registerOf = ({ product }: AnyPlanned) => ("register" in product ? product.register : undefined);

const payedTold = ({ plan, card }: PreparedPayment): Told => paymentTold(plan.fields, card);

type OtherPlanned = PlannedGp | PlannedDesfire | PlannedForeign;

/** A planned product of cards without the Persoline OS says by its product's kind which they are. */
const isGp = (compiled: OtherPlanned): compiled is PlannedGp => compiled.product.kind === "globalplatform";
const isForeign = (compiled: OtherPlanned): compiled is PlannedForeign => compiled.product.kind === "iso7816";

function otherPrograms(
  compiled: OtherPlanned,
  values: Values,
  attempt?: number,
): Pick<PreparedRecord, "personalization" | "proof" | "payment" | "unproved"> {
  if (isGp(compiled)) {
    return {
      personalization: gpPersonalization(compiled, values, attempt),
      proof: gpProof(compiled, values, attempt),
      unproved: gpUnproved(compiled.product, values),
      ...(compiled.payment === undefined
        ? {}
        : { payment: preparedPayment(compiled.payment, values, attempt) }),
    };
  }
  if (isForeign(compiled)) {
    const { product } = compiled;
    return { personalization: foreignPersonalization(product, values), proof: foreignProof(product, values) };
  }
  return { personalization: desfirePersonalization(compiled, values), proof: desfireProof(compiled, values) };
}

function otherShown(compiled: OtherPlanned, values: Values): readonly ShownContent[] {
  if (isGp(compiled)) return gpShown(compiled.product, values);
  return isForeign(compiled)
    ? foreignShown(compiled.product, values)
    : desfireShown(compiled.product, values);
}

function otherProblems(compiled: OtherPlanned, values: Values): readonly GpProblem[] {
  if (isGp(compiled)) return gpProblems(compiled, values);
  return isForeign(compiled) ? foreignProblems(compiled, values) : desfireProblems(compiled, values);
}

/** What of a record does not fit into the card's files, without showing the values. */
export function recordProblems(
  compiled: AnyPlanned,
  record: OrderRecord,
  where: { readonly order: string; readonly file: string },
): InputProblem[] {
  const values = valuesOf(compiled, record, where.order);
  const fault = (columns: readonly string[], message: string, remedy: string): InputProblem => ({
    file: where.file,
    row: record.row,
    column: columns.join(", "),
    code: "does-not-fit",
    message,
    remedy,
  });
  if (!("personal" in compiled)) {
    const remedy = "shorten the value, or change the product's data";
    return otherProblems(compiled, values).map((told) => ({
      ...fault(told.columns, told.message, told.remedy ?? remedy),
      ...(told.code === undefined ? {} : { code: told.code }),
    }));
  }
  const pins = pinProblems(compiled.product, values).map(({ columns, message, remedy, code }) => ({
    ...fault(columns, message, remedy),
    code,
  }));
  const files = compiled.personal.dfs.flatMap((df) =>
    df.files.flatMap((file): InputProblem[] => {
      if (!file.personal) return [];
      try {
        contentOf(file.model, values);
        return [];
      } catch (thrown) {
        if (!(thrown instanceof ContentProblem)) throw thrown;
        return [fault(file.columns, thrown.message, "shorten the value, or give the product a larger file")];
      }
    }),
  );
  return [...pins, ...files];
}
