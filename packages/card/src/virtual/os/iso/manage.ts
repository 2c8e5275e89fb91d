import { type Answer, type Apdu, SW, status, u16 } from "../command.js";
import { type Card, FREE } from "../card.js";
import {
  FDB,
  type File,
  LCS,
  MF_ID,
  UNWRITTEN,
  WRITE,
  erasedByte,
  isBeforeActivation,
  isDf,
} from "../directory.js";
import { type Asked, clashes, readSfi } from "../files.js";
import { AM, readCompactRules, readWideRules } from "../rules.js";
import { readObjects } from "../tlv.js";
import { addressed, isOutOfLife } from "./select.js";

const none = new Uint8Array(0);
const RESERVED = [0x0000, 0x3fff, 0xffff];
const CODINGS: ReadonlyMap<number, number> = new Map([
  [0x21, WRITE.update],
  [0x01, WRITE.once],
  [0x41, WRITE.or],
  [0x61, WRITE.and],
]);
const MOST_OBJECTS = 256;

/** CREATE FILE (ISO/IEC 7816-9); the new file is current. */
export function createFile(card: Card, { p1, p2, data }: Apdu): Answer {
  const { directory, df } = card;
  if ((p2 & 0x07) !== 0) return status(SW.wrongP1P2);
  const asked = readControlParameters(data, p1, p2);
  if (!card.secured && !mayCreate(card, asked)) return status(SW.securityNotSatisfied);
  if (asked === undefined) return status(SW.wrongData);
  if (df === undefined) {
    if (asked.fid !== MF_ID) return status(SW.fileNotFound);
    if (!isDf({ ...asked, body: 0, parent: undefined })) return status(SW.wrongData);
  } else {
    const clash = clashes(card, df, asked);
    if (clash !== FREE) return status(clash);
  }
  const file = { ...asked, parent: df?.entry };
  const space = directory.allocate(file);
  if (space === undefined) return status(SW.noMemory);
  const made = directory.create(file, space, erasedByte(asked));
  if (isDf(made)) card.selectDf(made);
  else card.selectEf(made);
  return status(SW.ok);
}

/** Without a session: the current DF is active and has a rule for it. */
function mayCreate(card: Card, asked: Asked | undefined): boolean {
  const { df } = card;
  if (df === undefined || isBeforeActivation(df)) return false;
  return card.allows(df, asked?.descriptor === FDB.df ? AM.append : AM.update);
}

function readControlParameters(data: Uint8Array, p1: number, p2: number): Asked | undefined {
  const [template, ...rest] = readObjects(data) ?? [];
  const list = template?.tag === 0x62 && rest.length === 0 ? readObjects(template.value) : undefined;
  if (list === undefined) return undefined;
  const objects = new Map(list.map(({ tag, value }) => [tag, value]));
  if (objects.size !== list.length || (objects.has(0x80) && objects.has(0x81))) return undefined;
  const take = (tag: number): Uint8Array | undefined => {
    const value = objects.get(tag);
    objects.delete(tag);
    return value;
  };
  const shape = readShape(take(0x82) ?? (p1 === 0 ? undefined : Uint8Array.of(p1)), take(0x80) ?? take(0x81));
  const fid = take(0x83);
  const name = take(0x84);
  const sfi = readSfi(take(0x88) ?? (p2 === 0 ? undefined : Uint8Array.of(p2)));
  const [expanded, compact] = [take(0xab), take(0x8c)];
  const lifeCycle = readLifeCycle(take(0x8a));
  const attributes = (compact ?? expanded ?? none).slice();
  const rules = compact === undefined ? readWideRules(attributes) : readCompactRules(attributes);
  if (objects.size > 0 || shape === undefined || fid?.length !== 2 || sfi === undefined) return undefined;
  if (rules === undefined || lifeCycle === undefined || (expanded !== undefined && compact !== undefined)) {
    return undefined;
  }
  const df = shape.descriptor === FDB.df;
  if (RESERVED.includes(u16(fid, 0)) || (df ? sfi > 0 : name !== undefined)) return undefined;
  if (name !== undefined && (name.length === 0 || name.length > 16)) return undefined;
  return {
    ...shape,
    lifeCycle,
    fid: u16(fid, 0),
    sfi,
    head: 0,
    name: name?.slice() ?? none,
    attributes,
    compact: compact !== undefined,
    rules,
  };
}

/** Absent: 03. */
function readLifeCycle(value: Uint8Array | undefined): number | undefined {
  if (value === undefined) return LCS.initialisation;
  const [byte = 0] = value;
  const known: readonly number[] = [LCS.creation, LCS.initialisation, LCS.activated];
  return value.length === 1 && known.includes(byte) ? byte : undefined;
}

type Shape = Pick<
  Asked,
  "descriptor" | "coded" | "writing" | "size" | "recordSize" | "recordCount" | "lengths"
>;

function readShape(descriptor: Uint8Array | undefined, size: Uint8Array | undefined): Shape | undefined {
  const [fdb = 0, coding, high, recordSize = 0, recordCount = 0] = descriptor ?? none;
  const writing = coding === undefined ? WRITE.update : CODINGS.get(coding);
  if (writing === undefined) return undefined;
  if (size !== undefined && size.length !== 1 && size.length !== 2) return undefined;
  const bytes = size?.length === 1 ? (size[0] ?? 0) : u16(size ?? none, 0);
  const plain = {
    descriptor: fdb,
    coded: coding !== undefined,
    writing,
    recordSize: 0,
    recordCount: 0,
    lengths: none,
  };
  const short = (descriptor?.length ?? 0) <= 2;
  switch (fdb) {
    case FDB.df:
      return short && size === undefined ? { ...plain, size: 0 } : undefined;
    case FDB.transparent:
      return short && bytes > 0 ? { ...plain, size: bytes } : undefined;
    case FDB.objects:
      return short && bytes > 0 && bytes <= MOST_OBJECTS ? { ...plain, size: bytes } : undefined;
    case FDB.linearFixed:
    case FDB.linearVariable:
    case FDB.cyclic: {
      const all = recordSize * recordCount;
      const variable = fdb === FDB.linearVariable;
      if (descriptor?.length !== 5 || high !== 0 || all === 0 || recordCount > 0xfe || all > 0xffff) {
        return undefined;
      }
      // A length of FF means unwritten.
      if ((variable && recordSize === UNWRITTEN) || (size !== undefined && bytes !== all)) return undefined;
      const lengths = variable ? new Uint8Array(recordCount).fill(UNWRITTEN) : none;
      return { ...plain, size: all, recordSize, recordCount, lengths };
    }
    default:
      return undefined;
  }
}

/** The file of a management command: as SELECT names it; P1 00 without data: the current one. */
function subject(card: Card, { p1, p2, data }: Apdu): File | number {
  if (p2 !== 0 || p1 === 0x03) return SW.wrongP1P2;
  if (p1 === 0x00 && data.length === 0) return card.ef ?? card.df ?? SW.fileNotFound;
  return addressed(card, p1, data);
}

/** DELETE FILE: a DF must be empty. */
export function deleteFile(card: Card, command: Apdu): Answer {
  const { directory } = card;
  const file = subject(card, command);
  if (typeof file === "number") return status(file);
  const above = directory.at(file.parent);
  if (above === undefined) return status(SW.conditionsNotSatisfied);
  const allowed = isBeforeActivation(file)
    ? card.secured
    : card.allows(file, AM.delete) || (!isBeforeActivation(above) && card.allows(above, AM.read));
  if (!allowed) return status(SW.securityNotSatisfied);
  if (directory.find((other) => other.parent === file.entry)) return status(SW.conditionsNotSatisfied);
  if (card.ef?.entry === file.entry) card.deselectEf();
  if (card.df?.entry === file.entry) card.selectDf(above);
  directory.remove(file);
  return status(SW.ok);
}

export const activateFile = (card: Card, command: Apdu): Answer =>
  changeLifeCycle(card, command, LCS.activated, AM.activate);
export const deactivateFile = (card: Card, command: Apdu): Answer =>
  changeLifeCycle(card, command, LCS.deactivated, AM.deactivate);
export const terminateDf = (card: Card, command: Apdu): Answer =>
  changeLifeCycle(card, command, LCS.terminated, AM.terminate, "DF");
export const terminateEf = (card: Card, command: Apdu): Answer =>
  changeLifeCycle(card, command, LCS.terminated, AM.terminate, "EF");

/** Already there: 9000, nothing written. */
function changeLifeCycle(card: Card, command: Apdu, next: number, mode: number, kind?: "DF" | "EF"): Answer {
  const file = subject(card, command);
  if (typeof file === "number") return status(file);
  if (kind !== undefined && isDf(file) !== (kind === "DF")) return status(SW.fileNotFound);
  const ruled = !isBeforeActivation(file) && card.allows(file, mode);
  if (!card.secured && !ruled) return status(SW.securityNotSatisfied);
  if (file.lifeCycle === next) return status(SW.ok);
  const wrong = next === LCS.deactivated && file.lifeCycle !== LCS.activated;
  if (isOutOfLife(file) || wrong) return status(SW.conditionsNotSatisfied);
  card.directory.save({ ...file, lifeCycle: next });
  return status(SW.ok);
}
