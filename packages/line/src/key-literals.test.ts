/** No key stands in the program: whatever is as long as one is a published vector of a self-test, or is named here with what it is. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const packages = fileURLToPath(new URL("../../", import.meta.url));
const sources = ["card/src", "card/node", "card/tools", "line/src", "line/bin"];
/** Files whose business is known answers: their vectors are published, and their keys make nothing. */
const knownAnswers = /(?:^|\/)(?:self-test|(?:[^/]*-)?probes?|[^/]*\.test(?:\.data)?)\.ts$|^card\/tools\//;
const known: Readonly<Record<string, string>> = {
  "302e020100300506032b657004220420": "how every PKCS#8 file of an Ed25519 key begins (RFC 8410)",
};
/** Tables of numbers that are no key. */
const tables: Readonly<Record<string, string>> = {
  "card/src/trace/mask.ts": "tags",
  "card/src/virtual/contacts/profile.ts": "D of ISO/IEC 7816-3, table 8",
};

/** 16, 24 or 32 bytes as a text: hexadecimal, however it is spaced, or base64. */
const hexadecimal = /["'`](?:[0-9A-Fa-f]{2}[ :]?){16}(?:(?:[0-9A-Fa-f]{2}[ :]?){8}){0,2}["'`]/g;
const base64 = /["'`](?:[A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{32}|[A-Za-z0-9+/]{43}=)["'`]/g;
/** Or as so many numbers in a row. */
const numbers =
  /\[\s*(?:(?:0x[0-9A-Fa-f]{1,2}|\d{1,3})\s*,\s*){15,31}(?:0x[0-9A-Fa-f]{1,2}|\d{1,3})\s*,?\s*\]/g;

const literals = (text: string): string[] => [
  ...(text.match(hexadecimal) ?? []),
  // Words of the program are letters only.
  ...(text.match(base64) ?? []).filter((one) => /[0-9]/.test(one) && /[A-Z]/.test(one) && /[a-z]/.test(one)),
  ...(text.match(numbers) ?? []).filter((one) => new Set(one.match(/\w+/g)).size > 8),
];

test("a key is found however it is written down", () => {
  const bytes = Array.from({ length: 16 }, (_, at) => (at * 37 + 11) & 0xff);
  const raw = Buffer.from(bytes);
  for (const text of [
    `const key = "${raw.toString("hex")}";`,
    `unhex("${raw.toString("hex").toUpperCase().match(/../g)?.join(" ") ?? ""}")`,
    `from('${raw.toString("base64")}', "base64")`,
    `Uint8Array.from([${bytes.join(", ")}])`,
    `from("${Buffer.concat([raw, raw]).toString("base64")}")`,
  ])
    expect([text, literals(text).length]).toEqual([text, 1]);
});

test("none stands in what is shipped", () => {
  const files = sources.flatMap((folder) =>
    readdirSync(join(packages, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(?:ts|js|mjs)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  expect(files.length).toBeGreaterThan(300);
  const found = files.flatMap((file) => {
    const name = file.slice(packages.length);
    if (knownAnswers.test(name)) return [];
    return literals(readFileSync(file, "utf8"))
      .filter((one) => known[one.slice(1, -1)] === undefined && !(one.startsWith("[") && name in tables))
      .map((one) => `${name}: ${one.slice(0, 12)}…`);
  });
  expect(found).toEqual([]);
});
