import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { begun, persoline, root, smallOrder } from "./command.test.data.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-in-work-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Bodies in the machine now, by their labels. */
function inMachine(data: string): string[] {
  try {
    const machine = join(data, "shop-floor/machine");
    return readdirSync(machine).flatMap((place) =>
      readdirSync(join(machine, place)).map((name) => name.slice(7)),
    );
  } catch {
    return [];
  }
}

test("a body in a running line's machine is in no other reader; when the line has ended it may be", async () => {
  const data = join(folder, "data");
  const line = join(folder, "slow.yaml");
  // Slow enough to be looked at: a real machine's pace.
  const carousel = readFileSync(join(root, "examples/lines/carousel.yaml"), "utf8");
  writeFileSync(line, carousel.replace(/speed: .*/, "speed: 0.2"));
  const run = begun(["run", smallOrder(folder, 2), "--line", line, "--data", data, "--json"]);
  try {
    let [label] = inMachine(data);
    while (label === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      [label] = inMachine(data);
    }
    const commands = [
      ["serve", "--vpcd", "127.0.0.1:1", "--issued", label],
      ["inspect", label],
      ["trace", "record", label, join(folder, "trace.jsonl")],
    ];
    for (const words of commands) {
      const { code, err } = persoline(["card", ...words, "--data", data]);
      expect({ words, code, err }).toEqual({
        words,
        code: 1,
        err: expect.stringMatching(
          new RegExp(
            `^${label} is in the machine of line carousel, which runs as process ${String(run.pid)}: wait`,
          ),
        ) as string,
      });
    }
    run.kill("SIGKILL");
    await once(run, "exit");
    // It lies where it lay, and nobody works on it.
    expect(inMachine(data)).toContain(label);
    expect(persoline(["card", "inspect", label, "--data", data])).toMatchObject({ code: 0, err: "" });
  } finally {
    run.kill("SIGKILL");
  }
});
