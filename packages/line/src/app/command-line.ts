/** The command line as commander knows it; nothing runs before it is told to parse. */
import { Command, Help, type Option } from "commander";
import { filesFor } from "./command-files.js";
import { judgeUsage } from "./commands/usage.js";
import { version } from "./config.js";
import { nearWords } from "./near-words.js";

/** With the commands that a command line with this first word may need; all of them without one. */
export async function commandLine(word?: string): Promise<Command> {
  const program = new Line("persoline")
    .description("Smart card personalization line: from an order's spreadsheet to verified cards")
    .version(version)
    .showHelpAfterError("(--help shows how it is used)")
    .configureHelp({ optionDescription: described, groupItems: grouped })
    .hook("preAction", (_, command) => judgeUsage(command.opts()))
    .addHelpText("after", "\nExample:\n  $ persoline run examples/office-access/order.yaml");

  for (const { read } of filesFor(word)) (await read())(program);
  for (const command of program.commands) throwing(command);
  return program.exitOverride();
}

/** Commander's own hints name words that share little more than their length with what was typed. */
class Line extends Command {
  override createCommand(name?: string): Command {
    return new Line(name);
  }

  /** Called by commander. */
  unknownOption(flag: string): never {
    const known = [...this.options, ...(this.parent?.options ?? [])].flatMap(({ long }) => long ?? []);
    return this.error(`error: unknown option '${flag}'${hint(flag, [...known, "--help"])}`, {
      code: "commander.unknownOption",
    });
  }

  /** Called by commander. */
  unknownCommand(): never {
    const [name = ""] = this.args;
    const known = this.commands.map((command) => command.name());
    return this.error(`error: unknown command '${name}'${hint(name, known)}`, {
      code: "commander.unknownCommand",
    });
  }
}

function hint(word: string, known: readonly string[]): string {
  const meant = nearWords(word, known);
  return meant.length === 0 ? "" : `\n(Did you mean ${meant.join(" or ")}?)`;
}

const usual = new Help();

/** What must be given is said; an empty list is no default worth a word. */
function described(option: Option): string {
  const text = usual.optionDescription(option).replace(" (default: [])", "");
  return option.mandatory ? `${text} (required)` : text;
}

/** Options that many commands have stand behind those that are a command's own. */
const shared: Readonly<Record<string, readonly string[]>> = {
  "Options of the keys:": [
    "--passphrase-fd",
    "--security",
    "--token",
    "--token-library",
    "--token-serial",
    "--token-slot",
    "--token-pin-fd",
  ],
  "Common options:": ["--data", "--json", "--debug", "--help"],
};

/** A command's own come first, wherever they were declared. */
function grouped<T extends Command | Option>(
  all: T[],
  visible: T[],
  groupOf: (item: T) => string,
): Map<string, T[]> {
  const groups = [...usual.groupItems(all, visible, groupOf)];
  const turn = ([heading]: [string, T[]]): number => Object.keys(shared).indexOf(heading);
  return new Map(groups.toSorted((a, b) => turn(a) - turn(b)));
}

/** Commander would end the process by itself; wrong usage is 2 here, and 1 is for refused or unfinished work. */
function throwing(command: Command): void {
  command.exitOverride().showHelpAfterError("(--help shows how it is used)");
  if (command.commands.length === 0) {
    command.option("--debug", "show where a problem arose");
    const help = command.createOption("-h, --help", "show this");
    command.addHelpOption(help);
    for (const option of [...command.options, help]) {
      const [group] = Object.entries(shared).find(([, own]) => own.includes(option.long ?? "")) ?? [];
      if (group !== undefined) option.helpGroup(group);
    }
  }
  for (const inner of command.commands) throwing(inner);
}
