import { type Answer, type Apdu, SW, answer, join, status } from "../command.js";
import { type Card, FREE } from "../card.js";
import { FDB, type File, erasedByte } from "../directory.js";
import { getData as getCardData } from "../manager.js";
import { AM } from "../rules.js";
import { ber, objectAt, readBer } from "./ber.js";
import { room } from "./binary.js";
import { oddTarget } from "./select.js";

const TAG_LIST = 0x5c;
const ALL = 0x00ff;
const CURRENT_DF = 0x3fff;

interface Stored {
  readonly tag: number;
  readonly value: Uint8Array;
  /** Tag, length and value as they lie in the EF. */
  readonly from: number;
  readonly end: number;
}

/** The objects of an EF of FDB 39, up to its first erased byte. */
function stored(card: Card, file: File): { readonly content: Uint8Array; readonly objects: Stored[] } {
  const content = card.chip.read(file.body, file.size);
  const objects: Stored[] = [];
  for (let at = 0; at < content.length; ) {
    const object = objectAt(content, at);
    if (object === undefined) break;
    objects.push({ ...object, from: at });
    at = object.end;
  }
  return { content, objects };
}

const objectFiles = ({ df, directory }: Card): File[] =>
  directory.all((file) => file.parent === df?.entry && file.descriptor === FDB.objects);

/** GET DATA CA, CB (ISO/IEC 7816-4, 7.4.2; docs/card-os.md 10.6). */
export function getData(card: Card, command: Apdu): Answer {
  return (command.ins & 1) === 0 ? getByTag(card, command) : getByList(card, command);
}

function getByTag(card: Card, command: Apdu): Answer {
  const known = getCardData(card, command);
  if (known.sw !== SW.referenceNotFound) return known;
  const tag = (command.p1 << 8) | command.p2;
  const files = objectFiles(card);
  const parts: Uint8Array[] = [];
  let refusal = FREE;
  for (const file of files) {
    const { content, objects } = stored(card, file);
    const wanted = objects.filter((object) => tag === ALL || object.tag === tag);
    if (wanted.length === 0) continue;
    refusal = card.refusal(file, AM.read);
    if (refusal !== FREE) continue;
    for (const { from, end, value } of wanted) {
      if (tag !== ALL) return bounded(card, command, value);
      parts.push(content.subarray(from, end));
    }
  }
  if (parts.length > 0) return bounded(card, command, join(...parts));
  return status(refusal === FREE ? SW.referenceNotFound : refusal);
}

function getByList(card: Card, command: Apdu): Answer {
  if (command.data.length === 0 || command.le === undefined) return status(SW.wrongLength);
  const [list, ...rest] = readBer(command.data) ?? [];
  if (list?.tag !== TAG_LIST || rest.length > 0) return status(SW.wrongData);
  const tags = readTags(list.value);
  if (tags === undefined) return status(SW.wrongData);
  const files = places(card, command);
  if (typeof files === "number") return status(files);
  const parts: Uint8Array[] = [];
  for (const file of files) {
    const refusal = card.refusal(file, AM.read);
    if (refusal !== FREE) return status(refusal);
    const { content, objects } = stored(card, file);
    for (const { tag, from, end } of objects) {
      if (tags.length === 0 || tags.includes(tag)) parts.push(content.subarray(from, end));
    }
  }
  return parts.length === 0 ? status(SW.referenceNotFound) : bounded(card, command, join(...parts));
}

function bounded(card: Card, command: Apdu, data: Uint8Array): Answer {
  return data.length > room(card, command) ? status(SW.wrongLength) : answer(data);
}

function places(card: Card, command: Apdu): File[] | number {
  if (((command.p1 << 8) | command.p2) === CURRENT_DF) return objectFiles(card);
  const file = oddTarget(card, command);
  if (typeof file === "number") return file;
  return file.descriptor === FDB.objects ? [file] : SW.wrongStructure;
}

function readTags(bytes: Uint8Array): number[] | undefined {
  const tags: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at++] ?? 0;
    if ((first & 0x1f) !== 0x1f) tags.push(first);
    else {
      const second = bytes[at++];
      if (second === undefined || second > 0x7f) return undefined;
      tags.push((first << 8) | second);
    }
  }
  return tags;
}

/** PUT DATA DA, DB (7.4.3). */
export function putData(card: Card, command: Apdu): Answer {
  const { p1, p2, data, ins } = command;
  if (data.length === 0) return status(SW.wrongLength);
  const tag = (p1 << 8) | p2;
  if ((ins & 1) === 0) {
    if (!isTag(tag)) return status(SW.referenceNotFound);
    const [file] = objectFiles(card);
    if (file === undefined) return status(SW.fileNotFound);
    return put(card, file, [{ tag, value: data }]);
  }
  const objects = readBer(data);
  if (objects === undefined) return status(SW.wrongData);
  const files = places(card, command);
  if (typeof files === "number") return status(files);
  const [file] = files;
  return file === undefined ? status(SW.fileNotFound) : put(card, file, objects);
}

/** One byte 40 to FE, or two whose first says so. */
const isTag = (tag: number): boolean =>
  tag > 0xff
    ? tag >= 0x4000 && (tag & 0x1f00) === 0x1f00 && (tag & 0xff) >= 0x1f && (tag & 0x80) === 0
    : tag >= 0x40 && tag < 0xff && (tag & 0x1f) !== 0x1f;

function put(
  card: Card,
  file: File,
  objects: readonly { readonly tag: number; readonly value: Uint8Array }[],
): Answer {
  const refusal = card.refusal(file, AM.update);
  if (refusal !== FREE) return status(refusal);
  const { content, objects: there } = stored(card, file);
  const pieces = there.map(({ tag, from, end }) => ({ tag, bytes: content.subarray(from, end) }));
  for (const { tag, value } of objects) {
    const piece = { tag, bytes: ber(tag, value) };
    const at = pieces.findIndex((one) => one.tag === tag);
    if (at < 0) pieces.push(piece);
    else pieces[at] = piece;
  }
  const whole = join(...pieces.map(({ bytes }) => bytes));
  if (whole.length > file.size) return status(SW.noMemory);
  const bytes = new Uint8Array(file.size).fill(erasedByte(file));
  bytes.set(whole);
  card.write(file, 0, bytes);
  return status(SW.ok);
}
