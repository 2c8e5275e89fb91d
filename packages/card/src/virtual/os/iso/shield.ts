import { type BlockCipher, cmac } from "../../../crypto/index.js";
import type { Chip } from "../../chip.js";
import type { ShieldSession } from "../card.js";
import { type Answer, type Apdu, SW, answer, join, same } from "../command.js";
import { MOST_DATA } from "./apdu.js";
import { ber, readBer } from "./ber.js";

/** Algorithm references of MANAGE SECURITY ENVIRONMENT and EXTERNAL AUTHENTICATE. */
export type ShieldAlgorithm = "3DES" | "AES";
type Silicon = Pick<Chip, "crypto" | "spendAes">;
const MAC_LENGTH = 8;

/** The card's cipher and MAC of ISO secure messaging (docs/card-os.md 10.8); each block is put on the chip's clock. */
export class ShieldKeys {
  readonly block: 8 | 16;
  readonly #chip: Silicon;
  readonly #enc: BlockCipher;
  readonly #mac: BlockCipher;
  /** 3DES: the MAC key's first half, for all blocks but the last. */
  readonly #first: BlockCipher | undefined;

  constructor(chip: Silicon, algorithm: ShieldAlgorithm, seed: Uint8Array) {
    const { crypto } = chip;
    const [enc, mac] = [1, 2].map((counter) => crypto.sha1(join(seed, [0, 0, 0, counter])).slice(0, 16)) as [
      Uint8Array,
      Uint8Array,
    ];
    this.#chip = chip;
    if (algorithm === "AES") {
      this.block = 16;
      this.#enc = crypto.aes(enc);
      this.#mac = crypto.aes(mac);
    } else {
      // Parity bits say nothing to the cipher; they are left as the hash has them.
      this.block = 8;
      this.#enc = crypto.des3(enc);
      this.#mac = crypto.des3(mac);
      this.#first = crypto.des3(mac.subarray(0, 8));
    }
  }

  /** Over whole blocks. 3DES: ISO/IEC 9797-1 algorithm 3; AES: CMAC, of which 8 bytes count. */
  mac(message: Uint8Array): Uint8Array {
    const size = this.block;
    this.#chip.spendAes(message.length / size + 1);
    if (this.#first === undefined) return cmac(this.#mac, message).slice(0, MAC_LENGTH);
    const last = message.length - size;
    let chained: Uint8Array = new Uint8Array(size);
    if (last > 0) chained = this.#first.cbcEncrypt(chained, message.subarray(0, last)).slice(-size);
    // The last block under the whole key: E(K1, D(K2, E(K1, x))).
    return this.#mac.encrypt(message.subarray(last).map((byte, at) => byte ^ (chained[at] ?? 0)));
  }

  encrypt(data: Uint8Array, counter?: Uint8Array): Uint8Array {
    this.#chip.spendAes(data.length / this.block);
    return this.#enc.cbcEncrypt(this.#iv(counter), data);
  }

  decrypt(data: Uint8Array, counter?: Uint8Array): Uint8Array {
    this.#chip.spendAes(data.length / this.block);
    return this.#enc.cbcDecrypt(this.#iv(counter), data);
  }

  /** AES in a session: the counter encrypted; else zeros. */
  #iv(counter: Uint8Array | undefined): Uint8Array {
    if (counter === undefined || this.block === 8) return new Uint8Array(this.block);
    this.#chip.spendAes(1);
    return this.#enc.encrypt(counter);
  }
}

const PLAIN = 0x81;
const ENCRYPTED = 0x87;
const ENCRYPTED_ODD = 0x85;
const LENGTH = 0x97;
const MAC = 0x8e;
const STATUS = 0x99;
const HIGH_BYTE = 256;

/** A session of ISO secure messaging, the card's side. */
export class Shield implements ShieldSession {
  readonly #keys: ShieldKeys;
  readonly #counter: Uint8Array;
  #odd = false;
  #room = 0;

  constructor(keys: ShieldKeys, counter: Uint8Array) {
    this.#keys = keys;
    this.#counter = counter.slice();
  }

  get room(): number {
    return this.#room;
  }

  /** The plain command; or the status word that ends the session. */
  open(command: Apdu): Apdu | number {
    const objects = readBer(command.data);
    if (objects === undefined) return SW.objectsWrong;
    const [order, last] = [objects.map(({ tag }) => tag), objects.at(-1)];
    if (last?.tag !== MAC) return order.includes(MAC) ? SW.objectsWrong : SW.objectsMissing;
    this.#odd = (command.ins & 1) !== 0;
    const cipherTag = this.#odd ? ENCRYPTED_ODD : ENCRYPTED;
    const allowed = [[PLAIN, cipherTag], [LENGTH], [MAC]];
    let at = 0;
    for (const tag of order) {
      while (at < allowed.length && allowed[at]?.includes(tag) !== true) at++;
      if (at++ >= allowed.length) return SW.objectsWrong;
    }
    this.#count();
    const covered = objects.filter(({ tag }) => tag !== MAC);
    const header = this.#padded(Uint8Array.of(command.cla, command.ins, command.p1, command.p2));
    const body = join(...covered.map(({ tag, value }) => ber(tag, value)));
    const message = join(this.#counter, header, body.length === 0 ? body : this.#padded(body));
    if (last.value.length !== MAC_LENGTH || !same(this.#keys.mac(message), last.value))
      return SW.objectsWrong;
    const content = objects.find(({ tag }) => tag === PLAIN || tag === cipherTag);
    const data = content === undefined ? new Uint8Array(0) : this.#plain(content.tag, content.value);
    const expected = objects.find(({ tag }) => tag === LENGTH)?.value;
    const le = expected === undefined ? undefined : lengthExpected(expected);
    if (data === undefined || le === 0) return SW.objectsWrong;
    const extended = command.extended === true;
    const size = this.#keys.block;
    // Tag, length and padding indicator of 87, then 99 and 8E, within 256 bytes.
    this.#room = extended ? MOST_DATA : size * Math.floor((256 - 4 - 4 - 10) / size) - 1;
    const { ins, p1, p2 } = command;
    const wide = expected?.length === 2;
    return { cla: 0x00, ins, p1, p2, data, le, ...(wide ? { extended: true } : {}) };
  }

  /** The answer in its objects. `pass` may spoil the MAC: a planted fault. */
  close({ data, sw }: Answer, pass: (mac: Uint8Array) => Uint8Array): Answer {
    this.#count();
    const parts: Uint8Array[] = [];
    if (data.length > 0) {
      const cryptogram = this.#keys.encrypt(this.#padded(data), this.#counter);
      parts.push(this.#odd ? ber(ENCRYPTED_ODD, cryptogram) : ber(ENCRYPTED, [0x01], cryptogram));
    }
    parts.push(ber(STATUS, [sw >> 8, sw & 0xff]));
    const body = join(...parts);
    const mac = this.#keys.mac(join(this.#counter, this.#padded(body)));
    return answer(join(body, ber(MAC, pass(mac))), sw);
  }

  #plain(tag: number, value: Uint8Array): Uint8Array | undefined {
    if (tag === PLAIN) return value;
    if (tag === ENCRYPTED && value[0] !== 0x01) return undefined;
    const cryptogram = tag === ENCRYPTED ? value.subarray(1) : value;
    if (cryptogram.length === 0 || cryptogram.length % this.#keys.block !== 0) return undefined;
    const padded = this.#keys.decrypt(cryptogram, this.#counter);
    let end = padded.length - 1;
    while (end > padded.length - this.#keys.block && padded[end] === 0) end--;
    return padded[end] === 0x80 ? padded.subarray(0, end) : undefined;
  }

  #padded(bytes: Uint8Array): Uint8Array {
    const size = this.#keys.block;
    const padded = new Uint8Array((Math.floor(bytes.length / size) + 1) * size);
    padded.set(bytes);
    padded[bytes.length] = 0x80;
    return padded;
  }

  #count(): void {
    for (let at = this.#counter.length - 1; at >= 0; at--) {
      const next = ((this.#counter[at] ?? 0) + 1) % HIGH_BYTE;
      this.#counter[at] = next;
      if (next !== 0) return;
    }
  }
}

/** Ne of DO 97; 0: of a wrong length. */
function lengthExpected(value: Uint8Array): number {
  const [first = 0, second = 0] = value;
  if (value.length === 1) return first || 256;
  return value.length === 2 ? (first << 8) | second || 65536 : 0;
}
