import { aid, concat, hex } from "@persoline/card/bytes";
import {
  knownBytes,
  type ModulePart,
  prepareDirectories,
  type PreparedCard,
  type PreparedDgi,
  type StoreBlock,
  storePrepared,
} from "@persoline/card/emv";
import { installForPersonalization } from "@persoline/card/globalplatform";
import type { Part, Segment, Step } from "@persoline/card/program";
import { encodeTlv, tlv } from "@persoline/card/tlv";
import { pageSize } from "../../commands.js";
import { groupingName, noReceipt, select, stepOf } from "../commands.js";
import type { GpApplication, GpChannel } from "../model.js";
import type { PaymentModel } from "./model.js";

type Profile = PaymentModel["profile"];

/** One card's payment application as steps (EMV CPS; docs/payment-card.md 2). */
export interface PaymentSteps {
  readonly app: GpApplication & { readonly payment: PaymentModel };
  readonly prepared: PreparedCard;
  readonly channel: GpChannel;
  readonly isd: Uint8Array;
  /** Plain bytes of one command. */
  readonly most: number;
}

const blockOf = ({ protocol }: GpChannel): 8 | 16 => (protocol === "scp02" ? 8 : 16);
/** A private operation with the card's key shows that its parts belong together (docs/payment-card.md 7). */
const keyCheckMicros = 60_000;
/** What lies around the groupings in the application's memory, and around each of them (docs/gp-card.md 1). */
const around = { area: 10, grouping: 4 } as const;
const DONE_MARK = 1;

/**
 * A session of its own: all groupings come into force with the last one or not at all, and the card takes no others afterwards. Whether
 * they did is asked by GET DATA, which an application without its data refuses.
 */
export function paymentSegment(ask: PaymentSteps): Segment {
  const { app, channel, isd, prepared, most } = ask;
  const own = app.payment.personalized === "application";
  const blocks = storePrepared(prepared.dgis, {
    block: blockOf(channel),
    most,
    structure: own ? "none" : "dgi",
  });
  const stores = blocks.map((block, at) =>
    storeStep(ask, block, at === blocks.length - 1 ? lastCost(prepared.dgis) : undefined),
  );
  return {
    name: `personalize ${app.name}`,
    channel: own ? { ...channel, isd: app.aid } : channel,
    before: [own ? select(app.aid, `application ${app.name}`) : select(isd, "the security domain")],
    steps: own ? stores : [forPersonalization(app), ...stores],
    done: [
      select(app.aid, `application ${app.name}`),
      { ...counter(0x9f36, 0x0000, 2), why: `is application ${app.name} personalized?` },
    ],
  };
}

const forPersonalization = ({ aid: name, name: word }: GpApplication): Step =>
  stepOf(installForPersonalization(aid(name)), {
    why: `what follows is for application ${word}`,
    clause: "GlobalPlatform 2.3.1 11.5.2.3.6, INSTALL [for personalization]",
    ...noReceipt,
  });

/** Pages that the whole data take. */
export function pagesOfAll(dgis: readonly PreparedDgi[]): number {
  const bytes = dgis.reduce(
    (sum, { parts }) => sum + around.grouping + parts.reduce((all, part) => all + part.length, 0),
    around.area + around.grouping + DONE_MARK,
  );
  return Math.ceil(bytes / pageSize);
}

function lastCost(dgis: readonly PreparedDgi[]): Step["cost"] {
  const keys = dgis.some(({ id }) => id === 0x8201) ? 1 : 0;
  return { pages: pagesOfAll(dgis), micros: keys * keyCheckMicros };
}

function storeStep(
  { app, channel }: PaymentSteps,
  { dgi, p1, p2, parts }: StoreBlock,
  last: Step["cost"] | undefined,
): Step {
  const secret = parts.some((part) => "sealed" in part);
  const step = stepOf(
    { cla: 0x80, ins: 0xe2, p1, p2 },
    {
      why: `store grouping ${groupingName(dgi)} of ${app.name}${secret ? ", under the data encryption key" : ""}`,
      clause:
        app.payment.personalized === "application"
          ? "EMV CPS, STORE DATA"
          : "GlobalPlatform 2.3.1 11.11, STORE DATA",
      changes: true,
    },
  );
  const data = parts.map((part) => partOf(hex(app.aid), part, blockOf(channel)));
  return { ...step, data, ...(last === undefined ? {} : { cost: last }) };
}

function partOf(application: string, part: StoreBlock["parts"][number], block: 8 | 16): Part {
  if (part instanceof Uint8Array) return part;
  if (!("sealed" in part)) return { secret: "payment", application, part, under: "clear" };
  const { sealed, padded } = part;
  return { secret: "payment", application, part: sealed, under: "dek", ...(padded ? { pad: block } : {}) };
}

/** Of a directory, which all cards have alike. */
export function directorySteps(app: GpApplication, profile: Profile, most: number): readonly Step[] {
  const dgis = directoryOf(app, profile);
  const blocks = storePrepared(dgis, { block: 8, most });
  return [
    forPersonalization(app),
    ...blocks.map(({ dgi, p1, p2, parts }, at) => ({
      ...stepOf(
        { cla: 0x80, ins: 0xe2, p1, p2 },
        {
          why: `store grouping ${groupingName(dgi)} of ${app.name}`,
          clause: "GlobalPlatform 2.3.1 11.11, STORE DATA",
          changes: true,
        },
      ),
      data: [knownBytes(parts.flatMap((part) => ("sealed" in part ? [] : [part]))) ?? new Uint8Array(0)],
      ...(at === blocks.length - 1 ? { cost: lastCost(dgis) } : {}),
    })),
  ];
}

const directoryOf = ({ directory }: GpApplication, profile: Profile): readonly PreparedDgi[] =>
  prepareDirectories(profile)[directory === "contactless" ? "ppse" : "pse"];

/** SELECT, with the answer that this application must give: `6F { 84, A5 }`. */
export function selected(app: GpApplication, fci: Uint8Array | undefined): Step {
  const step = select(app.aid, `application ${app.name}`);
  if (fci === undefined) return step;
  const inside = concat(encodeTlv(tlv(0x84, app.aid)), fci);
  return { ...step, answer: { value: encodeTlv(tlv(0x6f, inside)) } };
}

const fciIn = (dgis: readonly PreparedDgi[]): Uint8Array | undefined =>
  knownBytes(dgis.find(({ id }) => id === 0x9102)?.parts ?? []);

export const selectedDirectory = (app: GpApplication, profile: Profile): Step =>
  selected(app, fciIn(directoryOf(app, profile)));

/** Bytes of the contact directory's answers. */
export function directoryLengths(profile: Profile): { readonly fci: number; readonly record: number } {
  const { pse } = prepareDirectories(profile);
  const lengthOf = (id: number): number =>
    (pse.find((one) => one.id === id)?.parts ?? []).reduce((sum, { length }) => sum + length, 0);
  return { fci: 2 + 2 + 14 + lengthOf(0x9102), record: lengthOf(0x0101) };
}

/** What anyone can read of both, compared; what only the security module knows of a record does not count. */
export function paymentReading(app: GpApplication, dgis: readonly PreparedDgi[]): readonly Step[] {
  const records = dgis.filter(({ id }) => id >> 8 <= 0x1e);
  return [selected(app, fciIn(dgis)), ...records.map((one) => readRecord(app, one))];
}
export const directoryReading = (app: GpApplication, profile: Profile): readonly Step[] =>
  paymentReading(app, directoryOf(app, profile));

function readRecord({ name }: GpApplication, { id, parts }: PreparedDgi): Step {
  const known = (part: Uint8Array | ModulePart): boolean => part instanceof Uint8Array;
  const value = concat(
    ...parts.map((part) => (part instanceof Uint8Array ? part : new Uint8Array(part.length))),
  );
  const mask = concat(...parts.map((part) => new Uint8Array(part.length).fill(known(part) ? 0xff : 0)));
  const [sfi, record] = [id >> 8, id & 0xff];
  return stepOf(
    { cla: 0x00, ins: 0xb2, p1: record, p2: (sfi << 3) | 0x04, le: 256 },
    {
      why: `read record ${record} of file ${sfi} of ${name} and compare`,
      clause: "EMV Book 3, 6.5.11, READ RECORD",
      again: "same",
      answer: { value, ...(parts.every(known) ? {} : { mask }) },
    },
  );
}

/** GET DATA of a counter (docs/payment-card.md 3). */
export function counter(tag: number, value: number, length: 1 | 2): Step {
  const bytes = length === 1 ? Uint8Array.of(value) : Uint8Array.of(value >> 8, value & 0xff);
  return stepOf(
    { cla: 0x80, ins: 0xca, p1: tag >> 8, p2: tag & 0xff, le: 256 },
    {
      why: `GET DATA ${groupingName(tag)}`,
      clause: "EMV Book 3, 6.5.7, GET DATA",
      again: "same",
      answer: { value: encodeTlv(tlv(tag, bytes)) },
    },
  );
}
