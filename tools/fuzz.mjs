// `npm run fuzz -- --answers N --seed S`: generated answers of hostile cards against all that reads them, down to whole visits on the line.
// The quick form (10,000) runs in `npm test`; a night takes a million and more.
import { parseArgs } from "node:util";
import { fuzz } from "../packages/line/dist/stations/fuzz.test.data.js";

const { values } = parseArgs({
  options: {
    answers: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
    round: { type: "string", default: "0" },
  },
});
const [answers, seed, round] = [Number(values.answers), Number(values.seed), Number(values.round)];
if (
  !Number.isInteger(answers) ||
  answers < 1 ||
  !Number.isInteger(seed) ||
  seed < 0 ||
  !Number.isInteger(round) ||
  round < 0
) {
  process.stderr.write("usage: npm run fuzz -- [--answers N] [--seed S] [--round R], whole numbers\n");
  process.exit(2);
}
const began = performance.now();
try {
  const figures = await fuzz({
    answers,
    seed,
    round,
    progress: (given) => process.stdout.write(`  ${given.toLocaleString("en")} answers\n`),
  });
  const seconds = (performance.now() - began) / 1000;
  process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\nno harm done in ${seconds.toFixed(0)} s\n`);
} catch (problem) {
  process.stderr.write(`${problem instanceof Error ? problem.message : String(problem)}\n`);
  process.exitCode = 1;
}
