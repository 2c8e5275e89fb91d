/** Everything an order names, read and checked: product, completion image, layouts, line. Nothing has moved yet. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, relative as within, resolve } from "node:path";
import { nodeCrypto } from "@persoline/card/node";
import { algorithmOf } from "../devices/hsm/ceremony.js";
import type { KeyDescription } from "../devices/hsm/port.js";
import type { NewKey } from "../devices/hsm/vault.js";
import { readOrder } from "../orders/order-file.js";
import { DataProblem } from "../orders/problem.js";
import type { SecurityLevels } from "../orders/security.js";
import type { YamlPath } from "../orders/yaml.js";
import type { InputProblem, Order, OrderRecord } from "../orders/types.js";
import { compile, imageProblems } from "../plan/compile.js";
import {
  compileVisual,
  layoutFieldsOf,
  type LayoutReader,
  readFonts,
  type VisualLayout,
} from "../plan/layout/index.js";
import { prepare } from "../plan/prepare.js";
import { compileDesfire, type PlannedDesfire } from "../plan/desfire/compile.js";
import type { DesfireProduct } from "../plan/desfire/model.js";
import { compileForeign, type PlannedForeign } from "../plan/foreign/compile.js";
import type { ForeignProduct } from "../plan/foreign/product.js";
import { compileGp, type PlannedGp } from "../plan/gp/compile.js";
import type { GpProduct } from "../plan/gp/model.js";
import type { PaymentModel } from "../plan/gp/payment/model.js";
import { embossedFields } from "../plan/gp/payment/record.js";
import { readScheme, type Scheme } from "../plan/gp/payment/scheme.js";
import { type AnyProduct, parseAnyProduct, type Product } from "../plan/product.js";
import type { AnyPlanned, PlannedProduct, PreparedRecord } from "../plan/types.js";
import type { OrderFile } from "../store/order-runs.js";
import { readCarrier } from "./carriers.js";
import { type KeyFile, readKeyFile } from "./key-file.js";
import type { PinOrigin } from "../plan/pin-origin.js";

/** How a product's cards look. */
export type Drawing = VisualLayout;

/** A file as it was when this job was read. */
export interface MadeFrom extends OrderFile {
  readonly file: string;
}

export interface Job {
  /** Where the order was read from; absolute. */
  readonly orderFile: string;
  readonly order: Order;
  /** What its cards are made from, the input file and its photos apart: these are the records'. */
  readonly files: readonly MadeFrom[];
  readonly planned: AnyPlanned;
  readonly drawing: Drawing | undefined;
  /** Digest of its layouts as `layoutDigest` makes it. */
  readonly layout: string;
  /** The keys of its list. */
  readonly keys: readonly Pick<KeyDescription, "name" | "use" | "algorithm">[];
  /** What the product says about how well its keys must be kept. */
  readonly security: SecurityLevels | undefined;
}

/** `inputMayBeGone` as `readOrder` has it. Throws DataProblem, LayoutProblem. */
export async function readJob(
  orderFile: string,
  may: { readonly inputMayBeGone?: boolean } = {},
): Promise<Job> {
  const order = await readOrder(orderFile, may);
  const { product, planned, files } = await readAnyProduct(order.product);
  const keys = await readKeyFile(order.keys);
  const wrong = keyProblems(order, product, keys);
  if (wrong.length > 0) throw new DataProblem(wrong);
  const { drawing, files: layouts } = await readDrawing(product, order.product);
  // Not what cards are made from; but better told now than when they are made.
  await readCarrier(product, order.product);
  const settings = { part: "settings", file: orderFile, sha256: sha256Of(settingsOf(order)) };
  return {
    orderFile: resolve(orderFile),
    order,
    files: [settings, ...files, ...layouts],
    planned,
    drawing,
    layout: layoutDigest(layouts),
    keys: keys.keys.map((key) => ({
      name: key.name as KeyDescription["name"],
      use: key.use,
      algorithm: algorithmOf(key),
    })),
    security: "security" in product ? product.security : undefined,
  };
}

const sha256Of = (content: string | Uint8Array): string => createHash("sha256").update(content).digest("hex");

/** What the order file itself says about the cards. Not the line: that is what makes them; and paths only name what has a digest of its own. */
const settingsOf = ({ customer, environment, records, input, security, testSeed }: Order): string =>
  JSON.stringify([
    customer,
    environment,
    records ?? null,
    input.sheet ?? null,
    input.encoding ?? null,
    ...(security === undefined ? [] : [security]),
    ...(testSeed === undefined ? [] : [{ testSeed }]),
  ]);

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
  const needed = keysOf(product);
  for (const key of new Map(needed.map((one) => [`${one.name} ${one.use}`, one])).values()) {
    const { name, use } = key;
    const listed = keys.find((key) => key.name === name);
    if (listed?.use === use) {
      if (key.algorithms?.includes(algorithmOf(listed)) === false) {
        tell(
          "key-algorithm",
          `product ${product.name} needs ${name} to be ${key.algorithms.join(" or ")}, and here it is ${algorithmOf(listed)}`,
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

interface NeededKey extends Pick<NewKey, "name" | "use"> {
  /** Absent: whichever such a key can have. */
  readonly algorithms?: readonly NonNullable<NewKey["algorithm"]>[];
}

function keysOf(product: AnyProduct): readonly NeededKey[] {
  switch (product.kind) {
    case "globalplatform":
      return gpKeys(product);
    case "desfire":
      return desfireKeys(product);
    // Cards of other makers have no secure channel: of the key list only its environment counts.
    case "iso7816":
      return [];
    case "persoline-os":
      return osKeys(product);
  }
}

const desfireKeys = ({ initial, picc, applications }: DesfireProduct): readonly NeededKey[] =>
  [...(initial === "default" ? [] : [initial]), picc.key, ...applications.map(({ key }) => key)].map(
    ({ keys }) => ({ name: keys, use: "desfire" as const }),
  );

/** Issuers' own PINs come under a key for PIN blocks alone. */
const pinKeys = (pin: { readonly by: PinOrigin } | undefined): readonly NeededKey[] =>
  pin?.by.method === "issuer"
    ? [{ name: pin.by.keys, use: "pin-transport", algorithms: pinAlgorithms(pin.by.format) }]
    : [];

const osKeys = ({ completion, channel, dfs, pin }: Product): readonly NeededKey[] => [
  { name: completion.loaderKey, use: "loader" },
  { name: completion.initialKeys, use: "scp03" },
  { name: channel.keys, use: "scp03" },
  ...dfs.flatMap((df) =>
    df.keys === undefined ? [] : [{ name: df.keys.master, use: "application" as const }],
  ),
  ...pinKeys(pin),
];

const gpKeys = ({
  initial,
  initialForm,
  channel,
  form,
  applications,
  pin,
}: GpProduct): readonly NeededKey[] => [
  ...(initial.protocol === "scp11"
    ? [
        { name: initial.authority, use: "card-authority" as const },
        ...(initial.host === undefined ? [] : [{ name: initial.host.keys, use: "scp11" as const }]),
      ]
    : [{ name: initial.keys, use: initial.protocol, algorithms: [algorithms[initialForm]] }]),
  { name: channel.keys, use: channel.protocol, algorithms: [algorithms[form]] },
  ...applications.flatMap(({ keys, payment }) => [
    ...(keys === undefined ? [] : [{ name: keys.master, use: "application" as const }]),
    ...(payment === undefined ? [] : paymentKeys(payment)),
  ]),
  ...pinKeys(pin),
];
const paymentKeys = ({ masters, pin, profile }: PaymentModel): readonly NeededKey[] => {
  const { ac, smi, smc, cvk, pvk, issuer } = masters;
  return [
    ...Object.entries({ ac, smi, smc, cvk }).map(([use, name]) => ({
      name,
      use: `emv-${use}` as NeededKey["use"],
    })),
    { name: pvk, use: profile.pinVerification.by === "pvv" ? "emv-pvk" : "ibm-3624" },
    ...(issuer === undefined ? [] : [{ name: issuer, use: "emv-issuer" as const }]),
    ...(pin.by.method === "derived" ? [{ name: pin.by.keys, use: "ibm-3624" as const }] : []),
    ...(pin.by.method === "issuer"
      ? [{ name: pin.by.keys, use: "pin-transport" as const, algorithms: pinAlgorithms(pin.by.format) }]
      : []),
  ];
};
/** ISO 9564-1: format 4 is for AES, the others for triple DES. */
const pinAlgorithms = (format: 0 | 1 | 3 | 4) =>
  format === 4 ? (["AES-128", "AES-192", "AES-256"] as const) : (["3DES"] as const);
const algorithms = {
  "aes-128": "AES-128",
  "aes-192": "AES-192",
  "aes-256": "AES-256",
  "3des": "3DES",
} as const;

interface ReadProduct<P, C> {
  readonly product: P;
  readonly planned: C;
  readonly files: readonly MadeFrom[];
}

/** The product of an order, whichever card it is for, compiled. Throws DataProblem with everything that is wrong with the file. */
export async function readAnyProduct(
  file: string,
): Promise<
  | ReadProduct<Product, PlannedProduct>
  | ReadProduct<GpProduct, PlannedGp>
  | ReadProduct<DesfireProduct, PlannedDesfire>
  | ReadProduct<ForeignProduct, PlannedForeign>
> {
  const source = await text(file, "product file");
  const read = parseAnyProduct(source, file);
  if (!read.ok) throw new DataProblem(read.problems);
  const { product, problem } = read;
  const files: MadeFrom[] = [{ part: "product file", file, sha256: sha256Of(source) }];
  const named = async (relative: string, path: YamlPath, part: string): Promise<Uint8Array> => {
    const own = resolve(dirname(file), relative);
    try {
      const bytes = new Uint8Array(await readFile(own));
      files.push({ part, file: own, sha256: sha256Of(bytes) });
      return bytes;
    } catch {
      const remedy = "check the path; it is relative to the product file";
      throw new DataProblem([problem(path, "no-file", `the ${part} cannot be opened`, remedy)]);
    }
  };
  if (product.kind === "desfire") return { product, planned: compileDesfire(product), files };
  if (product.kind === "iso7816") return { product, planned: compileForeign(product), files };
  if (product.kind === "globalplatform") {
    const loadFiles = new Map<string, Uint8Array>();
    for (const [at, { name, load }] of product.applications.entries()) {
      if (load !== undefined)
        loadFiles.set(name, await named(load, ["applications", at, "load"], `load file of ${name}`));
    }
    const scheme = await readSchemeOf(product, named, file);
    return { product, planned: compileGp(product, loadFiles, scheme), files };
  }
  const image = await named(product.completion.image, ["completion", "image"], "completion image");
  const wrong = imageProblems(product, image, problem);
  if (wrong.length > 0) throw new DataProblem(wrong);
  return { product, planned: compile(product, image), files };
}

type ReadNamed = (relative: string, path: YamlPath, part: string) => Promise<Uint8Array>;

/** Public keys of a payment application's issuer and scheme. Throws DataProblem. */
async function readSchemeOf(
  { applications }: GpProduct,
  named: ReadNamed,
  productFile: string,
): Promise<Scheme | undefined> {
  const at = applications.findIndex(({ payment }) => payment !== undefined);
  const payment = applications[at]?.payment;
  if (payment?.certificate === undefined || payment.authority === undefined) return undefined;
  const source = async (relative: string, key: "authority" | "certificate", part: string) => ({
    file: resolve(dirname(productFile), relative),
    text: new TextDecoder().decode(await named(relative, ["applications", at, "payment", key], part)),
  });
  const authority = await source(payment.authority, "authority", "scheme's key");
  const certificate = await source(payment.certificate, "certificate", "issuer's certificate");
  const read = readScheme(nodeCrypto, { authority, certificate }, payment);
  if (!read.ok) throw new DataProblem(read.problems);
  return read.scheme;
}

const isPayment = (product: AnyProduct): boolean =>
  product.kind === "globalplatform" && product.applications.some(({ payment }) => payment !== undefined);

/** Of the layouts and what they extend, SHA-256 in hexadecimal: other layouts, other cards. */
export const layoutDigest = (files: readonly MadeFrom[]): string =>
  sha256Of(
    files
      .map(({ part, sha256 }) => JSON.stringify([part, sha256]))
      .toSorted((a, b) => (a < b ? -1 : 1))
      .join("\n"),
  );

/** A product's layouts with what they extend and their artwork. Throws DataProblem, LayoutProblem. */
export async function readDrawing(
  product: AnyProduct,
  productFile: string,
): Promise<{ readonly drawing: Drawing | undefined; readonly files: readonly MadeFrom[] }> {
  const { visual, columns } = product;
  if (visual === undefined) return { drawing: undefined, files: [] };
  const files: MadeFrom[] = [];
  const layout = async (part: string, relative: string) => {
    const file = resolve(dirname(productFile), relative);
    const source = await text(file, "layout");
    files.push({ part, file, sha256: sha256Of(source) });
    return { file, text: source };
  };
  const home = dirname(productFile);
  const load: LayoutReader = (relative, from) => {
    const file = resolve(dirname(from), relative);
    try {
      const source = readFileSync(file, "utf8");
      if (!files.some((one) => one.file === file))
        files.push({ part: `layout file ${within(home, file)}`, file, sha256: sha256Of(source) });
      return { file, text: source };
    } catch {
      return undefined;
    }
  };
  const { front, back, emboss } = visual;
  const offered = layoutFieldsOf(columns);
  const drawing = compileVisual(
    {
      ...(front === undefined ? {} : { front: await layout("front layout", front) }),
      ...(back === undefined ? {} : { back: await layout("back layout", back) }),
      ...(emboss === undefined ? {} : { emboss: await layout("embossing layout", emboss) }),
    },
    { ...offered, texts: [...offered.texts, ...(isPayment(product) ? embossedFields : [])] },
    readFonts(),
    load,
  );
  return { drawing, files };
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

/** `attempt`: the record's so manieth card. */
export function prepareRecord(
  { planned, drawing, order }: Job,
  record: OrderRecord,
  attempt = 1,
): PreparedRecord {
  return prepare(planned, record, {
    order: order.order,
    attempt,
    ...(drawing === undefined ? {} : { draw: drawing.draw }),
  });
}
