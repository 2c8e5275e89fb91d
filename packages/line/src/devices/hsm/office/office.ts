/** The key office: ceremonies that begin in one custodian's sitting and are whole after another's. Runs in its own short-lived process. */
import type { StoredKey } from "../keystore.js";
import { checkAction, judgeWaiting } from "./check-action.js";
import {
  custodianOf,
  type Custodian,
  enrol,
  judgedPassphrase,
  type ProofCosts,
  triesLeft,
} from "./custodians.js";
import { actOf, signAct } from "./acts.js";
import { expired, without } from "./expiry.js";
import { lifeOf, perform, type Performed, rehearse } from "./perform.js";
import { signRecord } from "./record.js";
import { OfficeRefusal } from "./refusal.js";
import { type KeyRoom, keystoreRoom } from "./room.js";
import { judgePieceKcv, piece } from "./sitting-piece.js";
import { type Keep, type KeyAction, type OfficeAsk, type Pending, usualPatience } from "./types.js";
import { actionText, deedText } from "./words.js";

/** Where secrets come from and go to: a terminal, or file descriptors. Never an argument, a message or a file of ours. */
export interface Counter {
  /** A passphrase or a piece, unseen. */
  ask(what: "passphrase" | "piece", prompt: string): string;
  /** Hands a piece to the custodian who sits here, and to nobody else. */
  hand(text: string): void;
}

export interface Sat {
  readonly keep: Keep;
  /** `what`: what it does, and to which key. */
  readonly ceremony?: { readonly number: string; readonly left: number; readonly what: string };
  readonly block?: string;
  /** Thrown after the keep is written: a wrong passphrase counts even if nothing else happens. */
  readonly refused?: OfficeRefusal;
}

interface Place {
  readonly keep: Keep;
  readonly counter: Counter;
  readonly room: KeyRoom;
  /** ISO 8601. */
  readonly at: string;
  readonly program: string;
  /** For tests: what a new custodian's proof costs. */
  readonly costs?: ProofCosts;
}

/**
 * Serves one call; what it did or tried stands in the office's acts. Ceremonies that waited too long end first, and their pieces with them.
 * `room`: where the keys are; the keystore itself without it.
 */
export async function serve(
  ask: Exclude<OfficeAsk, { ask: "list" | "request" }>,
  place: Omit<Place, "room"> & { readonly room?: KeyRoom; readonly patienceMs?: number },
): Promise<Sat> {
  const room = place.room ?? keystoreRoom(place.keep.keys);
  const keep = expired({ ...place, room }, place.patienceMs ?? usualPatience);
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
  return {
    ...sat,
    keep: { ...sat.keep, book: { ...book, acts: [...acts, signAct(facts, acts, room.sign)] } },
  };
}

async function served(ask: Exclude<OfficeAsk, { ask: "list" | "request" }>, place: Place): Promise<Sat> {
  const { keep, at } = place;
  switch (ask.ask) {
    case "begin": {
      const action = checkAction(ask.action, keep, place);
      if (action.do === "custodian") return newCustodian(place, action.name);
      judgeOffice(keep);
      judgeWaiting(action, keep);
      const number = numbered(keep.book.next);
      const needed = sittingsOf(action);
      const pending: Pending = { number, action, needed, sittings: [], pieces: [], since: at };
      const book = { ...keep.book, next: keep.book.next + 1 };
      return sit({ ...place, keep: { ...keep, book } }, pending, ask.by, ask.pieceKcv);
    }
    case "confirm":
      return sit(place, pendingOf(keep, ask.number), ask.by, ask.pieceKcv);
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
      `no ceremony ${number} waits for a custodian; "persoline keys ceremonies" shows those that do`,
    );
  return found;
}

function judgeOffice({ book }: Keep): void {
  if (book.custodians.length < 2)
    throw new OfficeRefusal(
      'keys are in the hands of two custodians; enrol them first with "persoline keys custodian"',
    );
}

function sittingsOf(action: KeyAction): number {
  if (action.do === "import") return Math.max(2, action.count);
  if (action.do === "generate" && action.leaves !== undefined && action.leaves.as !== "block")
    return Math.max(2, action.leaves.count);
  return 2;
}

/** The first two enrol themselves; every later one is let in by two of them. */
function newCustodian(place: Place, name: string): Sat {
  const { keep, counter, at, costs } = place;
  const { book } = keep;
  const waiting = book.pending.flatMap(({ custodian }) => custodian ?? []);
  const passphrase = counter.ask("passphrase", `New passphrase of custodian ${name}`);
  const custodian = enrol({
    name,
    passphrase,
    known: [...book.custodians, ...waiting],
    at,
    ...(costs === undefined ? {} : { costs }),
  });
  const number = numbered(book.next);
  const pending: Pending = {
    number,
    action: { do: "custodian", name: custodian.name },
    needed: 2,
    sittings: [],
    pieces: [],
    custodian,
    since: at,
  };
  const next = { ...book, next: book.next + 1 };
  if (book.custodians.length < 2) {
    const sittings = [{ by: custodian.name, at }];
    const enrolled = { ...keep, book: { ...next, custodians: [...book.custodians, custodian] } };
    return {
      keep: entered(place, enrolled, { ...pending, sittings }, { keys: keep.keys }),
      ceremony: { number, left: 0, what: deedText(pending.action) },
    };
  }
  return {
    keep: { ...keep, book: { ...next, pending: [...book.pending, pending] } },
    ceremony: { number, left: 2, what: deedText(pending.action) },
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

/** `to`: what this custodian says yes to. */
function proved(
  { keep, counter }: Place,
  by: string,
  to?: string,
): { wrong?: OfficeRefusal; name: string; custodians: readonly Custodian[] } {
  const custodian = custodianOf(keep.book.custodians, by);
  const { right, now } = judgedPassphrase(
    custodian,
    counter.ask(
      "passphrase",
      `${to === undefined ? "" : `${to}\n`}Passphrase of custodian ${custodian.name}`,
    ),
  );
  const custodians = keep.book.custodians.map((one) => (one.name === now.name ? now : one));
  if (right) return { name: custodian.name, custodians };
  return {
    wrong: new OfficeRefusal(
      `this is not the passphrase of ${custodian.name}; nothing was done. ${triesLeft(now)}`,
    ),
    name: custodian.name,
    custodians,
  };
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
  const begun = first === undefined ? "" : `, begun by ${first.by}`;
  const { wrong, name, custodians } = proved(place, by, `Ceremony ${pending.number}${begun}: ${what}`);
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
    if (first === undefined || !(problem instanceof OfficeRefusal)) throw problem;
    const over = `${problem.message}. Ceremony ${pending.number} is over: nothing of it stays`;
    return { keep: settled, refused: new OfficeRefusal(over) };
  }
  const { sitting, pieces } = await piece(place, pending, { by: name, at }, pieceKcv);
  const now: Pending = { ...pending, sittings: [...pending.sittings, sitting], pieces };
  const left = now.needed - now.sittings.length;
  const ceremony = { number: pending.number, left, what };
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

/** The new keep, with the ceremony's record signed. */
function entered({ at, program, room }: Place, keep: Keep, pending: Pending, done: Performed): Keep {
  const { action, custodian } = pending;
  const { book, environment } = keep;
  const custodians =
    custodian === undefined || book.custodians.some(({ name }) => name === custodian.name)
      ? book.custodians
      : [...book.custodians, custodian];
  const { told, list, lists = book.lists } = done;
  const record = signRecord(
    {
      number: pending.number,
      environment,
      action: actionText(action),
      sittings: pending.sittings,
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
      custodians,
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
