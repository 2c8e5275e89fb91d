/** PIN letters: numbered, released in batches apart from the cards (letter-batches.ts), void when their card is cancelled. */
import { AccountsProblem } from "../ledger/problem.js";
import { record as audit } from "./audit.js";
import { type Desk, twoPeople, type Tx, write } from "./desk.js";
import {
  isDelivered,
  type Letter,
  letterOf,
  type LetterRow,
  letterWith,
  noLetter,
  numberIn,
  stepLetter,
} from "./letter-row.js";
import { counted, letterBatches, type LetterBatches } from "./letter-batches.js";
import { prepared } from "./prepared.js";

export type { Letter } from "./letter-row.js";

export interface Letters extends LetterBatches {
  /**
   * The letter in force of a record's PIN; a new number when there is none. A letter that was released once and then made void by people is
   * given back void: only `reprint` makes another for the same card.
   */
  number(ask: { readonly order: string; readonly record: number; readonly pin: string }): Promise<Letter>;
  /** Refused as `reprint` would be; changes nothing. Answers the letters as they are. */
  reprintable(ask: {
    readonly letters: readonly string[];
    readonly by: string;
    readonly witness: string;
  }): Promise<readonly Letter[]>;
  /**
   * Two people have letters printed again while their PINs are kept: the old ones are void, and the new numbers, in the same order, wait for
   * their release. All or none. Refused (AccountsProblem "no-pin") once the order is delivered: the PINs have died then.
   */
  reprint(ask: {
    readonly letters: readonly string[];
    readonly reason: string;
    readonly by: string;
    readonly witness: string;
  }): Promise<readonly Letter[]>;
  /** Marks this letter alone; `delivered`: its PIN has died with the order's delivery, and nobody can print it again. */
  void(ask: { readonly letter: string; readonly reason: string; readonly by: string }): Promise<{
    readonly order: string;
    readonly delivered: boolean;
    readonly batch?: string;
    readonly page?: number;
  }>;
  list(order: string): Promise<readonly Letter[]>;
  /** The order a letter belongs to. Throws AccountsProblem ("unknown-letter"). */
  orderOf(letter: string): Promise<string>;
}

/** Which PIN of which record. */
interface Which {
  readonly order: string;
  readonly record: number;
  readonly pin: string;
}

const insertLetter = prepared(
  (
    db,
    { letter, order, record, pin, attempt }: Which & { readonly letter: string; readonly attempt: number },
  ) =>
    db.insertInto("letters").values({
      letter,
      order_number: order,
      record,
      pin,
      attempt,
      state: "numbered",
      file: null,
      released_at: null,
      released_by: null,
      void_reason: null,
      batch: null,
      page: null,
    }),
);
const inForce = prepared((db, { order, record, pin }: Which) =>
  db
    .selectFrom("letters")
    .selectAll()
    .where("order_number", "=", order)
    .where("record", "=", record)
    .where("pin", "=", pin)
    .where("state", "!=", "void"),
);
const lastPrinted = prepared((db, { order, record, pin, attempt }: Which & { readonly attempt: number }) =>
  db
    .selectFrom("letters")
    .selectAll()
    .where("order_number", "=", order)
    .where("record", "=", record)
    .where("pin", "=", pin)
    .where("attempt", "=", attempt)
    .where((row) => row.or([row("file", "is not", null), row("batch", "is not", null)]))
    .orderBy(numberIn("letter"), "desc"),
);
const attemptsOf = prepared((db, { order, record }: Omit<Which, "pin">) =>
  db.selectFrom("records").select("attempts").where("order_number", "=", order).where("number", "=", record),
);
async function numbered(tx: Tx, ask: Pick<LetterRow, "order_number" | "record" | "pin" | "attempt">) {
  const letter = `L-${await counted(tx, "letters")}`;
  const { order_number: order, record, pin, attempt } = ask;
  await insertLetter(tx, { letter, order, record, pin, attempt });
  return {
    letter,
    ...ask,
    state: "numbered" as const,
    file: null,
    released_at: null,
    void_reason: null,
    batch: null,
    page: null,
  };
}

const reprinting = "printing a PIN letter again";

/** The letter must be the last of its card, the card good, and the PIN kept. */
async function mayReprint(
  tx: Pick<Tx, "selectFrom">,
  { letter, order_number, record, pin, attempt, state }: LetterRow,
): Promise<void> {
  if (state === "numbered")
    throw new AccountsProblem(
      "wrong-state",
      `letter ${letter} was not printed yet: "persoline letters release ${order_number}" has it printed`,
    );
  const later = await tx
    .selectFrom("letters")
    .select(["letter", "state"])
    .where("order_number", "=", order_number)
    .where("record", "=", record)
    .where("pin", "=", pin)
    .where(numberIn("letter"), ">", Number(letter.slice(2)))
    .executeTakeFirst();
  if (later !== undefined)
    throw new AccountsProblem(
      "wrong-state",
      later.state === "numbered"
        ? `letter ${letter} was replaced by ${later.letter}, which was not printed yet: "persoline letters release ${order_number}" has it printed`
        : `letter ${letter} was replaced by ${later.letter}: print that one again`,
    );
  const good = await tx
    .selectFrom("cards")
    .select("serial")
    .where("order_number", "=", order_number)
    .where("record", "=", record)
    .where("attempt", "=", attempt)
    .where("end_kind", "=", "good")
    .executeTakeFirst();
  if (good === undefined)
    throw new AccountsProblem(
      "wrong-state",
      `the card of letter ${letter} was cancelled: its remake has a letter of its own`,
    );
  const kept = await tx
    .selectFrom("record_pins")
    .select("pin")
    .where("order_number", "=", order_number)
    .where("record", "=", record)
    .where("pin", "=", pin)
    .executeTakeFirst();
  if (kept === undefined)
    throw new AccountsProblem(
      "no-pin",
      `the PIN of letter ${letter} is not kept any more: order ${order_number} was delivered. Make the holder a new card`,
    );
}

export function letterStore(desk: Desk): Letters {
  return {
    ...letterBatches(desk),
    number: ({ order, record, pin }) =>
      write(desk, async (tx) => {
        const {
          rows: [known],
        } = await inForce(tx, { order, record, pin });
        if (known !== undefined) return letterOf(known);
        const {
          rows: [found],
        } = await attemptsOf(tx, { order, record });
        if (found === undefined)
          throw new AccountsProblem("unknown-order", `order ${order} has no record ${record}`);
        const {
          rows: [before],
        } = await lastPrinted(tx, { order, record, pin, attempt: found.attempts });
        if (before !== undefined) return letterOf(before);
        const row = await numbered(tx, { order_number: order, record, pin, attempt: found.attempts });
        await audit(tx, desk, {
          what: "letter.number",
          object: `letter ${row.letter}`,
          order,
          result: "ok",
          detail: { record },
        });
        return letterOf(row);
      }),
    reprintable: async ({ letters, by, witness }) => {
      twoPeople(reprinting, by, witness);
      const found: Letter[] = [];
      for (const letter of letters) {
        const old = await desk.db
          .selectFrom("letters")
          .selectAll()
          .where("letter", "=", letter)
          .executeTakeFirst();
        if (old === undefined) throw noLetter(letter);
        await mayReprint(desk.db, old);
        found.push(letterOf(old));
      }
      return found;
    },
    reprint: async ({ letters, reason, by, witness }) => {
      twoPeople(reprinting, by, witness);
      return write(desk, async (tx) => {
        const anew: Letter[] = [];
        for (const letter of letters) {
          const {
            rows: [old],
          } = await letterWith(tx, { letter });
          if (old === undefined) throw noLetter(letter);
          await mayReprint(tx, old);
          if (old.state !== "void")
            await stepLetter(
              tx,
              desk,
              letter,
              ["written", "released"],
              { state: "void", void_reason: reason },
              { what: "letter.void", who: by, detail: { reason, witness } },
            );
          const { order_number, record, pin, attempt } = old;
          const row = await numbered(tx, { order_number, record, pin, attempt });
          await audit(tx, desk, {
            what: "letter.reprint",
            who: by,
            object: `letter ${row.letter}`,
            order: order_number,
            result: "ok",
            detail: { reason, witness, replaces: letter },
          });
          anew.push(letterOf(row));
        }
        return anew;
      });
    },
    void: ({ letter, reason, by }) =>
      write(desk, async (tx) => {
        const {
          rows: [found],
        } = await letterWith(tx, { letter });
        if (found === undefined) throw noLetter(letter);
        if (found.state === "void")
          throw new AccountsProblem(
            "wrong-state",
            `letter ${letter} is void already: ${found.void_reason ?? ""}`,
          );
        await stepLetter(
          tx,
          desk,
          letter,
          ["numbered", "written", "released"],
          { state: "void", void_reason: reason },
          { what: "letter.void", who: by, detail: { reason } },
        );
        const { order, batch, page } = letterOf(found);
        return {
          order,
          delivered: await isDelivered(tx, order),
          ...(batch === undefined ? {} : { batch }),
          ...(page === undefined ? {} : { page }),
        };
      }),
    async orderOf(letter) {
      const row = await desk.db
        .selectFrom("letters")
        .select("order_number")
        .where("letter", "=", letter)
        .executeTakeFirst();
      if (row === undefined) throw noLetter(letter);
      return row.order_number;
    },
    async list(order) {
      const rows = await desk.db
        .selectFrom("letters")
        .selectAll()
        .where("order_number", "=", order)
        .orderBy(numberIn("letter"))
        .execute();
      return rows.map(letterOf);
    },
  };
}
