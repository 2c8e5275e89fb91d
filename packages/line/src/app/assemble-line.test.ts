import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unhex } from "@persoline/card/bytes";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Hsm } from "../devices/hsm/port.js";
import { createKeystore, openVault } from "../devices/hsm/vault.js";
import type { OrderRecord } from "../orders/types.js";
import { compile } from "../plan/compile.js";
import { prepare } from "../plan/prepare.js";
import { parseProduct } from "../plan/product.js";
import type { PlannedProduct } from "../plan/types.js";
import { disagreements } from "../stations/census.js";
import { parseLine } from "../stations/line-file.js";
import type { LineEvent } from "../stations/line-types.js";
import { MemoryAccounts, MemoryJournal } from "../stations/memory.test.data.js";
import { assembleLine, type AssembledLine } from "./assemble-line.js";

const loaderMaster = "C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF";
const order = "2026-117";
const examples = new URL("../../../../examples/products/office-access/", import.meta.url);

let keys: string;
let data: string;
let hsm: Hsm;
let product: PlannedProduct;

beforeAll(async () => {
  keys = mkdtempSync(join(tmpdir(), "persoline-keys-"));
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
  hsm = await openVault({ file: join(keys, "keystore.json"), unlock });
  const file = new URL("product.yaml", examples);
  const read = parseProduct(readFileSync(file, "utf8"), file.pathname);
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  product = compile(read.product, readFileSync(new URL(read.product.completion.image, file)));
});

afterAll(async () => {
  await hsm.close();
  rmSync(keys, { recursive: true });
});

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "persoline-assembled-"));
});
afterEach(() => {
  rmSync(data, { recursive: true });
});

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

const lineText = (mode: string, more: string): string => `
line: test
mode: ${mode}
seed: 7
transport: { kind: simulated-carousel, moveMs: 200 }
stations:
  - { name: electrical-test, heads: 2, reader: simulated }
  - { name: completion, heads: 2, queue: 2, reader: simulated }
  - { name: initialisation, heads: 2, queue: 2, reader: simulated }
  - { name: personalization, heads: 2, queue: 2, reader: simulated }
  - { name: chip-proof, heads: 1, queue: 1, reader: simulated }
  - { name: quality, heads: 1, queue: 1, reader: simulated }
without: [visual]
stock:
${more}
`;

interface Assembled extends AssembledLine {
  readonly accounts: MemoryAccounts;
  readonly journal: MemoryJournal;
  readonly events: LineEvent[];
}

const nobody = (): never => {
  throw new Error("this line marks nothing");
};

/** A line of real virtual cards and the real vault; what outlives it may be handed on from the line before. */
async function assembled(
  text: string,
  records: number,
  before?: Pick<Assembled, "accounts" | "journal">,
): Promise<Assembled> {
  const events: LineEvent[] = [];
  const journal = before?.journal ?? new MemoryJournal();
  const people = Array.from({ length: records }, (_, at) => person(at + 1));
  const file = parseLine(text, "line.yaml");
  let accounts = before?.accounts ?? new MemoryAccounts([], people);
  const make = (): AssembledLine =>
    assembleLine({
      line: file,
      data,
      order,
      environment: "test",
      product,
      hsm,
      accounts,
      journal,
      prepareRecord: ({ record }) => Promise.resolve(prepare(product, record, { order })),
      makeMarks: nobody,
      judgeFaces: nobody,
      keepPicture: nobody,
      loaderMaster: unhex(loaderMaster),
      onEvent: (event) => events.push(event),
    });
  if (before === undefined) {
    const stock = make().deliver();
    accounts = new MemoryAccounts(
      stock.flatMap(({ items }) => items),
      people,
    );
    for (const { number } of people) {
      const sealed = await hsm.drawPin({ order, record: number, name: "pin", length: 6 });
      accounts.pins.set(number, { pin: sealed });
    }
  }
  return { ...make(), accounts, journal, events };
}

const rejectsOf = (events: readonly LineEvent[]): string[] =>
  events.flatMap((event) =>
    event.kind === "rejected" ? [`${event.label} ${event.station} ${event.code}`] : [],
  );
const problemsOf = ({ floor, accounts }: Assembled): readonly string[] =>
  disagreements(
    floor.census(),
    [...accounts.rows.values()].map(({ blank, record }) => ({
      ...blank,
      ...(record === undefined ? {} : { record }),
    })),
  );

describe("a line of virtual cards and the vault", () => {
  test("makes good cards, and throws out each bad blank where its fault shows", async () => {
    const faults = `
  - lot: L2026A
    count: 20
    faults:
      - { blanks: { number: 1 }, fault: { kind: dead } }
      - { blanks: { number: 2 }, fault: { kind: weak-page, page: 300 } }
      - { blanks: { number: 3 }, fault: { kind: rom-fault } }
      - { blanks: { number: 4 }, fault: { kind: bad-seat, times: 1 } }
      - { blanks: { number: 5 }, fault: { kind: wrong-loader-key } }
      - { blanks: { number: 6 }, fault: { kind: wrong-atr, atr: "3B00" } }
      - { blanks: { number: 7 }, fault: { kind: dies-at, ins: "B0", nth: 1 } }
      - { blanks: { number: 8 }, fault: { kind: mute-at, ins: "D6", nth: 3 } }
`;
    const line = await assembled(lineText("ideal", faults), 8);
    const result = await line.run();
    expect(rejectsOf(line.events).sort()).toEqual([
      "L2026A-000001 electrical-test mute",
      "L2026A-000002 electrical-test eeprom-fault",
      "L2026A-000003 electrical-test rom-fault",
      "L2026A-000005 completion card-cryptogram",
      "L2026A-000007 chip-proof mute",
    ]);
    expect(result).toMatchObject({ ended: "complete", counts: { good: 8, rejected: 5, held: 1, remade: 1 } });
    expect(problemsOf(line)).toEqual([]);
    expect(line.journal.notes).toEqual([]);
    line.close();
  });

  test("on virtual time the same seed gives the same events, whatever the vault's real pace", async () => {
    const stock = "  - { lot: L1, count: 8, faults: [{ blanks: 2, fault: { kind: ram-fault } }] }";
    const first = await assembled(lineText("virtual", stock), 5);
    const result = await first.run();
    expect(result).toMatchObject({ ended: "complete", counts: { good: 5 } });
    first.close();
    rmSync(data, { recursive: true });
    const second = await assembled(lineText("virtual", stock), 5);
    expect(await second.run()).toEqual(result);
    expect(second.events).toEqual(first.events);
    second.close();
  });

  test("refuses to make live cards of virtual blanks", () => {
    expect(() =>
      assembleLine({
        line: parseLine(lineText("ideal", "  - { lot: L1, count: 8 }"), "line.yaml"),
        data,
        order,
        environment: "live",
        product,
        hsm,
        accounts: new MemoryAccounts([], 1),
        journal: new MemoryJournal(),
        prepareRecord: nobody,
        makeMarks: nobody,
        judgeFaces: nobody,
        keepPicture: nobody,
        loaderMaster: unhex(loaderMaster),
      }),
    ).toThrow("simulated");
  });
});
