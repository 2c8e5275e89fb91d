/** What a word of the command line that nobody knows may have been meant as. */
import { nearest } from "../orders/near.js";

/** Options that the typed word begins ("--piece" of "--piece-fd"), else the one that is a slip of the keyboard away; mostly none. */
export function nearWords(word: string, known: readonly string[]): readonly string[] {
  const bare = (text: string): string => text.replace(/^--/, "");
  const longer = known.filter((one) => bare(word).length >= 3 && bare(one).startsWith(`${bare(word)}-`));
  if (longer.length > 0) return longer;
  const meant = nearest(bare(word), known.map(bare));
  return known.filter((one) => bare(one) === meant);
}
