/** `persoline quality judge` as an operator would run it, on pictures that no part of the line made: previews laid on a dark table. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { pictureOfFace } from "../plan/layout/index.js";
import { layoutDesk, recordOf } from "./layout-desk.js";

vi.setConfig({ testTimeout: 120_000 });

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const products = join(root, "examples/products");
const product = join(products, "warehouse-access");
const folder = mkdtempSync(join(tmpdir(), "persoline-judge-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let pictures = 0;

interface Shown {
  readonly of?: string;
  readonly side?: "front" | "back";
  readonly turned?: number;
  /** Its characters are raised; they are when not said. */
  readonly raised?: boolean;
  /** SVG in millimetres over the card. */
  readonly damage?: string;
}

/** A record's side as its preview shows it, a little turned on a dark table. */
async function onTable(
  record: number,
  { of = product, side = "front", turned = 1.3, damage = "", raised = true }: Shown = {},
): Promise<string> {
  const desk = await layoutDesk(of);
  const { values, photos } = await recordOf(desk, record);
  const { faces, emboss } = desk.drawing.draw(values, photos);
  const face = faces.find((one) => one.side === side);
  const layout = desk.drawing.sides.find(({ template }) => template.side === side);
  if (face === undefined || layout === undefined) throw new Error(`no ${side}`);
  const dpi = 420;
  const picture = await pictureOfFace(face, layout, {
    dpi,
    ...(side === "front" && raised ? { emboss } : {}),
  });
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(Math.round((85.6 / 25.4) * dpi))}" height="${String(Math.round((53.98 / 25.4) * dpi))}" ` +
    `viewBox="0 0 85.6 53.98">${picture}${damage}</svg>`;
  const file = join(folder, `${String(++pictures)}.jpg`);
  const card = await sharp(Buffer.from(svg)).flatten({ background: "#26282b" }).png().toBuffer();
  await sharp(card)
    .rotate(turned, { background: "#26282b" })
    .extend({ top: 100, bottom: 120, left: 90, right: 110, background: "#26282b" })
    .blur(0.7)
    .jpeg({ quality: 92 })
    .toFile(file);
  return file;
}

const judge = (...words: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, "packages/line/bin/persoline.js"), "quality", "judge", ...words],
    { encoding: "utf8" },
  );
  return { status, stdout, stderr };
};

describe("persoline quality judge", () => {
  let right: string;
  beforeAll(async () => {
    right = await onTable(1);
  });

  test("a right card passes, and the overlay shows both sides of it", async () => {
    const overlay = join(folder, "overlay.png");
    const { status, stdout } = judge(right, product, "--overlay", overlay);
    expect([status, stdout]).toEqual([0, expect.stringContaining(": pass (front of record 1")]);
    const { width, height, format } = await sharp(overlay).metadata();
    expect([format, (width ?? 0) > 2000, (height ?? 0) > 638]).toEqual(["png", true, true]);
  });
  test("a card that was never embossed does not, and each line is told", async () => {
    const of = join(products, "office-access");
    const { status, stdout } = judge(await onTable(1, { of, raised: false }), of);
    expect(status).toBe(1);
    expect(stdout.match(/emboss-\w+: missing/g)).toEqual(["emboss-name: missing", "emboss-number: missing"]);
  });
  test.each([
    ["office-access", "front"],
    ["payment", "front"],
    ["warehouse-access", "back"],
  ] as const)("clean print of %s, %s, shows no damage either", async (name, side) => {
    const of = join(products, name);
    const { status, stdout } = judge(await onTable(1, { of, side }), of, "--side", side);
    expect([status, stdout]).toEqual([0, expect.stringContaining(`: pass (${side} of record 1`)]);
  });
  test.each([
    ["scratch", `<path d="M30 35 L44 46" stroke="#333" stroke-width="0.25"/>`],
    ["scratch", `<path d="M62 8 L76 36" stroke="#999" stroke-width="0.3"/>`],
    ["spot", `<circle cx="50" cy="46.5" r="0.5" fill="#444"/>`],
  ])("a %s is seen although nobody knows the dots", async (what, damage) => {
    const { status, stdout } = judge(await onTable(1, { damage }), product);
    expect([status, stdout]).toEqual([1, expect.stringContaining(`card: ${what}`)]);
  });
  test("another record's card does not, and JSON says where", () => {
    const { status, stdout } = judge(right, product, "--record", "2", "--json");
    const told = JSON.parse(stdout) as { verdict: string; findings: { what: string; box: { x: number } }[] };
    expect([status, told.verdict]).toEqual([1, "reject"]);
    expect(told.findings.map(({ what }) => what)).toContain("wrong-glyph");
    expect(told.findings.every(({ box }) => Number.isFinite(box.x))).toBe(true);
  });
  test("what another record's card says is told beside the findings and in the overlay, and changes neither", async () => {
    const words = [right, product, "--record", "2", "--json"];
    const [plain, read] = ["plain.png", "read.png"].map((name) => join(folder, name));
    const without = judge(...words, "--overlay", plain ?? "");
    const { status, stdout, stderr } = judge(...words, "--read", "--overlay", read ?? "");
    const { readings, ...told } = JSON.parse(stdout) as {
      readings: { field: string; reads?: string; confidence?: number }[];
    };
    expect([status, stderr, told]).toEqual([1, without.stderr, JSON.parse(without.stdout)]);
    const { values } = await recordOf(await layoutDesk(product), 1);
    const name = readings.find(({ field }) => field === "name");
    expect(name?.reads).toBe(values.name);
    expect(name?.confidence).toBeGreaterThanOrEqual(80);
    const heights = await Promise.all(
      [plain, read].map(async (file) => (await sharp(file ?? "").metadata()).height ?? 0),
    );
    expect((heights[1] ?? 0) - (heights[0] ?? 0)).toBe(26 * readings.length);
    expect(judge(right, product, "--record", "2", "--read").stdout).toContain(
      `name says “${String(values.name)}” (`,
    );
  });
  test("a card that passes is not read", () => {
    expect(JSON.parse(judge(right, product, "--json", "--read").stdout)).toMatchObject({
      verdict: "pass",
      readings: [],
    });
  });
  test("upside down is told as such", async () => {
    const { stdout } = judge(await onTable(1, { turned: 181 }), product);
    expect(stdout).toContain("upside-down");
  });
  test("what is no picture, and what is not there, is refused in words", () => {
    const none = join(folder, "none.jpg");
    writeFileSync(none, "no picture at all");
    for (const [file, words] of [
      [none, "is no whole picture"],
      [join(folder, "nowhere.jpg"), "cannot be read"],
    ] as const) {
      const { status, stderr } = judge(file, product);
      expect([status, stderr]).toEqual([1, expect.stringContaining(words)]);
    }
  });
});
