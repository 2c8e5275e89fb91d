/** A ceremony does not wait for its custodians for ever: half of a key in a keystore is a temptation. */
import { objectOf, signAct, stateDigest } from "./acts.js";
import { signRecord } from "./record.js";
import type { KeyRoom } from "./room.js";
import type { Keep, Pending } from "./types.js";
import { actionText } from "./words.js";

export const without = ({ book }: Keep, { number }: Pending): Pending[] =>
  book.pending.filter((one) => one.number !== number);

/** The office without the ceremonies that waited too long: of each a record says so, and its pieces are gone. */
export function expired(
  {
    keep,
    at,
    program,
    room,
  }: { readonly keep: Keep; readonly at: string; readonly program: string; readonly room: KeyRoom },
  patienceMs: number,
): Keep {
  const over = keep.book.pending.filter(({ since, sittings }) => {
    const began = since ?? sittings[0]?.at;
    return began === undefined || Date.parse(at) - Date.parse(began) >= patienceMs;
  });
  return over.reduce((before, pending) => {
    const { book } = before;
    const record = signRecord(
      {
        number: pending.number,
        environment: before.environment,
        action: actionText(pending.action),
        sittings: pending.sittings,
        ended: "expired",
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
    const acts = book.acts ?? [];
    const act = signAct(
      {
        at,
        who: "key office",
        what: "ceremony.expire",
        object: objectOf(pending),
        result: "ok",
        before: stateDigest(before),
        after: stateDigest(after),
      },
      acts,
      room.sign,
    );
    return { ...after, book: { ...after.book, acts: [...acts, act] } };
  }, keep);
}
