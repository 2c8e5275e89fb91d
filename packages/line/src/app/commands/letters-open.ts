/** In the print room: the only place where the printer's private key is, and the only command that shows a PIN. It reads no data folder. */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { counted } from "../../ledger/counted.js";
import { readFileSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { type OpenedLetters, openLetters } from "../../devices/hsm/letter.js";
import { counterOf } from "../../devices/hsm/office/counter.js";
import { Refusal, WrongUsage } from "../problem.js";
import { print, printJson, whole, withJson } from "./options.js";

interface OpenOptions {
  readonly printerKey: string;
  readonly keyPassphraseFd?: number;
  readonly to?: string;
  readonly json?: boolean;
}

export function addOpenCommand(letters: Command): void {
  withJson(letters.command("open"))
    .description("in the print room: open a batch with the printer's private key, as PDF")
    .argument("<file>", "the batch, B-0000001.letters")
    .requiredOption("--printer-key <file>", "the letter printer's private key (X25519, PEM)")
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
      const opened = openedBy(keyOf(options), file);
      const { name, letters: count, content, type } = opened;
      try {
        if (to === undefined) await toPrinter(content);
        else writeFileSync(to, content, { flag: "wx", mode: 0o600 });
      } catch (problem) {
        throw unwritten(problem, to);
      } finally {
        content.fill(0);
      }
      if (to === undefined) return;
      if (json === true) printJson({ batch: name, letters: count, type, file: to });
      else print(`${name}: ${counted(count, "letter")} in ${to}. Destroy that file when they are printed.`);
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

function openedBy(key: KeyObject, file: string): OpenedLetters {
  const text = read(file);
  try {
    return openLetters(key, text);
  } catch (problem) {
    throw new Refusal(
      problem instanceof SyntaxError || problem instanceof TypeError
        ? `${file} is no batch of PIN letters`
        : `${file} does not open: it was altered, or is encrypted for another printer's key`,
    );
  }
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
