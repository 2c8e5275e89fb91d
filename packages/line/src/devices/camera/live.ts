/** What all real cameras have in common: a trigger, one exposure for it, and proof that it is fresh. Where exposures come from is a source's matter. */
import { createHash } from "node:crypto";
import sharp from "sharp";
import type { Side } from "../marker/port.js";
import { DeviceFault } from "../problem.js";
import type { Camera, Picture } from "./port.js";

/** One picture as a source got it. */
export interface Exposure {
  /** A whole picture file (JPEG, PNG, WebP, TIFF), or grey pixels with their size. */
  readonly image: Uint8Array | { readonly width: number; readonly height: number; readonly grey: Uint8Array };
  /** Milliseconds of this computer's clock at which it was exposed, as far as the source can tell; never earlier than it was. */
  readonly exposedAt?: number;
  /** The source's own mark of this exposure: a frame's number, a file's identity. Never the same twice. */
  readonly marker?: string;
}

/** What fired the exposure. */
export interface Trigger {
  /** Counts up with every capture of the camera, and from one run of the line to the next. */
  readonly number: number;
  readonly side: Side;
  /** Milliseconds of this computer's clock. */
  readonly at: number;
  /** Aborted when the time for this capture is over. */
  readonly over: AbortSignal;
}

export interface ExposureSource {
  /** One exposure made after the trigger; "nothing" when none came in time. Throws DeviceFault when the camera or its way here is broken. */
  expose(trigger: Trigger): Promise<Exposure | "nothing">;
  close?(): void;
}

export interface LiveCameraOptions {
  readonly name: string;
  /** The world's clock, for the picture's time. */
  readonly world: { now(): number };
  /** What lies at the camera's head now, by any name that tells bodies apart; undefined: nothing. Without it the caller answers for that. */
  readonly present?: () => string | undefined;
  /** Milliseconds from the trigger to a picture; default 5000. */
  readonly timeoutMs?: number;
}

/** Clocks of files and of frames may lag behind this computer's by so much, ms. */
const clockStep = 25;
/** Pixels of the largest picture: more than any line camera has, less than would fill the memory. */
export const mostPixels = 50_000_000;
/** Pictures whose digests are remembered: a camera that repeats a loop of its buffers is found too. */
const remembered = 64;

const digestOf = (image: Exposure["image"]): string =>
  createHash("sha256")
    .update(image instanceof Uint8Array ? image : image.grey)
    .digest("hex");

async function greyOf(
  name: string,
  image: Exposure["image"],
): Promise<Pick<Picture, "width" | "height" | "grey">> {
  if (!(image instanceof Uint8Array)) return image;
  try {
    const { data, info } = await sharp(image, { limitInputPixels: mostPixels, failOn: "truncated" })
      .greyscale()
      .raw()
      .toBuffer({ resolveWithObject: true });
    return {
      width: info.width,
      height: info.height,
      grey: new Uint8Array(data.buffer, data.byteOffset, data.length),
    };
  } catch (cause) {
    throw new DeviceFault(
      name,
      "refused",
      `${name} delivered something that is no whole picture (JPEG, PNG, WebP or TIFF)`,
      {
        cause,
      },
    );
  }
}

/**
 * A camera over a source. A picture leaves it only if it was exposed after the trigger, was never delivered before (neither its marker nor its
 * bytes nor its pixels), and the same card lay at the head before and after.
 */
export function liveCamera(source: ExposureSource, options: LiveCameraOptions): Camera {
  const { name, world, present, timeoutMs = 5_000 } = options;
  const seen: string[] = [];
  let triggers = Date.now();
  let frame = 0;
  let turn: Promise<unknown> = Promise.resolve();

  const fault = (message: string): DeviceFault => new DeviceFault(name, "refused", `${name} ${message}`);
  const isNew = (...marks: string[]): boolean => {
    const fresh = marks.every((mark) => !seen.includes(mark));
    seen.push(...marks);
    seen.splice(0, Math.max(0, seen.length - 3 * remembered));
    return fresh;
  };

  async function capture(side: Side, card: string | undefined): Promise<Picture | "no-picture"> {
    const before = present?.();
    if (present !== undefined && before === undefined) return "no-picture";
    const at = Date.now();
    const over = AbortSignal.timeout(timeoutMs);
    const exposure = await source.expose({ number: ++triggers, side, at, over });
    if (exposure === "nothing") return "no-picture";
    const { image, exposedAt, marker } = exposure;
    if (exposedAt !== undefined && exposedAt < at - clockStep)
      throw fault(
        `delivered a picture that is ${String(Math.round(at - exposedAt))} ms older than its trigger: it may show another card`,
      );
    const marks = [`digest ${digestOf(image)}`, ...(marker === undefined ? [] : [`marker ${marker}`])];
    if (!isNew(...marks)) throw fault("delivered the same picture again: it is frozen");
    const picture = await greyOf(name, image);
    // The same pixels in another wrapping are the same exposure: no sensor repeats its noise.
    if (image instanceof Uint8Array && !isNew(`pixels ${digestOf(picture)}`))
      throw fault("delivered the same pixels again: it is frozen");
    if (present !== undefined && present() !== before)
      throw fault("saw the card change while it took its picture");
    frame++;
    return { side, ...picture, frame, takenAt: world.now(), ...(card === undefined ? {} : { card }) };
  }

  return {
    name,
    kind: "real",
    capture(side, card) {
      const mine = turn.then(() => capture(side, card));
      turn = mine.catch(() => undefined);
      return mine;
    },
    close: () => source.close?.(),
  };
}
