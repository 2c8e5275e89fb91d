/** A side as the file an engraver takes. */
import { renderFace } from "../layout/index.js";
import type { Face } from "../placed.js";
import { type Bitmap, bmp } from "./bmp.js";
import { calibrationCard } from "./calibration.js";
import { dxf } from "./dxf.js";
import { gcode } from "./gcode.js";
import { hpgl } from "./hpgl.js";
import { type LaserJob, laserJob } from "./job.js";
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

async function written(
  face: Face,
  job: LaserJob,
  format: LaserFormat,
  raster: () => Promise<Bitmap>,
): Promise<LaserFile> {
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

/** Throws LayoutProblem "photo-broken", LaserProblem when something lies outside the laser's bounds. */
export async function laserFile(
  face: Face,
  settings: LaserSettings,
  format: LaserFormat,
): Promise<LaserFile> {
  const job = await laserJob(face, settings);
  return written(face, job, format, () => renderFace(face, settings.dpi, settings.curve?.table));
}

/** The calibration card as such a file. Throws LaserProblem. */
export async function calibrationFile(
  settings: LaserSettings,
  format: LaserFormat,
  method: "floyd-steinberg" | "atkinson",
): Promise<LaserFile> {
  const { face, job } = await calibrationCard(settings, method);
  return written(face, job, format, async () => {
    const raster = await renderFace(face, settings.dpi);
    const stride = Math.ceil(raster.width / 8);
    for (const { left, top, width, height, dots } of job.pictures)
      for (let row = 0; row < height; row++)
        for (let column = 0; column < width; column++)
          if (dots[row * width + column] === 1) {
            const at = (top + row) * stride + ((left + column) >> 3);
            raster.bits[at] = (raster.bits[at] ?? 0) | (0x80 >> ((left + column) & 7));
          }
    return raster;
  });
}
