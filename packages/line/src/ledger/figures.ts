/** Times of stations, gathered visit by visit: eight bytes a visit, whatever the number of cards. */
import type { StationFigures } from "./report.js";
import type { StationTime } from "./types.js";

class Times {
  #values = new Float64Array(256);
  #count = 0;
  readonly heads = new Set<number>();
  readonly rejects = new Map<number, number>();

  add(ms: number, head: number): void {
    if (this.#count === this.#values.length) {
      const grown = new Float64Array(this.#count * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#count] = ms;
    this.#count++;
    this.heads.add(head);
  }

  sorted(): Float64Array {
    return this.#values.slice(0, this.#count).sort();
  }
}

/** The smallest value that at least this share of all values does not exceed (nearest rank); 0 of none. */
export const quantile = (sorted: ArrayLike<number>, share: number): number =>
  sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;

export interface StationGatherer {
  /** `rejected`: the last of these stations threw the card out. */
  add(times: readonly StationTime[], rejected?: boolean): void;
  /** Stations in the order in which they were first seen. */
  figures(elapsedMs: number, heads?: Readonly<Record<string, number>>): readonly StationFigures[];
}

export function gatherStations(): StationGatherer {
  const stations = new Map<string, Times>();
  return {
    add(times, rejected = false) {
      for (const { station, head, ms } of times) {
        const known = stations.get(station) ?? new Times();
        stations.set(station, known);
        known.add(ms, head);
      }
      const last = rejected ? times.at(-1) : undefined;
      const rejects = last && stations.get(last.station)?.rejects;
      if (last !== undefined) rejects?.set(last.head, (rejects.get(last.head) ?? 0) + 1);
    },
    figures: (elapsedMs, heads = {}) =>
      [...stations].map(([station, times]) => {
        const sorted = times.sorted();
        const busy = sorted.reduce((sum, ms) => sum + ms, 0);
        const count = heads[station] ?? times.heads.size;
        return {
          station,
          heads: count,
          visits: sorted.length,
          min: sorted[0] ?? 0,
          median: quantile(sorted, 0.5),
          p95: quantile(sorted, 0.95),
          max: sorted.at(-1) ?? 0,
          busy,
          utilisation: elapsedMs > 0 && count > 0 ? Math.min(1, busy / (elapsedMs * count)) : 0,
          ...(count > 1 && times.rejects.size > 0
            ? {
                rejectsByHead: Array.from(
                  { length: Math.max(count, ...[...times.heads].map((head) => head + 1)) },
                  (_, head) => times.rejects.get(head) ?? 0,
                ),
              }
            : {}),
        };
      }),
  };
}
