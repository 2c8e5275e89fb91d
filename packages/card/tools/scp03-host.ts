// The host's half of an SCP03 session (GlobalPlatform Amendment D, S8), for tests of the card: it shares no code with the
// virtual card nor with the product's own host side.
import { createDecipheriv } from "node:crypto";
import { aesCmac, checkValue, encrypt } from "./loader-host.js";

export interface HostKeys {
  readonly enc: Uint8Array;
  readonly mac: Uint8Array;
  readonly dek: Uint8Array;
}

export type Level = 0x01 | 0x03 | 0x11 | 0x13 | 0x33;

const cardManager = Buffer.from("A000000151000000", "hex");

const derive = (key: Uint8Array, constant: number, bits: number, context: Uint8Array): Buffer => {
  const label = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, constant, 0, bits >> 8, bits & 0xff, 1]);
  return aesCmac(key, Buffer.concat([label, context])).subarray(0, bits / 8);
};

const padded = (data: Uint8Array): Buffer =>
  Buffer.concat([data, Buffer.from([0x80]), Buffer.alloc(15 - (data.length % 16))]);

function cbc(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Buffer {
  // CBC from single blocks: the chain is written out once more, on purpose.
  const blocks: Buffer[] = [];
  let previous: Buffer = Buffer.from(iv);
  for (let at = 0; at < data.length; at += 16) {
    const mixed = Buffer.from(data.subarray(at, at + 16).map((byte, i) => byte ^ (previous[i] ?? 0)));
    previous = encrypt("aes-128-ecb", key, mixed);
    blocks.push(previous);
  }
  return Buffer.concat(blocks);
}

export class Scp03Host {
  readonly #keys: HostKeys;
  readonly #challenge: Uint8Array;
  readonly #level: Level;
  #context: Uint8Array = new Uint8Array(0);
  #enc: Buffer = Buffer.alloc(16);
  #mac: Buffer = Buffer.alloc(16);
  #rmac: Buffer = Buffer.alloc(16);
  #chain: Uint8Array = Buffer.alloc(16);
  #counter = 0;

  constructor(keys: HostKeys, level: Level, challenge: Uint8Array = Buffer.from("0102030405060708", "hex")) {
    this.#keys = keys;
    this.#level = level;
    this.#challenge = challenge;
  }

  initialize(kvn = 0): Uint8Array {
    return Buffer.from([0x80, 0x50, kvn, 0, 8, ...this.#challenge, 0]);
  }

  /** Takes the answer to `initialize`; whether challenge and cryptogram are the card's. */
  accepts(answer: Uint8Array): boolean {
    if (answer.length !== 34) return false;
    const [challenge, cryptogram, sequence] = [
      answer.subarray(13, 21),
      answer.subarray(21, 29),
      answer.subarray(29, 32),
    ];
    this.#derive(challenge);
    const expected = derive(this.#keys.enc, 0x02, 64, Buffer.concat([sequence, cardManager]));
    return expected.equals(challenge) && derive(this.#mac, 0x00, 64, this.#context).equals(cryptogram);
  }

  /** The answer a card with these keys gives to `initialize` in its session number `sequence`. */
  cardAnswer(chipNumber: Uint8Array, kvn: number, sequence: Uint8Array): Uint8Array {
    const challenge = derive(this.#keys.enc, 0x02, 64, Buffer.concat([sequence, cardManager]));
    this.#derive(challenge);
    const cryptogram = derive(this.#mac, 0x00, 64, this.#context);
    const ending = Buffer.from([0x90, 0x00]);
    return Buffer.concat([chipNumber, Buffer.from([kvn, 3, 0x70]), challenge, cryptogram, sequence, ending]);
  }

  authenticate(): Uint8Array {
    return this.#maced([0x84, 0x82, this.#level, 0], derive(this.#mac, 0x01, 64, this.#context));
  }

  /** A plain short command to a wrapped one. */
  wrap(plain: Uint8Array): Uint8Array {
    const [cla = 0, ins = 0, p1 = 0, p2 = 0, lc = 0] = plain;
    const withData = plain.length > 5;
    let data = plain.subarray(5, withData ? 5 + lc : 5);
    const le = withData ? plain.subarray(5 + lc) : plain.subarray(4);
    this.#counter++;
    if (this.#level & 0x02 && data.length > 0) data = cbc(this.#enc, this.#icv(0), padded(data));
    return Buffer.concat([this.#maced([cla | 0x04, ins, p1, p2], data), le]);
  }

  /** The plain answer, or undefined when its R-MAC is wrong. Errors come without one. */
  unwrap(answer: Uint8Array): Uint8Array | undefined {
    const sw = answer.subarray(-2);
    if (!this.#answersSafely(sw)) return answer;
    const data = answer.subarray(0, -10);
    if (!this.#responseMac(data, sw).equals(answer.subarray(-10, -2))) return undefined;
    if (!(this.#level & 0x20) || data.length === 0) return Buffer.concat([data, sw]);
    const decipher = createDecipheriv("aes-128-cbc", this.#enc, this.#icv(0x80)).setAutoPadding(false);
    const plain = Buffer.concat([decipher.update(data), decipher.final()]);
    return Buffer.concat([plain.subarray(0, plain.lastIndexOf(0x80)), sw]);
  }

  /** The answer a card sends when this is what it says to the command wrapped last. */
  protect(plain: Uint8Array): Uint8Array {
    const [data, sw] = [plain.subarray(0, -2), plain.subarray(-2)];
    if (!this.#answersSafely(sw)) return plain;
    const encrypted = this.#level & 0x20 && data.length > 0;
    const sent = encrypted ? cbc(this.#enc, this.#icv(0x80), padded(data)) : data;
    return Buffer.concat([sent, this.#responseMac(sent, sw), sw]);
  }

  /** A key for PUT KEY: `88 11 10` key under the DEK ‖ `03` KCV. */
  wrapKey(key: Uint8Array): Uint8Array {
    return Buffer.concat([
      Buffer.from([0x88, 0x11, 0x10]),
      this.underDek(key),
      Buffer.from([3]),
      checkValue(key),
    ]);
  }

  underDek(data: Uint8Array): Buffer {
    return encrypt("aes-128-cbc", this.#keys.dek, data);
  }

  /** R-MAC is on, and this status word carries one (errors come bare). */
  #answersSafely(sw: Uint8Array): boolean {
    return (this.#level & 0x10) !== 0 && [0x90, 0x62, 0x63].includes(sw[0] ?? 0);
  }

  #responseMac(data: Uint8Array, sw: Uint8Array): Buffer {
    return aesCmac(this.#rmac, Buffer.concat([this.#chain, data, sw])).subarray(0, 8);
  }

  #derive(cardChallenge: Uint8Array): void {
    this.#context = Buffer.concat([this.#challenge, cardChallenge]);
    this.#enc = derive(this.#keys.enc, 0x04, 128, this.#context);
    this.#mac = derive(this.#keys.mac, 0x06, 128, this.#context);
    this.#rmac = derive(this.#keys.mac, 0x07, 128, this.#context);
  }

  #icv(first: number): Buffer {
    const counter = Buffer.alloc(16);
    counter.writeUInt32BE(this.#counter, 12);
    counter[0] = first;
    return encrypt("aes-128-ecb", this.#enc, counter);
  }

  #maced(header: readonly number[], data: Uint8Array): Buffer {
    const command = Buffer.from([...header, data.length + 8, ...data]);
    this.#chain = aesCmac(this.#mac, Buffer.concat([this.#chain, command]));
    return Buffer.concat([command, this.#chain.subarray(0, 8)]);
  }
}
