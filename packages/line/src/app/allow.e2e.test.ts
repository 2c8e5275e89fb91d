/** What an order may have done with its secrets, at the command line: two custodians see it sentence by sentence before they allow it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openStore } from "../store/store.js";
import { root, smallOrder } from "./command.test.data.js";

const program = join(root, "packages/line/bin/persoline.js");
const ann = "ann's own passphrase";
const bob = "bob's own passphrase";
let folder: string;
let order: string;

function bash(script: string) {
  const head = `set -eu
persoline() { "${process.execPath}" "${program}" "$@" --data "${folder}/data"; }
ann() { persoline "$@" --by Ann --custodian-fd 3 3<<<"${ann}"; }
bob() { persoline "$@" --by Bob --custodian-fd 3 3<<<"${bob}"; }
cd "${folder}"
`;
  const ran = spawnSync("bash", ["--norc", "-c", head + script], { encoding: "utf8", timeout: 240_000 });
  return { status: ran.status, out: ran.stdout, err: ran.stderr };
}
function done(script: string): string {
  const ran = bash(script);
  expect([ran.err, ran.status]).toEqual(["", 0]);
  return ran.out;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-allow-"));
  order = smallOrder(folder, 2);
  done(`persoline keys init --environment test
persoline keys custodians add Ann --custodian-fd 3 3<<<"${ann}"
persoline keys custodians add Bob --custodian-fd 3 3<<<"${bob}"`);
  await (await openStore({ file: join(folder, "data/persoline.db") })).close();
});
afterAll(() => rmSync(folder, { recursive: true }));

const places = [
  "PIN pin of 6 digits: drawn",
  "PIN pin (3 tries) under DEK → DF A0000008760101, CHANGE REFERENCE DATA 0181; SCP03 of fab-2026 (kdf3), version 01, level 33",
  "key set issuer-2026 (aes-128, kdf3) as version 30 under DEK → A000000151000000, PUT KEY 0181; SCP03 of fab-2026 (kdf3), version 01, level 33",
];

test("is shown when it is asked for, to the one who confirms, in the list and in the record; and ended again", () => {
  const asked = done(`ann keys allow ${order}`);
  for (const place of places) expect(asked).toContain(place);
  const waiting = done("persoline keys ceremonies");
  for (const place of places) expect(waiting).toContain(place);
  expect(done("persoline keys allowed")).toContain("Nothing was allowed yet");
  const told = done("bob keys confirm C-0003\npersoline keys allowed\npersoline keys record C-0003");
  for (const place of places) expect(told.split(place)).toHaveLength(3);
  const [, digest = ""] = /SHA-256 ([0-9a-f]{64})/.exec(told) ?? [];
  const ended = done(`bob keys forbid ${digest.slice(0, 12)} --reason "the product changes"
ann keys confirm C-0004
persoline keys allowed
persoline keys record C-0004`);
  expect(ended).toMatch(/C-0003, from \S+ to \S+\n/);
  expect(ended).toContain("the product changes");
  const none = bash(`ann keys forbid ${digest.slice(0, 12)} --reason again`);
  expect(none.status).toBe(1);
  expect(none.err).toContain("no list in force begins with");
  // The database was there when the ceremonies were held: its chain tells of each act, refused ones too.
  expect(done("persoline audit verify")).toMatch(
    /The key office's acts are whole: 7, each signed, and 4 records of ceremonies; the audit tells of each/,
  );
});
