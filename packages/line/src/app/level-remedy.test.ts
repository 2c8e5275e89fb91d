import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DataProblem } from "../orders/problem.js";
import type { SecurityLevels } from "../orders/security.js";
import { strictYaml } from "../orders/yaml.js";
import { securitySchema } from "../orders/security.js";
import { z } from "zod";
import { levelProblems, type Wanting } from "./level-remedy.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-level-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function wanting(name: string, text: string): Wanting {
  const file = join(folder, name);
  writeFileSync(file, text);
  const schema = z.strictObject({ name: z.string(), security: securitySchema.optional() });
  const read = strictYaml(schema, text, file);
  if (!read.ok) throw new DataProblem(read.problems);
  return { file, levels: read.value.security as SecurityLevels | undefined };
}
const said = (
  wanted: readonly Wanting[],
  kept: "module-process" | "unavailable" = "module-process",
): string =>
  new DataProblem(
    levelProblems({
      unkept: [{ operation: "scp02", message: "it is not kept", kept }],
      wanted,
      file: "order.yaml",
    }),
  ).message;

test("the file and the line whose word is not kept are named, with a line that would do", () => {
  const product = wanting("product.yaml", "name: card\nsecurity: { pin: token, scp02: module-process }\n");
  const order = wanting(
    "order.yaml",
    "name: T-1\n# the bank's word\nsecurity:\n  seal: token\n  default: token\n",
  );
  expect(said([product, order])).toBe(
    `${order.file}:5:3 security.default: it is not kept; use a security module that keeps it; or let those who answer for the keys change it where "default: token" stands, for example to "security: { default: token, seal: token, scp02: module-process }"`,
  );
  const line = wanting("line.yaml", "name: desk\nsecurity:\n  scp02: token\n");
  expect(said([product, line])).toContain(
    `${line.file}:3:3 security.scp02: it is not kept; use a security module that keeps it; or let those who answer for the keys change it where "scp02: token" stands, for example to "security: { scp02: module-process }"`,
  );
});

test("what is written for an example is read again, and lets the level be kept", () => {
  const order = wanting("order.yaml", "name: T-1\nsecurity: { default: token }\n");
  const [, example = ""] = /for example to "(.*)"/.exec(said([order])) ?? [];
  expect(wanting("again.yaml", `name: T-1\n${example}\n`).levels).toMatchObject({
    default: "token",
    scp02: "module-process",
  });
});

test("where nobody says a word it is told where to write one, and what no level would help", () => {
  const silent = wanting("order.yaml", "name: T-1\n");
  expect(said([silent])).toBe(
    `order.yaml: it is not kept; use a security module that keeps it; or let those who answer for the keys write a line into ${silent.file}, for example "security: { scp02: module-process }"`,
  );
  expect(said([silent], "unavailable")).toBe(
    "order.yaml: it is not kept; use a security module that can do it",
  );
  expect(said([])).toBe("order.yaml: it is not kept; use a security module that keeps it");
});

test("the word of an order whose file is not here any more is told all the same", () => {
  expect(said([{ file: "order T-1, as it was taken in", levels: { scp02: "token" } }])).toContain(
    'order T-1, as it was taken in: it is not kept; use a security module that keeps it; or let those who answer for the keys change it where "scp02: token" stands',
  );
});

test("of several levels that are not kept the same line is told, which lets all of them be kept; each file has its own", () => {
  const order = wanting("order.yaml", "name: T-1\nsecurity: { default: module-process, emv-keys: token }\n");
  const product = wanting("product.yaml", "name: card\nsecurity: { emv-keys: token }\n");
  const unkept = [
    { operation: "data-key", message: "data-key is not kept", kept: "trusted-host" },
    { operation: "emv-keys", message: "emv-keys is not kept", kept: "module-process" },
  ] as const;
  const problems = levelProblems({ unkept, wanted: [product, order], file: "order.yaml" });
  const line = 'to "security: { default: module-process, emv-keys: module-process, data-key: trusted-host }"';
  expect(
    problems.map(({ file, message, remedy }) => [file, message, remedy.slice(remedy.indexOf('to "'))]),
  ).toEqual([
    [order.file, "data-key is not kept", line],
    [product.file, "emv-keys is not kept", 'to "security: { emv-keys: module-process }"'],
    [order.file, "emv-keys is not kept", line],
  ]);
});
