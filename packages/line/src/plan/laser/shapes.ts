/** Filled shapes as polygons: what a horizontal line finds inside them, their edge moved inwards, lines cut where something is cleared. */
import type { Outline, PathCommand } from "../layout/index.js";

/** Points one after another: x0, y0, x1, y1 …, mm. */
export type Line = readonly number[];

/** Largest distance of a curve from its chords, mm. */
const tolerance = 0.004;

export interface Shape {
  readonly rings: readonly Line[];
  readonly rule: "nonzero" | "evenodd";
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Subpaths as chains of chords; closed ones end where they began. */
export function flatten(commands: readonly PathCommand[]): number[][] {
  const lines: number[][] = [];
  let line: number[] = [];
  const at = (): readonly [number, number] => [line.at(-2) ?? 0, line.at(-1) ?? 0];
  const curve = (chords: number, point: (t: number) => readonly [number, number]): void => {
    for (let i = 1; i <= chords; i++) line.push(...point(i / chords));
  };
  for (const command of commands) {
    if (command.to === "Z") {
      const [x = 0, y = 0] = line;
      const [endX, endY] = at();
      if (endX !== x || endY !== y) line.push(x, y);
    } else if (command.to === "Q") {
      const [x0, y0] = at();
      const { x1, y1, x, y } = command;
      const bend = Math.hypot(x0 - 2 * x1 + x, y0 - 2 * y1 + y) / 4;
      curve(Math.max(1, Math.ceil(Math.sqrt(bend / tolerance))), (t) => {
        const u = 1 - t;
        return [u * u * x0 + 2 * u * t * x1 + t * t * x, u * u * y0 + 2 * u * t * y1 + t * t * y];
      });
    } else if (command.to === "C") {
      const [x0, y0] = at();
      const { x1, y1, x2, y2, x, y } = command;
      const bend =
        0.75 *
        Math.max(
          Math.hypot(x0 - 2 * x1 + x2, y0 - 2 * y1 + y2),
          Math.hypot(x1 - 2 * x2 + x, y1 - 2 * y2 + y),
        );
      curve(Math.max(1, Math.ceil(Math.sqrt(bend / tolerance))), (t) => {
        const u = 1 - t;
        const [a, b, c, d] = [u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t];
        return [a * x0 + b * x1 + c * x2 + d * x, a * y0 + b * y1 + c * y2 + d * y];
      });
    } else {
      if (command.to === "M") lines.push((line = []));
      line.push(command.x, command.y);
    }
  }
  return lines.filter((one) => one.length >= 4);
}

function shapeOf(rings: readonly Line[], rule: Shape["rule"]): Shape {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const ring of rings)
    for (let i = 0; i + 1 < ring.length; i += 2) {
      const [x, y] = [ring[i] ?? 0, ring[i + 1] ?? 0];
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  return { rings, rule, left, top, right, bottom };
}

/** A round pen drawn along a chain: a box for each chord and a disc for each point, all turning the same way. */
function thick(line: Line, width: number): number[][] {
  const r = width / 2;
  const sides = Math.max(8, Math.ceil(Math.PI / Math.acos(Math.max(0, 1 - tolerance / r))));
  const rings: number[][] = [];
  for (let i = 0; i + 1 < line.length; i += 2) {
    const [x, y] = [line[i] ?? 0, line[i + 1] ?? 0];
    rings.push(
      Array.from({ length: sides + 1 }, (_, k) => (2 * Math.PI * (k % sides)) / sides).flatMap((a) => [
        x + r * Math.cos(a),
        y + r * Math.sin(a),
      ]),
    );
    if (i + 3 >= line.length) continue;
    const [toX, toY] = [line[i + 2] ?? 0, line[i + 3] ?? 0];
    const length = Math.hypot(toX - x, toY - y);
    if (length === 0) continue;
    const [nx, ny] = [(-(toY - y) / length) * r, ((toX - x) / length) * r];
    rings.push([x - nx, y - ny, toX - nx, toY - ny, toX + nx, toY + ny, x + nx, y + ny, x - nx, y - ny]);
  }
  return rings;
}

/** An outline as what it fills; a stroked one as what its pen covers. */
export function filled(outline: Outline): Shape {
  const lines = flatten(outline.commands);
  if (outline.stroke !== undefined) {
    const { stroke } = outline;
    return shapeOf(
      lines.flatMap((line) => thick(line, stroke)),
      "nonzero",
    );
  }
  const closed = lines.map((line) => {
    const [x = 0, y = 0] = line;
    return line.at(-2) === x && line.at(-1) === y ? line : [...line, x, y];
  });
  return shapeOf(closed, outline.rule);
}

/**
 * A round pen's line as a beam narrower than it draws it: chains side by side, `pitch` apart, from edge to edge. Closed chains stay closed.
 */
export function strands(line: Line, width: number, spot: number, pitch: number): number[][] {
  const room = Math.max(0, width - spot);
  const count = room === 0 ? 1 : Math.ceil(room / pitch - 1e-9) + 1;
  const points: [number, number][] = [];
  for (let i = 0; i + 1 < line.length; i += 2) {
    const [x, y] = [line[i] ?? 0, line[i + 1] ?? 0];
    const last = points.at(-1);
    if (last === undefined || Math.hypot(x - last[0], y - last[1]) > 1e-4) points.push([x, y]);
  }
  const [[firstX, firstY] = [0, 0], [lastX, lastY] = [0, 0]] = [points[0], points.at(-1)];
  const closed = points.length > 3 && Math.hypot(firstX - lastX, firstY - lastY) < 1e-4;
  if (closed) points.pop();
  const size = points.length;
  const normals = points.map(([x, y], i): [number, number] => {
    const [nextX, nextY] = points[(i + 1) % size] ?? [x, y];
    const length = Math.hypot(nextX - x, nextY - y);
    return length === 0 ? [0, 0] : [-(nextY - y) / length, (nextX - x) / length];
  });
  return Array.from({ length: count }, (_, strand) => {
    const far = count === 1 ? 0 : room * (strand / (count - 1) - 0.5);
    const moved = points.flatMap(([x, y], i) => {
      // An open chain has one direction at each end.
      const before = closed ? (i + size - 1) % size : Math.max(0, i - 1);
      const after = closed ? i : Math.min(i, size - 2);
      const [[px, py] = [0, 0], [qx, qy] = [0, 0]] = [normals[before], normals[after]];
      const share = far / Math.max(0.5, 1 + px * qx + py * qy);
      return [x + (px + qx) * share, y + (py + qy) * share];
    });
    return closed ? [...moved, moved[0] ?? 0, moved[1] ?? 0] : moved;
  });
}

export const meet = (a: Shape, b: Shape): boolean =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/** Where a horizontal line is inside, by line number: line k lies at (k + ½)·pitch. From, to, from, to … rising, mm. */
export function hatchOf(shape: Shape, pitch: number): ReadonlyMap<number, readonly number[]> {
  const crossings = new Map<number, { x: number; turn: number }[]>();
  for (const ring of shape.rings)
    for (let i = 0; i + 3 < ring.length; i += 2) {
      const [x0, y0, x1, y1] = [ring[i] ?? 0, ring[i + 1] ?? 0, ring[i + 2] ?? 0, ring[i + 3] ?? 0];
      if (y0 === y1) continue;
      const [low, high] = y0 < y1 ? [y0, y1] : [y1, y0];
      for (let k = Math.ceil(low / pitch - 0.5); (k + 0.5) * pitch < high; k++) {
        const x = x0 + (((k + 0.5) * pitch - y0) / (y1 - y0)) * (x1 - x0);
        const row = crossings.get(k) ?? [];
        if (row.length === 0) crossings.set(k, row);
        row.push({ x, turn: y0 < y1 ? 1 : -1 });
      }
    }
  const rows = new Map<number, readonly number[]>();
  for (const [k, row] of crossings) {
    row.sort((a, b) => a.x - b.x);
    const spans: number[] = [];
    let winding = 0;
    for (const { x, turn } of row) {
      const before = shape.rule === "nonzero" ? winding !== 0 : winding % 2 !== 0;
      winding += turn;
      const after = shape.rule === "nonzero" ? winding !== 0 : winding % 2 !== 0;
      if (before !== after) spans.push(x);
    }
    rows.set(k, spans);
  }
  return rows;
}

/** Spans without what other spans cover, each of these wider by `margin` at both ends. */
export function without(spans: readonly number[], others: readonly number[], margin: number): number[] {
  let left = [...spans];
  for (let i = 0; i + 1 < others.length; i += 2) {
    const [from, to] = [(others[i] ?? 0) - margin, (others[i + 1] ?? 0) + margin];
    const next: number[] = [];
    for (let j = 0; j + 1 < left.length; j += 2) {
      const [a, b] = [left[j] ?? 0, left[j + 1] ?? 0];
      if (b <= from || a >= to) next.push(a, b);
      else {
        if (a < from) next.push(a, from);
        if (b > to) next.push(to, b);
      }
    }
    left = next;
  }
  return left;
}

export function isInside(shape: Shape, x: number, y: number): boolean {
  if (x < shape.left || x > shape.right || y < shape.top || y > shape.bottom) return false;
  let winding = 0;
  for (const ring of shape.rings)
    for (let i = 0; i + 3 < ring.length; i += 2) {
      const [x0, y0, x1, y1] = [ring[i] ?? 0, ring[i + 1] ?? 0, ring[i + 2] ?? 0, ring[i + 3] ?? 0];
      if (y0 <= y !== y1 <= y && x0 + ((y - y0) / (y1 - y0)) * (x1 - x0) > x) winding += y0 < y1 ? 1 : -1;
    }
  return shape.rule === "nonzero" ? winding !== 0 : winding % 2 !== 0;
}

/** An edge moved into its shape (out of it where `by` is less than 0), so that a beam of twice the width burns up to the edge and no further; undefined when it lies inside ink. */
export function inset(shape: Shape, ring: Line, by: number): number[] | undefined {
  const points: [number, number][] = [];
  for (let i = 0; i + 3 < ring.length; i += 2) {
    const [x, y] = [ring[i] ?? 0, ring[i + 1] ?? 0];
    const last = points.at(-1);
    if (last === undefined || Math.hypot(x - last[0], y - last[1]) > 1e-4) points.push([x, y]);
  }
  const [first, end] = [points[0], points.at(-1)];
  if (
    first !== undefined &&
    end !== undefined &&
    points.length > 1 &&
    Math.hypot(first[0] - end[0], first[1] - end[1]) <= 1e-4
  )
    points.pop();
  if (points.length < 3) return undefined;
  const normals = points.map(([x, y], i): [number, number, number] => {
    const [nextX, nextY] = points[(i + 1) % points.length] ?? [x, y];
    const length = Math.hypot(nextX - x, nextY - y);
    return [-(nextY - y) / length, (nextX - x) / length, length];
  });
  // The longest edge says which side the ink is on.
  const longest = normals.reduce(
    (best, [, , length], i) => (length > (normals[best]?.[2] ?? 0) ? i : best),
    0,
  );
  const [[ax, ay] = [0, 0], [bx, by2] = [0, 0]] = [points[longest], points[(longest + 1) % points.length]];
  const [nx, ny] = normals[longest] ?? [0, 0, 0];
  const look = (side: number): boolean =>
    isInside(shape, (ax + bx) / 2 + side * nx * 0.002, (ay + by2) / 2 + side * ny * 0.002);
  const [here, there] = [look(1), look(-1)];
  if (here === there) return undefined;
  const far = (here ? 1 : -1) * by;
  const moved = points.flatMap(([x, y], i) => {
    const [px, py] = normals[(i + points.length - 1) % points.length] ?? [0, 0, 0];
    const [qx, qy] = normals[i] ?? [0, 0, 0];
    // A sharp corner is moved by twice the distance at most.
    const share = far / Math.max(0.5, 1 + px * qx + py * qy);
    return [x + (px + qx) * share, y + (py + qy) * share];
  });
  return [...moved, moved[0] ?? 0, moved[1] ?? 0];
}

/** Steps in which a line is asked whether it is still to be drawn, mm. */
const stride = 0.02;

/** A chain cut where it runs through cleared places, or leaves the shape it is to stay in. */
export function clipped(line: Line, cleared: readonly Shape[], within?: Shape): number[][] {
  if (cleared.length === 0 && within === undefined) return [[...line]];
  const parts: number[][] = [];
  let part: number[] = [];
  const end = (): void => {
    if (part.length >= 4) parts.push(part);
    part = [];
  };
  const seen = (x: number, y: number): boolean =>
    !cleared.some((shape) => isInside(shape, x, y)) && (within === undefined || isInside(within, x, y));
  for (let i = 0; i + 3 < line.length; i += 2) {
    const [x0, y0, x1, y1] = [line[i] ?? 0, line[i + 1] ?? 0, line[i + 2] ?? 0, line[i + 3] ?? 0];
    const steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) / stride));
    for (let k = 0; k < steps; k++) {
      const point = (t: number): [number, number] => [x0 + (x1 - x0) * t, y0 + (y1 - y0) * t];
      const [from, middle, to] = [point(k / steps), point((k + 0.5) / steps), point((k + 1) / steps)];
      if (!seen(...middle)) end();
      else {
        if (part.length === 0) part.push(...from);
        // A straight piece is one chord, however many steps it took.
        if (k > 0 && part.length >= 4) part.splice(-2, 2);
        part.push(...to);
      }
    }
  }
  end();
  return parts;
}
