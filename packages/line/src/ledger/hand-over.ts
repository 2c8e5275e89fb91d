/** Whether an order's good cards may be handed over: with that their PINs die, so each has been told before, and what goes by mail was mailed. */
import { counted } from "./counted.js";

/** What the accounts know of a letter, of a batch and of a carrier. */
type Letter = { readonly state: string; readonly batch?: string };
/** Without a file when it was taken away. */
type Batch = { readonly batch: string; readonly file?: string };

/** Letters in force that lie in a batch whose file was taken away: nobody here knows whether they were printed. */
export interface Unsure {
  readonly batch: string;
  readonly letters: number;
}

export function unsureAmong(letters: readonly Letter[], batches: readonly Batch[]): readonly Unsure[] {
  const inForce = letters.filter(({ state }) => state === "released");
  return batches.flatMap(({ batch, file }) => {
    const count = inForce.filter((one) => one.batch === batch).length;
    return file !== undefined || count === 0 ? [] : [{ batch, letters: count }];
  });
}

export interface HandOver {
  readonly order: string;
  readonly goodCards: number;
  /** How many PIN letters each of them has, as its product says. */
  readonly lettersEach: number;
  /** So many PINs of them had a letter numbered, whatever became of it. */
  readonly told: number;
  readonly letters: readonly Letter[];
  readonly batches: readonly Batch[];
  /** Batches that were taken away, and were printed before: whoever delivers says so. */
  readonly printed: readonly string[];
  readonly carriers: readonly { readonly state: string }[];
  /** Two people say that they were handed over before: nothing can be printed or mailed any more. */
  readonly wasDelivered: boolean;
}

/** In words, with what to do; nothing when they may. */
export const whyNotHandedOver = (ask: HandOver): string | undefined =>
  ask.wasDelivered ? undefined : (notReleased(ask) ?? notPrinted(ask) ?? notMailed(ask));

/** A letter that was not released by then could never be printed. */
function notReleased({ order, goodCards, lettersEach, told, letters }: HandOver): string | undefined {
  const due = Math.max(goodCards * lettersEach, told);
  const missing = due - letters.filter(({ state }) => state === "released").length;
  if (missing <= 0) return undefined;
  const which =
    missing === 1
      ? { letters: "1 PIN letter", are: "is", pins: "its PIN dies", them: "it" }
      : { letters: `${String(missing)} PIN letters`, are: "are", pins: "their PINs die", them: "them" };
  return `${which.letters} of order ${order} ${which.are} not released, and ${which.pins} when the cards are handed over: two people release ${which.them} with "persoline letters release ${order}"; one that was made void is printed anew by "persoline letters reprint"`;
}

/** A batch that was taken away before it was printed is the end of its letters' PINs; only the print room knows. */
function notPrinted({ order, letters, batches, printed }: HandOver): string | undefined {
  const unsure = unsureAmong(letters, batches);
  const beside = printed.find((batch) => !unsure.some((one) => one.batch === batch));
  if (beside !== undefined)
    return `--printed ${beside}: order ${order} has no such batch that was taken away with letters in force; "persoline letters list ${order}" shows its batches`;
  const open = unsure.filter(({ batch }) => !printed.includes(batch));
  if (open.length === 0) return undefined;
  const each = open.map(
    (one) =>
      `batch ${one.batch}, of which ${counted(one.letters, "letter is", "letters are")} in force, was taken away with a letter that is void: if the print room has printed it, say "--printed ${one.batch}"; if not, two people have the rest printed again with "persoline letters reprint ${one.batch}"`,
  );
  return `order ${order} is not handed over before it is known whether its PIN letters were printed, for their PINs die then: ${each.join("; ")}`;
}

/** An order whose carriers were printed goes by mail, and all of it. */
function notMailed({ order, goodCards, carriers }: HandOver): string | undefined {
  if (carriers.length === 0) return undefined;
  const missing = goodCards - carriers.filter(({ state }) => state === "mailed").length;
  return missing <= 0
    ? undefined
    : `${String(missing)} of the ${String(goodCards)} good cards of order ${order} ${missing === 1 ? "is" : "are"} not mailed: "persoline mailing run ${order}" goes on with it`;
}
