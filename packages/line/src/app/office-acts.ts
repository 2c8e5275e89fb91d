/** The key office's acts beside the audit: one signed line an act, chained; proved by the security module's signature for audits. */
import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { actDigest, brokenAct } from "../devices/hsm/office/acts.js";
import { noOffice, type SignedAct } from "../devices/hsm/office/types.js";
import type { Hsm } from "../devices/hsm/port.js";
import type { DataFolder } from "./data-folder.js";
import { Refusal } from "./problem.js";

const lineForm = z.strictObject({ text: z.string(), signature: z.string() });

export type ActsVerdict =
  | { readonly ok: true; readonly acts: number }
  | { readonly ok: false; readonly why: "key-office"; readonly text: string };

const linesIn = (file: string): readonly string[] =>
  existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];

/** The acts as they lie there, or the first line that is none. */
export function readActs(
  file: string,
):
  | { readonly ok: true; readonly acts: readonly SignedAct[] }
  | { readonly ok: false; readonly line: number } {
  const acts: SignedAct[] = [];
  for (const [at, line] of linesIn(file).entries()) {
    const act = actOf(line);
    if (act === undefined) return { ok: false, line: at + 1 };
    acts.push(act);
  }
  return { ok: true, acts };
}

/** Throws Refusal where there are acts and no keys that prove them. */
export async function verifyActs(data: DataFolder, hsm: Hsm | undefined): Promise<ActsVerdict> {
  const file = data.officeActs;
  const bad = (what: string): ActsVerdict => ({ ok: false, why: "key-office", text: `${file}: ${what}` });
  if (hsm === undefined) {
    if (linesIn(file).length === 0) return { ok: true, acts: 0 };
    throw new Refusal(
      `${data.keystore} is not there, so the acts of the key office in ${file} cannot be checked: put it back`,
    );
  }
  const read = readActs(file);
  if (!read.ok) return bad(`line ${String(read.line)} is no act of a key office: it was edited`);
  const { acts } = read;
  const broken = await brokenAct(acts, (text, signature) =>
    hsm.verify("audit", new TextEncoder().encode(text), signature),
  );
  if (broken !== undefined) return bad(broken);
  const { office } = await hsm.capabilities();
  const last = acts.at(-1);
  const digest = last === undefined ? noOffice.last : actDigest(last.text);
  if (acts.length === office.acts && digest === office.last) return { ok: true, acts: acts.length };
  return bad(
    acts.length < office.acts
      ? `the keys know ${String(office.acts)} acts, ${String(acts.length)} are here: its end was cut off, or an interruption left it out. The keys have them all: the next act of the key office writes them again`
      : `it does not end as the keys know it: an older copy of the keystore was put back`,
  );
}

function actOf(line: string): SignedAct | undefined {
  try {
    const read = lineForm.safeParse(JSON.parse(line));
    if (!read.success) return undefined;
    JSON.parse(read.data.text);
    return read.data;
  } catch {
    return undefined;
  }
}
