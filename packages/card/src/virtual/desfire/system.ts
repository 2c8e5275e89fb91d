/** The commands of a DESFire-style card, one at a time, and those on the card and its applications (docs/desfire-card.md, 3 and 4). */
import { cardCrc, same } from "./channel.js";
import { Data } from "./data.js";
import { FileCommands } from "./file-commands.js";
import { allows, mayChangeKey, own } from "./rights.js";
import { type Answer, type Chip, Session } from "./session.js";
import { from24, refuse, status, u24 } from "./status.js";
import type { Application, Store } from "./store.js";

const mostApplications = 28;
const done: Answer = { data: new Uint8Array(0) };
const bytes = (...of: readonly number[]): Uint8Array => Uint8Array.from(of);

export class System {
  readonly #chip: Chip;
  readonly #store: Store;
  readonly #data: Data;
  readonly #session: Session;
  readonly #files: FileCommands;
  /** AID of the selected application; 0: the card itself. */
  #aid = 0;

  constructor(chip: Chip, store: Store) {
    this.#chip = chip;
    this.#store = store;
    this.#data = new Data(store);
    this.#session = new Session(chip, (number) => this.#key(number));
    this.#files = new FileCommands(this.#session, store, this.#data, {
      application: () => this.#application,
      mustList: () => {
        this.#mustList();
      },
      mustCreate: () => {
        this.#mustCreate();
      },
    });
  }

  /** Power came, or a command was refused: no session, nothing pending. */
  forget(): void {
    this.#session.end();
    this.#data.abort();
  }

  reset(): void {
    this.forget();
    this.#aid = 0;
  }

  get awaitsProof(): boolean {
    return this.#session.awaitsProof;
  }

  /** Bytes that a command announces in its first ones; undefined: it is whole. */
  expected(ins: number, data: Uint8Array): number | undefined {
    return this.#files.expected(ins, data);
  }

  perform(ins: number, data: Uint8Array): Answer {
    this.#chip.spendAes(2 + Math.ceil(data.length / 8));
    if (ins !== 0xaf) this.#session.dropHalf();
    switch (ins) {
      case 0xaf:
        return this.#session.prove(data);
      case 0xaa:
      case 0x71:
      case 0x77:
        this.#data.abort();
        return this.#session.challenge(ins, data);
      case 0x5a:
        return this.#select(data);
      case 0x60:
        return this.#version(data);
      case 0x51:
        return this.#uid(data);
      case 0x6a:
        return this.#session.managed(ins, data, 0, () => {
          if (this.#aid !== 0) refuse(status.permission);
          this.#mustList();
          return this.#store.applications().flatMap(({ aid }) => from24(aid));
        });
      case 0x6e:
        return this.#session.managed(ins, data, 0, () => from24(this.#store.freeBytes));
      case 0x45:
        return this.#session.managed(ins, data, 0, () => {
          this.#mustList();
          return this.#aid === 0 ? [this.#store.picc.settings, 0x81] : this.#keyInfo(this.#application);
        });
      case 0x64:
        return this.#session.managed(ins, data, 1, ([key = 0]) => [this.#key(key)[16] ?? 0]);
      case 0xca:
        return this.#session.managed(ins, data, 5, (clear) => this.#create(clear));
      case 0xda:
        return this.#deleted(this.#session.managed(ins, data, 3, (clear) => this.#delete(clear)));
      case 0xfc:
        return this.#session.managed(ins, data, 0, () => this.#format());
      case 0x54:
        return this.#changeSettings(ins, data);
      case 0x5c:
        return this.#configure(ins, data);
      case 0xc4:
        return this.#changeKey(ins, data);
      default:
        return this.#files.perform(ins, data);
    }
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
    return this.#session.key === 0;
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
    if (this.#session.opened(0x60, data, own, 0).length !== 0) refuse(status.length);
    const part = bytes(0x04, 0x01, 0x01, 0x12, 0x00, 0x1a, 0x05);
    const identity = this.#store.identity;
    if (this.#store.picc.randomUid) identity.fill(0, 0, 7);
    return this.#session.sealed(bytes(...part, ...part, ...identity), own, [7, 7]);
  }

  #uid(data: Uint8Array): Answer {
    if (this.#session.key === undefined) refuse(status.authentication);
    if (this.#session.opened(0x51, data, own, 0).length !== 0) refuse(status.length);
    return this.#session.sealed(this.#store.identity.subarray(0, 7), 3);
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
    return [];
  }

  /** A session ends with the application whose key opened it, once its answer is secured: else that key would pass for the card's own. */
  #deleted(answer: Answer): Answer {
    if (this.#aid === 0 || this.#store.applications().some(({ aid }) => aid === this.#aid)) return answer;
    this.reset();
    return answer;
  }

  #format(): number[] {
    if (this.#aid !== 0 || !this.#isMaster()) refuse(status.authentication);
    if (this.#store.picc.noFormat) refuse(status.permission);
    this.#store.format();
    return [];
  }

  #changeSettings(ins: number, data: Uint8Array): Answer {
    if (!this.#isMaster()) refuse(status.authentication);
    const clear = this.#session.opened(ins, data, 3, 0, 1);
    if (clear.length !== 1) refuse(status.length);
    if (!allows(this.#settings(), "settings")) refuse(status.permission);
    const [settings = 0] = clear;
    if (this.#aid === 0) this.#store.setPicc({ settings: settings & 0x0f });
    else this.#store.setApplication({ ...this.#application, settings });
    return this.#session.sealed(done.data, own);
  }

  /** Option 00 only; a bit that is set stays set. */
  #configure(ins: number, data: Uint8Array): Answer {
    if (this.#aid !== 0 || !this.#isMaster()) refuse(status.authentication);
    if (data[0] !== 0x00) refuse(status.parameter);
    const clear = this.#session.opened(ins, data, 3, 1, 1);
    if (clear.length !== 1) refuse(status.length);
    const [bits = 0] = clear;
    const { noFormat, randomUid } = this.#store.picc;
    this.#store.setPicc({ noFormat: noFormat || (bits & 1) !== 0, randomUid: randomUid || (bits & 2) !== 0 });
    return this.#session.sealed(done.data, own);
  }

  #changeKey(ins: number, data: Uint8Array): Answer {
    const session = this.#session.key ?? refuse(status.authentication);
    const [named = 0] = data;
    const number = this.#aid === 0 ? named & 0x7f : named;
    if (this.#aid === 0 && (named & 0xc0) !== 0x80) refuse(status.parameter);
    const old = this.#key(number);
    const may =
      this.#aid === 0
        ? this.#isMaster() && allows(this.#store.picc.settings, "masterKey")
        : mayChangeKey(this.#application, number, session);
    if (!may) refuse(status.permission);
    const itself = number === session;
    const clear = this.#session.opened(ins, data, 3, 1, 17, itself ? 0 : 4);
    if (clear.length !== (itself ? 17 : 21)) refuse(status.length);
    const key = clear.slice(0, 17);
    if (!itself) {
      for (let at = 0; at < 16; at++) key[at] = (key[at] ?? 0) ^ (old[at] ?? 0);
      if (!same(cardCrc(key.subarray(0, 16)), clear.subarray(17))) refuse(status.integrity);
    }
    if (this.#aid === 0) this.#store.setPicc({ key });
    else this.#store.setKey(this.#application, number, key);
    if (!itself) return this.#session.sealed(done.data, own);
    this.forget();
    return done;
  }
}
