/** Status bytes behind 91, as docs/desfire-card.md lists them. */
export const status = {
  ok: 0x00,
  noChanges: 0x0c,
  outOfMemory: 0x0e,
  illegalCommand: 0x1c,
  integrity: 0x1e,
  noSuchKey: 0x40,
  length: 0x7e,
  permission: 0x9d,
  parameter: 0x9e,
  applicationNotFound: 0xa0,
  authentication: 0xae,
  more: 0xaf,
  boundary: 0xbe,
  aborted: 0xca,
  count: 0xce,
  duplicate: 0xde,
  memory: 0xee,
  fileNotFound: 0xf0,
} as const;

/** Ends a command with this status; the session and whatever was not committed end with it. */
export class Refusal extends Error {
  constructor(readonly status: number) {
    super(`91${status.toString(16).padStart(2, "0")}`);
  }
}

export function refuse(code: number): never {
  throw new Refusal(code);
}

export const u24 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);

export const i32 = (bytes: Uint8Array, at: number): number => u24(bytes, at) | ((bytes[at + 3] ?? 0) << 24);

export const from24 = (n: number): number[] => [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff];
export const from32 = (n: number): number[] => [...from24(n), (n >> 24) & 0xff];
