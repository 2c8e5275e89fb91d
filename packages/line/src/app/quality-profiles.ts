/** Quality profiles as they lie on disk, and whether a line may go by them. */
import { readFile } from "node:fs/promises";
import { DataProblem } from "../orders/problem.js";
import type { LineFile } from "../stations/line-file.js";
import { limitsOf, parseProfile, type Profile, type QualityLimits } from "../stations/quality/index.js";
import type { Store } from "../store/store.js";
import { Refusal } from "./problem.js";

/** What two people do to a profile, as the audit calls it. */
const approval = "quality.approve";

/** A camera as profiles name it. `head`: from 0. */
export const cameraOf = (line: string, station: string, head: number): string =>
  `${line}: ${station} camera ${String(head + 1)}`;

/** Throws DataProblem. */
export async function readProfile(file: string): Promise<Profile> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch {
    const refused = { file, code: "no-file", message: "the quality profile cannot be opened" };
    throw new DataProblem([{ ...refused, remedy: "check the path and the file's permissions" }]);
  }
  return parseProfile(text, file);
}

/** Who approved this very profile, and when; undefined when nobody did. */
export async function approvalOf(
  store: Store,
  { digest }: Profile,
): Promise<{ readonly by: string; readonly witness: string; readonly at: string } | undefined> {
  const found = await store.audit.latest({ what: approval, after: digest });
  if (found === undefined) return undefined;
  const witness = found.detail?.["witness"];
  return { by: found.who, witness: typeof witness === "string" ? witness : "", at: found.at };
}

/** Two people go by it from now on. Throws AccountsProblem unless they are two. */
export async function approve(
  store: Store,
  profile: Profile,
  { by, witness }: { readonly by: string; readonly witness: string },
): Promise<void> {
  const { profile: name, version, camera, product, layout, digest } = profile;
  await store.audit.noteByTwo(
    "approving a quality profile",
    {
      who: by,
      what: approval,
      object: `quality profile ${name}, version ${String(version)}`,
      result: "ok",
      after: digest,
      detail: { camera, product, layout },
    },
    witness,
  );
}

/** Limits a camera's pictures are judged by, side by side. */
export type CameraLimits = Partial<Readonly<Record<"front" | "back", QualityLimits>>>;

/**
 * The limits of each camera of a line that has a profile, by the name the camera has in records. Throws DataProblem or Refusal when a profile
 * is altered, of another camera or layout, lacks a side, or was approved by nobody, and in the live environment when a camera has none.
 */
export async function profilesOf(ask: {
  readonly line: LineFile;
  readonly store: Store;
  readonly environment: "test" | "live";
  readonly product: string;
  /** As `layoutDigest` makes it. */
  readonly layout: string;
  /** That are engraved or printed. */
  readonly sides: readonly ("front" | "back")[];
}): Promise<ReadonlyMap<string, CameraLimits>> {
  const { line, store, environment, product, layout, sides } = ask;
  const limits = new Map<string, CameraLimits>();
  if (sides.length === 0) return limits;
  for (const { name, heads, camera, profile } of line.stations) {
    if (camera === undefined) continue;
    if (profile === undefined && environment === "live")
      throw new Refusal(
        `${name} has a camera without a quality profile: limits of the simulated camera judge no live card; learn one (persoline quality learn) and name it in the line file`,
      );
    for (let head = 0; head < heads; head++) {
      const file = profile?.[head];
      if (file === undefined) continue;
      const one = await readProfile(file);
      const own = cameraOf(line.line, name, head);
      const refuse = (why: string, remedy: string): never => {
        throw new Refusal(`${file}: ${why}; ${remedy}`);
      };
      if (one.camera !== own)
        refuse(
          `this profile is of the camera "${one.camera}", and here stands "${own}"`,
          "name the profile of this camera",
        );
      if (one.product !== product || one.layout !== layout)
        refuse(
          one.product === product
            ? `the layouts of ${product} are not those its golden cards were made with`
            : `this profile is of product ${one.product}, and the order is of ${product}`,
          "learn a profile from golden cards of this product as it is now",
        );
      for (const side of sides)
        if (!one.sides.some((learned) => learned.side === side))
          refuse(`nobody learned the ${side}`, "learn it with golden cards of both sides");
      if ((await approvalOf(store, one)) === undefined)
        refuse(
          `version ${String(one.version)} of ${one.profile} was approved by nobody in this data folder`,
          `two people do: persoline quality approve ${file} --by NAME --and NAME`,
        );
      limits.set(
        `${name} camera ${String(head + 1)}`,
        Object.fromEntries(one.sides.map((learned) => [learned.side, limitsOf(learned)])),
      );
    }
  }
  return limits;
}
