/**
 * Where commands put what only a security module knows, as sentences: one for each secret, the same for the same secret at the same place by
 * the same way. What an order may have done is a list of them; the module reads a session's commands again and holds them against the list.
 */
import { hex } from "../bytes/index.js";
import { partLength } from "./answer.js";
import type { DesfireKey, Scp11ChannelSpec, SecureChannelSpec } from "./channel-spec.js";
import { encryptsCommands, isHeader, isReadInOneWay, putsInFromOutside } from "./deciphered.js";
import type { CardProgram, IssuerSecret, Judge, OpenJudge, Part, ProvedKey, Step } from "./types.js";

export interface Placement {
  /** Number of the step in its session, from 0. */
  readonly step: number;
  readonly sentence: string;
  /** False: no place that can be told from the commands; no list allows it. */
  readonly known: boolean;
}

/** As the runner and the security module have it. */
type PlacedStep = Pick<Step, "cla" | "ins" | "p1" | "p2" | "data">;
type Secret = Exclude<Part, Uint8Array>;
const CARD_MANAGER = "A000000151000000";
const text = (value: number, digits = 2): string => value.toString(16).toUpperCase().padStart(digits, "0");
/** Names come from products; whatever else comes is told as a text with quotes. */
const name = (value: unknown): string =>
  typeof value === "string" && /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value)
    ? value
    : JSON.stringify(String(value).slice(0, 64));

const desfireKey = (key: DesfireKey | "default" | "random"): string => {
  if (typeof key === "string") return `a ${key} key`;
  const { keys, input } = key;
  const made = input?.map((one) => (typeof one === "string" ? one : hex(one))).join("+");
  return `key ${name(keys)}${made === undefined ? " itself" : ` by ${made}`}`;
};

/** What is put in, and how it is wrapped. */
function secretText(part: Secret): string {
  switch (part.secret) {
    case "pin":
      return `PIN ${name(part.pin)} (${part.tries} tries) under DEK`;
    case "key":
      return `key ${name(part.keys)}/${text(part.kid)} as version ${text(part.kvn)} under DEK`;
    case "key-set":
      return `key set ${name(part.keys)} (${part.form ?? "aes-128"}, ${part.diversify ?? "kdf3"}) as version ${text(part.kvn)} under DEK`;
    case "wrapped-key":
      return `key ${name(part.keys)}/${text(part.kid)} under DEK`;
    case "check-value":
      return `check value of key ${name(part.keys)}/${text(part.kid)} in clear`;
    case "desfire-key":
      return `${desfireKey(part.value)} as version ${text(part.version)}${part.old === undefined ? "" : `, in place of ${desfireKey(part.old)},`} under the session's key`;
    case "issuer-dgi":
      return `${issuerName(part)} under DEK`;
    case "payment": {
      const { secret } = part.part;
      const which = "part" in part.part ? `/${part.part.part}` : "";
      return `${name(secret)}${which} of ${name(part.application)}${padText(part.pad)} ${part.under === "dek" ? "under DEK" : "in clear"}`;
    }
    case "challenge":
      return "a challenge";
  }
}

const padText = (pad: number | undefined): string => (pad === undefined ? "" : `, padded to ${pad},`);

const issuerName = ({ application, dgi, pad }: IssuerSecret): string =>
  `the issuer's ${name(application)}/${text(dgi, 4)}${padText(pad)}`;
const keyName = (key: ProvedKey): string =>
  "issuer" in key ? issuerName(key.issuer) : `key ${name(key.keys)}/${text(key.kid)}`;

/** Whether only the record's own secrets can judge it. */
export const asksIssuer = (judge: OpenJudge): boolean =>
  "issuer" in judge || (judge.proof === "grouping" && !(judge.content instanceof Uint8Array));

/** Keys of applications, and data that lie beside them: no PIN, of which a verdict would tell more than it should. */
const KEYS = 0x81;
const DATA = { first: 0x01, last: 0x04 } as const;

/**
 * What a proof is judged by that came from the issuer, one sentence for each; nothing for what follows from masters and open data. Not
 * `known`: what is no key is taken for one, or a grouping that is none of an application's data (docs/gp-card.md 7).
 */
export function proofPlacements(judge: Judge, step = 0): readonly Placement[] {
  if (judge.proof === "uid" || judge.proof === "file") return [];
  const found: Placement[] = [];
  if ("issuer" in judge) {
    const { issuer, kid } = judge;
    const known = issuer.dgi >> 8 === KEYS && (issuer.dgi & 0xff) === kid;
    found.push({ step, sentence: `${issuerName(issuer)} → judges proofs of key ${text(kid)}`, known });
  }
  if (judge.proof === "grouping" && !(judge.content instanceof Uint8Array)) {
    const { content, id } = judge;
    const kind = id >> 8;
    const known = content.dgi === id && kind >= DATA.first && kind <= DATA.last;
    const sentence = `${issuerName(content)} → judges proofs of grouping ${text(id, 4)} by ${keyName(judge)}`;
    found.push({ step, sentence, known });
  }
  return found;
}

/** Whose keys open the session that it goes through, and all that says how the session protects it. */
export function channelPlace(channel: SecureChannelSpec): string {
  switch (channel.protocol) {
    case "loader":
      return `loader session of ${name(channel.keys)}`;
    case "desfire":
      return `${channel.version.toUpperCase()} session with ${text(channel.aid, 6)}, key ${channel.keyNumber} (${desfireKey(channel.key)})`;
    case "scp11":
      return `${agreedPlace(channel)}, level ${text(channel.level)}${domainText(channel)}`;
    case "scp02":
    case "scp03": {
      const i = channel.i === undefined ? "" : `, i ${text(channel.i)}`;
      return `${channel.protocol.toUpperCase()} of ${name(channel.keys)} (${channel.diversify ?? "kdf3"}), version ${text(channel.kvn)}${i}, level ${text(channel.level)}${domainText(channel)}`;
    }
  }
}

/** That such sessions are opened at all: what the card's keys allow is then done, with a secret in its commands or without. */
export const sessionPlace = (channel: SecureChannelSpec): string =>
  `cards are opened by ${channelPlace(channel)}`;

function agreedPlace(channel: Scp11ChannelSpec): string {
  const { variant, kvn, keyLength, authority, authorityName, subject, host } = channel;
  const called = authorityName === undefined ? "" : ` (${hex(authorityName)})`;
  const cards = subject === "any" ? "cards under any name" : "cards";
  const shown =
    host === undefined ? "" : `, host ${name(host.keys)} under version ${text(host.authorityKvn)}`;
  return `SCP11${variant}, ${cards} of ${name(authority)}${called}${shown}, version ${text(kvn)}, AES-${keyLength * 8}`;
}

/** The card manager is not named. */
const domainText = ({ isd }: { readonly isd?: Uint8Array }): string =>
  isd === undefined || hex(isd) === CARD_MANAGER ? "" : `, domain ${hex(isd)}`;

/**
 * Every secret of a session's commands that stays in the card, in order; challenges do not. Not `known` is also what no session may have done
 * with it, whoever allows it: no command encryption, bytes from outside that the card is to decipher (see `deciphered.ts`).
 */
export function placements(channel: SecureChannelSpec, steps: readonly PlacedStep[]): readonly Placement[] {
  const walk = new Walk(channel);
  steps.forEach((step, at) => {
    walk.step(step, at);
  });
  return walk.found;
}

/**
 * That each of a program's secure sessions is opened, and every placement in them, also of those that are taken up after an interruption: a step that was done is then replaced
 * by its question (see `again`), which may leave another file selected. Of a place only the last selection before it counts, so that it is
 * enough to replace the steps one by one.
 */
export function everyPlacement({ segments }: Pick<CardProgram, "segments">): readonly Placement[] {
  return segments.flatMap(({ channel, steps }) => {
    if (channel === "plain")
      return steps.flatMap(({ judge }, at) => (judge === undefined ? [] : proofPlacements(judge, at)));
    const opened = { step: 0, sentence: sessionPlace(channel), known: true };
    if (placements(channel, steps).length === 0) return [opened];
    const takenUp = steps.flatMap(({ again, probe }, at) => {
      if (again !== "probe" || probe === undefined) return [];
      return [steps.toSpliced(at, 1, ...(probe.instead ?? probe.ask))];
    });
    return [opened, ...[steps, ...takenUp].flatMap((one) => placements(channel, one))];
  });
}

const isSecret = (part: Part): part is Secret => !(part instanceof Uint8Array) && part.secret !== "challenge";
const LAST = 0x80;
const STRUCTURE = 0x18;

class Walk {
  readonly found: Placement[] = [];
  readonly #channel: SecureChannelSpec;
  readonly #domain: string;
  /** Who gets STORE DATA; undefined: nobody can say. */
  #receiver: string | undefined;
  /** Bytes of a grouping that goes on in the next command; undefined: where it ends is not known. */
  #open: number | undefined = 0;
  /** The DF that the session's own commands have selected by its name, and a path that was selected since. */
  #df: string | undefined;
  #path = "";

  constructor(channel: SecureChannelSpec) {
    this.#channel = channel;
    this.#domain = "isd" in channel && channel.isd !== undefined ? hex(channel.isd) : CARD_MANAGER;
    this.#receiver = `${this.#domain} itself`;
  }

  step(step: PlacedStep, at: number): void {
    const { protocol } = this.#channel;
    this.#judge(step, at);
    if (protocol === "desfire") return this.#tellAll(step, at, (part) => desfirePlace(part, step));
    if (protocol === "loader")
      return this.#tellAll(step, at, (part) =>
        part.secret === "key-set" && isCommand(step, 0x84, 0xd8) && step.data.length === 1
          ? `LOAD KEYS ${text(step.p2)}`
          : undefined,
      );
    if (isCommand(step, 0x80, 0xe2)) return this.#stored(step, at);
    if (isCommand(step, 0x80, 0xe6)) this.#installed(step);
    if (step.ins === 0xa4) this.#selected(step);
    // What was just created is current, and in the place of what was deleted the DF above.
    if (step.cla === 0x00 && (step.ins === 0xe0 || step.ins === 0xe4)) this.#df = undefined;
    this.#tellAll(step, at, (part) => this.#place(part, step));
  }

  /** What no list allows, with a secret or without. */
  #judge(step: PlacedStep, at: number): void {
    const way = channelPlace(this.#channel);
    const refuse = (what: string): void => {
      this.found.push({ step: at, sentence: `${what} (command ${commandText(step)}); ${way}`, known: false });
    };
    if (!isHeader(step)) refuse("a header that is not four bytes");
    if (!isReadInOneWay(this.#channel, step)) refuse("a class byte that says more than 00 or 80");
    if (putsInFromOutside(this.#channel, step))
      refuse("bytes from outside the module → what the card deciphers");
  }

  #tellAll(step: PlacedStep, at: number, place: (part: Secret) => string | undefined): void {
    for (const part of step.data) if (isSecret(part)) this.#tell(at, step, part, place(part));
  }

  #tell(at: number, step: PlacedStep, part: Secret, place: string | undefined): void {
    const isHidden = encryptsCommands(this.#channel);
    const none = isHidden
      ? `no place that could be told (command ${commandText(step)})`
      : "no place in a session that encrypts no commands";
    this.found.push({
      step: at,
      sentence: `${secretText(part)} → ${(isHidden ? place : undefined) ?? none}; ${channelPlace(this.#channel)}`,
      known: isHidden && place !== undefined,
    });
  }

  /** Commands that hold one secret and nothing else. */
  #place(part: Secret, step: PlacedStep): string | undefined {
    if (step.data.length !== 1) return undefined;
    const { p1, p2 } = step;
    const file = this.#df && `${this.#df}${this.#path}`;
    if (part.secret === "key-set" && isCommand(step, 0x80, 0xd8))
      return `${this.#domain}, PUT KEY ${text(p1)}${text(p2)}`;
    if (part.secret === "key" && isCommand(step, 0x80, 0xd8))
      return file && `${file}, PUT KEY ${text(p1)}${text(p2)}`;
    if (part.secret === "pin" && isCommand(step, 0x00, 0x24))
      return file && `${file}, CHANGE REFERENCE DATA ${text(p1)}${text(p2)}`;
    return undefined;
  }

  #installed({ p1, data }: PlacedStep): void {
    this.#open = 0;
    this.#receiver = `${this.#domain} itself`;
    if (p1 !== 0x20) return;
    const bytes = literal(data);
    const length = bytes?.[2] ?? 0;
    const aid = bytes?.slice(3, 3 + length);
    const isWhole =
      bytes?.length === length + 6 &&
      length >= 5 &&
      length <= 16 &&
      [0, 1, length + 3, length + 4, length + 5].every((place) => bytes[place] === 0);
    this.#receiver = isWhole && aid !== undefined ? hex(aid) : undefined;
  }

  #selected({ p1, data }: PlacedStep): void {
    const bytes = literal(data);
    this.#receiver = undefined;
    const df = this.#df;
    this.#df = undefined;
    this.#path = "";
    if (bytes === undefined) return;
    if (p1 === 0x04) this.#df = `DF ${hex(bytes)}`;
    if (p1 === 0x00 && hex(bytes) === "3F00") this.#df = "MF";
    // What lies at the end of a path, an EF or a DF, only the card knows: the path is part of the place.
    if (p1 !== 0x08) return;
    this.#df = df;
    this.#path = ` after ${hex(bytes)}`;
  }

  /** Data groupings (GPCS 11.11.3.2; EMV CPS), read as a card reads them: a secret lies whole in one of them and in one command. */
  #stored(step: PlacedStep, at: number): void {
    const { p1 } = step;
    const { told, isWhole } = this.#groupings(step);
    for (const [part, id] of told) {
      const isKnown = isWhole && id !== undefined && this.#receiver !== undefined;
      const place = `${this.#receiver ?? ""}, grouping ${text(id ?? 0, 4)}, STORE DATA ${text(p1 & ~LAST)}`;
      this.#tell(at, step, part, isKnown ? place : undefined);
    }
    if ((p1 & LAST) === 0) return;
    this.#open = 0;
    this.#receiver = `${this.#domain} itself`;
  }

  #groupings({ p1, data }: PlacedStep) {
    const told: (readonly [Secret, number | undefined])[] = [];
    const begins = this.#open === 0;
    const structure = p1 & STRUCTURE;
    let id: number | undefined;
    let left = structure === 0x00 || structure === 0x08 ? this.#open : undefined;
    let head: number[] = [];
    for (const part of data) {
      const secret = isSecret(part) ? part : undefined;
      const length = partLength(part, this.#channel.protocol);
      if (secret !== undefined) told.push([secret, left !== undefined && length <= left ? id : undefined]);
      // Whatever the module fills in is no head: from here on nothing is known.
      if (!(part instanceof Uint8Array)) {
        left = left !== undefined && length <= left && head.length === 0 ? left - length : undefined;
        continue;
      }
      for (const byte of part) {
        if (left === undefined) break;
        if (left > 0) {
          left--;
          continue;
        }
        head.push(byte);
        const isLong = head[2] === 0xff;
        if (head.length < (isLong ? 5 : 3)) continue;
        const [high = 0, low = 0, short = 0, more = 0, less = 0] = head;
        id = (high << 8) | low;
        left = isLong ? (more << 8) | less : short;
        head = [];
      }
    }
    this.#open = head.length === 0 ? left : undefined;
    // Only what begins and ends in this command is read alike by cards that continue groupings and those that do not.
    return { told, isWhole: begins && this.#open === 0 };
  }
}

const commandText = ({ cla, ins, p1, p2 }: PlacedStep): string =>
  [cla, ins, p1, p2].map((byte) => text(byte)).join(" ");

const isCommand = ({ cla, ins }: PlacedStep, wantedCla: number, wantedIns: number): boolean =>
  cla === wantedCla && ins === wantedIns;

function literal(data: readonly Part[]): Uint8Array | undefined {
  const [only, more] = data;
  return only instanceof Uint8Array && more === undefined ? only : undefined;
}

function desfirePlace(part: Secret, { ins }: PlacedStep): string | undefined {
  if (part.secret !== "desfire-key" || ins !== 0xc4) return undefined;
  return `${text(part.aid, 6)}, ChangeKey ${part.key}`;
}
