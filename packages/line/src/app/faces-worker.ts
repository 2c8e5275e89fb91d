/** Draws and judges faces beside the line's thread: pictures are the heaviest work of a card. */
import { parentPort } from "node:worker_threads";
import sharp from "sharp";
import {
  readFonts,
  renderColour,
  renderFace,
  renderGround,
  renderPreprint,
  renderPreview,
} from "../plan/layout/index.js";
import { laserFile, seenFace } from "../plan/laser/index.js";
import { greyOf, inspectFace, overlayPicture } from "../stations/quality/index.js";
import type { FacesAnswer, FacesAsk, FacesTask } from "./faces-protocol.js";
import { judgedJpeg } from "./judged-jpeg.js";

// One picture at a time in each worker; the workers themselves are what runs side by side.
sharp.concurrency(1);

let fonts: ReturnType<typeof readFonts> | undefined;

async function done(ask: FacesTask): Promise<unknown> {
  switch (ask.task) {
    case "render": {
      const rasters = [];
      for (const face of ask.faces) rasters.push(await renderFace(face, ask.dpi));
      return rasters;
    }
    case "laser": {
      const files = [];
      for (const face of ask.faces) files.push(await laserFile(face, ask.settings, ask.format));
      return files;
    }
    case "print": {
      const sides = [];
      for (const face of ask.faces)
        if ([...face.common.elements, ...face.own].some(({ layer }) => layer === "colour"))
          sides.push(await renderColour(face, ask.dpi, ask.bleed));
      return sides;
    }
    case "judge": {
      const verdicts = [];
      for (const pair of ask.pairs) verdicts.push(await judged(pair, ask));
      return verdicts;
    }
    case "preprint":
      return ask.faces.map((face) => renderPreprint(face, 300));
    case "encode": {
      const { width, height, grey } = ask.picture;
      const jpeg = await sharp(grey, { raw: { width, height, channels: 1 } })
        .resize({ width: ask.width })
        .jpeg({ quality: 72 })
        .toBuffer();
      return new Uint8Array(jpeg);
    }
    case "preview":
      fonts ??= readFonts();
      return renderPreview(ask.raster, {
        chip: ask.raster.side === "front",
        emboss: { lines: ask.emboss, fonts },
      });
  }
}

type Judging = Extract<FacesTask, { task: "judge" }>;

/** One side with all that is printed on it, and with the other side's print, which a card that lies turned over shows. */
async function judged(
  { picture, face, raster }: Judging["pairs"][number],
  { pairs, chip, limits, laser, raised }: Judging,
) {
  const ground = await renderGround(face, 300);
  const other = pairs.find((pair) => pair.face.side !== face.side)?.face;
  const behind = other === undefined ? undefined : await renderGround(other, 300);
  const own = limits[face.side];
  const dots = laser === undefined ? raster : await seenFace(face, laser.settings, laser.format);
  const { verdict, straight: card } = await inspectFace(picture, face, dots, {
    chip,
    ...(own === undefined ? {} : { limits: own }),
    ...(ground === undefined ? {} : { ground: ground.common }),
    ...(ground?.own === undefined ? {} : { printed: ground.own }),
    ...(behind === undefined ? {} : { otherGround: behind.common }),
    ...(raised === undefined ? {} : { raised }),
  });
  if (verdict.verdict === "pass") return { verdict };
  const straight = card === undefined ? undefined : greyOf(card);
  const shown = { ground: ground?.common, printed: ground?.own, raised: raised?.lines };
  const overlay = await judgedJpeg(await overlayPicture(face, raster, shown, straight, verdict));
  return { verdict, overlay, ...(straight === undefined ? {} : { straight }) };
}

parentPort?.on("message", (ask: FacesAsk) => {
  const say = (answer: FacesAnswer): void => parentPort?.postMessage(answer);
  done(ask).then(
    (result) => say({ id: ask.id, ok: true, result }),
    (error: unknown) =>
      say({ id: ask.id, ok: false, message: error instanceof Error ? error.message : "unknown reason" }),
  );
});
