/** In the print room: the only place where the printer's private key is, and the only command that shows a PIN. It reads no data folder. */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { counted } from "../../ledger/counted.js";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Command } from "commander";
import { type OpenedLetters, openLetters } from "../../devices/hsm/letter.js";
import { lineKeyFile, lineKeysIn } from "../../devices/hsm/line-key.js";
import { NotOfTheLine } from "../../devices/hsm/sealed-box.js";
import { counterOf } from "../../devices/hsm/office/counter.js";
import { Refusal, WrongUsage } from "../problem.js";
import { print, printJson, whole, withJson } from "./options.js";

interface OpenOptions {
  readonly printerKey: string;
  readonly lineKey?: string;
  readonly keyPassphraseFd?: number;
  readonly to?: string;
  readonly json?: boolean;
}

export function addOpenCommand(letters: Command): void {
  withJson(letters.command("open"))
    .description(
      "in the print room: open a batch that the line signed with the printer's private key, as PDF",
    )
    .argument("<file>", "the batch, B-0000001.letters")
    .requiredOption("--printer-key <file>", "the letter printer's private key (X25519, PEM)")
    .option(
      "--line-key <file>",
      `the public half of the line's signature, PEM, one or several ("persoline keys signature" gives it; default: ${lineKeyFile} beside the printer's key)`,
    )
    .option(
      "--key-passphrase-fd <number>",
      "file descriptor of the private key's passphrase, if it has one (default: asked at the terminal)",
      whole,
    )
    .option("--to <file>", "write the PDF there, for its owner only (default: standard output)")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline letters open B-0000001.letters --printer-key printer.pem | lp -d pin-letters",
    )
    .action(async (file: string, options: OpenOptions) => {
      const { to, json } = options;
      if (to === undefined && (json === true || process.stdout.isTTY))
        throw new WrongUsage(
          "PINs are not shown at a terminal: hand them to the printer (| lp), or name a file with --to",
        );
      const lines = linesOf(options);
      const { batch, letters: count, content } = openedBy(keyOf(options), lines, file);
      try {
        if (to === undefined) await toPrinter(content);
        else writeFileSync(to, content, { flag: "wx", mode: 0o600 });
      } catch (problem) {
        throw unwritten(problem, to);
      } finally {
        content.fill(0);
      }
      if (to === undefined) return;
      if (json === true) printJson({ batch, letters: count, type: "application/pdf", file: to });
      else print(`${batch}: ${counted(count, "letter")} in ${to}. Destroy that file when they are printed.`);
    });
}

/** Resolves when all of it has left: it is wiped then. */
const toPrinter = (content: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    process.stdout.write(content, (problem) => {
      if (problem) reject(problem);
      else resolve();
    });
  });

const read = (file: string): string => {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw new Refusal(`${file} cannot be read: check the path`);
  }
};

function keyOf({ printerKey, keyPassphraseFd }: OpenOptions): KeyObject {
  const pem = read(printerKey);
  const isLocked = pem.includes("ENCRYPTED");
  const counter = counterOf(keyPassphraseFd === undefined ? {} : { passphrase: keyPassphraseFd });
  const passphrase = isLocked ? counter.ask("passphrase", "Passphrase of the printer's key") : undefined;
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    throw new Refusal(
      isLocked
        ? `${printerKey} does not open with this passphrase`
        : `${printerKey} is no private key: it takes the printer's own (X25519, PEM)`,
    );
  }
  if (key.asymmetricKeyType !== "x25519")
    throw new Refusal(
      `${printerKey} is a key of type ${String(key.asymmetricKeyType)}: letters are encrypted for X25519`,
    );
  return key;
}

/** Whose letters are printed here, before a passphrase is asked for. */
interface Lines {
  readonly file: string;
  readonly keys: readonly KeyObject[];
}

function linesOf({ printerKey, lineKey }: OpenOptions): Lines {
  const file = lineKey ?? join(dirname(printerKey), lineKeyFile);
  const toDo = `"persoline keys signature --out ${lineKeyFile}" gives it at the line: bring it here once, by hand, and lay it beside the printer's key (or name it with --line-key)`;
  if (lineKey === undefined && !existsSync(file))
    throw new Refusal(
      `${file} is not there: without the public half of the line's signature nobody can tell the line's letters from others; ${toDo}`,
    );
  const keys = lineKeysIn(read(file));
  if (keys.length === 0)
    throw new Refusal(`${file} is no public half of a line's signature (Ed25519, PEM); ${toDo}`);
  return { file, keys };
}

function openedBy(own: KeyObject, lines: Lines, file: string): OpenedLetters {
  const text = read(file);
  let opened: OpenedLetters;
  try {
    opened = openLetters({ own, lines: lines.keys }, text);
  } catch (problem) {
    throw new Refusal(whyNot(problem, lines, file));
  }
  if (basename(file) === `${opened.batch}.letters`) return opened;
  opened.content.fill(0);
  throw new Refusal(
    `${file} is batch ${opened.batch} of order ${opened.order} under another name, and may be printed already: look, and if it was not, name it ${opened.batch}.letters again`,
  );
}

function whyNot(problem: unknown, lines: Lines, file: string): string {
  if (problem instanceof NotOfTheLine)
    return problem.why === "unsigned"
      ? `${file} bears no signature of the line: a former program wrote it, or somebody else. Print nothing of it. Two people have its letters written anew, and signed: "persoline letters reprint" with its batch's number, until the order is delivered`
      : `${file} is signed by no line of ${lines.file}, or was altered on its way. Print nothing of it, keep it, and tell the line; if it is the line's own, its present public half is missing there ("persoline keys signature"), or two people have the batch written anew ("persoline letters reprint")`;
  return problem instanceof SyntaxError || problem instanceof TypeError
    ? `${file} is no batch of PIN letters`
    : `${file} does not open: it is encrypted for another printer's key`;
}

const unwritten = (problem: unknown, to: string | undefined): Refusal => {
  const code = problem instanceof Error && "code" in problem ? String(problem.code) : "";
  return new Refusal(
    code === "EEXIST"
      ? `${String(to)} is there already: nothing was written over`
      : code === "EPIPE"
        ? "the program that the letters were piped to ended before it had taken them all (EPIPE). Look what it has printed, destroy that, and open the same batch again, piped to a program that takes all of it"
        : `the letters cannot be written to ${to ?? "standard output"} (${code})`,
  );
};
