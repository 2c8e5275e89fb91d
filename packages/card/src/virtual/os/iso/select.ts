import { type Answer, type Apdu, SW, join, same, status, u16 } from "../command.js";
import { CARD_MANAGER, type Card, FREE } from "../card.js";
import { FDB, type File, LCS, MF_ID, WRITE, isDf } from "../directory.js";
import { byIdentifier } from "../selection.js";
import { object } from "../tlv.js";
import { answerIfAsked, tooShort } from "./apdu.js";

const LOCKED = 0x7f;
/** By b4 b3 of P2. */
const TEMPLATES = [0x6f, 0x62, 0x64, 0] as const;
const BY_NAME = 0x04;

/** SELECT (ISO/IEC 7816-4, 7.1.1; docs/card-os.md 10.3). A SELECT that fails leaves the current file. */
export function select(card: Card, command: Apdu): Answer {
  const { p1, p2, data } = command;
  const template = TEMPLATES[(p2 >> 2) & 0x03] ?? 0;
  if ((p2 & 0xf0) !== 0 || (p1 !== BY_NAME && (p2 & 0x03) !== 0)) return status(SW.wrongP1P2);
  if (p1 === BY_NAME && same(data, CARD_MANAGER)) {
    card.selectMf();
    const locked = card.chip.cardState() === LOCKED ? SW.deactivated : SW.ok;
    return template === 0
      ? status(locked)
      : answerIfAsked(object(template, object(0x84, CARD_MANAGER)), command, locked);
  }
  const found = p1 === BY_NAME ? byName(card, data, p2 & 0x03) : addressed(card, p1, data);
  if (typeof found === "number") return status(found);
  const name = found.name.length > 0 ? object(0x84, found.name) : new Uint8Array(0);
  const shown = template === 0 ? name : object(template, template === 0x64 ? name : controlParameters(found));
  const short = template === 0 ? FREE : tooShort(command, shown.length);
  // The repetition with the right Le must find what this one found.
  if (short !== FREE) return status(short);
  if (isDf(found)) card.selectDf(found);
  else card.selectEf(found);
  const { directory } = card;
  const inService = directory.isDeactivated(found) ? SW.deactivated : SW.ok;
  const sw = directory.isTerminated(found) ? SW.terminated : inService;
  return template === 0 ? status(sw) : answerIfAsked(shown, command, sw);
}

/** The file that P1 and the data name, as SELECT and the commands of file management do it; or the status word. */
export function addressed(card: Card, p1: number, data: Uint8Array): File | number {
  const { directory, df } = card;
  switch (p1) {
    case 0x00:
      if (data.length !== 0 && data.length !== 2) return SW.wrongLength;
      return byIdentifier(card, data.length === 0 ? MF_ID : u16(data, 0)) ?? SW.fileNotFound;
    case 0x01:
    case 0x02: {
      if (data.length !== 2) return SW.wrongLength;
      const file = df && directory.child(df, u16(data, 0));
      return file === undefined || isDf(file) !== (p1 === 0x01) ? SW.fileNotFound : file;
    }
    case 0x03:
      if (data.length !== 0) return SW.wrongLength;
      return directory.at(df?.parent) ?? SW.fileNotFound;
    case 0x08:
    case 0x09: {
      if (data.length === 0 || data.length % 2 !== 0) return SW.wrongLength;
      let file = p1 === 0x08 ? directory.root : df;
      for (let at = 0; at < data.length; at += 2) file = file && directory.child(file, u16(data, at));
      return file ?? SW.fileNotFound;
    }
    default:
      return SW.wrongP1P2;
  }
}

const FIRST = 0;
const LAST = 1;
const NEXT = 2;

/** DFs whose name begins with the data, in the order of their making; next and previous count from the current DF. */
export function byName(card: Card, data: Uint8Array, occurrence: number): File | number {
  if (data.length === 0 || data.length > 16) return SW.wrongLength;
  const matches = card.directory.all(
    ({ name }) => name.length >= data.length && same(name.subarray(0, data.length), data),
  );
  const here = matches.findIndex(({ entry }) => entry === card.df?.entry);
  const at = {
    [FIRST]: 0,
    [LAST]: matches.length - 1,
    [NEXT]: here + 1,
  }[occurrence];
  // Previous, from a DF that does not match: the last one.
  const previous = here < 0 ? matches.length - 1 : here - 1;
  return matches[at ?? previous] ?? SW.fileNotFound;
}

const CODING: Readonly<Record<number, number>> = {
  [WRITE.update]: 0x21,
  [WRITE.once]: 0x01,
  [WRITE.or]: 0x41,
  [WRITE.and]: 0x61,
};

/** The objects of the FCP in the order 82 83 84 80 88 8A AB or 8C. */
function controlParameters(file: File): Uint8Array {
  const { descriptor, fid } = file;
  const coding = CODING[file.writing] ?? 0x21;
  const records = !isDf(file) && file.recordCount > 0;
  const described = records ? [coding, 0, file.recordSize, file.recordCount] : file.coded ? [coding] : [];
  const parts = [object(0x82, [descriptor, ...described]), object(0x83, [fid >> 8, fid & 0xff])];
  if (file.name.length > 0) parts.push(object(0x84, file.name));
  if (descriptor !== FDB.df) parts.push(object(0x80, [file.size >> 8, file.size & 0xff]));
  if (file.sfi > 0) parts.push(object(0x88, [file.sfi << 3]));
  parts.push(object(0x8a, [file.lifeCycle]));
  if (file.attributes.length > 0) parts.push(object(file.compact ? 0x8c : 0xab, file.attributes));
  return join(...parts);
}

/** The EF of an odd instruction: 0000 the current one, 0001 to 001E by SFI, else by FID; it becomes current. */
export function oddTarget(card: Card, { p1, p2 }: Apdu): File | number {
  const place = (p1 << 8) | p2;
  if (place === 0) return card.ef ?? SW.noCurrentFile;
  if (place === 0x1f) return SW.wrongP1P2;
  const { df, directory } = card;
  const file = df && (place < 0x1f ? directory.bySfi(df, place) : directory.child(df, place));
  if (file === undefined || isDf(file)) return SW.fileNotFound;
  card.selectEf(file);
  return file;
}

export const isOutOfLife = (file: File): boolean => file.lifeCycle === LCS.terminated;
