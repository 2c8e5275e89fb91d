import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { programEncoder } from "./encoder/program.js";
import { escapeEmbosser } from "./marker/emboss/escape.js";
import { machineForm } from "./marker/emboss/machine.test.data.js";
import { folderWire } from "./marker/emboss/folder.js";
import { fileEngraver } from "./marker/file-engraver.js";
import { filePrinter } from "./marker/printer/files.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-emptied-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe.each([
  {
    machine: "an engraver",
    left: "persoline-0123456789abcdef.gcode",
    open: () => fileEngraver({ name: "laser", folder, format: "gcode", withinMs: 10 }),
  },
  {
    machine: "a printer",
    left: "20260101T080000-000001-front.png",
    open: () => filePrinter({ name: "printer", folder, format: "png" }),
  },
  {
    machine: "an embosser",
    left: "012345678901234.card",
    open: () =>
      escapeEmbosser({
        name: "embosser",
        does: "emboss",
        form: machineForm,
        wire: folderWire("embosser", folder),
        timeoutMs: 10,
      }),
  },
  {
    machine: "an encoder",
    left: "012345678901234.question",
    // Nobody answers: its program is not asked.
    open: () => programEncoder({ name: "encoder", program: { folder }, timeoutMs: 10 }),
  },
])("$machine that takes files", ({ left, open }) => {
  test("is not fed while an earlier card's file lies in its folder: named, with what to do, and left there", async () => {
    writeFileSync(join(folder, left), "an earlier person's");
    const fault = await open()
      .emptied?.()
      .catch((thrown: unknown) => thrown);
    expect(fault).toMatchObject({
      code: "refused",
      message: expect.stringContaining(left) as string,
    });
    expect(fault).toMatchObject({ message: expect.stringContaining("take the file away, then") as string });
    expect(readdirSync(folder)).toEqual([left]);
  });

  test("is fed when its folder is empty, and asks nobody for that", async () => {
    await expect(open().emptied?.()).resolves.toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
  });
});
