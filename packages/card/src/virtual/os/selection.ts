import { type Answer, type Apdu, SW, answer, join, same, status, u16 } from "./command.js";
import { CARD_MANAGER, type Card } from "./card.js";
import { FDB, type File, MF_ID, isDf } from "./directory.js";
import { object } from "./tlv.js";

const LOCKED = 0x7f;

/** SELECT (ISO/IEC 7816-4, 7.1.1). A SELECT that fails leaves the current file. */
export function select(card: Card, command: Apdu): Answer {
  const template = { 0x00: 0x6f, 0x04: 0x62, 0x0c: 0 }[command.p2];
  if (template === undefined) return status(SW.wrongP1P2);
  if (command.p1 === 0x04 && same(command.data, CARD_MANAGER)) {
    card.selectMf();
    const locked = card.chip.cardState() === LOCKED ? SW.deactivated : SW.ok;
    return template === 0 ? status(locked) : answer(object(template, object(0x84, CARD_MANAGER)), locked);
  }
  const found = find(card, command);
  if (typeof found === "number") return status(found);
  if (isDf(found)) card.selectDf(found);
  else card.selectEf(found);
  const sw = card.directory.isDeactivated(found) ? SW.deactivated : SW.ok;
  return template === 0 ? status(sw) : answer(object(template, controlParameters(found)), sw);
}

function find(card: Card, { p1, data }: Apdu): File | number {
  const { directory, df } = card;
  switch (p1) {
    case 0x00: {
      if (data.length !== 0 && data.length !== 2) return SW.wrongLength;
      return byIdentifier(card, data.length === 0 ? MF_ID : u16(data, 0)) ?? SW.fileNotFound;
    }
    case 0x02: {
      if (data.length !== 2) return SW.wrongLength;
      const file = df && directory.child(df, u16(data, 0));
      return file === undefined || isDf(file) ? SW.fileNotFound : file;
    }
    case 0x03:
      if (data.length !== 0) return SW.wrongLength;
      return directory.at(df?.parent) ?? SW.fileNotFound;
    case 0x04:
      if (data.length === 0 || data.length > 16) return SW.wrongLength;
      return directory.byName(data) ?? SW.fileNotFound;
    case 0x08: {
      if (data.length === 0 || data.length % 2 !== 0) return SW.wrongLength;
      let file = directory.root;
      for (let at = 0; at < data.length; at += 2) file = file && directory.child(file, u16(data, at));
      return file ?? SW.fileNotFound;
    }
    default:
      return SW.wrongP1P2;
  }
}

/** P1 00: among the children of the current DF, the current DF itself, its parent; 3F00 anywhere. */
export function byIdentifier({ directory, df }: Card, fid: number): File | undefined {
  if (fid === MF_ID) return directory.root;
  if (df === undefined) return undefined;
  const parent = directory.at(df.parent);
  return directory.child(df, fid) ?? [df, parent].find((file) => file?.fid === fid);
}

/** The objects of the FCP in the order 82 83 84 80 88 8A AB. */
function controlParameters(file: File): Uint8Array {
  const { descriptor, fid } = file;
  const records = descriptor !== FDB.df && descriptor !== FDB.transparent;
  const described = records ? [0x21, 0, file.recordSize, file.recordCount] : file.coded ? [0x21] : [];
  const parts = [object(0x82, [descriptor, ...described]), object(0x83, [fid >> 8, fid & 0xff])];
  if (file.name.length > 0) parts.push(object(0x84, file.name));
  if (!isDf(file)) parts.push(object(0x80, [file.size >> 8, file.size & 0xff]));
  if (file.sfi > 0) parts.push(object(0x88, [file.sfi << 3]));
  parts.push(object(0x8a, [file.lifeCycle]));
  if (file.attributes.length > 0) parts.push(object(0xab, file.attributes));
  return join(...parts);
}

/** The EF a command works on: SFI (which makes it current) or the current EF; or the status word that there is none. */
export function target(card: Card, sfi: number): File | number {
  if (sfi === 0) return card.ef ?? SW.noCurrentFile;
  const file = card.df && card.directory.bySfi(card.df, sfi);
  if (file === undefined) return SW.fileNotFound;
  card.selectEf(file);
  return file;
}

/** ACTIVATE FILE, DEACTIVATE FILE: FID in the data, or the current file. */
export const named = (card: Card, data: Uint8Array): File | undefined =>
  data.length === 0 ? (card.ef ?? card.df) : byIdentifier(card, u16(data, 0));
