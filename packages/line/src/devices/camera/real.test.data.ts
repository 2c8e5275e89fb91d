/** The real cameras of the contract's tests, looking at what the simulated one sees: a capturing program, a network camera, a file that ffmpeg plays. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import sharp from "sharp";
import type { Side } from "../marker/port.js";
import { ffmpegSource } from "./ffmpeg.js";
import { folderSource } from "./folder.js";
import { httpSource } from "./http.js";
import { liveCamera } from "./live.js";
import type { Camera } from "./port.js";
import { simulatedCamera, type SimulatedCameraOptions } from "./simulated.js";

const ends: (() => void)[] = [];
export function endRealCameras(): void {
  for (const end of ends.splice(0)) end();
}

type Make = (more?: Partial<SimulatedCameraOptions>) => Camera;
let made = 0;

type OptionsOf = (more: Partial<SimulatedCameraOptions> | undefined) => SimulatedCameraOptions;

/** What the simulated camera sees as a file, and what a real one in its place knows. */
function sharedOf(options: SimulatedCameraOptions) {
  const eye = simulatedCamera(options);
  const png = async (side: Side): Promise<Buffer> => {
    const picture = await eye.capture(side);
    if (picture === "no-picture") throw new Error("nobody should have asked");
    const { width, height, grey } = picture;
    return sharp(grey, { raw: { width, height, channels: 1 } })
      .png({ compressionLevel: 1 })
      .toBuffer();
  };
  const present = (): string | undefined => options.bodyAt(options.place);
  return { png, live: { name: options.name, world: options.world, present, timeoutMs: 20_000 } };
}

/** Those that need nothing but Node. */
export function realCameras(root: string, optionsOf: OptionsOf): Readonly<Record<string, Make>> {
  return {
    "watched folder": (more) => {
      const { png, live } = sharedOf(optionsOf(more));
      const folder = join(root, `folder-${String(++made)}`);
      mkdirSync(folder);
      const ask = `${folder}.ask`;
      const camera = liveCamera(
        folderSource({ name: live.name, folder, ask, settleMs: 40, pollMs: 10 }),
        live,
      );
      /** The capturing program: answers the question that comes, and ends when none does. */
      const program = async (over: AbortSignal): Promise<void> => {
        while (!over.aborted) {
          if (existsSync(ask)) {
            const [number = "", side] = readFileSync(ask, "utf8").trim().split(" ");
            const file = join(folder, `${number}-${side ?? ""}.png`);
            writeFileSync(`${file}.part`, await png(side === "back" ? "back" : "front"));
            renameSync(`${file}.part`, file);
            return;
          }
          await wait(10);
        }
      };
      return {
        ...camera,
        capture: async (side, card) => {
          const done = new AbortController();
          const running = program(done.signal);
          try {
            return await camera.capture(side, card);
          } finally {
            done.abort();
            await running;
          }
        },
      };
    },
    "HTTP snapshot": (more) => {
      const { png, live } = sharedOf(optionsOf(more));
      let looking: Side = "front";
      const server = createServer((_, response) => {
        void png(looking).then((bytes) => response.end(bytes));
      });
      ends.push(() => {
        server.closeAllConnections();
        server.close();
      });
      const listening = new Promise<Camera>((done) =>
        server.listen(0, "127.0.0.1", () => {
          const { port } = server.address() as AddressInfo;
          done(liveCamera(httpSource({ name: live.name, url: `http://127.0.0.1:${String(port)}/` }), live));
        }),
      );
      return {
        name: live.name,
        kind: "real",
        capture: async (side, card) => {
          looking = side;
          return (await listening).capture(side, card);
        },
      };
    },
  };
}

/** ffmpeg (Debian: ffmpeg) playing a file. */
export function playedCamera(root: string, options: SimulatedCameraOptions): Camera {
  const { png, live } = sharedOf(options);
  const name = `played-${String(++made)}`;
  const playing = new Map<Side, ReturnType<typeof ffmpegSource>>();
  ends.push(() => playing.forEach((source) => source.close?.()));
  const camera = liveCamera(
    {
      expose: async (trigger) => {
        let source = playing.get(trigger.side);
        if (source === undefined) {
          const bytes = await png(trigger.side);
          const file = join(root, `${name}-${trigger.side}.png`);
          writeFileSync(file, bytes);
          const { width, height } = await sharp(bytes).metadata();
          source = ffmpegSource({
            name: live.name,
            input: ["-re", "-loop", "1", "-framerate", "10", "-i", file],
            // A sensor's noise, without which a film of one picture is frozen; the clock in the place of the kernel's.
            filters: ["format=gray", "noise=alls=6:allf=t", "settb=AVTB", "setpts=RTCTIME"],
            width,
            height,
          });
          playing.set(trigger.side, source);
        }
        return source.expose(trigger);
      },
    },
    live,
  );
  return camera;
}
