import { expect, test } from "vitest";
import { DataProblem } from "../../orders/problem.js";
import { simulatedLimits } from "./limits.js";
import { limitsOf, parseProfile, profileText } from "./profile.js";
import { learnedProfile, learnedSide } from "./profile.test.data.js";

const text = profileText(learnedProfile);

test("a profile is read as it was written, and its comment is no part of it", () => {
  const { digest, ...rest } = parseProfile(text, "p.yaml");
  expect(rest).toEqual(learnedProfile);
  expect(digest).toMatch(/^[0-9a-f]{64}$/);
  expect(parseProfile(text.replace(/^#.*\n/, ""), "p.yaml").digest).toBe(digest);
});

test.each([
  ["a limit", "displacement: 0.2\n", "displacement: 0.29\n"],
  ["the camera", "desk: quality", "other: quality"],
  ["the version", "version: 1", "version: 2"],
  ["one side only", / {2}- side: back[^]*(?=digest)/, ""],
])("with %s changed it is refused, at its digest", (_, was, is) => {
  const changed = text.replace(was, is);
  expect(changed).not.toBe(text);
  expect(() => parseProfile(changed, "p.yaml")).toThrow(DataProblem);
  expect(() => parseProfile(changed, "p.yaml")).toThrow(/not the one that was learned/);
});

test.each(["displacement", "glyph"] as const)(
  "a laxer %s than the built-in one is refused, with the digest right",
  (which) => {
    const side = learnedSide("front");
    const lax = { ...learnedProfile, sides: [{ ...side, limits: { ...side.limits, [which]: 0.9 } }] };
    expect(() => parseProfile(profileText(lax), "p.yaml")).toThrow(DataProblem);
  },
);

test("a side twice is refused", () => {
  const twice = { ...learnedProfile, sides: [learnedSide("front"), learnedSide("front")] };
  expect(() => parseProfile(profileText(twice), "p.yaml")).toThrow(/front is there twice/);
});

test("limits are the learned ones, and the built-in ones for all that golden cards cannot teach", () => {
  const limits = limitsOf(learnedSide("front"));
  expect(limits).toMatchObject({ fullInk: 0.74, displacement: 0.2, surface: { bare: 0.16 } });
  expect(limits.glyph).toEqual({ good: 0.3, wrong: simulatedLimits.glyph.wrong });
  expect(limits.stock).toEqual({ ...simulatedLimits.stock, darkest: 120, brightest: 160 });
  expect([limits.faint, limits.burnt, limits.strayInk]).toEqual([
    simulatedLimits.faint,
    simulatedLimits.burnt,
    simulatedLimits.strayInk,
  ]);
});
