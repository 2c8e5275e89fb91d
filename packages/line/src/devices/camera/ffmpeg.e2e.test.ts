/** Cameras behind ffmpeg (Debian: ffmpeg). Its synthetic source and a file stand in the place of a device: no real camera was there. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { drawFace } from "../shop-floor/faces.js";
import { ffmpegSource, v4l2Input } from "./ffmpeg.js";
import { type ExposureSource, liveCamera } from "./live.js";
import type { Camera } from "./port.js";
import { endRealCameras, playedCamera } from "./real.test.data.js";

const root = mkdtempSync(join(tmpdir(), "persoline-ffmpeg-"));
const ends: (() => void)[] = [];
afterEach(() => {
  endRealCameras();
  for (const end of ends.splice(0)) end();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const world = { now: () => 99 };
const camera = (source: ExposureSource, more: { timeoutMs?: number } = {}): Camera => {
  const made = liveCamera(source, { name: "camera", world, ...more });
  ends.push(() => made.close?.());
  return made;
};

test("as the port promises: each trigger a new picture of the card that lies there, with its side and name; no card, no picture", async () => {
  const body = join(root, "body");
  const bits = new Uint8Array(127 * 638);
  // The upper half of the front is black.
  bits.fill(0xff, 0, 127 * 319);
  await drawFace(body, "front", { dpi: 300, width: 1011, height: 638, bits, power: 1 }, () =>
    Promise.resolve(),
  );
  let lying: string | undefined = body;
  const it = playedCamera(root, {
    name: "camera",
    place: { at: "head", station: "quality", head: 0 },
    bodyAt: () => lying,
    world: { now: () => 99, sleep: () => Promise.resolve() },
    seed: "7",
  });
  const pictures = [
    await it.capture("front", "S1"),
    await it.capture("front", "S1"),
    await it.capture("back", "S2"),
  ];
  expect(pictures).toMatchObject([
    { frame: 1, side: "front", card: "S1" },
    { frame: 2, side: "front", card: "S1" },
    { frame: 3, side: "back", card: "S2" },
  ]);
  const levels = pictures.map((picture) => {
    if (picture === "no-picture") throw new Error("no picture");
    const { width, height, grey } = picture;
    const at = (y: number): number => grey[Math.round(height * y) * width + Math.round(width * 0.7)] ?? 0;
    return [at(0.35) < 110, at(0.65) < 110];
  });
  expect(levels).toEqual([
    [true, false],
    [true, false],
    [false, false],
  ]);
  lying = undefined;
  expect(await it.capture("front", "S3")).toBe("no-picture");
});

describe("a camera behind ffmpeg (Debian: ffmpeg), with its synthetic source in the place of a device", () => {
  const [width, height] = [320, 240];
  const clocked = ["settb=AVTB", "setpts=RTCTIME"];
  const picture = (source: string): string[] => [
    "-re",
    "-f",
    "lavfi",
    "-i",
    `${source}=size=${String(width)}x${String(height)}:rate=25`,
  ];
  const over = (
    input: readonly string[],
    more: { filters?: readonly string[]; timeoutMs?: number; program?: string } = {},
  ): Camera => {
    const { timeoutMs = 10_000, filters = clocked, program } = more;
    const source = ffmpegSource({
      name: "camera",
      input,
      filters,
      width,
      height,
      ...(program === undefined ? {} : { program }),
    });
    return camera(source, { timeoutMs });
  };

  test("every trigger gets a frame of its own, exposed after it", async () => {
    const it = over(picture("testsrc2"));
    const pictures = [await it.capture("front", "a"), await it.capture("back", "b")];
    await wait(200);
    pictures.push(await it.capture("front", "c"));
    const greys = pictures.map((one) =>
      one === "no-picture" ? "" : Buffer.from(one.grey).toString("base64"),
    );
    expect(new Set(greys).size).toBe(3);
    expect(pictures).toMatchObject([
      { frame: 1, card: "a", width, height },
      { frame: 2, card: "b" },
      { frame: 3, card: "c" },
    ]);
  });
  test("frames that lay in a buffer since before the trigger are let go", async () => {
    const source = ffmpegSource({
      name: "camera",
      input: picture("testsrc2"),
      filters: clocked,
      width,
      height,
    });
    ends.push(() => source.close?.());
    const over = AbortSignal.timeout(10_000);
    await source.expose({ number: 1, side: "front", at: Date.now(), over });
    // Nobody reads what the child writes meanwhile: this thread is busy, as it may be with another card.
    const until = Date.now() + 400;
    while (Date.now() < until);
    const at = Date.now();
    const exposure = await source.expose({ number: 2, side: "front", at, over });
    expect(exposure !== "nothing" && (exposure.exposedAt ?? 0)).toBeGreaterThan(at);
  });
  test("a sensor whose pixels never change is frozen", async () => {
    const it = over(picture("color"));
    await it.capture("front");
    await expect(it.capture("front")).rejects.toThrow("frozen");
  });
  test("a camera that ends says why, and is started again by the next trigger", async () => {
    const it = over([
      ...picture("testsrc2").slice(1, -1),
      `testsrc2=size=${String(width)}x${String(height)}:rate=25:duration=0.04`,
    ]);
    // Its only frame may still be taken; then there is no other.
    await it.capture("front").catch(() => undefined);
    await expect(it.capture("front").then(() => it.capture("front"))).rejects.toMatchObject({
      name: "DeviceFault",
    });
    const missing = over(
      v4l2Input({ device: join(root, "video0"), width, height, format: "mjpeg", framesASecond: 15 }),
      { filters: [] },
    );
    await expect(missing.capture("front")).rejects.toThrow(/No such file/);
    await expect(missing.capture("front")).rejects.toThrow(/No such file/);
  });
  test("one that delivers nothing is a fault in time", async () => {
    const it = over(
      [
        "-f",
        "rawvideo",
        "-video_size",
        "320x240",
        "-pixel_format",
        "gray",
        "-i",
        "tcp://127.0.0.1:9?listen=1",
      ],
      {
        timeoutMs: 300,
      },
    );
    await expect(it.capture("front")).rejects.toMatchObject({ code: "timeout" });
  });
  test("without ffmpeg it says what to install", async () => {
    const it = over(picture("testsrc2"), { program: join(root, "no-ffmpeg") });
    await expect(it.capture("front")).rejects.toThrow("apt-get install ffmpeg");
  });
  test("frames with times of no clock are refused", async () => {
    const it = over(picture("testsrc2"), { filters: ["settb=AVTB", "setpts=RTCTIME+3600000000"] });
    await expect(it.capture("front")).rejects.toThrow("yet to come");
  });
});
