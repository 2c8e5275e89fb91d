import { u16 } from "../os/command.js";

/** What a load file says of itself: components of a CAP file one after the other (Java Card VM specification, chapter 6). */
export interface LoadFileContent {
  readonly aid: Uint8Array;
  readonly modules: readonly Uint8Array[];
}

const HEADER = 1;
const APPLET = 3;
const magic = [0xde, 0xca, 0xff, 0xed];

/** Undefined when it is not one: components that do not fit, no header, no magic number. */
export function readLoadFile(bytes: Uint8Array): LoadFileContent | undefined {
  let aid: Uint8Array | undefined;
  let modules: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] ?? 0;
    const size = u16(bytes, at + 1);
    const component = bytes.subarray(at + 3, at + 3 + size);
    if (at + 3 > bytes.length || component.length !== size || tag === 0 || tag > 12) return undefined;
    if (tag === HEADER) aid = packageAid(component);
    if (tag === APPLET) {
      const found = moduleAids(component);
      if (found === undefined) return undefined;
      modules = found;
    }
    at += 3 + size;
  }
  return aid === undefined ? undefined : { aid, modules };
}

/** Magic (4) ‖ minor ‖ major ‖ flags ‖ package minor ‖ major ‖ AID length ‖ AID … */
function packageAid(header: Uint8Array): Uint8Array | undefined {
  if (magic.some((byte, at) => header[at] !== byte)) return undefined;
  const length = header[9] ?? 0;
  const aid = header.slice(10, 10 + length);
  return aid.length === length && isAid(aid) ? aid : undefined;
}

/** Count ‖ for each: AID length ‖ AID ‖ offset of the install method (2). */
function moduleAids(component: Uint8Array): Uint8Array[] | undefined {
  const modules: Uint8Array[] = [];
  let at = 1;
  for (let left = component[0] ?? 0; left > 0; left--) {
    const length = component[at] ?? 0;
    const aid = component.slice(at + 1, at + 1 + length);
    if (aid.length !== length || !isAid(aid)) return undefined;
    modules.push(aid);
    at += 1 + length + 2;
  }
  return at === component.length ? modules : undefined;
}

export const isAid = (aid: Uint8Array): boolean => aid.length >= 5 && aid.length <= 16;
