import { type Chip, MemoryFailure } from "../chip.js";
import { crc32 } from "../crc32.js";
import { pageSize } from "../layout.js";

/**
 * Whole pages to FF; those that are erased already cost nothing. One that fails keeps none of the others, which may hold keys. Throws its
 * MemoryFailure when all have been tried.
 */
export function erasePages(
  chip: Chip,
  first: number,
  count: number,
  unless?: (page: number) => boolean,
): void {
  let failure: MemoryFailure | undefined;
  for (let page = first; page < first + count; page++) {
    if (chip.isErased(page * pageSize, 1) || unless?.(page) === true) continue;
    try {
      chip.fill(page * pageSize, 1, 0xff);
    } catch (problem) {
      if (!(problem instanceof MemoryFailure)) throw problem;
      failure ??= problem;
    }
  }
  if (failure !== undefined) throw failure;
}

/** Sequence number (4) ‖ length (2) ‖ content ‖ CRC-32 (4). */
const FRAME = 10;

/**
 * Something that must never be half written and is longer than a page pair: two areas, of which the valid one with the higher sequence
 * number counts. A change writes the other area and then erases the old one, whose keys must not be found again. After a tear the content is
 * the old or the new one.
 */
export class Shadow {
  readonly #chip: Chip;
  readonly #at: number;
  readonly #pages: number;
  /** What `write` left in force: nobody else writes here between two resets. Undefined: to be looked for. */
  #written: { readonly area: 0 | 1; readonly sequence: number } | undefined;

  constructor(chip: Chip, at: number, pages: number) {
    this.#chip = chip;
    this.#at = at;
    this.#pages = pages;
  }

  /** Most bytes of content. */
  get room(): number {
    return this.#pages * pageSize - FRAME;
  }

  /** Pages that both areas together take for this many bytes of content. */
  static pagesFor(bytes: number): number {
    return 2 * Math.ceil((bytes + FRAME) / pageSize);
  }

  read(): Uint8Array | undefined {
    return this.#newer()?.content;
  }

  /** The content, all or nothing. */
  write(content: Uint8Array): void {
    if (content.length > this.room) throw new RangeError(`${content.length} bytes do not fit`);
    const newer = this.#written ?? this.#newer();
    // Until all is done: a page that fails, or power that does, leaves it open which area counts.
    this.#written = undefined;
    const area = newer?.area === 0 ? 1 : 0;
    const sequence = (newer?.sequence ?? 0) + 1;
    const bytes = new Uint8Array(content.length + FRAME);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, sequence);
    view.setUint16(4, content.length);
    bytes.set(content, 6);
    view.setUint32(bytes.length - 4, crc32(bytes, 0, bytes.length - 4));
    this.#chip.write(this.#areaAt(area), bytes);
    this.#erase(area === 0 ? 1 : 0);
    this.#written = { area, sequence };
  }

  /** At reset: a change that was torn before the old area was erased is finished. */
  settle(): void {
    this.#written = undefined;
    const newer = this.#newer();
    if (newer !== undefined) this.#erase(newer.area === 0 ? 1 : 0);
  }

  /** Nothing is left in either area. */
  forget(): void {
    this.#written = undefined;
    this.#erase(0);
    this.#erase(1);
  }

  #areaAt(area: 0 | 1): number {
    return this.#at + area * this.#pages * pageSize;
  }

  /** The first page goes first: it makes the area invalid. */
  #erase(area: 0 | 1): void {
    erasePages(this.#chip, this.#areaAt(area) / pageSize, this.#pages);
  }

  #newer(): { readonly area: 0 | 1; readonly sequence: number; readonly content: Uint8Array } | undefined {
    const found = ([0, 1] as const).flatMap((area) => {
      const at = this.#areaAt(area);
      const head = this.#chip.read(at, 6);
      const view = new DataView(head.buffer);
      const length = view.getUint16(4);
      if (length > this.room) return [];
      const bytes = this.#chip.read(at, length + FRAME);
      const sum = new DataView(bytes.buffer).getUint32(length + 6);
      if (sum !== crc32(bytes, 0, length + 6)) return [];
      return [{ area, sequence: view.getUint32(0), content: bytes.slice(6, 6 + length) }];
    });
    return found.sort((one, other) => other.sequence - one.sequence)[0];
  }
}
