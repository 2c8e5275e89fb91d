/** The commands of a DESFire-style card, one at a time (docs/desfire-card.md, 3 and 4). */
import type { BlockCipher, Crypto } from "../../crypto/index.js";
import { cardCrc, type Channel, Ev1Channel, Ev2Channel, type Mode, rotated, same } from "./channel.js";
import { Data, dataPages } from "./data.js";
import { allows, mayChangeKey, modeFor, own, rightsOf } from "./rights.js";
import { from24, from32, i32, refuse, status, u24 } from "./status.js";
import { type Application, type FileHeader, fileKind, type Store } from "./store.js";

export interface Chip {
  readonly crypto: Crypto;
  random(length: number): Uint8Array;
  spendAes(blocks: number): void;
  /** Planted: the card's own key is not the one its maker was to leave. */
  readonly hasOtherKey: boolean;
}

/** An answer's data, and after how many bytes its frames end when they are not simply full. */
export interface Answer {
  readonly data: Uint8Array;
  readonly status?: number;
  readonly cuts?: readonly number[];
}

interface Half {
  readonly ins: number;
  readonly key: number;
  readonly cipher: BlockCipher;
  readonly b: Uint8Array;
  readonly iv: Uint8Array;
}

const mostApplications = 28;
const done: Answer = { data: new Uint8Array(0) };
const bytes = (...of: readonly number[]): Uint8Array => Uint8Array.from(of);

const creates: Readonly<Record<number, { readonly kind: number; readonly length: number }>> = {
  0xcd: { kind: fileKind.standard, length: 7 },
  0xcb: { kind: fileKind.backup, length: 7 },
  0xcc: { kind: fileKind.value, length: 17 },
  0xc1: { kind: fileKind.linear, length: 10 },
  0xc0: { kind: fileKind.cyclic, length: 10 },
};

export class System {
  readonly #chip: Chip;
  readonly #store: Store;
  readonly #data: Data;
  /** AID of the selected application; 0: the card itself. */
  #aid = 0;
  #channel: Channel | undefined;
  #half: Half | undefined;

  constructor(chip: Chip, store: Store) {
    this.#chip = chip;
    this.#store = store;
    this.#data = new Data(store);
  }

  /** Power came, or a command was refused: no session, nothing pending. */
  forget(): void {
    this.#channel?.wipe();
    this.#channel = undefined;
    this.#dropHalf();
    this.#data.abort();
  }

  /** An authentication that was begun and is not gone on with. */
  #dropHalf(): void {
    this.#half?.cipher.wipe();
    this.#half = undefined;
  }

  reset(): void {
    this.forget();
    this.#aid = 0;
  }

  /** Whether the next AF is the second half of an authentication. */
  get awaitsProof(): boolean {
    return this.#half !== undefined;
  }

  /** Bytes that a command announces in its first ones; undefined: it is whole. */
  expected(ins: number, data: Uint8Array): number | undefined {
    if ((ins !== 0x3d && ins !== 0x3b) || data.length < 7) return undefined;
    const file = this.#file(data[0] ?? 0);
    const mode = this.#mode(file, ["write", "readWrite"]);
    const length = u24(data, 4);
    return this.#channel === undefined ? 7 + length : this.#channel.length(mode, 7, length);
  }

  perform(ins: number, data: Uint8Array): Answer {
    this.#chip.spendAes(2 + Math.ceil(data.length / 8));
    if (ins !== 0xaf) this.#dropHalf();
    switch (ins) {
      case 0xaf:
        return this.#prove(data);
      case 0xaa:
      case 0x71:
      case 0x77:
        return this.#challenge(ins, data);
      case 0x5a:
        return this.#select(data);
      case 0x60:
        return this.#version(data);
      case 0x51:
        return this.#uid(data);
      case 0x6a:
        return this.#managed(ins, data, 0, () => {
          if (this.#aid !== 0) refuse(status.permission);
          this.#mustList();
          return this.#store.applications().flatMap(({ aid }) => from24(aid));
        });
      case 0x6e:
        return this.#managed(ins, data, 0, () => from24(this.#store.freeBytes));
      case 0x45:
        return this.#managed(ins, data, 0, () => {
          this.#mustList();
          return this.#aid === 0 ? [this.#store.picc.settings, 0x81] : this.#keyInfo(this.#application);
        });
      case 0x64:
        return this.#managed(ins, data, 1, ([key = 0]) => [this.#key(key)[16] ?? 0]);
      case 0xca:
        return this.#managed(ins, data, 5, (clear) => this.#create(clear));
      case 0xda:
        return this.#managed(ins, data, 3, (clear) => this.#delete(clear));
      case 0xfc:
        return this.#managed(ins, data, 0, () => this.#format());
      case 0x54:
        return this.#changeSettings(ins, data);
      case 0x5c:
        return this.#configure(ins, data);
      case 0xc4:
        return this.#changeKey(ins, data);
      default:
        return this.#performOnFile(ins, data);
    }
  }

  #performOnFile(ins: number, data: Uint8Array): Answer {
    const creating = creates[ins];
    if (creating !== undefined)
      return this.#managed(ins, data, creating.length, (clear) => this.#createFile(creating.kind, clear));
    switch (ins) {
      case 0x6f:
        return this.#managed(ins, data, 0, () => {
          const application = this.#application;
          this.#mustList();
          return this.#store.files(application).map(({ number }) => number);
        });
      case 0xf5:
        return this.#managed(ins, data, 1, ([number = 0]) => {
          this.#mustList();
          return settingsOf(this.#file(number));
        });
      case 0x5f:
        return this.#changeFile(ins, data);
      case 0xdf:
        return this.#managed(ins, data, 1, ([number = 0]) => {
          this.#mustCreate();
          this.#store.removeFile(this.#file(number));
          return [];
        });
      case 0xeb:
        return this.#managed(ins, data, 1, ([number = 0]) => {
          const file = this.#file(number);
          this.#mode(file, ["readWrite"]);
          this.#data.clear(file);
          return [];
        });
      case 0xc7:
        return this.#managed(ins, data, 0, () => {
          this.#data.commit();
          return [];
        });
      case 0xa7:
        return this.#managed(ins, data, 0, () => {
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

  // Sessions

  #challenge(ins: number, data: Uint8Array): Answer {
    const before = this.#channel;
    this.#data.abort();
    if (ins !== 0x77) {
      before?.wipe();
      this.#channel = undefined;
    } else if (!(before instanceof Ev2Channel)) refuse(status.permission);
    const [key = 0, capabilities = 0] = data;
    const length = ins === 0x71 ? 2 + capabilities : 1;
    if (data.length !== length || capabilities > 6) refuse(status.length);
    const cipher = this.#chip.crypto.aes(this.#key(key).subarray(0, 16));
    const b = this.#chip.random(16);
    const sealed = cipher.encrypt(b);
    this.#half = { ins, key, cipher, b, iv: sealed };
    return { data: sealed, status: status.more };
  }

  #prove(data: Uint8Array): Answer {
    const half = this.#half ?? refuse(status.aborted);
    this.#half = undefined;
    const { ins, key, cipher, b } = half;
    try {
      if (data.length !== 32) refuse(status.length);
      // EV1 chains through all three messages, EV2 begins each from zero.
      const plain = cipher.cbcDecrypt(ins === 0xaa ? half.iv : new Uint8Array(16), data);
      const a = plain.slice(0, 16);
      if (!same(plain.subarray(16), rotated(b))) refuse(status.authentication);
      const before = this.#channel;
      if (ins === 0xaa) {
        this.#channel = new Ev1Channel(this.#chip.crypto, key, a, b);
        return { data: cipher.cbcEncrypt(data.slice(16), rotated(a)) };
      }
      const again = ins === 0x77 && before instanceof Ev2Channel ? before : undefined;
      const transaction = again?.transaction ?? this.#chip.random(4);
      this.#channel = new Ev2Channel(
        this.#chip.crypto,
        { key, cipher, a, b },
        transaction,
        again?.counter ?? 0,
      );
      before?.wipe();
      const told =
        again === undefined ? bytes(...transaction, ...rotated(a), ...new Uint8Array(12)) : rotated(a);
      return { data: cipher.cbcEncrypt(new Uint8Array(16), told) };
    } finally {
      cipher.wipe();
      b.fill(0);
    }
  }

  /** A command that is no file's: `length` clear bytes in, something back, both as the session's generation does it. */
  #managed(
    ins: number,
    data: Uint8Array,
    length: number,
    work: (clear: Uint8Array) => Iterable<number>,
  ): Answer {
    const clear = this.#opened(ins, data, own, 0);
    if (clear.length !== length) refuse(status.length);
    return this.#sealed(Uint8Array.from(work(clear)), own);
  }

  /** `length`: clear bytes that follow `head`, which mode 3 needs to know. */
  #opened(ins: number, data: Uint8Array, mode: Mode, head: number, length = 0, trailer = 0): Uint8Array {
    if (this.#channel !== undefined) {
      const asSent = mode === "own" ? (this.#channel instanceof Ev2Channel ? 1 : 0) : mode;
      return this.#channel.open(ins, data, asSent, { head, length, trailer });
    }
    if (mode === 1 || mode === 3) refuse(status.authentication);
    return data.subarray(head);
  }

  #sealed(data: Uint8Array, mode: Mode, cuts?: readonly number[]): Answer {
    const asSent = mode === "own" ? 1 : mode;
    const out = this.#channel === undefined ? data : this.#channel.seal(data, asSent);
    return { data: out, ...(cuts === undefined ? {} : { cuts }) };
  }

  // The card and its applications

  get #application(): Application {
    return (
      this.#store.applications().find(({ aid }) => aid === this.#aid) ??
      refuse(this.#aid === 0 ? status.permission : status.applicationNotFound)
    );
  }

  #keyInfo({ settings, keys }: Application): number[] {
    return [settings, 0x80 | keys];
  }

  #key(number: number): Uint8Array {
    if (this.#aid === 0) return (number & 0x7f) === 0 ? this.#ownKey() : refuse(status.noSuchKey);
    const application = this.#application;
    return number < application.keys ? this.#store.key(application, number) : refuse(status.noSuchKey);
  }

  #ownKey(): Uint8Array {
    const { key } = this.#store.picc;
    return this.#chip.hasOtherKey ? key.map((byte, at) => (at === 0 ? byte ^ 0x80 : byte)) : key;
  }

  #settings(): number {
    return this.#aid === 0 ? this.#store.picc.settings : this.#application.settings;
  }

  #isMaster(): boolean {
    return this.#channel?.key === 0;
  }

  #mustList(): void {
    if (!this.#isMaster() && !allows(this.#settings(), "directory")) refuse(status.authentication);
  }

  #mustCreate(): void {
    if (!this.#isMaster() && !allows(this.#settings(), "create")) refuse(status.authentication);
  }

  #select(data: Uint8Array): Answer {
    if (data.length !== 3) refuse(status.length);
    const aid = u24(data, 0);
    this.forget();
    if (aid !== 0 && !this.#store.applications().some((application) => application.aid === aid))
      refuse(status.applicationNotFound);
    this.#aid = aid;
    return done;
  }

  /** Hardware, software (7 bytes each: vendor, type, subtype, version 2, storage 8 KiB, protocol) and production data in three frames. */
  #version(data: Uint8Array): Answer {
    if (this.#opened(0x60, data, own, 0).length !== 0) refuse(status.length);
    const part = bytes(0x04, 0x01, 0x01, 0x12, 0x00, 0x1a, 0x05);
    const identity = this.#store.identity;
    if (this.#store.picc.randomUid) identity.fill(0, 0, 7);
    return this.#sealed(bytes(...part, ...part, ...identity), own, [7, 7]);
  }

  #uid(data: Uint8Array): Answer {
    if (this.#channel === undefined) refuse(status.authentication);
    if (this.#opened(0x51, data, own, 0).length !== 0) refuse(status.length);
    return this.#sealed(this.#store.identity.subarray(0, 7), 3);
  }

  #create(clear: Uint8Array): number[] {
    if (this.#aid !== 0) refuse(status.permission);
    this.#mustCreate();
    const [settings = 0, kinds = 0] = clear.subarray(3);
    const aid = u24(clear, 0);
    const keys = kinds & 0x3f;
    if (aid === 0 || (kinds & 0xc0) !== 0x80 || keys < 1 || keys > 14) refuse(status.parameter);
    const present = this.#store.applications();
    if (present.some((application) => application.aid === aid)) refuse(status.duplicate);
    if (present.length >= mostApplications) refuse(status.count);
    this.#store.addApplication({ aid, settings, keys });
    return [];
  }

  #delete(clear: Uint8Array): number[] {
    const aid = u24(clear, 0);
    const application = this.#store.applications().find((candidate) => candidate.aid === aid);
    if (application === undefined) return refuse(status.applicationNotFound);
    const itself = this.#aid === aid && this.#isMaster();
    if (!itself && !(this.#aid === 0 && (this.#isMaster() || allows(this.#settings(), "create"))))
      refuse(status.authentication);
    for (const file of this.#store.files(application)) this.#store.removeFile(file);
    this.#store.removeApplication(application);
    if (itself) this.#aid = 0;
    return [];
  }

  #format(): number[] {
    if (this.#aid !== 0 || !this.#isMaster()) refuse(status.authentication);
    if (this.#store.picc.noFormat) refuse(status.permission);
    this.#store.format();
    return [];
  }

  #changeSettings(ins: number, data: Uint8Array): Answer {
    if (!this.#isMaster()) refuse(status.authentication);
    const clear = this.#opened(ins, data, 3, 0, 1);
    if (clear.length !== 1) refuse(status.length);
    if (!allows(this.#settings(), "settings")) refuse(status.permission);
    const [settings = 0] = clear;
    if (this.#aid === 0) this.#store.setPicc({ settings: settings & 0x0f });
    else this.#store.setApplication({ ...this.#application, settings });
    return this.#sealed(done.data, own);
  }

  /** Option 00 only; a bit that is set stays set. */
  #configure(ins: number, data: Uint8Array): Answer {
    if (this.#aid !== 0 || !this.#isMaster()) refuse(status.authentication);
    if (data[0] !== 0x00) refuse(status.parameter);
    const clear = this.#opened(ins, data, 3, 1, 1);
    if (clear.length !== 1) refuse(status.length);
    const [bits = 0] = clear;
    const { noFormat, randomUid } = this.#store.picc;
    this.#store.setPicc({ noFormat: noFormat || (bits & 1) !== 0, randomUid: randomUid || (bits & 2) !== 0 });
    return this.#sealed(done.data, own);
  }

  #changeKey(ins: number, data: Uint8Array): Answer {
    const channel = this.#channel ?? refuse(status.authentication);
    const [named = 0] = data;
    const number = this.#aid === 0 ? named & 0x7f : named;
    if (this.#aid === 0 && (named & 0xc0) !== 0x80) refuse(status.parameter);
    const old = this.#key(number);
    const may =
      this.#aid === 0
        ? this.#isMaster() && allows(this.#store.picc.settings, "masterKey")
        : mayChangeKey(this.#application, number, channel.key);
    if (!may) refuse(status.permission);
    const itself = number === channel.key;
    const clear = this.#opened(ins, data, 3, 1, 17, itself ? 0 : 4);
    if (clear.length !== (itself ? 17 : 21)) refuse(status.length);
    const key = clear.slice(0, 17);
    if (!itself) {
      for (let at = 0; at < 16; at++) key[at] = (key[at] ?? 0) ^ (old[at] ?? 0);
      if (!same(cardCrc(key.subarray(0, 16)), clear.subarray(17))) refuse(status.integrity);
    }
    if (this.#aid === 0) this.#store.setPicc({ key });
    else this.#store.setKey(this.#application, number, key);
    if (!itself) return this.#sealed(done.data, own);
    this.forget();
    return done;
  }

  // Files

  #file(number: number): FileHeader {
    const file = this.#store.files(this.#application).find((candidate) => candidate.number === number);
    return file ?? refuse(status.fileNotFound);
  }

  #mode(file: FileHeader, wanted: readonly ("read" | "write" | "readWrite")[]): 0 | 1 | 3 {
    const rights = rightsOf(file);
    const mode = modeFor(
      file,
      wanted.map((right) => rights[right]),
      this.#channel?.key,
    );
    return mode ?? refuse(this.#channel === undefined ? status.authentication : status.permission);
  }

  #createFile(kind: number, clear: Uint8Array): number[] {
    const application = this.#application;
    this.#mustCreate();
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
    if (!free && this.#channel?.key !== change)
      refuse(this.#channel === undefined ? status.authentication : status.permission);
    const clear = this.#opened(ins, data, free ? own : 3, 1, 3);
    const [comm = 0, first = 0, second = 0] = clear;
    if (clear.length !== 3) refuse(status.length);
    if (comm !== 0 && comm !== 1 && comm !== 3) refuse(status.parameter);
    this.#store.setFile({ ...file, comm, access: [first, second] });
    return this.#sealed(done.data, own);
  }

  #read(ins: number, data: Uint8Array): Answer {
    const file = this.#file(data[0] ?? 0);
    const mode = this.#mode(file, ["read", "readWrite"]);
    if (this.#opened(ins, data, mode === 0 ? 0 : own, 7).length !== 0) refuse(status.length);
    const [offset, length] = [u24(data, 1), u24(data, 4)];
    const found =
      ins === 0xbd ? this.#data.read(file, offset, length) : this.#data.records(file, offset, length);
    return this.#sealed(found, mode);
  }

  #value(ins: number, data: Uint8Array): Answer {
    const file = this.#file(data[0] ?? 0);
    const mode = this.#mode(file, ["read", "write", "readWrite"]);
    if (this.#opened(ins, data, mode === 0 ? 0 : own, 1).length !== 0) refuse(status.length);
    return this.#sealed(Uint8Array.from(from32(this.#data.value(file))), mode);
  }

  #write(ins: number, data: Uint8Array): Answer {
    const file = this.#file(data[0] ?? 0);
    const mode = this.#mode(file, ["write", "readWrite"]);
    const [offset, length] = [u24(data, 1), u24(data, 4)];
    const clear = this.#opened(ins, data, mode, 7, length);
    if (clear.length !== length) refuse(status.length);
    if (ins === 0x3d) this.#data.write(file, offset, clear);
    else this.#data.writeRecord(file, offset, clear);
    return this.#sealed(done.data, mode === 0 ? 0 : 1);
  }

  #changeValue(ins: number, data: Uint8Array): Answer {
    const file = this.#file(data[0] ?? 0);
    const mode = this.#mode(file, ins === 0x0c ? ["readWrite"] : ["read", "write", "readWrite"]);
    const clear = this.#opened(ins, data, mode, 1, 4);
    const amount = i32(clear, 0);
    if (clear.length !== 4) refuse(status.length);
    if (amount < 0) refuse(status.parameter);
    this.#data.changeValue(file, ins === 0x0c ? amount : -amount);
    return this.#sealed(done.data, mode === 0 ? 0 : 1);
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
