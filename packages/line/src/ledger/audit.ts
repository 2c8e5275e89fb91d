/**
 * The audit chain: every entry names its predecessor's hash, so that an edit, a deletion, an insertion or a new order shows;
 * heads signed by the security module and kept outside the database show a cut tail, an older copy and a chain written anew.
 */
import { createHash } from "node:crypto";

export type AuditResult = "ok" | "refused" | "failed";
export type AuditValue = string | number | boolean | null;

/** What happened. Never a personal datum, a key, a PIN or a command's data. */
export interface AuditFacts {
  /** The person or the part of the system that did it. */
  readonly who: string;
  /** A verb of the trade: "card.bind", "stock.destroy". */
  readonly what: string;
  /** Where: the line, the gate, the command. */
  readonly where: string;
  /** What it was done to: "card 0102…", "order A-1". */
  readonly object: string;
  readonly order?: string;
  readonly result: AuditResult;
  /** SHA-256 of the object's state before and after (`digest`). */
  readonly before?: string;
  readonly after?: string;
  readonly detail?: Readonly<Record<string, AuditValue>>;
}

export interface AuditEntry extends AuditFacts {
  readonly node: string;
  /** 1, 2, 3 … for each node, independent of the clock. */
  readonly sequence: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  /** Hash of the entry before; of the first: `genesis(node)`. */
  readonly previous: string;
  readonly hash: string;
}

export interface AuditHead {
  readonly node: string;
  readonly sequence: number;
  readonly hash: string;
}

export interface SignedHead extends AuditHead {
  readonly at: string;
  /** Over `headBytes`. */
  readonly signature: Uint8Array;
}

/** JSON with sorted keys and no white space (RFC 8785 for the strings and integers used here); absent members are left out. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item)).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value ?? null);
}

/** SHA-256 of the canonical form, in hex. */
export const digest = (value: unknown): string => createHash("sha256").update(canonical(value)).digest("hex");

/** What the first entry of a node names as its predecessor. */
export const genesis = (node: string): AuditHead => ({
  node,
  sequence: 0,
  hash: digest(`persoline audit of ${node}`),
});

const hashOf = ({ hash: _own, ...rest }: AuditEntry): string => digest(rest);

export function nextEntry(head: AuditHead, at: string, facts: AuditFacts): AuditEntry {
  const entry = {
    ...facts,
    node: head.node,
    sequence: head.sequence + 1,
    at,
    previous: head.hash,
    hash: "",
  };
  return { ...entry, hash: hashOf(entry) };
}

/** The bytes a head's signature is made over. */
export const headBytes = ({ node, sequence, hash, at }: Omit<SignedHead, "signature">): Uint8Array =>
  new TextEncoder().encode(canonical({ persoline: "audit head", node, sequence, hash, at }));

export type ChainVerdict =
  | { readonly ok: true; readonly head: AuditHead }
  | {
      readonly ok: false;
      /** Sequence number of the first entry that is wrong or missing. */
      readonly sequence: number;
      readonly why:
        | "edited"
        | "missing"
        | "out-of-order"
        | "does-not-follow"
        | "rewritten"
        | "cut-off"
        | "head-signature";
      readonly text: string;
    };

const bad = (
  sequence: number,
  why: Exclude<ChainVerdict, { ok: true }>["why"],
  text: string,
): ChainVerdict => ({ ok: false, sequence, why, text: `audit entry ${sequence}: ${text}` });

/**
 * Reads one node's entries in order and names the first bad one. `heads` are signed heads kept outside the chain (any order);
 * without one, a cut tail and an older copy of the whole cannot be seen.
 */
export async function verifyChain(
  node: string,
  entries: Iterable<AuditEntry> | AsyncIterable<AuditEntry>,
  heads: readonly SignedHead[] = [],
  verify?: (bytes: Uint8Array, signature: Uint8Array) => Promise<boolean>,
): Promise<ChainVerdict> {
  const anchors = new Map<number, SignedHead>();
  for (const head of heads) {
    if (head.node !== node) continue;
    if (verify !== undefined && !(await verify(headBytes(head), head.signature)))
      return bad(head.sequence, "head-signature", "the signature of the head kept for it does not match");
    const twin = anchors.get(head.sequence);
    if (twin !== undefined && twin.hash !== head.hash)
      return bad(head.sequence, "rewritten", "two signed heads disagree about it");
    anchors.set(head.sequence, head);
  }
  let head = genesis(node);
  for await (const entry of entries) {
    const due = head.sequence + 1;
    if (entry.sequence > due) return bad(due, "missing", `is missing (the next one is ${entry.sequence})`);
    if (entry.sequence < due || entry.node !== node)
      return bad(due, "out-of-order", `in its place stands entry ${entry.sequence} of ${entry.node}`);
    if (hashOf(entry) !== entry.hash) return bad(due, "edited", "its content does not match its hash");
    if (entry.previous !== head.hash)
      return bad(due, "does-not-follow", "does not follow from the entry before it");
    const anchor = anchors.get(due);
    if (anchor !== undefined && anchor.hash !== entry.hash)
      return bad(
        due,
        "rewritten",
        `is not the one signed as head on ${anchor.at}: the chain was written anew`,
      );
    head = { node, sequence: due, hash: entry.hash };
  }
  const last = Math.max(0, ...anchors.keys());
  if (last > head.sequence)
    return bad(
      head.sequence + 1,
      "cut-off",
      `is missing, and all up to ${last}, which was signed: the tail was cut or an older copy restored`,
    );
  return { ok: true, head };
}
