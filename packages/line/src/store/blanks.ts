/** A blank as the accounts keep it: found, changed, counted and told to the audit. */
import type { Serial } from "@persoline/card/program";
import { digest } from "../ledger/audit.js";
import { AccountsProblem } from "../ledger/problem.js";
import type { Blank } from "../ledger/types.js";
import { record as audit } from "./audit.js";
import { countBlank } from "./counters.js";
import { type Desk, stamp, type Tx } from "./desk.js";
import { prepared } from "./prepared.js";
import type { BlanksTable } from "./tables.js";

export const blankOf = (row: BlanksTable): Blank => ({
  serial: row.serial,
  label: row.label,
  lot: row.lot,
  state: row.state,
  stage: row.stage,
  ...(row.order_number === null ? {} : { order: row.order_number }),
  ...(row.record === null ? {} : { record: row.record }),
  ...(row.reject_code === null
    ? {}
    : {
        reject: {
          code: row.reject_code,
          station: row.reject_station ?? "",
          detail: row.reject_detail ?? "",
        },
      }),
});

export const factsOf = (row: BlanksTable) => ({
  state: row.state,
  stage: row.stage,
  bound: row.record !== null,
});

const blankWith = prepared((db, { serial }: { serial: Serial }) =>
  db.selectFrom("blanks").selectAll().where("serial", "=", serial),
);
const update = prepared((db, row: BlanksTable) =>
  db
    .updateTable("blanks")
    .set({
      label: row.label,
      lot: row.lot,
      state: row.state,
      stage: row.stage,
      line: row.line,
      order_number: row.order_number,
      record: row.record,
      reject_code: row.reject_code,
      reject_station: row.reject_station,
      reject_detail: row.reject_detail,
      fate_reason: row.fate_reason,
      fate_by: row.fate_by,
      fate_witness: row.fate_witness,
      changed_at: row.changed_at,
    })
    .where("serial", "=", row.serial),
);

export async function findBlank(tx: Tx, serial: Serial): Promise<BlanksTable> {
  const {
    rows: [row],
  } = await blankWith(tx, { serial });
  if (row === undefined)
    throw new AccountsProblem("unknown-card", `card ${serial} is in no stock list; nothing was changed`);
  return row;
}

/** Writes a blank's change, counts it and tells the audit. */
export async function changeBlank(
  tx: Tx,
  desk: Desk,
  row: BlanksTable,
  change: Partial<Omit<BlanksTable, "serial">>,
  deed: Omit<Parameters<typeof audit>[2], "object" | "before" | "after" | "result">,
): Promise<BlanksTable> {
  const after: BlanksTable = { ...row, ...change, changed_at: stamp(desk) };
  const { serial } = after;
  await update(tx, after);
  if (row.state !== after.state) await countBlank(tx, row.state, after.state);
  await audit(tx, desk, {
    ...deed,
    object: `card ${serial}`,
    result: "ok",
    before: digest(blankOf(row)),
    after: digest(blankOf(after)),
  });
  return after;
}
