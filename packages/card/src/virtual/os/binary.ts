import { type Answer, type Apdu, SW, answer, status } from "./command.js";
import { type Card, FREE } from "./card.js";
import { FDB, type File } from "./directory.js";
import { AM } from "./rules.js";
import { target } from "./selection.js";

/** READ BINARY (ISO/IEC 7816-4, 7.2.3). */
export function readBinary(card: Card, command: Apdu): Answer {
  if (command.data.length > 0 || command.le === undefined) return status(SW.wrongLength);
  const place = locate(card, command, AM.read);
  if (typeof place === "number") return status(place);
  const room = card.secured ? (card.channel?.room ?? 256) : 256;
  if (command.le > room && command.le < 256) return status(SW.wrongLength);
  const there = place.file.size - place.offset;
  const length = Math.min(command.le, room, there);
  const data = card.chip.read(place.file.body + place.offset, length);
  return answer(data, command.le < 256 && command.le > there ? SW.endOfFile : SW.ok);
}

/** UPDATE BINARY (ISO/IEC 7816-4, 7.2.5). */
export function updateBinary(card: Card, command: Apdu): Answer {
  if (command.data.length === 0) return status(SW.wrongLength);
  const place = locate(card, command, AM.update);
  if (typeof place === "number") return status(place);
  if (place.offset + command.data.length > place.file.size) return status(SW.noMemory);
  card.write(place.file, place.offset, command.data);
  return status(SW.ok);
}

function locate(
  card: Card,
  { p1, p2 }: Apdu,
  mode: number,
): { readonly file: File; readonly offset: number } | number {
  const short = (p1 & 0x80) !== 0;
  const sfi = p1 & 0x1f;
  if (short && ((p1 & 0x60) !== 0 || sfi === 0 || sfi === 0x1f)) return SW.wrongP1P2;
  const file = target(card, short ? sfi : 0);
  if (typeof file === "number") return file;
  if (file.descriptor !== FDB.transparent) return SW.wrongStructure;
  const refusal = card.refusal(file, mode);
  if (refusal !== FREE) return refusal;
  const offset = short ? p2 : (p1 << 8) | p2;
  return offset < file.size ? { file, offset } : SW.wrongOffset;
}
