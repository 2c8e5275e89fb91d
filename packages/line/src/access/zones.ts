import { outside, type Gate, type Site, type Zone } from "./types.js";

/** The zones of a site as a tree. Expects what the gates file's checks promise: known parents, no rings. */
export class ZoneTree {
  readonly #zones: ReadonlyMap<string, Zone>;
  readonly #paths = new Map<string, readonly string[]>([[outside, []]]);

  constructor({ zones }: Pick<Site, "zones">) {
    this.#zones = new Map(zones.map((zone) => [zone.name, zone]));
    for (const { name } of zones) this.#paths.set(name, this.#way(name));
  }

  zone(name: string): Zone | undefined {
    return this.#zones.get(name);
  }

  /** Zones one is in when one is in this zone, the outermost first; none for outside, undefined for a zone that is not here. */
  path(name: string): readonly string[] | undefined {
    return this.#paths.get(name);
  }

  parent(name: string): string {
    return this.#zones.get(name)?.parent ?? outside;
  }

  #way(name: string): string[] {
    const way: string[] = [];
    for (let at: string | undefined = name; at !== undefined; at = this.#zones.get(at)?.parent)
      way.unshift(at);
    return way;
  }
}

/** How a passage at this gate is recorded: leaving for a zone around the present one is "out", all else is "in". */
export function crossing(
  tree: ZoneTree,
  { from, to }: Pick<Gate, "from" | "to">,
): { readonly zone: string; readonly direction: "in" | "out" } {
  const out = to === outside || tree.path(from)?.includes(to) === true;
  return out ? { zone: from, direction: "out" } : { zone: to, direction: "in" };
}
