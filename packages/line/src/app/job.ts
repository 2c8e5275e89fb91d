/** Everything an order names, read and checked: product, completion image, layouts, line. Nothing has moved yet. */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { algorithmOf } from "../devices/hsm/ceremony.js";
import type { NewKey } from "../devices/hsm/vault.js";
import { readOrder } from "../orders/order-file.js";
import { DataProblem } from "../orders/problem.js";
import type { ReadYaml, YamlPath } from "../orders/yaml.js";
import type { InputProblem, Order, OrderRecord, Photo } from "../orders/types.js";
import { compile, imageProblems } from "../plan/compile.js";
import {
  compileLayout,
  type EmbossTemplate,
  embossLines,
  type FaceLayout,
  type FieldValues,
  type Fonts,
  type LayoutFields,
  layoutFace,
  parseEmboss,
  parseLayout,
  readFonts,
} from "../plan/layout/index.js";
import { prepare } from "../plan/prepare.js";
import { compileGp } from "../plan/gp/compile.js";
import type { GpProduct } from "../plan/gp/model.js";
import { type AnyProduct, parseAnyProduct, type Product } from "../plan/product.js";
import type { AnyPlanned, EmbossLine, Face, PlannedProduct, PreparedRecord } from "../plan/types.js";
import { type KeyFile, readKeyFile } from "./key-file.js";

/** How a product's cards look; absent parts stay unmarked. */
export interface Drawing {
  readonly fonts: Fonts;
  readonly sides: readonly FaceLayout[];
  readonly emboss: EmbossTemplate | undefined;
}

export interface Job {
  readonly order: Order;
  readonly planned: AnyPlanned;
  readonly drawing: Drawing | undefined;
}

/** Throws DataProblem, LayoutProblem. */
export async function readJob(orderFile: string): Promise<Job> {
  const order = await readOrder(orderFile);
  const { product, planned } = await readAnyProduct(order.product);
  const keys = await readKeyFile(order.keys);
  const wrong = keyProblems(order, product, keys);
  if (wrong.length > 0) throw new DataProblem(wrong);
  return { order, planned, drawing: await readDrawing(product, order.product) };
}

/** Better told now than by the security module when the first card is in the machine. */
function keyProblems(order: Order, product: AnyProduct, { environment, keys }: KeyFile): InputProblem[] {
  const wrong: InputProblem[] = [];
  const tell = (code: string, message: string, remedy: string): void => {
    wrong.push({ file: order.keys, code, message, remedy });
  };
  if (environment !== order.environment) {
    tell(
      "environment",
      `these keys are for ${environment} cards, and the order is for ${order.environment} ones`,
      "name the right key file in the order, or correct its environment",
    );
  }
  const needed = product.kind === "globalplatform" ? gpKeys(product) : osKeys(product);
  for (const key of new Map(needed.map((one) => [`${one.name} ${one.use}`, one])).values()) {
    const { name, use } = key;
    const listed = keys.find((key) => key.name === name);
    if (listed?.use === use) {
      if (key.algorithm !== undefined && key.algorithm !== algorithmOf(listed)) {
        tell(
          "key-algorithm",
          `product ${product.name} needs ${name} to be ${key.algorithm}, and here it is ${algorithmOf(listed)}`,
          "correct the product's algorithm, or give the key the other one",
        );
      }
      continue;
    }
    tell(
      "missing-key",
      `product ${product.name} needs a key ${name} for "${use}", ${listed === undefined ? "which is not in this list" : `and here it is for "${listed.use}"`}`,
      "name the key file that was made for this product, or add the key",
    );
  }
  return wrong;
}

type NeededKey = Pick<NewKey, "name" | "use" | "algorithm">;

const osKeys = ({ completion, channel, dfs }: Product): readonly NeededKey[] => [
  { name: completion.loaderKey, use: "loader" },
  { name: completion.initialKeys, use: "scp03" },
  { name: channel.keys, use: "scp03" },
  ...dfs.flatMap((df) =>
    df.keys === undefined ? [] : [{ name: df.keys.master, use: "application" as const }],
  ),
];

const gpKeys = ({ initial, initialForm, channel, form, applications }: GpProduct): readonly NeededKey[] => [
  { name: initial.keys, use: initial.protocol, algorithm: algorithms[initialForm] },
  { name: channel.keys, use: channel.protocol, algorithm: algorithms[form] },
  ...applications.flatMap(({ keys }) =>
    keys === undefined ? [] : [{ name: keys.master, use: "application" as const }],
  ),
];
const algorithms = {
  "aes-128": "AES-128",
  "aes-192": "AES-192",
  "aes-256": "AES-256",
  "3des": "3DES",
} as const;

/** The product of an order, whichever card it is for, compiled. Throws DataProblem with everything that is wrong with the file. */
export async function readAnyProduct(
  file: string,
): Promise<{ readonly product: AnyProduct; readonly planned: AnyPlanned }> {
  const read = parseAnyProduct(await text(file, "product file"), file);
  if (!read.ok) throw new DataProblem(read.problems);
  const { product, problem } = read;
  if (product.kind === "globalplatform") {
    const loadFiles = new Map<string, Uint8Array>();
    for (const [at, { name, load }] of product.applications.entries()) {
      const path = ["applications", at, "load"];
      if (load !== undefined) loadFiles.set(name, await fileOf(file, load, path, "load file", problem));
    }
    return { product, planned: compileGp(product, loadFiles) };
  }
  const { image: name } = product.completion;
  const image = await fileOf(file, name, ["completion", "image"], "completion image", problem);
  const wrong = imageProblems(product, image, problem);
  if (wrong.length > 0) throw new DataProblem(wrong);
  return { product, planned: compile(product, image) };
}

/** The same for cards of the Persoline OS only: what looks at files of such cards. Throws DataProblem. */
export async function readProduct(
  file: string,
): Promise<{ readonly product: Product; readonly planned: PlannedProduct }> {
  const { product, planned } = await readAnyProduct(file);
  if (product.kind === "persoline-os" && "personal" in planned) return { product, planned };
  throw new DataProblem([
    {
      file,
      code: "other-card",
      message: "this product is for GlobalPlatform cards, which have no files to look at here",
      remedy: "name a product of the Persoline OS",
    },
  ]);
}

async function fileOf(
  product: string,
  relative: string,
  path: YamlPath,
  what: string,
  problem: ReadYaml<unknown>["problem"],
): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(resolve(dirname(product), relative)));
  } catch {
    const remedy = "check the path; it is relative to the product file";
    throw new DataProblem([problem(path, "no-file", `the ${what} cannot be opened`, remedy)]);
  }
}

/** What the line itself offers to templates besides the record's fields. */
const lineFields = ["cardNumber", "order", "record"];

async function readDrawing(product: AnyProduct, productFile: string): Promise<Drawing | undefined> {
  const { visual, columns } = product;
  if (visual === undefined) return undefined;
  const of = (type: "photo" | "text") =>
    columns.filter((column) => (column.type === "photo") === (type === "photo")).map(({ field }) => field);
  const offered: LayoutFields = {
    texts: [...of("text"), ...lineFields],
    photos: of("photo"),
    codes: ["cardNumber"],
  };
  const path = (relative: string): string => resolve(dirname(productFile), relative);
  const fonts = readFonts();
  const side = async (relative: string): Promise<FaceLayout> =>
    compileLayout(parseLayout(await text(path(relative), "layout"), path(relative), offered), fonts);
  const sides = [await side(visual.front), await side(visual.back)];
  const emboss =
    visual.emboss === undefined
      ? undefined
      : parseEmboss(await text(path(visual.emboss), "layout"), path(visual.emboss), offered);
  return { fonts, sides, emboss };
}

async function text(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch {
    throw new DataProblem([
      {
        file,
        code: "no-file",
        message: `the ${what} cannot be opened`,
        remedy: "check the path and the file's permissions",
      },
    ]);
  }
}

/** Both sides and the embossing of one record. Throws LayoutProblem. */
export function draw(
  drawing: Drawing,
  values: FieldValues,
  photos: Readonly<Record<string, Photo>>,
): { readonly faces: readonly Face[]; readonly emboss: readonly EmbossLine[] } {
  return {
    faces: drawing.sides.map((side) => layoutFace(side, values, photos)),
    emboss: drawing.emboss === undefined ? [] : embossLines(drawing.emboss, values),
  };
}

export function prepareRecord({ planned, drawing, order }: Job, record: OrderRecord): PreparedRecord {
  return prepare(planned, record, {
    order: order.order,
    ...(drawing === undefined
      ? {}
      : {
          draw: (values: FieldValues, photos: Readonly<Record<string, Photo>>) =>
            draw(drawing, values, photos),
        }),
  });
}
