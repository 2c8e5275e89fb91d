/** AES-256-GCM as seals and orders' secrets have it. */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { unmovedCopy } from "@persoline/card/bytes";
import { random } from "./draw.js";

const IV = 12;
const TAG = 16;
/** A shorter text is none of ours. */
export const gcmShortest = IV + TAG;

/** `IV (12) ‖ tag (16) ‖ cipher text`. */
export function gcmSealed(key: Uint8Array, associated: Uint8Array, clear: Uint8Array): Buffer {
  const iv = random(IV);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(associated);
  const sealed = Buffer.concat([cipher.update(clear), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

/** Undefined for what was not sealed so: nothing of it is given to anybody. The caller wipes the result. */
export function gcmOpened(
  key: Uint8Array,
  associated: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  if (sealed.length < gcmShortest) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, IV)).setAAD(associated);
  decipher.setAuthTag(sealed.subarray(IV, gcmShortest));
  // GCM gives all of it at once, before it is proved.
  const clear = decipher.update(sealed.subarray(gcmShortest));
  const opened = unmovedCopy(clear);
  clear.fill(0);
  try {
    decipher.final();
    return opened;
  } catch {
    opened.fill(0);
    return undefined;
  }
}
