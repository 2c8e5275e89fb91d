/** `persoline`: reads the command line, runs one command, ends with 0 only when its work is whole. */
import { Command, CommanderError } from "commander";
import { filesFor } from "./command-files.js";
import { version } from "./config.js";
import { harmless } from "../ledger/harmless.js";
import { exitCode, problemText, WrongUsage } from "./problem.js";

const program = new Command("persoline")
  .description("Smart card personalization line: from an order's spreadsheet to verified cards")
  .version(version)
  .showHelpAfterError("(--help shows how it is used)")
  .showSuggestionAfterError()
  .addHelpText("after", "\nExample:\n  $ persoline run examples/office-access/order.yaml");

for (const { read } of filesFor(process.argv[2])) (await read())(program);
for (const command of program.commands) throwing(command);

/** Commander would end the process by itself; wrong usage is 2 here, and 1 is for refused or unfinished work. */
function throwing(command: Command): void {
  command.exitOverride().showHelpAfterError("(--help shows how it is used)").showSuggestionAfterError();
  if (command.commands.length === 0) command.option("--debug", "show where a problem arose");
  for (const inner of command.commands) throwing(inner);
}

// Whoever read the output has had enough ("| head"): nothing is wrong, and the work goes on to its end.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (problem: NodeJS.ErrnoException) => {
    if (problem.code !== "EPIPE") throw problem;
  });
}

try {
  await program.exitOverride().parseAsync();
} catch (problem) {
  if (problem instanceof CommanderError) {
    process.exitCode = problem.exitCode === 0 ? exitCode.whole : exitCode.usage;
  } else {
    process.stderr.write(`${harmless(problemText(problem, process.argv.includes("--debug")))}\n`);
    process.exitCode = problem instanceof WrongUsage ? exitCode.usage : exitCode.refused;
  }
}
