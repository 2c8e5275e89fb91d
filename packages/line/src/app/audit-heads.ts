/**
 * Signed heads of the audit in a file of their own, one JSON object a line, only ever appended to. Whoever cuts the chain's tail, writes
 * it anew or brings back an older database has this file, and the security module's signatures in it, against him.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import type { Hsm } from "../devices/hsm/port.js";
import type { ChainVerdict, SignedHead } from "../ledger/audit.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import { linkOffice } from "./office-chain.js";
import { Refusal } from "./problem.js";
import { syncFolder } from "./sync-folder.js";

const lineForm = z.strictObject({
  node: z.string().min(1),
  sequence: z.number().int().min(0),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  at: z.string(),
  signature: z.string().regex(/^[A-Za-z0-9+/]+={0,2}$/),
});

/** Damage of a heads file; `line` counts from 1. */
export interface HeadsDamage {
  readonly ok: false;
  readonly why: "heads-file";
  readonly line?: number;
  readonly text: string;
}

const damaged = (file: string, line: number | undefined, what: string): HeadsDamage => ({
  ok: false,
  why: "heads-file",
  ...(line === undefined ? {} : { line }),
  text: `${file}${line === undefined ? "" : `:${String(line)}`}: ${what}`,
});

/** An unfinished last line is none: the power went before it was written, and before the database kept that head. */
function linesOf(file: string): string[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8").split("\n").slice(0, -1);
}

export function readHeads(
  file: string,
): { readonly ok: true; readonly heads: readonly SignedHead[] } | HeadsDamage {
  const heads: SignedHead[] = [];
  for (const [at, text] of linesOf(file).entries()) {
    const head = headOf(text);
    if (head === undefined) return damaged(file, at + 1, "this is no signed head: the line was edited");
    heads.push(head);
  }
  return { ok: true, heads };
}

function headOf(text: string): SignedHead | undefined {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    return undefined;
  }
  const read = lineForm.safeParse(content);
  if (!read.success) return undefined;
  return { ...read.data, signature: new Uint8Array(Buffer.from(read.data.signature, "base64")) };
}

/** One write of a whole line, so that two processes do not mix theirs. Durable when it returns. */
function append(file: string, head: SignedHead): void {
  const isNew = !existsSync(file);
  if (!isNew) dropUnfinished(file);
  const line = { ...head, signature: Buffer.from(head.signature).toString("base64") };
  const open = openSync(file, "a", 0o600);
  try {
    writeFileSync(open, `${JSON.stringify(line)}\n`);
    fsyncSync(open);
  } finally {
    closeSync(open);
  }
  if (isNew) syncFolder(dirname(file));
}

function dropUnfinished(file: string): void {
  const content = readFileSync(file);
  const whole = content.lastIndexOf(0x0a) + 1;
  if (whole < content.length) truncateSync(file, whole);
}

interface Anchors {
  readonly store: Store;
  readonly data: DataFolder;
}

/** At the end of a run and after each decision: the head is signed and kept. Throws DeviceFault when the security module cannot. */
export async function signAudit({ store, data, hsm }: Anchors & { readonly hsm: Hsm }): Promise<void> {
  const { sequence, hash } = await store.audit.head();
  const read = readHeads(data.auditHeads);
  if (read.ok && read.heads.some((head) => head.sequence === sequence && head.hash === hash)) return;
  await store.audit.signHead(
    (bytes) => hsm.sign("audit", bytes),
    (head) => {
      append(data.auditHeads, head);
    },
  );
}

/**
 * Before any work: is the last signed head still part of the audit, and does it agree with what the key office keeps of itself? Brings the
 * office's news into the audit. Throws Refusal when they are not.
 */
export async function refuseBrokenAudit({ store, data }: Anchors): Promise<void> {
  const read = readHeads(data.auditHeads);
  const advice = `nothing is done before this is explained; "persoline audit verify" tells more`;
  if (!read.ok) throw new Refusal(`${read.text}; ${advice}`);
  await refuseMissingHead(store, read.heads, advice);
  // What was done with the keys meanwhile belongs to the same story.
  await linkOffice({ store, data });
}

async function refuseMissingHead(store: Store, heads: readonly SignedHead[], advice: string): Promise<void> {
  const own = await store.audit.head();
  const last = heads.findLast(({ node }) => node === own.node);
  if (last === undefined) return;
  const found = await store.audit.contains(last);
  if (found === "yes") return;
  throw new Refusal(
    found === "cut-off"
      ? `the audit ends at entry ${String(own.sequence)}, but entry ${String(last.sequence)} was signed on ${last.at}: its tail is gone, or an older copy of the database was restored; ${advice}`
      : `audit entry ${String(last.sequence)} is not the one that was signed on ${last.at}: the audit was written anew; ${advice}`,
  );
}

export type AuditVerdict =
  | (Extract<ChainVerdict, { ok: true }> & {
      /** Signed heads that were checked. */
      readonly heads: number;
      /** Entries after the last signed head: nothing but the chain itself vouches for them. */
      readonly unsigned: number;
    })
  | Exclude<ChainVerdict, { ok: true }>
  | HeadsDamage;

/** Chain, heads and signatures; the first bad entry. `copies`: heads files that were kept elsewhere. Without `hsm` there must be no head. */
export async function verifyAudit(
  ask: Anchors & { readonly hsm: Hsm | undefined; readonly copies: readonly string[] },
): Promise<AuditVerdict> {
  const { store, data, hsm, copies } = ask;
  const own = readHeads(data.auditHeads);
  if (!own.ok) return own;
  const heads = [...own.heads];
  for (const copy of copies) {
    if (!existsSync(copy)) throw new Refusal(`${copy} cannot be opened: name a copy of audit/heads.jsonl`);
    const read = readHeads(copy);
    if (!read.ok) return read;
    heads.push(...read.heads);
  }
  const kept = await store.audit.signedHeads();
  const name = ({ node, sequence, hash }: Pick<SignedHead, "node" | "sequence" | "hash">): string =>
    JSON.stringify([node, sequence, hash]);
  const outside = new Set(own.heads.map(name));
  const known = [...kept, ...heads];
  if (hsm === undefined && known.length > 0)
    throw new Refusal(
      `${data.keystore} is not there, so the signatures of ${String(known.length)} heads cannot be checked: put it back`,
    );
  const verdict = await store.audit.verify(
    heads,
    hsm && ((bytes, signature) => hsm.verify("audit", bytes, signature)),
  );
  if (!verdict.ok) return verdict;
  // Only now: an edited entry is told before the file that vouches for it.
  const lost = kept.find((head) => !outside.has(name(head)));
  if (lost !== undefined)
    return damaged(
      data.auditHeads,
      undefined,
      `the head of entry ${String(lost.sequence)}, signed on ${lost.at}, is not in it: lines were cut off or edited`,
    );
  const newest = Math.max(
    0,
    ...known.filter(({ node }) => node === verdict.head.node).map(({ sequence }) => sequence),
  );
  return { ...verdict, heads: new Set(known.map(name)).size, unsigned: verdict.head.sequence - newest };
}
