import { inflateRawSync } from "node:zlib";
import { zipSync } from "fflate";
import type { Fault } from "./text.js";

/** What a workbook may cost before anything of it is unpacked. */
export interface ZipLimits {
  /** Parts of the archive. */
  readonly entries: number;
  /** Bytes of all parts together, unpacked. */
  readonly unpacked: number;
}

const decode = (bytes: Uint8Array): string => new TextDecoder("utf-8").decode(bytes);

/**
 * The XML parts of a ZIP archive by name (PKWARE APPNOTE 4.3), unpacked under a limit: the sizes of the directory are added up first,
 * then each part is held to the size it declared, so a bomb costs no more memory than `limits` allow.
 */
export function unzip(archive: Uint8Array, limits: ZipLimits): Map<string, Uint8Array> | Fault {
  const view = new DataView(archive.buffer, archive.byteOffset, archive.byteLength);
  const end = endOfDirectory(view);
  if (end === undefined) return damaged("its directory is missing");
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  if (count > limits.entries) return bomb(`it has ${String(count)} parts`);
  const parts: Part[] = [];
  let unpacked = 0;
  for (let n = 0; n < count; n++) {
    if (at + 46 > view.byteLength || view.getUint32(at, true) !== 0x02014b50) {
      return damaged("its directory is broken");
    }
    const nameLength = view.getUint16(at + 28, true);
    const part = {
      name: decode(archive.subarray(at + 46, at + 46 + nameLength)),
      flags: view.getUint16(at + 8, true),
      method: view.getUint16(at + 10, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      offset: view.getUint32(at + 42, true),
    };
    unpacked += part.size;
    if (unpacked > limits.unpacked) {
      return bomb(`its parts are more than ${String(limits.unpacked >> 20)} MiB when unpacked`);
    }
    parts.push(part);
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  const files = new Map<string, Uint8Array>();
  for (const part of parts) {
    if (!/\.(?:xml|rels)$/.test(part.name)) continue;
    if (files.has(part.name)) return damaged("two of its parts have one name");
    const bytes = unpack(part, archive, view);
    if ("code" in bytes) return bytes;
    files.set(part.name, bytes);
  }
  return files;
}

/** An archive of the parts as they are, without compression: whoever reads it unpacks nothing. */
export const store = (parts: ReadonlyMap<string, Uint8Array>): Uint8Array =>
  zipSync(Object.fromEntries(parts), { level: 0 });

interface Part {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
}

function unpack(part: Part, archive: Uint8Array, view: DataView): Uint8Array | Fault {
  if ((part.flags & 1) !== 0) {
    return { code: "encrypted", message: "the workbook is encrypted", remedy: "save it without a password" };
  }
  const { offset } = part;
  if (offset + 30 > view.byteLength || view.getUint32(offset, true) !== 0x04034b50) {
    return damaged("a part is not where the directory says");
  }
  const start = offset + 30 + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
  const packed = archive.subarray(start, start + part.packed);
  if (packed.length !== part.packed) return damaged("it ends too early");
  try {
    if (part.method !== 0 && part.method !== 8) return damaged("it uses an unknown compression");
    const bytes =
      part.method === 0 ? packed : inflateRawSync(packed, { maxOutputLength: Math.max(part.size, 1) });
    return bytes.length === part.size ? new Uint8Array(bytes) : damaged("a part has not its declared size");
  } catch {
    return damaged("a part cannot be unpacked, or is larger than it declares");
  }
}

function endOfDirectory(view: DataView): number | undefined {
  const lowest = Math.max(0, view.byteLength - 22 - 0xffff);
  for (let at = view.byteLength - 22; at >= lowest; at--) {
    if (view.getUint32(at, true) === 0x06054b50) return at;
  }
  return undefined;
}

const damaged = (what: string): Fault => ({
  code: "damaged-workbook",
  message: `the workbook is damaged: ${what}`,
  remedy: "open it in a spreadsheet program and save it again as .xlsx",
});

const bomb = (what: string): Fault => ({
  code: "workbook-too-big",
  message: `the workbook is too big: ${what}`,
  remedy: "split it, or save the sheet as CSV",
});
