import { concat, equalConstantTime, readU16 } from "../bytes/index.js";
import { type BlockCipher, cmac } from "../crypto/index.js";
import { type Chip, unlessMemoryFails } from "./chip.js";
import { answer, type ReceivedCommand, receive, statusWord } from "./command.js";
import { imageCode } from "./image.js";
import { layout, pageSize } from "./layout.js";
import { erasedPage, type Memory } from "./memory.js";
import { ramSize, romChecksum, romSize } from "./rom.js";

/** What the loader does to its chip beside what an operating system may do. */
export interface LoaderChip extends Chip {
  readonly memory: Memory;
  has(fault: "rom-fault" | "ram-fault" | "wrong-loader-key"): boolean;
  /** Writes the phase pair (one page). */
  complete(os: { major: number; minor: number }, image: { start: number; length: number }): void;
}

const keyLength = 16;
export const loaderTries = 3;
const macLength = 8;
/** Before it lie chip number, loader key and phase. */
const firstFreePage = layout.keySetPair / pageSize;

/** A loader session: opened by both cryptograms, closed by reset, a wrong MAC or a test of the RAM. */
interface Session {
  readonly mac: BlockCipher;
  readonly dek: BlockCipher;
  chain: Uint8Array;
}

const fourBytes = (value: number): Uint8Array =>
  Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);

/** Key and tries in the loader's page pair; undefined once the card is completed. */
export function loaderSecret(memory: Memory): { key: Uint8Array; tries: number } | undefined {
  const content = memory.readPair(layout.loaderPair);
  if (content?.length !== keyLength + 1) return undefined;
  return { key: content.subarray(0, keyLength), tries: content[keyLength] ?? 0 };
}

/** Page pair content of the loader. */
export const loaderContent = (key: Uint8Array, tries: number): Uint8Array =>
  concat(key, Uint8Array.of(tries));

/** After completion nothing of the loader key may stay, in neither page of its pair. */
export function forgetLoaderKey(memory: Memory): void {
  for (const address of [layout.loaderPair, layout.loaderPair + pageSize])
    if (!memory.holds(address / pageSize, erasedPage)) unlessMemoryFails(() => memory.fill(address, 1, 0xff));
}

/** The ROM loader: all commands of docs/card-os.md, section 2. */
export class Loader {
  readonly #chip: LoaderChip;
  /** The last INITIALIZE LOADER: what both cryptograms and the session keys are computed over. */
  #context: Uint8Array | undefined;
  #session: Session | undefined;
  #completed = false;

  constructor(chip: LoaderChip) {
    this.#chip = chip;
  }

  reset(): void {
    this.#context = undefined;
    this.#session = undefined;
    this.#completed = false;
  }

  dispatch(apdu: Uint8Array): Uint8Array {
    if (this.#completed) return statusWord(0x6985);
    const command = receive(apdu);
    if (command === undefined) return statusWord(0x6700);
    return this.#perform(command);
  }

  #perform(command: ReceivedCommand): Uint8Array {
    const plainly = (work: () => Uint8Array): Uint8Array => this.#chip.perform(command.ins, work);
    switch ((command.cla << 8) | command.ins) {
      case 0x80ca:
        return plainly(() => this.#getData(command));
      case 0x8012:
        return plainly(() => this.#testRam(command));
      case 0x8014:
        return plainly(() => this.#romChecksum(command));
      case 0x8016:
        return plainly(() => this.#eepromChecksum(command));
      case 0x8018:
        return plainly(() => this.#testEeprom(command));
      case 0x8050:
        return plainly(() => this.#initialize(command));
      case 0x8082:
        return plainly(() => this.#authenticate(command));
      case 0x84d6:
        return this.#secured(command, (data) => this.#loadBlock(command, data));
      case 0x84d8:
        return this.#secured(command, (data) => this.#loadKeys(command, data));
      case 0x8444:
        return this.#secured(command, (data) => this.#activate(command, data));
      default:
        return statusWord(command.cla === 0x80 || command.cla === 0x84 ? 0x6d00 : 0x6e00);
    }
  }

  #getData({ p1, p2, data, le }: ReceivedCommand): Uint8Array {
    if (data.length > 0) return statusWord(0x6700);
    const tag = (p1 << 8) | p2;
    if (tag === 0x00cf) return shortened(this.#chip.chipNumberObject(), le);
    if (tag === 0xdf01) return shortened(this.#chip.chipStatusObject(false), le);
    return statusWord(0x6a88);
  }

  #testRam({ p1, p2, data, le }: ReceivedCommand): Uint8Array {
    if (p1 !== 0 || p2 !== 0) return statusWord(0x6a86);
    if (data.length > 0 || le !== undefined) return statusWord(0x6700);
    // Session keys and challenges are kept in the RAM that is overwritten.
    this.reset();
    const ram = new Uint8Array(ramSize);
    const stuck = this.#chip.has("ram-fault") ? ramSize - 1 : undefined;
    const good = [0x55, 0xaa].every((pattern) => {
      ram.fill(pattern);
      if (stuck !== undefined) ram[stuck] = 0;
      this.#chip.spendMicros(ramSize);
      return ram.every((byte) => byte === pattern);
    });
    return statusWord(good ? 0x9000 : 0x6581);
  }

  #romChecksum({ p1, p2, data, le }: ReceivedCommand): Uint8Array {
    if (p1 !== 0 || p2 !== 0) return statusWord(0x6a86);
    if (data.length > 0) return statusWord(0x6700);
    this.#chip.spendMicros(romSize / 10);
    return shortened(fourBytes(romChecksum(this.#chip.has("rom-fault"))), le);
  }

  #eepromChecksum({ p1, p2, data, le }: ReceivedCommand): Uint8Array {
    if (p1 !== 0 || p2 !== 0) return statusWord(0x6a86);
    if (data.length !== 4) return statusWord(0x6700);
    const [first, count] = [readU16(data, 0), readU16(data, 2)];
    if (count === 0 || first + count > this.#chip.pages) return statusWord(0x6a80);
    const length = count * pageSize;
    this.#chip.spendMicros(length / 10);
    return shortened(fourBytes(this.#chip.memory.checksum(first * pageSize, length)), le);
  }

  #testEeprom({ p1, p2, data, le }: ReceivedCommand): Uint8Array {
    if ((p1 !== 1 && p1 !== 2) || p2 > 1) return statusWord(0x6a86);
    if (data.length !== 4 || le !== undefined) return statusWord(0x6700);
    const [first, count] = [readU16(data, 0), readU16(data, 2)];
    const last = first + count;
    if (count === 0 || count > 256 || first < firstFreePage || last > this.#chip.pages)
      return statusWord(0x6a80);
    const chessboard = new Uint8Array(pageSize);
    for (let i = 0; i < pageSize; i++) chessboard[i] = i % 2 === p1 - 1 ? 0xaa : 0x55;
    const { memory } = this.#chip;
    for (let page = first; page < last; page++)
      memory.program(page, chessboard, p2 === 1 ? "short" : "normal");
    for (let page = first; page < last; page++)
      if (!memory.holds(page, chessboard)) return statusWord(0x6581);
    return statusWord(0x9000);
  }

  #initialize({ p1, p2, data, le }: ReceivedCommand): Uint8Array {
    if (p1 !== 0 || p2 !== 0) return statusWord(0x6a86);
    if (data.length !== 16) return statusWord(0x6700);
    this.reset();
    const secret = loaderSecret(this.#chip.memory);
    if (secret === undefined || secret.tries === 0) return statusWord(0x6983);
    const cardChallenge = this.#chip.random(16);
    const context = concat(this.#chip.chipNumber, data, cardChallenge);
    const cryptogram = this.#mac(this.#loaderCipher(secret.key), concat(Uint8Array.of(1), context));
    this.#context = context;
    return shortened(concat(this.#chip.chipNumber, cardChallenge, cryptogram), le);
  }

  #authenticate({ p1, p2, data, le }: ReceivedCommand): Uint8Array {
    if (p1 !== 0 || p2 !== 0) return statusWord(0x6a86);
    if (data.length !== 16 || le !== undefined) return statusWord(0x6700);
    const context = this.#context;
    const secret = loaderSecret(this.#chip.memory);
    if (context === undefined || secret === undefined) return statusWord(0x6985);
    this.#context = undefined;
    if (secret.tries === 0) return statusWord(0x6983);
    // Lowered before the comparison: power cut in between costs the try.
    const tries = secret.tries - 1;
    this.#chip.writePair(layout.loaderPair, loaderContent(secret.key, tries));
    const cipher = this.#loaderCipher(secret.key);
    const derive = (purpose: number): Uint8Array =>
      this.#mac(cipher, concat(Uint8Array.of(purpose), context));
    if (!equalConstantTime(derive(2), data)) return statusWord(0x63c0 | tries);
    const { crypto } = this.#chip;
    this.#session = { mac: crypto.aes(derive(3)), dek: crypto.aes(derive(4)), chain: new Uint8Array(16) };
    this.#chip.writePair(layout.loaderPair, loaderContent(secret.key, loaderTries));
    return statusWord(0x9000);
  }

  /** Checks the MAC over header, Lc and data before anything else is looked at. */
  #secured(command: ReceivedCommand, work: (data: Uint8Array) => Uint8Array): Uint8Array {
    const session = this.#session;
    if (session === undefined) return statusWord(0x6982);
    const { cla, ins, p1, p2, data, le } = command;
    if (data.length <= macLength || le !== undefined) return statusWord(0x6700);
    const plain = data.subarray(0, data.length - macLength);
    const header = Uint8Array.of(cla, ins, p1, p2, data.length);
    const chain = this.#mac(session.mac, concat(session.chain, header, plain));
    if (!equalConstantTime(chain.subarray(0, macLength), data.subarray(plain.length))) {
      this.#session = undefined;
      return statusWord(0x6988);
    }
    session.chain = chain;
    return this.#chip.perform(ins, () => work(plain));
  }

  #loadBlock({ p1, p2 }: ReceivedCommand, block: Uint8Array): Uint8Array {
    const address = (p1 << 8) | p2;
    if (block.length > 192) return statusWord(0x6700);
    if (address < layout.image || address + block.length > layout.files) return statusWord(0x6b00);
    this.#chip.write(address, block);
    return statusWord(0x9000);
  }

  #loadKeys({ p1, p2 }: ReceivedCommand, data: Uint8Array): Uint8Array {
    const session = this.#session;
    if (session === undefined) return statusWord(0x6982);
    if (p1 !== 0 || p2 < 0x01 || p2 > 0x7f) return statusWord(0x6a86);
    if (data.length !== 3 * (keyLength + 3)) return statusWord(0x6700);
    const keys: Uint8Array[] = [];
    for (let at = 0; at < data.length; at += keyLength + 3) {
      const key = session.dek.cbcDecrypt(new Uint8Array(16), data.subarray(at, at + keyLength));
      const check = this.#chip.crypto.aes(key).encrypt(new Uint8Array(16).fill(1));
      this.#chip.spendAes(2);
      if (!equalConstantTime(check.subarray(0, 3), data.subarray(at + keyLength, at + keyLength + 3)))
        return statusWord(0x6a80);
      keys.push(key);
    }
    this.#chip.replacePair(layout.keySetPair, concat(Uint8Array.of(p2), ...keys));
    return statusWord(0x9000);
  }

  #activate({ p1, p2 }: ReceivedCommand, data: Uint8Array): Uint8Array {
    if (p1 !== 0 || p2 !== 0) return statusWord(0x6a86);
    if (data.length !== 8) return statusWord(0x6700);
    const [start, length] = [readU16(data, 0), readU16(data, 2)];
    const { memory } = this.#chip;
    if (start < layout.image || start + length > layout.files) return statusWord(0x6985);
    this.#chip.spendMicros(length / 10);
    if (!equalConstantTime(fourBytes(memory.checksum(start, length)), data.subarray(4)))
      return statusWord(0x6985);
    const bytes = memory.read(start, length);
    const image = imageCode(bytes);
    if (image === undefined || readU16(bytes, 8) !== start + 16) return statusWord(0x6985);
    if (memory.readPair(layout.keySetPair) === undefined) return statusWord(0x6985);
    this.#chip.complete({ major: image.major, minor: image.minor }, { start, length });
    this.#completed = true;
    // The newer page; the older is erased at the next reset, and this one too if the power fails here.
    memory.eraseNewer(layout.loaderPair);
    return statusWord(0x9000);
  }

  #loaderCipher(key: Uint8Array): BlockCipher {
    const own = key.slice();
    if (this.#chip.has("wrong-loader-key")) own[0] = (own[0] ?? 0) ^ 0xa5;
    return this.#chip.crypto.aes(own);
  }

  /** Counts one block per 16 bytes begun and one for the two subkeys. */
  #mac(cipher: BlockCipher, message: Uint8Array): Uint8Array {
    this.#chip.spendAes(Math.max(1, Math.ceil(message.length / 16)) + 1);
    return cmac(cipher, message);
  }
}

/** Data as far as Le asks: none expected 6700, too short an Le 6CXX. */
function shortened(data: Uint8Array, le: number | undefined): Uint8Array {
  if (le === undefined) return statusWord(0x6700);
  return le < data.length ? statusWord(0x6c00 | data.length) : answer(data);
}
