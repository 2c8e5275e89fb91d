/** The key office: ceremonies that begin in one custodian's sitting and are whole after another's. Runs in its own short-lived process. */
import type { StoredKey } from "../keystore.js";
import { checkAction, judgeWaiting } from "./check-action.js";
import { custodianOf } from "./custodians.js";
import { actOf, signAct } from "./acts.js";
import { expired, voided, without } from "./expiry.js";
import { lifeOf, perform, type Performed, rehearse } from "./perform.js";
import type { Place, Sat } from "./place.js";
import { candidate, custodiansAfter, proved } from "./proving.js";
import { brokenRecord, recordHead, signRecord } from "./record.js";
import { OfficeRefusal } from "./refusal.js";
import { type KeyRoom, keystoreRoom } from "./room.js";
import { brokenRoster, piecesOf } from "./roster.js";
import { judgePieceKcv, piece } from "./sitting-piece.js";
import { deedOf, signSitting } from "./sittings.js";
import {
  type CeremonyRecord,
  type Keep,
  type KeyAction,
  type OfficeAsk,
  type Pending,
  type RosterAction,
  usualPatience,
} from "./types.js";
import { actionText, ceremonyNumber, deedText, isRoster } from "./words.js";

/**
 * Serves one call; what it did or tried stands in the office's acts. Ceremonies that waited too long end first, and their pieces with them.
 * `room`: where the keys are; the keystore itself without it.
 */
export async function serve(
  typed: Exclude<OfficeAsk, { ask: "list" | "request" }>,
  place: Omit<Place, "room"> & { readonly room?: KeyRoom; readonly patienceMs?: number },
): Promise<Sat> {
  const ask = "number" in typed ? { ...typed, number: ceremonyNumber(typed.number) } : typed;
  const room = place.room ?? keystoreRoom(place.keep.keys);
  judgeBook(place.keep, room);
  const known = { ...place, room };
  const keep = voided({ ...known, keep: expired(known, place.patienceMs ?? usualPatience) });
  const sat = await served(ask, { ...place, keep, room }).catch((problem: unknown): Sat => {
    // Refused before anything was done: that it was tried is kept all the same.
    if (problem instanceof OfficeRefusal) return { keep, refused: problem };
    throw problem;
  });
  const { book } = sat.keep;
  const facts = actOf(ask, place.at, {
    before: keep,
    after: sat.keep,
    refused: sat.refused,
    number: sat.ceremony?.number,
    left: sat.ceremony?.left,
  });
  const acts = book.acts ?? [];
  const told = { ...sat.keep, book: { ...book, acts: [...acts, signAct(facts, acts, room.sign)] } };
  // Whoever was removed or locked out by this call has said yes to nothing.
  return { ...sat, keep: voided({ ...known, keep: told }) };
}

/** What the office keeps must follow from its records, and they from what custodians signed. Throws OfficeRefusal. */
export function judgeBook(keep: Keep, { signedBy }: Pick<KeyRoom, "signedBy">): void {
  const broken = brokenRecord(keep.book.records, signedBy) ?? brokenRoster(keep);
  if (broken !== undefined) throw new OfficeRefusal(`${broken}; restore the keystore from a backup`);
}

async function served(ask: Exclude<OfficeAsk, { ask: "list" | "request" }>, place: Place): Promise<Sat> {
  const { keep, at } = place;
  switch (ask.ask) {
    case "begin": {
      const action = checkAction(ask.action, keep, place);
      if (action.do === "custodian" || action.do === "custodian-renew") return seated(place, action);
      judgeOffice(keep);
      judgeWaiting(action, keep);
      const number = numbered(keep.book.next);
      const needed = sittingsOf(action);
      const pending: Pending = { number, action, needed, sittings: [], pieces: [], since: at };
      const book = { ...keep.book, next: keep.book.next + 1 };
      return sit({ ...place, keep: { ...keep, book } }, pending, ask.by, ask.pieceKcv);
    }
    case "confirm": {
      const pending = pendingOf(keep, ask.number);
      if (ask.wantsBlock === true) judgeBlock(pending);
      return sit(place, pending, ask.by, ask.pieceKcv);
    }
    case "witness":
      return stood(place, ask.by, ask.witness);
    case "cancel": {
      const pending = pendingOf(keep, ask.number);
      const { wrong, custodians } = proved(place, ask.by);
      const book = { ...keep.book, custodians };
      if (wrong !== undefined) return { keep: { ...keep, book }, refused: wrong };
      return {
        keep: { ...keep, book: { ...book, pending: without(keep, pending) } },
        ceremony: { number: pending.number, left: 0, what: deedText(pending.action) },
      };
    }
  }
}

const numbered = (next: number): string => `C-${String(next).padStart(4, "0")}`;

function pendingOf({ book }: Keep, number: string): Pending {
  const found = book.pending.find((one) => one.number === number);
  if (found === undefined)
    throw new OfficeRefusal(
      `no ceremony ${number} waits for a custodian${became(book, number)}; "persoline keys ceremonies" shows those that do`,
    );
  return found;
}

/** What became of one that does not wait: a second custodian may not know whether the first call was heard. */
function became({ records, next }: Keep["book"], number: string): string {
  const record = records
    .map(({ text }) => JSON.parse(text) as CeremonyRecord)
    .find((one) => one.number === number);
  if (record !== undefined) {
    const { key, action, completed, ended, sittings } = record;
    const what = `${key === undefined ? "" : `key ${key.name}: `}${action}`;
    const by = sittings.map((one) => one.by).join(", ");
    return ended === undefined
      ? `: it is whole since ${completed} (${what}; ${by}), and "persoline keys record ${number}" prints its record`
      : `: it ${ended === "expired" ? "expired" : "was void"} at ${completed} (${what}), and nothing of it stays: begin it anew`;
  }
  const [, digits] = /^C-(\d+)$/.exec(number) ?? [];
  if (digits === undefined) return ": ceremonies are numbered C-0001, C-0002 …";
  return Number(digits) >= 1 && Number(digits) < next
    ? ": it was cancelled, or refused at a later sitting, and nothing of it stays: begin it anew"
    : ": there never was one";
}

function judgeBlock({ number, action }: Pending): void {
  const gives = action.do === "export-block" || (action.do === "generate" && action.leaves?.as === "block");
  if (!gives)
    throw new OfficeRefusal(
      `ceremony ${number} (${deedText(action)}) hands out no key block, so nothing can be written with --out: confirm it without, "persoline keys confirm ${number} --by NAME" (a block leaves by "keys export-block", or at a key's birth by "keys generate --under"). Nothing was done`,
    );
}

function judgeOffice({ book }: Keep): void {
  if (book.custodians.length < 2)
    throw new OfficeRefusal(
      'keys are in the hands of two custodians; enrol them first with "persoline keys custodians add"',
    );
}

function sittingsOf(action: KeyAction): number {
  if (action.do === "import") return Math.max(2, action.count);
  if (action.do === "generate" && action.leaves !== undefined && action.leaves.as !== "block")
    return Math.max(2, action.leaves.count);
  return 2;
}

/** The first two enrol themselves; every later one, and whoever comes back, is let in by two others. */
function seated(place: Place, action: Exclude<RosterAction, { do: "custodian-remove" }>): Sat {
  const { keep } = place;
  const first = keep.book.custodians.length < 2;
  const number = numbered(keep.book.next);
  const pending = candidate(place, action, { number, first });
  const what = deedText(pending.action);
  const book = { ...keep.book, next: keep.book.next + 1 };
  if (first)
    return {
      keep: entered(place, { ...keep, book }, pending, { keys: keep.keys }),
      ceremony: { number, left: 0, what },
    };
  const notes = [
    "Read the digits of this key to the two who confirm it, yourself: they are shown them, and compare.",
  ];
  return {
    keep: { ...keep, book: { ...book, pending: [...book.pending, pending] } },
    ceremony: { number, left: 2, what, notes },
  };
}

/** Two custodians, each by a passphrase of their own; both are heard before anything is said of one. */
function stood(place: Place, by: string, witness: string): Sat {
  judgeOffice(place.keep);
  const { book } = place.keep;
  if (custodianOf(book.custodians, by).name === custodianOf(book.custodians, witness).name)
    throw new OfficeRefusal("this takes two different custodians; name both");
  const one = proved(place, by);
  const first = { ...place.keep, book: { ...book, custodians: one.custodians } };
  const other = proved({ ...place, keep: first }, witness);
  const keep = { ...first, book: { ...book, custodians: other.custodians } };
  const refused = one.wrong ?? other.wrong;
  return { keep, ...(refused === undefined ? {} : { refused }) };
}

/** One custodian's sitting; the last one makes the ceremony whole. */
async function sit(place: Place, pending: Pending, by: string, pieceKcv: string | undefined): Promise<Sat> {
  const { keep, at } = place;
  const same = pending.sittings.find(
    (one) => one.by.toLowerCase() === by.trim().normalize("NFC").toLowerCase(),
  );
  if (same !== undefined)
    throw new OfficeRefusal(
      `${same.by} has sat in ceremony ${pending.number} already: it takes another custodian`,
    );
  const what = deedText(pending.action);
  judgePieceKcv(pending, pieceKcv);
  const [first] = pending.sittings;
  // One that a candidate began waits before anybody has sat in it.
  const isWaiting = keep.book.pending.some(({ number }) => number === pending.number);
  const begun = first === undefined ? "" : `, begun by ${first.by}`;
  judgeOwn(keep, pending, by);
  const { wrong, name, custodians, signer } = proved(
    place,
    by,
    `Ceremony ${pending.number}${begun}: ${[what, ...listOf(pending.action)].join("\n")}`,
  );
  const known = { ...keep, book: { ...keep.book, custodians } };
  // A ceremony that had not begun does not begin by a wrong passphrase.
  if (wrong !== undefined) return { keep: known, refused: wrong };
  // Once more, now that the name is the enrolled one.
  if (pending.sittings.some((one) => one.by === name))
    throw new OfficeRefusal(
      `${name} has sat in ceremony ${pending.number} already: it takes another custodian`,
    );
  const others = without(known, pending);
  const settled = { ...known, book: { ...known.book, pending: others } };
  const { keys, environment, book } = keep;
  const ask = { pending, keys, lists: book.lists, environment, room: place.room, at };
  try {
    // What was right at the beginning must still be right: the keys may have changed since.
    checkAction(pending.action, settled, place);
    if (first === undefined) rehearse(ask);
  } catch (problem) {
    if (!isWaiting || !(problem instanceof OfficeRefusal)) throw problem;
    const over = `${problem.message}. Ceremony ${pending.number} is over: nothing of it stays`;
    return { keep: settled, refused: new OfficeRefusal(over) };
  }
  const unsigned = { by: name, at, head: recordHead(book.records) };
  const { sitting, pieces } = await piece(place, pending, unsigned, pieceKcv);
  const signed = signSitting(ceremonyOf(keep, pending), sitting, signer);
  const now: Pending = { ...pending, sittings: [...pending.sittings, signed], pieces };
  const left = now.needed - now.sittings.length;
  const notes = [
    ...notesOf(known, pending.action),
    // Whoever began it was shown the list before it was asked for.
    ...(first === undefined ? [] : listOf(pending.action)),
  ];
  const ceremony = { number: pending.number, left, what, ...(notes.length === 0 ? {} : { notes }) };
  if (left > 0) return { keep: { ...known, book: { ...known.book, pending: [...others, now] } }, ceremony };
  try {
    const done = await perform({ ...ask, pending: now });
    return {
      keep: entered(place, settled, now, done),
      ceremony,
      ...(done.block === undefined ? {} : { block: done.block }),
    };
  } catch (problem) {
    // The pieces are used up: a ceremony that failed is over, and nothing of it stays.
    if (problem instanceof OfficeRefusal) return { keep: settled, refused: problem };
    throw problem;
  }
}

const ceremonyOf = ({ environment }: Keep, { number, action }: Pending) => ({
  number,
  environment,
  deed: deedOf(action),
});

/** Nobody decides about themselves. */
function judgeOwn({ book }: Keep, { number, action }: Pending, by: string): void {
  if (isRoster(action) && custodianOf(book.custodians, by).name === action.name)
    throw new OfficeRefusal(`ceremony ${number} is about ${action.name}: it takes two others`);
}

/** Whoever leaves may have pieces of keys, which no ceremony takes back. */
function notesOf(keep: Keep, action: KeyAction): readonly string[] {
  if (action.do !== "custodian-remove") return [];
  const held = piecesOf(keep, action.name);
  if (held.length === 0) return [`${action.name} has no piece of a key.`];
  return [
    `${action.name} may still have, and no ceremony takes that back:`,
    ...held.map((one) => `  ${one}`),
    'Take it back before witnesses, or make another key and its pieces anew ("persoline keys generate").',
  ];
}

/** What whoever says yes to it allows, sentence by sentence. */
const listOf = (action: KeyAction): readonly string[] =>
  action.do === "allow" ? action.sentences.map((sentence) => `  ${sentence}`) : [];

/** The new keep, with the ceremony's record signed. */
function entered({ at, program, room }: Place, keep: Keep, pending: Pending, done: Performed): Keep {
  const { action } = pending;
  const { book, environment } = keep;
  const { told, list, lists = book.lists } = done;
  const record = signRecord(
    {
      number: pending.number,
      environment,
      action: actionText(action),
      deed: deedOf(action),
      sittings: pending.sittings,
      ...(isRoster(action) ? { roster: action } : {}),
      ...(action.do === "custodian-remove" ? { holds: piecesOf(keep, action.name) } : {}),
      ...(told === undefined ? {} : { key: keyTold(told) }),
      ...(action.do === "import" ? { stated: { kcv: action.kcv, method: action.method } } : {}),
      ...("reason" in action ? { reason: action.reason } : {}),
      ...(list === undefined
        ? {}
        : { list: { name: list.name, digest: list.digest, sentences: list.sentences } }),
      completed: at,
      program,
      keystoreRevision: keep.revision + 1,
    },
    book.records,
    room.sign,
  );
  return {
    ...keep,
    keys: done.keys,
    book: {
      ...book,
      custodians: custodiansAfter(keep, pending),
      records: [...book.records, record],
      ...(lists === undefined ? {} : { lists }),
    },
  };
}

const keyTold = (key: StoredKey) => {
  const { kcv, state, source, from, until } = lifeOf(key);
  return {
    name: key.name,
    use: key.use,
    algorithm: key.algorithm,
    kcv,
    state,
    source,
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
  };
};
