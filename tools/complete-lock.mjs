// Completes package-lock.json with the platform packages that the registry at hand does not carry.
//
// A mirror with the packages of one platform only makes `npm install` write a lockfile without the others, which
// `npm ci` then refuses everywhere. What is missing follows from the lockfile itself: the name says for which
// system it is, the parent says which version. Runs after every change of node_modules (script "dependencies").
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const file = fileURLToPath(new URL("../package-lock.json", import.meta.url));

/**
 * @typedef {{ version?: string, dev?: boolean, optional?: boolean, os?: string[], cpu?: string[], libc?: string[],
 *   engines?: Record<string, string>, optionalDependencies?: Record<string, string> }} Entry
 */
const lock = /** @type {{ packages: Record<string, Entry> }} */ (JSON.parse(readFileSync(file, "utf8")));

const systems = [
  "aix",
  "android",
  "darwin",
  "freebsd",
  "linux",
  "linuxmusl",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
];
const processors = [
  "arm",
  "arm64",
  "ia32",
  "loong64",
  "mips64el",
  "ppc64",
  "riscv64",
  "s390x",
  "wasm32",
  "x64",
];

/** @param {string} name @param {string} version @param {boolean} dev @returns {Entry} */
function platformPackage(name, version, dev) {
  const words = name.split(/[/-]/);
  const system = name === "fsevents" ? "darwin" : systems.find((word) => words.includes(word));
  const processor = words.includes("universal") ? undefined : processors.find((word) => words.includes(word));
  const musl = words.includes("musl") || words.includes("musleabihf") || system === "linuxmusl";
  const glibc = words.includes("gnu") || words.includes("gnueabihf");
  /** @type {Entry} */
  const entry = { version, ...(dev ? { dev } : {}), optional: true };
  if (system !== undefined) entry.os = [system === "linuxmusl" ? "linux" : system];
  if (processor !== undefined) entry.cpu = [processor];
  if (musl || glibc) entry.libc = [musl ? "musl" : "glibc"];
  return entry;
}

let added = 0;
for (const { optionalDependencies = {}, dev = false } of Object.values(lock.packages)) {
  for (const [name, range] of Object.entries(optionalDependencies)) {
    const at = `node_modules/${name}`;
    if (at in lock.packages) continue;
    const entry = platformPackage(name, range.replace(/^[~^]/, ""), dev);
    if (entry.os === undefined && entry.cpu === undefined) {
      process.stderr.write(
        `package-lock.json lacks ${name}@${range}, whose name tells no platform: add it by hand\n`,
      );
      process.exitCode = 1;
      continue;
    }
    lock.packages[at] = entry;
    added++;
  }
}
if (added > 0) {
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en"));
  lock.packages = Object.fromEntries(sorted);
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  process.stdout.write(`package-lock.json: ${String(added)} packages of other platforms added\n`);
}
