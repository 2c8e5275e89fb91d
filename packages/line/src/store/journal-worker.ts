/** Writes the journal on a thread of its own: a disk's sync must not stall the other heads. */
import { parentPort, workerData } from "node:worker_threads";
import { StoreFault } from "./fault.js";
import { type JournalFile, openJournalFile } from "./journal-file.js";
import type { JournalAnswer, JournalAsk } from "./journal-protocol.js";

const { file, pagesAtMost } = workerData as { readonly file: string; readonly pagesAtMost?: number };
const port = parentPort;
let journal: JournalFile | undefined;

const faultAnswer = (error: unknown): JournalAnswer => ({
  answer: "fault",
  code: error instanceof StoreFault ? error.code : "database",
  message: error instanceof Error ? error.message : String(error),
});

function answer(ask: JournalAsk): JournalAnswer {
  if (journal === undefined) return { answer: "fault", code: "closed", message: `${file} is not open` };
  switch (ask.ask) {
    case "write":
      journal.write(ask.entries, ask.at);
      return { answer: "written" };
    case "states":
      return { answer: "states", states: journal.states() };
    case "close":
      journal.close();
      return { answer: "closed" };
  }
}

const say = (message: JournalAnswer): void => port?.postMessage(message);

try {
  journal = openJournalFile(file, pagesAtMost);
  say({ answer: "opened" });
} catch (error) {
  say(faultAnswer(error));
}

port?.on("message", (ask: JournalAsk) => {
  try {
    say(answer(ask));
  } catch (error) {
    say(faultAnswer(error));
  }
  if (ask.ask === "close") port.close();
});
