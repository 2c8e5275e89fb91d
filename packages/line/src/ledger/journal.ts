/** What the notes of a journal come to: the rules every journal answers by, whatever it is kept in. */
import type { Note, Serial } from "@persoline/card/program";
import type { JournalState } from "./types.js";

type Told = Omit<Note, "detail"> & { readonly detail?: string | null };

interface Card {
  readonly passed: string[];
  readonly history: string[];
  rejected: JournalState["rejected"];
  failed: JournalState["failed"];
  /** Intents without an outcome, by station: what another station does to the card tells nothing about this one. */
  readonly open: Map<string, NonNullable<JournalState["open"]>>;
}

/** `notes`: in the order of writing. `resumes`: how often each card was taken up again. */
export function journalStates(
  notes: Iterable<Told>,
  resumes: ReadonlyMap<Serial, number>,
): readonly JournalState[] {
  const cards = new Map<Serial, Card>();
  for (const note of notes) {
    let card = cards.get(note.serial);
    if (card === undefined) {
      card = { passed: [], history: [], rejected: undefined, failed: undefined, open: new Map() };
      cards.set(note.serial, card);
    }
    take(card, note);
  }
  return [...cards].map(([serial, { passed, history, rejected, failed, open }]) => {
    const [oldest] = open.values();
    return {
      serial,
      passed,
      history,
      resumes: resumes.get(serial) ?? 0,
      ...(rejected === undefined ? {} : { rejected }),
      ...(failed === undefined ? {} : { failed }),
      ...(oldest === undefined ? {} : { open: oldest }),
    };
  });
}

function take(card: Card, { station, program, segment, event, detail }: Told): void {
  switch (event) {
    case "intent":
      if (card.failed?.station === station) card.failed = undefined;
      card.open.set(station, { station, program, segment });
      return;
    case "done":
      card.open.delete(station);
      return;
    case "failed":
      card.open.delete(station);
      // Without a code nothing is known against the card.
      if (typeof detail === "string") card.failed = { station, code: detail };
      return;
    case "passed":
      if (card.failed?.station === station) card.failed = undefined;
      card.open.delete(station);
      card.passed.push(station);
      if (typeof detail === "string") card.history.push(detail);
      return;
    case "rejected":
      card.rejected ??= { station, detail: detail ?? "" };
      return;
    case "bound":
      return;
  }
}

/** The same intent once more, with no outcome in between: a segment is taken up again. `last`: the card's last intent or outcome. */
export const isResume = (last: Omit<Note, "serial" | "detail"> | undefined, note: Note): boolean =>
  note.event === "intent" &&
  last?.event === "intent" &&
  last.station === note.station &&
  last.program === note.program &&
  last.segment === note.segment;
