/**
 * What was begun in a token and is not in its register yet. A file beside the register says before the first key which labels are being
 * made, and each key carries a mark of its attempt (CKA_ID), so that what a killed process left behind goes at the next one: by label and
 * mark, never by the label alone, which may be the key of somebody else.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { equal, hex, unhex } from "@persoline/card/bytes";
import { random } from "../draw.js";
import { writeDurably } from "../durable.js";
import { KeystoreProblem } from "../keystore.js";
import { shownAs } from "./pick-token.js";
import type { Token } from "./token.js";

interface Begun {
  readonly format: "persoline-token-begun";
  readonly version: 1;
  /** Label and serial of the token. */
  readonly token: string;
  readonly serial: string;
  /** What each of its keys' CKA_ID begins with, hexadecimal. It is told to nobody but whoever has the token's PIN, once the file is gone. */
  readonly mark: string;
  readonly labels: readonly string[];
}

const fileOf = (register: string): string => `${register}.begun`;

/** Serial of the token that keys were begun in; undefined where nothing was. Throws KeystoreProblem. */
export const begunIn = (register: string): string | undefined => read(register)?.serial;

/** Before a key is made: its label is written down, and the token marks it. Throws when the file cannot be written. */
export function begin(token: Token, register: string, labels: readonly string[]): void {
  const mark = token.mark ?? random(12);
  const before = read(register);
  const begun: Begun = {
    format: "persoline-token-begun",
    version: 1,
    token: token.name,
    serial: token.serial,
    mark: hex(mark),
    labels: [...new Set([...(before?.labels ?? []), ...labels])],
  };
  writeDurably(fileOf(register), `${JSON.stringify(begun, null, 2)}\n`);
  token.mark = mark;
}

/** All that was begun is in the register, or gone. */
export function ended(token: Token, register: string): void {
  token.mark = undefined;
  rmSync(fileOf(register), { force: true });
}

/** Destroys what an attempt left in the token, but for keys that the register came to name. Throws KeystoreProblem, VaultRefusal. */
export function sweepBegun(token: Token, register: string, named: ReadonlySet<string> = new Set()): void {
  const begun = read(register);
  if (begun === undefined) return;
  if (begun.serial !== token.serial)
    throw new KeystoreProblem(
      "not-ours",
      `${fileOf(register)}: keys were begun in token ${begun.token} with serial ${begun.serial} and are in no register; token ${token.name} with serial ${shownAs(token.serial)} is there. Put the other one in and run the same command again, which removes them; if that token is no more, remove the file`,
    );
  const mark = unhex(begun.mark);
  for (const label of begun.labels.filter((one) => !named.has(one))) {
    for (const object of token.find(label, "secret"))
      if (isMarked(token.markOf(object), mark)) token.destroy(object);
    const pairs = token.find(label, "private");
    const ours = pairs.filter((object) => isMarked(token.markOf(object), mark));
    for (const object of ours) token.destroy(object);
    // Public halves carry no mark, which everybody could read there: they go with the last private one.
    if (ours.length > 0 && ours.length === pairs.length)
      for (const object of token.find(label, "public")) token.destroy(object);
  }
  ended(token, register);
}

const isMarked = (id: Uint8Array, mark: Uint8Array): boolean => equal(id.subarray(0, mark.length), mark);

function read(register: string): Begun | undefined {
  const file = fileOf(register);
  if (!existsSync(file)) return undefined;
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    content = undefined;
  }
  if (!isBegun(content))
    throw new KeystoreProblem(
      "not-ours",
      `${file}: this does not say what was begun in a token; look with the token's own tools for keys that are in no register, then remove the file`,
    );
  return content;
}

function isBegun(value: unknown): value is Begun {
  if (typeof value !== "object" || value === null) return false;
  const { format, version, token, serial, mark, labels } = value as Partial<Record<keyof Begun, unknown>>;
  return (
    format === "persoline-token-begun" &&
    version === 1 &&
    typeof token === "string" &&
    typeof serial === "string" &&
    typeof mark === "string" &&
    /^[0-9A-F]{24}$/.test(mark) &&
    Array.isArray(labels) &&
    labels.every((label) => typeof label === "string")
  );
}
