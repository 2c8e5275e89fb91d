/** One command from its words to its exit code. */
import { CommanderError } from "commander";
import { answering, doneJson, refuseJson, wantsJson, warn } from "./answer.js";
import { commandLine } from "./command-line.js";
import { exitCode, problemText, refusedAs, WrongUsage } from "./problem.js";

/** Never throws; the exit code is left in `process.exitCode`. */
export async function perform(words: readonly string[]): Promise<void> {
  answering(wantsJson(words) ? "json" : "words");
  try {
    await (await commandLine(words[0])).parseAsync([...words], { from: "user" });
    doneJson();
  } catch (problem) {
    if (problem instanceof CommanderError) {
      // Help and version are no refusal; what is wrong with the words was told by commander.
      process.exitCode = problem.exitCode === 0 ? exitCode.whole : exitCode.usage;
      if (problem.exitCode !== 0) refuseJson({ code: "usage", message: usageText(problem) });
      return;
    }
    warn(problemText(problem, words.includes("--debug")));
    process.exitCode = problem instanceof WrongUsage ? exitCode.usage : exitCode.refused;
    refuseJson(refusedAs(problem));
  }
}

const usageText = ({ code, message }: CommanderError): string =>
  code === "commander.help" ? "a command is missing" : message.replace(/^error: /, "");
