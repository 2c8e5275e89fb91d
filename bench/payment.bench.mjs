// Payment cards (CDA, RSA of 1,152 bits, enciphered PIN, online transaction) on ideal virtual cards, through the whole command: key pairs
// drawn ahead are counted, with all other data preparation. With the vault, and with SoftHSM 2 where it is installed (Debian: softhsm2). Beside
// the clock stands the processors' own time, which a busy machine does not lengthen so much.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { luhnDigit } from "@persoline/card/emv";
import { median } from "./order.mjs";

const cards = 200;
const rounds = 3;
const root = fileURLToPath(new URL("..", import.meta.url));
const example = join(root, "examples");
const library = "/usr/lib/softhsm/libsofthsm2.so";

/** @param {string} folder */
function order(folder) {
  const people = Array.from({ length: cards }, (_, n) => {
    const payload = `999901${String(100_000_000 + n * 7919).padStart(9, "0")}`;
    return `C-${String(n + 1).padStart(5, "0")},${payload}${luhnDigit(payload)},01,12/31,11/26,EXAMPLE/ALEX`;
  });
  writeFileSync(
    join(folder, "cardholders.csv"),
    `Customer,PAN,Sequence,Valid thru,Valid from,Embossed name\n${people.join("\n")}\n`,
  );
  // The example's line brings blanks for twenty thousand cards; each is a folder and a row.
  const line = join(folder, "line.yaml");
  const ideal = readFileSync(join(example, "lines/ideal.yaml"), "utf8");
  writeFileSync(line, ideal.replace(/count: \d+/, `count: ${String(cards)}`));
  const file = join(folder, "order.yaml");
  writeFileSync(
    file,
    `order: "B-1"
customer: Bench
product: ${example}/products/payment/product.yaml
input: { file: cardholders.csv }
line: ${line}
environment: test
keys: ${example}/keys/payment-test-keys.yaml
`,
  );
  return file;
}

/** Seconds of processor time of all children that have ended, and theirs. */
function childSeconds() {
  const fields = readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

/** @param {"vault" | "SoftHSM"} name */
function once(name) {
  const folder = mkdtempSync(join(tmpdir(), "persoline-bench-"));
  /** @type {string[]} */
  const token = [];
  /** @type {Record<string, string>} */
  const env = {};
  const pin = join(folder, "pin");
  writeFileSync(pin, "624813\n", { mode: 0o600 });
  if (name === "SoftHSM") {
    mkdirSync(join(folder, "tokens"));
    env["SOFTHSM2_CONF"] = join(folder, "softhsm2.conf");
    writeFileSync(
      env["SOFTHSM2_CONF"],
      `directories.tokendir = ${folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n`,
    );
    const words = ["--init-token", "--free", "--label", "bench", "--so-pin", "91357246", "--pin", "624813"];
    execFileSync("softhsm2-util", words, { env: { PATH: "/usr/bin:/bin", ...env }, stdio: "pipe" });
    token.push("--security", "pkcs11", "--token", "bench", "--token-library", library, "--token-pin-fd", "3");
  }
  const began = performance.now();
  const cpu = childSeconds();
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(root, "packages/line/bin/persoline.js"),
      "run",
      order(folder),
      "--data",
      join(folder, "data"),
      "--json",
      ...token,
    ],
    { encoding: "utf8", stdio: ["ignore", "pipe", "pipe", openSync(pin, "r")], env },
  );
  const seconds = (performance.now() - began) / 1000;
  const made =
    /** @type {import("../packages/line/dist/app/end-run.js").Produced} */
    (JSON.parse(stdout === "" ? "{}" : stdout));
  if (status !== 0 || made.produced !== cards || !made.balanced) throw new Error(stderr || stdout);
  rmSync(folder, { recursive: true });
  return {
    whole: cards / seconds,
    line: cards / made.seconds,
    cpuMs: (1000 * (childSeconds() - cpu)) / cards,
  };
}

const cores = availableParallelism();
for (const name of /** @type {const} */ (["vault", "SoftHSM"])) {
  if (name === "SoftHSM" && !existsSync(library)) continue;
  const found = Array.from({ length: rounds }, () => once(name));
  const of = (/** @type {"whole" | "line" | "cpuMs"} */ figure) => median(found.map((one) => one[figure]));
  process.stdout.write(
    `  ${name}: ${of("whole").toFixed(1)} cards/s from start to end, ${of("line").toFixed(1)} on the line alone; ${of("cpuMs").toFixed(0)} ms of processor a card, so at most ${((1000 * Math.min(2, cores)) / of("cpuMs")).toFixed(0)} cards/s on two cores (medians of ${String(rounds)} × ${String(cards)} cards; wanted: 20)\n`,
  );
}
