import type { ColumnRule, Photo } from "../../orders/types.js";
import type { EmbossLine, Face } from "../types.js";
import { holds } from "./conditions.js";
import { embossLines, placeEmboss, raisedOn } from "./emboss.js";
import { bareFront, compileLayout, type FaceLayout, layoutFace } from "./face.js";
import type { Fonts } from "./fonts.js";
import { type Blank, raisedLines, type StruckLine } from "./lint-struck.js";
import { LayoutProblem } from "./problem.js";
import {
  type EmbossTemplate,
  type LayoutFields,
  type LayoutReader,
  parseEmboss,
  parseLayout,
} from "./template.js";
import type { FieldValues } from "./text.js";

interface LayoutFile {
  /** For messages. */
  readonly file: string;
  readonly text: string;
}

/** The layout files of a product, as read: both faces or none, raised characters may be all. */
export interface VisualFiles {
  readonly front?: LayoutFile;
  readonly back?: LayoutFile;
  readonly emboss?: LayoutFile;
}

type Photos = Readonly<Record<string, Photo>>;

/** A product's layouts, compiled once for all its cards. */
export interface VisualLayout {
  /** Front and back, in the order that they are drawn; none where cards are only embossed. */
  readonly sides: readonly FaceLayout[];
  /** Takes the front's place where nothing is drawn. */
  readonly bare: FaceLayout;
  /** What the blank carries, of the sides that are known. */
  readonly blank: readonly Blank[];
  /** The embossing layout, where there is one. */
  readonly raised: EmbossTemplate | undefined;
  /** Cards of it need an embosser. */
  readonly embossed: boolean;
  /** Both faces and the raised lines of one record. Throws LayoutProblem. */
  readonly draw: (
    values: FieldValues,
    photos: Photos,
  ) => { readonly faces: readonly Face[]; readonly emboss: readonly EmbossLine[] };
  /** The raised and pressed lines of one record alone: nothing else is laid out. Throws LayoutProblem. */
  readonly struck: (values: FieldValues, photos: Photos) => readonly StruckLine[];
  /** Everything that keeps a record from being drawn, one problem for each side and for the raised lines at most. */
  readonly problems: (values: FieldValues, photos: Photos) => readonly LayoutProblem[];
}

/** What a product's columns offer to its layouts; the line adds order, record and card number. Codes carry the opaque card number only. */
export const layoutFieldsOf = (columns: readonly ColumnRule[]): LayoutFields => ({
  texts: [
    ...columns.filter(({ type }) => type !== "photo").map(({ field }) => field),
    "order",
    "record",
    "cardNumber",
  ],
  photos: columns.filter(({ type }) => type === "photo").map(({ field }) => field),
  codes: ["cardNumber"],
});

/** Reads a product's layouts. Throws LayoutProblem with file, line and column. */
export function compileVisual(
  files: VisualFiles,
  offered: LayoutFields,
  fonts: Fonts,
  load?: LayoutReader,
): VisualLayout {
  const side = (name: "front" | "back"): FaceLayout[] => {
    const given = files[name];
    if (given === undefined) return [];
    const { file, text } = given;
    const template = parseLayout(text, file, offered, load);
    if (template.side !== name) {
      throw new LayoutProblem(
        "wrong-layout",
        { file },
        "side",
        `this is the product's ${name}, and the file says ${template.side}`,
        "name the right file in the product, or correct side",
      );
    }
    return [compileLayout(template, fonts)];
  };
  const sides = [...side("front"), ...side("back")];
  const raised =
    files.emboss === undefined ? undefined : parseEmboss(files.emboss.text, files.emboss.file, offered);
  const bare = bareFront(fonts);
  // Characters that are raised on an otherwise bare card still stand on its front.
  const known = sides.some(({ template }) => template.side === "front") ? sides : [bare, ...sides];
  const emboss = (values: FieldValues): readonly EmbossLine[] =>
    raised === undefined ? [] : embossLines(raised, values);
  const parts = sides.map(
    (layout) => (values: FieldValues, photos: Photos) => layoutFace(layout, values, photos),
  );
  return {
    sides,
    bare,
    blank: known.map(({ template }) => template),
    raised,
    embossed:
      raised !== undefined ||
      sides.some(
        ({ template: { side: name, fields } }) =>
          name === "front" && fields.some((field) => field.kind === "emboss" && field.layer === "emboss"),
      ),
    draw: (values, photos) => {
      const faces = parts.map((part) => part(values, photos));
      return { faces, emboss: [...emboss(values), ...faces.flatMap(raisedOn)] };
    },
    struck: (values, photos) => [
      ...raisedLines(raised, emboss(values)),
      ...sides.flatMap(({ template: { side, fields } }) =>
        fields.flatMap((field) =>
          field.kind === "emboss" && holds(field.when, values, photos)
            ? [{ ...placeEmboss(field, values), side }]
            : [],
        ),
      ),
    ],
    problems: (values, photos) =>
      [...parts, emboss].flatMap((part) => {
        try {
          part(values, photos);
          return [];
        } catch (thrown) {
          if (thrown instanceof LayoutProblem) return [thrown];
          throw thrown;
        }
      }),
  };
}
