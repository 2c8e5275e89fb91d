/** Who may speak to whom: an authority of the house, a certificate under it for each side, and the list of those that it took back. */
import { readFileSync, statSync } from "node:fs";
import type { SecureContextOptions } from "node:tls";
import { DeviceFault } from "../../problem.js";

/** PEM texts, and the file of the authority's revocation list, which is read again whenever it has changed. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly crl?: string | undefined;
}

/** `crl` stays the name of its file. Throws DeviceFault when one of them cannot be read. */
export function readTls(device: string, files: TlsFiles): TlsFiles {
  const read = (file: string): string => {
    try {
      return readFileSync(file, "utf8");
    } catch {
      throw new DeviceFault(device, "refused", `${device}: ${file} cannot be read: see tls in its file`);
    }
  };
  if (files.crl !== undefined) read(files.crl);
  return { ca: read(files.ca), cert: read(files.cert), key: read(files.key), crl: files.crl };
}

/** As `node:tls` takes them, with the revocation list as it is now. Throws what reading it does. */
export const secureContextOf = ({ ca, cert, key, crl }: TlsFiles): SecureContextOptions => ({
  ca,
  cert,
  key,
  ...(crl === undefined ? {} : { crl: readFileSync(crl, "utf8") }),
});

/** Tells whether the revocation list is another one than when this was last asked; always, when it cannot be looked at. */
export function crlWatch({ crl }: TlsFiles): () => boolean {
  const stamp = (): string => {
    if (crl === undefined) return "none";
    try {
      const { mtimeMs, size, ino } = statSync(crl);
      return [mtimeMs, size, ino].join(" ");
    } catch {
      return `gone ${String(performance.now())}`;
    }
  };
  let last = stamp();
  return () => {
    const now = stamp();
    if (now === last) return false;
    last = now;
    return true;
  };
}
