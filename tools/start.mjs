// `npm start`: the main job on the example order, in a new data folder each time.
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const moment = new Date()
  .toISOString()
  .replace(/\.\d+Z$/, "Z")
  .replaceAll(/[-:]/g, "");
const data = `.persoline/runs/${moment}-${String(process.pid)}`;
mkdirSync(`${root}${data}`, { recursive: true });
process.stdout.write(`Data folder of this run: ${data}\n`);

const line = spawn(
  process.execPath,
  [
    "packages/line/bin/persoline.js",
    "run",
    "examples/office-access/order.yaml",
    "--data",
    data,
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: "inherit" },
);
// The terminal sends Ctrl-C to both; the line ends its cards safely and this process waits for it.
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
  process.on(signal, () => {
    if (signal === "SIGTERM") line.kill(signal);
  });
}
line.on("exit", (code) => {
  process.stdout.write(`Data folder of this run: ${data}\n`);
  if (code !== 0) {
    process.stdout.write(
      `To go on with it: npx persoline run examples/office-access/order.yaml --data ${data}\n`,
    );
  }
  process.exitCode = code ?? 1;
});
