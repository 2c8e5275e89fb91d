import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import sharp from "sharp";
import type { Fault } from "./text.js";
import type { Photo } from "./types.js";

export interface PhotoLimits {
  readonly bytes: number;
  readonly pixels: number;
}

/** Longest side of a picture as delivered, in pixels: 25 mm at 600 dpi. */
const longestSide = 600;
/** Below this a face cannot be engraved so that someone would know it again. */
const shortestSide = 60;

/**
 * Reads a picture of the photo folder by the name that stands in the input: PNG or JPEG, told by its first bytes. It comes out upright, in
 * 8-bit grey, at most 600 pixels long, without any metadata. A name that leads out of the folder is refused, through links too.
 */
export async function readPhoto(folder: string, name: string, limits: PhotoLimits): Promise<Photo | Fault> {
  const bytes = await bytesOf(folder, name, limits);
  if (!(bytes instanceof Uint8Array)) return bytes;
  const photo = await reencode(bytes, limits);
  return "png" in photo ? { ...photo, sha256: sha256Of(bytes) } : photo;
}

/** The file of a photo as it is now. */
export interface PhotoNow {
  /** SHA-256 of what `readPhoto` would read, hex; absent when it cannot be read. */
  readonly sha256?: string;
  /** There is no file of this name any more. */
  readonly gone: boolean;
}

export async function photoNow(folder: string, name: string, limits: PhotoLimits): Promise<PhotoNow> {
  const bytes = await bytesOf(folder, name, limits);
  return bytes instanceof Uint8Array
    ? { sha256: sha256Of(bytes), gone: false }
    : { gone: bytes.code === "photo-missing" };
}

const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

async function bytesOf(folder: string, name: string, limits: PhotoLimits): Promise<Uint8Array | Fault> {
  if (/^[/\\]|^[A-Za-z]:|\\|(?:^|\/)\.{1,2}(?:\/|$)/.test(name) || name.length > 255) {
    return {
      code: "photo-path",
      message: "this is not the name of a file in the photo folder",
      remedy: "write the file's name only, as photo-001.png",
    };
  }
  const missing: Fault = {
    code: "photo-missing",
    message: "the photo folder has no file of this name",
    remedy: "add the picture, or correct its name (capitals count)",
  };
  let real: string;
  try {
    real = await realpath(join(folder, name));
    if (!real.startsWith((await realpath(folder)) + sep)) {
      return {
        code: "photo-path",
        message: "the name leads out of the photo folder through a link",
        remedy: "put the picture itself into the folder",
      };
    }
  } catch (problem) {
    const code = problem instanceof Error && "code" in problem ? problem.code : undefined;
    return code === "ENOENT" || code === "ENOTDIR" ? missing : { ...missing, code: "photo-unreadable" };
  }
  // The path holds no link any more; one put there since is not followed, and a pipe does not block.
  const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => undefined,
  );
  if (file === undefined) {
    return {
      code: "photo-unreadable",
      message: "the picture cannot be opened",
      remedy: "check its permissions",
    };
  }
  try {
    const { size, isFile } = await file.stat().then((stat) => ({ size: stat.size, isFile: stat.isFile() }));
    if (!isFile) return { ...missing, code: "photo-unreadable", message: "this name is not a file" };
    if (size > limits.bytes) {
      return {
        code: "photo-too-big",
        message: `the picture has ${String(Math.ceil(size / 1024))} KiB`,
        remedy: `save it smaller (at most ${String(limits.bytes >> 10)} KiB)`,
      };
    }
    const bytes = new Uint8Array(size);
    const { bytesRead } = await file.read(bytes, 0, size, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

const png = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const jpeg = [0xff, 0xd8, 0xff];

async function reencode(bytes: Uint8Array, limits: PhotoLimits): Promise<Photo | Fault> {
  // Only these two decoders ever see bytes from outside.
  if (![png, jpeg].some((start) => start.every((byte, at) => bytes[at] === byte))) {
    return {
      code: "photo-format",
      message: "the picture is neither PNG nor JPEG",
      remedy: "save it as PNG or JPEG (a new ending of the name is not enough)",
    };
  }
  const broken: Fault = {
    code: "photo-broken",
    message: "the picture is damaged or cut off",
    remedy: "save or copy it again",
  };
  try {
    const source = sharp(bytes, { limitInputPixels: false, failOn: "warning", pages: 1 });
    const { width, height } = await source.metadata();
    if (width * height > limits.pixels) {
      return {
        code: "photo-too-big",
        message: `the picture has ${String(width)} × ${String(height)} pixels`,
        remedy: `save it smaller (at most ${String(Math.floor(limits.pixels / 1_000_000))} million pixels)`,
      };
    }
    if (Math.min(width, height) < shortestSide) {
      return {
        code: "photo-too-small",
        message: `the picture has ${String(width)} × ${String(height)} pixels`,
        remedy: `use one of at least ${String(shortestSide)} pixels on each side`,
      };
    }
    const { data, info } = await sharp(bytes, {
      limitInputPixels: limits.pixels,
      failOn: "warning",
      pages: 1,
    })
      .rotate()
      .flatten({ background: "#ffffff" })
      .resize({ width: longestSide, height: longestSide, fit: "inside", withoutEnlargement: true })
      .toColourspace("b-w")
      .png({ compressionLevel: 6, palette: false })
      .toBuffer({ resolveWithObject: true });
    return { png: new Uint8Array(data), width: info.width, height: info.height };
  } catch {
    return broken;
  }
}
