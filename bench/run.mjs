// `npm run bench [NAME ...]`: each `bench/NAME.bench.mjs` in a process of its own, one after the other,
// so that no measurement inherits another's heap or warmed-up code.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
const known = readdirSync(folder)
  .filter((file) => file.endsWith(".bench.mjs"))
  .map((file) => file.slice(0, -".bench.mjs".length))
  .sort();
const asked = process.argv.slice(2);
const strange = asked.filter((name) => !known.includes(name));
if (strange.length > 0 || known.length === 0) {
  process.stderr.write(`No benchmark ${strange.join(", ")}; there are: ${known.join(", ") || "none"}\n`);
  process.exit(2);
}

let failed = 0;
for (const name of asked.length > 0 ? asked : known) {
  process.stdout.write(`\n${name}\n`);
  const { status } = spawnSync(process.execPath, ["--expose-gc", `${folder}${name}.bench.mjs`], {
    stdio: "inherit",
  });
  if (status !== 0) failed++;
}
process.exitCode = failed === 0 ? 0 : 1;
