import { chipPage } from "../card.js";
import { layout, pageSize, phase } from "../layout.js";
import { pairPage } from "../memory.js";
import { phaseContent } from "../phase.js";
import { crc32 } from "../crc32.js";
import { CHANNEL_TRIES, DEFAULT_ISD, gpLayout, LIFE } from "./layout.js";
import { counterBytes, type EllipticKey, freshState, stateBytes } from "./state.js";

/** One initial key set: three keys of 16 bytes (3DES: SCP02), or of 16, 24 or 32 (AES: SCP03). */
export interface FabKeySet {
  /** 01 to 7F, or FF: the initial set, which the first PUT KEY replaces. */
  readonly kvn: number;
  readonly algorithm: "3des" | "aes";
  readonly enc: Uint8Array;
  readonly mac: Uint8Array;
  readonly dek: Uint8Array;
  /** So many sessions were opened with it before; default 0. */
  readonly sessions?: number;
}

export interface GlobalPlatformChip {
  readonly chipNumber: Uint8Array;
  readonly keySets: readonly FabKeySet[];
  /** Of the issuer security domain; default A000000151000000. */
  readonly isd?: Uint8Array;
  /** i of SCP02 (15, 35, 55, 75; default 55) and of SCP03 (bits 01 S16, 10, 20, 40; default 70). */
  readonly i02?: number;
  readonly i03?: number;
  /** Life cycle when it leaves the fab; default OP_READY. */
  readonly life?: keyof typeof LIFE;
  readonly pages?: number;
  /** SCP11: key pairs (11 a, 13 b, 15 c) with their certificates, leaf last, and authorities (10) that hosts' certificates are under. */
  readonly elliptic?: readonly FabEllipticKey[];
  /** Its contacts speak T=0 and T=1, T=0 first; otherwise T=1 alone. */
  readonly offersT0?: boolean;
}

export type FabEllipticKey =
  | {
      readonly kid: 0x11 | 0x13 | 0x15;
      readonly kvn: number;
      readonly privateKey: Uint8Array;
      readonly publicKey: Uint8Array;
      readonly certificates: Uint8Array;
    }
  | {
      readonly kid: 0x10;
      readonly kvn: number;
      readonly publicKey: Uint8Array;
      /** What certificates call it (42); empty: whatever they do. */
      readonly identifier: Uint8Array;
    };

/** Version of the operating system in the mask. */
const version = { major: 1, minor: 0 } as const;

/** The EEPROM of a GlobalPlatform chip as it leaves the fab (docs/gp-card.md 1). Throws RangeError for what no such chip can have. */
export function fabricateGlobalPlatform(fresh: GlobalPlatformChip): Uint8Array {
  const {
    chipNumber,
    keySets,
    isd = DEFAULT_ISD,
    i02 = 0x55,
    i03 = 0x70,
    life = "opReady",
    elliptic = [],
  } = fresh;
  const pages = fresh.pages ?? 512;
  if (pages <= gpLayout.heap / pageSize || pages > 512)
    throw new RangeError(`this chip has ${gpLayout.heap / pageSize + 1} to 512 pages, not ${pages}`);
  if (isd.length < 5 || isd.length > 16) throw new RangeError(`an AID has 5 to 16 bytes, not ${isd.length}`);
  if (keySets.length === 0 && elliptic.length === 0) throw new RangeError("a chip without keys is nobody's");
  if (![0x15, 0x35, 0x55, 0x75].includes(i02))
    throw new RangeError(`this chip has no SCP02 with i = ${i02.toString(16)}`);
  if ((i03 & ~0x71) !== 0 || (i03 & 0x60) === 0x40)
    throw new RangeError(`this chip has no SCP03 with i = ${i03.toString(16)}`);
  for (const set of keySets) checkKeys(set);
  const state = {
    ...freshState(
      keySets.map(({ kvn, algorithm, enc, mac, dek }) => ({
        kvn,
        type: algorithm === "aes" ? 0x88 : 0x80,
        keys: [enc, mac, dek],
      })),
    ),
    life: LIFE[life],
    elliptic: elliptic.map(ellipticKey),
  };
  const bytes = new Uint8Array(pages * pageSize).fill(0xff);
  bytes.set(chipPage(chipNumber, pages, fresh.offersT0), layout.chipPage);
  const record = { phase: phase.globalPlatform, ...version, state: 0, imageStart: 0, imageLength: 0 };
  bytes.set(pairPage(1, phaseContent(record)), layout.phasePair);
  bytes.set(pairPage(1, Uint8Array.of(i02, i03, isd.length, ...isd)), gpLayout.configPair);
  const used = new Map(keySets.flatMap(({ kvn, sessions = 0 }) => (sessions === 0 ? [] : [[kvn, sessions]])));
  if (used.size > 0)
    bytes.set(pairPage(1, counterBytes({ tries: CHANNEL_TRIES, sequences: used })), gpLayout.counterPair);
  const content = firstArea(stateBytes(state));
  if (content.length > gpLayout.statePages * pageSize)
    throw new RangeError("keys and certificates are more than the chip has room for");
  bytes.set(content, gpLayout.state);
  return bytes;
}

function ellipticKey(key: FabEllipticKey): EllipticKey {
  const { kid, kvn, publicKey } = key;
  if (kvn < 0x01 || kvn > 0x7f) throw new RangeError(`${kvn.toString(16)} is not a key version of this chip`);
  if (publicKey.length !== 65) throw new RangeError("a point of P-256 has 65 bytes");
  if (key.kid === 0x10) return { kid, kvn, privateKey: new Uint8Array(0), publicKey, about: key.identifier };
  if (key.privateKey.length !== 32) throw new RangeError("a private key of P-256 has 32 bytes");
  return { kid, kvn, privateKey: key.privateKey, publicKey, about: key.certificates };
}

/** As `Shadow` finds it: sequence number 1. */
function firstArea(content: Uint8Array): Uint8Array {
  const area = new Uint8Array(content.length + 10);
  const view = new DataView(area.buffer);
  view.setUint32(0, 1);
  view.setUint16(4, content.length);
  area.set(content, 6);
  view.setUint32(area.length - 4, crc32(area, 0, area.length - 4));
  return area;
}

function checkKeys({ kvn, algorithm, enc, mac, dek }: FabKeySet): void {
  if ((kvn < 0x01 || kvn > 0x7f) && kvn !== 0xff)
    throw new RangeError(`${kvn.toString(16)} is not a key version of this chip`);
  const lengths = algorithm === "aes" ? [16, 24, 32] : [16];
  if (!lengths.includes(enc.length) || mac.length !== enc.length || dek.length !== enc.length)
    throw new RangeError(
      `the three keys of an ${algorithm} set have one length of ${lengths.join(", ")} bytes`,
    );
}
