/** Key blocks of ANSI X9.143 (TR-31) and ISO 20038: a key with what it may be used for, under a key block protection key. */
import { concat, equalConstantTime, hex, unhex, u16, utf8 } from "../bytes/index.js";
import { type BlockCipher, cmac, type Crypto } from "../crypto/index.js";
import {
  encodeHeader,
  type KeyBlockHeader,
  type KeyBlockVersion,
  parseHeader,
  refused,
  SHAPES,
} from "./header.js";

export interface WrapKeyBlock {
  readonly crypto: Crypto;
  /** The key block protection key: 16 or 24 bytes for A, B, C; 16, 24 or 32 for D, E. */
  readonly kbpk: Uint8Array;
  readonly header: KeyBlockHeader;
  readonly key: Uint8Array;
  /** Random bytes for the padding; at least `paddingLength` of them. */
  readonly random: Uint8Array;
  /** Length of the longest key the block shall be able to hide, in bytes: the block then does not tell the key's own. Default: the key's. */
  readonly maskTo?: number;
  /** For samples whose usage, algorithm and mode do not go together by the standard's tables. Default: refused. */
  readonly anyUse?: boolean;
}

export interface OpenedKeyBlock {
  readonly header: KeyBlockHeader;
  /** The caller wipes it. */
  readonly key: Uint8Array;
  /** What filled the last block up; tells nothing. */
  readonly padding: Uint8Array;
}

/** Random bytes that a block needs besides the key. */
export function paddingLength(version: KeyBlockVersion, keyLength: number, maskTo = keyLength): number {
  const clear = 2 + Math.max(keyLength, maskTo);
  // Counter mode needs no whole blocks, but characters do: version E stays at what ISO 20038 prints, the length and the key.
  const unit = version === "E" ? 1 : SHAPES[version].block;
  return Math.ceil(clear / unit) * unit - 2 - keyLength;
}

interface BlockKeys {
  readonly encryption: BlockCipher;
  readonly authentication: BlockCipher;
}

/** Throws CardProblem `bad-key` for a protection key of another length. */
function blockKeys(crypto: Crypto, version: KeyBlockVersion, kbpk: Uint8Array): BlockKeys {
  const lengths = SHAPES[version].block === 8 ? [16, 24] : [16, 24, 32];
  if (!lengths.includes(kbpk.length))
    throw refused(`a protection key of ${String(kbpk.length)} bytes is none for version ${version}`);
  if (version === "A" || version === "C") {
    const variant = (value: number): BlockCipher =>
      once(
        (key) => crypto.des3(key),
        kbpk.map((byte) => byte ^ value),
      );
    return { encryption: variant(0x45), authentication: variant(0x4d) };
  }
  const make = (key: Uint8Array): BlockCipher =>
    SHAPES[version].block === 8 ? crypto.des3(key) : crypto.aes(key);
  const master = make(kbpk);
  try {
    return {
      encryption: once(make, derived(master, version, kbpk.length, version === "E" ? 0x0002 : 0x0000)),
      authentication: once(make, derived(master, version, kbpk.length, 0x0001)),
    };
  } finally {
    master.wipe();
  }
}

function once(make: (key: Uint8Array) => BlockCipher, key: Uint8Array): BlockCipher {
  const cipher = make(key);
  key.fill(0);
  return cipher;
}

/** X9.143-2021, 6.3: CMAC over counter ‖ usage ‖ 00 ‖ algorithm ‖ length in bits, counted from 1. */
function derived(master: BlockCipher, version: KeyBlockVersion, length: number, usage: number): Uint8Array {
  const isDes = SHAPES[version].block === 8;
  const algorithm = isDes ? (length === 16 ? 0x0000 : 0x0001) : 0x0002 + (length - 16) / 8;
  const parts: Uint8Array[] = [];
  for (let counter = 1; (counter - 1) * master.blockSize < length; counter++) {
    const input = concat(
      Uint8Array.of(counter),
      u16(usage),
      Uint8Array.of(0),
      u16(algorithm),
      u16(length * 8),
    );
    parts.push(cmac(master, input));
  }
  const whole = concat(...parts);
  const key = whole.slice(0, length);
  whole.fill(0);
  for (const part of parts) part.fill(0);
  return key;
}

const isVariant = (version: KeyBlockVersion): boolean => version === "A" || version === "C";

/** Counter mode from a whole block, counted big-endian (SP 800-38A, 6.5). The last block may be cut. */
function counterMode(cipher: BlockCipher, start: Uint8Array, data: Uint8Array): Uint8Array {
  const counter = start.slice();
  const result = data.slice();
  for (let at = 0; at < data.length; at += cipher.blockSize) {
    const stream = cipher.encrypt(counter);
    for (let i = 0; i < cipher.blockSize && at + i < data.length; i++)
      result[at + i] = (result[at + i] ?? 0) ^ (stream[i] ?? 0);
    for (let i = counter.length - 1; i >= 0; i--) {
      counter[i] = ((counter[i] ?? 0) + 1) & 0xff;
      if (counter[i] !== 0) break;
    }
  }
  return result;
}

/** MAC over the header and the clear key (B, D, E: CMAC) or the enciphered one (A, C: CBC-MAC of four bytes). */
function macOf(version: KeyBlockVersion, keys: BlockKeys, head: Uint8Array, data: Uint8Array): Uint8Array {
  const message = concat(head, data);
  const { authentication } = keys;
  if (!isVariant(version)) return cmac(authentication, message);
  return authentication.cbcEncrypt(new Uint8Array(8), message).slice(-8, -4);
}

/** Strength in bits, as far as it decides which key may carry which (SP 800-57 part 1, table 2). */
function strength(algorithm: string, bytes: number): number {
  if (algorithm === "A") return bytes * 8;
  if (algorithm === "T") return bytes >= 24 ? 112 : 80;
  return algorithm === "D" ? 56 : 0;
}

/** A key is never carried by a weaker one. */
function judgeStrength(header: KeyBlockHeader, kbpk: Uint8Array, key: Uint8Array): void {
  const carrier = strength(SHAPES[header.version].block === 8 ? "T" : "A", kbpk.length);
  if (strength(header.algorithm, key.length) > carrier)
    throw refused("the protection key is weaker than the key inside");
}

const KEY_LENGTHS: Readonly<Record<string, readonly number[]>> = { A: [16, 24, 32], T: [8, 16, 24], D: [8] };

function judgeLength({ algorithm }: KeyBlockHeader, bytes: number): void {
  const lengths = KEY_LENGTHS[algorithm];
  if (lengths !== undefined && !lengths.includes(bytes))
    throw refused(`a key of ${String(bytes)} bytes is none of algorithm ${algorithm}`);
}

/** The whole block in ASCII. Throws CardProblem `bad-key-block` for a header that may not be, or a protection key weaker than the key. */
export function wrapKeyBlock({ crypto, kbpk, header, key, random, maskTo, anyUse }: WrapKeyBlock): string {
  const { version } = header;
  judgeLength(header, key.length);
  judgeStrength(header, kbpk, key);
  const fill = paddingLength(version, key.length, maskTo);
  if (random.length < fill) throw refused(`${String(fill)} random bytes are needed for the padding`);
  const clear = concat(u16(key.length * 8), key, random.subarray(0, fill));
  const text = encodeHeader(header, 2 * (clear.length + SHAPES[version].mac), anyUse);
  const head = utf8(text);
  const keys = blockKeys(crypto, version, kbpk);
  try {
    if (isVariant(version)) {
      const enciphered = keys.encryption.cbcEncrypt(head.subarray(0, 8), clear);
      return text + hex(enciphered) + hex(macOf(version, keys, head, enciphered));
    }
    const mac = macOf(version, keys, head, clear);
    const enciphered =
      version === "E" ? counterMode(keys.encryption, mac, clear) : keys.encryption.cbcEncrypt(mac, clear);
    return text + hex(enciphered) + hex(mac);
  } finally {
    clear.fill(0);
    keys.encryption.wipe();
    keys.authentication.wipe();
  }
}

/**
 * Opens a block: header rules first, then the MAC, then the key. Whatever is damaged, cut or longer than it says, and every header that the
 * standard does not have, throws CardProblem `bad-key-block`; nothing of the key is ever in the message.
 */
export function openKeyBlock(ask: {
  readonly crypto: Crypto;
  readonly kbpk: Uint8Array;
  readonly block: string;
  /** As in `WrapKeyBlock`. */
  readonly anyUse?: boolean;
}): OpenedKeyBlock {
  const { crypto, kbpk, block, anyUse } = ask;
  const { header, length } = parseHeader(block, anyUse);
  const { version } = header;
  const { block: size, mac: macLength } = SHAPES[version];
  const body = block.slice(length);
  if (!/^(?:[0-9A-F]{2})+$/.test(body)) throw refused("the body is not hexadecimal in capitals");
  const bytes = unhex(body);
  const enciphered = bytes.subarray(0, Math.max(0, bytes.length - macLength));
  const mac = bytes.subarray(enciphered.length);
  if (enciphered.length < 3 || (version !== "E" && enciphered.length % size !== 0))
    throw refused("the body is too short or no whole blocks");
  const head = utf8(block.slice(0, length));
  const keys = blockKeys(crypto, version, kbpk);
  try {
    const iv = isVariant(version) ? head.subarray(0, 8) : mac;
    const clear =
      version === "E"
        ? counterMode(keys.encryption, mac, enciphered)
        : keys.encryption.cbcDecrypt(iv, enciphered);
    try {
      const expected = macOf(version, keys, head, isVariant(version) ? enciphered : clear);
      if (!equalConstantTime(expected, mac))
        throw refused("its MAC is wrong: it was altered, or the protection key is another one");
      const bits = ((clear[0] ?? 0) << 8) | (clear[1] ?? 0);
      if (bits === 0 || bits % 8 !== 0 || 2 + bits / 8 > clear.length)
        throw refused("the key inside has a length that cannot be");
      const key = clear.slice(2, 2 + bits / 8);
      judgeLength(header, key.length);
      judgeStrength(header, kbpk, key);
      return { header, key, padding: clear.slice(2 + bits / 8) };
    } finally {
      clear.fill(0);
    }
  } finally {
    keys.encryption.wipe();
    keys.authentication.wipe();
  }
}
