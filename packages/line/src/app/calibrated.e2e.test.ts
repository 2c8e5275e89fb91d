/** A line whose laser is calibrated holds its pictures against what that laser's beam leaves. */
import { afterAll, expect, test, vi } from "vitest";
import { fitTable, type LaserSettings, seenFace } from "../plan/laser/index.js";
import { settingsIn } from "../plan/laser/drawn.test.data.js";
import { drawnCard, photographed } from "../stations/quality/cards.test.data.js";
import { DriftWatch } from "../stations/quality/index.js";
import type { FacesVerdict, JudgeFaces } from "../stations/station.js";
import { facesDesk } from "./faces.js";
import { judgedBy } from "./marks.js";

vi.setConfig({ testTimeout: 60_000 });
const faces = facesDesk(1);
afterAll(() => faces.close());

const patches = [
  { asked: 0, measured: 0 },
  { asked: 64, measured: 12 },
  { asked: 128, measured: 40 },
  { asked: 192, measured: 105 },
  { asked: 255, measured: 255 },
];

async function judgedOn(laser: LaserSettings | undefined, person: number): Promise<FacesVerdict> {
  const broad = { ...(await settingsIn("fibre")), spot: 0.06 };
  const settings = {
    ...broad,
    curve: { name: "beam", version: 1, dpi: 600 as const, patches, table: fitTable(patches) },
  };
  const { face, raster, ground } = await drawnCard("office-access", "front", 1);
  const burnt = await seenFace((await drawnCard("office-access", "front", person)).face, settings, "gcode");
  const [picture] = await photographed(
    [{ face, raster: { ...raster, ...burnt }, ...(ground === undefined ? {} : { ground }) }],
    [],
    "beam",
  );
  if (picture === undefined) throw new Error("no picture");
  const judge = judgedBy({
    faces,
    chip: "front",
    laser: laser === undefined ? undefined : { settings, format: "gcode" },
    relief: { camera: true, machine: false },
    profiles: new Map(),
    keepJudged: () => Promise.resolve(),
    watch: new DriftWatch(),
  });
  const asked = {
    prepared: { faces: [face], emboss: [] },
    marks: [raster],
    pictures: { front: picture },
    camera: "camera",
    serial: "01",
  };
  // The judgement reads no more of a visit than this.
  return judge(asked as unknown as Parameters<JudgeFaces>[0]);
}

test("its good card passes by what its beam leaves, and not by the layout's dots", async () => {
  const laser = await settingsIn("fibre");
  expect(await judgedOn(laser, 1)).toMatchObject({ kind: "passed", detail: "" });
  expect(await judgedOn(undefined, 1)).toMatchObject({ kind: "rejected" });
});

test("another person's card burnt by it is another's", async () => {
  const { kind, findings } = await judgedOn(await settingsIn("fibre"), 2);
  expect(kind).toBe("rejected");
  expect(
    findings.filter(({ what, detail }) => what === "front photo" && detail?.includes("wrong-photo")),
  ).toHaveLength(1);
});
