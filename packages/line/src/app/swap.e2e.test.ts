/** Live keys on a machine that swaps: a mount namespace of its own in which Linux says so. */
import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { program } from "./command.test.data.js";

let folder: string;
let letterPrinter: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-swap-"));
  writeFileSync(
    join(folder, "swaps"),
    "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/sda2                               partition\t8388604\t0\t-2\n",
  );
  letterPrinter = join(folder, "printer.pem");
  writeFileSync(
    letterPrinter,
    generateKeyPairSync("x25519").publicKey.export({ format: "pem", type: "spki" }).toString(),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

function swapping(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const user = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const inside = `mount --bind "${join(folder, "swaps")}" /proc/swaps && exec "$@"`;
  const { status, stdout, stderr } = spawnSync(
    "unshare",
    ["--mount", ...user, "sh", "-c", inside, "sh", process.execPath, program, ...words],
    { encoding: "utf8", env: { PATH: "/usr/bin:/bin:/usr/sbin:/sbin", ...env } },
  );
  return { code: status, out: stdout, err: stderr };
}

test("live keys are neither made nor opened there, unless somebody accepted it; practice keys are, and the report says so", () => {
  const data = join(folder, "live");
  const init = ["keys", "init", "--environment", "live", "--letter-printer", letterPrinter, "--data", data];
  init.push("--key-file");
  const inClear = expect.stringMatching(
    /^Live keys opened by the key file .*keystore\.key, which lies beside it in clear: whoever reads .*\n$/,
  ) as string;
  const refused = swapping(init);
  expect(refused.code).toBe(1);
  expect(refused.err).toContain("live keys are not opened here: swap is on (/dev/sda2)");
  expect(existsSync(join(data, "keystore.json"))).toBe(false);
  const accepted = { PERSOLINE_SWAP: "accepted" };
  expect(swapping(init, accepted)).toMatchObject({ code: 0, err: inClear });
  // By the line's module and by the key office.
  for (const words of [
    ["security", "--data", data],
    ["keys", "list", "--data", data],
  ]) {
    expect(swapping(words)).toMatchObject({
      code: 1,
      err: expect.stringContaining("MemorySwapMax=0") as string,
    });
    expect(swapping(words, accepted)).toMatchObject({ code: 0, err: inClear });
  }
  const practice = join(folder, "practice");
  expect(swapping(["keys", "init", "--environment", "test", "--data", practice]).code).toBe(0);
  const report = JSON.parse(swapping(["security", "--data", practice, "--json"]).out) as unknown;
  expect(report).toMatchObject({ swap: { state: "possible" } });
  expect(swapping(["doctor", "--data", practice]).out).toMatch(/keys in memory +absent +swap is on/);
  // What opens the keys is told in both; that it lies in clear is a warning where they are live.
  expect(swapping(["doctor", "--data", practice]).out).toMatch(/^keystore +ok +opened by the key file /m);
  expect(swapping(["doctor", "--data", data]).out).toMatch(
    /^keystore +absent +opened by the key file .*in clear: whoever reads/m,
  );
});
