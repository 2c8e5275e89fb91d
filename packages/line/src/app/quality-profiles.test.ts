import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { parseLine } from "../stations/line-file.js";
import { parseProfile, profileText } from "../stations/quality/index.js";
import { learnedProfile, learnedSide } from "../stations/quality/profile.test.data.js";
import { store } from "../store/sample.test.data.js";
import type { Store } from "../store/store.js";
import { approvalOf, approve, profilesOf } from "./quality-profiles.js";

const folder = mkdtempSync(join(tmpdir(), "persoline-profiles-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const lineText = `
line: desk
mode: ideal
transport: { kind: simulated-carousel, moveMs: 0 }
stations:
  - { name: chip, does: [electrical-test, completion, initialisation, personalization, chip-proof], heads: 1, reader: simulated }
  - { name: visual, heads: 1, reader: simulated, engraver: simulated }
  - { name: quality, heads: 1, reader: simulated, camera: simulated, profile: p.yaml }
stock:
  - { lot: L1, count: 4 }
`;
const line = (text = lineText) => parseLine(text, join(folder, "line.yaml"));
const file = join(folder, "p.yaml");

let s: Store;
beforeEach(async () => {
  s = await store();
  writeFileSync(file, profileText(learnedProfile));
});

const asked = (change: Partial<Parameters<typeof profilesOf>[0]> = {}) =>
  profilesOf({
    line: line(),
    store: s,
    environment: "test",
    product: learnedProfile.product,
    layout: learnedProfile.layout,
    sides: ["front", "back"],
    ...change,
  });
const approved = (one = learnedProfile) =>
  approve(s, parseProfile(profileText(one), "p.yaml"), { by: "Ada", witness: "Bob" });

describe("approval", () => {
  test("takes two people, and stands in the audit with the profile's digest", async () => {
    const profile = parseProfile(profileText(learnedProfile), "p.yaml");
    await expect(approve(s, profile, { by: "Ada", witness: " ada" })).rejects.toThrow(/two different people/);
    expect(await approvalOf(s, profile)).toBeUndefined();
    await approve(s, profile, { by: "Ada", witness: "Bob" });
    expect(await approvalOf(s, profile)).toMatchObject({ by: "Ada", witness: "Bob" });
    const told = [];
    for await (const { what, who, after, detail } of s.audit.entries())
      told.push({ what, who, after, detail });
    expect(told).toEqual([
      {
        what: "quality.approve",
        who: "Ada",
        after: profile.digest,
        detail: expect.objectContaining({ witness: "Bob", camera: profile.camera }) as object,
      },
    ]);
    expect(await s.audit.verify()).toMatchObject({ ok: true });
  });
});

describe("a line with a profile", () => {
  test("that was approved goes by it, under the name the camera has in records", async () => {
    await approved();
    const limits = await asked();
    expect([...limits.keys()]).toEqual(["quality camera 1"]);
    expect(limits.get("quality camera 1")).toMatchObject({
      front: { fullInk: 0.74, displacement: 0.2 },
      back: { fullInk: 0.74 },
    });
  });
  test("that nobody approved, or another version of which somebody did", async () => {
    await expect(asked()).rejects.toThrow(/p\.yaml: version 1 of office was approved by nobody.*--by NAME/);
    await approved({ ...learnedProfile, version: 2 });
    await expect(asked()).rejects.toThrow(/approved by nobody/);
  });
  test("that was altered", async () => {
    await approved();
    writeFileSync(file, profileText(learnedProfile).replace("brightest: 160", "brightest: 260"));
    await expect(asked()).rejects.toThrow(/not the one that was learned/);
  });
  test("of other layouts, another product, another camera, or without a side", async () => {
    await approved();
    await expect(asked({ layout: "cd".repeat(32) })).rejects.toThrow(/not those its golden cards were made/);
    await expect(asked({ product: "payment" })).rejects.toThrow(/profile is of product office-access/);
    await expect(asked({ line: line(lineText.replace("line: desk", "line: other")) })).rejects.toThrow(
      /of the camera "desk: quality camera 1", and here stands "other: quality camera 1"/,
    );
    const front = { ...learnedProfile, sides: [learnedSide("front")] };
    await approved(front);
    writeFileSync(file, profileText(front));
    await expect(asked()).rejects.toThrow(/nobody learned the back/);
    expect(await asked({ sides: ["front"] })).toHaveProperty("size", 1);
  });
  test("that is not there", async () => {
    rmSync(file);
    await expect(asked()).rejects.toThrow(/cannot be opened/);
  });
});

test("a camera without a profile: built-in limits for tests, none for live cards", async () => {
  const without = line(lineText.replace(", profile: p.yaml", ""));
  expect(await asked({ line: without })).toHaveProperty("size", 0);
  await expect(asked({ line: without, environment: "live" })).rejects.toThrow(/without a quality profile/);
  expect(await asked({ line: without, environment: "live", sides: [] })).toHaveProperty("size", 0);
});

test("one profile for each head, and only where a camera is", () => {
  expect(() => line(lineText.replace("quality, heads: 1", "quality, heads: 2"))).toThrow(
    /2 heads and 1 quality profiles/,
  );
  expect(() => line(lineText.replace("engraver: simulated", "engraver: simulated, profile: p.yaml"))).toThrow(
    /no camera and 1 quality profiles/,
  );
});
