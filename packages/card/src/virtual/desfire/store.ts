/**
 * How the card keeps itself in its pages (docs/desfire-card.md, 2): one record of the card, a list of objects that only grows, and a log
 * that makes a commit of several files one event. Every change of a header is one page pair, so that a tear leaves the old or the new.
 */
import { crc32 } from "../crc32.js";
import { pageSize } from "../layout.js";
import { type Memory, pairPage } from "../memory.js";
import { refuse, status } from "./status.js";

const at = { identity: 0x0000, picc: 0x0040, log: 0x00c0 } as const;
const firstObject = 5;
const tag = { application: 0xa1, file: 0xf1 } as const;
/** Keys in one page pair: 17 bytes each. */
const keysAPair = 3;
const keyLength = 17;

export interface Picc {
  /** First free page. */
  readonly end: number;
  readonly noFormat: boolean;
  readonly randomUid: boolean;
  readonly settings: number;
  /** 16 bytes and the version. */
  readonly key: Uint8Array;
}

export interface Application {
  readonly page: number;
  readonly aid: number;
  readonly settings: number;
  readonly keys: number;
}

export const fileKind = { standard: 0, backup: 1, value: 2, linear: 3, cyclic: 4 } as const;

/** A file's header. `moving`: what a commit changes, four bytes. */
export interface FileHeader {
  readonly page: number;
  readonly pages: number;
  readonly application: number;
  readonly number: number;
  readonly kind: number;
  readonly comm: number;
  /** Two bytes as CreateFile takes them. */
  readonly access: readonly [number, number];
  /** Size; or record size and number of records; or lower and upper limit and the limited-credit flag. */
  readonly shape: readonly number[];
  /** Backup: which copy counts; value: the value; records: how many there are, and where the next goes. */
  readonly moving: readonly [number, number];
}

interface Entry {
  readonly tag: number;
  readonly page: number;
  readonly pages: number;
  readonly alive: boolean;
  readonly body: Uint8Array;
}

const u16 = (bytes: Uint8Array, where: number): number =>
  ((bytes[where] ?? 0) << 8) | (bytes[where + 1] ?? 0);
const from16 = (n: number): number[] => [n >> 8, n & 0xff];

/** The first page: UID (7) ‖ batch (5) ‖ week and year of production (2), rest FF, CRC-32 (4). */
export function identityPage(uid: Uint8Array): Uint8Array {
  if (uid.length !== 7) throw new RangeError(`a UID has 7 bytes, not ${uid.length}`);
  const page = new Uint8Array(pageSize).fill(0xff);
  page.set([...uid, 0xba, 0x54, 0x57, 0x05, 0x40, 0x48, 0x26]);
  new DataView(page.buffer).setUint32(60, crc32(page, 0, 60));
  return page;
}

export function isIdentityPage(page: Uint8Array): boolean {
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  return page.length === pageSize && crc32(page, 0, 60) === view.getUint32(60);
}

/** All pages of a card as its maker delivers it: no application, the published key of sixteen zeros. */
export function freshPages(uid: Uint8Array, pages: number): Uint8Array {
  const bytes = new Uint8Array(pages * pageSize).fill(0xff);
  bytes.set(identityPage(uid), at.identity);
  bytes.set(pairPage(1, piccContent({ ...freshPicc, key: new Uint8Array(keyLength) })), at.picc);
  return bytes;
}

const freshPicc = { end: firstObject, noFormat: false, randomUid: false, settings: 0x0f } as const;

function piccContent(picc: Picc): Uint8Array {
  const flags = (picc.noFormat ? 1 : 0) | (picc.randomUid ? 2 : 0);
  return Uint8Array.of(...from16(picc.end), flags, picc.settings, ...picc.key);
}

export class Store {
  readonly #memory: Memory;
  #picc: Picc = { ...freshPicc, key: new Uint8Array(keyLength) };
  #entries = new Map<number, Entry>();

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  /** Reads everything and finishes a commit that the power cut short; false for silicon that is no such card. */
  start(): boolean {
    const identity = this.#memory.read(at.identity, pageSize);
    const record = this.#memory.readPair(at.picc);
    if (record === undefined || !isIdentityPage(identity)) return false;
    const flags = record[2] ?? 0;
    this.#picc = {
      end: u16(record, 0),
      noFormat: (flags & 1) !== 0,
      randomUid: (flags & 2) !== 0,
      settings: record[3] ?? 0,
      key: record.slice(4, 4 + keyLength),
    };
    this.#entries = new Map();
    for (let page = firstObject; page < this.#picc.end; ) {
      const content = this.#memory.readPair(page * pageSize);
      if (content === undefined) return false;
      const entry = entryOf(page, content);
      this.#entries.set(page, entry);
      page += entry.pages;
    }
    this.#finishCommit();
    this.#forgetOldKeys();
    return true;
  }

  /** A tear may have left a replaced key in the older page of its pair. */
  #forgetOldKeys(): void {
    this.#memory.tidyPair(at.picc);
    for (const application of this.applications())
      for (let key = 0; key < application.keys; key += keysAPair)
        this.#memory.tidyPair(this.#keyPair(application, key));
  }

  /** UID, batch and date of production: 14 bytes. */
  get identity(): Uint8Array {
    return this.#memory.read(at.identity, 14);
  }

  get picc(): Picc {
    return this.#picc;
  }

  setPicc(change: Partial<Omit<Picc, "end">>): void {
    const picc = { ...this.#picc, ...change };
    if (change.key === undefined) return this.#writePicc(picc);
    this.#memory.replacePair(at.picc, piccContent(picc));
    this.#picc = picc;
  }

  get freeBytes(): number {
    return (this.#memory.pages - this.#picc.end) * pageSize;
  }

  applications(): Application[] {
    return this.#alive(tag.application).map(({ page, body }) => ({
      page,
      aid: ((body[0] ?? 0) << 16) | u16(body, 1),
      settings: body[3] ?? 0,
      keys: body[4] ?? 0,
    }));
  }

  addApplication(fresh: Omit<Application, "page">): void {
    const pairs = Math.ceil(fresh.keys / keysAPair);
    const page = this.#reserve(2 + 2 * pairs);
    for (let pair = 0; pair < pairs; pair++) {
      const keys = Math.min(keysAPair, fresh.keys - pair * keysAPair);
      this.#memory.writePair((page + 2 + 2 * pair) * pageSize, new Uint8Array(keys * keyLength));
    }
    this.#add({
      tag: tag.application,
      page,
      pages: 2 + 2 * pairs,
      alive: true,
      body: applicationBody(fresh),
    });
  }

  setApplication(application: Application): void {
    this.#replace(application.page, applicationBody(application));
  }

  /** Its files go with it: they are found through it only. Its keys are overwritten at once. */
  removeApplication(application: Application): void {
    this.#bury(application.page);
    for (let key = 0; key < application.keys; key += keysAPair)
      this.#memory.fill(this.#keyPair(application, key), 2, 0xff);
  }

  /** 16 bytes and the version. */
  key(application: Application, number: number): Uint8Array {
    const pair = this.#memory.readPair(this.#keyPair(application, number)) ?? refuse(status.memory);
    const from = (number % keysAPair) * keyLength;
    return pair.slice(from, from + keyLength);
  }

  setKey(application: Application, number: number, key: Uint8Array): void {
    const address = this.#keyPair(application, number);
    const pair = this.#memory.readPair(address) ?? refuse(status.memory);
    pair.set(key, (number % keysAPair) * keyLength);
    this.#memory.replacePair(address, pair);
  }

  files(application: Application): FileHeader[] {
    return this.#alive(tag.file)
      .map(fileOf)
      .filter((file) => file.application === application.page);
  }

  /** `pages`: of data. The data area is erased. */
  addFile(fresh: Omit<FileHeader, "page" | "pages">, pages: number): void {
    const page = this.#reserve(2 + pages);
    if (pages > 0) this.#memory.fill((page + 2) * pageSize, pages, 0x00);
    this.#add({ tag: tag.file, page, pages: 2 + pages, alive: true, body: fileBody(fresh) });
  }

  setFile(file: FileHeader): void {
    this.#replace(file.page, fileBody(file));
  }

  removeFile(file: FileHeader): void {
    this.#bury(file.page);
    if (file.pages > 2) this.#memory.fill((file.page + 2) * pageSize, file.pages - 2, 0xff);
  }

  read(file: FileHeader, offset: number, length: number): Uint8Array {
    return this.#memory.read((file.page + 2) * pageSize + offset, length);
  }

  write(file: FileHeader, offset: number, data: Uint8Array): void {
    this.#memory.write((file.page + 2) * pageSize + offset, data);
  }

  /** All of them or none, whatever happens to the power. At most five. */
  commit(files: readonly FileHeader[]): void {
    if (files.length > 1) {
      const entries = files.flatMap(({ page, moving }) => [...from16(page), ...moving.flatMap(four)]);
      // Two bytes of place and eight of news each: five in a pair.
      this.#memory.writePair(at.log, Uint8Array.from(entries));
    }
    for (const file of files) this.setFile(file);
    if (files.length > 1) this.#memory.writePair(at.log, new Uint8Array(0));
  }

  /** Back to a card without applications; the card's own key and settings stay. */
  format(): void {
    const { end } = this.#picc;
    this.#writePicc({ ...this.#picc, end: firstObject });
    this.#entries.clear();
    this.#memory.fill(firstObject * pageSize, end - firstObject, 0xff);
  }

  #finishCommit(): void {
    const log = this.#memory.readPair(at.log) ?? new Uint8Array(0);
    if (log.length === 0) return;
    const view = new DataView(log.buffer, log.byteOffset);
    for (let where = 0; where + 10 <= log.length; where += 10) {
      const entry = this.#entries.get(u16(log, where));
      if (entry?.tag === tag.file)
        this.setFile({ ...fileOf(entry), moving: [view.getInt32(where + 2), view.getInt32(where + 6)] });
    }
    this.#memory.writePair(at.log, new Uint8Array(0));
  }

  #keyPair(application: Application, number: number): number {
    return (application.page + 2 + 2 * Math.floor(number / keysAPair)) * pageSize;
  }

  #alive(which: number): Entry[] {
    return [...this.#entries.values()].filter((entry) => entry.tag === which && entry.alive);
  }

  #reserve(pages: number): number {
    const page = this.#picc.end;
    if (page + pages > this.#memory.pages) refuse(status.outOfMemory);
    return page;
  }

  /** An object exists from the moment the card's record ends behind it. */
  #add(entry: Entry): void {
    this.#memory.writePair(entry.page * pageSize, contentOf(entry));
    this.#writePicc({ ...this.#picc, end: entry.page + entry.pages });
    this.#entries.set(entry.page, entry);
  }

  #replace(page: number, body: Uint8Array): void {
    const old = this.#entries.get(page) ?? refuse(status.memory);
    this.#put({ ...old, body });
  }

  #bury(page: number): void {
    const old = this.#entries.get(page) ?? refuse(status.memory);
    this.#put({ ...old, alive: false });
  }

  #put(entry: Entry): void {
    this.#memory.writePair(entry.page * pageSize, contentOf(entry));
    this.#entries.set(entry.page, entry);
  }

  #writePicc(picc: Picc): void {
    this.#memory.writePair(at.picc, piccContent(picc));
    this.#picc = picc;
  }
}

const contentOf = ({ tag: kind, pages, alive, body }: Entry): Uint8Array =>
  Uint8Array.of(kind, ...from16(pages), alive ? 1 : 0, ...body);

function entryOf(page: number, content: Uint8Array): Entry {
  const pages = Math.max(u16(content, 1), 2);
  return { tag: content[0] ?? 0, page, pages, alive: content[3] === 1, body: content.slice(4) };
}

function applicationBody({ aid, settings, keys }: Omit<Application, "page">): Uint8Array {
  return Uint8Array.of(aid >> 16, ...from16(aid & 0xffff), settings, keys);
}

const four = (n: number): number[] => [(n >> 24) & 0xff, (n >> 16) & 0xff, (n >> 8) & 0xff, n & 0xff];

/** Owner (2) ‖ number ‖ kind ‖ communication ‖ rights (2) ‖ shape (3 × 4) ‖ what moves (2 × 4). */
function fileBody(file: Omit<FileHeader, "page" | "pages">): Uint8Array {
  const { application, number, kind, comm, access, shape, moving } = file;
  const numbers = [0, 1, 2].flatMap((which) => four(shape[which] ?? 0));
  return Uint8Array.of(
    ...from16(application),
    number,
    kind,
    comm,
    ...access,
    ...numbers,
    ...moving.flatMap(four),
  );
}

function fileOf({ page, pages, body }: Entry): FileHeader {
  const view = new DataView(body.buffer, body.byteOffset);
  const [number = 0, kind = 0, comm = 0, first = 0, second = 0] = body.subarray(2, 7);
  return {
    page,
    pages,
    application: u16(body, 0),
    number,
    kind,
    comm,
    access: [first, second],
    shape: [7, 11, 15].map((where) => view.getInt32(where)),
    moving: [view.getInt32(19), view.getInt32(23)],
  };
}
