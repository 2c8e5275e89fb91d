/** A ceremony does not wait for its custodians for ever, nor with one who does not count any more: half of a key in a keystore is a temptation. */
import { objectOf, signAct, stateDigest } from "./acts.js";
import { signRecord } from "./record.js";
import type { KeyRoom } from "./room.js";
import { whyVoid } from "./sittings.js";
import type { Keep, Pending } from "./types.js";
import { actionText } from "./words.js";

export const without = ({ book }: Keep, { number }: Pending): Pending[] =>
  book.pending.filter((one) => one.number !== number);

interface Place {
  readonly keep: Keep;
  readonly at: string;
  readonly program: string;
  readonly room: KeyRoom;
}

/** The office without the ceremonies that waited too long: of each a record says so, and its pieces are gone. */
export function expired(place: Place, patienceMs: number): Keep {
  const { keep, at } = place;
  const over = keep.book.pending.filter(({ since, sittings }) => {
    const began = since ?? sittings[0]?.at;
    return began === undefined || Date.parse(at) - Date.parse(began) >= patienceMs;
  });
  return over.reduce(
    (before, pending) => ended({ ...place, keep: before }, pending, { as: "expired" }),
    keep,
  );
}

/** The office without those in which somebody sat who is no custodian any more, or is locked out: what they said yes to is void. */
export function voided(place: Place): Keep {
  return place.keep.book.pending.reduce((before, pending) => {
    const reason = whyVoid(before, pending);
    return reason === undefined ? before : ended({ ...place, keep: before }, pending, { as: "void", reason });
  }, place.keep);
}

const acts = { expired: "ceremony.expire", void: "ceremony.void" } as const;

function ended(
  { keep: before, at, program, room }: Place,
  pending: Pending,
  { as, reason }: { readonly as: keyof typeof acts; readonly reason?: string },
): Keep {
  const { book } = before;
  const record = signRecord(
    {
      number: pending.number,
      environment: before.environment,
      action: actionText(pending.action),
      sittings: pending.sittings,
      ...(reason === undefined ? {} : { reason }),
      ended: as,
      completed: at,
      program,
      keystoreRevision: before.revision + 1,
    },
    book.records,
    room.sign,
  );
  const after = {
    ...before,
    book: { ...book, pending: without(before, pending), records: [...book.records, record] },
  };
  const known = book.acts ?? [];
  const act = signAct(
    {
      at,
      who: "key office",
      what: acts[as],
      object: objectOf(pending),
      result: "ok",
      before: stateDigest(before),
      after: stateDigest(after),
      ...(reason === undefined ? {} : { why: reason }),
    },
    known,
    room.sign,
  );
  return { ...after, book: { ...after.book, acts: [...known, act] } };
}
