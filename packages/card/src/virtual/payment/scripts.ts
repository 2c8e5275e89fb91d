import type { GpCard } from "../gp/card.js";
import { LIFE, PRIVILEGE } from "../gp/layout.js";
import { readObjects, writeObjects } from "../gp/objects.js";
import type { Application } from "../gp/state.js";
import { type Answer, type Apdu, join, same, status, SW } from "../os/command.js";
import { FLAG } from "./counters.js";
import type { Work } from "./cryptogram.js";
import { DGI } from "./data.js";
import { isPinBlock } from "./personalize.js";
import { halvesFrom, macOf, openedScript } from "./secrets.js";

const none = new Uint8Array(0);
const MAC = 8;

/** An issuer script: its MAC, then what it wants (docs/payment-card.md 6). */
export function script(work: Work, card: GpCard, app: Application, command: Apdu): Answer {
  const { chip, store, now } = work;
  const { cla, ins, p1, p2, data } = command;
  if (now.cryptogram === undefined || now.scriptFailed) return status(SW.conditionsNotSatisfied);
  if (data.length < MAC) return failed(work, SW.wrongLength);
  const key = halvesFrom(chip, (store.files.get(DGI.keys) ?? none).slice(16, 32), now.cryptogram);
  const content = data.slice(0, data.length - MAC);
  const mac = macOf(chip, key, join([cla, ins, p1, p2, data.length], content), now.scriptChain);
  if (!same(mac, data.subarray(content.length))) return failed(work, SW.objectsWrong);
  now.scriptChain = mac;
  const sw = done(work, card, app, { ...command, data: content });
  if (sw !== SW.ok) return failed(work, sw);
  return status(sw);
}

function failed({ store, now }: Work, sw: number): Answer {
  now.scriptFailed = true;
  store.change({ flags: store.counters.flags | FLAG.scriptFailed });
  return status(sw);
}

function done(work: Work, card: GpCard, app: Application, { cla, ins, p1, p2, data }: Apdu): number {
  const { store } = work;
  const { flags, limit } = store.counters;
  const bare = p1 === 0 && p2 === 0 && data.length === 0;
  if (cla === 0x04) return ins === 0xda ? putData(work, (p1 << 8) | p2, data) : SW.wrongInstruction;
  switch (ins) {
    case 0x24:
      if (p1 !== 0 || (p2 !== 0 && p2 !== 2)) return SW.wrongP1P2;
      if (!store.files.has(DGI.pin)) return SW.referenceNotFound;
      if (p2 === 0) return data.length === 0 ? counted(work, { tries: limit }) : SW.wrongLength;
      return changePin(work, card, app, data);
    case 0x1e:
      return bare ? counted(work, { flags: flags | FLAG.blocked }) : SW.wrongData;
    case 0x18:
      return bare ? counted(work, { flags: flags & ~FLAG.blocked }) : SW.wrongData;
    case 0x16:
      return bare ? blockCard(work, card, app) : SW.wrongData;
    default:
      return SW.wrongInstruction;
  }
}

/** The change and the count of scripts, in one page write. */
function counted({ store, now }: Work, change: Parameters<typeof store.change>[0]): number {
  now.scripts = Math.min(15, now.scripts + 1);
  store.change({ ...change, scripts: Math.min(15, store.counters.scripts + 1) });
  return SW.ok;
}

function changePin(work: Work, card: GpCard, app: Application, data: Uint8Array): number {
  const { chip, store, now } = work;
  const key = halvesFrom(chip, (store.files.get(DGI.keys) ?? none).slice(32, 48), now.cryptogram ?? none);
  const block = openedScript(chip, key, data);
  if (block === undefined || !isPinBlock(block)) return SW.wrongData;
  const shadow = card.vault.dataOf(app);
  const objects = readObjects(shadow);
  objects.set(DGI.pin, block);
  if (!writeObjects(shadow, objects)) return SW.noMemory;
  return counted(work, { tries: store.counters.limit });
}

function putData(work: Work, tag: number, data: Uint8Array): number {
  const [value] = data;
  if (!work.store.files.has(DGI.limits) || (tag !== 0x9f14 && tag !== 0x9f23)) return SW.referenceNotFound;
  if (value === undefined || data.length !== 1) return SW.wrongLength;
  return counted(work, tag === 0x9f14 ? { lower: value } : { upper: value });
}

function blockCard(work: Work, { vault }: GpCard, app: Application): number {
  if ((app.privileges & PRIVILEGE.cardLock) === 0 || vault.state.life !== LIFE.secured)
    return SW.conditionsNotSatisfied;
  counted(work, {});
  return vault.change({ life: LIFE.locked }) ? SW.ok : SW.noMemory;
}
