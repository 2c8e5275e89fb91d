/** What people decide about cards afterwards: held ones are settled, good ones withdrawn. Always two, always with a reason. */
import type { Serial } from "@persoline/card/program";
import { mayBeFoundGood, moveBlank } from "../ledger/life.js";
import { AccountsProblem } from "../ledger/problem.js";
import { cancelGood } from "./cancel-good.js";
import { completeOrder, dropPins } from "./record-ends.js";
import { blankOf, changeBlank, factsOf, findBlank } from "./blanks.js";
import { record as audit } from "./audit.js";
import { type Desk, twoPeople, type Tx, write } from "./desk.js";
import { staleReports } from "./order-runs.js";
import { stepRecord } from "./records.js";
import type { BlanksTable } from "./tables.js";
import type { Blank } from "../ledger/types.js";

export const verdicts = ["good", "reject", "return"] as const;
export type Verdict = (typeof verdicts)[number];

/** A card that waits for two people. */
export interface HeldCard extends Blank {
  /** ISO 8601, UTC. */
  readonly since: string;
  readonly station: string;
  /** Why it was put aside. */
  readonly question: string;
  /** What it has not passed; absent when nobody wrote it down. */
  readonly left?: readonly string[];
}

/** Pictures of a held card: files relative to the data folder, sealed under the order's data key. */
export interface HeldPictures {
  readonly label: string;
  readonly order: string;
  readonly record: number;
  readonly question: string;
  /** What was found wrong, where; no personal datum. */
  readonly wrong: readonly string[];
  readonly front: string;
  readonly back: string;
}

/** A record whose cards failed too often. */
export interface HeldRecord {
  readonly order: string;
  readonly record: number;
  readonly reason: string;
}

interface Decision {
  readonly serial: Serial;
  /** Into the audit, for good: no personal data. */
  readonly reason: string;
  readonly by: string;
  readonly witness: string;
}

export interface Review {
  /** All cards that wait for a decision, in order of their serials. */
  held(): Promise<readonly HeldCard[]>;
  /** All records that wait for a decision (`Orders.releaseRecord`). */
  heldRecords(): Promise<readonly HeldRecord[]>;
  /**
   * What two people need to judge a held card by looking, and the audit that they were shown it. Throws AccountsProblem, also when the card
   * has no pictures: then nobody can find it good.
   */
  look(ask: Omit<Decision, "reason">): Promise<HeldPictures>;
  /** A body that the accounts do not have as held was taken out of the hold bin: two people tell the audit what it was. */
  takenAway(ask: Omit<Decision, "serial"> & { readonly label: string }): Promise<void>;
  /**
   * Two people decide on a held card. Good: only when it has passed everything that people cannot judge by looking, and while it is the
   * last card of a record that waits for another. Reject: its record, if it has one, waits for a card. Return: not ours, no record bound.
   */
  settle(ask: Decision & { readonly verdict: Verdict }): Promise<Blank>;
  /**
   * A card that was good is found bad before delivery: rejected, refused at gates, its PIN and letters void, and its record made anew.
   * `lost`: nobody finds its body, so that it is booked as destroyed at once.
   */
  withdraw(ask: Decision & { readonly lost?: boolean }): Promise<Blank>;
}

/** How a card ended its last way through the line. */
const lastVisit = (tx: Pick<Tx, "selectFrom">, serial: Serial) =>
  tx
    .selectFrom("visits")
    .select(["ended_at", "station", "detail", "not_passed"])
    .where("serial", "=", serial)
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();

function leftOf(visit: { readonly not_passed: string | null } | undefined): readonly string[] | undefined {
  const text = visit?.not_passed ?? undefined;
  return text === undefined ? undefined : (JSON.parse(text) as string[]);
}

/** The record of a held card; none when it was held before one was bound to it. `last`: no card was bound to the record since. */
async function recordOf(tx: Tx, row: BlanksTable) {
  if (row.order_number === null || row.record === null) return undefined;
  const { state, attempts } = await tx
    .selectFrom("records")
    .select(["state", "attempts"])
    .where("order_number", "=", row.order_number)
    .where("number", "=", row.record)
    .executeTakeFirstOrThrow();
  const { attempt } = await tx
    .selectFrom("cards")
    .select("attempt")
    .where("serial", "=", row.serial)
    .executeTakeFirstOrThrow();
  return { order: row.order_number, number: row.record, state, last: attempt === attempts };
}

async function foundGood(tx: Tx, row: BlanksTable): Promise<void> {
  const record = await recordOf(tx, row);
  if (record === undefined)
    throw new AccountsProblem("not-bound", `card ${row.serial} has no record and cannot be good`);
  mayBeFoundGood(leftOf(await lastVisit(tx, row.serial)), `card ${row.serial}`);
  const { order, number } = record;
  if (record.state === "held") await stepRecord(tx, order, number, "held", "release", { hold_reason: null });
  if (record.state === "given-up")
    throw new AccountsProblem(
      "wrong-state",
      `record ${number} of order ${order} was given up, and its PIN is gone: reject this card`,
    );
  const from = record.state === "held" ? "prepared" : record.state;
  if (from !== "prepared")
    throw new AccountsProblem(
      "wrong-state",
      `record ${number} of order ${order} is ${from}: another card was made or is being made for it; reject this one`,
    );
  // A letter tells the PIN that is kept, and that is the one of the record's last card.
  if (!record.last)
    throw new AccountsProblem(
      "wrong-state",
      `a later card was bound to record ${number} of order ${order} and replaced the PIN of card ${row.serial}: reject this one`,
    );
  await stepRecord(tx, order, number, from, "produce");
  await tx.deleteFrom("refusals").where("serial", "=", row.serial).where("reason", "=", "held").execute();
}

/** Two people have looked: a record that was held with this card is not a riddle any more, and gets another one. */
async function foundBad(tx: Tx, row: BlanksTable): Promise<void> {
  const record = await recordOf(tx, row);
  if (record === undefined) return;
  // A card that was made since has PINs of its own.
  if (record.last && (record.state === "prepared" || record.state === "held"))
    await dropPins(tx, record.order, record.number);
  if (record.state === "held")
    await stepRecord(tx, record.order, record.number, "held", "release", { hold_reason: null });
}

interface Found {
  readonly what: string;
  readonly result: string;
  readonly detail?: string;
}

async function heldPictures(tx: Tx, serial: Serial): Promise<HeldPictures> {
  const row = await findBlank(tx, serial);
  if (row.state !== "held")
    throw new AccountsProblem(
      "wrong-state",
      `card ${serial} is ${row.state}, not held: there is nothing to decide`,
    );
  const visit = await tx
    .selectFrom("visits")
    .select(["order_number", "record", "detail", "findings", "front_file", "back_file"])
    .where("serial", "=", serial)
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  const { order_number: order, record, front_file: front, back_file: back } = visit ?? {};
  if (
    typeof order !== "string" ||
    typeof record !== "number" ||
    typeof front !== "string" ||
    typeof back !== "string"
  )
    throw new AccountsProblem(
      "no-pictures",
      `card ${serial} was put aside before it had pictures: look at the card itself`,
    );
  const found = JSON.parse(visit?.findings ?? "[]") as readonly Found[];
  return {
    label: row.label,
    order,
    record,
    question: visit?.detail ?? "",
    wrong: found
      .filter(({ result }) => result === "wrong")
      .map(({ what, detail = "" }) => `${what}: ${detail}`),
    front,
    back,
  };
}

export function reviewOf(desk: Desk): Review {
  return {
    look({ serial, by, witness }) {
      twoPeople("looking at a person's card", by, witness);
      return write(desk, async (tx) => {
        const pictures = await heldPictures(tx, serial);
        await audit(tx, desk, {
          who: by,
          what: "card.look",
          object: `card ${serial}`,
          result: "ok",
          detail: { witness, order: pictures.order, record: pictures.record },
        });
        return pictures;
      });
    },

    async held() {
      const rows = await desk.db
        .selectFrom("blanks")
        .selectAll()
        .where("state", "=", "held")
        .orderBy("serial")
        .execute();
      const cards: HeldCard[] = [];
      for (const row of rows) {
        const visit = await lastVisit(desk.db, row.serial);
        const left = leftOf(visit);
        cards.push({
          ...blankOf(row),
          since: visit?.ended_at ?? row.changed_at,
          station: visit?.station ?? "",
          question: visit?.detail ?? "",
          ...(left === undefined ? {} : { left }),
        });
      }
      return cards;
    },

    async heldRecords() {
      const rows = await desk.db
        .selectFrom("records")
        .select(["order_number", "number", "hold_reason"])
        .where("state", "=", "held")
        .orderBy("order_number")
        .orderBy("number")
        .execute();
      return rows.map(({ order_number, number, hold_reason }) => ({
        order: order_number,
        record: number,
        reason: hold_reason ?? "",
      }));
    },

    takenAway: ({ label, reason, by, witness }) => {
      twoPeople("taking a body out of the hold bin", by, witness);
      return write(desk, (tx) =>
        audit(tx, desk, {
          who: by,
          what: "body.return",
          object: `body ${label}`,
          result: "ok",
          detail: { reason, witness },
        }),
      );
    },

    settle: ({ serial, verdict, reason, by, witness }) => {
      twoPeople("deciding on a held card", by, witness);
      return write(desk, async (tx) => {
        const row = await findBlank(tx, serial);
        // A good card may be rejected and an unused one returned too, but not by this door.
        if (row.state !== "held")
          throw new AccountsProblem(
            "wrong-state",
            `card ${serial} is ${row.state}, not held: there is nothing to settle`,
          );
        const event = ({ good: "release", reject: "reject", return: "return" } as const)[verdict];
        const state = moveBlank(event, factsOf(row), `card ${serial}`);
        if (verdict === "good") await foundGood(tx, row);
        if (verdict === "reject") await foundBad(tx, row);
        if (row.record !== null && verdict !== "return")
          await tx
            .updateTable("cards")
            .set(
              verdict === "good"
                ? { end_kind: "good" }
                : {
                    end_kind: "rejected",
                    station: "review",
                    code: "held-unattended",
                    detail: reason,
                    personalised: 1,
                    terminated: 0,
                  },
            )
            .where("serial", "=", serial)
            .execute();
        const after = await changeBlank(
          tx,
          desk,
          row,
          {
            state,
            ...(verdict === "good" ? { stage: "verified" as const } : {}),
            ...(verdict === "reject"
              ? { reject_code: "held-unattended" as const, reject_station: "review", reject_detail: reason }
              : {}),
            ...(verdict === "return"
              ? { fate_reason: reason, fate_by: by, fate_witness: witness, line: null }
              : {}),
          },
          {
            who: by,
            what: `card.${event}`,
            ...(row.order_number === null ? {} : { order: row.order_number }),
            detail: { reason, witness, record: row.record },
          },
        );
        if (row.order_number !== null) await staleReports(tx, row.order_number);
        if (verdict === "good" && row.order_number !== null) await completeOrder(tx, desk, row.order_number);
        return blankOf(after);
      });
    },

    withdraw: ({ serial, reason, by, witness, lost = false }) => {
      twoPeople("withdrawing a good card", by, witness);
      return write(desk, async (tx) => {
        const row = await findBlank(tx, serial);
        const after = await cancelGood(tx, desk, row, {
          station: "review",
          code: "held-unattended",
          reason,
          by,
          witness,
        });
        if (!lost) return blankOf(after);
        const gone = await changeBlank(
          tx,
          desk,
          after,
          {
            state: moveBlank("destroy", factsOf(after), `card ${serial}`),
            fate_reason: `lost: ${reason}`,
            fate_by: by,
            fate_witness: witness,
          },
          {
            who: by,
            what: "card.lost",
            ...(row.order_number === null ? {} : { order: row.order_number }),
            detail: { reason, witness },
          },
        );
        return blankOf(gone);
      });
    },
  };
}
