// Card content management: INSTALL, LOAD, DELETE (GPCS 11.2, 11.5, 11.6), and MANAGE CHANNEL (11.7).
import type { Command } from "../apdu/index.js";
import { type Aid, CardProblem, concat } from "../bytes/index.js";
import { encodeTlv, encodeTlvLength, type Tlv, tlv } from "../tlv/index.js";

const NOTHING = new Uint8Array(0);

/** Privileges by name, as bits of three bytes (GPCS 6.6.1, table 11-7 to 11-9). */
export const PRIVILEGES = {
  securityDomain: 0x800000,
  /** With the security domain's own bit, which it implies. */
  dapVerification: 0xc00000,
  delegatedManagement: 0xa00000,
  cardLock: 0x100000,
  cardTerminate: 0x080000,
  cardReset: 0x040000,
  cvmManagement: 0x020000,
  mandatedDap: 0xc10000,
  trustedPath: 0x008000,
  authorizedManagement: 0x004000,
  tokenVerification: 0x002000,
  globalDelete: 0x001000,
  globalLock: 0x000800,
  globalRegistry: 0x000400,
  finalApplication: 0x000200,
  globalService: 0x000100,
  receiptGeneration: 0x000080,
  cipheredLoadFile: 0x000040,
  contactlessActivation: 0x000020,
  contactlessSelfActivation: 0x000010,
} as const;
export type Privilege = keyof typeof PRIVILEGES;

/** One byte when it says everything (every card takes it), else three. */
export function encodePrivileges(privileges: readonly Privilege[]): Uint8Array {
  const bits = privileges.reduce((sum, name) => sum | PRIVILEGES[name], 0);
  const bytes = Uint8Array.of(bits >> 16, (bits >> 8) & 0xff, bits & 0xff);
  return (bits & 0xffff) === 0 ? bytes.subarray(0, 1) : bytes;
}

/** Names of the privileges in 1 or 3 bytes; a compound one stands for its parts. Throws CardProblem `bad-response`. */
export function decodePrivileges(bytes: Uint8Array): Privilege[] {
  if (bytes.length !== 1 && bytes.length !== 3)
    throw new CardProblem("bad-response", "privileges", `they have 1 or 3 bytes, not ${bytes.length}`);
  const bits = ((bytes[0] ?? 0) << 16) | ((bytes[1] ?? 0) << 8) | (bytes[2] ?? 0);
  const names = Object.keys(PRIVILEGES) as Privilege[];
  return names.filter((name) => (bits & PRIVILEGES[name]) === PRIVILEGES[name]);
}

/** System specific parameters (tag EF) of INSTALL; sizes in bytes, 0 to 32767 (GPCS 11.5.2.3.7). */
export interface SystemParameters {
  readonly nonVolatileCode?: number;
  readonly volatileData?: number;
  readonly nonVolatileData?: number;
}

/** `C9` application specific (always there, may be empty), then `EF` system specific parameters. Throws CardProblem `bad-value`. */
export function installParameters(application: Uint8Array, system: SystemParameters = {}): Uint8Array {
  const size = (tag: number, bytes: number | undefined): Tlv[] => {
    if (bytes === undefined) return [];
    if (!Number.isInteger(bytes) || bytes < 0 || bytes > 0x7fff)
      throw new CardProblem("bad-value", "INSTALL", `${bytes} is not a memory size from 0 to 32767`);
    return [tlv(tag, Uint8Array.of(bytes >> 8, bytes & 0xff))];
  };
  const sizes = [
    ...size(0xc6, system.nonVolatileCode),
    ...size(0xc7, system.volatileData),
    ...size(0xc8, system.nonVolatileData),
  ];
  return encodeTlv([tlv(0xc9, application), ...(sizes.length === 0 ? [] : [tlv(0xef, ...sizes)])]);
}

function install(p1: number, fields: readonly Uint8Array[]): Command {
  const data = fields.flatMap((field) => [lengthOf(field), field]);
  return { cla: 0x80, ins: 0xe6, p1, p2: 0x00, data: concat(...data), le: 256 };
}

function lengthOf(field: Uint8Array): Uint8Array {
  if (field.length > 0xff)
    throw new CardProblem("too-long", "INSTALL", `a field has ${field.length} bytes, 255 at most`);
  return Uint8Array.of(field.length);
}

/** INSTALL [for load]; `hash` over the load file where the card asks for one (with DAP or delegated management). */
export function installForLoad(ask: {
  readonly loadFile: Aid;
  readonly securityDomain?: Aid;
  readonly hash?: Uint8Array;
  readonly parameters?: SystemParameters;
  readonly token?: Uint8Array;
}): Command {
  const parameters = ask.parameters === undefined ? NOTHING : installParameters(NOTHING, ask.parameters);
  // Load parameters have no application specific part.
  const system = parameters.subarray(parameters.length === 0 ? 0 : 2);
  return install(0x02, [
    ask.loadFile,
    ask.securityDomain ?? NOTHING,
    ask.hash ?? NOTHING,
    system,
    ask.token ?? NOTHING,
  ]);
}

/** INSTALL [for install], or, with `selectable` (the default), [for install and make selectable]. */
export function installForInstall(ask: {
  readonly loadFile: Aid;
  readonly module: Aid;
  readonly application: Aid;
  readonly privileges?: readonly Privilege[];
  /** See `installParameters`. Default: C9 00. */
  readonly parameters?: Uint8Array;
  readonly selectable?: boolean;
  readonly token?: Uint8Array;
}): Command {
  return install(ask.selectable === false ? 0x04 : 0x0c, [
    ask.loadFile,
    ask.module,
    ask.application,
    encodePrivileges(ask.privileges ?? []),
    ask.parameters ?? installParameters(NOTHING),
    ask.token ?? NOTHING,
  ]);
}

/** INSTALL [for make selectable] of an application that was installed before. */
export function installMakeSelectable(ask: {
  readonly application: Aid;
  readonly privileges?: readonly Privilege[];
  readonly token?: Uint8Array;
}): Command {
  const privileges = encodePrivileges(ask.privileges ?? []);
  return install(0x08, [NOTHING, NOTHING, ask.application, privileges, NOTHING, ask.token ?? NOTHING]);
}

/** INSTALL [for personalization]: the STORE DATA that follow go to this application. */
export const installForPersonalization = (application: Aid): Command =>
  install(0x20, [NOTHING, NOTHING, application, NOTHING, NOTHING, NOTHING]);

/** INSTALL [for registry update]: other privileges. */
export function installRegistryUpdate(ask: {
  readonly application: Aid;
  readonly privileges: readonly Privilege[];
  readonly securityDomain?: Aid;
  readonly token?: Uint8Array;
}): Command {
  const privileges = encodePrivileges(ask.privileges);
  const domain = ask.securityDomain ?? NOTHING;
  return install(0x40, [domain, NOTHING, ask.application, privileges, NOTHING, ask.token ?? NOTHING]);
}

/** INSTALL [for extradition]: the application gets another security domain. */
export const installForExtradition = (ask: {
  readonly application: Aid;
  readonly securityDomain: Aid;
  readonly token?: Uint8Array;
}): Command =>
  install(0x10, [ask.securityDomain, NOTHING, ask.application, NOTHING, NOTHING, ask.token ?? NOTHING]);

/** LOAD (GPCS 11.6): tag C4 and the load file, cut into numbered blocks. `blockSize` plain bytes each. Throws CardProblem `too-long`. */
export function loadBlocks(loadFile: Uint8Array, blockSize = 239): Command[] {
  if (loadFile.length === 0) throw new CardProblem("bad-value", "LOAD", "the load file is empty");
  const whole = concat(Uint8Array.of(0xc4), encodeTlvLength(loadFile.length), loadFile);
  return cut(whole, blockSize, "LOAD").map((data, block, all) => ({
    cla: 0x80,
    ins: 0xe8,
    p1: block === all.length - 1 ? 0x80 : 0x00,
    p2: block,
    data,
    le: 256,
  }));
}

/** Pieces of at most `size` bytes, at most 256 of them: blocks are numbered in one byte. */
export function cut(whole: Uint8Array, size: number, where: string): Uint8Array[] {
  if (!Number.isInteger(size) || size < 1 || size > 255)
    throw new CardProblem("bad-value", where, `${size} is not a block size from 1 to 255`);
  const count = Math.max(1, Math.ceil(whole.length / size));
  if (count > 256) throw new CardProblem("too-long", where, `${count} blocks are more than 256`);
  return Array.from({ length: count }, (_, at) => whole.subarray(at * size, (at + 1) * size));
}

/** DELETE of an application or load file; `related`: with all that comes from it. */
export const deleteObject = (ask: { readonly aid: Aid; readonly related?: boolean }): Command => ({
  cla: 0x80,
  ins: 0xe4,
  p1: 0x00,
  p2: ask.related === true ? 0x80 : 0x00,
  data: encodeTlv(tlv(0x4f, ask.aid)),
  le: 256,
});

/** DELETE of keys: one by both numbers, or all of an identifier or of a version. Throws CardProblem `bad-value`. */
export function deleteKey(ask: { readonly id?: number; readonly kvn?: number }): Command {
  const one = (tag: number, value: number | undefined): Tlv[] => {
    if (value === undefined) return [];
    if (!Number.isInteger(value) || value < 0 || value > 0x7f)
      throw new CardProblem("bad-value", "DELETE", `${value} is not a key number from 0 to 7F`);
    return [tlv(tag, Uint8Array.of(value))];
  };
  const objects = [...one(0xd0, ask.id), ...one(0xd2, ask.kvn)];
  if (objects.length === 0) throw new CardProblem("bad-value", "DELETE", "it names no key");
  return { cla: 0x80, ins: 0xe4, p1: 0x00, p2: 0x00, data: encodeTlv(objects), le: 256 };
}

/** MANAGE CHANNEL: a new logical channel, whose number the card answers. */
export const openChannel = (): Command => ({ cla: 0x00, ins: 0x70, p1: 0x00, p2: 0x00, le: 1 });

/** MANAGE CHANNEL: ends logical channel 1 to 19. Throws CardProblem `bad-value`. */
export function closeChannel(channel: number): Command {
  if (!Number.isInteger(channel) || channel < 1 || channel > 19)
    throw new CardProblem("bad-value", "MANAGE CHANNEL", `${channel} is not a channel from 1 to 19`);
  return { cla: 0x00, ins: 0x70, p1: 0x80, p2: channel };
}
