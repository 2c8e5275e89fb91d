/** Layout of cards: what other rooms use. */
export { type FieldValues } from "./text.js";
export { type Fonts, readFonts } from "./fonts.js";
export { LayoutProblem } from "./problem.js";
export {
  type EmbossTemplate,
  type FaceTemplate,
  type LayoutFields,
  type LayoutReader,
  parseEmboss,
  parseLayout,
} from "./template.js";
export { layoutJsonSchemas } from "./template-schema.js";
export { compileLayout, type FaceLayout, layoutFace } from "./face.js";
export { embossLines } from "./emboss.js";
export { chipKeepOut, type LayoutFinding, lintLayout } from "./lint.js";
export { dotsAt, type FaceRaster, renderFace } from "./raster.js";
export { contactSheet, type PreviewOptions, renderPreview } from "./preview.js";
export { compileVisual, layoutFieldsOf, type VisualFiles, type VisualLayout } from "./visual.js";
