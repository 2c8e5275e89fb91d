import type { Chip } from "../chip.js";
import { type Answer, answer, type Apdu, join, same } from "../os/command.js";
import { type OpeningChannel, WHOLE_SET } from "./channel.js";
import { TripleDes, unpadded } from "./ciphers.js";
import type { KeySet } from "./state.js";

const R_MAC = 0x20;
const PSEUDO_RANDOM = 0x40;
const none = new Uint8Array(16);
const zeros = new Uint8Array(8);

/** SCP02 (GPCS annex E) of the card: three keys, explicit initiation, MAC over the modified command, encrypted ICV. */
export class Scp02Channel implements OpeningChannel {
  readonly kvn: number;
  readonly kid = WHOLE_SET;
  readonly knowsHost = true;
  readonly greeting: Uint8Array;
  readonly proofLength = 16;
  level = 0;
  readonly #i: number;
  readonly #enc: TripleDes;
  readonly #mac: TripleDes;
  readonly #rmac: TripleDes;
  readonly #dek: TripleDes;
  readonly #proof: Uint8Array;
  #cMac: Uint8Array | undefined;
  #rChain: Uint8Array = zeros;
  /** The plain command in work: what its answer's MAC begins with. */
  #asked: Uint8Array = none;

  constructor(
    chip: Chip,
    set: KeySet,
    open: {
      readonly i: number;
      readonly sequence: number;
      readonly aid: Uint8Array;
      readonly host: Uint8Array;
    },
  ) {
    const [encKey = none, macKey = none, dekKey = none] = set.keys;
    const counter = Uint8Array.of(open.sequence >> 8, open.sequence);
    const session = (key: Uint8Array, low: number): TripleDes => {
      const seed = new Uint8Array(16);
      seed.set([0x01, low]);
      seed.set(counter, 2);
      return new TripleDes(chip, new TripleDes(chip, key).encryptCbc(seed));
    };
    this.#i = open.i;
    this.#enc = session(encKey, 0x82);
    this.#mac = session(macKey, 0x01);
    this.#rmac = session(macKey, 0x02);
    this.#dek = session(dekKey, 0x81);
    const challenge =
      (open.i & PSEUDO_RANDOM) === 0 ? chip.random(6) : this.#mac.retailMac(zeros, open.aid).slice(0, 6);
    const own = join(counter, challenge);
    this.#proof = this.#enc.chainMac(join(own, open.host));
    this.kvn = set.kvn;
    this.greeting = join([0x02], own, this.#enc.chainMac(join(open.host, own)));
  }

  allows(level: number): boolean {
    if (![0x00, 0x01, 0x03, 0x11, 0x13].includes(level)) return false;
    return (level & 0x10) === 0 || (this.#i & R_MAC) !== 0;
  }

  authenticate(command: Apdu): boolean {
    const right = same(this.#proof, command.data.subarray(0, 8));
    const proven = this.#verify(command, command.data.subarray(0, -8));
    if (!right || !proven) return false;
    this.level = command.p1;
    this.#rChain = this.#cMac ?? zeros;
    return true;
  }

  unwrap(command: Apdu): Uint8Array | undefined {
    if (command.data.length < 8) return undefined;
    const sent = command.data.subarray(0, -8);
    const encrypted = (this.level & 0x02) !== 0 && sent.length > 0;
    if (encrypted && sent.length % 8 !== 0) return undefined;
    const plain = encrypted ? unpadded(this.#enc.decryptCbc(sent), 8) : sent;
    if (plain === undefined || !this.#verify(command, plain)) return undefined;
    const { cla, ins, p1, p2 } = command;
    this.#asked = join([cla & 0x80, ins, p1, p2, plain.length], plain);
    return plain;
  }

  /** Every answer has its MAC, errors too. */
  wrap({ data, sw }: Answer, pass: (mac: Uint8Array) => Uint8Array): Answer {
    if ((this.level & 0x10) === 0) return answer(data, sw);
    const message = join(this.#asked, [data.length], data, [sw >> 8, sw & 0xff]);
    this.#rChain = this.#rmac.retailMac(this.#rChain, message);
    return answer(join(data, pass(this.#rChain)), sw);
  }

  decryptWithDek(data: Uint8Array): Uint8Array | undefined {
    return data.length % 8 === 0 ? this.#dek.decryptEcb(data) : undefined;
  }

  /** The MAC is that of the plain command, with the length that MAC and data have together. */
  #verify({ cla, ins, p1, p2, data }: Apdu, plain: Uint8Array): boolean {
    const icv = this.#cMac === undefined ? zeros : this.#mac.single(this.#cMac);
    const header = [(cla & 0x80) | 0x04, ins, p1, p2, plain.length + 8];
    this.#cMac = this.#mac.retailMac(icv, join(header, plain));
    return same(this.#cMac, data.subarray(-8));
  }
}
