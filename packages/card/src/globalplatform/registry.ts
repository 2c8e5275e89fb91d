import type { Command, Response } from "../apdu/index.js";
import { SW } from "../apdu/index.js";
import { CardProblem } from "../bytes/index.js";
import { findTlv, parseTlv } from "../tlv/index.js";
import { getStatus, type RegistryScope } from "./commands.js";

/** One entry of the GlobalPlatform registry, from GET STATUS (GPCS 11.4). */
export interface RegistryEntry {
  readonly aid: Uint8Array;
  readonly lifeCycle: number;
  /** Privileges, 1 or 3 bytes. */
  readonly privileges?: Uint8Array;
  /** Executable load file and associated security domain. */
  readonly loadFile?: Uint8Array;
  readonly securityDomain?: Uint8Array;
  readonly version?: Uint8Array;
  readonly modules: readonly Uint8Array[];
}

/** Answers in TLV form (P2 02): E3 templates. Throws CardProblem `bad-tlv`, `bad-response`. */
export function parseStatus(data: Uint8Array): RegistryEntry[] {
  return parseTlv(data).map(({ tag, children = [] }) => {
    const aid = findTlv(children, 0x4f)?.value;
    const lifeCycle = findTlv(children, 0x9f70)?.value[0];
    if (tag !== 0xe3 || aid === undefined || lifeCycle === undefined) {
      throw new CardProblem("bad-response", "GET STATUS", "an entry is not E3 with AID and life cycle");
    }
    const privileges = findTlv(children, 0xc5)?.value;
    const loadFile = findTlv(children, 0xc4)?.value;
    const securityDomain = findTlv(children, 0xcc)?.value;
    const version = findTlv(children, 0xce)?.value;
    return {
      aid,
      lifeCycle,
      ...(privileges === undefined ? {} : { privileges }),
      ...(loadFile === undefined ? {} : { loadFile }),
      ...(securityDomain === undefined ? {} : { securityDomain }),
      ...(version === undefined ? {} : { version }),
      modules: children.filter((object) => object.tag === 0x84).map((object) => object.value),
    };
  });
}

/**
 * Answers in the old form (P2 00): AID length, AID, life cycle, privileges (1), and in `load-files-and-modules` the modules' AIDs.
 * Throws CardProblem `bad-response`.
 */
export function parseStatusOld(data: Uint8Array, withModules = false): RegistryEntry[] {
  const entries: RegistryEntry[] = [];
  let at = 0;
  const take = (length: number) => {
    if (at + length > data.length) throw new CardProblem("bad-response", "GET STATUS", "an entry is cut off");
    at += length;
    return data.subarray(at - length, at);
  };
  const number = () => take(1)[0] ?? 0;
  while (at < data.length) {
    const aid = take(number());
    const lifeCycle = number();
    const privileges = take(1);
    const modules = withModules ? Array.from({ length: number() }, () => take(number())) : [];
    entries.push({ aid, lifeCycle, privileges, modules });
  }
  return entries;
}

/** More answers than any card has entries: a card that goes on is lying. */
const MOST_ANSWERS = 64;

/**
 * All entries of one kind: GET STATUS, and the same with P2 03 as long as the card says 6310 (GPCS 11.4.3.1). 6A88: there are none.
 * `send` secures the command where a channel is open. Throws CardProblem `bad-tlv`, `bad-response`, `endless-response`.
 */
export async function readRegistry(
  scope: RegistryScope,
  send: (command: Command) => Promise<Response>,
  aid?: Uint8Array,
): Promise<RegistryEntry[]> {
  const ask = aid === undefined ? {} : { aid };
  const entries: RegistryEntry[] = [];
  for (let answers = 0; answers < MOST_ANSWERS; answers++) {
    const { data, sw } = await send(getStatus(scope, { ...ask, next: answers > 0 }));
    if (sw === SW.referencedDataNotFound && answers === 0) return [];
    if (sw !== SW.ok && sw !== SW.moreRegistryEntries) {
      const said = sw.toString(16).toUpperCase();
      throw new CardProblem("bad-response", "GET STATUS", `the card answered ${said}`);
    }
    entries.push(...parseStatus(data));
    if (sw === SW.ok) return entries;
    if (data.length === 0)
      throw new CardProblem("bad-response", "GET STATUS", "more is announced after an empty answer");
  }
  throw new CardProblem(
    "endless-response",
    "GET STATUS",
    `${MOST_ANSWERS} answers, and still more announced`,
  );
}
