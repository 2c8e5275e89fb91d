import { type Chip, MemoryFailure, unlessMemoryFails } from "../chip.js";
import { same } from "../os/command.js";
import { pageSize } from "../layout.js";
import {
  ACCESS_MODULE,
  ACCESS_PACKAGE,
  CHANNEL_TRIES,
  DIRECTORY_MODULE,
  firstHeapPage,
  gpLayout,
  LIFE,
  PAYMENT_MODULE,
  PAYMENT_PACKAGE,
} from "./layout.js";
import { erasePages, Shadow } from "./shadow.js";

/** 80 3DES (SCP02), 88 AES (SCP03). */
export type KeyType = 0x80 | 0x88;

/** ENC, MAC and DEK of one version. */
export interface KeySet {
  readonly kvn: number;
  readonly type: KeyType;
  readonly keys: readonly Uint8Array[];
}

/** 11, 13, 15: a key pair for SCP11a, b, c; 10: the public key of an authority that signs hosts' certificates (CA-KLOC). */
export interface EllipticKey {
  readonly kid: number;
  readonly kvn: number;
  /** Empty: the public half alone. */
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
  /** Of a pair: its certificates as they are given out, leaf last; of an authority: its identifier (42). Empty: none. */
  readonly about: Uint8Array;
}

export interface LoadFile {
  readonly aid: Uint8Array;
  readonly modules: readonly Uint8Array[];
  /** Where its code lies in the heap; none for what is in the mask. */
  readonly page: number;
  readonly pages: number;
}

export interface Application {
  readonly aid: Uint8Array;
  readonly loadFile: Uint8Array;
  readonly module: Uint8Array;
  readonly state: number;
  readonly privileges: number;
  /** Its data: both areas. */
  readonly page: number;
  readonly pages: number;
}

/** Everything that changes at once or not at all. */
export interface State {
  readonly life: number;
  /** Issuer identification number (42) and card image number (45); empty: none. */
  readonly iin: Uint8Array;
  readonly cin: Uint8Array;
  /** What 9F67 and 9F66 put into the CPLC; empty: zeros. */
  readonly prePersonalization: Uint8Array;
  readonly personalization: Uint8Array;
  readonly keySets: readonly KeySet[];
  readonly loadFiles: readonly LoadFile[];
  readonly applications: readonly Application[];
  readonly elliptic: readonly EllipticKey[];
}

export const freshState = (keySets: readonly KeySet[]): State => {
  const none = new Uint8Array(0);
  return {
    life: LIFE.opReady,
    iin: none,
    cin: none,
    prePersonalization: none,
    personalization: none,
    keySets,
    loadFiles: [],
    applications: [],
    elliptic: [],
  };
};

/** The load files in the mask: they are always there and take no memory. */
const MASK_FILES: readonly LoadFile[] = [
  { aid: ACCESS_PACKAGE, modules: [ACCESS_MODULE], page: 0, pages: 0 },
  { aid: PAYMENT_PACKAGE, modules: [PAYMENT_MODULE, DIRECTORY_MODULE], page: 0, pages: 0 },
];

/** Pages beyond its shadow that an application of this module has: counters that are written often. */
export const tailPages = (module: Uint8Array): number => (same(module, PAYMENT_MODULE) ? 2 : 0);

/** Fields in order; each text of bytes with its length in front, each list with its count. */
export function stateBytes(state: State): Uint8Array {
  const bytes: number[] = [];
  const word = (n: number): void => void bytes.push(n >> 8, n & 0xff);
  const text = (of: Uint8Array): void => {
    bytes.push(of.length);
    for (let at = 0; at < of.length; at++) bytes.push(of[at] ?? 0);
  };
  bytes.push(state.life);
  for (const one of [state.iin, state.cin, state.prePersonalization, state.personalization]) text(one);
  bytes.push(state.keySets.length);
  for (const { kvn, type, keys } of state.keySets) {
    bytes.push(kvn, type);
    for (const key of keys) text(key);
  }
  bytes.push(state.loadFiles.length);
  for (const { aid, modules, page, pages } of state.loadFiles) {
    text(aid);
    bytes.push(modules.length);
    for (const module of modules) text(module);
    word(page);
    word(pages);
  }
  bytes.push(state.applications.length);
  for (const app of state.applications) {
    for (const aid of [app.aid, app.loadFile, app.module]) text(aid);
    bytes.push(app.state, app.privileges >> 16, (app.privileges >> 8) & 0xff, app.privileges & 0xff);
    word(app.page);
    word(app.pages);
  }
  bytes.push(state.elliptic.length);
  for (const { kid, kvn, privateKey, publicKey, about } of state.elliptic) {
    bytes.push(kid, kvn);
    text(privateKey);
    text(publicKey);
    word(about.length);
    for (let at = 0; at < about.length; at++) bytes.push(about[at] ?? 0);
  }
  return new Uint8Array(bytes);
}

export function readState(bytes: Uint8Array): State {
  let at = 0;
  const byte = (): number => bytes[at++] ?? 0;
  const word = (): number => (byte() << 8) | byte();
  const run = (length: number): Uint8Array => {
    at += length;
    return bytes.slice(at - length, at);
  };
  const text = (): Uint8Array => run(byte());
  const list = <T>(read: () => T): T[] => Array.from({ length: byte() }, read);
  return {
    life: byte(),
    iin: text(),
    cin: text(),
    prePersonalization: text(),
    personalization: text(),
    keySets: list(() => ({ kvn: byte(), type: byte() as KeyType, keys: [text(), text(), text()] })),
    loadFiles: list(() => ({ aid: text(), modules: list(text), page: word(), pages: word() })),
    applications: list(() => ({
      aid: text(),
      loadFile: text(),
      module: text(),
      state: byte(),
      privileges: (byte() << 16) | word(),
      page: word(),
      pages: word(),
    })),
    elliptic: list(() => ({
      kid: byte(),
      kvn: byte(),
      privateKey: text(),
      publicKey: text(),
      about: run(word()),
    })),
  };
}

/** Tries and sequence counters, in a page pair: written at each authentication. */
export interface Counters {
  readonly tries: number;
  readonly sequences: ReadonlyMap<number, number>;
}

export function readCounters(chip: Chip): Counters {
  const bytes = chip.readPair(gpLayout.counterPair);
  if (bytes === undefined) return { tries: CHANNEL_TRIES, sequences: new Map() };
  const sequences = new Map<number, number>();
  for (let at = 1; at + 4 <= bytes.length; at += 4) {
    const [kvn = 0, high = 0, middle = 0, low = 0] = bytes.subarray(at);
    sequences.set(kvn, (high << 16) | (middle << 8) | low);
  }
  return { tries: bytes[0] ?? 0, sequences };
}

export function counterBytes({ tries, sequences }: Counters): Uint8Array {
  const each = [...sequences].flatMap(([kvn, n]) => [kvn, n >> 16, (n >> 8) & 0xff, n & 0xff]);
  return Uint8Array.of(tries, ...each);
}

export const writeCounters = (chip: Chip, counters: Counters): void =>
  chip.writePair(gpLayout.counterPair, counterBytes(counters));

/** Registry, keys and memory of a running card. */
export class Vault {
  readonly chip: Chip;
  readonly #shadow: Shadow;
  #state: State;

  constructor(chip: Chip) {
    this.chip = chip;
    this.#shadow = new Shadow(chip, gpLayout.state, gpLayout.statePages);
    this.#state = freshState([]);
  }

  /** At a reset: finishes what a tear or a failing page left undone. A page that fails keeps no card from answering. */
  load(): void {
    unlessMemoryFails(() => this.#shadow.settle());
    this.#read();
    for (const app of this.#state.applications) unlessMemoryFails(() => this.dataOf(app).settle());
    if (this.#state.life === LIFE.terminated) unlessMemoryFails(() => this.#eraseData());
  }

  #read(): void {
    const bytes = this.#shadow.read();
    this.#state = bytes === undefined ? freshState([]) : readState(bytes);
  }

  get state(): State {
    return this.#state;
  }

  /** False: there is no room for it, and nothing has changed. */
  change(change: Partial<State>): boolean {
    const next = { ...this.#state, ...change };
    const bytes = stateBytes(next);
    if (bytes.length > this.#shadow.room) return false;
    try {
      this.#shadow.write(bytes);
    } catch (problem) {
      // A page failed: the new content may be in force all the same.
      if (problem instanceof MemoryFailure) this.#read();
      throw problem;
    }
    this.#state = next;
    return true;
  }

  /**
   * TERMINATED, for ever (GPCS 5.1.1.5), and nothing secret or personal stays (docs/gp-card.md 1). The state goes first and takes the
   * domain's keys with it: a card that is torn from here on is terminated, and its next reset erases the rest. Throws MemoryFailure.
   */
  terminate(): void {
    try {
      this.change({ life: LIFE.terminated, keySets: [], elliptic: [], applications: [] });
    } catch (problem) {
      if (!(problem instanceof MemoryFailure) || this.#state.life !== LIFE.terminated) throw problem;
      unlessMemoryFails(() => this.#eraseData());
      throw problem;
    }
    this.#eraseData();
  }

  /** The heap but for load files: their code is nobody's secret. */
  #eraseData(): void {
    const { loadFiles } = this.#state;
    const isCode = (page: number): boolean =>
      loadFiles.some((file) => page >= file.page && page < file.page + file.pages);
    erasePages(this.chip, firstHeapPage, this.chip.pages - firstHeapPage, isCode);
  }

  get loadFiles(): readonly LoadFile[] {
    return [...MASK_FILES, ...this.#state.loadFiles];
  }

  application(aid: Uint8Array): Application | undefined {
    return this.#state.applications.find((app) => same(app.aid, aid));
  }

  /** First page of a free run of this many pages; undefined: there is none. */
  allocate(pages: number): number | undefined {
    if (pages === 0) return 0;
    const taken = [...this.#state.loadFiles, ...this.#state.applications]
      .filter((one) => one.pages > 0)
      .sort((one, other) => one.page - other.page);
    let from = firstHeapPage;
    for (const one of taken) {
      if (one.page - from >= pages) return from;
      from = one.page + one.pages;
    }
    return this.chip.pages - from >= pages ? from : undefined;
  }

  get freeBytes(): number {
    const taken = [...this.#state.loadFiles, ...this.#state.applications];
    return (this.chip.pages - firstHeapPage - taken.reduce((sum, one) => sum + one.pages, 0)) * pageSize;
  }

  /** Data of an application: its own two areas. */
  dataOf(app: Application): Shadow {
    return new Shadow(this.chip, app.page * pageSize, (app.pages - tailPages(app.module)) / 2);
  }

  /** Address of its page pair; only for applications that have one. */
  tailOf(app: Application): number {
    return (app.page + app.pages - tailPages(app.module)) * pageSize;
  }

  /** Nothing is left of its data. */
  forget(app: Application): void {
    this.dataOf(app).forget();
    const tail = tailPages(app.module);
    if (tail > 0) this.chip.fill(this.tailOf(app), tail, 0xff);
  }
}
