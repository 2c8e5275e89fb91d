/** The command line as commander knows it; nothing runs before it is told to parse. */
import { Command } from "commander";
import { filesFor } from "./command-files.js";
import { version } from "./config.js";

/** With the commands that a command line with this first word may need; all of them without one. */
export async function commandLine(word?: string): Promise<Command> {
  const program = new Command("persoline")
    .description("Smart card personalization line: from an order's spreadsheet to verified cards")
    .version(version)
    .showHelpAfterError("(--help shows how it is used)")
    .showSuggestionAfterError()
    .addHelpText("after", "\nExample:\n  $ persoline run examples/office-access/order.yaml");

  for (const { read } of filesFor(word)) (await read())(program);
  for (const command of program.commands) throwing(command);
  return program.exitOverride();
}

/** Commander would end the process by itself; wrong usage is 2 here, and 1 is for refused or unfinished work. */
function throwing(command: Command): void {
  command.exitOverride().showHelpAfterError("(--help shows how it is used)").showSuggestionAfterError();
  if (command.commands.length === 0) command.option("--debug", "show where a problem arose");
  for (const inner of command.commands) throwing(inner);
}
