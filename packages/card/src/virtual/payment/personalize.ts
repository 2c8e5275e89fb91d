import type { RsaCrt } from "../../crypto/index.js";
import { CardProblem } from "../../bytes/index.js";
import type { Grouping } from "../gp/applets.js";
import type { GpCard } from "../gp/card.js";
import { checkValue, unpadded } from "../gp/ciphers.js";
import type { Objects } from "../gp/objects.js";
import { items } from "../gp/tlv.js";
import { same, SW } from "../os/command.js";
import { aflOf, aipOf, DGI, type Files, inRecords, isRecord, wantedBy } from "./data.js";
import { decipher } from "./signature.js";

const outOfSequence = 0x9580;
const wrongCheckValue = 0x9315;
const KEY_PARTS = 5;
const isKeyPart = (id: number): boolean => {
  const part = (id & 0xff) - 1;
  return (id >> 8 === DGI.iccKey >> 8 || id >> 8 === DGI.pinKey >> 8) && part >= 0 && part < KEY_PARTS;
};
const isSecret = (id: number): boolean => id === DGI.keys || id === DGI.pin || isKeyPart(id);
const OPEN: readonly number[] = [
  DGI.internal,
  DGI.limits,
  DGI.keyChecks,
  DGI.tries,
  DGI.fci,
  DGI.options,
  DGI.issuerData,
];

export const isPaymentGrouping = (id: number): boolean => isRecord(id) || isSecret(id) || OPEN.includes(id);
export const isDirectoryGrouping = (id: number): boolean => isRecord(id) || id === DGI.fci;

/** All that a personalization brings, or why it is refused (docs/payment-card.md 2). */
export function personalizePayment(
  card: GpCard,
  before: Objects,
  groupings: readonly Grouping[],
): Map<number, Uint8Array> | number {
  const files = taken(before, groupings, isPaymentGrouping);
  if (typeof files === "number") return files;
  for (const [id, value] of files) {
    const kept = isSecret(id) ? keptSecret(id, value) : rightForm(id, value) ? value : undefined;
    if (kept === undefined) return SW.wrongData;
    files.set(id, kept);
  }
  const order = (id: number): number => groupings.findIndex((one) => one.id === id);
  if (files.has(DGI.pin) && files.has(DGI.tries) && order(DGI.tries) > order(DGI.pin)) return outOfSequence;
  if (isMissing(files)) return SW.wrongP1P2;
  const keys = files.get(DGI.keys) ?? new Uint8Array(0);
  const checks = [0, 16, 32].map((at) => checkValue(card.chip, 0x80, keys.slice(at, at + 16)));
  const given = files.get(DGI.keyChecks) ?? new Uint8Array(0);
  if (
    order(DGI.keyChecks) < order(DGI.keys) ||
    !checks.every((one, at) => same(one, given.slice(3 * at, 3 * at + 3)))
  )
    return wrongCheckValue;
  return [DGI.iccKey, DGI.pinKey].every((first) => isKey(card, files, first)) ? files : SW.wrongData;
}

/** A directory: records and FCI. */
export function personalizeDirectory(
  before: Objects,
  groupings: readonly Grouping[],
): Map<number, Uint8Array> | number {
  const files = taken(before, groupings, isDirectoryGrouping);
  if (typeof files === "number") return files;
  if (![...files].every(([id, value]) => rightForm(id, value))) return SW.wrongData;
  return files.has(DGI.fci) ? files : SW.wrongP1P2;
}

/** Each grouping once, secret ones encrypted and no other. */
function taken(
  before: Objects,
  groupings: readonly Grouping[],
  known: (id: number) => boolean,
): Map<number, Uint8Array> | number {
  if (before.has(DGI.done)) return SW.conditionsNotSatisfied;
  const files = new Map<number, Uint8Array>();
  for (const { id, value, secret } of groupings) {
    if (!known(id)) return SW.referenceNotFound;
    if (files.has(id) || secret !== isSecret(id)) return SW.wrongData;
    files.set(id, value);
  }
  files.set(DGI.done, Uint8Array.of(1));
  return files;
}

function rightForm(id: number, value: Uint8Array): boolean {
  const objects = items(value);
  if (id === DGI.done) return true;
  if (isRecord(id)) return id >> 8 > 0x0a ? value.length > 0 : onlyTemplate(value, 0x70);
  switch (id) {
    case DGI.fci:
      return onlyTemplate(value, 0xa5);
    case DGI.options:
      return (
        objects?.length === 2 &&
        objects[0]?.tag === 0x82 &&
        objects[0].value.length === 2 &&
        objects[1]?.tag === 0x94
      );
    case DGI.internal:
      return objects?.length === 1 && objects[0]?.tag === 0x9f36 && objects[0].value.length === 2;
    case DGI.limits:
      return (
        objects?.length === 2 &&
        objects.every(({ tag, value: limit }, at) => tag === [0x9f14, 0x9f23][at] && limit.length === 1)
      );
    case DGI.keyChecks:
      return value.length === 9;
    case DGI.tries:
      return (
        value.length === 2 &&
        (value[0] ?? 0) <= (value[1] ?? 0) &&
        (value[1] ?? 0) >= 1 &&
        (value[1] ?? 0) <= 15
      );
    default:
      return value.length === 2 && (value[1] === 0x0a || value[1] === 0x12);
  }
}

const onlyTemplate = (value: Uint8Array, tag: number): boolean => {
  const objects = items(value);
  return objects?.length === 1 && objects[0]?.tag === tag && items(objects[0].value) !== undefined;
};

/** Without its padding; undefined: it has another form. */
function keptSecret(id: number, value: Uint8Array): Uint8Array | undefined {
  if (id === DGI.keys) return value.length === 48 ? value : undefined;
  if (id !== DGI.pin) return unpadded(value, 16)?.slice();
  const block = value.length === 16 ? unpadded(value, 8)?.slice() : value;
  return block !== undefined && isPinBlock(block) ? block : undefined;
}

/** ISO 9564 format 2: 2, length, 4 to 12 digits, F. */
export function isPinBlock(block: Uint8Array): boolean {
  if (block.length !== 8) return false;
  const nibbles = Array.from(block).flatMap((byte) => [byte >> 4, byte & 0x0f]);
  const [control, length = 0, ...rest] = nibbles;
  return (
    control === 2 &&
    length >= 4 &&
    length <= 12 &&
    rest.every((one, at) => (at < length ? one < 10 : one === 15))
  );
}

function isMissing(files: Files): boolean {
  const whole = [DGI.keys, DGI.keyChecks, DGI.fci, DGI.options, DGI.issuerData].every((id) => files.has(id));
  const parts = (first: number): number =>
    Array.from({ length: KEY_PARTS }, (_, at) => first + at).filter((id) => files.has(id)).length;
  const signs = ((aipOf(files)[0] ?? 0) & 0x21) !== 0;
  const lists = [0x8c, 0x8d].every((tag) => {
    const list = inRecords(files, tag);
    return list !== undefined && wantedBy(list) !== undefined;
  });
  return (
    !whole ||
    !lists ||
    files.has(DGI.pin) !== files.has(DGI.tries) ||
    (parts(DGI.iccKey) !== KEY_PARTS && (signs || parts(DGI.iccKey) > 0)) ||
    (parts(DGI.pinKey) !== KEY_PARTS && parts(DGI.pinKey) > 0) ||
    !hasRecords(files)
  );
}

/** Every record that the AFL names. */
function hasRecords(files: Files): boolean {
  const afl = aflOf(files);
  if (afl.length === 0 || afl.length % 4 !== 0) return false;
  for (let at = 0; at < afl.length; at += 4) {
    const [locator = 0, first = 0, last = 0] = afl.subarray(at);
    if (first === 0 || last < first) return false;
    for (let record = first; record <= last; record++)
      if (!files.has((locator >> 3) * 256 + record)) return false;
  }
  return true;
}

/** The parts of a key that is there make one. */
function isKey(card: GpCard, files: Files, first: number): boolean {
  const key = keyOf(files, first);
  if (key === undefined) return true;
  try {
    decipher(card.chip, key, new Uint8Array(2 * key.p.length));
    return true;
  } catch (problem) {
    if (problem instanceof CardProblem) return false;
    throw problem;
  }
}

/** The ICC key (8201) or the PIN key (8301). */
export function keyOf(files: Files, first: number): RsaCrt | undefined {
  const [qInverse, dq, dp, q, p] = Array.from({ length: KEY_PARTS }, (_, at) => files.get(first + at));
  if (qInverse === undefined || dq === undefined || dp === undefined || q === undefined || p === undefined)
    return undefined;
  return { qInverse, dq, dp, q, p };
}
