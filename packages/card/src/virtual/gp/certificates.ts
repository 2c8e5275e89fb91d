import type { Chip } from "../chip.js";
import { type Answer, type Apdu, join, same, status, SW } from "../os/command.js";
import type { GpCard } from "./card.js";
import type { EllipticKey } from "./state.js";
import { items } from "./tlv.js";

/** The host's static key, from a certificate that was right; for one key agreement. */
export interface HostKey {
  readonly publicKey: Uint8Array;
}

export const AUTHORITY = 0x10;
const CERTIFICATE = 0x7f21;
/** RAM for one chained command. */
const most = 1024;
/** Key usage (tag 95): a key that verifies certificates, and one that keys are agreed upon with. */
const USAGE = { verification: 0x82, agreement: 0x80 } as const;
const MORE = 0x80;

interface Certificate {
  readonly authority: Uint8Array;
  readonly subject: Uint8Array;
  readonly usage: number;
  readonly publicKey: Uint8Array;
  /** What the signature is over: everything before it. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** In the order of Amendment F, 6.1; `true`: it must be there. */
const FIELDS: readonly (readonly [tag: number, needed: boolean, shortest: number, longest: number])[] = [
  [0x93, true, 1, 16],
  [0x42, true, 1, 16],
  [0x5f20, true, 1, 16],
  [0x95, true, 1, 2],
  [0x5f25, false, 4, 4],
  [0x5f24, true, 4, 4],
  [0x45, false, 1, 16],
  [0x53, false, 1, 127],
  [0x73, false, 1, 127],
  [0x7f49, true, 1, 127],
  [0x5f37, true, 64, 64],
];

/** Undefined: it is none that this card understands. Dates are not judged: a card has no clock. */
function read(bytes: Uint8Array): Certificate | undefined {
  const objects = items(bytes);
  if (objects === undefined) return undefined;
  const found = new Map<number, Uint8Array>();
  let at = 0;
  for (const [tag, needed, shortest, longest] of FIELDS) {
    const object = objects[at];
    if (object?.tag !== tag) {
      if (needed) return undefined;
      continue;
    }
    if (object.value.length < shortest || object.value.length > longest) return undefined;
    found.set(tag, object.value);
    at++;
  }
  if (at !== objects.length) return undefined;
  const field = (tag: number): Uint8Array => found.get(tag) ?? new Uint8Array(0);
  const publicKey = pointOf(field(0x7f49));
  if (publicKey === undefined) return undefined;
  const signature = field(0x5f37);
  return {
    authority: field(0x42),
    subject: field(0x5f20),
    usage: field(0x95)[0] === 0x00 ? (field(0x95)[1] ?? 0) : (field(0x95)[0] ?? 0),
    publicKey,
    // The signature's object has a name of two bytes, and one byte of length.
    signed: bytes.subarray(0, bytes.length - signature.length - 3),
    signature,
  };
}

/** B0 the point, F0 its parameters by number (00: P-256). */
function pointOf(template: Uint8Array): Uint8Array | undefined {
  const [point, parameters, ...more] = items(template) ?? [];
  const whole = point?.tag === 0xb0 && parameters?.tag === 0xf0 && more.length === 0;
  if (!whole || !same(parameters.value, Uint8Array.of(0x00))) return undefined;
  return point.value.length === 65 && point.value[0] === 0x04 ? point.value.slice() : undefined;
}

/** One ECDSA verification in the coprocessor. */
const verifyMicros = 20_000;

function holds(chip: Chip, publicKey: Uint8Array, { signed, signature }: Certificate): boolean {
  chip.spendMicros(verifyMicros);
  return chip.crypto.p256.verify(publicKey, signed, signature);
}

/**
 * PERFORM SECURITY OPERATION (Amendment F, 7.5): the host's certificates, one a command, from the one that the authority (P1 its version, P2
 * its identifier) signed to the leaf (P2 b8: others follow); CLA 90 chains. The key of a right leaf is kept for one key agreement. Whatever
 * is wrong takes away all there was.
 */
export function performSecurityOperation(card: GpCard, command: Apdu): Answer {
  const { cla, p1, p2, data } = command;
  const { chained: before, verified } = card;
  card.endChannel();
  const header = (p1 << 8) | p2;
  if (before !== undefined && before.header !== header) return status(SW.wrongP1P2);
  const anchor = card.vault.state.elliptic.find(
    ({ kid, kvn }) => kid === AUTHORITY && kid === (p2 & 0x7f) && kvn === p1,
  );
  if (anchor === undefined) return status(SW.referenceNotFound);
  const bytes = join(before?.bytes ?? [], data);
  if (bytes.length > most) return status(SW.noMemory);
  if ((cla & 0x10) !== 0) {
    card.chained = { header, bytes };
    card.verified = verified;
    return status(SW.ok);
  }
  return judged(card, anchor, verified, bytes, (p2 & MORE) !== 0);
}

/** An authority under the anchor, whose certificate was right. */
export interface Verified {
  readonly anchor: number;
  readonly publicKey: Uint8Array;
  readonly identifier: Uint8Array;
}

function judged(
  card: GpCard,
  anchor: EllipticKey,
  above: Verified | undefined,
  bytes: Uint8Array,
  more: boolean,
): Answer {
  const [object, ...others] = items(bytes) ?? [];
  const certificate = object?.tag === CERTIFICATE && others.length === 0 ? read(object.value) : undefined;
  if (certificate === undefined) return status(SW.wrongData);
  // A chain that began under another authority does not go on under this one.
  if (above !== undefined && above.anchor !== anchor.kvn) return status(SW.conditionsNotSatisfied);
  const authority = above ?? { publicKey: anchor.publicKey, identifier: anchor.about };
  const named = authority.identifier.length === 0 || same(authority.identifier, certificate.authority);
  const use = more ? USAGE.verification : USAGE.agreement;
  if (!named || certificate.usage !== use || !holds(card.chip, authority.publicKey, certificate))
    return status(SW.authenticationFailed);
  const { publicKey, subject } = certificate;
  if (more) card.verified = { anchor: anchor.kvn, publicKey, identifier: subject.slice() };
  else card.hostKey = { publicKey };
  return status(SW.ok);
}
