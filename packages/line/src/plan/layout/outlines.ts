/** Marks as paths in millimetres, for machines that follow lines instead of burning dots. */
import type { Layer, PlacedElement } from "../placed.js";

export type PathCommand =
  | { readonly to: "M" | "L"; readonly x: number; readonly y: number }
  | { readonly to: "Q"; readonly x1: number; readonly y1: number; readonly x: number; readonly y: number }
  | {
      readonly to: "C";
      readonly x1: number;
      readonly y1: number;
      readonly x2: number;
      readonly y2: number;
      readonly x: number;
      readonly y: number;
    }
  | { readonly to: "Z" };

export interface Outline {
  readonly field: string;
  readonly layer: Layer;
  /** Filled, or drawn along its line with this width in mm. */
  readonly stroke?: number;
  readonly rule: "nonzero" | "evenodd";
  /** It takes marks of its layer away that come before it. */
  readonly clear: boolean;
  readonly commands: readonly PathCommand[];
}

type Move = (u: number, v: number) => readonly [x: number, y: number];

function commandsOf(d: string, move: Move): PathCommand[] {
  return d
    .trim()
    .split(/(?=[MLQCZ])/)
    .flatMap((part): PathCommand[] => {
      const to = part.slice(0, 1);
      if (to === "Z") return [{ to }];
      const n = (part.slice(1).match(/-?[\d.]+(?:e-?\d+)?/g) ?? []).map(Number);
      const points: (readonly [number, number])[] = [];
      for (let i = 0; i + 1 < n.length; i += 2) points.push(move(n[i] ?? 0, n[i + 1] ?? 0));
      const step = to === "Q" ? 2 : to === "C" ? 3 : 1;
      const commands: PathCommand[] = [];
      for (let i = 0; i + step <= points.length; i += step) {
        const [[ax, ay] = [0, 0], [bx, by] = [0, 0], [cx, cy] = [0, 0]] = points.slice(i, i + step);
        if (to === "C") commands.push({ to, x1: ax, y1: ay, x2: bx, y2: by, x: cx, y: cy });
        else if (to === "Q") commands.push({ to, x1: ax, y1: ay, x: bx, y: by });
        else if (to === "M" || to === "L") commands.push({ to: i === 0 ? to : "L", x: ax, y: ay });
        else throw new Error(`a placed path has the command ${to}`);
      }
      return commands;
    });
}

const rectangle = (x: number, y: number, width: number, height: number): PathCommand[] => [
  { to: "M", x, y },
  { to: "L", x: x + width, y },
  { to: "L", x: x + width, y: y + height },
  { to: "L", x, y: y + height },
  { to: "Z" },
];

/** Everything of these elements that has an outline: texts a glyph each, shapes, codes a rectangle for each run of dark modules. Pictures have none. */
export function outlinesOf(elements: readonly PlacedElement[]): readonly Outline[] {
  return elements.flatMap((element): Outline[] => {
    const { field, layer } = element;
    switch (element.kind) {
      case "glyphs":
        return element.glyphs.map(({ d, x, y }) => ({
          field,
          layer,
          rule: "nonzero",
          clear: element.clear,
          commands: commandsOf(d, (u, v) => [x + element.scale * u, y - element.scale * v]),
        }));
      case "outline":
        return [
          {
            field,
            layer,
            ...(element.stroke === undefined ? {} : { stroke: element.stroke }),
            rule: element.rule ?? "nonzero",
            clear: element.clear,
            commands: commandsOf(element.d, (u, v) => [u, v]),
          },
        ];
      case "code": {
        const { columns, rows, dark, module } = element;
        const commands: PathCommand[] = [];
        for (let row = 0; row < rows; row++)
          for (let column = 0; column < columns; ) {
            let run = 0;
            while (column + run < columns && dark[row * columns + column + run] === 1) run++;
            if (run > 0)
              commands.push(
                ...rectangle(
                  element.x + column * module.width,
                  element.y + row * module.height,
                  run * module.width,
                  module.height,
                ),
              );
            column += run + 1;
          }
        return [{ field, layer, rule: "nonzero", clear: false, commands }];
      }
      case "artwork":
      case "image":
      case "line":
      case "stripe":
        return [];
    }
  });
}
