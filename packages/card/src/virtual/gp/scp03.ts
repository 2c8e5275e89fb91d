import type { Chip } from "../chip.js";
import { type Apdu, join, same } from "../os/command.js";
import { Cipher } from "../os/cipher.js";
import { type OpeningChannel, WHOLE_SET } from "./channel.js";
import { AesMessaging } from "./messaging.js";
import type { KeySet } from "./state.js";

const S16 = 0x01;
const PSEUDO_RANDOM = 0x10;
const R_MAC = 0x20;
const R_ENCRYPTION = 0x40;
const zeros = new Uint8Array(16);

/** SCP03 (Amendment D) of the card, S8 and S16, any i and key length. */
export class Scp03Channel extends AesMessaging implements OpeningChannel {
  readonly kvn: number;
  readonly kid = WHOLE_SET;
  readonly knowsHost = true;
  readonly greeting: Uint8Array;
  readonly proofLength: number;
  readonly #i: number;
  readonly #size: 8 | 16;
  readonly #mac: Cipher;
  readonly #context: Uint8Array;

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
    const [encKey = zeros, macKey = zeros, dekKey = zeros] = set.keys;
    const enc = new Cipher(chip, encKey);
    const mac = new Cipher(chip, macKey);
    const size = (open.i & S16) !== 0 ? 16 : 8;
    const sequence = Uint8Array.of(open.sequence >> 16, open.sequence >> 8, open.sequence);
    const counted = (open.i & PSEUDO_RANDOM) !== 0;
    const challenge = counted ? derive(enc, 0x02, size, join(sequence, open.aid)) : chip.random(size);
    const context = join(open.host, challenge);
    const sMac = new Cipher(chip, derive(mac, 0x06, macKey.length, context));
    super({
      size,
      enc: new Cipher(chip, derive(enc, 0x04, encKey.length, context)),
      mac: sMac,
      rmac: new Cipher(chip, derive(mac, 0x07, macKey.length, context)),
      dek: new Cipher(chip, dekKey),
      chain: zeros,
    });
    this.kvn = set.kvn;
    this.proofLength = 2 * size;
    this.#i = open.i;
    this.#size = size;
    this.#mac = sMac;
    this.#context = context;
    const cryptogram = derive(sMac, 0x00, size, context);
    this.greeting = join([0x03, open.i], challenge, cryptogram, counted ? sequence : []);
  }

  allows(level: number): boolean {
    if (![0x00, 0x01, 0x03, 0x11, 0x13, 0x33].includes(level)) return false;
    if ((level & 0x10) !== 0 && (this.#i & R_MAC) === 0) return false;
    return (level & 0x20) === 0 || (this.#i & R_ENCRYPTION) !== 0;
  }

  authenticate(command: Apdu): boolean {
    const expected = derive(this.#mac, 0x01, this.#size, this.#context);
    const right = same(expected, command.data.subarray(0, this.#size));
    const proven = this.verify(command);
    if (!right || !proven) return false;
    this.level = command.p1;
    return true;
  }
}

/** Data derivation of Amendment D, 4.1.5: as many blocks as `length` bytes need. */
function derive(key: Cipher, constant: number, length: number, context: Uint8Array): Uint8Array {
  const bits = length * 8;
  const label = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, constant, 0, bits >> 8, bits & 0xff];
  const first = key.cmac(label, [1], context);
  return length <= 16 ? first.slice(0, length) : join(first, key.cmac(label, [2], context)).slice(0, length);
}
