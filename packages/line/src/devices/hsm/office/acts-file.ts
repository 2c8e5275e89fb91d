/** One line an act, beside the audit's heads. An edited line stays as it is: "persoline audit verify" tells of it. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { writeDurably } from "../durable.js";
import { OfficeRefusal } from "./refusal.js";
import type { Keep, SignedAct } from "./types.js";

const linesOf = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];

/** Throws OfficeRefusal when the file tells of more than the keystore knows. */
export function judgeActs({ book }: Keep, file: string): void {
  const written = linesOf(file).length;
  const known = book.acts?.length ?? 0;
  if (written > known)
    throw new OfficeRefusal(
      `${file} tells of ${written} acts of the key office, the keystore knows ${known}: an older copy of the keystore was put back. Restore the newest one`,
    );
}

export function writeActs(file: string, acts: readonly SignedAct[]): void {
  const written = linesOf(file);
  if (written.length === acts.length) return;
  const lines = [...written, ...acts.slice(written.length).map((act) => JSON.stringify(act))];
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeDurably(file, `${lines.join("\n")}\n`);
}
