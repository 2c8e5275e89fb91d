import type { Command } from "../apdu/index.js";

/** SELECT, GET DATA, READ BINARY, READ RECORD, GET CHALLENGE (ISO/IEC 7816-4, 7). */
const interindustry: ReadonlySet<number> = new Set([0xa4, 0xca, 0xcb, 0xb0, 0xb1, 0xb2, 0xb3, 0x84]);
/** GET DATA: the only one of them that means the same in GlobalPlatform's class and in those of EMV. */
const proprietary: ReadonlySet<number> = new Set([0xca, 0xcb]);
/**
 * Of DESFire-style cards: GetVersion, SelectApplication, the lists, settings and versions that are free. CA and CB, which read elsewhere,
 * make applications and files here.
 */
const native: ReadonlySet<number> = new Set([0x60, 0x5a, 0x6a, 0x6f, 0xf5, 0x45, 0x64, 0x6e]);
/** Further frames: of an answer when nothing is sent with it, else of a command or of an authentication. */
const additionalFrame = 0xaf;

/** The class that carries the native commands of DESFire-style cards. */
export const nativeClass = 0x90;

/**
 * Whether a command costs no try and changes nothing, on any card and as often as anybody likes. What an instruction means depends on its
 * class (ISO/IEC 7816-4, 5.4.1): chained commands, secure messaging and classes of nobody's knowledge are never harmless.
 */
export function isHarmless({ cla, ins, data }: Pick<Command, "cla" | "ins" | "data">): boolean {
  if (cla === nativeClass) return native.has(ins) || (ins === additionalFrame && data === undefined);
  if ((cla & 0xfc) === 0x00 || (cla & 0xf0) === 0x40) return interindustry.has(ins);
  return (cla & 0xfc) === 0x80 && proprietary.has(ins);
}
