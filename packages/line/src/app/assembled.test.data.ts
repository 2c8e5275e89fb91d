/** A line of real virtual cards and the real vault over accounts and journal in memory: for tests. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unhex } from "@persoline/card/bytes";
import type { Hsm } from "../devices/hsm/port.js";
import { openOrder } from "../devices/hsm/order.test.data.js";
import { createKeystore, openVault } from "../devices/hsm/vault.js";
import type { OrderRecord } from "../orders/types.js";
import type { MarkJob } from "../devices/marker/port.js";
import { markingMs } from "../devices/marker/simulated.js";
import { compile } from "../plan/compile.js";
import { prepare } from "../plan/prepare.js";
import { parseProduct } from "../plan/product.js";
import type { PlannedProduct, PreparedRecord } from "../plan/types.js";
import { capacity, type Capacity } from "../stations/capacity.js";
import { disagreements } from "../stations/census.js";
import { parseLine } from "../stations/line-file.js";
import type { LineEvent, LineResult } from "../stations/line-types.js";
import { MemoryAccounts, MemoryJournal } from "../stations/memory.test.data.js";
import { type AssembledLine, assembleLine } from "./assemble-line.js";
import { forOrder, policyOf } from "./order-policy.js";

const loaderMaster = "C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF";
const order = "2026-117";
const products = new URL("../../../../examples/products/office-access/", import.meta.url);

const person = (number: number): OrderRecord => ({
  number,
  fields: {
    name: `Person Nummer ${String(number)}`,
    department: "Extrusion",
    premises: ["HQ", "DOCK"],
    number: `PP-${String(number).padStart(5, "0")}`,
    photo: "",
    validUntil: "2029-12-31",
  },
  photos: {},
  row: number + 1,
});

/** Stations without marks; `stock` as it stands under `stock:`. */
export const lineText = (mode: string, stock: string): string => `
line: test
mode: ${mode}
seed: 7
transport: { kind: simulated-carousel, moveMs: 200 }
limits: { resumes: 100 }
stations:
  - { name: electrical-test, heads: 2, reader: simulated }
  - { name: completion, heads: 2, queue: 2, reader: simulated }
  - { name: initialisation, heads: 2, queue: 2, reader: simulated }
  - { name: personalization, heads: 2, queue: 2, reader: simulated }
  - { name: chip-proof, heads: 1, queue: 1, reader: simulated }
  - { name: quality, heads: 1, queue: 1, reader: simulated }
without: [visual]
stock:
${stock}
`;

const nobody = (): never => {
  throw new Error("this line marks nothing");
};

/** Keys, and the product they belong to. */
export interface Office {
  readonly hsm: Hsm;
  readonly product: PlannedProduct;
  close(): Promise<void>;
}

/** `changed`: another office product, by the text of its file. */
export async function openOffice(changed: (text: string) => string = (text) => text): Promise<Office> {
  const keys = mkdtempSync(join(tmpdir(), "persoline-keys-"));
  const unlock = { keyFile: join(keys, "vault.key") };
  await createKeystore({
    file: join(keys, "keystore.json"),
    environment: "test",
    unlock,
    keys: [
      { name: "os-loader", use: "loader", published: loaderMaster },
      { name: "fab-2026", use: "scp03" },
      { name: "issuer-2026", use: "scp03" },
      { name: "access-app", use: "application" },
    ],
    letterPrinter: { writePrivateKeyTo: join(keys, "letter-printer.pem") },
  });
  const hsm = await openVault({ file: join(keys, "keystore.json"), unlock });
  const file = new URL("product.yaml", products);
  const read = parseProduct(changed(readFileSync(file, "utf8")), file.pathname);
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  const product = compile(read.product, readFileSync(new URL(read.product.completion.image, file)));
  await openOrder(hsm, order, policyOf(product, prepare(product, person(1), { order })));
  return {
    hsm: forOrder(hsm, order),
    product,
    close: async () => {
      await hsm.close();
      rmSync(keys, { recursive: true });
    },
  };
}

/** What outlives a process: shop floor, accounts, journal. `next` is another process on the same. */
export class Plant {
  readonly data = mkdtempSync(join(tmpdir(), "persoline-plant-"));
  readonly journal = new MemoryJournal();
  accounts = new MemoryAccounts([], 1);
  readonly events: LineEvent[] = [];
  assembled!: AssembledLine;
  readonly #office: Office;
  readonly #text: string;
  readonly #marks: readonly MarkJob[] | undefined;

  private constructor(office: Office, text: string, marks?: readonly MarkJob[]) {
    this.#office = office;
    this.#text = text;
    this.#marks = marks;
  }

  /** `marks`: what every card gets at a visual station; its pictures are not looked at. */
  static async open(
    office: Office,
    text: string,
    records: number,
    marks?: readonly MarkJob[],
  ): Promise<Plant> {
    const plant = new Plant(office, text, marks);
    plant.next();
    const items = plant.assembled.deliver().flatMap((lot) => lot.items);
    const people = Array.from({ length: records }, (_, at) => person(at + 1));
    plant.accounts = new MemoryAccounts(items, people);
    for (const { number } of people) {
      const sealed = await office.hsm.drawPin({ order, record: number, name: "pin", length: 6 });
      plant.accounts.pins.set(number, { pin: sealed });
    }
    plant.next();
    return plant;
  }

  next(environment: "test" | "live" = "test"): void {
    const { hsm, product } = this.#office;
    const marks = this.#marks;
    this.assembled = assembleLine({
      line: parseLine(this.#text, "line.yaml"),
      data: this.data,
      order,
      environment,
      product,
      hsm,
      accounts: this.accounts,
      journal: this.journal,
      prepareRecord: ({ record }) => Promise.resolve(this.prepared(record.number)),
      makeMarks: marks === undefined ? nobody : () => Promise.resolve(marks),
      judgeFaces: nobody,
      keepPicture: nobody,
      loaderMaster: unhex(loaderMaster),
      onEvent: (event) => this.events.push(event),
    });
  }

  prepared(record: number): PreparedRecord {
    const made = prepare(this.#office.product, person(record), { order });
    return this.#marks === undefined ? made : { ...made, faces: [] };
  }

  /** What the planner says of this line. */
  planned(): Capacity {
    const marksMs = (this.#marks ?? []).reduce((sum, mark) => sum + markingMs(mark), 0);
    return capacity({
      product: this.#office.product,
      example: this.prepared(1),
      line: parseLine(this.#text, "line.yaml"),
      marksMs,
      picturesMs: 0,
    });
  }

  run(): Promise<LineResult> {
    return this.assembled.run();
  }

  rejects(): string[] {
    return this.accounts.ends.flatMap(({ label, end }) =>
      end.kind === "rejected" ? [`${label} ${end.station} ${end.code}`] : [],
    );
  }

  /** Differences between accounts and shop floor. */
  disagreements(): readonly string[] {
    const blanks = [...this.accounts.rows.values()].map(({ blank, record }) => ({
      ...blank,
      ...(record === undefined ? {} : { record }),
    }));
    return disagreements(this.assembled.floor.census(), blanks);
  }

  close(): void {
    this.assembled.close();
    rmSync(this.data, { recursive: true });
  }
}
