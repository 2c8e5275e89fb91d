/** PIN letters: numbered, written by the security module, released apart from the cards, void when their card is cancelled. */
import { AccountsProblem } from "../ledger/problem.js";
import { record as audit } from "./audit.js";
import { type Desk, stamp, twoPeople, type Tx, write } from "./desk.js";
import { prepared } from "./prepared.js";

export interface Letter {
  /** The number printed on it: tells neither person nor card. */
  readonly letter: string;
  readonly order: string;
  readonly record: number;
  readonly pin: string;
  /** The attempt at the card that this letter belongs to. */
  readonly attempt: number;
  readonly state: "numbered" | "written" | "released" | "void";
  readonly file?: string;
  readonly releasedAt?: string;
  readonly voidReason?: string;
}

export interface Letters {
  /**
   * The letter in force of a record's PIN; a new number when there is none. A letter that was written once and then made void by people is
   * given back void: only `reprint` makes another for the same card.
   */
  number(ask: { readonly order: string; readonly record: number; readonly pin: string }): Promise<Letter>;
  /** The security module has written its file. */
  written(letter: string, file: string): Promise<void>;
  /**
   * Two people have a letter printed again while its PIN is kept: the old one is void, and the new number waits to be written. Refused
   * (AccountsProblem "no-pin") once the order is delivered: the PIN has died then.
   */
  reprint(ask: {
    readonly letter: string;
    readonly reason: string;
    readonly by: string;
    readonly witness: string;
  }): Promise<Letter>;
  void(ask: { readonly letter: string; readonly reason: string; readonly by: string }): Promise<void>;
  /** All written letters of an order whose record has its good card; refused to one person alone. */
  release(ask: {
    readonly order: string;
    readonly by: string;
    readonly witness: string;
  }): Promise<readonly Letter[]>;
  list(order: string): Promise<readonly Letter[]>;
  /** The order a letter belongs to. Throws AccountsProblem ("unknown-letter"). */
  orderOf(letter: string): Promise<string>;
}

interface Row {
  letter: string;
  order_number: string;
  record: number;
  pin: string;
  attempt: number;
  state: Letter["state"];
  file: string | null;
  released_at: string | null;
  void_reason: string | null;
}

const letterOf = (row: Row): Letter => ({
  letter: row.letter,
  order: row.order_number,
  record: row.record,
  pin: row.pin,
  attempt: row.attempt,
  state: row.state,
  ...(row.file === null ? {} : { file: row.file }),
  ...(row.released_at === null ? {} : { releasedAt: row.released_at }),
  ...(row.void_reason === null ? {} : { voidReason: row.void_reason }),
});

const noLetter = (letter: string): AccountsProblem =>
  new AccountsProblem(
    "unknown-letter",
    `there is no letter ${letter}; "persoline letters list ORDER" shows those of an order`,
  );

/** Which PIN of which record. */
interface Which {
  readonly order: string;
  readonly record: number;
  readonly pin: string;
}

const countOn = prepared((db) =>
  db
    .insertInto("counters")
    .values({ scope: "letters", term: "last", value: 1 })
    .onConflict((conflict) =>
      conflict.columns(["scope", "term"]).doUpdateSet((row) => ({ value: row("counters.value", "+", 1) })),
    )
    .returning("value"),
);
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
const lastWritten = prepared((db, { order, record, pin, attempt }: Which & { readonly attempt: number }) =>
  db
    .selectFrom("letters")
    .selectAll()
    .where("order_number", "=", order)
    .where("record", "=", record)
    .where("pin", "=", pin)
    .where("attempt", "=", attempt)
    .where("file", "is not", null)
    .orderBy("letter", "desc"),
);
const attemptsOf = prepared((db, { order, record }: Omit<Which, "pin">) =>
  db.selectFrom("records").select("attempts").where("order_number", "=", order).where("number", "=", record),
);
const letterWith = prepared((db, { letter }: { readonly letter: string }) =>
  db.selectFrom("letters").selectAll().where("letter", "=", letter),
);

async function nextNumber(tx: Tx): Promise<string> {
  const {
    rows: [counted],
  } = await countOn(tx, {});
  return `L-${String(counted?.value).padStart(7, "0")}`;
}

async function numbered(tx: Tx, ask: Pick<Row, "order_number" | "record" | "pin" | "attempt">) {
  const letter = await nextNumber(tx);
  const { order_number: order, record, pin, attempt } = ask;
  await insertLetter(tx, { letter, order, record, pin, attempt });
  return {
    letter,
    ...ask,
    state: "numbered" as const,
    file: null,
    released_at: null,
    void_reason: null,
  };
}

/** The letter must be the last of its card, the card good, and the PIN kept. */
async function mayReprint(tx: Tx, { letter, order_number, record, pin, attempt, state }: Row): Promise<void> {
  if (state === "numbered")
    throw new AccountsProblem(
      "wrong-state",
      `letter ${letter} is not written yet: "letters write" writes it`,
    );
  const later = await tx
    .selectFrom("letters")
    .select("letter")
    .where("order_number", "=", order_number)
    .where("record", "=", record)
    .where("pin", "=", pin)
    .where("letter", ">", letter)
    .executeTakeFirst();
  if (later !== undefined)
    throw new AccountsProblem(
      "wrong-state",
      `letter ${letter} was replaced by ${later.letter}: print that one again`,
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
  const step = async (
    tx: Tx,
    letter: string,
    from: readonly Letter["state"][],
    change: Partial<Row> & { readonly released_by?: string },
    deed: { readonly what: string; readonly who?: string; readonly detail?: Record<string, string> },
  ): Promise<void> => {
    const {
      rows: [row],
    } = await letterWith(tx, { letter });
    if (row === undefined) throw noLetter(letter);
    if (!from.includes(row.state))
      throw new AccountsProblem(
        "wrong-state",
        `letter ${letter} is ${row.state}: "${deed.what}" needs ${from.join(" or ")}`,
      );
    await tx.updateTable("letters").set(change).where("letter", "=", letter).execute();
    await audit(tx, desk, { ...deed, object: `letter ${letter}`, order: row.order_number, result: "ok" });
  };

  return {
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
        } = await lastWritten(tx, { order, record, pin, attempt: found.attempts });
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
    written: (letter, file) =>
      write(desk, (tx) =>
        step(tx, letter, ["numbered", "written"], { state: "written", file }, { what: "letter.write" }),
      ),
    reprint: async ({ letter, reason, by, witness }) => {
      twoPeople("printing a PIN letter again", by, witness);
      return write(desk, async (tx) => {
        const old = await tx
          .selectFrom("letters")
          .selectAll()
          .where("letter", "=", letter)
          .executeTakeFirst();
        if (old === undefined) throw noLetter(letter);
        await mayReprint(tx, old);
        if (old.state !== "void")
          await step(
            tx,
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
        return letterOf(row);
      });
    },
    void: ({ letter, reason, by }) =>
      write(desk, async (tx) => {
        const found = await tx
          .selectFrom("letters")
          .select(["state", "void_reason"])
          .where("letter", "=", letter)
          .executeTakeFirst();
        if (found?.state === "void")
          throw new AccountsProblem(
            "wrong-state",
            `letter ${letter} is void already: ${found.void_reason ?? ""}`,
          );
        await step(
          tx,
          letter,
          ["numbered", "written", "released"],
          { state: "void", void_reason: reason },
          { what: "letter.void", who: by, detail: { reason } },
        );
      }),
    release: async ({ order, by, witness }) => {
      twoPeople("releasing PIN letters", by, witness);
      return write(desk, async (tx) => {
        const due = await tx
          .selectFrom("letters")
          .innerJoin("cards", (join) =>
            join
              .onRef("cards.order_number", "=", "letters.order_number")
              .onRef("cards.record", "=", "letters.record")
              .on("cards.end_kind", "=", "good"),
          )
          .selectAll("letters")
          .where("letters.order_number", "=", order)
          .where("letters.state", "=", "written")
          .orderBy("letters.letter")
          .execute();
        const released_at = stamp(desk);
        for (const { letter } of due)
          await step(
            tx,
            letter,
            ["written"],
            { state: "released", released_at, released_by: by },
            { what: "letter.release", who: by, detail: { witness } },
          );
        return due.map((row) => letterOf({ ...row, state: "released", released_at }));
      });
    },
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
        .orderBy("letter")
        .execute();
      return rows.map(letterOf);
    },
  };
}
