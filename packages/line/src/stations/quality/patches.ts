/** Places of strange dots, told apart by their shape. */
import { type Box, perMm } from "./match.js";
import type { Plane } from "./plane.js";

export interface Patch {
  /** mm² of its strange dots. */
  readonly area: number;
  readonly box: Box;
  /** Along and across its longest way, mm. */
  readonly length: number;
  readonly wide: number;
  /** Deviation of the difference within it: a body of another tone differs alike everywhere. */
  readonly uneven: number;
}

/** A patch under way: its dots' number and moments. */
interface Cluster {
  strong: number;
  dots: number;
  x: number;
  y: number;
  xx: number;
  xy: number;
  yy: number;
  off: number;
  offs: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const none = (): Cluster => ({
  strong: 0,
  dots: 0,
  x: 0,
  y: 0,
  xx: 0,
  xy: 0,
  yy: 0,
  off: 0,
  offs: 0,
  left: Infinity,
  right: -Infinity,
  top: Infinity,
  bottom: -Infinity,
});

function add(to: Cluster, x: number, y: number, strong: boolean, off: number): void {
  if (strong) {
    to.strong++;
    to.off += off;
    to.offs += off * off;
  }
  to.dots++;
  to.x += x;
  to.y += y;
  to.xx += x * x;
  to.xy += x * y;
  to.yy += y * y;
  to.left = Math.min(to.left, x);
  to.right = Math.max(to.right, x);
  to.top = Math.min(to.top, y);
  to.bottom = Math.max(to.bottom, y);
}

const together = (a: Cluster, b: Cluster): Cluster => ({
  strong: a.strong + b.strong,
  dots: a.dots + b.dots,
  x: a.x + b.x,
  y: a.y + b.y,
  xx: a.xx + b.xx,
  xy: a.xy + b.xy,
  yy: a.yy + b.yy,
  off: a.off + b.off,
  offs: a.offs + b.offs,
  left: Math.min(a.left, b.left),
  right: Math.max(a.right, b.right),
  top: Math.min(a.top, b.top),
  bottom: Math.max(a.bottom, b.bottom),
});

/**
 * Dots (within two dots of each other), each cluster once, grown from strange ones (2) over those beside them (1). Uses up the marks.
 * `rest`: the differences themselves.
 */
export function patchesOf(marks: Uint8Array, { width, data: rest }: Plane): Cluster[] {
  const found: Cluster[] = [];
  const open: number[] = [];
  for (let start = marks.indexOf(2); start >= 0; start = marks.indexOf(2, start + 1)) {
    const cluster = none();
    open.push(start);
    marks[start] = 0;
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const dot = Math.abs(at);
      add(cluster, dot % width, Math.floor(dot / width), at > 0, rest[dot] ?? 0);
      for (let dy = -2; dy <= 2; dy++) {
        for (let dx = -2; dx <= 2; dx++) {
          const next = dot + dy * width + dx;
          const mark = marks[next] ?? 0;
          if (mark === 0) continue;
          marks[next] = 0;
          open.push(mark === 2 ? next : -next);
        }
      }
    }
    found.push(cluster);
  }
  return found;
}

/** Length and width of an even bar whose dots scatter as these do. */
function shapeOf({ dots, x, y, xx, xy, yy }: Cluster): { readonly length: number; readonly wide: number } {
  const [vx, vy] = [xx / dots - (x / dots) ** 2, yy / dots - (y / dots) ** 2];
  const cov = xy / dots - (x / dots) * (y / dots);
  const [mean, half] = [(vx + vy) / 2, Math.hypot((vx - vy) / 2, cov)];
  // A dot has an extent of its own.
  const extent = (variance: number): number => Math.sqrt(12 * Math.max(0, variance) + 1) / perMm;
  return { length: extent(mean + half), wide: extent(mean - half) };
}

/** Of a scratch that is seen this often as long as wide, the width says nothing: a lens spreads a broad one beyond what is thin. */
const longish = 12;

/** Long and thin. `thin`: mm across that any length may have. */
export const isLine = ({ length, wide }: Pick<Patch, "length" | "wide">, thin: number): boolean =>
  wide < Math.max(thin, length / longish);

/** Pieces of one scratch may lie so far apart, mm: where it crosses marks of its own darkness it does not show. */
const apart = 1.5;
/** Clusters smaller than this are no pieces of a scratch, and of more clusters than that the card is no longer worth it. */
const leastDots = 6;
const most = 150;

/** Patches, those that lie on one thin line joined. `thin`: mm across. */
export function linked(clusters: readonly Cluster[], thin: number): readonly Patch[] {
  const large = clusters.filter(({ dots }) => dots >= leastDots);
  const pieces = large.length > most ? large : joined(large, thin);
  return pieces.map((one) => ({
    area: one.strong / (perMm * perMm),
    box: {
      x: one.left / perMm,
      y: one.top / perMm,
      width: (one.right - one.left + 1) / perMm,
      height: (one.bottom - one.top + 1) / perMm,
    },
    ...shapeOf(one),
    uneven: Math.sqrt(Math.max(0, one.offs / one.strong - (one.off / one.strong) ** 2)),
  }));
}

function joined(clusters: readonly Cluster[], thin: number): Cluster[] {
  const rest = [...clusters];
  const done: Cluster[] = [];
  for (let one = rest.pop(); one !== undefined; one = rest.pop()) {
    let grown: Cluster = one;
    for (let i = 0; i < rest.length; i++) {
      const other = rest[i];
      if (other === undefined) continue;
      const gapX = Math.max(grown.left, other.left) - Math.min(grown.right, other.right);
      const gapY = Math.max(grown.top, other.top) - Math.min(grown.bottom, other.bottom);
      if (Math.hypot(Math.max(0, gapX), Math.max(0, gapY)) > apart * perMm) continue;
      const both = together(grown, other);
      const shape = shapeOf(both);
      if (!isLine(shape, thin) || shape.length < 2 * shape.wide) continue;
      grown = both;
      rest.splice(i, 1);
      i = -1;
    }
    done.push(grown);
  }
  return done;
}
