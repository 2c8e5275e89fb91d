import { type Answer, answer, type Apdu, join, same, status, SW } from "../os/command.js";
import type { Grouping } from "./applets.js";
import { type GpCard, unlessSecured } from "./card.js";
import { type Channel, WHOLE_SET } from "./channel.js";
import { checkValue } from "./ciphers.js";
import { isElliptic, putElliptic } from "./elliptic.js";
import type { KeySet, KeyType } from "./state.js";
import { readCounters, writeCounters } from "./state.js";
import { items } from "./tlv.js";

const INITIAL = 0xff;
/** As many counters as a page pair has room for. */
const MOST_SETS = 12;
const algorithmNotSupported = 0x9484;

interface NewKey {
  readonly type: KeyType;
  readonly key: Uint8Array;
  readonly kcv: Uint8Array;
}

/**
 * PUT KEY (GPCS 11.8; Amendment D, 7.2): P1 00 adds a version, else replaces it; P2 81 brings all three keys at once, 01 to 03 one of a
 * version that is there. The first version that is added takes the place of the initial one (FF). All or nothing.
 */
export function putKey(card: GpCard, command: Apdu): Answer {
  const { p1, p2, data } = command;
  const refused = unlessSecured(card);
  const { channel, vault } = card;
  if (refused !== undefined || channel === undefined) return refused ?? status(SW.securityNotSatisfied);
  if (isElliptic(p2)) return putElliptic(card, command, channel);
  const whole = p2 === 0x81;
  if (!whole && (p2 < 1 || p2 > 3)) return status(SW.wrongP1P2);
  const read = readKeys(card, channel, data.subarray(1), whole ? 3 : 1);
  if (typeof read === "number") return status(read);
  const [kvn = 0] = data;
  if (kvn < 0x01 || kvn > 0x7f) return status(SW.wrongData);
  const sets = changed(vault.state.keySets, { p1, kvn, id: whole ? undefined : p2, read });
  if (typeof sets === "number") return status(sets);
  if (sets.length > MOST_SETS || !vault.change({ keySets: sets })) return status(SW.noMemory);
  forgetCounters(card, p1, kvn);
  return answer(join([kvn], ...read.map((one) => one.kcv)));
}

function changed(
  sets: readonly KeySet[],
  put: {
    readonly p1: number;
    readonly kvn: number;
    readonly id: number | undefined;
    readonly read: readonly NewKey[];
  },
): readonly KeySet[] | number {
  const { p1, kvn, id, read } = put;
  const [first] = read;
  const old = sets.find((set) => set.kvn === p1);
  if (p1 !== 0 && old === undefined) return SW.referenceNotFound;
  if (first === undefined || (kvn !== p1 && sets.some((set) => set.kvn === kvn))) return SW.wrongData;
  if (id !== undefined) {
    const fits = old?.keys[id - 1]?.length === first.key.length && old.type === first.type;
    if (old === undefined || kvn !== p1 || !fits) return SW.wrongData;
    const keys = old.keys.map((key, at) => (at === id - 1 ? first.key : key));
    return sets.map((set) => (set === old ? { ...old, keys } : set));
  }
  if (read.some((one) => one.type !== first.type || one.key.length !== first.key.length)) return SW.wrongData;
  const made: KeySet = { kvn, type: first.type, keys: read.map(({ key }) => key) };
  if (old !== undefined) return sets.map((set) => (set === old ? made : set));
  return [...sets.filter((set) => set.kvn !== INITIAL), made];
}

/** New keys begin with counter 0. They are in the card already: after a tear here an old counter goes on, which does no harm. */
function forgetCounters(card: GpCard, ...kvns: readonly number[]): void {
  const { tries, sequences } = readCounters(card.chip);
  const there = card.vault.state.keySets.map(({ kvn }) => kvn);
  const kept = new Map([...sequences].filter(([kvn]) => !kvns.includes(kvn) && there.includes(kvn)));
  if (kept.size !== sequences.size) writeCounters(card.chip, { tries, sequences: kept });
}

/** `count` key fields and nothing else, or the status word that refuses them. */
function readKeys(
  card: GpCard,
  channel: Channel,
  bytes: Uint8Array,
  count: number,
): readonly NewKey[] | number {
  const keys: NewKey[] = [];
  let at = 0;
  for (let left = count; left > 0; left--) {
    const type = bytes[at];
    if (type !== 0x80 && type !== 0x88) return at < bytes.length ? algorithmNotSupported : SW.wrongData;
    const length = bytes[at + 1] ?? 0;
    const field = bytes.subarray(at + 2, at + 2 + length);
    const checkLength = bytes[at + 2 + length];
    const kcv = bytes.subarray(at + 3 + length, at + 6 + length);
    if (field.length !== length || checkLength !== 3 || kcv.length !== 3) return SW.wrongData;
    const key = type === 0x80 ? desKey(channel, field) : aesKey(channel, field);
    if (key === undefined || !same(checkValue(card.chip, type, key), kcv)) return SW.wrongData;
    keys.push({ type, key, kcv });
    at += 6 + length;
  }
  return at === bytes.length ? keys : SW.wrongData;
}

const desKey = (channel: Channel, field: Uint8Array): Uint8Array | undefined =>
  field.length === 16 ? channel.decryptWithDek(field) : undefined;

/** The key's own length in front: 24 bytes come padded to 32. */
function aesKey(channel: Channel, field: Uint8Array): Uint8Array | undefined {
  const [length = 0] = field;
  if (length !== 16 && length !== 24 && length !== 32) return undefined;
  const wrapped = field.subarray(1);
  if (wrapped.length !== Math.ceil(length / 16) * 16) return undefined;
  return channel.decryptWithDek(wrapped)?.slice(0, length);
}

const DESCRIPTION = 0x00b9;
const VALUE = 0x8113;

/**
 * A whole AES set as data groupings: 00B9 says version and check values, three 8113 bring the keys under the DEK, whatever P1 says of
 * them (GPCS 11.11). A version that is there is replaced. All or nothing.
 */
export function storeKeys(card: GpCard, [description, ...values]: readonly Grouping[]): number {
  const { channel, vault } = card;
  if (description?.id !== DESCRIPTION || values.length !== 3 || channel === undefined) return SW.wrongData;
  const objects = items(description.value);
  const attributes = items(objects?.find(({ tag }) => tag === 0xb7)?.value ?? new Uint8Array(0));
  const attribute = (tag: number): number => attributes?.find((one) => one.tag === tag)?.value[0] ?? 0;
  const [type, length, kvn] = [attribute(0x80), attribute(0x81), attribute(0x83)];
  const references = objects?.filter(({ tag }) => tag === 0xb9).map(({ value }) => items(value));
  if (type !== 0x88 || ![16, 24, 32].includes(length) || kvn < 0x01 || kvn > 0x7f) return SW.wrongData;
  const read = values.flatMap(({ id, value, secret }, at): NewKey[] => {
    const key = (secret ? value : channel.decryptWithDek(value))?.slice(0, length);
    const wanted = references?.[at];
    const numbered = wanted?.find(({ tag }) => tag === 0x82)?.value[0] === at + 1;
    const kcv = wanted?.find(({ tag }) => tag === 0x84)?.value;
    if (id !== VALUE || key?.length !== length || !numbered || kcv === undefined) return [];
    return same(checkValue(card.chip, 0x88, key), kcv) ? [{ type: 0x88, key, kcv }] : [];
  });
  if (read.length !== 3) return SW.wrongData;
  const p1 = vault.state.keySets.some((set) => set.kvn === kvn) ? kvn : 0;
  const sets = changed(vault.state.keySets, { p1, kvn, id: undefined, read });
  if (typeof sets === "number") return sets;
  if (sets.length > MOST_SETS || !vault.change({ keySets: sets })) return SW.noMemory;
  forgetCounters(card, kvn);
  return SW.ok;
}

/**
 * DELETE [key] (GPCS 11.2.2.3.2): one key by identifier and version; by one of them alone all keys that have it, sets and elliptic keys alike.
 * All or none: never what the channel was opened with, nor the last set, so that one always remains.
 */
export function deleteKeys(card: GpCard, ask: { readonly id?: number; readonly kvn?: number }): Answer {
  const { id, kvn } = ask;
  const { keySets, elliptic } = card.vault.state;
  if (id === undefined && kvn === undefined) return status(SW.wrongData);
  const hasVersion = (key: { readonly kvn: number }): boolean => kvn === undefined || kvn === key.kvn;
  const sets = keySets.filter((set) => hasVersion(set) && (id === undefined || (id >= 1 && id <= 3)));
  const keys = elliptic.filter((key) => hasVersion(key) && (id === undefined || id === key.kid));
  if (sets.length + keys.length === 0) return status(SW.referenceNotFound);
  // Keys go as sets: half a set opens nothing.
  if (sets.length > 0 && (id !== undefined || sets.length === keySets.length))
    return status(SW.conditionsNotSatisfied);
  const { channel } = card;
  const opened = [...sets.map((set) => ({ ...set, kid: WHOLE_SET })), ...keys];
  if (opened.some((key) => key.kid === channel?.kid && key.kvn === channel.kvn))
    return status(SW.conditionsNotSatisfied);
  card.vault.change({
    keySets: keySets.filter((set) => !sets.includes(set)),
    elliptic: elliptic.filter((key) => !keys.includes(key)),
  });
  forgetCounters(card, ...sets.map((set) => set.kvn));
  return answer(Uint8Array.of(0x00));
}
