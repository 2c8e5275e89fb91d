/**
 * Wrong passphrases slow the next one down: a note beside the keystore counts them. It hinders whoever guesses at the keyboard or through a
 * script of the line's; who can copy the keystore away is hindered by argon2id alone.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { take } from "../hold.js";
import { writeDurably } from "./durable.js";
import { KeystoreProblem, openKeystore, type Unlock } from "./keystore.js";

/** So many wrong ones in a row are forgiven. */
const FORGIVEN = 5;
/** Then a wait, doubled by every further one. */
const FIRST_WAIT_MS = 30_000;
const LONGEST_WAIT_MS = 24 * 3_600_000;

/** The note is read and written in a few milliseconds; whoever begins at the same moment waits so long at most. */
const LONGEST_TURN_MS = 20_000;
const LOOK_AGAIN_MS = 5;

interface Tries {
  /** Wrong ones in a row, those included that were begun and never ended. */
  readonly wrong: number;
  /** Milliseconds since 1970. */
  readonly last: number;
}

const fileOf = (keystore: string): string => `${keystore}.tries`;

function triesAt(file: string): Tries {
  if (!existsSync(file)) return { wrong: 0, last: 0 };
  try {
    const { wrong, last } = JSON.parse(readFileSync(file, "utf8")) as Partial<Record<keyof Tries, unknown>>;
    if (typeof wrong === "number" && wrong >= 0 && typeof last === "number") return { wrong, last };
  } catch {
    // Damaged: as bad as many wrong ones.
  }
  return { wrong: FORGIVEN, last: Date.now() };
}

/** One process at a time counts, so that of many tries at once each is counted. Throws KeystoreProblem ("busy"). */
function inTurn(note: string, count: () => void): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const until = Date.now() + LONGEST_TURN_MS;
  for (;;) {
    const turn = take(`${note}.turn`);
    if ("release" in turn) {
      try {
        count();
      } finally {
        turn.release();
      }
      return;
    }
    if (Date.now() > until)
      throw new KeystoreProblem(
        "busy",
        `${note}: ${turn.heldBy} does not end counting its try, and the passphrase was not tried; end it, then give the same command again`,
      );
    Atomics.wait(pause, 0, 0, LOOK_AGAIN_MS);
  }
}

/** How long to wait after so many wrong ones, milliseconds. */
export const waitAfter = (wrong: number): number =>
  wrong < FORGIVEN ? 0 : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (wrong - FORGIVEN));

/**
 * Counts a try before it is made, durably: ending the process in between does not give it back. Throws KeystoreProblem while the keystore
 * is locked; that is no try.
 */
export function beginTry(keystore: string, now: number = Date.now()): void {
  const file = fileOf(keystore);
  inTurn(file, () => {
    const { wrong, last } = triesAt(file);
    const wait = waitAfter(wrong);
    // A clock set back does not shorten the wait, and does not make it longer than it is.
    const left = Math.min(wait, Math.max(0, last + wait - now));
    if (left > 0)
      throw new KeystoreProblem(
        "locked",
        `${keystore}: locked after ${wrong} wrong passphrases; the next one is heard in ${Math.ceil(left / 1000)} s`,
      );
    writeDurably(file, `${JSON.stringify({ wrong: wrong + 1, last: now } satisfies Tries)}\n`);
  });
}

/** The passphrase was right: nothing is held against anybody any more. */
export function endTry(keystore: string): void {
  inTurn(fileOf(keystore), () => {
    rmSync(fileOf(keystore), { force: true });
  });
}

/** Opens the keystore; wrong passphrases are counted. Throws KeystoreProblem, "locked" without having tried. */
export function openGuarded(file: string, unlock: Unlock): ReturnType<typeof openKeystore> {
  if ("keyFile" in unlock) return openKeystore(file, unlock);
  beginTry(file);
  let opened: ReturnType<typeof openKeystore>;
  try {
    opened = openKeystore(file, unlock);
  } catch (problem) {
    // A file that is not there, or not ours, was no try.
    if (problem instanceof KeystoreProblem && problem.code !== "wrong-passphrase") takeBack(file);
    throw problem;
  }
  endTry(file);
  return opened;
}

function takeBack(keystore: string): void {
  const file = fileOf(keystore);
  inTurn(file, () => {
    const { wrong, last } = triesAt(file);
    if (wrong <= 1) rmSync(file, { force: true });
    else writeDurably(file, `${JSON.stringify({ wrong: wrong - 1, last } satisfies Tries)}\n`);
  });
}
