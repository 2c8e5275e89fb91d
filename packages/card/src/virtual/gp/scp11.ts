import { CardProblem } from "../../bytes/index.js";
import type { Chip } from "../chip.js";
import { type Answer, answer, type Apdu, join, same, status, SW } from "../os/command.js";
import type { GpCard } from "./card.js";
import { Cipher } from "../os/cipher.js";
import { AesMessaging } from "./messaging.js";
import type { EllipticKey } from "./state.js";
import { type Item, item, items } from "./tlv.js";

/** By key identifier: which instruction uses the pair, and what its parameters (tag 90) say. */
const VARIANTS: ReadonlyMap<number, { readonly ins: number; readonly parameters: number }> = new Map([
  [0x11, { ins: 0x82, parameters: 0x01 }],
  [0x13, { ins: 0x88, parameters: 0x00 }],
  [0x15, { ins: 0x82, parameters: 0x03 }],
]);
const STATIC_AGREEMENT = 0x15;
const HOST_UNKNOWN = 0x13;
const SCP11 = 0x11;
const AES = 0x88;
const POINT = 0x5f49;
const RECEIPT = 0x86;
/** Key usage (tag 95) and the level that it means. */
const LEVELS: ReadonlyMap<number, number> = new Map([
  [0x34, 0x11],
  [0x3c, 0x33],
]);
/** A scalar multiplication in the coprocessor, and a block of SHA-256. */
const multiplyMicros = 15_000;
const hashMicros = 100;

export const isPair = (kid: number): boolean => VARIANTS.has(kid);

/** SCP11 (Amendment F) once keys are agreed upon: secure messaging of SCP03 that chains from the receipt. */
class Scp11Channel extends AesMessaging {
  readonly kvn: number;
  readonly kid: number;
  readonly knowsHost: boolean;

  constructor(
    start: ConstructorParameters<typeof AesMessaging>[0],
    is: {
      readonly kvn: number;
      readonly kid: number;
      readonly knowsHost: boolean;
      readonly level: number;
    },
  ) {
    super(start);
    this.kvn = is.kvn;
    this.kid = is.kid;
    this.knowsHost = is.knowsHost;
    this.level = is.level;
  }
}

interface Asked {
  readonly usage: number;
  readonly level: number;
  readonly keyLength: number;
  readonly hostPoint: Uint8Array;
}

/**
 * MUTUAL AUTHENTICATE (a, c) and INTERNAL AUTHENTICATE (b): P1 the version of the card's pair, P2 its identifier. Whatever is wrong ends all
 * there was: the host's certificate must come again.
 */
export function agree(card: GpCard, command: Apdu): Answer {
  const { ins, p1, p2, data } = command;
  const { hostKey, chip, vault } = card;
  card.endChannel();
  const variant = VARIANTS.get(p2);
  if (variant === undefined || variant.ins !== ins) return status(SW.wrongP1P2);
  const pair = vault.state.elliptic.find(({ kid, kvn }) => kid === p2 && kvn === p1);
  if (pair === undefined) return status(SW.referenceNotFound);
  if (p2 !== HOST_UNKNOWN && hostKey === undefined) return status(SW.conditionsNotSatisfied);
  const asked = readAsked(data, variant.parameters);
  if (asked === undefined) return status(SW.wrongData);
  const own = chip.has("wrong-loader-key") ? spoiled(pair) : pair;
  const made = unlessNoPoint(() => agreed(chip, own, asked, hostKey?.publicKey ?? asked.hostPoint));
  if (made === undefined) return status(SW.wrongData);
  const { keys, point } = made;
  const answered = item(POINT, point);
  const part = (at: number): Cipher =>
    new Cipher(chip, keys.slice(at * asked.keyLength, (at + 1) * asked.keyLength));
  const receipt = part(0).cmac(data, answered);
  const start = { size: 8, enc: part(1), mac: part(2), rmac: part(3), dek: part(4), chain: receipt } as const;
  keys.fill(0);
  card.channel = new Scp11Channel(start, {
    kvn: p1,
    kid: p2,
    knowsHost: p2 !== HOST_UNKNOWN,
    level: asked.level,
  });
  return answer(join(answered, item(RECEIPT, receipt)));
}

/** A6 { 90 protocol and parameters, 95 usage, 80 key type, 81 key length }, 5F49 the host's ephemeral point; nothing else. */
function readAsked(data: Uint8Array, parameters: number): Asked | undefined {
  const [reference, point, ...others] = items(data) ?? [];
  if (reference?.tag !== 0xa6 || point?.tag !== POINT || others.length > 0) return undefined;
  const fields = items(reference.value);
  if (fields?.map(({ tag }) => tag).join() !== [0x90, 0x95, 0x80, 0x81].join()) return undefined;
  const is = (field: Item | undefined, ...bytes: number[]): boolean =>
    field !== undefined && same(field.value, Uint8Array.from(bytes));
  const [protocol, usage, type, length] = fields;
  if (!is(protocol, SCP11, parameters) || !is(type, AES)) return undefined;
  const [use = 0, keyLength = 0] = [usage?.value[0], length?.value[0]];
  const level = LEVELS.get(use);
  if (!is(usage, use) || !is(length, keyLength) || level === undefined) return undefined;
  if (keyLength !== 16 && keyLength !== 24 && keyLength !== 32) return undefined;
  return { usage: use, level, keyLength, hostPoint: point.value };
}

/** Amendment F, 3.1: what both sides know from two agreements, spread by X9.63 over five keys; c's ephemeral key is the static one. */
function agreed(
  chip: Chip,
  pair: EllipticKey,
  { usage, keyLength, hostPoint }: Asked,
  hostStatic: Uint8Array,
): { readonly keys: Uint8Array; readonly point: Uint8Array } {
  const { p256 } = chip.crypto;
  const isStatic = pair.kid === STATIC_AGREEMENT;
  const ephemeral = isStatic ? pair : p256.generate();
  chip.spendMicros((isStatic ? 2 : 3) * multiplyMicros);
  const first = p256.agree(ephemeral.privateKey, hostPoint);
  const second = p256.agree(pair.privateKey, hostStatic);
  if (!isStatic) ephemeral.privateKey.fill(0);
  const keys = new Uint8Array(5 * keyLength);
  for (let block = 0; block * 32 < keys.length; block++) {
    const counted = join(first, second, [0, 0, 0, block + 1], [usage, AES, keyLength]);
    chip.spendMicros(2 * hashMicros);
    keys.set(chip.crypto.sha256(counted).subarray(0, keys.length - block * 32), block * 32);
    counted.fill(0);
  }
  first.fill(0);
  second.fill(0);
  return { keys, point: ephemeral.publicKey };
}

/** Not the private key that its certificate is for. */
const spoiled = (pair: EllipticKey): EllipticKey => ({
  ...pair,
  privateKey: pair.privateKey.map((byte) => byte ^ 0x5a),
});

/** A point beside the curve is refused by the coprocessor. */
function unlessNoPoint<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (problem) {
    if (problem instanceof CardProblem && problem.code === "bad-key") return undefined;
    throw problem;
  }
}
