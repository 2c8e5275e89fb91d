/** Options that do not go together, or that lack one: told before anything is opened, read or asked for (exit code 2). */
import { fstatSync } from "node:fs";
import { resolve } from "node:path";
import type { TokenPlace } from "../../devices/hsm/pkcs11/token-session.js";
import { WrongUsage } from "../problem.js";

export interface TokenOptions {
  readonly passphraseFd?: number;
  readonly security?: "vault" | "pkcs11";
  readonly token?: string;
  readonly tokenLibrary?: string;
  readonly tokenSerial?: string;
  readonly tokenSlot?: number;
  readonly tokenPinFd?: number;
}

/** Options that name a file descriptor, as commander calls their values. */
const descriptors = {
  passphraseFd: "--passphrase-fd",
  tokenPinFd: "--token-pin-fd",
  custodianFd: "--custodian-fd",
  witnessFd: "--witness-fd",
  pieceFd: "--piece-fd",
  pieceOutFd: "--piece-out-fd",
  keyPassphraseFd: "--key-passphrase-fd",
} as const;

export type DescriptorOptions = { readonly [Name in keyof typeof descriptors]?: number };

/** Throws WrongUsage for a descriptor that is not open: better than from the process that is to read it. */
export function fromDescriptor(fd: number, option: string): { readonly fd: number } {
  try {
    fstatSync(fd);
  } catch {
    throw new WrongUsage(
      `${option} ${fd}: no such file descriptor is open here; "${option} 3 3<FILE" opens one`,
    );
  }
  return { fd };
}

/** Which token the options name; none for the vault. Throws WrongUsage. */
export function tokenOf(options: TokenOptions): TokenPlace | undefined {
  const { passphraseFd, security = "vault", token: label, tokenLibrary: library } = options;
  const { tokenPinFd, tokenSerial: serial, tokenSlot: slot } = options;
  if (security === "vault") {
    const named = [label, library, serial, slot, tokenPinFd].some((option) => option !== undefined);
    if (named) throw new WrongUsage("--token belongs to --security pkcs11: add it, or leave the token out");
    return undefined;
  }
  if (passphraseFd !== undefined) throw new WrongUsage("a token is opened by its PIN: use --token-pin-fd");
  if (label === undefined || library === undefined)
    throw new WrongUsage("--security pkcs11 needs --token LABEL and --token-library FILE");
  return {
    library: resolve(library),
    label,
    ...(serial === undefined ? {} : { serial }),
    ...(slot === undefined ? {} : { slot }),
  };
}

/** What many commands share. Throws WrongUsage. */
export function judgeUsage(options: TokenOptions & DescriptorOptions): void {
  tokenOf(options);
  const named = Object.entries(descriptors).flatMap(([key, option]) => {
    const fd = options[key as keyof typeof descriptors];
    return fd === undefined ? [] : [{ option, fd }];
  });
  for (const [at, { option, fd }] of named.entries()) {
    const same = named.slice(0, at).find((other) => other.fd === fd);
    if (same !== undefined)
      throw new WrongUsage(
        `${same.option} and ${option} name the same file descriptor (${fd}): each secret comes from one of its own`,
      );
    fromDescriptor(fd, option);
  }
}
