/** Cameras that ffmpeg reads (Video4Linux, and whatever else it knows): one child that runs all the time, whose frames carry the time of their exposure. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { DeviceFault } from "../problem.js";
import type { Exposure, ExposureSource, Trigger } from "./live.js";

export interface FfmpegSourceOptions {
  /** For messages. */
  readonly name: string;
  /** ffmpeg's words for the input, before and with `-i`. Its time stamps must be those of this computer's clock. */
  readonly input: readonly string[];
  /** Filters before all others, as of `-vf`: for inputs whose time stamps are none of a clock, `settb=AVTB,setpts=RTCTIME`. */
  readonly filters?: readonly string[];
  /** Dots of a frame. */
  readonly width: number;
  readonly height: number;
  /** ms before the end of an exposure at which it may have begun: frames whose time is not later than the trigger by so much are let go. Default 0. */
  readonly exposureMs?: number;
  /** Default "ffmpeg", by the PATH. */
  readonly program?: string;
}

export interface V4l2Options {
  /** `/dev/video0`, better `/dev/v4l/by-id/…`, which stays the same. */
  readonly device: string;
  readonly width: number;
  readonly height: number;
  /** As `ffmpeg -f v4l2 -list_formats all -i DEVICE` names it. */
  readonly format?: string | undefined;
  readonly framesASecond?: number | undefined;
}

/** Words for a Video4Linux camera: `-timestamps abs` makes the kernel's time of each exposure one of the clock. */
export const v4l2Input = ({
  device,
  width,
  height,
  format,
  framesASecond,
}: V4l2Options): readonly string[] => [
  "-f",
  "v4l2",
  "-timestamps",
  "abs",
  "-video_size",
  `${String(width)}x${String(height)}`,
  ...(format === undefined ? [] : ["-input_format", format]),
  ...(framesASecond === undefined ? [] : ["-framerate", String(framesASecond)]),
  "-i",
  device,
];

interface Frame {
  readonly grey: Uint8Array;
  readonly exposedAt: number;
  readonly marker: string;
}

interface Waiting {
  readonly after: number;
  readonly got: (frame: Frame) => void;
  readonly failed: (problem: DeviceFault) => void;
}

/** Frames of a child: pixels from its output, times from what its filter `showinfo` tells in the same order. */
class Stream {
  readonly child: ChildProcess;
  readonly #frameBytes: number;
  readonly #times: { readonly at: number; readonly marker: string }[] = [];
  readonly #pictures: Uint8Array[] = [];
  #filling: Uint8Array;
  #filled = 0;
  #perSecond = 0;
  #waiting: Waiting | undefined;
  #last = "";
  ended = false;

  constructor(
    readonly fault: (code: "unplugged" | "timeout" | "refused", message: string) => DeviceFault,
    { input, filters = [], width, height, program = "ffmpeg" }: FfmpegSourceOptions,
  ) {
    this.#frameBytes = width * height;
    this.#filling = new Uint8Array(this.#frameBytes);
    const chain = [
      ...filters,
      `scale=${String(width)}:${String(height)}`,
      "format=gray",
      "showinfo=checksum=0",
    ];
    const words = [
      ..."-hide_banner -nostats -nostdin -loglevel info -fflags nobuffer".split(" "),
      ...input,
      // Every frame as it came, none made up, none left out; showinfo sees what goes out.
      ..."-an -copyts -fps_mode passthrough -vf".split(" "),
      chain.join(),
      ..."-f rawvideo -pix_fmt gray -flush_packets 1 pipe:1".split(" "),
    ];
    this.child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout?.on("data", (part: Buffer) => this.#take(part));
    if (this.child.stderr !== null)
      createInterface({ input: this.child.stderr }).on("line", (line) => this.#hear(line));
    this.child.on("error", (error: NodeJS.ErrnoException) =>
      this.#end(
        error.code === "ENOENT"
          ? `${program} is not installed (Debian: apt-get install ffmpeg)`
          : `${program} cannot be started: ${error.message}`,
      ),
    );
    this.child.on("close", () =>
      this.#end(`the camera's program ended${this.#last === "" ? "" : `: ${this.#last}`}`),
    );
  }

  /** The first frame exposed after this time, or nothing when the signal is over. Throws DeviceFault when the child ends. */
  frameAfter(after: number, over: AbortSignal): Promise<Frame> {
    return new Promise((done, thrown) => {
      const late = (): void => {
        // A camera that delivers nothing is no better when it is asked again: the next trigger starts it anew.
        settle(() => thrown(this.fault("timeout", "delivers no frame: it hangs, or is unplugged")));
        this.stop();
      };
      const settle = (how: () => void): void => {
        over.removeEventListener("abort", late);
        this.#waiting = undefined;
        how();
      };
      this.#waiting = {
        after,
        got: (frame) => settle(() => done(frame)),
        failed: (problem) => settle(() => thrown(problem)),
      };
      over.addEventListener("abort", late, { once: true });
    });
  }

  stop(): void {
    this.ended = true;
    this.child.kill("SIGKILL");
  }

  #end(why: string): void {
    this.ended = true;
    this.#waiting?.failed(this.fault("unplugged", why));
  }

  #take(part: Buffer): void {
    for (let from = 0; from < part.length; ) {
      const length = Math.min(part.length - from, this.#frameBytes - this.#filled);
      this.#filling.set(part.subarray(from, from + length), this.#filled);
      from += length;
      this.#filled += length;
      if (this.#filled < this.#frameBytes) continue;
      this.#pictures.push(this.#filling);
      this.#filling = new Uint8Array(this.#frameBytes);
      this.#filled = 0;
      this.#match();
    }
  }

  #hear(line: string): void {
    const base = /config in time_base: (\d+)\/(\d+)/.exec(line);
    if (base !== null) this.#perSecond = Number(base[2]) / Number(base[1]);
    // The decimal fraction that showinfo prints beside has six figures only, too few for a clock.
    const frame = /\bn: *(\d+) pts: *(-?\d+) /.exec(line);
    if (frame !== null) {
      this.#times.push({
        at: (Number(frame[2]) / this.#perSecond) * 1000,
        marker: `${frame[1] ?? ""} ${frame[2] ?? ""}`,
      });
      this.#match();
    } else if (!line.includes("showinfo") && line.trim() !== "") this.#last = line.trim().slice(0, 200);
  }

  /** Frames and times come through two pipes: each waits for the other. Frames nobody waits for are let go at once. */
  #match(): void {
    while (this.#pictures.length > 0 && this.#times.length > 0) {
      const grey = this.#pictures.shift();
      const time = this.#times.shift();
      if (grey === undefined || time === undefined) return;
      if (this.#waiting !== undefined && time.at > this.#waiting.after)
        this.#waiting.got({ grey, exposedAt: time.at, marker: time.marker });
    }
  }
}

export function ffmpegSource(options: FfmpegSourceOptions): ExposureSource {
  const { name, width, height, exposureMs = 0 } = options;
  const fault = (code: "unplugged" | "timeout" | "refused", message: string): DeviceFault =>
    new DeviceFault(name, code, `${name}: ${message}`);
  let stream: Stream | undefined;
  let started = 0;

  async function expose({ at, over }: Trigger): Promise<Exposure> {
    if (stream === undefined || stream.ended) {
      stream = new Stream(fault, options);
      started++;
    }
    const { grey, exposedAt, marker } = await stream.frameAfter(at + exposureMs, over);
    if (exposedAt > Date.now() + 1_000)
      throw fault(
        "refused",
        "its frames carry times that are yet to come: nobody knows when they were exposed",
      );
    return { image: { width, height, grey }, exposedAt, marker: `${String(started)} ${marker}` };
  }
  return {
    expose,
    close: () => {
      stream?.stop();
      stream = undefined;
    },
  };
}
