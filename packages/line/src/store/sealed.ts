/**
 * Personal data at rest: AES-256-GCM under the order's data key, bound to order, record and field, so that a piece can neither be
 * changed nor moved. Layout: nonce (12) ‖ ciphertext ‖ tag (16).
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { OrderRecord, Photo } from "../orders/types.js";
import { AccountsProblem } from "../ledger/problem.js";

const nonceLength = 12;
const tagLength = 16;

export interface Place {
  readonly order: string;
  readonly record: number;
  readonly field: string;
  readonly kind: "text" | "list" | "photo";
}

const bound = ({ order, record, field, kind }: Place): Buffer =>
  Buffer.from(JSON.stringify(["persoline record data", 1, order, record, field, kind]));

export function seal(key: Uint8Array, place: Place, plain: Uint8Array): Uint8Array {
  const nonce = randomBytes(nonceLength);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: tagLength });
  cipher.setAAD(bound(place));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Throws AccountsProblem ("data-altered") when a byte differs, or the piece belongs to another order, record or field. */
export function unseal(key: Uint8Array, place: Place, sealed: Uint8Array): Uint8Array {
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, nonceLength), {
      authTagLength: tagLength,
    });
    decipher.setAAD(bound(place));
    decipher.setAuthTag(sealed.subarray(sealed.length - tagLength));
    return Buffer.concat([
      decipher.update(sealed.subarray(nonceLength, sealed.length - tagLength)),
      decipher.final(),
    ]);
  } catch (error) {
    throw new AccountsProblem(
      "data-altered",
      `order ${place.order}, record ${place.record}, field "${place.field}": the stored data were altered, moved, or sealed under another key; restore the database from a backup`,
      { cause: error },
    );
  }
}

export interface SealedField extends Pick<Place, "field" | "kind"> {
  readonly sealed: Uint8Array;
}

/** Width and height (four bytes each, most significant first), then the PNG. */
function packPhoto({ png, width, height }: Photo): Uint8Array {
  const packed = Buffer.alloc(8 + png.length);
  packed.writeUInt32BE(width, 0);
  packed.writeUInt32BE(height, 4);
  packed.set(png, 8);
  return packed;
}

function unpackPhoto(packed: Uint8Array): Photo {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  return { width: view.getUint32(0), height: view.getUint32(4), png: packed.slice(8) };
}

export function sealRecord(key: Uint8Array, order: string, record: OrderRecord): SealedField[] {
  const one = (field: string, kind: Place["kind"], plain: Uint8Array): SealedField => ({
    field,
    kind,
    sealed: seal(key, { order, record: record.number, field, kind }, plain),
  });
  return [
    // Of a photo's column the picture is kept; the name of its file has done its work.
    ...Object.entries(record.fields)
      .filter(([field]) => record.photos[field] === undefined)
      .map(([field, value]) =>
        typeof value === "string"
          ? one(field, "text", Buffer.from(value))
          : one(field, "list", Buffer.from(JSON.stringify(value))),
      ),
    ...Object.entries(record.photos).map(([field, photo]) => one(field, "photo", packPhoto(photo))),
  ];
}

export function unsealRecord(
  key: Uint8Array,
  order: string,
  { number, row }: { readonly number: number; readonly row: number },
  pieces: readonly SealedField[],
): OrderRecord {
  const fields: Record<string, string | readonly string[]> = {};
  const photos: Record<string, Photo> = {};
  for (const { field, kind, sealed } of pieces) {
    const plain = unseal(key, { order, record: number, field, kind }, sealed);
    if (kind === "photo") photos[field] = unpackPhoto(plain);
    else {
      const text = Buffer.from(plain).toString("utf8");
      fields[field] = kind === "text" ? text : (JSON.parse(text) as string[]);
    }
  }
  return { number, row, fields, photos };
}
