// Runs before `npm start` and `npm test`: installs when the lockfile or Node changed, builds when a source changed.
// Uses nothing but Node itself, because at this point nothing else is installed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const stampFile = `${root}node_modules/.persoline-ready`;
const stamp = createHash("sha256")
  .update(readFileSync(`${root}package-lock.json`))
  .update(`${process.version} ${process.platform} ${process.arch}`)
  .digest("hex");

/** @param {string} text @returns {never} */
function stop(text) {
  process.stderr.write(`\n${text}\n`);
  process.exit(1);
}

/** @param {string} command @param {string[]} words @param {boolean} [quiet] */
function run(command, words, quiet = false) {
  return spawnSync(command, words, { cwd: root, stdio: quiet ? "ignore" : "inherit" }).status === 0;
}

/** Written beside and renamed: a folder copied with hard links must not see its neighbour's stamp change. */
function writeStamp() {
  writeFileSync(`${stampFile}.new`, stamp);
  renameSync(`${stampFile}.new`, stampFile);
}

// npm calls this after it changed node_modules (script "dependencies"), so a hand-made `npm install` counts too.
if (process.argv.includes("--stamp")) {
  writeStamp();
  process.exit(0);
}

if (Number(process.versions.node.split(".")[0]) < 20) {
  stop(
    `Persoline needs Node.js 20 or newer; this is ${process.version}. Install a newer one, then try again.`,
  );
}

if (!existsSync(stampFile) || readFileSync(stampFile, "utf8") !== stamp) {
  process.stdout.write("Installing dependencies (the first time takes about a minute)...\n");
  const installed = run("npm", ["ci", "--include=dev", "--no-fund", "--no-audit"]);
  const openDatabase = "new (require('better-sqlite3'))(':memory:').close()";
  if (!installed || !run(process.execPath, ["-e", openDatabase], true)) {
    rmSync(stampFile, { force: true });
    stop(
      "The dependencies could not be installed. If the lines above speak of node-gyp, make or g++, the database\n" +
        "driver had to be compiled and a compiler is missing. On Debian and Ubuntu this mends it:\n\n" +
        "  sudo apt-get update && sudo apt-get install -y --no-install-recommends build-essential python3\n\n" +
        "Otherwise look at the network and the npm registry, then give the same command again.",
    );
  }
  writeStamp();
}

if (
  !run(process.execPath, ["node_modules/typescript/bin/tsc", "-b"]) ||
  !run(process.execPath, ["tools/bundle.mjs"])
)
  stop("The build failed: see the errors above.");
