import { type Answer, type Apdu, SW, same, status, u16 } from "./command.js";
import { CARD_MANAGER, type Card, FREE } from "./card.js";
import { type Description, FDB, type File, LCS, MF_ID, UNWRITTEN, WRITE, isDf } from "./directory.js";
import { AM, readRules } from "./rules.js";
import { named } from "./selection.js";
import { readObjects } from "./tlv.js";

const none = new Uint8Array(0);
const RESERVED = [0x0000, 0x3fff, 0xffff];

/** CREATE FILE (ISO/IEC 7816-9); the new file is current. */
export function createFile(card: Card, { p1, p2, data }: Apdu): Answer {
  if (!card.secured) return status(SW.securityNotSatisfied);
  if (p1 !== 0 || p2 !== 0) return status(SW.wrongP1P2);
  const asked = readControlParameters(data);
  if (asked === undefined) return status(SW.wrongData);
  const { directory, df } = card;
  if (df === undefined) {
    if (asked.fid !== MF_ID) return status(SW.fileNotFound);
    if (asked.descriptor !== FDB.df) return status(SW.wrongData);
  } else {
    const clash = clashes(card, df, asked);
    if (clash !== FREE) return status(clash);
  }
  const file = { ...asked, parent: df?.entry };
  const space = directory.allocate(file);
  if (space === undefined) return status(SW.noMemory);
  const made = directory.create(file, space);
  if (isDf(made)) card.selectDf(made);
  else card.selectEf(made);
  return status(SW.ok);
}

export function clashes({ directory }: Card, df: File, asked: Asked): number {
  const { fid, name, sfi } = asked;
  if (fid === MF_ID || fid === df.fid || fid === directory.at(df.parent)?.fid || directory.child(df, fid)) {
    return SW.fileExists;
  }
  if (name.length > 0 && (same(name, CARD_MANAGER) || directory.byName(name))) return SW.nameExists;
  if (directory.isDeactivated(df)) return SW.conditionsNotSatisfied;
  return sfi > 0 && directory.bySfi(df, sfi) ? SW.wrongData : FREE;
}

export type Asked = Omit<Description, "body" | "parent">;

/** The FCP of CREATE FILE (docs/card-os.md 5); undefined: 6A80. */
function readControlParameters(data: Uint8Array): Asked | undefined {
  const [template, ...rest] = readObjects(data) ?? [];
  if (template?.tag !== 0x62 || rest.length > 0) return undefined;
  const list = readObjects(template.value);
  if (list === undefined) return undefined;
  const objects = new Map(list.map(({ tag, value }) => [tag, value]));
  if (objects.size !== list.length) return undefined;
  const take = (tag: number): Uint8Array | undefined => {
    const value = objects.get(tag);
    objects.delete(tag);
    return value;
  };
  const shape = readDescriptor(take(0x82), take(0x80));
  const fid = take(0x83);
  const name = take(0x84);
  const sfi = readSfi(take(0x88));
  const attributes = take(0xab)?.slice() ?? none;
  const rules = readRules(attributes);
  take(0x8a);
  if (
    objects.size > 0 ||
    shape === undefined ||
    fid?.length !== 2 ||
    sfi === undefined ||
    rules === undefined
  ) {
    return undefined;
  }
  const df = shape.descriptor === FDB.df;
  if (RESERVED.includes(u16(fid, 0)) || (df ? sfi > 0 : name !== undefined)) return undefined;
  if (name !== undefined && (name.length === 0 || name.length > 16)) return undefined;
  return {
    ...shape,
    lifeCycle: LCS.initialisation,
    fid: u16(fid, 0),
    sfi,
    head: 0,
    name: name?.slice() ?? none,
    attributes,
    compact: false,
    rules,
  };
}

function readDescriptor(
  descriptor: Uint8Array | undefined,
  size: Uint8Array | undefined,
):
  | Pick<Asked, "descriptor" | "coded" | "writing" | "size" | "recordSize" | "recordCount" | "lengths">
  | undefined {
  const [fdb = 0, coding, high, recordSize = 0, recordCount = 0] = descriptor ?? none;
  if (coding !== undefined && coding !== 0x21) return undefined;
  if (size !== undefined && size.length !== 1 && size.length !== 2) return undefined;
  const bytes = size?.length === 1 ? (size[0] ?? 0) : u16(size ?? none, 0);
  const plain = {
    descriptor: fdb,
    coded: coding !== undefined,
    writing: WRITE.update,
    recordSize: 0,
    recordCount: 0,
    lengths: none,
  };
  switch (fdb) {
    case FDB.df:
      return (descriptor?.length ?? 0) <= 2 && size === undefined ? { ...plain, size: 0 } : undefined;
    case FDB.transparent:
      return (descriptor?.length ?? 0) <= 2 && bytes > 0 ? { ...plain, size: bytes } : undefined;
    case FDB.linearFixed:
    case FDB.linearVariable:
    case FDB.cyclic: {
      if (
        descriptor?.length !== 5 ||
        high !== 0 ||
        recordSize === 0 ||
        recordCount === 0 ||
        recordCount > 0xfe
      ) {
        return undefined;
      }
      const all = recordSize * recordCount;
      // A length of FF means unwritten.
      if (fdb === FDB.linearVariable && recordSize === UNWRITTEN) return undefined;
      if (all > 0xffff || (size !== undefined && bytes !== all)) return undefined;
      const lengths = fdb === FDB.linearVariable ? new Uint8Array(recordCount).fill(UNWRITTEN) : none;
      return { ...plain, size: all, recordSize, recordCount, lengths };
    }
    default:
      return undefined;
  }
}

/** b8..b4, 1 to 30; absent or empty: none (0). Undefined: 6A80. */
export function readSfi(value: Uint8Array | undefined): number | undefined {
  if (value === undefined || value.length === 0) return 0;
  const [byte = 0] = value;
  const sfi = byte >> 3;
  return value.length === 1 && (byte & 0x07) === 0 && sfi >= 1 && sfi <= 30 ? sfi : undefined;
}

/** DELETE FILE (ISO/IEC 7816-9): a child of the current DF; a DF must be empty. */
export function deleteFile(card: Card, { p1, p2, data }: Apdu): Answer {
  const { directory, df } = card;
  if (!card.secured) return status(SW.securityNotSatisfied);
  if (p1 !== 0 || p2 !== 0) return status(SW.wrongP1P2);
  if (data.length !== 2) return status(SW.wrongLength);
  const file = df && directory.child(df, u16(data, 0));
  if (file === undefined) return status(SW.fileNotFound);
  if (file.lifeCycle !== LCS.initialisation && !card.allows(file, AM.delete))
    return status(SW.securityNotSatisfied);
  if (directory.find((other) => other.parent === file.entry)) return status(SW.conditionsNotSatisfied);
  if (card.ef?.entry === file.entry) card.deselectEf();
  directory.remove(file);
  return status(SW.ok);
}

/** ACTIVATE FILE: 03 or 04 to 05. DEACTIVATE FILE: 05 to 04. Already there: 9000, nothing written. */
export const activateFile = (card: Card, command: Apdu): Answer =>
  changeLifeCycle(card, command, LCS.activated, AM.activate);
export const deactivateFile = (card: Card, command: Apdu): Answer =>
  changeLifeCycle(card, command, LCS.deactivated, AM.deactivate);

function changeLifeCycle(card: Card, { p1, p2, data }: Apdu, next: number, mode: number): Answer {
  if (p1 !== 0 || p2 !== 0) return status(SW.wrongP1P2);
  if (data.length !== 0 && data.length !== 2) return status(SW.wrongLength);
  const file = named(card, data);
  if (file === undefined) return status(SW.fileNotFound);
  const ruled = file.lifeCycle !== LCS.initialisation && card.allows(file, mode);
  if (!card.secured && !ruled) return status(SW.securityNotSatisfied);
  if (file.lifeCycle === next) return status(SW.ok);
  if (next === LCS.deactivated && file.lifeCycle !== LCS.activated) return status(SW.conditionsNotSatisfied);
  card.directory.save({ ...file, lifeCycle: next });
  return status(SW.ok);
}
