/** A side as the file an engraver takes. */
import { type FaceRaster, renderFace } from "../layout/index.js";
import type { Face } from "../placed.js";
import { bmp } from "./bmp.js";
import { dxf } from "./dxf.js";
import { gcode } from "./gcode.js";
import { hpgl } from "./hpgl.js";
import { laserJob } from "./job.js";
import { pdf } from "./pdf.js";
import { laserFormats, type LaserFormat, type LaserSettings } from "./settings.js";
import { tiff } from "./tiff.js";
import type { Figures } from "./time.js";

export interface LaserFile {
  readonly format: LaserFormat;
  /** With its dot. */
  readonly extension: string;
  readonly bytes: Uint8Array;
  /** Of the path; a machine that takes dots or fills outlines itself may take another. */
  readonly figures: Figures;
}

/** Throws LayoutProblem "photo-broken", LaserProblem when something lies outside the laser's bounds. */
export async function laserFile(
  face: Face,
  settings: LaserSettings,
  format: LaserFormat,
): Promise<LaserFile> {
  const job = await laserJob(face, settings);
  const raster = (): Promise<FaceRaster> => renderFace(face, settings.dpi, settings.curve?.table);
  const made = async (): Promise<Uint8Array> => {
    switch (format) {
      case "gcode":
        return Buffer.from(gcode(job), "latin1");
      case "hpgl":
        return Buffer.from(hpgl(job), "latin1");
      case "dxf":
        return Buffer.from(dxf(job), "latin1");
      case "pdf":
        return pdf(face, job);
      case "bmp":
        return bmp(await raster());
      case "tiff":
        return tiff(await raster());
    }
  };
  return {
    format,
    extension: laserFormats[format],
    bytes: new Uint8Array(await made()),
    figures: job.figures,
  };
}
