import type { Command } from "../apdu/index.js";
import { CardProblem, concat } from "../bytes/index.js";
import { pad80 } from "../crypto/index.js";
import { encodeDgi, encodeTlv, type Tlv } from "../tlv/index.js";
import { cut } from "./content.js";
import type { DekEncrypt } from "./put-key.js";

/** How the data of STORE DATA is structured and whether it is encrypted (GPCS 11.11). */
export interface StoreDataForm {
  readonly structure: "none" | "dgi" | "ber-tlv";
  /** Default "none": no general encryption information. */
  readonly encryption?: "none" | "application" | "encrypted";
  /** Case 4: the card may answer data. */
  readonly answers?: boolean;
}

const STRUCTURES = { none: 0x00, dgi: 0x08, "ber-tlv": 0x10 } as const;
const ENCRYPTIONS = { none: 0x00, application: 0x20, encrypted: 0x60 } as const;

/** One STORE DATA block (GPCS 11.11); blocks are numbered from 0. */
export function storeData(
  ask: StoreDataForm & { readonly data: Uint8Array; readonly block: number; readonly last: boolean },
): Command {
  const { block, last, data } = ask;
  if (!Number.isInteger(block) || block < 0 || block > 0xff) {
    throw new CardProblem("bad-value", "STORE DATA", `${block} is not a block number from 0 to 255`);
  }
  const answers = ask.answers === true;
  const p1 =
    (last ? 0x80 : 0x00) |
    ENCRYPTIONS[ask.encryption ?? "none"] |
    STRUCTURES[ask.structure] |
    (answers ? 0x01 : 0x00);
  return { cla: 0x80, ins: 0xe2, p1, p2: block, data, ...(answers ? { le: 256 } : {}) };
}

/** STORE DATA blocks, one for each piece in order, the last marked as such. */
export function storeDataBlocks(pieces: readonly Uint8Array[], form: StoreDataForm): Command[] {
  return pieces.map((data, block) => storeData({ ...form, data, block, last: block === pieces.length - 1 }));
}

/** One data grouping on its way into a card. */
export interface NewDgi {
  readonly id: number;
  readonly value: Uint8Array;
  /** The value goes in under the data encryption key: padded with 80 00.., or whole blocks already. */
  readonly secret?: "pad-80" | "whole-blocks";
}

export interface DgiForm {
  /** Most plain bytes in one command; 239 fits every channel of this package with 8-byte MACs. */
  readonly blockSize?: number;
  /** Several groupings in one command, where they fit: only for applications that say so. Default false. */
  readonly together?: boolean;
  readonly answers?: boolean;
  /** EMV CPS, spoken to the application itself, has no bits for the structure: "none". Default "dgi". */
  readonly structure?: "dgi" | "none";
  /** What encrypts secret values, and its block: 8 for SCP02 (3DES), 16 for SCP03 (AES). */
  readonly dek?: { readonly encrypt: DekEncrypt; readonly block: 8 | 16 };
}

/**
 * STORE DATA for data groupings (GPCS 11.11.3.2; EMV CPS 1.1, 5). P1 says of each command whether it holds encrypted values; a grouping
 * longer than a command goes on in the next one. Throws CardProblem `bad-dgi`, `bad-value`, `too-long`.
 */
export function storeDgis(groupings: readonly NewDgi[], form: DgiForm = {}): Command[] {
  const { blockSize = 239, together = false, answers = false } = form;
  const pieces: { data: Uint8Array; secret: boolean; whole: boolean }[] = [];
  for (const grouping of groupings) {
    const bytes = encodeDgi(grouping.id, dgiValue(grouping, form));
    const secret = grouping.secret !== undefined;
    const before = pieces.at(-1);
    // Nothing joins a piece of a longer grouping, or one of the other kind.
    if (
      together &&
      before?.whole === true &&
      before.secret === secret &&
      before.data.length + bytes.length <= blockSize
    ) {
      before.data = concat(before.data, bytes);
      continue;
    }
    const parts = cut(bytes, blockSize, "STORE DATA");
    for (const data of parts) pieces.push({ data, secret, whole: parts.length === 1 });
  }
  if (pieces.length === 0) throw new CardProblem("bad-value", "STORE DATA", "there is no data grouping");
  return pieces.map(({ data, secret }, block) =>
    storeData({
      structure: form.structure ?? "dgi",
      encryption: secret ? "encrypted" : "none",
      answers,
      data,
      block,
      last: block === pieces.length - 1,
    }),
  );
}

function dgiValue({ value, secret }: NewDgi, { dek }: DgiForm): Uint8Array {
  if (secret === undefined) return value;
  if (dek === undefined) throw new CardProblem("bad-value", "STORE DATA", "a secret value needs the DEK");
  return dek.encrypt(secret === "pad-80" ? pad80(value, dek.block) : value);
}

/** STORE DATA for BER-TLV objects, or for bytes without structure: one stream, cut anywhere. Throws CardProblem `bad-tlv`, `too-long`. */
export function storeStream(
  content: readonly Tlv[] | Uint8Array,
  form: Omit<StoreDataForm, "structure"> & { readonly blockSize?: number } = {},
): Command[] {
  const { blockSize = 239, ...rest } = form;
  const raw = content instanceof Uint8Array;
  const pieces = cut(raw ? content : encodeTlv(content), blockSize, "STORE DATA");
  return storeDataBlocks(pieces, { ...rest, structure: raw ? "none" : "ber-tlv" });
}
