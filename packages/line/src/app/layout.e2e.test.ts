import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { idealLine, persoline, root, smallOrder } from "./command.test.data.js";

let folder: string;
let product: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-layout-"));
  cpSync(join(root, "examples/products"), join(folder, "products"), { recursive: true });
  product = join(folder, "products/resident-card");
});
afterAll(() => rmSync(folder, { recursive: true }));

const example = (name: string): string => join(root, "examples", name);

describe("layout lint", () => {
  test.each([
    "office-access/order.yaml",
    "warehouse-access/order.yaml",
    "products/resident-card",
    "payment/order.yaml",
  ])("%s is ready for production", (name) => {
    const { code, out } = persoline(["layout", "lint", example(name), "--strict", "--json"]);
    const told = JSON.parse(out) as {
      readonly errors: number;
      readonly records: number;
      readonly findings: unknown[];
    };
    expect(told.findings).toEqual([]);
    expect(told.records).toBeGreaterThan(5);
    expect(code).toBe(0);
  });
  test("an error ends with 1, is told with file and line, and the inherited file is named", () => {
    const base = join(product, "layout/base.yaml");
    const sound = readFileSync(base, "utf8");
    writeFileSync(base, sound.replace("[14.2, 2.0, 42.0, 6.0]", "[44.2, 2.0, 42.0, 6.0]"));
    const { code, out, err } = persoline(["layout", "lint", product]);
    writeFileSync(base, sound);
    expect(code).toBe(1);
    expect(out).toMatch(/layout\/base\.yaml:9:5 error \[off-card\] city: its box .* leaves the card/);
    expect(err).toContain("not ready for production");
  });
  test("what a line's machines cannot reach is told by the linter, and refused before a card moves", () => {
    const own = join(folder, "reach");
    mkdirSync(own);
    const office = join(folder, "products/office-access");
    const file = join(office, "layout/emboss.yaml");
    const sound = readFileSync(file, "utf8");
    const carousel = example("lines/carousel.yaml");
    expect(persoline(["layout", "lint", office, "--line", carousel]).code).toBe(0);
    writeFileSync(file, sound.replace("yFromBottom: 3.9", "yFromBottom: 3.1"));
    const { code, out } = persoline(["layout", "lint", office, "--line", carousel]);
    expect([code, out]).toEqual([
      1,
      expect.stringMatching(
        /emboss\.yaml:7:\d+ error \[machine\] emboss-number: 3\.10 mm .* the embosser of visual/,
      ),
    ]);
    const order = smallOrder(own, 3);
    writeFileSync(
      order,
      readFileSync(order, "utf8").replace(join(root, "examples/products"), join(folder, "products")),
    );
    const run = persoline([
      "run",
      order,
      "--line",
      idealLine(own, "carousel"),
      "--data",
      join(own, "data"),
      "--json",
    ]);
    // Lines that would be struck onto one another, which the embosser alone used to refuse, card by card.
    writeFileSync(file, sound.replace("yFromBottom: 7.2", "yFromBottom: 4.4"));
    const onto = persoline(["layout", "lint", office]);
    const both = persoline(["run", order, "--line", idealLine(own, "carousel"), "--data", join(own, "data")]);
    writeFileSync(file, sound);
    expect([onto.code, onto.out]).toEqual([
      1,
      expect.stringMatching(
        /emboss\.yaml:6:\d+ error \[emboss-overlap\] emboss-name and emboss-number: their characters would be struck onto one another \(0\.50 mm/,
      ),
    ]);
    expect([both.code, both.err]).toEqual([
      1,
      expect.stringMatching(/employees\.csv:2 "field "emboss-name" of the card".*struck onto one another/),
    ]);
    expect(run.code).toBe(1);
    expect(run.out).toContain("out-of-reach");
    expect(run.err).toMatch(
      /employees\.csv:2 "field "emboss-number" of the card".*beyond the way of the embosser/,
    );
    expect(existsSync(join(own, "data/shop-floor"))).toBe(false);
  });
  test("a product without a layout, and what is no product", () => {
    expect(persoline(["layout", "lint", example("products/pkcs15")]).err).toContain("has no layout");
    expect(persoline(["layout", "lint", join(folder, "nothing")]).err).toContain(
      "neither a product nor an order",
    );
    expect(persoline(["layout", "lint", folder]).err).toContain("has no product.yaml");
  });
});

describe("layout preview", () => {
  test("draws a record of an order for its owner's eyes only", async () => {
    const out = join(folder, "card.png");
    const { code, out: told } = persoline([
      "layout",
      "preview",
      example("office-access/order.yaml"),
      "--record",
      "3",
      "--out",
      out,
      "--json",
    ]);
    expect(code).toBe(0);
    const { sides } = JSON.parse(told) as {
      readonly sides: readonly {
        readonly side: string;
        readonly fields: readonly { readonly name: string }[];
      }[];
    };
    expect(sides.map(({ side }) => side)).toEqual(["front", "back"]);
    expect(sides[0]?.fields.map(({ name }) => name)).toContain("name");
    // Nothing of the person but the picture.
    expect(told).not.toMatch(/Wi.niewski/u);
    expect(statSync(out).mode & 0o077).toBe(0);
    expect((await sharp(out).metadata()).width).toBe(2223);
  });
  test("a payment card's sample is nobody's; a card that is only embossed has a bare front", async () => {
    const payment = join(folder, "products/payment");
    const out = join(folder, "payment.png");
    const preview = () => persoline(["layout", "preview", payment, "--record", "2", "--out", out]);
    expect(preview().out).toContain("front and back of record 2");
    const both = (await sharp(out).metadata()).width ?? 0;
    const file = join(payment, "product.yaml");
    const sound = readFileSync(file, "utf8");
    writeFileSync(file, sound.replace(/^visual: .*$/m, "visual: { emboss: layout/emboss.yaml }"));
    expect(preview().out).toContain("front of record 2");
    const dots = () => sharp(out).greyscale().raw().toBuffer({ resolveWithObject: true });
    const { data: raised, info } = await dots();
    expect(info.width).toBeLessThan(both);
    // Without its raised characters nothing but the bare card is left.
    expect(
      persoline(["layout", "preview", payment, "--layers", "laser", "--no-caption", "--out", out]).code,
    ).toBe(0);
    writeFileSync(file, sound);
    const { data: bare } = await dots();
    let other = 0;
    for (let i = 0; i < 700 * info.width; i++) if (Math.abs((raised[i] ?? 0) - (bare[i] ?? 0)) > 25) other++;
    expect(other).toBeGreaterThan(5_000);
  });
  test("one side, some layers, as SVG and PDF", () => {
    const [svg, pdf] = [join(folder, "card.svg"), join(folder, "card.pdf")];
    expect(
      persoline(["layout", "preview", product, "--side", "back", "--layers", "code,stripe", "--out", svg])
        .code,
    ).toBe(0);
    expect(readFileSync(svg, "utf8")).toContain('<g id="back-code">');
    expect(readFileSync(svg, "utf8")).not.toContain('<g id="front-code">');
    expect(persoline(["layout", "preview", product, "--guides", "--out", pdf]).code).toBe(0);
    expect(readFileSync(pdf).subarray(0, 5).toString()).toBe("%PDF-");
  });
  test.each([
    [["--record", "900"], 1, "there is no record 900"],
    [["--out", "card.gif"], 1, "must end with .png, .svg or .pdf"],
    [["--layers", "lasr"], 2, 'there is no layer "lasr"'],
    [["--dpi", "5"], 1, "--dpi must be 72 to 1200"],
  ] as const)("%s is refused", (more, code, message) => {
    const ended = persoline(["layout", "preview", product, ...more]);
    expect([ended.code, ended.err]).toEqual([code, expect.stringContaining(message)]);
  });
});
