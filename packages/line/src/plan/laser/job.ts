/** One side of one card as a laser draws it: lines in millimetres with their pens, pictures as dots, in the order they are burnt. */
import { type Outline, outlinesOf, pictureDots } from "../layout/index.js";
import { engraved, type Face, type PlacedCode, type PlacedElement, type PlacedImage } from "../placed.js";
import { arrange, type Piece, pieceOf, type Point, turned } from "./order.js";
import { type LaserSettings, type MarkKind, markKinds, type Pen } from "./settings.js";
import {
  clipped,
  filled,
  flatten,
  hatchOf,
  inset,
  type Line,
  meet,
  type Shape,
  strands,
  without,
} from "./shapes.js";
import { type DotArea, type Dotted, type Figures, figuresOf } from "./time.js";
import { LaserProblem } from "./problem.js";

/** Lines of one pen, in the order they are burnt. */
export interface LaserPass {
  readonly kind: MarkKind;
  readonly pen: Pen;
  readonly lines: readonly Line[];
}

export interface LaserJob {
  readonly side: "front" | "back";
  readonly settings: LaserSettings;
  /** In the order of `markKinds`; the dots of a kind come after its lines. */
  readonly passes: readonly LaserPass[];
  readonly pictures: readonly DotArea[];
  readonly figures: Figures;
}

/** Where the beam waits: the machine's origin, the card's lower left corner. */
export const home: Point = { x: 0, y: 53.98 };

/** Lines that lie together: a glyph, a shape, a code. `lines` as they come, `best` in a good order. */
interface Block {
  readonly kind: MarkKind;
  readonly lines: readonly Line[];
  readonly best: readonly Line[];
}

/** What a face says to be filled or drawn, with all that others need of it. */
interface Mark {
  readonly kind: MarkKind;
  readonly field: string;
  readonly clear: boolean;
  /** A stroke as the beam follows it. */
  readonly drawn: readonly Line[] | undefined;
  readonly shape: Shape;
  /** Where the beam goes, by line of the hatch. */
  readonly hatch: ReadonlyMap<number, readonly number[]>;
}

/** Strokes wider than so many spots are filled. */
const broad = 8;

function markOf(outline: Outline, kind: MarkKind, settings: LaserSettings): Mark {
  const { spot, hatch } = settings;
  const shape = filled(outline);
  const { stroke } = outline;
  // Lines are drawn along their way, broad ones filled as areas are.
  const thin = stroke !== undefined && stroke <= spot * broad && !outline.clear;
  return {
    kind,
    field: outline.field,
    clear: outline.clear,
    drawn: thin
      ? flatten(outline.commands).flatMap((line) => strands(line, stroke, spot, hatch ?? stroke))
      : undefined,
    shape,
    hatch: hatch === undefined || thin ? new Map() : hatchOf(shape, hatch),
  };
}

/** The beam is as wide as its spot: it stops half of it before an edge. */
function shorter(spans: readonly number[], spot: number): number[] {
  const kept: number[] = [];
  for (let i = 0; i + 1 < spans.length; i += 2) {
    const [from, to] = [(spans[i] ?? 0) + spot / 2, (spans[i + 1] ?? 0) - spot / 2];
    if (to - from > spot / 10) kept.push(from, to);
    else if (to > from - spot / 2) kept.push((from + to) / 2 - spot / 20, (from + to) / 2 + spot / 20);
  }
  return kept;
}

/** What lies under a mark already, and what was cleared of it in between. */
interface Earlier {
  readonly mark: Mark;
  readonly cleared: readonly Mark[];
}

function blockOf(
  mark: Mark,
  before: readonly Earlier[],
  later: readonly Mark[],
  settings: LaserSettings,
): Block {
  const { spot, hatch, contour } = settings;
  const lines: number[][] = [];
  const cleared = later.map(({ shape }) => shape);
  if (mark.drawn !== undefined) lines.push(...mark.drawn.flatMap((line) => clipped(line, cleared)));
  else {
    if (contour || hatch === undefined)
      for (const ring of mark.shape.rings) {
        const moved = hatch === undefined ? [...ring] : inset(mark.shape, ring, spot / 2);
        if (moved !== undefined) lines.push(...clipped(moved, cleared));
      }
    // What is cleared has an edge too: the ink around it ends there.
    if (contour && hatch !== undefined)
      for (const shape of cleared)
        for (const ring of shape.rings) {
          const moved = inset(shape, ring, -spot / 2);
          if (moved !== undefined) lines.push(...clipped(moved, cleared, mark.shape));
        }
    const pitch = hatch ?? 1;
    for (const k of [...mark.hatch.keys()].sort((a, b) => a - b)) {
      let spans = shorter(mark.hatch.get(k) ?? [], spot);
      for (const { mark: other, cleared: since } of before) {
        let burnt = shorter(other.hatch.get(k) ?? [], spot);
        for (const shape of since) burnt = without(burnt, shape.hatch.get(k) ?? [], spot / 2);
        spans = without(spans, burnt, 0);
      }
      for (const other of later) spans = without(spans, other.hatch.get(k) ?? [], spot / 2);
      const y = (k + 0.5) * pitch;
      for (let i = 0; i + 1 < spans.length; i += 2) lines.push([spans[i] ?? 0, y, spans[i + 1] ?? 0, y]);
    }
  }
  return { kind: mark.kind, lines, best: inOrder(lines) };
}

/** Lines of one block in a good order, each from its better end. */
function inOrder(lines: readonly Line[]): readonly Line[] {
  const [first] = lines;
  if (first === undefined) return lines;
  const start = { x: first[0] ?? 0, y: first[1] ?? 0 };
  return arrange(
    lines.map((line) => pieceOf([line])),
    start,
  ).map(({ piece, reversed }) => {
    const line = lines[piece] ?? [];
    return reversed ? turned(line) : line;
  });
}

/** A code's modules in whole lines: rows of runs, or each bar of a linear code along its length. */
function codeBlock(code: PlacedCode, settings: LaserSettings): Block {
  const { spot } = settings;
  const pitch = settings.hatch ?? spot;
  const lines: number[][] = [];
  const { columns, rows, dark, module } = code;
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; ) {
      let run = 0;
      while (column + run < columns && dark[row * columns + column + run] === 1) run++;
      if (run > 0) {
        const [left, right] = [code.x + column * module.width, code.x + (column + run) * module.width];
        const [top, bottom] = [code.y + row * module.height, code.y + (row + 1) * module.height];
        const half = spot / 2;
        const bar = rows === 1;
        // Lines evenly from edge to edge, the outer ones half a spot inside.
        const [from, to] = bar ? [left, right] : [top, bottom];
        const count = Math.max(1, Math.ceil((to - from - spot) / pitch - 1e-9) + 1);
        for (let i = 0; i < count; i++) {
          const at = count === 1 ? (from + to) / 2 : from + half + ((to - from - spot) * i) / (count - 1);
          lines.push(bar ? [at, top + half, at, bottom - half] : [left + half, at, right - half, at]);
        }
      }
      column += run + 1;
    }
  return { kind: "code", lines, best: inOrder(lines) };
}

const isMarked = ({ layer }: PlacedElement): boolean => engraved.includes(layer);

function marksOf(
  elements: readonly PlacedElement[],
  kindOf: (field: string) => MarkKind,
  settings: LaserSettings,
): Mark[] {
  return outlinesOf(elements.filter(({ kind }) => kind !== "code")).map((outline) =>
    markOf(outline, kindOf(outline.field), settings),
  );
}

/** `from`: the first of them whose lines are wanted. */
function blocksOf(marks: readonly Mark[], from: number, settings: LaserSettings): Block[] {
  return marks.flatMap((mark, at): Block[] => {
    if (at < from || mark.clear || mark.shape.rings.length === 0) return [];
    const cleared = marks.slice(at + 1).filter((other) => other.clear && meet(other.shape, mark.shape));
    const before = marks.slice(0, at).flatMap((other, earlier): Earlier[] =>
      other.clear || !meet(other.shape, mark.shape)
        ? []
        : [
            {
              mark: other,
              cleared: marks.slice(earlier + 1, at).filter((one) => one.clear && meet(one.shape, mark.shape)),
            },
          ],
    );
    return [blockOf(mark, before, cleared, settings)];
  });
}

interface Common {
  readonly marks: readonly Mark[];
  readonly blocks: readonly Block[];
}

const keptCommon = new Map<string, Common>();
const mostKept = 8;

/** What all cards of a layout share: its lines are reckoned once and kept. */
function commonOf({ common }: Face, kindOf: (field: string) => MarkKind, settings: LaserSettings): Common {
  const name = JSON.stringify([common.key, settings.spot, settings.hatch ?? null, settings.contour]);
  const known = keptCommon.get(name);
  if (known !== undefined) return known;
  const elements = common.elements.filter(isMarked);
  const marks = marksOf(elements, kindOf, settings);
  const made = { marks, blocks: [...blocksOf(marks, 0, settings), ...codesOf(elements, settings)] };
  const [oldest] = keptCommon.keys();
  if (keptCommon.size >= mostKept && oldest !== undefined) keptCommon.delete(oldest);
  keptCommon.set(name, made);
  return made;
}

const codesOf = (elements: readonly PlacedElement[], settings: LaserSettings): Block[] =>
  elements.flatMap((element) => (element.kind === "code" ? [codeBlock(element, settings)] : []));

type Dotting = Pick<LaserSettings, "dpi"> & Partial<Pick<LaserSettings, "curve">>;

async function dotsOf(image: PlacedImage, { dpi, curve }: Dotting): Promise<Dotted> {
  const dots = (mm: number): number => Math.round((mm / 25.4) * dpi);
  const { x, y, width, height } = image.box;
  const area = { left: dots(x), top: dots(y), width: dots(width), height: dots(height) };
  return { dpi, ...area, dots: await pictureDots(image, area.width, area.height, curve?.table) };
}

const imagesOf = (face: Face): readonly PlacedImage[] =>
  [...face.common.elements, ...face.own]
    .filter(isMarked)
    .filter((element): element is PlacedImage => element.kind === "image");

/** Pictures of a side in dots of so many an inch, in the order they are burnt. Throws LayoutProblem "photo-broken". */
export async function picturesOf(face: Face, dotting: Dotting): Promise<readonly Dotted[]> {
  const pictures: Dotted[] = [];
  for (const image of imagesOf(face)) pictures.push(await dotsOf(image, dotting));
  return pictures;
}

async function pictureAreas(face: Face, settings: LaserSettings): Promise<readonly DotArea[]> {
  const pictures = await picturesOf(face, settings);
  return imagesOf(face).flatMap((image, at): DotArea[] => {
    const kind = image.tones === "line" ? "signature" : "photo";
    const dots = pictures[at];
    return dots === undefined ? [] : [{ kind, pen: settings.pens[kind], ...dots }];
  });
}

function passOf(blocks: readonly Block[], from: Point): { lines: readonly Line[]; end: Point } {
  const pieces: Piece[] = blocks.map(({ best }) => pieceOf(best));
  const lines = arrange(pieces, from).flatMap(({ piece, reversed }) => {
    const best = blocks[piece]?.best ?? [];
    return reversed ? best.map(turned).reverse() : best;
  });
  const last = lines.at(-1);
  return { lines, end: last === undefined ? from : { x: last.at(-2) ?? 0, y: last.at(-1) ?? 0 } };
}

/** Throws LaserProblem when something lies where the beam may not burn. */
function keepInside(job: Pick<LaserJob, "passes" | "pictures" | "settings">): void {
  const [left, top, right, bottom] = job.settings.bounds;
  const half = job.settings.spot / 2;
  const say = (kind: MarkKind, x: number, y: number): never => {
    throw new LaserProblem(
      `${kind} at ${x.toFixed(2)}, ${y.toFixed(2)} mm lies outside the bounds of laser ${job.settings.name} (${job.settings.bounds.join(", ")}): move it in the layout, or widen bounds in the laser's file`,
    );
  };
  for (const { kind, lines } of job.passes)
    for (const line of lines)
      for (let i = 0; i + 1 < line.length; i += 2) {
        const [x, y] = [line[i] ?? 0, line[i + 1] ?? 0];
        if (x < left - half || x > right + half || y < top - half || y > bottom + half) say(kind, x, y);
      }
  for (const { kind, left: from, top: first, width, height, dpi } of job.pictures) {
    const mm = (dots: number): number => (dots / dpi) * 25.4;
    // A picture begins at the dot nearest to its box.
    const dot = 25.4 / dpi;
    const outside =
      mm(from) < left - dot ||
      mm(from + width) > right + dot ||
      mm(first) < top - dot ||
      mm(first + height) > bottom + dot;
    if (outside) say(kind, mm(from), mm(first));
  }
}

/**
 * The layers laser and code of a side, for this laser: letters and shapes as edges and hatch, codes in whole lines, photos and signatures
 * as dots. Later `clear` shapes take away what lies under them; what is burnt already is not hatched again. The same face gives the same
 * job. Throws LayoutProblem "photo-broken", LaserProblem.
 */
export async function laserJob(face: Face, settings: LaserSettings): Promise<LaserJob> {
  const kinds = new Map(face.fields.map(({ name, kind }) => [name, kind] as const));
  const kindOf = (field: string): MarkKind => kinds.get(field) ?? "art";
  const common = commonOf(face, kindOf, settings);
  const own = face.own.filter(isMarked);
  const ownMarks = marksOf(own, kindOf, settings);
  const all = [...common.marks, ...ownMarks];
  const cuts = ownMarks.some(
    (mark) => mark.clear && common.marks.some((other) => meet(mark.shape, other.shape)),
  );
  const blocks = [
    ...(cuts ? [] : common.blocks),
    ...blocksOf(all, cuts ? 0 : common.marks.length, settings),
    ...(cuts ? codesOf(face.common.elements.filter(isMarked), settings) : []),
    ...codesOf(own, settings),
  ];
  const pictures = await pictureAreas(face, settings);
  const passes: LaserPass[] = [];
  let at = home;
  for (const kind of markKinds) {
    const those = blocks.filter((block) => block.kind === kind && block.lines.length > 0);
    if (those.length === 0) continue;
    const { lines, end } = passOf(those, at);
    passes.push({ kind, pen: settings.pens[kind], lines });
    at = end;
  }
  const asLaidOut = markKinds.flatMap((kind) =>
    blocks.filter((block) => block.kind === kind).flatMap(({ lines }) => lines),
  );
  const job = { side: face.side, settings, passes, pictures };
  keepInside(job);
  return { ...job, figures: figuresOf(job, asLaidOut, home) };
}

/** The same job with dots of its own. Throws LaserProblem. */
export function withPictures(job: LaserJob, pictures: readonly DotArea[]): LaserJob {
  const whole = { ...job, pictures };
  keepInside(whole);
  const lines = job.passes.flatMap((pass) => pass.lines);
  return {
    ...whole,
    figures: { ...figuresOf(whole, lines, home), travelBefore: job.figures.travelBefore },
  };
}
