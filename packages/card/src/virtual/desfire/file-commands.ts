/** The commands on files of the selected application (docs/desfire-card.md, 3). */
import { type Data, dataPages } from "./data.js";
import { modeFor, own, rightsOf } from "./rights.js";
import type { Answer, Session } from "./session.js";
import { from24, from32, i32, refuse, status, u24 } from "./status.js";
import { type Application, type FileHeader, fileKind, type Store } from "./store.js";

/** What is selected, and who may do what with it. */
export interface Gate {
  application(): Application;
  mustList(): void;
  mustCreate(): void;
}

const nothing = new Uint8Array(0);

const creates: Readonly<Record<number, { readonly kind: number; readonly length: number }>> = {
  0xcd: { kind: fileKind.standard, length: 7 },
  0xcb: { kind: fileKind.backup, length: 7 },
  0xcc: { kind: fileKind.value, length: 17 },
  0xc1: { kind: fileKind.linear, length: 10 },
  0xc0: { kind: fileKind.cyclic, length: 10 },
};

export class FileCommands {
  readonly #session: Session;
  readonly #store: Store;
  readonly #data: Data;
  readonly #gate: Gate;

  constructor(session: Session, store: Store, data: Data, gate: Gate) {
    this.#session = session;
    this.#store = store;
    this.#data = data;
    this.#gate = gate;
  }

  /** Bytes that a command announces in its first ones; undefined: it is whole. */
  expected(ins: number, data: Uint8Array): number | undefined {
    if ((ins !== 0x3d && ins !== 0x3b) || data.length < 7) return undefined;
    const file = this.#file(data[0] ?? 0);
    const mode = this.#mode(file, ["write", "readWrite"]);
    const length = u24(data, 4);
    return this.#session.length(mode, 7, length);
  }

  perform(ins: number, data: Uint8Array): Answer {
    const creating = creates[ins];
    if (creating !== undefined)
      return this.#session.managed(ins, data, creating.length, (clear) =>
        this.#createFile(creating.kind, clear),
      );
    switch (ins) {
      case 0x6f:
        return this.#session.managed(ins, data, 0, () => {
          const application = this.#gate.application();
          this.#gate.mustList();
          return this.#store.files(application).map(({ number }) => number);
        });
      case 0xf5:
        return this.#session.managed(ins, data, 1, ([number = 0]) => {
          this.#gate.mustList();
          return settingsOf(this.#file(number));
        });
      case 0x5f:
        return this.#changeFile(ins, data);
      case 0xdf:
        return this.#session.managed(ins, data, 1, ([number = 0]) => {
          this.#gate.mustCreate();
          this.#store.removeFile(this.#file(number));
          return [];
        });
      case 0xeb:
        return this.#session.managed(ins, data, 1, ([number = 0]) => {
          const file = this.#file(number);
          this.#mode(file, ["readWrite"]);
          this.#data.clear(file);
          return [];
        });
      case 0xc7:
        return this.#session.managed(ins, data, 0, () => {
          this.#data.commit();
          return [];
        });
      case 0xa7:
        return this.#session.managed(ins, data, 0, () => {
          if (!this.#data.isPending()) refuse(status.noChanges);
          this.#data.abort();
          return [];
        });
      case 0xbd:
      case 0xbb:
        return this.#read(ins, data);
      case 0x6c:
        return this.#value(ins, data);
      case 0x3d:
      case 0x3b:
        return this.#write(ins, data);
      case 0x0c:
      case 0xdc:
        return this.#changeValue(ins, data);
      default:
        return refuse(status.illegalCommand);
    }
  }

  #file(number: number): FileHeader {
    const file = this.#store.files(this.#gate.application()).find((candidate) => candidate.number === number);
    return file ?? refuse(status.fileNotFound);
  }

  #mode(file: FileHeader, wanted: readonly ("read" | "write" | "readWrite")[]): 0 | 1 | 3 {
    const rights = rightsOf(file);
    const mode = modeFor(
      file,
      wanted.map((right) => rights[right]),
      this.#session.key,
    );
    return mode ?? refuse(this.#session.key === undefined ? status.authentication : status.permission);
  }

  #createFile(kind: number, clear: Uint8Array): number[] {
    const application = this.#gate.application();
    this.#gate.mustCreate();
    const [number = 0, comm = 0, first = 0, second = 0] = clear;
    if (number > 0x1f || (comm !== 0 && comm !== 1 && comm !== 3)) refuse(status.parameter);
    const files = this.#store.files(application);
    if (files.some((file) => file.number === number)) refuse(status.duplicate);
    const shape =
      kind === fileKind.value
        ? [i32(clear, 4), i32(clear, 8), clear[16] ?? 0]
        : [u24(clear, 4), ...(clear.length > 7 ? [u24(clear, 7)] : [])];
    const [size = 0, slots = 1] = shape;
    const start = kind === fileKind.value ? i32(clear, 12) : 0;
    const fits =
      kind === fileKind.value
        ? size <= slots && start >= size && start <= slots
        : size > 0 && slots > (kind === fileKind.cyclic ? 1 : 0);
    if (!fits) refuse(status.parameter);
    this.#store.addFile(
      {
        application: application.page,
        number,
        kind,
        comm,
        access: [first, second],
        shape,
        moving: [start, 0],
      },
      dataPages(kind, shape),
    );
    return [];
  }

  #changeFile(ins: number, data: Uint8Array): Answer {
    const file = this.#file(data[0] ?? 0);
    const { change } = rightsOf(file);
    const free = change === 0xe;
    if (!free && this.#session.key !== change)
      refuse(this.#session.key === undefined ? status.authentication : status.permission);
    const clear = this.#session.opened(ins, data, free ? own : 3, 1, 3);
    const [comm = 0, first = 0, second = 0] = clear;
    if (clear.length !== 3) refuse(status.length);
    if (comm !== 0 && comm !== 1 && comm !== 3) refuse(status.parameter);
    this.#store.setFile({ ...file, comm, access: [first, second] });
    return this.#session.sealed(nothing, own);
  }

  #read(ins: number, data: Uint8Array): Answer {
    const file = this.#file(data[0] ?? 0);
    const mode = this.#mode(file, ["read", "readWrite"]);
    if (this.#session.opened(ins, data, mode === 0 ? 0 : own, 7).length !== 0) refuse(status.length);
    const [offset, length] = [u24(data, 1), u24(data, 4)];
    const found =
      ins === 0xbd ? this.#data.read(file, offset, length) : this.#data.records(file, offset, length);
    return this.#session.sealed(found, mode);
  }

  #value(ins: number, data: Uint8Array): Answer {
    const file = this.#file(data[0] ?? 0);
    const mode = this.#mode(file, ["read", "write", "readWrite"]);
    if (this.#session.opened(ins, data, mode === 0 ? 0 : own, 1).length !== 0) refuse(status.length);
    return this.#session.sealed(Uint8Array.from(from32(this.#data.value(file))), mode);
  }

  #write(ins: number, data: Uint8Array): Answer {
    const file = this.#file(data[0] ?? 0);
    const mode = this.#mode(file, ["write", "readWrite"]);
    const [offset, length] = [u24(data, 1), u24(data, 4)];
    const clear = this.#session.opened(ins, data, mode, 7, length);
    if (clear.length !== length) refuse(status.length);
    if (ins === 0x3d) this.#data.write(file, offset, clear);
    else this.#data.writeRecord(file, offset, clear);
    return this.#session.sealed(nothing, mode === 0 ? 0 : 1);
  }

  #changeValue(ins: number, data: Uint8Array): Answer {
    const file = this.#file(data[0] ?? 0);
    const mode = this.#mode(file, ins === 0x0c ? ["readWrite"] : ["read", "write", "readWrite"]);
    const clear = this.#session.opened(ins, data, mode, 1, 4);
    const amount = i32(clear, 0);
    if (clear.length !== 4) refuse(status.length);
    if (amount < 0) refuse(status.parameter);
    this.#data.changeValue(file, ins === 0x0c ? amount : -amount);
    return this.#session.sealed(nothing, mode === 0 ? 0 : 1);
  }
}

function settingsOf(file: FileHeader): number[] {
  const [first = 0, second = 0, third = 0] = file.shape;
  const head = [file.kind, file.comm, ...file.access];
  if (file.kind === fileKind.value)
    return [...head, ...from32(first), ...from32(second), ...from32(0), third];
  if (file.kind === fileKind.standard || file.kind === fileKind.backup) return [...head, ...from24(first)];
  return [...head, ...from24(first), ...from24(second), ...from24(file.moving[0])];
}
