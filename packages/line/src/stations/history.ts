/** What the journal's notes keep of a card's way, and what is made of them after a kill. JSON; nothing personal, nothing secret. */
import type { JournalState } from "../ledger/types.js";
import type { Verdict } from "./station.js";

/** The detail of the note `rejected`. */
export const verdictDetail = ({ code, detail }: Verdict): string => JSON.stringify({ code, detail });

export function verdictOf(state: JournalState | undefined): Verdict | undefined {
  if (state?.rejected === undefined) return undefined;
  const { station, detail } = state.rejected;
  return { ...(JSON.parse(detail) as Omit<Verdict, "station">), station };
}
