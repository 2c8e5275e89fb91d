// Makes completion images (docs/card-os.md, section 3).
import { readFileSync } from "node:fs";
import wabt from "wabt";
import { routine } from "../src/virtual/routines.js";

interface ImageSource {
  readonly version: { readonly major: number; readonly minor: number };
  /** File of the module in WebAssembly text; undefined when the ROM's routines are enough. */
  readonly module?: string;
  /** Numbers of the routines that the module brings. */
  readonly own: readonly number[];
}

/** All images there are, by file name. */
export const images: Readonly<Record<string, ImageSource>> = {
  "persoline-os-1.0.img": { version: { major: 1, minor: 0 }, own: [] },
  "persoline-os-1.2.img": {
    version: { major: 1, minor: 2 },
    module: "persoline-os-1.2.wat",
    own: [routine.cyclicSlot],
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
  const numbers = Object.values(routine);
  const links = numbers.flatMap((number) => [number, source.own.includes(number) ? 1 : 0]);
  const body = Uint8Array.of(numbers.length, ...links, module.length >> 8, module.length & 0xff, ...module);
  const image = new Uint8Array(16 + body.length);
  const view = new DataView(image.buffer);
  image.set([0x50, 0x53, 0x4c, 0x49, source.version.major, source.version.minor, 1, 0]);
  view.setUint16(8, loadAddress);
  view.setUint16(10, body.length);
  view.setUint32(12, crc32(body));
  image.set(body, 16);
  return image;
}
