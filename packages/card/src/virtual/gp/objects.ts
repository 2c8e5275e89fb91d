import { join, u16 } from "../os/command.js";
import type { Shadow } from "./shadow.js";

/** What an application keeps: data groupings by identifier. Identifier (2) ‖ length (2) ‖ value, one after the other. */
export type Objects = ReadonlyMap<number, Uint8Array>;

export function readObjects(shadow: Shadow): Map<number, Uint8Array> {
  const bytes = shadow.read() ?? new Uint8Array(0);
  const objects = new Map<number, Uint8Array>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = u16(bytes, at + 2);
    objects.set(u16(bytes, at), bytes.slice(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return objects;
}

/** False: the application's quota is too small; nothing has changed. */
export function writeObjects(shadow: Shadow, objects: Objects): boolean {
  const bytes = join(
    ...[...objects].map(([id, value]) =>
      join([id >> 8, id & 0xff, value.length >> 8, value.length & 0xff], value),
    ),
  );
  if (bytes.length > shadow.room) return false;
  shadow.write(bytes);
  return true;
}
