/** PIN letters on their way to the printer: released by two people, a batch at a time. */
import { AccountsProblem } from "../ledger/problem.js";
import { record as audit } from "./audit.js";
import { type Desk, stamp, twoPeople, type Tx, write } from "./desk.js";
import { isDelivered, type Letter, letterOf, numberIn, stepLetter } from "./letter-row.js";
import { prepared } from "./prepared.js";

export interface LetterBatch {
  readonly batch: string;
  readonly order: string;
  readonly letters: number;
  /** Nothing when it was taken away. */
  readonly file?: string;
  readonly releasedAt: string;
}

export interface LetterBatches {
  /** Letters that wait for their release, `only` these: their record has its good card, their PIN is kept. By number, at most `most`. */
  due(order: string, most: number, only?: readonly string[]): Promise<readonly Letter[]>;
  /** The next batch's number; it is not given twice. */
  batchNumber(): Promise<string>;
  /**
   * The batch is written: its letters are released, in the order of their pages. All or none: refused (AccountsProblem "wrong-state") when one
   * of them does not wait any more, when what was written is swept away meanwhile, and to one person alone.
   */
  released(ask: {
    readonly order: string;
    readonly batch: string;
    /** As it will be called, in the data folder. */
    readonly file: string;
    /** Whether its draft is there still; asked while nobody can sweep it. */
    readonly isWritten: () => boolean;
    readonly letters: readonly string[];
    readonly by: string;
    readonly witness: string;
  }): Promise<void>;
  /** Letters that a former version wrote into files of their own, and whose PINs died since: released as they are. */
  releaseWritten(ask: {
    readonly order: string;
    readonly by: string;
    readonly witness: string;
  }): Promise<readonly Letter[]>;
  batches(order: string): Promise<readonly LetterBatch[]>;
  /** Removes what is not entered, while nothing is entered: `remove` is given the batches that are, also those whose file was taken away. */
  sweep(order: string, remove: (entered: ReadonlySet<string>) => void): Promise<void>;
  /**
   * Its file goes: one of its letters is void. Answers false, and enters nothing, once its order is delivered: the PINs have died, and the file
   * may be the only copy of its other letters.
   */
  takenAway(batch: string): Promise<boolean>;
  /** The order of a batch. Throws AccountsProblem ("unknown-letter"). */
  orderOfBatch(batch: string): Promise<string>;
}

const countOn = prepared((db, { scope }: { readonly scope: string }) =>
  db
    .insertInto("counters")
    .values({ scope, term: "last", value: 1 })
    .onConflict((conflict) =>
      conflict.columns(["scope", "term"]).doUpdateSet((row) => ({ value: row("counters.value", "+", 1) })),
    )
    .returning("value"),
);

/** The next number of this kind, seven digits. */
export async function counted(tx: Tx, scope: "letters" | "letter-batches" | "carriers"): Promise<string> {
  const {
    rows: [row],
  } = await countOn(tx, { scope });
  return String(row?.value).padStart(7, "0");
}

const released = "releasing PIN letters";

/** Letters not yet released whose record has its good card. */
const waiting = (db: Pick<Tx, "selectFrom">, order: string) =>
  db
    .selectFrom("letters")
    .innerJoin("cards", (join) =>
      join
        .onRef("cards.order_number", "=", "letters.order_number")
        .onRef("cards.record", "=", "letters.record")
        .on("cards.end_kind", "=", "good"),
    )
    .leftJoin("record_pins", (join) =>
      join
        .onRef("record_pins.order_number", "=", "letters.order_number")
        .onRef("record_pins.record", "=", "letters.record")
        .onRef("record_pins.pin", "=", "letters.pin"),
    )
    .selectAll("letters")
    .where("letters.order_number", "=", order)
    .orderBy(numberIn("letters.letter"));

const due = (db: Pick<Tx, "selectFrom">, order: string) =>
  waiting(db, order)
    .where("letters.state", "in", ["numbered", "written"])
    .where("record_pins.pin", "is not", null);

export function letterBatches(desk: Desk): LetterBatches {
  return {
    async due(order, most, only) {
      const all = due(desk.db, order);
      const chosen = only === undefined ? all : all.where("letters.letter", "in", only);
      return (await chosen.limit(most).execute()).map(letterOf);
    },
    batchNumber: () => write(desk, async (tx) => `B-${await counted(tx, "letter-batches")}`),
    released: async ({ order, batch, file, isWritten, letters, by, witness }) => {
      twoPeople(released, by, witness);
      await write(desk, async (tx) => {
        if (!isWritten())
          throw new AccountsProblem(
            "wrong-state",
            `batch ${batch} was swept away by another command while it was written: none of its letters is released. Release the order again`,
          );
        const released_at = stamp(desk);
        await tx
          .insertInto("letter_batches")
          .values({
            batch,
            order_number: order,
            letters: letters.length,
            file,
            released_at,
            released_by: by,
            witness,
          })
          .execute();
        const rows = await due(tx, order).where("letters.letter", "in", letters).execute();
        const waits = new Set(rows.map(({ letter }) => letter));
        for (const [at, letter] of letters.entries()) {
          if (!waits.has(letter))
            throw new AccountsProblem(
              "wrong-state",
              `letter ${letter} does not wait for its release any more: batch ${batch} is not released. Release the order again`,
            );
          await stepLetter(
            tx,
            desk,
            letter,
            ["numbered", "written"],
            { state: "released", released_at, released_by: by, batch, page: at + 1, file: null },
            { what: "letter.release", who: by, detail: { witness, batch } },
          );
        }
        await audit(tx, desk, {
          what: "letters.release",
          who: by,
          object: `batch ${batch}`,
          order,
          result: "ok",
          detail: { witness, letters: letters.length },
        });
      });
    },
    releaseWritten: async ({ order, by, witness }) => {
      twoPeople(released, by, witness);
      return write(desk, async (tx) => {
        const old = await waiting(tx, order)
          .where("letters.state", "=", "written")
          .where("record_pins.pin", "is", null)
          .execute();
        const released_at = stamp(desk);
        for (const { letter } of old)
          await stepLetter(
            tx,
            desk,
            letter,
            ["written"],
            { state: "released", released_at, released_by: by },
            { what: "letter.release", who: by, detail: { witness } },
          );
        return old.map((row) => letterOf({ ...row, state: "released", released_at }));
      });
    },
    async batches(order) {
      const rows = await desk.db
        .selectFrom("letter_batches")
        .selectAll()
        .where("order_number", "=", order)
        .orderBy(numberIn("batch"))
        .execute();
      return rows.map(({ batch, order_number, letters, file, released_at }) => ({
        batch,
        order: order_number,
        letters,
        releasedAt: released_at,
        ...(file === null ? {} : { file }),
      }));
    },
    sweep: (order, remove) =>
      write(desk, async (tx) => {
        const entered = await tx
          .selectFrom("letter_batches")
          .select("batch")
          .where("order_number", "=", order)
          .execute();
        remove(new Set(entered.map(({ batch }) => batch)));
      }),
    takenAway: (batch) =>
      write(desk, async (tx) => {
        const order = await orderOfBatch(tx, batch);
        if (await isDelivered(tx, order)) return false;
        await tx.updateTable("letter_batches").set({ file: null }).where("batch", "=", batch).execute();
        await audit(tx, desk, { what: "letters.take-away", object: `batch ${batch}`, order, result: "ok" });
        return true;
      }),
    orderOfBatch: (batch) => orderOfBatch(desk.db, batch),
  };
}

async function orderOfBatch(db: Pick<Tx, "selectFrom">, batch: string): Promise<string> {
  const row = await db
    .selectFrom("letter_batches")
    .select("order_number")
    .where("batch", "=", batch)
    .executeTakeFirst();
  if (row === undefined)
    throw new AccountsProblem(
      "unknown-letter",
      `there is no batch ${batch}; "persoline letters list ORDER" shows those of an order`,
    );
  return row.order_number;
}
