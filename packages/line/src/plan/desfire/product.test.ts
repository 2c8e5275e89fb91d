import { describe, expect, test } from "vitest";
import { problemText } from "../../orders/yaml.js";
import { parseAnyProduct, parseProduct } from "../product.js";
import { productText } from "./life.test.data.js";

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
  if (!read.ok || read.product.kind !== "desfire") throw new Error("the product is not read");
  expect(read.product).toMatchObject({
    name: "desfire-access",
    version: "ev2",
    initial: "default",
    generation: 0x26,
    picc: { key: { keys: "desfire-picc" }, settings: 0x09, randomUid: true, noFormat: true },
    applications: [
      { name: "access", aid: 0xf51c40, count: 3, settings: 0x09 },
      { name: "canteen", aid: 0xf51c41, count: 2, settings: 0xe3 },
    ],
  });
  expect(read.product.picc.key.input?.[0]).toBe("uid");
  expect(read.product.applications[0]?.files.map(({ spec }) => spec)).toMatchObject([
    {
      file: 1,
      kind: "standard",
      comm: "full",
      size: 128,
      rights: { read: 1, write: 2, readWrite: 0, change: "never" },
    },
    { file: 2, kind: "backup", comm: "plain" },
    { file: 3, kind: "linear", comm: "mac", recordSize: 16, records: 8 },
    { file: 4, kind: "cyclic" },
  ]);
});

test("whoever needs a Persoline OS product is told that it is none, at its place", () => {
  const read = parseProduct(productText, "product.yaml");
  expect(read.ok ? "" : read.problems.map(problemText).join("\n")).toContain(
    `product.yaml:${String(lineOf("os: desfire"))}`,
  );
});

describe("what is wrong is told with its place", () => {
  test.each([
    ['8080"', '8081"', "the check character TCK does not agree"],
    ['generation: "26"', 'generation: "00"', "00 is the version of fresh keys"],
    ['generation: "26"', 'generation: "FF"', "FF is the version of cards that were ended"],
    [/gate: .*/, "", "without `gate:` no gate could read these cards"],
    [/register: .*/, "", "without `register:` no gate would know these cards"],
    [/application: access, key/, "application: door, key", "there is no application door"],
    ["access, key: 1", "access, key: 3", "there is no key 3: the application has 3"],
    ["access, key: 1", "access, key: 0", "gate.key"],
    ["access, key: 1", "access, key: 2", "key 2 may not read it"],
    ["zones: premises, holder", "zones: door, holder", "there is no file door in access"],
    ["zones: premises, holder", "zones: passages, holder", "not those of the register's field premises"],
    ["holder: holder", "holder: card-number", "TLV objects"],
    ["number: card-number", "number: holder", "a file that anyone may read"],
    ["rights: { read: free, write: 2 }", "rights: { read: 1, write: 2 }", "a file that anyone may read"],
    [
      ", number: card-number }",
      " }",
      "cards that hide their UID could not be told from each other at a gate",
    ],
    [
      'generation: "26"',
      'generation: "26"\ninitial: { keys: maker, version: "26" }',
      "the maker's key has this version",
    ],
    [
      'generation: "26"',
      'generation: "26"\ninitial: { keys: maker, version: "FF" }',
      "FF is the version of cards",
    ],
    ['[uid, "000000", "4E4F52444B4149"]', '["000000"]', "without the UID all cards get the same key"],
    ['"000000", "4E', `"${"00".repeat(20)}", "4E`, "the input has 34 bytes"],
    [
      '[uid, aid, key, "4E4F52444B4149"], count: 3',
      "[uid, aid], count: 3",
      "all 3 keys of this application would be the same",
    ],
    [
      "desfire-canteen-app, input: [uid, aid,",
      "desfire-access-app, input: [uid,",
      "nothing tells them apart",
    ],
    ["picc:\n  keys: desfire-picc", "picc:\n  keys: desfire-access-app", "makes keys for another place"],
    ["change-keys: 0", "change-keys: 3", "there is no key 3: the application has 3"],
    ["read: 1, write: 2, read-write: 0", "read: 1, write: 5, read-write: 0", "there is no key 5"],
    ["read: 1, write: 2, read-write: 0", "read: 1, write: never", "nobody may write"],
    ["read: 1, write: 2, read-write: 0", "read: never, write: 2", "nobody may read it"],
    ["read: 1, write: never, read-write: 2", "read: 1, write: 2", "records are emptied before"],
    ["aid: F51C41", "aid: F51C40", "AID F51C40 is there twice"],
    ["aid: F51C41", 'aid: "000000"', "000000 is the card itself"],
    ["name: canteen", "name: access", "application access is there twice"],
    ["file: 2", "file: 1", "file number 1 is there twice"],
    ["name: card-number", "name: holder", "file holder is there twice"],
    ["value: 500", "value: 20001", "the value is not between its limits"],
    ["count: 6", "count: 1", "2 records or more"],
    ["memory: 7872", "memory: 1024", "the card has 1024"],
    ["size: 128", "size: 40", "the field may have 60 characters"],
    ["{name}", "{nam}", 'there is no field "nam"'],
    ["record: 16\n        count: 8", "record: 16\n        count: 3", "the EF has 3 records"],
    [/content: \{ records: "\{premises\}" \}/, 'content: { value: "{premises}" }', "has records"],
    [/content: \{ value: \{.*\} \}/, 'content: { records: "{premises}" }', "has no records"],
    ["{order}-{record:4}", "{name}", 'the card number names "name"'],
    [
      "\nperson:",
      "\nvisual: { front: f.yaml, back: b.yaml }\nperson:",
      "a card that hides its UID is marked",
    ],
    ["mode: full", "mode: encrypted", "mode"],
    ["session: ev2", "session: ev3", "session"],
    ["random-uid: true", "randomuid: true", "randomuid"],
    ["aid: F51C41", "aid: F51C", "AID"],
  ])("%s -> %s", (from, to, message) => {
    const told = problems(from, to);
    expect(told.join("\n")).toContain(message);
    expect(told[0]).toMatch(/^product\.yaml:\d+:\d+/);
  });
});
