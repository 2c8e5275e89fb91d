import { type Answer, answer, type Apdu, join, same, status, SW } from "../os/command.js";
import { type GpCard, unlessSecured } from "./card.js";
import { ISD_PRIVILEGES, LIFE, LOADED } from "./layout.js";
import { applicationMay, cardMay } from "./life.js";
import { item, items } from "./tlv.js";

const moreData = 0x6310;
/** Most plain bytes of one answer: they fit under every channel. */
const room = 200;
const SCOPE = { isd: 0x80, applications: 0x40, loadFiles: 0x20, withModules: 0x10 } as const;

interface Entry {
  readonly aid: Uint8Array;
  readonly state: number;
  readonly privileges: number;
  readonly loadFile?: Uint8Array;
  readonly modules: readonly Uint8Array[];
}

/** GET STATUS (GPCS 11.4): P2 b2 TLV form, b1 goes on where 6310 left off. */
export function getStatus(card: GpCard, { p1, p2, data }: Apdu): Answer {
  const refused = unlessSecured(card);
  if (refused !== undefined) return refused;
  const before = card.listing;
  card.listing = undefined;
  const search = items(data)?.find(({ tag }) => tag === 0x4f)?.value;
  if (search === undefined) return status(SW.wrongData);
  if ((p2 & 0xfc) !== 0) return status(SW.wrongP1P2);
  const found = entriesOf(card, p1)?.filter(({ aid }) => same(aid.subarray(0, search.length), search));
  if (found === undefined) return status(SW.wrongP1P2);
  const asked = [p1, p2 & 0x02, ...search].join(" ");
  const goesOn = (p2 & 0x01) !== 0;
  if (goesOn && before?.asked !== asked) return status(SW.conditionsNotSatisfied);
  const first = goesOn ? (before?.given ?? 0) : 0;
  if (first >= found.length) return status(SW.referenceNotFound);
  const form = (p2 & 0x02) !== 0 ? tlvEntry : oldEntry;
  let bytes = new Uint8Array(0);
  let given = first;
  for (const entry of found.slice(first)) {
    const next = form(entry, p1, card.config.isd);
    if (given > first && bytes.length + next.length > room) break;
    bytes = new Uint8Array(join(bytes, next));
    given++;
  }
  if (given === found.length) return answer(bytes);
  card.listing = { asked, given };
  return answer(bytes, moreData);
}

function entriesOf({ vault, config }: GpCard, scope: number): readonly Entry[] | undefined {
  const { state } = vault;
  if (scope === SCOPE.isd)
    return [{ aid: config.isd, state: state.life, privileges: ISD_PRIVILEGES, modules: [] }];
  if (scope === SCOPE.applications) return state.applications.map((app) => ({ ...app, modules: [] }));
  if (scope !== SCOPE.loadFiles && scope !== SCOPE.withModules) return undefined;
  return vault.loadFiles.map(({ aid, modules }) => ({
    aid,
    state: LOADED,
    privileges: 0,
    modules: scope === SCOPE.withModules ? modules : [],
  }));
}

function tlvEntry(
  { aid, state, privileges, loadFile, modules }: Entry,
  scope: number,
  isd: Uint8Array,
): Uint8Array {
  const bits = [privileges >> 16, (privileges >> 8) & 0xff, privileges & 0xff];
  const isFile = scope === SCOPE.loadFiles || scope === SCOPE.withModules;
  return item(
    0xe3,
    item(0x4f, aid),
    item(0x9f70, [state]),
    isFile ? [] : item(0xc5, bits),
    loadFile === undefined ? [] : item(0xc4, loadFile),
    item(0xcc, isd),
    ...modules.map((module) => item(0x84, module)),
  );
}

/** AID length ‖ AID ‖ state ‖ first byte of the privileges; with modules their number, and each with its length. */
function oldEntry({ aid, state, privileges, modules }: Entry, scope: number): Uint8Array {
  return join(
    [aid.length],
    aid,
    [state, privileges >> 16],
    scope === SCOPE.withModules ? [modules.length] : [],
    ...modules.map((module) => join([module.length], module)),
  );
}

/** SET STATUS (GPCS 11.10) of the card (P1 80) or an application (40). */
export function setStatus(card: GpCard, { p1, p2, data }: Apdu): Answer {
  const refused = unlessSecured(card);
  if (refused !== undefined) return refused;
  const { vault } = card;
  const { state } = vault;
  if (p1 === 0x80) {
    if (data.length > 0 && !same(data, card.config.isd)) return status(SW.wrongData);
    if (!cardMay(state.life, p2)) return status(SW.conditionsNotSatisfied);
    if (p2 === LIFE.terminated) vault.terminate();
    else vault.change({ life: p2 });
    return status(SW.ok);
  }
  if (p1 !== 0x40) return status(SW.wrongP1P2);
  const app = vault.application(data);
  if (app === undefined) return status(SW.referenceNotFound);
  const next = state.life === LIFE.locked ? undefined : applicationMay(app.state, p2);
  if (next === undefined) return status(SW.conditionsNotSatisfied);
  vault.change({
    applications: state.applications.map((one) => (one === app ? { ...app, state: next } : one)),
  });
  return status(SW.ok);
}
