/** The security module hangs in the middle of an order, or is killed: the line stops by itself, nobody is rejected, and the same command finishes the order. */
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { begun, idealLine, persoline, smallOrder } from "./command.test.data.js";

const people = 8;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-hung-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const children = (pid: number): number[] =>
  readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, "utf8")
    .trim()
    .split(" ")
    .map(Number);
const isVault = (pid: number): boolean =>
  readFileSync(`/proc/${String(pid)}/cmdline`, "utf8").includes("vault-process");

test.each([
  ["stopped", "SIGSTOP", "the vault has not answered for 15 s"],
  [
    "killed",
    "SIGKILL",
    "the vault's process ended (was it killed, is the machine out of memory?); nothing is lost: run the same command again, and it goes on where it was",
  ],
] as const)("a vault that is %s while cards are made", async (_, signal, said) => {
  const data = join(folder, "data");
  const good = (): number => readdirSync(join(data, "shop-floor/good/T-1")).length;
  const words = [
    "run",
    smallOrder(folder, people),
    "--line",
    idealLine(folder, "carousel", (text) =>
      text.replace(/stock:[\s\S]*/, "stock:\n  - { lot: L1, count: 20 }\n"),
    ),
    "--data",
    data,
    "--json",
  ];
  const child = begun(words, { PERSOLINE_HSM_SECONDS: "15" });
  let out = "";
  let err = "";
  child.stdout?.on("data", (part: Buffer) => (out += part.toString()));
  child.stderr?.on("data", (part: Buffer) => (err += part.toString()));
  const closed = once(child, "close");
  for (;;) {
    await sleep(20);
    expect(child.exitCode).toBeNull();
    try {
      if (good() > 0) break;
    } catch {
      // The shop floor is not there yet.
    }
  }
  const vault = children(child.pid ?? 0).find(isVault) ?? 0;
  process.kill(vault, signal);
  expect(await closed).toEqual([1, null]);
  expect(err).toContain(said);
  expect(err).not.toContain("EPIPE");
  expect(err).not.toMatch(/\n\s+at |should not have happened/);
  // The report is written all the same, and its sums agree with where the bodies lie.
  expect(JSON.parse(out)).toMatchObject({ records: people, balanced: true, rejects: [] });
  expect(() => process.kill(vault, 0)).toThrow("ESRCH");

  const last = persoline(words.filter((word) => word !== "--json"));
  expect(last.code).toBe(0);
  expect(last.out).toContain(`Order T-1: ${String(people)} of ${String(people)} cards made and verified.`);
  expect(last.out).toContain(`Blanks: ${String(people)} used, ${String(people)} good, 0 rejected`);
  expect(last.out).toContain("Accounts balance");
  // Those of the run that was ended wait as well.
  expect(last.out).toContain(`${String(people)} PIN letters wait for two people`);
  expect(JSON.parse(persoline(["letters", "list", "T-1", "--data", data, "--json"]).out)).toHaveLength(
    people,
  );
});
