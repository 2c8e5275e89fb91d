/** Who stands before the wheels of a simulated embosser in another room. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { FedCard, Feeder } from "../devices/marker/remote/station.js";
import type { Body } from "../devices/shop-floor/floor.js";
import { labelIn } from "../devices/shop-floor/places.js";

/**
 * Bodies in the trays that are away from a simulated line's visual station, or at its heads where each card goes by itself: each is given
 * once a round, by what its own chip says. They come out of a tray in an order that has nothing to do with how they were put in.
 */
export function shopFloorFeeder(
  { shopFloor, station }: { readonly shopFloor: string; readonly station: string },
  marker: (dir: string) => FedCard["marker"],
  chip: (body: Body) => Promise<string | undefined>,
): Feeder {
  const given = new Map<string, number>();
  const root = join(shopFloor, "shop-floor");
  const inside = (...folder: string[]): string[] => {
    const path = join(...folder);
    try {
      return readdirSync(path).map((name) => join(path, name));
    } catch (problem) {
      // A tray may have been taken back, or a card have left its head, since its folder was seen.
      if (problem instanceof Error && "code" in problem && problem.code === "ENOENT") return [];
      throw problem;
    }
  };
  const named = (folder: string, begins: string): string[] =>
    inside(root, folder).filter((path) => basename(path).startsWith(begins));
  const shuffled = (path: string): string => createHash("sha256").update(basename(path)).digest("hex");
  const atHeads = (): string[] => named("machine", `${station}.head-`).flatMap((head) => inside(head));
  const bodies = (heads: readonly string[]): string[] => [
    ...heads,
    ...named("elsewhere", `${station}.tray-`)
      .flatMap((tray) => inside(tray).flatMap((slot) => inside(slot)))
      .toSorted((a, b) => shuffled(a).localeCompare(shuffled(b))),
  ];
  return {
    async next(round) {
      for (;;) {
        const heads = atHeads();
        const lying = bodies(heads);
        for (const known of given.keys()) if (!lying.includes(known)) given.delete(known);
        const dir = lying.find((one) => given.get(one) !== round);
        if (dir === undefined) return undefined;
        given.set(dir, round);
        const serial = await chip({ dir, label: labelIn(basename(dir)) }).catch((problem: unknown) => {
          if (existsSync(dir)) throw problem;
          return undefined;
        });
        // Its tray was taken back, and perhaps counted in, while its chip was asked: it is no stranger, and no mute card either.
        if (!existsSync(dir)) continue;
        return { body: dir, atHead: heads.includes(dir), serial, marker: marker(dir) };
      }
    },
  };
}
