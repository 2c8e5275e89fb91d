/** Files and what is in them: data, values, records, and the transaction that makes several changes one (docs/desfire-card.md, 2). */
import { pageSize } from "../layout.js";
import { type FileHeader, fileKind, type Store } from "./store.js";
import { refuse, status } from "./status.js";

const pagesFor = (bytes: number): number => Math.ceil(bytes / pageSize);

/** Most files that one commit can change: what the log holds. */
export const mostInCommit = 5;

/** Pages of data that a file of this kind and shape takes. */
export function dataPages(kind: number, shape: readonly number[]): number {
  const [first = 0, second = 0] = shape;
  switch (kind) {
    case fileKind.standard:
      return pagesFor(first);
    case fileKind.backup:
      return 2 * pagesFor(first);
    case fileKind.value:
      return 0;
    default:
      return pagesFor(first * second);
  }
}

export class Data {
  readonly #store: Store;
  /** Headers as they will be once committed, by page. */
  readonly #pending = new Map<number, FileHeader>();
  /** Record files whose pending record has been begun. */
  readonly #begun = new Set<number>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Forgets whatever was not committed. */
  abort(): void {
    this.#pending.clear();
    this.#begun.clear();
  }

  commit(): void {
    if (this.#pending.size === 0) refuse(status.noChanges);
    this.#store.commit([...this.#pending.values()]);
    this.abort();
  }

  isPending(): boolean {
    return this.#pending.size > 0;
  }

  /** How many bytes ReadData gives; refuses what is not all in the file. `length` 0: up to the end. */
  read(file: FileHeader, offset: number, length: number): Uint8Array {
    this.#mustBeData(file);
    const [size = 0] = file.shape;
    const count = length === 0 ? size - offset : length;
    if (count < 1 || offset + count > size) refuse(status.boundary);
    return this.#store.read(file, copyAt(file, file.moving[0]) + offset, count);
  }

  /** A standard file is written at once, page by page; a backup file's other copy at once, which counts after the commit. */
  write(file: FileHeader, offset: number, data: Uint8Array): void {
    this.#mustBeData(file);
    const [size = 0] = file.shape;
    if (offset + data.length > size) refuse(status.boundary);
    if (file.kind === fileKind.standard) return this.#store.write(file, offset, data);
    const [active] = file.moving;
    const other = active === 0 ? 1 : 0;
    if (!this.#pending.has(file.page)) {
      this.#stage({ ...file, moving: [other, 0] });
      this.#store.write(file, copyAt(file, other), this.#store.read(file, copyAt(file, active), size));
    }
    this.#store.write(file, copyAt(file, other) + offset, data);
  }

  value(file: FileHeader): number {
    if (file.kind !== fileKind.value) refuse(status.permission);
    return file.moving[0];
  }

  changeValue(file: FileHeader, by: number): void {
    if (file.kind !== fileKind.value) refuse(status.permission);
    const [lower = 0, upper = 0] = file.shape;
    const next = (this.#pending.get(file.page) ?? file).moving[0] + by;
    if (next < lower || next > upper) refuse(status.boundary);
    this.#stage({ ...file, moving: [next, 0] });
  }

  /** `newest` 0 is the newest; `count` 0: all that are older too. The oldest comes first. */
  records(file: FileHeader, newest: number, count: number): Uint8Array {
    const { size, slots } = this.#mustBeRecords(file);
    const [held, next] = file.moving;
    const many = count === 0 ? held - newest : count;
    if (many < 1 || newest + many > held) refuse(status.boundary);
    const bytes = new Uint8Array(many * size);
    for (let nth = 0; nth < many; nth++) {
      const slot = (next - newest - many + nth + 2 * slots) % slots;
      bytes.set(this.#store.read(file, slot * size, size), nth * size);
    }
    return bytes;
  }

  recordSize(file: FileHeader): number {
    return this.#mustBeRecords(file).size;
  }

  /** Into the one record that the next commit adds; the rest of it is zero. */
  writeRecord(file: FileHeader, offset: number, data: Uint8Array): void {
    const { size, slots, most } = this.#mustBeRecords(file);
    const [held, next] = file.moving;
    if (offset + data.length > size) refuse(status.boundary);
    if (file.kind === fileKind.linear && held >= most) refuse(status.boundary);
    if (!this.#begun.has(file.page)) {
      this.#stage({ ...file, moving: [Math.min(held + 1, most), (next + 1) % slots] });
      this.#begun.add(file.page);
      this.#store.write(file, next * size, new Uint8Array(size));
    }
    this.#store.write(file, next * size + offset, data);
  }

  clear(file: FileHeader): void {
    this.#mustBeRecords(file);
    this.#stage({ ...file, moving: [0, 0] });
  }

  #stage(file: FileHeader): void {
    if (!this.#pending.has(file.page) && this.#pending.size >= mostInCommit) refuse(status.count);
    this.#pending.set(file.page, file);
  }

  #mustBeData(file: FileHeader): void {
    if (file.kind !== fileKind.standard && file.kind !== fileKind.backup) refuse(status.permission);
  }

  /** A cyclic file keeps one slot free for the record being written. */
  #mustBeRecords(file: FileHeader): { readonly size: number; readonly slots: number; readonly most: number } {
    if (file.kind !== fileKind.linear && file.kind !== fileKind.cyclic) refuse(status.permission);
    const [size = 0, slots = 0] = file.shape;
    return { size, slots, most: file.kind === fileKind.cyclic ? slots - 1 : slots };
  }
}

function copyAt(file: FileHeader, copy: number): number {
  return file.kind === fileKind.backup ? copy * pagesFor(file.shape[0] ?? 0) * pageSize : 0;
}
