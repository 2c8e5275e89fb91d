/**
 * Files as a trace of system calls (`strace -f -y -xx`) says they were at any moment: what was written, and what of it a loss of power
 * would have left. A synced file keeps what it was at its last sync; names (made, renamed, removed) last at once.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** The calls that change files; what else a process may call to write them makes the replay throw. */
export const traced =
  "write,pwrite64,pwritev,pwritev2,writev,fsync,fdatasync,openat,link,linkat,rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir,ftruncate,truncate,copy_file_range,sendfile";

/** One call, when it ended. Paths and data as bytes in hexadecimal were; `result` below 0: it failed. */
export interface Call {
  readonly name: string;
  /** Of descriptors the path they stood for. */
  readonly paths: readonly string[];
  readonly descriptor: number;
  readonly data: Buffer;
  readonly numbers: readonly number[];
  readonly flags: string;
  readonly result: number;
}

const bytesOf = (text: string): Buffer => Buffer.from(text.replaceAll("\\x", ""), "hex");

/** A call that another thread's interrupted in the log counts when it ends. */
export function* callsOf(trace: string): Generator<Call> {
  const begun = new Map<string, string>();
  for (const line of trace.split("\n")) {
    const space = line.indexOf(" ");
    const thread = line.slice(0, space);
    let call = line.slice(space).trimStart();
    if (call.endsWith("<unfinished ...>")) {
      begun.set(thread, call.slice(0, -"<unfinished ...>".length));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>/.exec(call);
    if (resumed !== null) call = (begun.get(thread) ?? "") + call.slice(resumed[0].length);
    const name = /^\w+(?=\()/.exec(call)?.[0];
    if (name === undefined) continue;
    // Short calls are padded to a column.
    const returned = /\)\s+= (-?\d+)(?!.*\)\s+= )/.exec(call);
    if (returned === null) continue;
    const end = returned.index;
    const strings = [...call.slice(0, end).matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, text = ""]) =>
      bytesOf(text),
    );
    const [, number = "-1", path = ""] = /^\w+\((\d+)<((?:\\x[0-9a-f]{2})*)>/.exec(call) ?? [];
    const isWrite = name.includes("write");
    const rest = call.slice(0, end).replaceAll(/"[^"]*"|<[^>]*>/g, "");
    yield {
      name,
      paths: [...(path === "" ? [] : [bytesOf(path).toString()]), ...(isWrite ? [] : strings.map(String))],
      descriptor: Number(number),
      data: isWrite ? Buffer.concat(strings) : Buffer.alloc(0),
      numbers: rest.split(",").slice(1).map(Number),
      flags: rest,
      result: Number(returned[1]),
    };
  }
}

interface FileNow {
  written: Buffer;
  /** Other numbers, other contents: none is given twice. */
  version: number;
  synced: Buffer;
  syncedVersion: number;
}

let versions = 0;

/** The files under one folder while a trace is replayed. */
export class ReplayedDisk {
  readonly #root: string;
  readonly #files = new Map<string, FileNow>();
  readonly #folders = new Set<string>();
  readonly #positions = new Map<number, number>();
  readonly #appending = new Set<number>();

  constructor(root: string) {
    this.#root = root;
  }

  /** The path inside the folder that the call changed; undefined: nothing in here. */
  apply(call: Call): string | undefined {
    const [first = "", second = ""] = call.paths;
    if (call.result < 0) return undefined;
    const path = first.endsWith("-shm") ? undefined : this.#inside(first);
    switch (call.name) {
      case "openat":
        return this.#open(call, call.paths.at(-1) ?? "");
      case "mkdir":
      case "mkdirat":
        if (path !== undefined) this.#folders.add(path);
        return path;
      case "rename":
        return this.#rename(path, this.#inside(second));
      case "link":
        return this.#link(path, this.#inside(second));
      case "unlink":
        if (path !== undefined) this.#files.delete(path);
        return path;
      default:
        return path === undefined ? undefined : this.#change(call, path);
    }
  }

  #change(call: Call, path: string): string {
    const file = this.#files.get(path);
    // Names last at once: the sync of a folder adds nothing.
    if (this.#folders.has(path)) return path;
    if (file === undefined) throw new Error(`${call.name} on ${path}, which was never opened`);
    const { descriptor, data, result, numbers } = call;
    switch (call.name) {
      case "write":
      case "writev": {
        const at = this.#appending.has(descriptor)
          ? file.written.length
          : (this.#positions.get(descriptor) ?? 0);
        put(file, at, data.subarray(0, result));
        this.#positions.set(descriptor, at + result);
        return path;
      }
      case "pwrite64":
      case "pwritev":
        put(file, numbers.at(-1) ?? 0, data.subarray(0, result));
        return path;
      case "ftruncate": {
        const length = numbers.at(-1) ?? 0;
        file.version = ++versions;
        file.written = Buffer.concat([
          file.written,
          Buffer.alloc(Math.max(0, length - file.written.length)),
        ]).subarray(0, length);
        return path;
      }
      case "fsync":
      case "fdatasync":
        if (file.syncedVersion !== file.version) file.synced = Buffer.from(file.written);
        file.syncedVersion = file.version;
        return path;
      default:
        throw new Error(`${call.name} on ${path}: the replay does not know it`);
    }
  }

  #open(call: Call, name: string): string | undefined {
    this.#positions.set(call.result, 0);
    this.#appending.delete(call.result);
    if (call.flags.includes("O_APPEND")) this.#appending.add(call.result);
    const path = this.#inside(name);
    // The index of a write-ahead log is memory, and made anew.
    if (path === undefined || path.endsWith("-shm")) return undefined;
    const file = this.#files.get(path);
    if (file === undefined) {
      if (!call.flags.includes("O_CREAT")) return undefined;
      this.#files.set(path, {
        written: Buffer.alloc(0),
        version: 0,
        synced: Buffer.alloc(0),
        syncedVersion: 0,
      });
      return path;
    }
    if (!call.flags.includes("O_TRUNC")) return undefined;
    file.written = Buffer.alloc(0);
    file.version = ++versions;
    return path;
  }

  /** A second name of the same file. */
  #link(from: string | undefined, to: string | undefined): string | undefined {
    const file = from === undefined ? undefined : this.#files.get(from);
    if (file === undefined || to === undefined) return undefined;
    this.#files.set(to, file);
    return to;
  }

  /** A file, or a folder with all that lies in it. */
  #rename(from: string | undefined, to: string | undefined): string | undefined {
    if (from === undefined || to === undefined) return undefined;
    const moved = (path: string): string | undefined =>
      path === from || path.startsWith(`${from}/`) ? to + path.slice(from.length) : undefined;
    for (const [path, file] of Array.from(this.#files)) {
      const now = moved(path);
      if (now === undefined) continue;
      this.#files.delete(path);
      this.#files.set(now, file);
    }
    for (const path of Array.from(this.#folders)) {
      const now = moved(path);
      if (now === undefined) continue;
      this.#folders.delete(path);
      this.#folders.add(now);
    }
    return to;
  }

  #inside(path: string): string | undefined {
    const inner = relative(this.#root, path);
    return inner === "" || inner.startsWith("..") || inner.startsWith("/") ? undefined : inner;
  }

  /** The same text for the same files with the same histories; `lost` as below. */
  stamp(lost: (path: string) => boolean): string {
    const files = [...this.#files].map(
      ([path, file]) => `${path} ${lost(path) ? file.syncedVersion : file.version}`,
    );
    return [...files, ...this.#folders].sort().join("\n");
  }

  /** `lost`: of which files what was not synced is gone. */
  left(lost: (path: string) => boolean): LeftFiles {
    const files = new Map<string, Buffer>();
    for (const [path, { written, synced }] of this.#files)
      files.set(path, Buffer.from(lost(path) ? synced : written));
    return new LeftFiles(files, [...this.#folders]);
  }
}

function put(file: FileNow, at: number, data: Buffer): void {
  const end = at + data.length;
  if (file.written.length < end)
    file.written = Buffer.concat([file.written, Buffer.alloc(end - file.written.length)]);
  data.copy(file.written, at);
  file.version = ++versions;
}

/** What lies on the disk when the power comes back. */
export class LeftFiles {
  constructor(
    readonly files: ReadonlyMap<string, Buffer>,
    readonly folders: readonly string[],
  ) {}

  writeTo(folder: string): void {
    for (const inner of this.folders) mkdirSync(join(folder, inner), { recursive: true });
    for (const [path, bytes] of this.files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), bytes);
    }
  }
}
