import type { Photo } from "../../orders/types.js";
import { boxOf } from "./art.js";
import { LayoutProblem } from "./problem.js";
import type { Placement } from "./set-text.js";
import type { FieldOf } from "./template.js";

export type Photos = Readonly<Record<string, Photo>>;

/** The picture lies in the layout as it came; each machine's dots are made at its own resolution. Throws LayoutProblem "photo-missing". */
export function placePicture(
  field: FieldOf<"photo"> | FieldOf<"signature">,
  photos: Photos,
): Placement | undefined {
  const photo = photos[field.photo];
  if (photo === undefined) {
    if (!field.required) return undefined;
    throw new LayoutProblem(
      "photo-missing",
      field.place,
      field.name,
      `the record has no ${field.kind}`,
      "add it to the input",
    );
  }
  const box = boxOf(field.box);
  const tones = field.kind === "signature" ? "line" : field.layer === "colour" ? "colour" : "grey";
  const dither = field.kind === "photo" ? field.dither : "floyd-steinberg";
  return {
    elements: [
      { kind: "image", layer: field.layer, field: field.name, box, bytes: photo.png, tones, dither },
    ],
    field: { name: field.name, kind: field.kind, layer: field.layer, box },
  };
}
