/** Who may speak to whom: an authority of the house, and a certificate under it for each side. */
import { readFileSync } from "node:fs";
import { DeviceFault } from "../../problem.js";

/** PEM texts. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Throws DeviceFault when one of them cannot be read. */
export function readTls(device: string, files: TlsFiles): TlsFiles {
  const read = (file: string): string => {
    try {
      return readFileSync(file, "utf8");
    } catch {
      throw new DeviceFault(device, "refused", `${device}: ${file} cannot be read: see tls in its file`);
    }
  };
  return { ca: read(files.ca), cert: read(files.cert), key: read(files.key) };
}
