import { type Command, SW } from "../../apdu/index.js";
import { CardProblem, equal, utf8 } from "../../bytes/index.js";
import { selectByAid } from "../../iso7816/index.js";
import type { CardChannel } from "../../program/index.js";
import { findTlv, parseTlv, type Tlv } from "../../tlv/index.js";
import { fillDol, parseAfl, parseDol } from "../basics.js";
import { ask, keep, say, templateIn } from "./talk.js";
import type { TerminalData } from "./types.js";

const DIRECTORY = { contact: "1PAY.SYS.DDF01", contactless: "2PAY.SYS.DDF01" } as const;
const readRecord = (sfi: number, record: number): Command => ({
  cla: 0x00,
  ins: 0xb2,
  p1: record,
  p2: (sfi << 3) | 0x04,
  le: 256,
});

/** Names the card offers, best first, of those the terminal knows (EMV Book 1, 12.3). */
async function candidates(channel: CardChannel, terminal: TerminalData): Promise<readonly Uint8Array[]> {
  if (terminal.directory === undefined) return terminal.applications;
  const { data, sw } = await say(channel, selectByAid(utf8(DIRECTORY[terminal.directory])));
  if (sw !== SW.ok) return terminal.applications;
  const fci = templateIn(data, 0x6f, "directory");
  const entries = terminal.directory === "contact" ? await recordsOf(channel, fci) : fci;
  const offered = allOf(entries, 0x61).map(({ children = [] }) => ({
    name: findTlv(children, 0x4f)?.value,
    priority: (findTlv(children, 0x87)?.value[0] ?? 0) & 0x0f || 16,
  }));
  return offered
    .sort((one, other) => one.priority - other.priority)
    .flatMap(({ name }) => (name !== undefined && knows(terminal, name) ? [name] : []));
}

/** Partial selection: the card's name may go on where the terminal's ends. */
const knows = ({ applications }: TerminalData, name: Uint8Array): boolean =>
  applications.some((known) => equal(name.subarray(0, known.length), known));

/** Entries in the directory's file, record after record until there are no more. */
async function recordsOf(channel: CardChannel, fci: readonly Tlv[]): Promise<readonly Tlv[]> {
  const sfi = findTlv(fci, 0xa5, 0x88)?.value[0] ?? 0;
  const found: Tlv[] = [];
  for (let record = 1; record <= 10; record++) {
    const { data, sw } = await say(channel, readRecord(sfi, record));
    if (sw !== SW.ok) break;
    found.push(...templateIn(data, 0x70, "directory record"));
  }
  return found;
}

function allOf(objects: readonly Tlv[], tag: number): Tlv[] {
  return objects.flatMap((one) => (one.tag === tag ? [one] : allOf(one.children ?? [], tag)));
}

/** The first application that may be used; what its FCI says is kept. */
export async function selectApplication(
  channel: CardChannel,
  terminal: TerminalData,
  data: Map<number, Uint8Array>,
): Promise<string> {
  let refused = "no application in common";
  for (const name of await candidates(channel, terminal)) {
    const answer = await say(channel, selectByAid(name));
    if (answer.sw === SW.ok) {
      keep(data, templateIn(answer.data, 0x6f, "SELECT"), "SELECT");
      return terminal.directory === undefined ? "by name" : "by directory";
    }
    if (answer.sw === SW.fileDeactivated) refused = "the application is blocked";
  }
  throw new CardProblem("emv-answer", "application selection", refused);
}

/** GET PROCESSING OPTIONS: AIP (82) and AFL (94) are kept; what the PDOL asked for is the result. */
export async function processingOptions(
  channel: CardChannel,
  data: Map<number, Uint8Array>,
  values: ReadonlyMap<number, Uint8Array>,
): Promise<Uint8Array> {
  const asked = fillDol(parseDol(data.get(0x9f38) ?? new Uint8Array(0)), values);
  const command = {
    cla: 0x80,
    ins: 0xa8,
    p1: 0,
    p2: 0,
    data: Uint8Array.of(0x83, asked.length, ...asked),
    le: 256,
  };
  const [object] = parseTlv(await ask(channel, command));
  if (object?.tag === 0x80 && object.value.length > 2) {
    data.set(0x82, object.value.slice(0, 2));
    data.set(0x94, object.value.slice(2));
  } else if (object?.tag === 0x77) keep(data, object.children ?? [], "GET PROCESSING OPTIONS");
  else throw new CardProblem("emv-answer", "GET PROCESSING OPTIONS", "the answer has neither format");
  return asked;
}

export interface ReadRecord {
  readonly sfi: number;
  readonly whole: Uint8Array;
  readonly inside: Uint8Array;
}

/** All records of the AFL; those that are static data to authenticate come back. */
export async function readRecords(
  channel: CardChannel,
  data: Map<number, Uint8Array>,
): Promise<{ readonly count: number; readonly authenticated: readonly ReadRecord[] }> {
  const authenticated: ReadRecord[] = [];
  let count = 0;
  for (const entry of parseAfl(data.get(0x94) ?? new Uint8Array(0)))
    for (let record = entry.first; record <= entry.last; record++) {
      const whole = await ask(channel, readRecord(entry.sfi, record));
      const [object, ...more] = parseTlv(whole);
      if (object?.tag !== 0x70 || more.length > 0)
        throw new CardProblem("emv-answer", "READ RECORD", "a record is not one template 70");
      keep(data, object.children ?? [], "records");
      count++;
      if (record < entry.first + entry.authenticated)
        authenticated.push({ sfi: entry.sfi, whole, inside: object.value.slice() });
    }
  return { count, authenticated };
}
