/** What the journal and its worker say to each other. */
import type { Note, Serial } from "@persoline/card/program";
import type { JournalState } from "../ledger/types.js";
import type { StoreFaultCode } from "./fault.js";

/** One transaction: all that waited while the one before was written. */
export type JournalAsk =
  | { readonly ask: "write"; readonly entries: readonly JournalEntry[]; readonly at: string }
  | { readonly ask: "states" }
  | { readonly ask: "close" };

export type JournalEntry =
  | { readonly kind: "note"; readonly note: Note }
  | { readonly kind: "forget"; readonly serials: readonly Serial[] };

export type JournalAnswer =
  | { readonly answer: "opened" | "written" | "closed" }
  | { readonly answer: "states"; readonly states: readonly JournalState[] }
  | { readonly answer: "fault"; readonly code: StoreFaultCode; readonly message: string };
