/** `persoline`: reads the command line, runs one command, ends with 0 only when its work is whole. */
import { perform } from "./perform.js";

// Whoever read the output has had enough ("| head"): nothing is wrong, and the work goes on to its end.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (problem: NodeJS.ErrnoException) => {
    if (problem.code !== "EPIPE") throw problem;
  });
}

await perform(process.argv.slice(2));
