/** Layout of cards: what other rooms use. */
export { type FieldValues } from "./text.js";
export { indentedOn } from "./emboss.js";
export { type Fonts, readFonts } from "./fonts.js";
export { transliterate } from "./transliterate.js";
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
export {
  carrierJsonSchema,
  type CarrierLayout,
  carrierPage,
  carriersPdf,
  parseCarrier,
} from "./carrier.js";
export { compileLayout, type FaceLayout, layoutFace } from "./face.js";
export { embossLines } from "./emboss.js";
export { type StruckShape, struckShape } from "./struck.js";
export {
  findingText,
  type LayoutFinding,
  type LintRecord,
  lintLayout,
  lintVisual,
  type ProductFields,
} from "./lint.js";
export { type MachineReach, unreachable } from "./machines.js";
export { chipKeepOut, describe } from "./zones.js";
export { dotsAt, type FaceRaster, renderFace, renderOutlines } from "./raster.js";
export { contactSheet, type PreviewOptions, renderPreview } from "./preview.js";
export { compileVisual, layoutFieldsOf, type VisualFiles, type VisualLayout } from "./visual.js";
export { layers, type Layer } from "../placed.js";
export { pictureOfFace } from "./picture.js";
export { sheetPdf, sheetPng, type SheetSide, sheetSvg } from "./sheet.js";
export { sampleRecords } from "./sample.js";
export { type Outline, outlinesOf, type PathCommand } from "./outlines.js";
export { type ColourPicture, renderColour } from "./colour.js";
export { type FaceGround, type GreyGround, renderGround, renderPreprint } from "./ground.js";
export { pictureDots } from "./tones.js";
export { dither } from "./dither.js";
export { card } from "./art.js";
export { pdfDocument, points } from "./pdf.js";
