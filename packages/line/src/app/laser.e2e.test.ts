/** The laser's commands as people use them: a card's files, calibration with a table, the curve in use, the plan and the doctor. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { persoline, root } from "./command.test.data.js";

const folder = mkdtempSync(join(tmpdir(), "persoline-laser-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const example = (path: string): string => join(root, "examples", path);
const here = (name: string): string => join(folder, name);
const fibre = example("lasers/fibre.yaml");

test("a record's card as files, readable by their owner only, with the time they take", () => {
  const out = here("card.gcode");
  const done = persoline([
    "laser",
    "write",
    example("office-access/order.yaml"),
    "--laser",
    fibre,
    "--record",
    "17",
    "--out",
    out,
    "--json",
  ]);
  expect(done.err).toBe("");
  const { files } = JSON.parse(done.out) as {
    files: { side: string; file: string; ms: number; travel: number; travelBefore: number }[];
  };
  expect(files.map(({ side, file }) => [side, file])).toEqual([
    ["front", here("card-front.gcode")],
    ["back", here("card-back.gcode")],
  ]);
  for (const { file, ms, travel, travelBefore } of files) {
    expect(ms).toBeGreaterThan(1000);
    expect(travel).toBeLessThan(travelBefore);
    expect(readFileSync(file, "latin1")).toMatch(/^; fibre, (front|back)\n[^]*\nM5 S0\nG0 X0 Y0\nM2\n$/);
    expect(statSync(file).mode & 0o077).toBe(0);
  }
  const one = persoline([
    "laser",
    "write",
    example("products/resident-card"),
    "--laser",
    fibre,
    "--side",
    "back",
    "--format",
    "dxf",
    "--out",
    here("back.dxf"),
  ]);
  expect(one.out).toMatch(/back\.dxf: \d+\.\d s: /);
  expect(existsSync(here("back.dxf"))).toBe(true);
});

test.each([
  [
    ["laser", "write", example("products/resident-card"), "--laser", fibre, "--out", "card.xyz"],
    "say --format",
  ],
  [
    [
      "laser",
      "write",
      example("products/resident-card"),
      "--laser",
      fibre,
      "--format",
      "dxf",
      "--out",
      "card.plt",
    ],
    "end it with .dxf",
  ],
  [["laser", "write", example("products/resident-card"), "--laser", here("none.yaml")], "none.yaml"],
  [["laser", "fit", here("none.csv"), "--laser", fibre], "cannot be opened"],
])("what cannot be is refused, with what to do: %#", (words, told) => {
  const { code, err } = persoline(words);
  expect(code).toBe(1);
  expect(err).toContain(told);
});

test("a measured table becomes a curve, the next one its next version, and the laser's photos go through it", () => {
  expect(persoline(["laser", "calibrate", fibre, "--out", here("calibration.tif")]).out).toContain(
    "calibration.tif: ",
  );
  const tones = Array.from({ length: 17 }, (_, i) => Math.round((i * 255) / 16));
  writeFileSync(
    here("tones.csv"),
    `asked,measured\n${tones.map((tone) => `${String(tone)},${(20 + 210 * (tone / 255) ** 1.7).toFixed(1)}`).join("\n")}\n`,
  );
  const fit = () =>
    persoline(["laser", "fit", here("tones.csv"), "--laser", fibre, "--out", here("curve.yaml")]);
  expect(fit().out).toContain("curve fibre, version 1");
  expect(fit().out).toContain("curve fibre, version 2");
  writeFileSync(here("curved.yaml"), `${readFileSync(fibre, "utf8")}\ncurve: curve.yaml\n`);
  const dots = (laser: string, out: string): number => {
    persoline([
      "laser",
      "write",
      example("office-access/order.yaml"),
      "--laser",
      laser,
      "--side",
      "front",
      "--out",
      here(out),
    ]);
    return readFileSync(here(out), "latin1").split("; photo\n")[1]?.length ?? 0;
  };
  expect(dots(here("curved.yaml"), "b.gcode")).not.toBe(dots(fibre, "a.gcode"));
  writeFileSync(
    here("curve.yaml"),
    readFileSync(here("curve.yaml"), "utf8").replace("- [0, 20]", "- [0, 10]"),
  );
  expect(persoline(["laser", "calibrate", here("curved.yaml")]).err).toContain(
    "not the one that was measured",
  );
  // The calibration card itself, as dots, is the best picture of it there can be.
  const measured = persoline([
    "laser",
    "fit",
    here("calibration.tif"),
    "--laser",
    fibre,
    "--out",
    here("ideal.yaml"),
    "--json",
  ]);
  expect((JSON.parse(measured.out) as { patches: { measured: number }[] }).patches[8]?.measured).toBeCloseTo(
    188,
    -1,
  );
});

test("plan and doctor know the engraver of a line file", () => {
  mkdirSync(here("spool"));
  const line = readFileSync(example("lines/desk-laser.yaml"), "utf8").replace("../lasers/gantry.yaml", fibre);
  writeFileSync(here("line.yaml"), line);
  const planned = persoline(["plan", example("office-access/order.yaml"), "--line", here("line.yaml")]);
  expect(planned.out).toMatch(/laser, front: \d+\.\d s: [^]*laser, back: \d+\.\d s: /);
  const doctor = () => persoline(["doctor", "--data", here("data"), "--line", here("line.yaml"), "--json"]);
  const engraver = () =>
    (JSON.parse(doctor().out) as { what: string; state: string; detail: string }[]).find(
      ({ what }) => what === "engraver of desk",
    );
  expect(engraver()).toMatchObject({ state: "ok" });
  writeFileSync(here("spool/persoline-0123456789abcdef.gcode"), "");
  expect(engraver()).toMatchObject({ state: "lacking" });
  expect(engraver()?.detail).toContain("earlier job");
});
