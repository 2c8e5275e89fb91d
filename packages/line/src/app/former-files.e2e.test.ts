/** A run is refused while a machine of its line has an earlier order's file. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { freePort } from "./desk-cards.test.data.js";
import { persoline, root, smallOrder } from "./command.test.data.js";

const folder = mkdtempSync(join(tmpdir(), "persoline-former-files-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the file is named before a card is asked for, whichever machine has it, and stays where it is", async () => {
  const line = join(folder, "line.yaml");
  const text = readFileSync(join(root, "examples/lines/desk-laser.yaml"), "utf8")
    .replace(/reader: .*/, `reader: { vpcd: ${String(await freePort())}, answerSeconds: 1 }`)
    .replace("../lasers/", join(root, "examples/lasers/"));
  writeFileSync(line, text);
  const order = smallOrder(folder, 1);
  const data = join(folder, "data");
  for (const [machine, name] of [
    ["spool", "persoline-0123456789abcdef.gcode"],
    ["records", "012345678901234.card"],
  ] as const) {
    for (const each of ["spool", "records", "shots"]) mkdirSync(join(folder, each), { recursive: true });
    const left = join(folder, machine, name);
    writeFileSync(left, "an earlier person's");
    const { code, out, err } = persoline(["run", order, "--line", line, "--data", data]);
    expect({ code, out, err }).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        new RegExp(
          `no card was moved: .*lies? in ${join(folder, machine)}: ${name.replace(".", "\\.")}\\..*take the file away`,
        ),
      ) as string,
    });
    expect(readdirSync(join(folder, machine))).toEqual([name]);
    rmSync(left);
  }
  expect(existsSync(join(folder, "shots"))).toBe(true);
}, 120_000);
