import type { Chip } from "../chip.js";
import { pageSize } from "../layout.js";
import { join, same, u16 } from "./command.js";
import { isSealed, seal } from "./seal.js";
import { BODIES, BUFFER, DESCRIPTION, DIRECTORY, ENTRIES, REST } from "./layout.js";
import { type Rule, readCompactRules, readWideRules } from "./rules.js";

/** File descriptor bytes (ISO/IEC 7816-4, 5.3.3.2). */
export const FDB = {
  df: 0x38,
  transparent: 0x01,
  linearFixed: 0x02,
  linearVariable: 0x04,
  cyclic: 0x06,
  /** BER-TLV objects. */
  objects: 0x39,
} as const;
/** Life cycle status bytes (ISO/IEC 7816-4, 5.3.3.2, table 13). */
export const LCS = {
  creation: 0x01,
  initialisation: 0x03,
  deactivated: 0x04,
  activated: 0x05,
  terminated: 0x0c,
} as const;
/** What WRITE does to what is there (b7 b6 of the data coding byte), as the description page keeps it. */
export const WRITE = { update: 0, once: 1, or: 2, and: 3 } as const;
export const MF_ID = 0x3f00;
export const UNWRITTEN = 0xff;
const NO_PARENT = 0xff;
const DELETED = 0x00;
const DESCRIPTORS: readonly number[] = Object.values(FDB);

export interface Description {
  readonly descriptor: number;
  /** The file descriptor was given with its data coding byte. */
  readonly coded: boolean;
  /** One of WRITE, as the data coding byte says; without one: `update` as the page has it, OR as WRITE takes it. */
  readonly writing: number;
  readonly lifeCycle: number;
  readonly fid: number;
  /** Directory entry of the DF above; undefined: the MF. */
  readonly parent: number | undefined;
  /** 0: none. */
  readonly sfi: number;
  /** EEPROM address of the body (EF) or of the page pair with keys and PIN (DF). */
  readonly body: number;
  readonly size: number;
  readonly recordSize: number;
  readonly recordCount: number;
  readonly head: number;
  readonly name: Uint8Array;
  readonly attributes: Uint8Array;
  /** The attributes are compact ones (8C), not expanded (AB). */
  readonly compact: boolean;
  readonly rules: readonly Rule[];
  /** Linear variable: length of each record, FF unwritten. */
  readonly lengths: Uint8Array;
}

export interface File extends Description {
  readonly entry: number;
}

interface Place {
  readonly side: 0 | 1;
  readonly sequence: number;
}

export const isDf = (file: Description): boolean => file.descriptor === FDB.df;
/** Before ACTIVATE FILE: rules do not apply yet. */
export const isBeforeActivation = (file: Description): boolean =>
  file.lifeCycle === LCS.creation || file.lifeCycle === LCS.initialisation;
/** Erased state of a unit: WRITE that ORs begins with zeros. */
export const erasedByte = ({ coded, writing }: Pick<Description, "coded" | "writing">): number =>
  !coded || writing === WRITE.or ? 0x00 : 0xff;
export const pagesOf = (file: Description): number => (isDf(file) ? 2 : Math.ceil(file.size / pageSize));

/** All files of the card: the pages in EEPROM, and an index of them in RAM that is built at reset. */
export class Directory {
  readonly #chip: Chip;
  readonly #places: (Place | undefined)[] = Array.from({ length: ENTRIES }, () => undefined);
  /** Bodies of files whose newest description says deleted. */
  readonly #deleted: ({ readonly from: number; readonly pages: number } | undefined)[] = [];
  readonly #files: (File | undefined)[] = Array.from({ length: ENTRIES }, () => undefined);

  constructor(chip: Chip) {
    this.#chip = chip;
  }

  load(): void {
    const bytes = this.#chip.read(DIRECTORY, ENTRIES * 2 * pageSize);
    for (let entry = 0; entry < ENTRIES; entry++) {
      let newest: { readonly page: Uint8Array; readonly place: Place } | undefined;
      for (const side of [0, 1] as const) {
        const from = (2 * entry + side) * pageSize;
        const page = bytes.subarray(from, from + pageSize);
        const descriptor = page[DESCRIPTION.descriptor] ?? 0;
        if ((descriptor !== DELETED && !DESCRIPTORS.includes(descriptor)) || !isSealed(page)) continue;
        const sequence = u16(page, DESCRIPTION.sequence);
        if (newest === undefined || ((sequence - newest.place.sequence) & 0xffff) < 0x8000) {
          newest = { page, place: { side, sequence } };
        }
      }
      this.#places[entry] = newest?.place;
      this.#files[entry] = newest === undefined ? undefined : readDescription(entry, newest.page);
      this.#deleted[entry] = newest === undefined ? undefined : readDeleted(newest.page);
    }
  }

  at(entry: number | undefined): File | undefined {
    return entry === undefined ? undefined : this.#files[entry];
  }

  get root(): File | undefined {
    return this.find((file) => file.parent === undefined);
  }

  find(wanted: (file: File) => boolean): File | undefined {
    for (const file of this.#files) if (file !== undefined && wanted(file)) return file;
    return undefined;
  }

  dfs(): File[] {
    return this.all(isDf);
  }

  /** In the order of their directory entries. */
  all(wanted: (file: File) => boolean): File[] {
    return this.#files.filter((file) => file !== undefined).filter(wanted);
  }

  child(df: File, fid: number): File | undefined {
    return this.find((file) => file.parent === df.entry && file.fid === fid);
  }

  bySfi(df: File, sfi: number): File | undefined {
    return this.find((file) => file.parent === df.entry && file.sfi === sfi);
  }

  byName(name: Uint8Array): File | undefined {
    return this.find((file) => file.name.length > 0 && same(file.name, name));
  }

  /** The file or a DF above it is deactivated or terminated. */
  isDeactivated(file: File): boolean {
    return this.withAbove(file).some(
      ({ lifeCycle }) => lifeCycle === LCS.deactivated || lifeCycle === LCS.terminated,
    );
  }

  /** The file or a DF above it is terminated. */
  isTerminated(file: File): boolean {
    return this.withAbove(file).some(({ lifeCycle }) => lifeCycle === LCS.terminated);
  }

  /** The file and all DFs above it, the MF last. */
  withAbove(file: File): File[] {
    const line: File[] = [];
    for (let at: File | undefined = file; at !== undefined; at = this.at(at.parent)) line.push(at);
    return line;
  }

  /** EEPROM address of the description page in force. */
  address(file: File): number {
    return DIRECTORY + (2 * file.entry + (this.#places[file.entry]?.side ?? 0)) * pageSize;
  }

  /** First directory entry and first piece of the body area that are free; undefined: no memory. */
  allocate(file: Omit<Description, "body">): { readonly entry: number; readonly body: number } | undefined {
    if (file.name.length + file.attributes.length + file.lengths.length > REST) return undefined;
    const entry = this.#files.indexOf(undefined);
    const body = this.freeBodies(pagesOf({ ...file, body: 0 }));
    return entry < 0 || body === undefined ? undefined : { entry, body };
  }

  /** Address of the first free piece of so many body pages. */
  freeBodies(pages: number): number | undefined {
    const taken = this.#files
      .filter((other) => other !== undefined)
      .map((other) => ({ from: other.body, to: other.body + pagesOf(other) * pageSize }))
      .sort((a, b) => a.from - b.from);
    let body = BODIES;
    for (const { from, to } of taken) {
      if (from - body >= pages * pageSize) break;
      body = to;
    }
    return body + pages * pageSize > BUFFER ? undefined : body;
  }

  /** Erases the body first (a DF's page pair too: what lay there before is no key of this DF), then the description makes the file exist. */
  create(
    file: Omit<Description, "body">,
    { entry, body }: { entry: number; body: number },
    erased = 0xff,
  ): File {
    const made = { ...file, body, entry };
    this.#chip.fill(body, pagesOf(made), isDf(made) ? 0xff : erased);
    return this.save(made);
  }

  /** One page write; the old description stays until the new one is whole. */
  save(file: File): File {
    this.#write(file.entry, (page) => writeDescription(page, file));
    this.#files[file.entry] = file;
    this.#deleted[file.entry] = undefined;
    return file;
  }

  /** The file is gone with one page write; then its body is erased. */
  remove(file: File): void {
    const pages = pagesOf(file);
    this.#write(file.entry, (page) => {
      page[DESCRIPTION.descriptor] = DELETED;
      writeU16(page, DESCRIPTION.bodyPage, file.body / pageSize);
      writeU16(page, DESCRIPTION.size, pages);
    });
    this.#files[file.entry] = undefined;
    this.#deleted[file.entry] = { from: file.body, pages };
    this.#chip.fill(file.body, pages, 0xff);
  }

  /** After a reset: erases what a torn `remove` left, as far as no other file lies there by now. */
  finishRemoving(): void {
    for (const { from, pages } of this.#deleted.filter((body) => body !== undefined)) {
      for (let at = from; at < from + pages * pageSize && at < BUFFER; at += pageSize) {
        const taken = this.find((file) => at >= file.body && at < file.body + pagesOf(file) * pageSize);
        if (taken === undefined && this.#chip.read(at, pageSize).some((byte) => byte !== 0xff))
          this.#chip.fill(at, 1, 0xff);
      }
    }
  }

  #write(entry: number, fill: (page: Uint8Array) => void): void {
    const place = this.#places[entry];
    const sequence = ((place?.sequence ?? 0) + 1) & 0xffff;
    const side = place?.side === 0 ? 1 : 0;
    const page = new Uint8Array(pageSize);
    page[DESCRIPTION.sequence] = sequence >> 8;
    page[DESCRIPTION.sequence + 1] = sequence & 0xff;
    fill(page);
    this.#chip.write(DIRECTORY + (2 * entry + side) * pageSize, seal(page));
    this.#places[entry] = { side, sequence };
  }
}

function writeU16(page: Uint8Array, at: number, value: number): void {
  page[at] = value >> 8;
  page[at + 1] = value & 0xff;
}

function writeDescription(page: Uint8Array, file: File): void {
  const at = DESCRIPTION;
  page[at.descriptor] = file.descriptor;
  page[at.lifeCycle] = file.lifeCycle;
  writeU16(page, at.fid, file.fid);
  page[at.parent] = file.parent ?? NO_PARENT;
  page[at.sfi] = file.sfi | (file.coded ? 0x80 : 0) | (file.compact ? 0x40 : 0);
  writeU16(page, at.bodyPage, file.body / pageSize);
  writeU16(page, at.size, file.size);
  page[at.recordSize] = file.recordSize;
  page[at.head] = file.head;
  page[at.recordCount] = file.recordCount;
  page[at.nameLength] = file.name.length | (file.writing << 6);
  page[at.rulesLength] = file.attributes.length;
  page.set(join(file.name, file.attributes, file.lengths), at.rest);
}

function readDeleted(page: Uint8Array): { readonly from: number; readonly pages: number } | undefined {
  if (page[DESCRIPTION.descriptor] !== DELETED) return undefined;
  const from = u16(page, DESCRIPTION.bodyPage) * pageSize;
  return from < BODIES ? undefined : { from, pages: u16(page, DESCRIPTION.size) };
}

function readDescription(entry: number, page: Uint8Array): File | undefined {
  const at = DESCRIPTION;
  const byte = (offset: number): number => page[offset] ?? 0;
  const descriptor = byte(at.descriptor);
  if (descriptor === DELETED) return undefined;
  const rulesFrom = at.rest + (byte(at.nameLength) & 0x3f);
  const lengthsFrom = rulesFrom + byte(at.rulesLength);
  const lengths = descriptor === FDB.linearVariable ? byte(at.recordCount) : 0;
  const attributes = page.slice(rulesFrom, lengthsFrom);
  const compact = (byte(at.sfi) & 0x40) !== 0;
  return {
    entry,
    descriptor,
    coded: (byte(at.sfi) & 0x80) !== 0,
    writing: byte(at.nameLength) >> 6,
    lifeCycle: byte(at.lifeCycle),
    fid: u16(page, at.fid),
    parent: byte(at.parent) === NO_PARENT ? undefined : byte(at.parent),
    sfi: byte(at.sfi) & 0x1f,
    body: u16(page, at.bodyPage) * pageSize,
    size: u16(page, at.size),
    recordSize: byte(at.recordSize),
    recordCount: byte(at.recordCount),
    head: byte(at.head),
    name: page.slice(at.rest, rulesFrom),
    attributes,
    compact,
    rules: (compact ? readCompactRules(attributes) : readWideRules(attributes)) ?? [],
    lengths: page.slice(lengthsFrom, lengthsFrom + lengths),
  };
}
