/** The cameras and printers of a line as its file names them. */
import type { World } from "@persoline/card/program";
import { ffmpegSource, v4l2Input } from "../devices/camera/ffmpeg.js";
import { folderSource } from "../devices/camera/folder.js";
import { httpSource } from "../devices/camera/http.js";
import { type ExposureSource, liveCamera } from "../devices/camera/live.js";
import type { Camera } from "../devices/camera/port.js";
import type { Marker } from "../devices/marker/port.js";
import { cupsPrinter } from "../devices/marker/printer/cups.js";
import { filePrinter } from "../devices/marker/printer/files.js";
import { type CameraFile, type PrinterFile, simulatedPrinting } from "../stations/line-pictures.js";
import type { LineFile } from "../stations/line-file.js";

function sourceOf(name: string, camera: CameraFile): ExposureSource {
  if ("folder" in camera) {
    const { folder, ask } = camera;
    return folderSource({ name, folder, ...(ask === undefined ? {} : { ask }) });
  }
  if ("http" in camera) {
    const { http: url, discard } = camera;
    return httpSource({ name, url, ...(discard === undefined ? {} : { discard }) });
  }
  const { v4l2: device, width, height, format, framesASecond, exposureMs = 0 } = camera;
  const input = v4l2Input({ device, width, height, format, framesASecond });
  return ffmpegSource({ name, input, width, height, exposureMs });
}

/** `present`: what lies at its head; undefined where nobody but the line's own order of steps can tell. */
export function realCameraOf(
  name: string,
  camera: CameraFile,
  at: { readonly world: Pick<World, "now">; readonly present?: () => string | undefined },
): Camera {
  const { seconds } = camera;
  return liveCamera(sourceOf(name, camera), {
    name,
    ...at,
    ...(seconds === undefined ? {} : { timeoutMs: seconds * 1000 }),
  });
}

export function printerOf(name: string, printer: PrinterFile): Marker {
  const { ribbon } = printer;
  if ("folder" in printer)
    return filePrinter({
      name,
      folder: printer.folder,
      format: printer.format,
      printing: printer,
      ribbon,
    });
  const { cups: queue, server, media, confirmedBy, seconds } = printer;
  const timeoutMs = seconds === undefined ? undefined : seconds * 1000;
  return cupsPrinter({ name, queue, server, media, confirmedBy, timeoutMs, printing: printer, ribbon });
}

/** How a line's printers want their pictures; undefined: it has none, and its cards get no colour. */
export interface Printing {
  readonly dpi: 300 | 600;
  /** mm. */
  readonly bleed: number;
}

export function printingOf({ stations }: LineFile): Printing | undefined {
  const [printer] = stations.flatMap(({ printer: one = [] }): readonly Printing[] =>
    one === "simulated" ? [simulatedPrinting] : one,
  );
  return printer === undefined ? undefined : { dpi: printer.dpi, bleed: printer.bleed };
}
