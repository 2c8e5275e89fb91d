import { access, readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { DataProblem } from "./problem.js";
import { securitySchema } from "./security.js";
import type { Order } from "./types.js";
import { strictYaml } from "./yaml.js";
import type { FileProblem } from "./yaml.js";

const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\p{C}\p{Zl}\p{Zp}]+$/u, "control and invisible characters have no place here");

const path = text(1000);

/** The order file. Paths are relative to it. */
const orderSchema = z.strictObject({
  order: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,31}$/, "an order number has 1 to 32 letters, digits and dashes")
    .describe("The customer's order number"),
  customer: text(80).describe("Who ordered the cards"),
  product: path.describe("The product file"),
  input: z
    .strictObject({
      file: path.describe("The records: .csv, .xlsx, .json or .issuer"),
      sheet: text(31).optional().describe("XLSX: the sheet, when the workbook has more than one"),
      photos: path.optional().describe("Folder of the pictures; without it they lie beside the input file"),
      encoding: z
        .enum(["utf-8", "windows-1251", "windows-1252"])
        .optional()
        .describe("CSV without a byte order mark; utf-8 when not named"),
    })
    .describe("Where the records come from"),
  records: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe("How many records there must be; any other number refuses the file"),
  line: path.describe("The line file"),
  environment: z.enum(["test", "live"]).describe("Test and live keys never meet"),
  keys: path.describe("The key file of the security module"),
  security: securitySchema.optional(),
  "test-seed": text(64)
    .optional()
    .describe(
      "Test cards only: drawn PINs, and payment cards' key pairs and certificates, follow from this text, the same each time",
    ),
});

/** Its JSON Schema (draft 2020-12), for editors. */
export const orderJsonSchema = (): unknown => ({
  title: "Persoline order",
  ...z.toJSONSchema(orderSchema, { io: "input" }),
});

const largest = 1 << 20;

/**
 * Reads an order file; all its paths come out absolute, and what they name exists. Only `inputMayBeGone`, for orders that may have been
 * taken in before, lets input file and photo folder be missing. Throws DataProblem.
 */
export async function readOrder(
  file: string,
  { inputMayBeGone = false }: { readonly inputMayBeGone?: boolean } = {},
): Promise<Order> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch {
    const refused = { file, code: "no-file", message: "the order file cannot be opened" };
    throw new DataProblem([{ ...refused, remedy: "check the path and the file's permissions" }]);
  }
  const source = decoded(bytes);
  if (source === undefined) {
    const refused = { file, code: "encoding", message: "the order file is not UTF-8 text of at most 1 MiB" };
    throw new DataProblem([{ ...refused, remedy: "save it as UTF-8" }]);
  }
  const read = strictYaml(orderSchema, source, file);
  if (!read.ok) throw new DataProblem(read.problems);
  const { value } = read;
  const home = dirname(resolve(file));
  const missing: FileProblem[] = [];
  const absolute = async (relative: string, ...at: string[]): Promise<string> => {
    const found = resolve(home, relative);
    const there = await access(found).then(
      () => true,
      () => false,
    );
    if (!there && !(inputMayBeGone && at[0] === "input")) {
      missing.push(
        read.problem(
          at,
          "no-file",
          "there is nothing of this name",
          `${found} does not exist: correct the path`,
        ),
      );
    }
    return found;
  };
  const { sheet, photos, encoding } = value.input;
  const order: Order = {
    order: value.order,
    customer: value.customer.normalize("NFC"),
    product: await absolute(value.product, "product"),
    input: {
      file: await absolute(value.input.file, "input", "file"),
      ...(sheet === undefined ? {} : { sheet }),
      ...(photos === undefined ? {} : { photos: await absolute(photos, "input", "photos") }),
      ...(encoding === undefined ? {} : { encoding }),
    },
    line: await absolute(value.line, "line"),
    environment: value.environment,
    keys: await absolute(value.keys, "keys"),
    ...(value.records === undefined ? {} : { records: value.records }),
    ...(value.security === undefined ? {} : { security: value.security }),
    ...(value["test-seed"] === undefined ? {} : { testSeed: value["test-seed"] }),
  };
  if (order.testSeed !== undefined && order.environment === "live")
    missing.push(
      read.problem(
        ["test-seed"],
        "test-seed",
        "live cards have keys and PINs of chance",
        "remove this line, or make test cards",
      ),
    );
  if (missing.length > 0) throw new DataProblem(missing);
  return order;
}

function decoded(bytes: Uint8Array): string | undefined {
  if (bytes.length > largest) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
