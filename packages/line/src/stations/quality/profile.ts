/**
 * A quality profile: what golden cards of one layout measured under one camera and its light, and the limits that follow. A YAML file with a
 * digest, so that a line can tell whether it is the one that two people approved.
 */
import { createHash } from "node:crypto";
import { stringify } from "yaml";
import { z } from "zod";
import { DataProblem } from "../../orders/problem.js";
import { strictYaml } from "../../orders/yaml.js";
import { type QualityLimits, simulatedLimits } from "./limits.js";

/** Golden cards that teach nothing: too few, bad, or too unlike one another. The message names them and says what to do. */
export class ProfileProblem extends Error {
  override readonly name = "ProfileProblem";
}

const number = z.number().min(-10_000).max(10_000);
const figure = z.strictObject({
  median: number,
  spread: z
    .number()
    .min(0)
    .max(10_000)
    .describe("1.4826 × the median distance from the median: the standard deviation of even noise"),
});
const name = z.string().min(1).max(120);

const side = z.strictObject({
  side: z.enum(["front", "back"]),
  cards: z.int().min(1).describe("Golden cards that were measured"),
  records: z.int().min(1).describe("Different records among them"),
  measured: z.strictObject({
    fullInk: figure.describe("Ink of a full mark, 0 to 1"),
    body: figure.describe("Grey of the bare body, 0 to 255"),
    grain: figure.describe("Noise of the bare body, as a share of its grey"),
    displacement: figure.describe("mm, the farthest field of each card"),
    glyph: figure.optional().describe("Difference of the worst glyph of each card, as a share of contrast"),
    photo: figure.optional().describe("Correlation of the photo's dots, or of a printed photo's features"),
  }),
  fields: z.array(
    z.strictObject({
      field: name,
      dx: figure.describe("mm"),
      dy: figure.describe("mm"),
      ink: figure.describe("Share of a full mark"),
      worst: figure.optional().describe("Worst glyph, photo or piece of artwork"),
    }),
  ),
  limits: z
    .strictObject({
      fullInk: z.number().min(0.05).max(1.5),
      displacement: z.number().min(0.01).max(simulatedLimits.displacement),
      glyph: z.number().min(0.01).max(simulatedLimits.glyph.good),
      photo: z.strictObject({
        dots: z.number().min(simulatedLimits.photo.dots).max(1),
        features: z.number().min(simulatedLimits.photo.features).max(1),
      }),
      body: z.strictObject({ darkest: z.number().min(8).max(400), brightest: z.number().min(8).max(400) }),
      bare: z.number().min(0.01).max(1),
    })
    .describe("What the judge goes by instead of its built-in limits"),
});

const profileSchema = z.strictObject({
  $schema: z.string().optional(),
  profile: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, "a name has 1 to 64 small letters, digits and dashes"),
  version: z.int().min(1),
  product: name.describe("Name of the product whose cards were measured"),
  layout: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "a layout's digest has 64 hexadecimal digits")
    .describe("SHA-256 of the product's layouts and what they extend"),
  camera: name.describe('The camera that took the pictures: "LINE: STATION camera NUMBER"'),
  light: name.describe("How the camera's light was set, in words"),
  made: z.string().regex(/^\d{4}-\d\d-\d\d$/, "a date is written as 2026-01-31"),
  by: name.describe("Who had it learned"),
  tool: name.describe("Program and version that learned it"),
  sides: z.array(side).min(1).max(2),
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "a digest has 64 hexadecimal digits")
    .describe("SHA-256 of all of the above: what two people approve"),
});

/** Median, and 1.4826 × the median distance from it. */
export type Figure = z.output<typeof figure>;
export type SideProfile = z.output<typeof side>;
export type Profile = Omit<z.output<typeof profileSchema>, "$schema">;

/** JSON Schema (draft 2020-12) of profiles, for editors. */
export const profileJsonSchema = (): unknown => ({
  title: "Persoline quality profile",
  ...z.toJSONSchema(profileSchema, { io: "input" }),
});

/** Keys in order, so that the same content has one form. */
const canonical = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, canonical(one)]),
  );
};

const digestOf = (content: Omit<Profile, "digest">): string =>
  createHash("sha256")
    .update(JSON.stringify(["persoline quality profile", 1, canonical(content)]))
    .digest("hex");

/** A profile as its file. */
export function profileText(content: Omit<Profile, "digest">): string {
  return (
    '# Quality profile. Made by "persoline quality learn"; two people approve it ("persoline quality approve") before a line goes by it.\n' +
    stringify({ ...content, digest: digestOf(content) })
  );
}

/** `file` is for messages. Throws DataProblem, also when the file is not as it was learned. */
export function parseProfile(text: string, file: string): Profile {
  const read = strictYaml(profileSchema, text, file);
  if (!read.ok) throw new DataProblem(read.problems);
  const { $schema: _, ...profile } = read.value;
  const { digest, ...content } = profile;
  if (digest !== digestOf(content))
    throw new DataProblem([
      read.problem(
        ["digest"],
        "profile-changed",
        "this profile is not the one that was learned: something in it was changed since",
        "put the file back as it was, or learn and approve it again",
      ),
    ]);
  const sides = profile.sides.map((one) => one.side);
  if (new Set(sides).size !== sides.length)
    throw new DataProblem([
      read.problem(["sides"], "twice", `the ${sides[0] ?? "side"} is there twice`, "learn it again"),
    ]);
  return profile;
}

/** The judge's limits for a side: the learned ones, and the built-in ones for whatever golden cards cannot teach. */
export function limitsOf({ limits }: SideProfile): QualityLimits {
  const { fullInk, displacement, glyph, photo, body, bare } = limits;
  return {
    ...simulatedLimits,
    fullInk,
    displacement,
    glyph: { ...simulatedLimits.glyph, good: glyph },
    photo: { ...simulatedLimits.photo, ...photo },
    stock: { ...simulatedLimits.stock, ...body },
    surface: { ...simulatedLimits.surface, bare },
  };
}
