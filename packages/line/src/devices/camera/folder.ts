/** A folder into which another program, or the camera itself, puts a file for each exposure. */
import { constants } from "node:fs";
import { lstat, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { DeviceFault } from "../problem.js";
import type { Exposure, ExposureSource, Trigger } from "./live.js";

export interface FolderSourceOptions {
  /** For messages. */
  readonly name: string;
  readonly folder: string;
  /**
   * A file that tells the capturing program to expose: it appears with the text "NUMBER SIDE", and the picture must then be called
   * NUMBER-SIDE and an ending. Without it the camera has a trigger of its own, and the only file that comes after the card did is its picture.
   */
  readonly ask?: string;
  /** A file is whole when it has not changed for so long, ms; default 150. */
  readonly settleMs?: number;
  /** Bytes of the largest picture; default 32 MiB. */
  readonly most?: number;
  readonly pollMs?: number;
}

const mebi = 1 << 20;
/** What capturing programs write under until a file is whole, and other programs' notes, is not looked at. */
const isPicture = (name: string): boolean => /^[^.].*\.(jpe?g|png|tiff?|webp)$/i.test(name);

/** Whether the file has its format's end: a writer that pauses in the middle leaves one that has not changed for a while too. */
function hasEnd(file: Uint8Array): boolean {
  const tail = Buffer.from(file.subarray(-64));
  if (file[0] === 0xff && file[1] === 0xd8) return tail.includes(Buffer.of(0xff, 0xd9));
  return file[0] === 0x89 && file[1] === 0x50 ? tail.includes("IEND") : true;
}

interface Seen {
  readonly inode: number;
  readonly size: number;
  readonly changedAt: number;
}

export function folderSource(options: FolderSourceOptions): ExposureSource {
  const { name, folder, ask, settleMs = 150, most = 32 * mebi, pollMs = 25 } = options;
  const fault = (code: "refused" | "unplugged", message: string, cause?: unknown): DeviceFault =>
    new DeviceFault(name, code, `${name}: ${message}`, cause === undefined ? {} : { cause });

  /**
   * Everything in the folder that has a name. When something goes away or is renamed while it is looked at, the look is taken again:
   * a file that is overlooked at the trigger would be taken for a new one later.
   */
  async function look(): Promise<Map<string, Seen>> {
    for (;;) {
      const found = await glance();
      if (found !== undefined) return found;
    }
  }

  async function glance(): Promise<Map<string, Seen> | undefined> {
    let names: string[];
    try {
      names = await readdir(folder);
    } catch (cause) {
      throw fault(
        "unplugged",
        `the folder ${folder} cannot be read: check that it is there and its permissions`,
        cause,
      );
    }
    const found = new Map<string, Seen>();
    for (const file of names) {
      const stat = await lstat(join(folder, file)).catch(() => undefined);
      if (stat === undefined) return undefined;
      found.set(file, { inode: stat.ino, size: stat.isFile() ? stat.size : -1, changedAt: stat.mtimeMs });
    }
    return found;
  }

  async function read(file: string, seen: Seen): Promise<Uint8Array | undefined> {
    if (seen.size < 0) throw fault("refused", `${file} is a link or no file: pictures are plain files`);
    if (seen.size > most) throw fault("refused", `${file} is larger than ${String(most)} bytes`);
    let handle;
    try {
      handle = await open(join(folder, file), constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (cause) {
      throw fault("refused", `${file} cannot be opened`, cause);
    }
    try {
      const before = await handle.stat();
      if (!before.isFile() || before.size > most)
        throw fault("refused", `${file} is no picture of at most ${String(most)} bytes`);
      const bytes = new Uint8Array(before.size);
      let length = 0;
      while (length < bytes.length) {
        const { bytesRead } = await handle.read(bytes, length, bytes.length - length, length);
        if (bytesRead === 0) return undefined;
        length += bytesRead;
      }
      const after = await handle.stat();
      return after.size === before.size && after.mtimeMs === before.mtimeMs ? bytes : undefined;
    } finally {
      await handle.close();
    }
  }

  const rest = async (over: AbortSignal): Promise<boolean> =>
    wait(pollMs, true, { signal: over }).catch(() => false);

  async function expose({ number, side, over }: Trigger): Promise<Exposure | "nothing"> {
    // Also what is still being written, or has another name: it was begun before the card came.
    const old = new Set([...(await look()).values()].map(({ inode }) => inode));
    const named = `${String(number)}-${side}.`;
    if (ask !== undefined) {
      const half = `${ask}.part`;
      await writeFile(half, `${String(number)} ${side}\n`).catch((cause: unknown) => {
        throw fault("unplugged", `${half} cannot be written`, cause);
      });
      await rename(half, ask);
    }
    try {
      let waiting: { readonly file: string; readonly seen: Seen; readonly since: number } | undefined;
      do {
        const fresh = [...(await look())].filter(([file, { inode }]) => isPicture(file) && !old.has(inode));
        if (fresh.length > 1)
          throw fault(
            "refused",
            `${String(fresh.length)} pictures came for one card: nobody knows which shows it`,
          );
        const [first] = fresh;
        if (first === undefined) {
          waiting = undefined;
          continue;
        }
        const [file, seen] = first;
        if (ask !== undefined && !file.startsWith(named))
          throw fault("refused", `${file} came, but the picture that was asked for is called ${named}jpg`);
        if (waiting?.file !== file || !isDeepStrictEqual(waiting.seen, seen)) {
          waiting = { file, seen, since: Date.now() };
          continue;
        }
        if (Date.now() - waiting.since < settleMs || seen.size === 0) continue;
        const image = await read(file, seen);
        if (image !== undefined && hasEnd(image)) {
          return {
            image,
            exposedAt: seen.changedAt,
            marker: `${String(seen.inode)} ${String(seen.changedAt)}`,
          };
        }
        waiting = undefined;
      } while (await rest(over));
      return "nothing";
    } finally {
      if (ask !== undefined) await rm(ask, { force: true });
    }
  }
  return { expose };
}
