import { type Answer, type Apdu, join, status, SW, u16 } from "../os/command.js";
import { appletOf, type Grouping } from "./applets.js";
import { type GpCard, unlessSecured } from "./card.js";
import { storedAbout } from "./elliptic.js";
import { readObjects, writeObjects } from "./objects.js";
import { storeKeys } from "./keys.js";
import type { Application, State } from "./state.js";
import { items } from "./tlv.js";

/** STORE DATA in work: in RAM until the last block, then all at once. */
export interface Staged {
  readonly next: number;
  /** DGI or BER-TLV; all blocks have one structure. */
  readonly structure: number;
  readonly bytes: Uint8Array;
  readonly groupings: readonly Grouping[];
}

const LAST = 0x80;
const ENCRYPTED = 0x60;
const DGI = 0x08;
const BER = 0x10;
/** RAM for one personalization. */
const most = 4096;

/** STORE DATA (GPCS 11.11), for the security domain or the application that INSTALL [for personalization] named. */
export function storeData(card: GpCard, command: Apdu): Answer {
  const refused = unlessSecured(card);
  if (refused !== undefined) return refused;
  const staged = card.staged;
  card.staged = undefined;
  const next = stage(card, staged, command);
  if (typeof next === "number") return status(next);
  const aid = card.selected?.aid ?? card.personalized;
  const app = aid === undefined ? undefined : card.vault.application(aid);
  const last = (command.p1 & LAST) !== 0;
  if (app !== undefined && hasUnknown(app, staged, next)) {
    // What ends in this block is not taken; a personalization that is not over goes on.
    if (!last) card.staged = { ...next, groupings: staged?.groupings ?? [] };
    return status(SW.referenceNotFound);
  }
  if (!last) {
    card.staged = next;
    return status(SW.ok);
  }
  if (next.structure === DGI && next.bytes.length > 0) return status(SW.wrongData);
  return status(app === undefined ? storeOwn(card, next) : storeFor(card, app, next));
}

/** Whether a grouping that ends in this block is none of the application's, where that is judged at once. */
function hasUnknown(app: Application, before: Staged | undefined, { groupings }: Staged): boolean {
  const applet = appletOf(app);
  return (
    applet.knows !== undefined &&
    groupings.slice(before?.groupings.length ?? 0).some(({ id }) => applet.knows?.(id) === false)
  );
}

/** What is there with this block; a status word when it does not follow. */
function stage(card: GpCard, before: Staged | undefined, { p1, p2, data }: Apdu): Staged | number {
  // Personalized by itself an application takes data groupings only: EMV CPS has no bits for the structure.
  const structure = (p1 & (DGI | BER)) | (card.selected === undefined ? 0 : DGI);
  const encryption = p1 & ENCRYPTED;
  if ((p1 & 0x06) !== 0 || structure === (DGI | BER) || encryption === 0x40) return SW.wrongP1P2;
  const from = before ?? { next: 0, structure, bytes: new Uint8Array(0), groupings: [] };
  if (p2 !== from.next || structure !== from.structure) return SW.wrongP1P2;
  const bytes = join(from.bytes, data);
  if (bytes.length + from.groupings.reduce((sum, { value }) => sum + value.length, 0) > most)
    return SW.noMemory;
  const staged = { next: p2 + 1, structure, bytes, groupings: from.groupings };
  return structure === DGI ? withWholeGroupings(card, staged, encryption === ENCRYPTED) : staged;
}

/** Groupings that are whole by now; the rest waits for the next block. Each is encrypted or not, as the block that ends it says. */
function withWholeGroupings(card: GpCard, staged: Staged, secret: boolean): Staged | number {
  const { bytes } = staged;
  const groupings = [...staged.groupings];
  let at = 0;
  while (at + 3 <= bytes.length) {
    let length = bytes[at + 2] ?? 0;
    let from = at + 3;
    if (length === 0xff) {
      if (at + 5 > bytes.length) break;
      length = u16(bytes, from);
      from += 2;
    }
    if (from + length > bytes.length) break;
    const sent = bytes.slice(from, from + length);
    const value = secret ? card.channel?.decryptWithDek(sent) : sent;
    if (value === undefined) return SW.wrongData;
    groupings.push({ id: u16(bytes, at), value, secret });
    at = from + length;
  }
  return { ...staged, bytes: bytes.slice(at), groupings };
}

/** The security domain's own data: 42, 45, and the CPLC's 9F67 and 9F66, as BER-TLV; a key set as data groupings. */
function storeOwn(card: GpCard, { structure, bytes, groupings }: Staged): number {
  if (structure === DGI) return storeKeys(card, groupings);
  const objects = items(bytes);
  if (objects === undefined || objects.length === 0) return SW.wrongData;
  const about = storedAbout(card.vault.state.elliptic, objects);
  if (typeof about === "number") return about;
  if (about !== undefined) return card.vault.change({ elliptic: about }) ? SW.ok : SW.noMemory;
  let change: Partial<State> = {};
  for (const { tag, value } of objects) {
    const copy = value.slice();
    if (tag === 0x42 && value.length <= 16) change = { ...change, iin: copy };
    else if (tag === 0x45 && value.length <= 32) change = { ...change, cin: copy };
    else if (tag === 0x9f67 && value.length === 8) change = { ...change, prePersonalization: copy };
    else if (tag === 0x9f66 && value.length === 8) change = { ...change, personalization: copy };
    else return SW.wrongData;
  }
  return card.vault.change(change) ? SW.ok : SW.noMemory;
}

function storeFor(card: GpCard, app: Application, { structure, bytes, groupings }: Staged): number {
  const given = structure === DGI ? groupings : berGroupings(bytes);
  if (given === undefined || given.length === 0) return SW.wrongData;
  const shadow = card.vault.dataOf(app);
  const after = appletOf(app).store(card, readObjects(shadow), given);
  if (after === undefined) return SW.wrongData;
  if (typeof after === "number") return after;
  for (const { id } of given) {
    const value = after.get(id);
    if (value !== undefined) after.set(id, card.chip.stored(id, value));
  }
  return writeObjects(shadow, after) ? SW.ok : SW.noMemory;
}

/** Objects by their tags. */
const berGroupings = (bytes: Uint8Array): Grouping[] | undefined =>
  items(bytes)?.map(({ tag, value }) => ({ id: tag, value: value.slice(), secret: false }));
