// Makes completion images (docs/card-os.md, section 3).
import { readFileSync } from "node:fs";
import wabt from "wabt";
import { codeLength } from "../src/virtual/image.js";
import { machineCode } from "../src/virtual/rom.js";
import { DRAW_REFERENCE_DATA, imageRoutine, routine, SESSION_GUARD } from "../src/virtual/routines.js";

interface ImageSource {
  readonly version: { readonly major: number; readonly minor: number };
  /** File of the module in WebAssembly text; undefined when the ROM's routines are enough. */
  readonly module?: string;
  /** Numbers of the routines that the module brings. */
  readonly own: readonly number[];
  /** Machine code that the image brings: names by number. */
  readonly code?: Readonly<Record<number, string>>;
}

const { [SESSION_GUARD]: guard, ...codeOf21 } = imageRoutine;
const { [DRAW_REFERENCE_DATA]: _, ...codeOf20 } = codeOf21;

/** All images there are, by file name. */
export const images: Readonly<Record<string, ImageSource>> = {
  "persoline-os-1.0.img": { version: { major: 1, minor: 0 }, own: [] },
  "persoline-os-1.2.img": {
    version: { major: 1, minor: 2 },
    module: "persoline-os-1.2.wat",
    own: [routine.cyclicSlot],
  },
  "persoline-os-1.3.img": {
    version: { major: 1, minor: 3 },
    module: "persoline-os-1.2.wat",
    own: [routine.cyclicSlot],
    code: { [SESSION_GUARD]: guard },
  },
  "persoline-os-2.0.img": {
    version: { major: 2, minor: 0 },
    module: "persoline-os-1.2.wat",
    own: [routine.cyclicSlot],
    code: codeOf20,
  },
  "persoline-os-2.1.img": {
    version: { major: 2, minor: 1 },
    module: "persoline-os-1.2.wat",
    own: [routine.cyclicSlot],
    code: codeOf21,
  },
  "persoline-os-2.2.img": {
    version: { major: 2, minor: 2 },
    module: "persoline-os-1.2.wat",
    own: [routine.cyclicSlot],
    code: imageRoutine,
  },
};

/** Folder of sources and images; right from `tools` and from `dist/tools` alike. */
export const imageFolder = new URL(
  import.meta.url.includes("/dist/") ? "../../images/" : "../images/",
  import.meta.url,
);

/** The header lies in the first 16 bytes of the image area, the body behind it. */
const loadAddress = 0x0290;

async function assemble(file: string): Promise<Uint8Array> {
  const tools = await wabt();
  const module = tools.parseWat(file, readFileSync(new URL(file, imageFolder), "utf8"));
  try {
    module.validate();
    return module.toBinary({ write_debug_names: false }).buffer;
  } finally {
    module.destroy();
  }
}

/** Bit by bit, without a table: the card has its own, and one should not agree with itself. */
export function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const byte of bytes) {
    c ^= byte;
    for (let bit = 0; bit < 8; bit++) c = (c >>> 1) ^ (c & 1 ? 0xedb88320 : 0);
  }
  return (c ^ 0xffffffff) >>> 0;
}

export async function buildImage(source: ImageSource): Promise<Uint8Array> {
  const module = source.module === undefined ? new Uint8Array(0) : await assemble(source.module);
  const brought = Object.entries(source.code ?? {}).map(([number, name]) => [Number(number), name] as const);
  const numbers = [...new Set([...Object.values(routine), ...brought.map(([number]) => number)])];
  const where = (number: number): number =>
    source.own.includes(number) ? 1 : brought.some(([one]) => one === number) ? 2 : 0;
  const links = numbers.flatMap((number) => [number, where(number)]);
  const code = brought.flatMap(([number, name]) => [
    number,
    codeLength >> 8,
    codeLength & 0xff,
    ...machineCode(name, codeLength),
  ]);
  const body = Uint8Array.from([
    numbers.length,
    ...links,
    module.length >> 8,
    module.length & 0xff,
    ...module,
    ...(brought.length === 0 ? [] : [brought.length, ...code]),
  ]);
  const image = new Uint8Array(16 + body.length);
  const view = new DataView(image.buffer);
  image.set([0x50, 0x53, 0x4c, 0x49, source.version.major, source.version.minor, 1, 0]);
  view.setUint16(8, loadAddress);
  view.setUint16(10, body.length);
  view.setUint32(12, crc32(body));
  image.set(body, 16);
  return image;
}
