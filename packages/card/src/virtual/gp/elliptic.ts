import { type Answer, answer, type Apdu, join, same, status, SW } from "../os/command.js";
import { AUTHORITY } from "./certificates.js";
import type { GpCard } from "./card.js";
import type { Channel } from "./channel.js";
import { isPair } from "./scp11.js";
import type { EllipticKey } from "./state.js";
import { type Item, item, items } from "./tlv.js";

/** Room in the state that all of them together take at most. */
const MOST_KEYS = 8;
const MOST_ABOUT = 768;
const PRIVATE = 0xb1;
const PUBLIC = 0xb0;
const none = new Uint8Array(0);

export const isElliptic = (kid: number): boolean => kid === AUTHORITY || isPair(kid);

/**
 * PUT KEY of one elliptic key (GPCS 11.8; Amendment F, 4): P2 its identifier. New version ‖ `B1 20` private key under the DEK (a pair) or
 * `B0 41` point (an authority) ‖ `F0 01 00` P-256 ‖ 00 (no check value). P1 as for other keys. The card computes the pair's public half;
 * certificates come by STORE DATA, those of the key before are gone. Answer: the new version.
 */
export function putElliptic(card: GpCard, { p1, p2: kid, data }: Apdu, channel: Channel): Answer {
  const { vault } = card;
  const { elliptic } = vault.state;
  const [kvn = 0] = data;
  if (kvn < 0x01 || kvn > 0x7f) return status(SW.wrongData);
  const key = readKey(card, channel, kid, kvn, data.subarray(1));
  if (key === undefined) return status(SW.wrongData);
  const old = elliptic.find((one) => one.kid === kid && one.kvn === p1);
  if (p1 !== 0 && old === undefined) return status(SW.referenceNotFound);
  if (kvn !== p1 && elliptic.some((one) => one.kid === kid && one.kvn === kvn)) return status(SW.wrongData);
  const keys = old === undefined ? [...elliptic, key] : elliptic.map((one) => (one === old ? key : one));
  if (keys.length > MOST_KEYS || !vault.change({ elliptic: keys })) return status(SW.noMemory);
  return answer(Uint8Array.of(kvn));
}

function readKey(
  card: GpCard,
  channel: Channel,
  kid: number,
  kvn: number,
  field: Uint8Array,
): EllipticKey | undefined {
  // No check value: its length is 00, and behind it nothing.
  if (field.at(-1) !== 0x00) return undefined;
  const [value, parameters, ...others] = items(field.subarray(0, -1)) ?? [];
  const isP256 = parameters?.tag === 0xf0 && same(parameters.value, Uint8Array.of(0x00));
  if (value === undefined || !isP256 || others.length > 0) return undefined;
  const { p256 } = card.chip.crypto;
  if (kid === AUTHORITY) {
    const isPoint = value.tag === PUBLIC && value.value.length === 65 && value.value[0] === 0x04;
    return isPoint ? { kid, kvn, privateKey: none, publicKey: value.value.slice(), about: none } : undefined;
  }
  if (value.tag !== PRIVATE || value.value.length !== 32) return undefined;
  const privateKey = channel.decryptWithDek(value.value);
  if (privateKey === undefined) return undefined;
  try {
    return { kid, kvn, privateKey, publicKey: p256.publicKeyOf(privateKey), about: none };
  } catch {
    return undefined;
  }
}

/**
 * STORE DATA of the domain: `A6 { 83 02 KID KVN }` names a key, and behind it stands `BF21 { certificates }` for a pair, or `42` identifier
 * for an authority (Amendment F, 7.6). Undefined: it is something else.
 */
export function storedAbout(
  elliptic: readonly EllipticKey[],
  objects: readonly Item[],
): readonly EllipticKey[] | number | undefined {
  const [reference, content, ...others] = objects;
  if (reference?.tag !== 0xa6) return undefined;
  const key = keyNamed(elliptic, reference);
  if (content === undefined || others.length > 0) return SW.wrongData;
  if (key === undefined) return SW.referenceNotFound;
  const fits =
    key.kid === AUTHORITY
      ? content.tag === 0x42 && content.value.length > 0 && content.value.length <= 16
      : content.tag === 0xbf21 && (items(content.value)?.length ?? 0) > 0;
  if (!fits) return SW.wrongData;
  if (content.value.length > MOST_ABOUT) return SW.noMemory;
  const about = content.value.slice();
  return elliptic.map((one) => (one === key ? { ...key, about } : one));
}

function keyNamed(elliptic: readonly EllipticKey[], { value }: Item): EllipticKey | undefined {
  const [named, ...others] = items(value) ?? [];
  if (named?.tag !== 0x83 || named.value.length !== 2 || others.length > 0) return undefined;
  const [kid, kvn] = named.value;
  return elliptic.find((one) => one.kid === kid && one.kvn === kvn);
}

/** GET DATA BF21 (Amendment F, 7.3): the certificates of the key that the command data name. */
export function certificateStore(card: GpCard, data: Uint8Array): Answer {
  const [reference, ...others] = items(data) ?? [];
  if (reference?.tag !== 0xa6 || others.length > 0) return status(SW.wrongData);
  const key = keyNamed(card.vault.state.elliptic, reference);
  if (key === undefined || key.kid === AUTHORITY || key.about.length === 0)
    return status(SW.referenceNotFound);
  return answer(item(0xbf21, key.about));
}

/** Their entries in the key information template: a private key by B1, a public one by B0, both with parameters F0. */
export const ellipticInformation = (elliptic: readonly EllipticKey[]): Uint8Array =>
  join(
    ...elliptic.map(({ kid, kvn }) =>
      item(0xc0, isPair(kid) ? [kid, kvn, PRIVATE, 0x20, 0xf0, 0x01] : [kid, kvn, PUBLIC, 0x41, 0xf0, 0x01]),
    ),
  );

/** i of SCP11 in the card recognition data: 01 a, 02 b, 10 c, 08 certificate chains. Undefined: no pair is there. */
export function i11(elliptic: readonly EllipticKey[]): number | undefined {
  const bits = new Map([
    [0x11, 0x01],
    [0x13, 0x02],
    [0x15, 0x10],
  ]);
  const all = elliptic.reduce((sum, { kid }) => sum | (bits.get(kid) ?? 0), 0);
  return all === 0 ? undefined : all | 0x08;
}
