/** The orders that docs/cards-and-readers.md has at a desk without a reader, by its very lines: whoever pastes them gets these cards. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { root } from "./command.test.data.js";

const section =
  /\n### A desk without a reader\n([^]*?)\n##+ /.exec(
    readFileSync(join(root, "docs/cards-and-readers.md"), "utf8"),
  )?.[1] ?? "";
const [person = "", office = "", foreign = "", ...more] = [...section.matchAll(/```\n([^]*?)```/g)].map(
  ([, block]) => block,
);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-pasted-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function pasted(...blocks: readonly string[]): Promise<string> {
  const shell = spawn("sh", ["-c", blocks.join("\n")], {
    cwd: root,
    env: { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: folder, TMPDIR: folder },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let told = "";
  shell.stdout.on("data", (bytes: Buffer) => (told += bytes.toString()));
  shell.stderr.on("data", (bytes: Buffer) => (told += bytes.toString()));
  // A recipe that waits for a card that never comes is a failed one: what it has told shows where.
  const patience = setTimeout(() => process.kill(-(shell.pid ?? 0), "SIGKILL"), 200_000);
  await once(shell, "close");
  clearTimeout(patience);
  return told;
}
const trays = (told: string): string[] =>
  [...told.matchAll(/^(GOOD|REJECT|ASIDE|BACK): Take card (\S+) out/gm)].map(
    ([, tray = "", label = ""]) => `${tray} ${label}`,
  );

test("there are three blocks: the person, and two orders", () => {
  expect(more).toEqual([]);
  expect(person).toContain("person() {");
});

test("three office cards, one blank of bad memory thrown out", async () => {
  const told = await pasted(person, office);
  expect({ told, trays: trays(told) }).toEqual({
    told: expect.stringMatching(
      /Order 2026-121: 3 of 3 cards made and verified\.[^]*Accounts balance;/,
    ) as string,
    trays: ["GOOD SERVED-000001", "GOOD SERVED-000002", "REJECT SERVED-000003", "GOOD SERVED-000004"],
  });
});

test("four badges on cards of another maker", async () => {
  const told = await pasted(person, foreign);
  expect({ told, trays: trays(told) }).toEqual({
    told: expect.stringMatching(
      /Order 2026-420: 4 of 4 cards made and verified\.[^]*Accounts balance;/,
    ) as string,
    trays: [1, 2, 3, 4].map((number) => `GOOD F2026A-00000${String(number)}`),
  });
});
