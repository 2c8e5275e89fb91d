/**
 * Triple DES keys that a token draws inside, where nobody sees their values: what can be told of them from outside is what they encrypt. Keys
 * both of whose halves are weak, the same weak half twice among them, are known by that, and so is a generator that gives the same key again;
 * two equal halves of any other value, or one weak half beside a sound one, would show to nobody who has not the value.
 */
import { concat, hex } from "@persoline/card/bytes";
import { weakDesKeys } from "@persoline/card/keyblock";
import { nodeCrypto } from "@persoline/card/node";
import { VaultRefusal } from "../vault-refusal.js";
import { drawnSound } from "../office/pieces.js";
import type { Handle, Token } from "./token.js";

const ZEROS = new Uint8Array(8);

let table: ReadonlySet<string> | undefined;
/** E(K, 0) of all keys of two weak halves. */
function weakAnswers(): ReadonlySet<string> {
  if (table !== undefined) return table;
  const halves = weakDesKeys();
  const answers = halves.flatMap((first) =>
    halves.map((second) => {
      const cipher = nodeCrypto.des3(concat(first, second));
      const answer = hex(cipher.encrypt(ZEROS));
      cipher.wipe();
      return answer;
    }),
  );
  table = new Set(answers);
  return table;
}

/**
 * Draws a key that encrypts and does nothing else. It is drawn for good, for copies of a session's object are fixed in no token of today
 * (CKA_COPYABLE); one that does not pass goes at once, and what an interruption leaves is in no register, and never used. Throws VaultRefusal,
 * OfficeRefusal.
 */
export function generatedDes(token: Token, label: string): Handle {
  let last = "";
  const answerOf = (handle: Handle): string => hex(token.encryptEcb(handle, ZEROS, "des3"));
  const draw = (keeps: boolean): Handle =>
    token.makeMaster({ label, algorithm: "3DES" }, undefined, { keeps });
  const destroy = (handle: Handle): void => {
    token.destroy(handle);
  };
  const handle = drawnSound(
    () => draw(true),
    (one) => weakAnswers().has((last = answerOf(one))),
    destroy,
  );
  try {
    const next = draw(false);
    const again = answerOf(next);
    destroy(next);
    if (again === last)
      throw new VaultRefusal(
        `token ${token.name} gave the same triple DES key twice: its generator is stuck. No key was made`,
      );
    return handle;
  } catch (problem) {
    destroy(handle);
    throw problem;
  }
}
