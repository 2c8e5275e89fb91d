/** Reads sides that did not pass in a thread of its own, one after another. An error is told as such and no more: its text might quote a card. */
import { parentPort } from "node:worker_threads";
import sharp from "sharp";
import { renderGround } from "../plan/layout/index.js";
import { overlayPicture } from "../stations/quality/index.js";
import { openTextReader, readingText, readSide, type TextReader } from "../stations/reading/index.js";
import { judgedJpeg } from "./judged-jpeg.js";
import type { Read, ReadingAnswer, ReadingTask } from "./reading-protocol.js";

sharp.concurrency(1);

let reader: Promise<TextReader> | undefined;

async function read({ face, straight, verdict, draw, raised }: ReadingTask): Promise<Read> {
  reader ??= openTextReader();
  const ground = await renderGround(face, 300);
  const readings = await readSide(await reader, face, straight, verdict, ground?.common);
  if (draw === undefined) return { readings };
  const notes = readings.map(readingText);
  const besides = { ground: ground?.common, printed: ground?.own, raised };
  return { overlay: await judgedJpeg(await overlayPicture(face, draw, besides, straight, verdict, notes)) };
}

parentPort?.on("message", (task: ReadingTask) => {
  const say = (answer: ReadingAnswer): void => parentPort?.postMessage(answer);
  read(task).then(
    (result) => say({ ok: true, read: result }),
    () => say({ ok: false }),
  );
});
