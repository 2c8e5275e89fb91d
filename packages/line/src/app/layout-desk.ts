/** A product's layouts with records to look at: an order's, an input file's, or samples of nobody. */
import { existsSync } from "node:fs";
import { counted } from "../ledger/counted.js";
import { readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { readInput } from "../orders/input.js";
import { readOrder } from "../orders/order-file.js";
import type { OrderInput, OrderRecord } from "../orders/types.js";
import { type LintRecord, sampleRecords } from "../plan/layout/index.js";
import { specimenFields } from "../plan/gp/payment/record.js";
import { valuesOf } from "../plan/prepare.js";
import type { AnyPlanned } from "../plan/types.js";
import { type Drawing, layoutDigest, readAnyProduct, readDrawing } from "./job.js";
import { Refusal } from "./problem.js";

export interface LayoutDesk {
  /** The product's name. */
  readonly name: string;
  readonly planned: AnyPlanned;
  readonly drawing: Drawing;
  /** Digest of the layouts as `layoutDigest` makes it. */
  readonly layout: string;
  /** Where the records come from, in words. */
  readonly from: string;
  readonly count: number;
  records(): AsyncGenerator<LintRecord, void, undefined>;
}

/** A product's folder or file, or an order file. */
async function sourceOf(what: string): Promise<{ readonly product: string; readonly order?: string }> {
  const found = await stat(what).catch(() => undefined);
  if (found === undefined)
    throw new Refusal(
      `${what} is neither a product nor an order: name a product's folder, its product.yaml, or an order file`,
    );
  if (found.isDirectory()) {
    const file = join(what, "product.yaml");
    if (!existsSync(file))
      throw new Refusal(`${what} has no product.yaml: name a product's folder, or an order file`);
    return { product: file };
  }
  let top: unknown;
  try {
    top = parse(await readFile(what, "utf8"));
  } catch {
    // What is wrong with it is told by whoever reads products, with line and column.
    return { product: what };
  }
  return typeof top === "object" && top !== null && "order" in top
    ? { product: "", order: what }
    : { product: what };
}

/** `input`: another input file than the order names; its pictures lie in `photos` beside it, or beside it. Throws DataProblem, LayoutProblem, Refusal. */
export async function layoutDesk(
  what: string,
  options: { readonly input?: string; readonly photos?: string } = {},
): Promise<LayoutDesk> {
  const source = await sourceOf(what);
  const order = source.order === undefined ? undefined : await readOrder(source.order);
  const file = order?.product ?? resolve(source.product);
  const { product, planned } = await readAnyProduct(file);
  const { drawing, files } = await readDrawing(product, file);
  if (drawing === undefined)
    throw new Refusal(
      `product ${product.name} has no layout: its cards stay blank outside (give it visual: with front and back)`,
    );
  const columns = planned.columns;
  const label = order?.order ?? "SAMPLE";
  const record = (one: OrderRecord): LintRecord => ({
    number: one.number,
    values: valuesOf(planned, one, label),
    photos: one.photos,
  });
  const base = { name: product.name, planned, drawing, layout: layoutDigest(files) };
  if (options.input !== undefined || order !== undefined) {
    const input: OrderInput | undefined =
      options.input === undefined ? order?.input : inputOf(options.input, options.photos);
    if (input === undefined) throw new Refusal("there is no input file");
    const read = await readInput(input, columns);
    return {
      ...base,
      from: input.file,
      count: read.count,
      async *records() {
        for await (const one of read.records()) yield record(one);
      },
    };
  }
  const sides = drawing.sides.map(({ template }) => template);
  const alphabets = [...new Set(sides.flatMap((side) => side.alphabets))];
  const signatures = sides.flatMap(({ fields }) =>
    fields.flatMap((field) => (field.kind === "signature" ? [field.photo] : [])),
  );
  const samples = sampleRecords(columns, alphabets, signatures).map((one, nth) => ({
    ...one,
    fields: { ...one.fields, ...("payment" in planned ? specimenFields(planned.payment, nth) : {}) },
  }));
  return {
    ...base,
    from: "sample records",
    count: samples.length,
    async *records() {
      await Promise.resolve();
      for (const one of samples) yield record(one);
    },
  };
}

function inputOf(input: string, photos: string | undefined): OrderInput {
  const file = resolve(input);
  const beside = join(dirname(file), "photos");
  const folder = photos === undefined ? (existsSync(beside) ? beside : undefined) : resolve(photos);
  return { file, ...(folder === undefined ? {} : { photos: folder }) };
}

/** Throws Refusal when there is no such record. */
export async function recordOf(desk: LayoutDesk, number: number): Promise<LintRecord> {
  for await (const record of desk.records()) if (record.number === number) return record;
  throw new Refusal(
    `${desk.from} has ${counted(desk.count, "record")}; there is no record ${String(number)}`,
  );
}
