/** In which order lines are burnt: the beam's dark way is time without a mark. */
import type { Line } from "./shapes.js";

/** Something with two ends that may be begun at either. */
export interface Piece {
  readonly startX: number;
  readonly startY: number;
  readonly endX: number;
  readonly endY: number;
}

export interface Step {
  readonly piece: number;
  readonly reversed: boolean;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Among more pieces than this only near ones in the sequence are exchanged. */
const many = 700;
const nearby = 80;
const rounds = 12;

/** Length of the dark way through all pieces, mm. */
export function travelOf(pieces: readonly Piece[], steps: readonly Step[], from: Point): number {
  let sum = 0;
  let { x, y } = from;
  for (const { piece, reversed } of steps) {
    const one = pieces[piece];
    if (one === undefined) continue;
    sum += reversed ? Math.hypot(one.endX - x, one.endY - y) : Math.hypot(one.startX - x, one.startY - y);
    [x, y] = reversed ? [one.startX, one.startY] : [one.endX, one.endY];
  }
  return sum;
}

/** Nearest neighbour, then 2-opt: parts of the sequence are turned round while that shortens the way. Never longer than as it came. */
export function arrange(pieces: readonly Piece[], from: Point): readonly Step[] {
  const asGiven = pieces.map((_, piece): Step => ({ piece, reversed: false }));
  const found = shorten(pieces, nearest(pieces, from), from);
  return travelOf(pieces, found, from) < travelOf(pieces, asGiven, from) ? found : asGiven;
}

/** Ends of pieces by the square they lie in: the nearest one is among few. */
class Ground {
  readonly #cells = new Map<number, Set<number>>();
  readonly #size: number;
  readonly #columns: number;
  readonly #rows: number;
  readonly #left: number;
  readonly #top: number;

  constructor(readonly pieces: readonly Piece[]) {
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const { startX, startY, endX, endY } of pieces) {
      left = Math.min(left, startX, endX);
      right = Math.max(right, startX, endX);
      top = Math.min(top, startY, endY);
      bottom = Math.max(bottom, startY, endY);
    }
    [this.#left, this.#top] = [left, top];
    this.#size = Math.max(
      0.01,
      Math.sqrt(((right - left) * (bottom - top)) / pieces.length),
      (right - left + bottom - top) / 2000,
    );
    this.#columns = Math.floor((right - left) / this.#size) + 1;
    this.#rows = Math.floor((bottom - top) / this.#size) + 1;
    pieces.forEach((_, i) => {
      for (const cell of this.#cellsOf(i)) {
        const there = this.#cells.get(cell) ?? new Set();
        if (there.size === 0) this.#cells.set(cell, there);
        there.add(i);
      }
    });
  }

  #column = (x: number): number =>
    Math.min(this.#columns - 1, Math.max(0, Math.floor((x - this.#left) / this.#size)));
  #row = (y: number): number =>
    Math.min(this.#rows - 1, Math.max(0, Math.floor((y - this.#top) / this.#size)));

  #cellsOf(i: number): readonly number[] {
    const one = this.pieces[i];
    if (one === undefined) return [];
    return [
      this.#row(one.startY) * this.#columns + this.#column(one.startX),
      this.#row(one.endY) * this.#columns + this.#column(one.endX),
    ];
  }

  take(i: number): void {
    for (const cell of this.#cellsOf(i)) this.#cells.get(cell)?.delete(i);
  }

  /** The piece one of whose ends lies nearest, and whether that is its end. */
  nearest(x: number, y: number): Step | undefined {
    const [column, row] = [this.#column(x), this.#row(y)];
    // From outside of all pieces the way to them comes first.
    const [outX, outY] = [
      Math.max(0, this.#left - x, x - this.#left - this.#columns * this.#size),
      Math.max(0, this.#top - y, y - this.#top - this.#rows * this.#size),
    ];
    let [best, found] = [Infinity, undefined as Step | undefined];
    for (let ring = 0; ring < Math.max(this.#columns, this.#rows) + 1; ring++) {
      // Whatever lies in this ring is at least so far away.
      if (found !== undefined && Math.sqrt(best) < (ring - 1) * this.#size - Math.hypot(outX, outY)) break;
      for (let r = row - ring; r <= row + ring; r++) {
        if (r < 0 || r >= this.#rows) continue;
        const step = Math.abs(r - row) === ring ? 1 : Math.max(1, 2 * ring);
        for (let c = column - ring; c <= column + ring; c += step) {
          if (c < 0 || c >= this.#columns) continue;
          for (const piece of this.#cells.get(r * this.#columns + c) ?? []) {
            const one = this.pieces[piece];
            if (one === undefined) continue;
            const forth = (one.startX - x) ** 2 + (one.startY - y) ** 2;
            const back = (one.endX - x) ** 2 + (one.endY - y) ** 2;
            if (Math.min(forth, back) >= best) continue;
            best = Math.min(forth, back);
            found = { piece, reversed: back < forth };
          }
        }
      }
    }
    return found;
  }
}

function nearest(pieces: readonly Piece[], from: Point): Step[] {
  if (pieces.length === 0) return [];
  const ground = new Ground(pieces);
  const steps: Step[] = [];
  let { x, y } = from;
  for (;;) {
    const step = ground.nearest(x, y);
    if (step === undefined) return steps;
    ground.take(step.piece);
    steps.push(step);
    const one = pieces[step.piece];
    if (one !== undefined) [x, y] = step.reversed ? [one.startX, one.startY] : [one.endX, one.endY];
  }
}

function shorten(pieces: readonly Piece[], steps: Step[], from: Point): Step[] {
  const count = steps.length;
  // Ends in the sequence as it is, x then y: where step i is entered at 4i + 4, where it is left at 4i + 6; the start stands before them.
  const ends = new Float64Array(4 * count + 4);
  ends[2] = from.x;
  ends[3] = from.y;
  /** The dark way from each step to the next, the start counted as one. */
  const hops = new Float64Array(count + 1);
  const far = (a: number, b: number): number => {
    const dx = (ends[a] ?? 0) - (ends[b] ?? 0);
    const dy = (ends[a + 1] ?? 0) - (ends[b + 1] ?? 0);
    // The innermost loop of a card: Math.hypot is exact for any size, and several times as slow.
    return Math.sqrt(dx * dx + dy * dy);
  };
  const note = (first: number, last: number): void => {
    for (let i = first; i <= last; i++) {
      const { piece, reversed } = steps[i] ?? { piece: 0, reversed: false };
      const one = pieces[piece];
      if (one === undefined) continue;
      const at = 4 * i + 4;
      ends[at] = reversed ? one.endX : one.startX;
      ends[at + 1] = reversed ? one.endY : one.startY;
      ends[at + 2] = reversed ? one.startX : one.endX;
      ends[at + 3] = reversed ? one.startY : one.endY;
    }
    for (let i = first; i <= Math.min(count - 1, last + 1); i++) hops[i] = far(4 * i + 2, 4 * i + 4);
  };
  note(0, count - 1);
  const reach = count > many ? nearby : count;
  for (let round = 0; round < rounds; round++) {
    let better = false;
    for (let i = 0; i < count; i++)
      for (let j = i; j < Math.min(count, i + reach); j++) {
        // Turned round, steps i to j are entered at the end of j, and left at the beginning of i.
        const longer = far(4 * i + 2, 4 * j + 6) - (hops[i] ?? 0);
        const onward = j + 1 < count ? (hops[j + 1] ?? 0) : 0;
        if (longer - onward > -1e-9) continue;
        if (longer - onward + (j + 1 < count ? far(4 * i + 4, 4 * j + 8) : 0) > -1e-9) continue;
        const part = steps.slice(i, j + 1).reverse();
        part.forEach(({ piece, reversed }, k) => {
          steps[i + k] = { piece, reversed: !reversed };
        });
        note(i, j);
        better = true;
      }
    if (!better) break;
  }
  return steps;
}

export const pieceOf = (lines: readonly Line[]): Piece => {
  const [first, last] = [lines[0], lines.at(-1)];
  return {
    startX: first?.[0] ?? 0,
    startY: first?.[1] ?? 0,
    endX: last?.at(-2) ?? 0,
    endY: last?.at(-1) ?? 0,
  };
};

/** The chain begun at its other end. */
export function turned(line: Line): Line {
  const back: number[] = [];
  for (let i = line.length - 2; i >= 0; i -= 2) back.push(line[i] ?? 0, line[i + 1] ?? 0);
  return back;
}
