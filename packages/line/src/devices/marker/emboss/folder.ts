/** Records handed over as files: for embossers behind a program of their own that watches a folder. */
import { randomInt } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { namesIn } from "../../exchange-folder.js";
import { DeviceFault } from "../../problem.js";
import { forgetUnanswered, noteUnanswered } from "../../unanswered.js";
import { longestAnswer, type Readiness, type Wire } from "./wire.js";

const numberDigits = 15;
const ownAnswer = /^\d{15}\.answer$/;

/**
 * NUMBER.card is put into the folder whole; the machine's program answers with NUMBER.answer. Neither stays: they are a person's. Numbers are
 * drawn, so that no answer to an earlier card is one to a later; NUMBER.unanswered lies there until it comes.
 */
export function folderWire(device: string, folder: string): Wire {
  const refuse = (why: string): DeviceFault => new DeviceFault(device, "refused", `${device}: ${why}`);

  /** What lies there of earlier cards: nothing may, that the machine could still strike. */
  function look(ends: Readiness["ends"]): void {
    const names = namesIn(device, folder);
    const card = names.find((name) => name.endsWith(".card"));
    if (card !== undefined)
      throw refuse(
        `an earlier card's lines lie in ${folder}: ${card}. They must not be struck on another card: see that the machine's program has nothing loaded, take the file away, then go on`,
      );
    for (const name of names.filter((one) => one.endsWith(".unanswered"))) {
      const base = join(folder, name.slice(0, -".unanswered".length));
      const said = `${base}.answer`;
      if (!existsSync(said) || !ends(answerIn(said)))
        throw refuse(
          `a card was handed to its program and not answered; it may be struck yet. Take the card out, see that the machine's program has nothing loaded, remove ${join(folder, name)}, then go on`,
        );
      rmSync(said, { force: true });
      forgetUnanswered(join(folder, name));
    }
    // Answers that nobody waits for any more.
    for (const name of names.filter((one) => ownAnswer.test(one)))
      rmSync(join(folder, name), { force: true });
  }

  function answerIn(path: string): Buffer {
    if (statSync(path).size > longestAnswer) throw refuse("it answered more than an embosser says");
    return readFileSync(path);
  }

  return {
    async exchange(bytes, heard, timeoutMs) {
      look((answer) => heard(answer) !== undefined);
      const base = join(folder, String(randomInt(2 ** 48 - 1)).padStart(numberDigits, "0"));
      noteUnanswered(`${base}.unanswered`, `${device}: a card was handed over, and its answer has not come`);
      try {
        writeFileSync(`${base}.part`, bytes, { mode: 0o600 });
        renameSync(`${base}.part`, `${base}.card`);
        for (const until = performance.now() + timeoutMs; performance.now() < until; ) {
          if (existsSync(`${base}.answer`)) {
            const known = heard(answerIn(`${base}.answer`));
            if (known !== undefined) {
              // Cut off in between, an answer is left that nobody waits for.
              rmSync(`${base}.card`, { force: true });
              forgetUnanswered(`${base}.unanswered`);
              return known;
            }
          }
          await sleep(20);
        }
        throw new DeviceFault(device, "timeout", `${device} gave no answer in ${String(timeoutMs)} ms`);
      } finally {
        for (const end of ["part", "card"]) rmSync(`${base}.${end}`, { force: true });
        if (!existsSync(`${base}.unanswered`)) rmSync(`${base}.answer`, { force: true });
      }
    },
    ready: ({ ends }) =>
      new Promise((resolve) => {
        look(ends);
        resolve();
      }),
    isFolder: true,
    close: () => undefined,
  };
}
