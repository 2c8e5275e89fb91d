/** The audit in the database: written in the transaction of what it tells of; no audit, no deed. */
import {
  type AuditEntry,
  type AuditFacts,
  type AuditHead,
  type AuditValue,
  type ChainVerdict,
  genesis,
  headBytes,
  nextEntry,
  type SignedHead,
  verifyChain,
} from "../ledger/audit.js";
import { type Desk, stamp, twoPeople, type Tx, write } from "./desk.js";
import { prepared } from "./prepared.js";
import type { AuditTable } from "./tables.js";

/** Facts without who and where: those are the desk's, unless told otherwise. */
export type Deed = Omit<AuditFacts, "who" | "where"> & Partial<Pick<AuditFacts, "who" | "where">>;

/** Clock steps back by more than this are recorded. */
const clockSlack = 2_000;
const pageSize = 500;

const rowOf = (entry: AuditEntry): AuditTable => ({
  node: entry.node,
  sequence: entry.sequence,
  at: entry.at,
  who: entry.who,
  what: entry.what,
  place: entry.where,
  object: entry.object,
  order_number: entry.order ?? null,
  result: entry.result,
  before_hash: entry.before ?? null,
  after_hash: entry.after ?? null,
  detail: entry.detail === undefined ? null : JSON.stringify(entry.detail),
  previous: entry.previous,
  hash: entry.hash,
});

/** A detail that is no JSON any more stands for itself, so that the chain shows it as edited. */
function detailOf(text: string): Record<string, AuditValue> {
  try {
    return JSON.parse(text) as Record<string, AuditValue>;
  } catch {
    return { unreadable: text };
  }
}

const entryOf = (row: AuditTable): AuditEntry => ({
  node: row.node,
  sequence: row.sequence,
  at: row.at,
  who: row.who,
  what: row.what,
  where: row.place,
  object: row.object,
  result: row.result,
  previous: row.previous,
  hash: row.hash,
  ...(row.order_number === null ? {} : { order: row.order_number }),
  ...(row.before_hash === null ? {} : { before: row.before_hash }),
  ...(row.after_hash === null ? {} : { after: row.after_hash }),
  ...(row.detail === null ? {} : { detail: detailOf(row.detail) }),
});

const lastOf = prepared((db, { node }: { node: string }) =>
  db
    .selectFrom("audit")
    .select(["sequence", "hash", "at"])
    .where("node", "=", node)
    .orderBy("sequence", "desc")
    .limit(1),
);

async function headIn(
  tx: Pick<Tx, "executeQuery">,
  node: string,
): Promise<AuditHead & { readonly at?: string }> {
  const {
    rows: [last],
  } = await lastOf(tx, { node });
  return last === undefined ? genesis(node) : { node, ...last };
}

const insertEntry = prepared((db, row: AuditTable) =>
  db.insertInto("audit").values({
    node: row.node,
    sequence: row.sequence,
    at: row.at,
    who: row.who,
    what: row.what,
    place: row.place,
    object: row.object,
    order_number: row.order_number,
    result: row.result,
    before_hash: row.before_hash,
    after_hash: row.after_hash,
    detail: row.detail,
    previous: row.previous,
    hash: row.hash,
  }),
);

/** Writes the entry into the open transaction. */
export async function record(tx: Tx, desk: Desk, deed: Deed): Promise<void> {
  let head = await headIn(tx, desk.node);
  const at = stamp(desk);
  if (head.at !== undefined && Date.parse(at) < Date.parse(head.at) - clockSlack) {
    const step = nextEntry(head, at, {
      who: "system",
      what: "clock.step",
      where: desk.place,
      object: `node ${desk.node}`,
      result: "ok",
      detail: { from: head.at, to: at },
    });
    await insertEntry(tx, rowOf(step));
    head = step;
  }
  const entry = nextEntry(head, at, { who: desk.who, where: desk.place, ...deed });
  await insertEntry(tx, rowOf(entry));
}

/** All entries that name an order, node by node, in order. */
export async function* auditOf(desk: Desk, order: string): AsyncGenerator<AuditEntry> {
  let last: { readonly node: string; readonly sequence: number } | undefined;
  for (;;) {
    let query = desk.db
      .selectFrom("audit")
      .selectAll()
      .where("order_number", "=", order)
      .orderBy("node")
      .orderBy("sequence")
      .limit(pageSize);
    if (last !== undefined) {
      const { node, sequence } = last;
      query = query.where((row) =>
        row.or([row("node", ">", node), row.and([row("node", "=", node), row("sequence", ">", sequence)])]),
      );
    }
    const rows = await query.execute();
    for (const row of rows) yield entryOf(row);
    last = rows.at(-1);
    if (last === undefined) return;
  }
}

/** One act of the key office, or one ceremony's record, as an entry tells of it. */
export interface OfficeLink {
  readonly sequence: number;
  readonly kind: "act" | "record";
  /** Number of the act, or of the ceremony. */
  readonly number: string;
  /** SHA-256 of its text, hexadecimal. */
  readonly sha256: string;
}
export const officeKinds = { act: "key-office.act", record: "key-office.record" } as const;

export interface AuditLog {
  /** Records something that has no transaction of its own: a start, a failed log-in, a report that was read. */
  note(deed: Deed): Promise<void>;
  /** The same of a deed that takes two: `witness` is the second person, whom the deed's detail names. Throws AccountsProblem unless they are two. */
  noteByTwo(what: string, deed: Deed & { readonly who: string }, witness: string): Promise<void>;
  /** The last entry of that kind, of any node, after which its object had this digest. */
  latest(which: { readonly what: string; readonly after: string }): Promise<AuditEntry | undefined>;
  /** Whether an entry of that kind names the order. */
  tells(which: { readonly what: string; readonly order: string }): Promise<boolean>;
  head(): Promise<AuditHead>;
  /** Signs the present head and keeps it: first outside this database, so that no head here can lack there, then here. */
  signHead(
    sign: (bytes: Uint8Array) => Promise<Uint8Array>,
    keepOutside?: (head: SignedHead) => void,
  ): Promise<SignedHead>;
  signedHeads(): Promise<readonly SignedHead[]>;
  /**
   * Is a head that was kept outside still part of this database? A quick check for every start: "cut-off" means that an older copy
   * was restored or the tail is gone, "rewritten" that another entry stands in its place. Either way no live work may begin.
   */
  contains(head: AuditHead): Promise<"yes" | "cut-off" | "rewritten">;
  /** What it knows of the key office: its acts and records of ceremonies, by the digests of their texts; of all nodes. */
  ofKeyOffice(): Promise<readonly OfficeLink[]>;
  /** In order; of this node unless another is named. */
  entries(node?: string): AsyncGenerator<AuditEntry>;
  /** Verifies the chains of all nodes against the signed heads kept here and those handed in. */
  verify(
    outside?: readonly SignedHead[],
    check?: (bytes: Uint8Array, signature: Uint8Array) => Promise<boolean>,
  ): Promise<ChainVerdict>;
}

export function auditLog(desk: Desk): AuditLog {
  async function* entries(node = desk.node): AsyncGenerator<AuditEntry> {
    for (let after = Number.MIN_SAFE_INTEGER; ; ) {
      const rows = await desk.db
        .selectFrom("audit")
        .selectAll()
        .where("node", "=", node)
        .where("sequence", ">", after)
        .orderBy("sequence")
        .limit(pageSize)
        .execute();
      for (const row of rows) yield entryOf(row);
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.sequence;
    }
  }
  async function signedHeads(): Promise<readonly SignedHead[]> {
    return desk.db.selectFrom("audit_heads").selectAll().orderBy("node").orderBy("sequence").execute();
  }
  return {
    entries,
    signedHeads,
    async ofKeyOffice() {
      const rows = await desk.db
        .selectFrom("audit")
        .select(["sequence", "what", "detail"])
        .where("what", "in", Object.values(officeKinds))
        .orderBy("node")
        .orderBy("sequence")
        .execute();
      return rows.map(({ sequence, what, detail }) => {
        const { number, sha256 } = detailOf(detail ?? "{}");
        return {
          sequence,
          kind: what === officeKinds.act ? "act" : "record",
          number: String(number),
          sha256: String(sha256),
        };
      });
    },
    note: (deed) => write(desk, (tx) => record(tx, desk, deed)),
    async noteByTwo(what, deed, witness) {
      twoPeople(what, deed.who, witness);
      await write(desk, (tx) => record(tx, desk, { ...deed, detail: { ...deed.detail, witness } }));
    },
    async latest({ what, after }) {
      const row = await desk.db
        .selectFrom("audit")
        .selectAll()
        .where("what", "=", what)
        .where("after_hash", "=", after)
        .orderBy("at", "desc")
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? undefined : entryOf(row);
    },
    async tells({ what, order }) {
      const row = await desk.db
        .selectFrom("audit")
        .select("sequence")
        .where("order_number", "=", order)
        .where("what", "=", what)
        .executeTakeFirst();
      return row !== undefined;
    },
    async head() {
      const { node, sequence, hash } = await headIn(desk.db, desk.node);
      return { node, sequence, hash };
    },
    async signHead(sign, keepOutside) {
      const { node, sequence, hash } = await headIn(desk.db, desk.node);
      const unsigned = { node, sequence, hash, at: stamp(desk) };
      const head = { ...unsigned, signature: await sign(headBytes(unsigned)) };
      keepOutside?.(head);
      await write(desk, (tx) =>
        tx
          .insertInto("audit_heads")
          .values(head)
          .onConflict((conflict) => conflict.doNothing())
          .execute(),
      );
      return head;
    },
    async contains({ node, sequence, hash }) {
      const row = await desk.db
        .selectFrom("audit")
        .select("hash")
        .where("node", "=", node)
        .where("sequence", "=", sequence)
        .executeTakeFirst();
      if (row === undefined) return sequence === 0 ? "yes" : "cut-off";
      return row.hash === hash ? "yes" : "rewritten";
    },
    async verify(outside = [], check) {
      const heads = [...(await signedHeads()), ...outside];
      const written = await desk.db.selectFrom("audit").select("node").distinct().orderBy("node").execute();
      const nodes = new Set([
        desk.node,
        ...written.map(({ node }) => node),
        ...heads.map(({ node }) => node),
      ]);
      let own: ChainVerdict | undefined;
      for (const node of nodes) {
        const verdict = await verifyChain(node, entries(node), heads, check);
        if (!verdict.ok) return verdict;
        own ??= verdict;
      }
      return own ?? { ok: true, head: genesis(desk.node) };
    },
  };
}
