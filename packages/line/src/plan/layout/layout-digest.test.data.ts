import { createHash } from "node:crypto";
import type { Face } from "../placed.js";

/** A face in two words: its outlines without pictures, and its boxes. */
export function digestOf(face: Face): string {
  const hash = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16);
  const elements = [...face.common.elements, ...face.own].map((element) =>
    element.kind === "image" ? { ...element, bytes: undefined } : element,
  );
  const boxes = face.fields.map((field) => [field.name, field.kind, field.box, field.glyphs]);
  return `${hash(JSON.stringify(elements, (_, value: unknown) => (value instanceof Uint8Array ? [...value] : value)))} ${hash(JSON.stringify(boxes))}`;
}
