/** Camera pictures at rest: they show a person, so they are encrypted under the order's data key, and gone when that key is. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import type { Serial } from "@persoline/card/program";
import type { Picture } from "../devices/camera/port.js";
import type { DataFolder } from "./data-folder.js";
import type { FacesDesk } from "./faces.js";

/** Pixels across: enough to read the card in a report. */
const keptWidth = 640;

const bound = (order: string, file: string): Buffer =>
  Buffer.from(JSON.stringify(["persoline picture", 1, order, file]));

/** Where the judged form of a kept picture lies. */
export const overlayOf = (file: string): string => `${file}.judged`;

export interface PictureViewer {
  /** JPEG. Throws when it was altered, moved, or the order's key is gone. */
  show(file: string): Promise<Uint8Array>;
}

export interface PictureArchive extends PictureViewer {
  keep(serial: Serial, picture: Picture): Promise<{ readonly file: string; readonly sha256: string }>;
  /** The same side as it was judged, a JPEG, beside its picture: `overlayOf` names it. */
  keepOverlay(serial: Serial, side: Picture["side"], jpeg: Uint8Array): Promise<void>;
}

/** `dataKey` belongs to the caller. */
export const pictureViewer = (data: DataFolder, order: string, dataKey: Uint8Array): PictureViewer => ({
  show: async (file) => {
    const sealed = await readFile(join(data.root, file));
    const decipher = createDecipheriv("aes-256-gcm", dataKey, sealed.subarray(0, 12)).setAAD(
      bound(order, file),
    );
    decipher.setAuthTag(sealed.subarray(-16));
    return new Uint8Array(Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]));
  },
});

/** `dataKey` belongs to the caller. */
export function pictureArchive(
  data: DataFolder,
  order: string,
  dataKey: Uint8Array,
  faces: FacesDesk,
): PictureArchive {
  const folder = data.pictures(order);
  mkdirSync(folder, { recursive: true });
  const seal = async (file: string, jpeg: Uint8Array): Promise<void> => {
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", dataKey, nonce).setAAD(bound(order, file));
    const sealed = Buffer.concat([nonce, cipher.update(jpeg), cipher.final(), cipher.getAuthTag()]);
    // In one step: a picture that is written once more is the old one or the new one, whenever power fails.
    const draft = join(data.root, `${file}.new`);
    await writeFile(draft, sealed, { mode: 0o600 });
    await rename(draft, join(data.root, file));
  };
  const fileOf = (serial: Serial, side: Picture["side"]): string =>
    relative(data.root, join(folder, `${serial}.${side}`));
  return {
    ...pictureViewer(data, order, dataKey),
    keep: async (serial, picture) => {
      const jpeg = await faces.do({ task: "encode", picture, width: keptWidth });
      const file = fileOf(serial, picture.side);
      await seal(file, jpeg);
      return { file, sha256: createHash("sha256").update(picture.grey).digest("hex") };
    },
    keepOverlay: (serial, side, jpeg) => seal(overlayOf(fileOf(serial, side)), jpeg),
  };
}
