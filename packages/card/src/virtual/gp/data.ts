import { type Answer, answer, type Apdu, join, status, SW } from "../os/command.js";
import type { GpCard } from "./card.js";
import { certificateStore, ellipticInformation, i11 } from "./elliptic.js";
import { readCounters, type State } from "./state.js";
import { item } from "./tlv.js";

const GP = [0x2a, 0x86, 0x48, 0x86, 0xfc, 0x6b];
const oid = (...arcs: readonly number[]): Uint8Array =>
  item(
    0x06,
    GP,
    arcs.flatMap((arc) => (arc > 0x7f ? [0x80 | (arc >> 7), arc & 0x7f] : [arc])),
  );

/** GET DATA of the security domain (GPCS 11.3); free in every state, TERMINATED too (5.1.1.5), where it tells of no keys any more. */
export function getData(card: GpCard, { p1, p2, data }: Apdu): Answer {
  const tag = (p1 << 8) | p2;
  if (tag === 0xbf21) return certificateStore(card, data);
  if (data.length > 0) return status(SW.wrongLength);
  if (tag === 0x00cf) return answer(card.chip.chipNumberObject());
  if (tag === 0x9f7f) return answer(item(0x9f7f, cplc(card)));
  const object = objectOf(card, tag);
  return object === undefined ? status(SW.referenceNotFound) : answer(object);
}

function objectOf(card: GpCard, tag: number): Uint8Array | undefined {
  const { vault } = card;
  const { state } = vault;
  switch (tag) {
    case 0x0066:
      return cardData(card);
    case 0x00e0:
      return item(
        0xe0,
        ...state.keySets.flatMap(({ kvn, type, keys }) =>
          keys.map((key, at) => item(0xc0, [at + 1, kvn, type, key.length])),
        ),
        ellipticInformation(state.elliptic),
      );
    case 0x00c1: {
      const set = state.keySets[0];
      if (set === undefined) return undefined;
      const n = readCounters(card.chip).sequences.get(set.kvn) ?? 0;
      return item(0xc1, set.type === 0x80 ? [n >> 8, n & 0xff] : [n >> 16, (n >> 8) & 0xff, n & 0xff]);
    }
    case 0x0042:
      return state.iin.length > 0 ? item(0x42, state.iin) : undefined;
    case 0x0045:
      return state.cin.length > 0 ? item(0x45, state.cin) : undefined;
    case 0xff21: {
      const free = vault.freeBytes;
      return item(
        0xff21,
        item(0x81, [state.applications.length]),
        item(0x82, [free >> 8, free & 0xff]),
        item(0x83, [0x04, 0x00]),
      );
    }
    default:
      return undefined;
  }
}

/** Card recognition data (GPCS H.2): version 2.3.1, and the channels of the key sets that are there. */
export function cardData(card: GpCard): Uint8Array {
  return item(0x66, recognition(card));
}

export function recognition({ config, vault }: GpCard): Uint8Array {
  const types = new Set(vault.state.keySets.map(({ type }) => type));
  const elliptic = i11(vault.state.elliptic);
  const channels = [
    ...(types.has(0x80) ? [item(0x64, oid(4, 0x02, config.i02))] : []),
    ...(types.has(0x88) ? [item(0x64, oid(4, 0x03, config.i03))] : []),
    ...(elliptic === undefined ? [] : [item(0x64, oid(4, 0x11, elliptic))]),
  ];
  return item(0x73, oid(1), item(0x60, oid(2, 2, 3, 1)), item(0x63, oid(3)), ...channels);
}

/**
 * CPLC of 42 bytes. Fabricator 504C, type 4750, operating system 5047 of 2026 day 100, level 0100; serial and batch from the chip
 * number; what 9F67 and 9F66 wrote at the end.
 */
function cplc({ chip, vault }: GpCard): Uint8Array {
  const number = chip.chipNumber;
  const padTo8 = (bytes: State["personalization"]): Uint8Array =>
    bytes.length === 8 ? bytes : new Uint8Array(8);
  return join(
    [0x50, 0x4c, 0x47, 0x50, 0x50, 0x47, 0x61, 0x00, 0x01, 0x00, 0x61, 0x00],
    number.slice(6, 10),
    number.slice(4, 6),
    new Uint8Array(8),
    padTo8(vault.state.prePersonalization),
    padTo8(vault.state.personalization),
  );
}
