/**
 * The manual's way of a live order, run as it stands there: ceremonies, a key list without values, and two custodians' word on where its
 * secrets may go. And a live order on a line that simulates anything: refused before anybody is asked for anything. Dear, for most of its
 * commands open the keystore by its passphrase and hear a custodian's own: that is the way that is shown.
 */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "./command.test.data.js";

const program = join(root, "packages/line/bin/persoline.js");
const manual = readFileSync(join(root, "docs/keys.md"), "utf8");
const script = /## A live order[^]*?```bash\n([^]*?)```/.exec(manual)?.[1] ?? "";
/** All that comes before the custodians' word. */
const [ceremonies = "", rest = ""] = script.split(/(?=# Where this order's secrets)/);
const [functions = ""] = script.split(/(?=# The print room)/);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-live-order-"));
  symlinkSync(join(root, "examples"), join(folder, "examples"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Nobody sits at a terminal: a question would be refused. */
function bash(words: string) {
  // Whether this machine swaps is another test's matter.
  const head = `set -eu
persoline() { "${process.execPath}" "${program}" "$@"; }
cd "${folder}"
export PERSOLINE_DATA="${folder}/data" PERSOLINE_SWAP=accepted
`;
  const { status, stdout, stderr } = spawnSync("bash", ["--norc", "-c", head + words], {
    encoding: "utf8",
    timeout: 240_000,
  });
  return { status, out: stdout, err: stderr };
}
const open = '--passphrase-fd 5 5<<<"$vault"';
/** The order on another line. */
function onLine(name: string, line: string): string {
  const text = readFileSync(join(folder, "live-order.yaml"), "utf8");
  writeFileSync(join(folder, name), text.replace(/^line: .*$/m, `line: ${line}`));
  return name;
}

test("the keys come by ceremonies, and the order is not taken in before two custodians allowed its list", () => {
  expect(rest).toContain("order import");
  const held = bash(ceremonies);
  expect([held.err, held.status]).toEqual(["", 0]);
  expect(held.out).toContain("Ceremony C-0005 is whole");
  expect(held.out).toMatch(/^Keystore .* is made, for live cards, opened by its passphrase\./m);
  const early = bash(`${functions}persoline order import live-order.yaml ${open}`);
  expect(early.status).toBe(1);
  expect(early.err).toContain("no two custodians have approved where this product's secrets go");
  expect(bash("persoline order list").out).not.toContain("2026-600");

  const allowed = bash(functions + rest);
  expect([allowed.err, allowed.status]).toEqual(["", 0]);
  // To who asks, among what waits, to who confirms, and in force.
  const sentence =
    "key set gp-issuer (aes-256, kdf3) as version 30 under DEK → A000000151000000, PUT KEY 0081; SCP03 of gp-fab (kdf3), version FF, i 70, level 33";
  expect(manual).toContain(sentence);
  expect(allowed.out.split(sentence)).toHaveLength(5);
  expect(allowed.out).toContain("Order 2026-600: 10 records taken in, nothing produced yet.");
  expect(allowed.out).toMatch(/^environment +live$/m);
  expect(allowed.out).toMatch(/^records +10: 0 produced/m);
});

test("one custodian alone allows nothing", () => {
  const again = bash(`${functions}meyer confirm C-0006`);
  expect(again.status).toBe(1);
});

test("on a simulated line it is refused at the line file's own line, before anything is asked for or made", () => {
  const simulated = onLine("on-carousel.yaml", "examples/lines/carousel.yaml");
  const data = join(folder, "nothing");
  const keystore = readFileSync(join(folder, "data/keystore.json"), "utf8");
  const before = bash("persoline order list --json").out;
  for (const [words, where] of [
    [`run ${simulated}`, join(folder, "data")],
    [`run ${simulated}`, data],
    ["run live-order.yaml --line examples/lines/ideal.yaml", data],
    [`order import ${simulated}`, data],
  ] as const) {
    // A passphrase that were asked for here would be told as missing: there is no descriptor 9.
    const { status, out, err } = bash(`persoline ${words} --data "${where}" --passphrase-fd 9`);
    expect([words, status, out]).toEqual([words, 1, ""]);
    expect(err).toMatch(
      /examples\/lines\/(?:carousel|ideal)\.yaml:\d+:\d+ transport: the order is for live cards/,
    );
    expect(err).toContain("examples/lines/desk.yaml");
    expect(err).not.toMatch(/passphrase|descriptor|keystore/i);
  }
  // Neither keys nor database.
  expect(existsSync(data)).toBe(false);
  expect(readFileSync(join(folder, "data/keystore.json"), "utf8")).toBe(keystore);
  expect(bash("persoline order list --json").out).toBe(before);
  expect(readdirSync(join(folder, "data"))).not.toContain("shop-floor");
});

test("no passphrase and no component lies in any file that was made on the way", () => {
  const secrets = [
    "keystore's own",
    "meyer's own",
    "novak's own",
    "3B7C52E9",
    "3B7C 52E9",
    "D15E08A7",
    "D15E 08A7",
  ];
  const made = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  expect(made.length).toBeGreaterThan(8);
  for (const { name, parentPath } of made) {
    const text = readFileSync(join(parentPath, name), "latin1");
    for (const secret of secrets) expect([name, text.includes(secret)]).toEqual([name, false]);
  }
});
