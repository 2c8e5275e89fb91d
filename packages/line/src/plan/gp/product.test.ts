import { describe, expect, test } from "vitest";
import { hex } from "@persoline/card/bytes";
import { problemText } from "../../orders/yaml.js";
import { parseAnyProduct, parseProduct } from "../product.js";
import { productText, scp02Text, scp11Text } from "./life.test.data.js";

/** The example with one thing changed, and what is told of it. */
function problems(from: string | RegExp, to: string): string[] {
  const changed = productText.replace(from, to);
  expect(changed).not.toBe(productText);
  const read = parseAnyProduct(changed, "product.yaml");
  return read.ok ? [] : read.problems.map(problemText);
}
const lineOf = (part: string): number => productText.slice(0, productText.indexOf(part)).split("\n").length;

test("the example is read, in the words of the card", () => {
  const read = parseAnyProduct(productText, "product.yaml");
  if (!read.ok || read.product.kind !== "globalplatform") throw new Error("the product is not read");
  expect(read.product).toMatchObject({
    name: "gp-access",
    initial: { protocol: "scp03", kvn: 0xff, i: 0x70, level: 0x33, diversify: "kdf3" },
    initialForm: "aes-128",
    channel: { kvn: 0x30 },
    form: "aes-256",
    applications: [{ name: "access", read: [0x0101, 0x0102], keys: { ids: [1] } }],
  });
  const des = parseAnyProduct(scp02Text, "product.yaml");
  expect(des).toMatchObject({ product: { form: "3des", initial: { protocol: "scp02", i: 0x55 } } });
});

test("a certified key pair: the channel, and how the card tells its keys", () => {
  const read = parseAnyProduct(scp11Text, "product.yaml");
  if (!read.ok || read.product.kind !== "globalplatform") throw new Error("the product is not read");
  const { initial, initialKeys, stayingKeys } = read.product;
  expect(initial).toMatchObject({
    protocol: "scp11",
    variant: "a",
    kvn: 0x03,
    level: 0x33,
    keyLength: 16,
    authority: "maker-authority",
    subject: "chip-number",
    host: { keys: "line-host", authorityKvn: 0x01 },
  });
  expect(hex(initialKeys)).toBe("C0061103B120F001C0061001B041F001");
  expect(hex(stayingKeys)).toBe("C0061103B120F001");
  const told = scp11Text.replace("  host:\n", '  key-information: "C0041103B120C0041001B041"\n  host:\n');
  const other = parseAnyProduct(told, "product.yaml");
  if (!other.ok || other.product.kind !== "globalplatform") throw new Error("the product is not read");
  expect(hex(other.product.initialKeys)).toBe("C0041103B120C0041001B041");
  expect(hex(other.product.stayingKeys)).toBe("C0041103B120");
});

test.each([
  [/variant: a/, "variant: b", "variant"],
  [/level: "33"/, 'level: "11"', "level: this value is not one of those allowed"],
  [/version: "03"/, 'version: "FF"', "no such key version can be named"],
  [/"7F2181/, '"7F2182', "certificate"],
  [/9502 ?0080|95020080/, "95028200", "the certificate is for verification"],
  [/authority: "01"/, 'authority: "00"', "no such key version can be named"],
])("of it, %s -> %s is told", (from, to, message) => {
  const changed = scp11Text.replace(from, to);
  expect(changed).not.toBe(scp11Text);
  const read = parseAnyProduct(changed, "product.yaml");
  expect(read.ok ? "" : read.problems.map(problemText).join("\n")).toContain(message);
});

test("its data groupings come in ascending order, however they are written", () => {
  const turned = productText.replace(/^( *"0101": .*)\n((?: {6}".*\n)+)/m, "$2$1\n");
  const read = parseAnyProduct(turned, "product.yaml");
  if (!read.ok || read.product.kind !== "globalplatform") throw new Error("the product is not read");
  expect(read.product.applications[0]?.data.map(({ id }) => id)).toEqual([0x0101, 0x0102, 0x0201, 0x0301]);
});

test("whoever needs a Persoline OS product is told that it is none, at its place", () => {
  const read = parseProduct(productText, "product.yaml");
  expect(read.ok ? "" : read.problems.map(problemText).join("\n")).toContain(
    `product.yaml:${String(lineOf("os: globalplatform"))}`,
  );
});

describe("what is wrong is told with its place", () => {
  test.each([
    [/5C"/, '5D"', "the check character TCK does not agree"],
    [/version: "30"/, 'version: "FF"', "no such key version can be named"],
    [/version: "FF"/, 'version: "30"', "initial and issuer keys have the same version"],
    [/version: "FF"/, 'version: "80"', "no such key version can be named"],
    [
      /i: "70", level: "33", keys: gp-fab/,
      'i: "10", level: "33", keys: gp-fab',
      "level 33 is not possible with i = 10",
    ],
    [
      /i: "70", level: "33", keys: gp-fab/,
      'i: "30", level: "33", keys: gp-fab',
      "level 33 is not possible with i = 30",
    ],
    [/diversify: kdf3 }\n# What/, "diversify: kdf3, isd: A0000000030000 }\n# What", "one security domain"],
    [/level: "33", keys: gp-fab/, 'level: "11", keys: gp-fab', "use 13, 33, 03"],
    [/level: "33", keys: gp-issuer/, 'level: "01", keys: gp-issuer', "use 13, 33, 03"],
    [/\{name\}/, "{nam}", 'there is no field "nam"'],
    [/\{cardNumber\}"\n\napp/, '{cardnumber}"\n\napp', 'there is no field "cardnumber"'],
    [/read: \["0101", "0102"\]/, 'read: ["0101", "0103"]', "nothing is written into 0103"],
    [/"0301": /, '"8101": ', "8101 is for keys"],
    [/"0301": /, '"8281": ', "8281 is for keys and PINs"],
    [
      /$/,
      "\npin: { method: drawn, application: door, length: 5, tries: 3, letter: true }\n",
      "there is no application door",
    ],
    [/\{ value: "\{premises\}" \}/, '{ records: "{premises}" }', "a data grouping has no records"],
    [/"\{order\}-\{record:4\}"/, '"{name}"', 'the card number names "name"'],
    [/memory: 512/, "memory: 9", "memory"],
    [/diversify: kdf3 }\n# What/, "diversify: visa2 }\n# What", "diversify"],
    [/aid: A0/, "adi: A0", "adi"],
    [/gate: .*/, "", "without `gate:` no gate could read these cards"],
    [/register: .*/, "register: none", "without `register:` no gate would know these cards"],
    [/zones: premises/, "zones: name", "name is no list"],
    [/application: access, key/, "application: door, key", "there is no application door"],
    [/key: "01"/, 'key: "02"', "there is no key 02 in access"],
    [/zones: "0201"/, 'zones: "0301"', "there is no grouping 0301 that a gate can read"],
    [/zones: "0201"/, 'zones: "0102"', "is not the value of the register's field premises alone"],
    [/holder: "0101"/, 'holder: "0102"', "there are none"],
    [/, from: \[HQ, LAB, DOCK\]/, "", "a gate must be able to tell them apart"],
    [/from: \[HQ, LAB, DOCK\]/, 'from: ["HQ, LAB", DOCK]', "a gate must be able to tell them apart"],
  ])("%s -> %s", (from, to, message) => {
    const told = problems(from, to);
    expect(told.join("\n")).toContain(message);
    expect(told[0]).toMatch(/^product\.yaml:\d+:\d+/);
  });
  test("two applications of one name and AID", () => {
    const second = /applications:\n([\s\S]*)\n\nperson:/.exec(productText)?.[1] ?? "";
    const told = problems(/\n\nperson:/, `\n${second}\n\nperson:`).join("\n");
    expect(told).toContain("two applications have this name");
    expect(told).toContain("two applications have this aid");
  });
});
