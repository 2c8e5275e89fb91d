import type { Chip } from "../chip.js";
import { layout, pageSize } from "../layout.js";
import type { Directory, File } from "./directory.js";
import { isSealed, seal } from "./seal.js";
import { BODIES, BUFFER, BUFFER_PAGES } from "./layout.js";

const MARK = layout.spare;
const MARKED = 0xa5;

/** What a write to a record changes in the file's description: the head of a cyclic EF, or a record's length. */
export type Consequence =
  | { readonly kind: "head"; readonly slot: number }
  | { readonly kind: "length"; readonly record: number; readonly length: number };

/** Thrown before anything is written: no body pages are free for the copy of a large write. */
export class NoBuffer extends Error {
  override readonly name = "NoBuffer";
}

/** The bytes and their consequence, all or nothing: 2 × pages + 2 page writes, and one more with a consequence. */
export function writeAtOnce(
  chip: Chip,
  directory: Directory,
  file: File,
  offset: number,
  bytes: Uint8Array,
  consequence?: Consequence,
): void {
  const from = file.body + offset;
  const first = Math.floor(from / pageSize);
  const pages = Math.floor((from + bytes.length - 1) / pageSize) - first + 1;
  const content = chip.read(first * pageSize, pages * pageSize);
  content.set(bytes, from - first * pageSize);
  // A large write keeps its copy in body pages that no file has.
  const buffer = pages <= BUFFER_PAGES ? BUFFER : directory.freeBodies(pages);
  if (buffer === undefined) throw new NoBuffer(`no ${pages} pages are free`);
  chip.write(buffer, content);
  chip.write(MARK, mark(first, pages, file, consequence, buffer));
  chip.write(first * pageSize, content);
  apply(directory, file, consequence);
  chip.fill(MARK, 1, 0x00);
}

/** The bytes and their consequence in the cheapest way: a tear leaves what was written so far. */
export function writeDirectly(
  chip: Chip,
  directory: Directory,
  file: File,
  offset: number,
  bytes: Uint8Array,
  consequence?: Consequence,
): void {
  chip.write(file.body + offset, bytes);
  apply(directory, file, consequence);
}

function apply(directory: Directory, file: File, consequence: Consequence | undefined): void {
  if (consequence === undefined) return;
  if (consequence.kind === "head") {
    directory.save({ ...file, head: consequence.slot });
  } else {
    const lengths = file.lengths.slice();
    lengths[consequence.record - 1] = consequence.length;
    directory.save({ ...file, lengths });
  }
}

/** Mark page: A5 ‖ first page (2) ‖ pages (1) ‖ directory entry (1) ‖ 00 none, 01 head, 02 length (1) ‖ slot or record (1) ‖ length (1) ‖ first page of the copy (2; 0000: the buffer's own) … CRC-32. */
function mark(
  first: number,
  pages: number,
  file: File,
  consequence: Consequence | undefined,
  buffer: number,
): Uint8Array {
  const page = new Uint8Array(pageSize);
  page.set([MARKED, first >> 8, first & 0xff, pages, file.entry]);
  if (consequence?.kind === "head") page.set([0x01, consequence.slot], 5);
  if (consequence?.kind === "length") page.set([0x02, consequence.record, consequence.length], 5);
  if (buffer !== BUFFER) page.set([(buffer / pageSize) >> 8, (buffer / pageSize) & 0xff], 8);
  return seal(page);
}

/** At reset: a marked transaction is completed; one that was torn before its mark was whole has changed nothing. */
export function recover(chip: Chip, directory: Directory): void {
  const page = chip.read(MARK, pageSize);
  if (page[0] !== MARKED || !isSealed(page)) return;
  const [
    ,
    high = 0,
    low = 0,
    pages = 0,
    entry = 0,
    kind = 0,
    number = 0,
    length = 0,
    copyHigh = 0,
    copyLow = 0,
  ] = page;
  const address = ((high << 8) | low) * pageSize;
  const file = directory.at(entry);
  const copy = ((copyHigh << 8) | copyLow) * pageSize || BUFFER;
  if (
    file !== undefined &&
    (copy === BUFFER ? pages <= BUFFER_PAGES : copy >= BODIES && copy + pages * pageSize <= BUFFER) &&
    address >= BODIES &&
    address + pages * pageSize <= BUFFER
  ) {
    chip.write(address, chip.read(copy, pages * pageSize));
    if (kind === 0x01) apply(directory, file, { kind: "head", slot: number });
    if (kind === 0x02) apply(directory, file, { kind: "length", record: number, length });
  }
  chip.fill(MARK, 1, 0x00);
}
