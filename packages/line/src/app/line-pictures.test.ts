import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { MarkJob } from "../devices/marker/port.js";
import { parseLine } from "../stations/line-file.js";
import { type Office, openOffice, Plant } from "./assembled.test.data.js";
import { printingOf } from "./line-pictures.js";

let office: Office;
const root = mkdtempSync(join(tmpdir(), "persoline-line-pictures-"));
beforeAll(async () => {
  office = await openOffice();
});
afterAll(async () => {
  await office.close();
  rmSync(root, { recursive: true, force: true });
});

const printed = (): MarkJob => {
  const [width, height] = [1011, 638];
  const side = {
    side: "front",
    dpi: 300,
    width,
    height,
    bleed: 0,
    pixels: new Uint8Array(4 * width * height),
  } as const;
  return { kind: "colour", side: "front", sides: [side] };
};
const text = (folder: string): string => `
line: print
mode: ideal
seed: 7
transport: { kind: simulated-carousel, moveMs: 0 }
stations:
  - { name: chip, does: [electrical-test, completion, initialisation, personalization, chip-proof], heads: 1, reader: simulated }
  - { name: visual, heads: 1, reader: simulated, printer: { folder: ${JSON.stringify(folder)}, bleed: 1, dpi: 600 } }
  - { name: quality, heads: 1, reader: simulated, camera: simulated }
stock:
  - { lot: L1, count: 4 }
`;

test("a line with a printer puts each card into its folder once", async () => {
  const folder = join(root, "printed");
  const plant = await Plant.open(office, text(folder), 3, [printed()]);
  expect(existsSync(folder)).toBe(false);
  expect(await plant.run()).toMatchObject({ ended: "complete", counts: { good: 3, rejected: 0 } });
  const files = readdirSync(folder);
  expect(files).toHaveLength(3);
  for (const file of files) expect(readFileSync(join(folder, file)).subarray(0, 5).toString()).toBe("%PDF-");
  plant.close();
});

test("the line's pictures are made as its printers want them", () => {
  expect(printingOf(parseLine(text("a"), "line.yaml"))).toEqual({ dpi: 600, bleed: 1 });
  expect(
    printingOf(parseLine(text("a").replace(/printer: \{.*?\} /, "engraver: simulated "), "line.yaml")),
  ).toBeUndefined();
});
