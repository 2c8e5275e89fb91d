/**
 * One key office at a time: two would each write back what they read, and the later one undo the earlier one's ceremony; of a token's, one would
 * take away the keys that the other had just begun.
 */
import { take } from "../../hold.js";
import { KeystoreProblem } from "../keystore.js";

/** `file`: the keystore, or a token's register, which need not be there yet. Answers what lets go of it. Throws KeystoreProblem ("busy"). */
export function holdOffice(file: string): () => void {
  const held = take(`${file}.office`);
  if ("release" in held) return held.release;
  throw new KeystoreProblem(
    "busy",
    `${file}: another key office is open on these keys (${held.heldBy}), and nothing was done. Wait until it has ended, or end it, then give the same command again`,
  );
}
