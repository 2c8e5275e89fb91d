import { pageSize } from "../layout.js";
import { type Answer, answer, type Apdu, same, status, SW } from "../os/command.js";
import { type GpCard, unlessSecured } from "./card.js";
import { deleteKeys } from "./keys.js";
import { APP } from "./layout.js";
import { isAid, readLoadFile } from "./load-file.js";
import { isLocked, isSelectable } from "./life.js";
import { Shadow } from "./shadow.js";
import { type Application, tailPages } from "./state.js";
import { fields, items } from "./tlv.js";

const done = (): Answer => answer(Uint8Array.of(0x00));
/** Bytes of data an application gets that asks for none. */
const usualQuota = 512;
const P1 = {
  load: 0x02,
  install: 0x04,
  selectable: 0x08,
  extradition: 0x10,
  personalization: 0x20,
  update: 0x40,
};

/** INSTALL (GPCS 11.5). Tokens and receipts are not for this card: there is one security domain, the issuer's. */
export function install(card: GpCard, { p1, p2, data }: Apdu): Answer {
  const refused = unlessSecured(card);
  if (refused !== undefined) return refused;
  card.loading = undefined;
  card.personalized = undefined;
  card.staged = undefined;
  if (p2 !== 0) return status(SW.wrongP1P2);
  const parts = fields(data);
  // Of five fields: load file, security domain, hash, parameters, token; of six: load file, module, application, privileges, parameters, token.
  if (parts?.length !== (p1 === P1.load ? 5 : 6)) return status(SW.wrongData);
  if ((parts.at(-1)?.length ?? 0) > 0) return status(SW.wrongData);
  switch (p1) {
    case P1.load: {
      const sw = beginLoad(card, parts);
      return sw === SW.ok ? done() : status(sw);
    }
    case P1.install:
    case P1.install | P1.selectable:
      return installed(card, parts, p1 === P1.install ? APP.installed : APP.selectable);
    case P1.selectable:
    case P1.update:
    case P1.extradition:
      return changed(card, parts, p1);
    case P1.personalization:
      return personalize(card, parts[2]);
    default:
      return status(SW.wrongP1P2);
  }
}

/** Takes the memory that the load file will need, as far as it is known. */
function beginLoad(card: GpCard, [aid, domain, hash, parameters]: readonly Uint8Array[]): number {
  if (aid === undefined || !isAid(aid) || nameTaken(card, aid)) return SW.wrongData;
  if (domain !== undefined && domain.length > 0 && !same(domain, card.config.isd))
    return SW.referenceNotFound;
  if (hash === undefined || (hash.length !== 0 && hash.length !== 32)) return SW.wrongData;
  const system = systemParameters(parameters);
  if (system === undefined) return SW.wrongData;
  const wanted = Math.ceil((system.get(0xc6) ?? 0) / pageSize);
  if (wanted > 0 && card.vault.allocate(wanted) === undefined) return SW.noMemory;
  card.loading = { aid: aid.slice(), hash: hash.slice(), page: -1, pages: 0, next: 0, left: -1, received: 0 };
  return SW.ok;
}

/** LOAD (GPCS 11.6): C4, length, load file. Nothing but the heap changes before the last block. */
export function load(card: GpCard, { p1, p2, data }: Apdu): Answer {
  const refused = unlessSecured(card);
  if (refused !== undefined) return refused;
  const { loading, vault, chip } = card;
  if (loading === undefined) return status(SW.conditionsNotSatisfied);
  card.loading = undefined;
  if ((p1 & 0x7f) !== 0 || p2 !== loading.next) return status(SW.wrongP1P2);
  let now = loading;
  let bytes = data;
  if (now.next === 0) {
    const head = lengthOfLoadFile(data);
    if (head === undefined) return status(SW.wrongData);
    const pages = Math.ceil(head.length / pageSize);
    const page = vault.allocate(pages);
    if (page === undefined) return status(SW.noMemory);
    now = { ...now, page, pages, left: head.length };
    bytes = data.subarray(head.from);
  }
  const last = (p1 & 0x80) !== 0;
  if (bytes.length === 0 || bytes.length > now.left || last !== (bytes.length === now.left))
    return status(SW.wrongData);
  chip.write(now.page * pageSize + now.received, bytes);
  now = { ...now, next: now.next + 1, left: now.left - bytes.length, received: now.received + bytes.length };
  if (!last) {
    card.loading = now;
    return done();
  }
  const whole = chip.read(now.page * pageSize, now.received);
  const content = readLoadFile(whole);
  if (content === undefined || !same(content.aid, now.aid)) return status(SW.wrongData);
  if (now.hash.length > 0 && !same(chip.crypto.sha256(whole), now.hash)) return status(SW.wrongData);
  const loaded = { aid: now.aid, modules: content.modules, page: now.page, pages: now.pages };
  return vault.change({ loadFiles: [...vault.state.loadFiles, loaded] }) ? done() : status(SW.noMemory);
}

function lengthOfLoadFile(data: Uint8Array): { readonly length: number; readonly from: number } | undefined {
  const [tag, first = 0, high = 0, low = 0] = data;
  if (tag !== 0xc4) return undefined;
  if (first < 0x80) return first === 0 ? undefined : { length: first, from: 2 };
  if (first === 0x81) return { length: high, from: 3 };
  return first === 0x82 ? { length: (high << 8) | low, from: 4 } : undefined;
}

function installed(card: GpCard, parts: readonly Uint8Array[], state: number): Answer {
  const [file, module, aid, rights, parameters] = parts;
  const { vault } = card;
  const from = vault.loadFiles.find((one) => same(one.aid, file ?? aid ?? one.aid.subarray(1)));
  if (from === undefined || !from.modules.some((one) => same(one, module ?? one.subarray(1))))
    return status(SW.referenceNotFound);
  if (aid === undefined || !isAid(aid) || nameTaken(card, aid)) return status(SW.wrongData);
  const privileges = privilegesOf(rights);
  const system = systemParameters(parameters);
  if (privileges === undefined || system === undefined || items(parameters ?? aid)?.[0]?.tag !== 0xc9)
    return status(SW.wrongData);
  const pages = Shadow.pagesFor(system.get(0xc8) ?? usualQuota) + tailPages(module ?? aid);
  const page = vault.allocate(pages);
  if (page === undefined) return status(SW.noMemory);
  const app: Application = {
    aid: aid.slice(),
    loadFile: from.aid,
    module: (module ?? aid).slice(),
    state,
    privileges,
    page,
    pages,
  };
  // What an application left that was deleted before is nobody's now.
  vault.forget(app);
  return vault.change({ applications: [...vault.state.applications, app] }) ? done() : status(SW.noMemory);
}

/** [for make selectable], [for registry update], [for extradition]: of an application that is there. */
function changed(card: GpCard, [domain, , aid, rights]: readonly Uint8Array[], p1: number): Answer {
  const { vault, config } = card;
  const app = aid === undefined ? undefined : vault.application(aid);
  if (app === undefined) return status(SW.referenceNotFound);
  if (domain !== undefined && domain.length > 0 && !same(domain, config.isd))
    return status(SW.referenceNotFound);
  const given = rights === undefined || rights.length === 0 ? app.privileges : privilegesOf(rights);
  if (given === undefined) return status(SW.wrongData);
  if (p1 === P1.extradition) return done();
  if (p1 === P1.selectable && app.state !== APP.installed) return status(SW.conditionsNotSatisfied);
  const next = {
    ...app,
    privileges: p1 === P1.update ? given : app.privileges | given,
    state: p1 === P1.selectable ? APP.selectable : app.state,
  };
  const applications = vault.state.applications.map((one) => (one === app ? next : one));
  return vault.change({ applications }) ? done() : status(SW.noMemory);
}

function personalize(card: GpCard, aid: Uint8Array | undefined): Answer {
  const app = aid === undefined ? undefined : card.vault.application(aid);
  if (app === undefined) return status(SW.referenceNotFound);
  if (!isSelectable(app) || isLocked(app)) return status(SW.conditionsNotSatisfied);
  card.personalized = app.aid;
  return done();
}

/** DELETE (GPCS 11.2) of an application, a load file (P2 80: with its applications), or keys. */
export function remove(card: GpCard, { p1, p2, data }: Apdu): Answer {
  const refused = unlessSecured(card);
  if (refused !== undefined) return refused;
  const objects = items(data);
  if (objects === undefined || objects.length === 0) return status(SW.wrongData);
  if (p1 !== 0 || (p2 & 0x7f) !== 0) return status(SW.wrongP1P2);
  const value = (tag: number) => objects.find((one) => one.tag === tag)?.value;
  const aid = value(0x4f);
  if (aid === undefined) {
    const [id, kvn] = [value(0xd0)?.[0], value(0xd2)?.[0]];
    return deleteKeys(card, { ...(id === undefined ? {} : { id }), ...(kvn === undefined ? {} : { kvn }) });
  }
  const { state, loadFiles } = card.vault;
  const app = card.vault.application(aid);
  if (app !== undefined) {
    card.vault.forget(app);
    card.vault.change({ applications: state.applications.filter((one) => one !== app) });
    return done();
  }
  const file = loadFiles.find((one) => same(one.aid, aid));
  if (file === undefined) return status(SW.referenceNotFound);
  const related = state.applications.filter((one) => same(one.loadFile, aid));
  // The mask cannot be deleted, and nothing under an application's feet.
  if (file.pages === 0 || (related.length > 0 && (p2 & 0x80) === 0)) return status(SW.conditionsNotSatisfied);
  for (const one of related) card.vault.forget(one);
  card.vault.change({
    loadFiles: state.loadFiles.filter((one) => one !== file),
    applications: state.applications.filter((one) => !related.includes(one)),
  });
  return done();
}

const nameTaken = ({ vault, config }: GpCard, aid: Uint8Array): boolean =>
  same(aid, config.isd) ||
  vault.application(aid) !== undefined ||
  vault.loadFiles.some((file) => same(file.aid, aid) || file.modules.some((module) => same(module, aid)));

/** 1 or 3 bytes; another security domain cannot be had. */
function privilegesOf(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined || (bytes.length !== 1 && bytes.length !== 3)) return undefined;
  const [high = 0, middle = 0, low = 0] = bytes;
  const bits = (high << 16) | (middle << 8) | low;
  return (bits & 0x800000) === 0 ? bits : undefined;
}

/** Sizes of EF by tag; undefined when the parameters are damaged. */
function systemParameters(parameters: Uint8Array | undefined): Map<number, number> | undefined {
  const outer = items(parameters ?? new Uint8Array(0));
  const system = outer?.find(({ tag }) => tag === 0xef)?.value ?? new Uint8Array(0);
  const inner = items(system);
  if (outer === undefined || inner === undefined) return undefined;
  return new Map(inner.map(({ tag, value }) => [tag, value.reduce((sum, byte) => sum * 256 + byte, 0)]));
}
