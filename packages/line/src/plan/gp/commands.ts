import { concat, u16 } from "@persoline/card/bytes";
import type { Command } from "@persoline/card/apdu";
import { aid } from "@persoline/card/bytes";
import {
  CARD_STATES,
  deleteKey,
  getCardData,
  setStatus,
  type StoreDataForm,
  storeData,
} from "@persoline/card/globalplatform";
import {
  type Judge,
  type KeyForm,
  type KeyRef,
  type Part,
  type Step,
  type SwPattern,
  scp11Kids,
} from "@persoline/card/program";
import { encodeTlv, tlv } from "@persoline/card/tlv";
import { challenge, cmacBlocks } from "../commands.js";
import { type GpProduct, setEntries } from "./model.js";

type GroupingJudge = Extract<Judge, { proof: "grouping" }>;

/** The commands of GlobalPlatform products, one function each, with the answer they must get. */
export const exactly = (...values: readonly number[]): readonly SwPattern[] =>
  values.map((value) => ({ value, mask: 0xffff }));
const hexText = (value: number): string => value.toString(16).toUpperCase().padStart(2, "0");
/** Page writes of a change to the card's registry: a lower bound (docs/gp-card.md 8). */
const registryPages = 4;

type Words = Pick<Step, "why" | "clause"> &
  Partial<Pick<Step, "sw" | "answer" | "again" | "changes" | "reject">>;

/** A command of `card/globalplatform` as a step; `pages` it makes the card write. */
export function stepOf(command: Command, words: Words, pages = 0): Step {
  const { cla, ins, p1, p2, data, le } = command;
  return {
    cla,
    ins,
    p1,
    p2,
    data: data === undefined ? [] : [data],
    ...(le === undefined ? {} : { le }),
    sw: exactly(0x9000),
    again: "session",
    changes: pages > 0,
    cost: { pages },
    ...words,
  };
}

/** Installing, loading and deleting answer one byte: no receipt follows (GPCS 11.5.3). */
export const noReceipt = { answer: { value: Uint8Array.of(0x00) } };

export const select = (name: Uint8Array, what: string): Step =>
  stepOf(
    { cla: 0x00, ins: 0xa4, p1: 0x04, p2: 0x00, data: name },
    { why: `select ${what}`, clause: "GlobalPlatform 2.3.1 11.9, SELECT", again: "same" },
  );

export const productionData = (): Step =>
  stepOf(getCardData(0x9f7f), {
    why: "the card tells its production life cycle data",
    clause: "GlobalPlatform 2.3.1 11.3, GET DATA 9F7F",
    again: "same",
    answer: {
      value: concat(Uint8Array.of(0x9f, 0x7f, 0x2a), new Uint8Array(42)),
      mask: concat(Uint8Array.of(0xff, 0xff, 0xff), new Uint8Array(42)),
    },
  });

/** The card tells these keys (entries C0 .. of the template E0), and no others. Costs nothing. */
export function keyInformation(entries: Uint8Array, why: string): Step {
  return stepOf(getCardData(0xe0), {
    why,
    clause: "GlobalPlatform 2.3.1 11.3.3.1, GET DATA key information template",
    again: "same",
    answer: { value: encodeTlv(tlv(0xe0, entries)) },
  });
}

/** `beside`: what stays of the keys that the card came with. */
export const installed = (kvn: number, form: KeyForm, beside: Uint8Array): Step =>
  keyInformation(
    concat(setEntries(kvn, form), beside),
    `is the key set version ${hexText(kvn)} there, and no other?`,
  );

/**
 * SET STATUS of the card and what it is afterwards. A card that an interrupted run brought there refuses the step (6985): that it is
 * there is then shown by GET STATUS, which must say so in any case.
 */
export function cardState(state: "initialized" | "secured", isd: Uint8Array): readonly Step[] {
  const byte = CARD_STATES[state];
  const name = state.toUpperCase();
  return [
    stepOf(
      setStatus({ of: "isd", state: byte, aid: aid(isd) }),
      {
        why: `card state ${name} (6985: it has been brought there before)`,
        clause: "GlobalPlatform 2.3.1 11.10, SET STATUS",
        sw: exactly(0x9000, 0x6985),
      },
      registryPages,
    ),
    statusOf(isd, 0x80, byte, `the card is ${name}`),
  ];
}

/** GET STATUS in the form without TLV: length ‖ AID ‖ state ‖ privileges, of which the state counts. */
export function statusOf(name: Uint8Array, scope: 0x80 | 0x40, state: number, why: string): Step {
  const head = concat(Uint8Array.of(name.length), name);
  return stepOf(
    { cla: 0x80, ins: 0xf2, p1: scope, p2: 0x00, data: encodeTlv(tlv(0x4f, name)), le: 256 },
    {
      why,
      clause: "GlobalPlatform 2.3.1 11.4, GET STATUS",
      answer: {
        value: concat(head, Uint8Array.of(state, 0)),
        mask: concat(new Uint8Array(head.length).fill(0xff), Uint8Array.of(0xff, 0)),
      },
    },
  );
}

/** One STORE DATA of parts that only the security module can fill in. */
export function store(
  ask: StoreDataForm & { readonly block: number; readonly last: boolean },
  parts: readonly Part[],
  why: string,
): Step {
  const step = stepOf(
    storeData({ ...ask, data: new Uint8Array(0) }),
    { why, clause: "GlobalPlatform 2.3.1 11.11, STORE DATA", changes: true },
    ask.last ? 1 : 0,
  );
  return { ...step, data: parts };
}

/** The issuer's keys, all three at once and atomically; the security module judges the check values that the card answers. */
export function putKeys({ channel, form, initial, initialKeys }: GpProduct): Step {
  const { keys, kvn, diversify } = channel;
  const isAgreed = initial.protocol === "scp11";
  const replaces = initial.kvn === 0xff || isAgreed ? 0x00 : initial.kvn;
  const before = isAgreed ? "" : `; version ${hexText(initial.kvn)} is gone`;
  return {
    ...stepOf(
      { cla: 0x80, ins: 0xd8, p1: replaces, p2: 0x81, le: 256 },
      {
        why: `install the issuer's keys as version ${hexText(kvn)}${before}`,
        clause: "GlobalPlatform 2.3.1 11.8, PUT KEY",
        again: "probe",
      },
      registryPages,
    ),
    data: [
      {
        secret: "key-set",
        keys: keys as KeyRef,
        kvn,
        form,
        ...(diversify === undefined ? {} : { diversify }),
      },
    ],
    // Version and three check values: which, only the security module knows.
    answer: {
      value: Uint8Array.of(kvn, ...new Uint8Array(9)),
      mask: Uint8Array.of(0xff, ...new Uint8Array(9)),
    },
    probe: {
      ask: [installed(kvn, form, isAgreed ? initialKeys : new Uint8Array(0))],
      absent: exactly(0x9000),
    },
  };
}

/** The maker's authority goes, and with it every host that it certified; the card's own pair stays. */
export const dismissAuthority = (kvn: number): Step =>
  stepOf(
    deleteKey({ id: scp11Kids.authority, kvn }),
    {
      why: "take away the authority of the maker's hosts: from now on the issuer's keys alone open the card",
      clause: "GlobalPlatform 2.3.1 11.2, DELETE [key]",
      ...noReceipt,
    },
    registryPages,
  );

export const getObject = (id: number, content: Uint8Array, what: string): Step =>
  stepOf(
    { cla: 0x00, ins: 0xca, p1: id >> 8, p2: id & 0xff, le: 256 },
    {
      why: `read ${what} and compare`,
      clause: "docs/gp-card.md 7, GET DATA",
      again: "same",
      answer: { value: content },
    },
  );

/** The applet shows by a key that a grouping which is not read holds just this; its answer tells nothing of it. */
export function proveGrouping(judge: Omit<GroupingJudge, "proof">, what: string): Step {
  const { id, kid, content } = judge;
  const length = content instanceof Uint8Array ? content.length : content.length + (content.pad ?? 0);
  const step = stepOf(
    { cla: 0x80, ins: 0x5c, p1: id >> 8, p2: id & 0xff, le: 256 },
    { why: `prove the content of ${what}`, clause: "docs/gp-card.md 7, PROVE GROUPING", again: "same" },
  );
  return {
    ...step,
    data: [Uint8Array.of(kid), challenge],
    judge: { proof: "grouping", ...judge } as GroupingJudge,
    cost: { pages: 0, aesBlocks: cmacBlocks(1 + 10 + 16 + 2 + 2 + length) },
  };
}

/** Header of a data grouping of at most 254 bytes. */
export const groupingHead = (id: number, length: number): Uint8Array =>
  concat(u16(id), Uint8Array.of(length));
export const groupingName = (id: number): string => id.toString(16).toUpperCase().padStart(4, "0");
