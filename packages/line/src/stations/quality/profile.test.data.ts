/** A profile as if it had been learned: tests of files and lines need no pictures. */
import type { Profile, SideProfile } from "./profile.js";

const figure = (median: number, spread = 0.01) => ({ median, spread });

export const learnedSide = (side: "front" | "back"): SideProfile => ({
  side,
  cards: 12,
  records: 12,
  measured: {
    fullInk: figure(0.74),
    body: figure(140, 1.5),
    grain: figure(0.012, 0.001),
    displacement: figure(0.04),
    glyph: figure(0.22),
  },
  fields: [{ field: "name", dx: figure(0.02), dy: figure(-0.01), ink: figure(1), worst: figure(0.21) }],
  limits: {
    fullInk: 0.74,
    displacement: 0.2,
    glyph: 0.3,
    photo: { dots: 0.5, features: 0.9 },
    body: { darkest: 120, brightest: 160 },
    bare: 0.16,
  },
});

export const learnedProfile: Omit<Profile, "digest"> = {
  profile: "office",
  version: 1,
  product: "office-access",
  layout: "ab".repeat(32),
  camera: "desk: quality camera 1",
  light: "a dim ring",
  made: "2026-01-31",
  by: "ada",
  tool: "persoline 0",
  sides: [learnedSide("front"), learnedSide("back")],
};
