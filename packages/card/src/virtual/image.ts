import { crc32 } from "./crc32.js";
import { machineCode, romVersion } from "./rom.js";
import { imageRoutine } from "./routines.js";

/** What a module of an image may touch: EEPROM of the card that runs, inside one call. */
export interface ImageMemory {
  load8(address: number): number;
  store8(address: number, value: number): void;
}

/** In the ROM, in the image's WebAssembly module, or machine code that the image brings. */
export type Origin = "rom" | "image" | "code";

type Routine = (address: number, ...args: number[]) => number;

/** A completion image as the card runs it (docs/card-os.md, section 3). */
export interface ImageCode {
  readonly major: number;
  readonly minor: number;
  /** Where each linked routine is. */
  readonly links: ReadonlyMap<number, Origin>;
  /** A routine of the image, run on the memory of one card. */
  call(memory: ImageMemory, number: number, address: number, ...args: number[]): number;
}

const origins: readonly Origin[] = ["rom", "image", "code"];
const names: Readonly<Record<number, string>> = imageRoutine;
/** Bytes of machine code that stand for one routine. */
export const codeLength = 64;

/** Whether what follows the module is the machine code of these routines, as this chip knows it, and nothing else. */
function bringsCode(bytes: Uint8Array, numbers: readonly number[]): boolean {
  if (numbers.length === 0) return bytes.length === 0;
  const found = new Set<number>();
  let at = 1;
  for (let left = bytes[0] ?? 0; left > 0; left--) {
    const number = bytes[at] ?? 0;
    const length = ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const code = bytes.subarray(at + 3, at + 3 + length);
    const name = names[number];
    if (name === undefined || length !== codeLength || code.length !== length) return false;
    if (machineCode(name, codeLength).some((byte, i) => byte !== code[i])) return false;
    found.add(number);
    at += 3 + length;
  }
  return at === bytes.length && found.size === numbers.length && numbers.every((number) => found.has(number));
}

const headerSize = 16;
const magic = [0x50, 0x53, 0x4c, 0x49];
const textOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** One compiled module serves all cards with this image: thousands of instances cannot be had. */
const known = new Map<string, ImageCode | "broken">();
const mostKnown = 64;

/** The image in these bytes (header and body); undefined when it is not one for this ROM. */
export function imageCode(bytes: Uint8Array): ImageCode | undefined {
  const key = textOf(bytes);
  let code = known.get(key);
  if (code === undefined) {
    code = link(bytes) ?? "broken";
    if (known.size >= mostKnown) known.clear();
    known.set(key, code);
  }
  return code === "broken" ? undefined : code;
}

function link(bytes: Uint8Array): ImageCode | undefined {
  if (bytes.length < headerSize + 3 || magic.some((byte, i) => bytes[i] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint8(6) !== romVersion.major || view.getUint8(7) !== romVersion.minor) return undefined;
  const body = bytes.subarray(headerSize);
  if (view.getUint16(10) !== body.length || view.getUint32(12) !== crc32(body)) return undefined;

  const count = body[0] ?? 0;
  const moduleAt = 1 + 2 * count + 2;
  if (body.length < moduleAt) return undefined;
  const links = new Map<number, Origin>();
  for (let at = 1; at < 1 + 2 * count; at += 2) {
    const where = body[at + 1];
    const origin = where === undefined ? undefined : origins[where];
    if (origin === undefined) return undefined;
    links.set(body[at] ?? 0, origin);
  }
  const length = ((body[moduleAt - 2] ?? 0) << 8) | (body[moduleAt - 1] ?? 0);
  const coded = [...links].filter(([, where]) => where === "code").map(([number]) => number);
  if (!bringsCode(body.subarray(moduleAt + length), coded)) return undefined;
  const own = [...links].filter(([, where]) => where === "image").map(([number]) => number);
  const routines = instantiate(body.slice(moduleAt, moduleAt + length), own);
  if (routines === undefined) return undefined;

  return {
    major: view.getUint8(4),
    minor: view.getUint8(5),
    links,
    call: (memory, number, address, ...args) => {
      const routine = routines.get(number);
      if (routine === undefined) throw new RangeError(`the image has no routine ${number}`);
      return onMemory(memory, () => routine(address, ...args));
    },
  };
}

/** The memory of the card whose routine runs now: calls are synchronous, so there is never more than one. */
let current: ImageMemory | undefined;

function onMemory(memory: ImageMemory, work: () => number): number {
  const before = current;
  current = memory;
  try {
    return work() >>> 0;
  } finally {
    current = before;
  }
}

const card: Record<string, (address: number, value: number) => number | undefined> = {
  load8: (address) => current?.load8(address >>> 0),
  store8: (address, value) => {
    current?.store8(address >>> 0, value & 0xff);
    return undefined;
  },
};

function instantiate(wasm: Uint8Array, own: readonly number[]): Map<number, Routine> | undefined {
  const routines = new Map<number, Routine>();
  if (wasm.length === 0) return own.length === 0 ? routines : undefined;
  if (!WebAssembly.validate(wasm) || hasMemory(wasm)) return undefined;
  const module = new WebAssembly.Module(wasm);
  const foreign = WebAssembly.Module.imports(module).some(
    (entry) => entry.module !== "card" || !Object.hasOwn(card, entry.name) || entry.kind !== "function",
  );
  if (foreign) return undefined;
  let instance: WebAssembly.Instance;
  try {
    instance = new WebAssembly.Instance(module, { card });
  } catch (problem) {
    // An import used with another shape, or a start function that traps: not an image for this ROM.
    if (problem instanceof WebAssembly.LinkError || problem instanceof WebAssembly.RuntimeError)
      return undefined;
    throw problem;
  }
  for (const number of own) {
    const routine = instance.exports[`r${number}`];
    if (typeof routine !== "function") return undefined;
    routines.set(number, (...args) => Number(Reflect.apply(routine, undefined, args)));
  }
  return routines;
}

/** Whether a valid module has a memory section (id 5). */
function hasMemory(wasm: Uint8Array): boolean {
  for (let at = 8; at < wasm.length; ) {
    const id = wasm[at++];
    if (id === 5) return true;
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const part = wasm[at++] ?? 0;
      size |= (part & 0x7f) << shift;
      if ((part & 0x80) === 0) break;
    }
    at += size;
  }
  return false;
}
