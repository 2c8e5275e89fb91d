/** What the commands of the key office have in common: who sits, where secrets come from, and how a ceremony is told. */
import { readFileSync } from "node:fs";
import { counted } from "../../ledger/counted.js";
import type { Command } from "commander";
import { judgeWords } from "../../devices/hsm/office/action-words.js";
import { OfficeRefusal } from "../../devices/hsm/office/refusal.js";
import type { KeyAction, OfficeAnswer } from "../../devices/hsm/office/types.js";
import { office, type OfficeOptions } from "../key-office.js";
import { Refusal, WrongUsage } from "../problem.js";
import { print, printJson, whole, withData, withPassphrase } from "./options.js";

export const withKeystore = (command: Command): Command => withPassphrase(withData(command));

/** A custodian sits: who, and where the passphrase comes from. */
export const withCustodian = (command: Command): Command =>
  withKeystore(command)
    .requiredOption("--by <name>", "the custodian who sits here")
    .option(
      "--custodian-fd <number>",
      "file descriptor of the custodian's passphrase (default: asked at the terminal)",
      whole,
    );

export const withPiece = (command: Command): Command =>
  withCustodian(command)
    .option(
      "--piece-fd <number>",
      "file descriptor of the component or share (default: asked at the terminal)",
      whole,
    )
    .option("--piece-kcv <digits>", "check value of the component that is entered")
    .option(
      "--piece-out-fd <number>",
      "file descriptor that the component or share is handed out to (default: the terminal)",
      whole,
    );

export const text = (file: string): string => {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw new Refusal(`${file} cannot be read: check the path`);
  }
};

export const fileOf = (file: string | undefined): { readonly file?: string } =>
  file === undefined ? {} : { file };

/** `more`: what the ceremony gave out, for programs. */
export function told(answer: OfficeAnswer, json: boolean | undefined, more: object = {}): void {
  if (json === true) {
    printJson({ ceremony: answer.ceremony, keys: answer.keys, pending: answer.pending, ...more });
    return;
  }
  const { ceremony } = answer;
  if (ceremony === undefined) return;
  const { number, left, what, notes = [] } = ceremony;
  print(
    left === 0
      ? `Ceremony ${number} is whole (${what}); "persoline keys record ${number}" prints its record.`
      : `Ceremony ${number} (${what}) waits for ${counted(left, "more custodian")}${left === 1 ? ", who" : ": each"} goes on with "persoline keys confirm ${number} --by NAME".`,
  );
  for (const note of notes) print(note);
}

export type Options = OfficeOptions & { readonly json?: boolean; readonly pieceKcv?: string };

/** Throws WrongUsage for words that no office would take, whatever keys it has; then as `office`. */
export async function begin(
  action: KeyAction,
  options: Options & { readonly by: string },
): Promise<OfficeAnswer> {
  judgeAction(action);
  judgePieces(action, options);
  const { by, pieceKcv } = options;
  return office({ ask: "begin", action, by, ...(pieceKcv === undefined ? {} : { pieceKcv }) }, options);
}

/** Throws WrongUsage. */
export function judgeAction(action: KeyAction): void {
  try {
    judgeWords(action);
  } catch (problem) {
    if (problem instanceof OfficeRefusal) throw new WrongUsage(problem.message);
    throw problem;
  }
}

/** Options of a piece belong to a key in pieces: brought by an import, handed out by a birth. */
function judgePieces(action: KeyAction, { pieceFd, pieceKcv, pieceOutFd }: Options): void {
  const brings = action.do === "import";
  const hands = action.do === "generate" && action.leaves !== undefined && action.leaves.as !== "block";
  if (!brings && (pieceFd !== undefined || pieceKcv !== undefined))
    throw new WrongUsage(
      "--piece-fd and --piece-kcv are for a component or share that is brought in: they go with keys import --components or --shares",
    );
  if (!hands && pieceOutFd !== undefined)
    throw new WrongUsage(
      "--piece-out-fd is for a component or share that is handed out: it goes with keys generate --components or --shares",
    );
  if (!brings) return;
  if (action.form === "components" && pieceKcv === undefined)
    throw new WrongUsage(
      "a component comes with its check value: give that of the first one, as its form states it, with --piece-kcv",
    );
  if (action.form === "shares" && pieceKcv !== undefined)
    throw new WrongUsage("a share proves itself and has no check value: leave --piece-kcv out");
}
