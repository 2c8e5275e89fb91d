/** Cards without a number get the stock's: each is drawn for one line only, also when several processes draw at once. */
import { sql } from "kysely";
import { record as audit } from "./audit.js";
import { type Desk, stamp, type Tx, write } from "./desk.js";

export interface Draw {
  /**
   * The label of a blank in stock whose chip number begins so (hexadecimal, capitals) and that no card has yet; nothing when there is none.
   * It is this line's from then on: it is told the same one again until the card is begun. Durable when it resolves.
   */
  draw(ask: { readonly begins: string; readonly line: string }): Promise<string | undefined>;
  /** The line has come to rest: what it drew and never began is anybody's again. */
  putBack(ask: { readonly line: string }): Promise<void>;
}

/** Not begun: a blank that was on a line before has its number already. */
const untouched = (tx: Tx, begins: string) =>
  tx
    .selectFrom("blanks")
    .leftJoin("drawn_labels", "drawn_labels.label", "blanks.label")
    .select("blanks.label")
    .where("blanks.state", "=", "in-stock")
    .where("blanks.stage", "=", "blank")
    .where(sql<boolean>`blanks.serial glob ${`${begins}*`}`)
    .orderBy("blanks.serial")
    .limit(1);

export const drawOf = (desk: Desk): Draw => ({
  draw: ({ begins, line }) =>
    write(desk, async (tx) => {
      const own = await untouched(tx, begins).where("drawn_labels.line", "=", line).executeTakeFirst();
      if (own !== undefined) return own.label;
      const free = await untouched(tx, begins).where("drawn_labels.line", "is", null).executeTakeFirst();
      if (free === undefined) return undefined;
      const { label } = free;
      await tx
        .insertInto("drawn_labels")
        .values({ label, line, at: stamp(desk) })
        .execute();
      await audit(tx, desk, { what: "stock.draw", object: `label ${label}`, result: "ok", where: line });
      return label;
    }),
  putBack: ({ line }) =>
    write(desk, async (tx) => {
      await tx.deleteFrom("drawn_labels").where("line", "=", line).execute();
    }),
});
