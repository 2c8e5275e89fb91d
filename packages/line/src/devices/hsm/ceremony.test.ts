/** Keystores at their birth: one is made, whoever else makes it at the same moment. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { take } from "../hold.js";
import { linkNew } from "../hard-link.js";
import { type Ceremony, makeKeystore } from "./ceremony.js";
import { putDurably, writeDurably } from "./durable.js";
import { openKeystore } from "./keystore.js";
import { createKeystore } from "./vault.js";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-ceremony-"));
  file = join(folder, "keystore.json");
});
afterEach(() => rmSync(folder, { recursive: true }));

const passphraseOf = (custodian: string): string => `${custodian} custodian's passphrase`;
const by = (custodian: string): Ceremony => ({
  file,
  environment: "test",
  unlock: { passphrase: passphraseOf(custodian) },
  keys: [{ name: "issuer", use: "scp03" }],
  letterPrinter: { writePrivateKeyTo: join(folder, `${custodian}.pem`) },
});

test("of two ceremonies at the same moment one has the keystore, and the other is told and leaves nothing", () => {
  const slow = by("slow");
  const { letterPrinter } = slow;
  const overtaken: Ceremony = {
    ...slow,
    // Looked at when the slow one has found no keystore, and before it writes its own.
    get letterPrinter() {
      makeKeystore(by("quick"));
      return letterPrinter;
    },
  };
  expect(() => makeKeystore(overtaken)).toThrow(
    expect.objectContaining({ name: "KeystoreProblem", code: "exists" }) as Error,
  );
  expect(openKeystore(file, { passphrase: passphraseOf("quick") }).keys).not.toEqual([]);
  expect(readdirSync(folder).toSorted()).toEqual(["keystore.json", "line-signature.pub", "quick.pem"]);
});

test("a ceremony waits for nobody: while a key office is open on the keystore, none is made", async () => {
  const held = take(`${file}.office`);
  const ceremony = { ...by("second"), unlock: { keyFile: join(folder, "second.key") } };
  await expect(createKeystore(ceremony)).rejects.toMatchObject({ code: "busy" });
  if ("release" in held) held.release();
  expect(readdirSync(folder)).toEqual([]);
  await createKeystore(ceremony);
  expect(openKeystore(file, ceremony.unlock).keys).not.toEqual([]);
  await expect(createKeystore(ceremony)).rejects.toMatchObject({ code: "exists" });
});

test("a file is written whole beside other processes' drafts, and put only where there is none", () => {
  writeDurably(file, "one");
  mkdirSync(`${file}.new`);
  writeDurably(file, "two");
  expect(putDurably(file, "three")).toBe(false);
  expect(readFileSync(file, "utf8")).toBe("two");
  expect(putDurably(join(folder, "other"), "four")).toBe(true);
  expect(readdirSync(folder).toSorted()).toEqual(["keystore.json", "keystore.json.new", "other"]);
});

test("a file system that has no hard links is told as what it is", () => {
  // Linux gives folders no second name, with the same answer that exFAT gives for files.
  expect(() => linkNew(folder, file)).toThrow(/knows no hard links \(EPERM.*not on exFAT/);
});
