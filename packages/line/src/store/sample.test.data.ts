/** What the tests of this room share: a folder, a stock, an order of made-up people. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Serial } from "@persoline/card/program";
import { onTestFinished } from "vitest";
import { type CardEnd, type CardHistory, judgementOfPictures } from "../ledger/types.js";
import type { Order, OrderRecord } from "../orders/types.js";
import type { ImportAsk } from "./orders.js";
import { openStore, type Store, type StoreOptions } from "./store.js";

/** Gone when the test is. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "persoline-store-"));
  onTestFinished(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

export async function store(options: Partial<StoreOptions> = {}): Promise<Store> {
  const opened = await openStore({ file: join(folder(), "persoline.db"), ...options });
  onTestFinished(() => opened.close());
  return opened;
}

export const serial = (number: number): Serial => `0102030405${String(number).padStart(10, "0")}` as Serial;
export const label = (number: number): string => `B${String(number).padStart(6, "0")}`;

export const blanks = (count: number, from = 1): { serial: Serial; label: string }[] =>
  Array.from({ length: count }, (_, index) => ({ serial: serial(from + index), label: label(from + index) }));

export const order = (number = "A-1"): Order => ({
  order: number,
  customer: "Kunststoffwerk Nord",
  product: "office-access",
  input: { file: "/orders/employees.csv" },
  line: "carousel",
  environment: "test",
  keys: "test-keys.yaml",
});

export const records = (count: number): OrderRecord[] =>
  Array.from({ length: count }, (_, index) => ({
    number: index + 1,
    row: index + 2,
    fields: {
      name: `Zoë O’Canary-${index + 1} Жукова`,
      department: "Extrusion",
      number: `E${index + 1}`,
      premises: ["A1", "DOCK"],
    },
    photos: {
      photo: { png: new TextEncoder().encode(`PNGCANARY${index + 1}`.repeat(20)), width: 120, height: 160 },
    },
  }));

export const key = new Uint8Array(32).fill(7);

export const importAsk = (count: number, number = "A-1"): ImportAsk => ({
  order: order(number),
  inputSha256: createHash("sha256").update(number).digest("hex"),
  records: records(count),
  sealedDataKey: new TextEncoder().encode("sealed by the module"),
  dataKey: key,
  referenceField: "number",
  keyVersion: 48,
});

export const history: CardHistory = {
  times: [
    { station: "test", head: 1, ms: 900 },
    { station: "personalization", head: 2, ms: 5_000 },
  ],
  findings: [{ station: "test", what: "ATR", result: "ok" }],
};

/** Nothing but the look at the pictures is left. */
export const passed: CardHistory = { ...history, left: [judgementOfPictures] };

export const rejected = (personalised = true): CardEnd => ({
  kind: "rejected",
  station: "quality",
  code: "wrong-answer",
  detail: "file 0101 reads other bytes",
  personalised,
  terminated: personalised,
});
