/**
 * What a line and an embosser in another room say to one another: one JSON object a line over mutual TLS. The line asks, the station
 * answers; each question bears the number after the last one's, under the lease that the connection began with.
 */
import { z } from "zod";
import type { TrayCard } from "../port.js";

/** The longest message; a tray of 500 cards takes a tenth. */
export const longestMessage = 1_000_000;

const serial = z.string().regex(/^[0-9A-F]{2,64}$/);
const trayName = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/);
const line = z.strictObject({
  text: z.string().min(1).max(27),
  font: z.enum(["7B", "4B", "rear"]),
  x: z.number(),
  yFromBottom: z.number(),
  pitch: z.number(),
});
const card = z.strictObject({
  serial,
  record: z.number().int().min(0),
  attempt: z.number().int().min(0),
  does: z.enum(["emboss", "indent"]),
  side: z.enum(["front", "back"]),
  lines: z.array(line).min(1).max(10),
});
export type { TrayCard };

const signature = z.string().regex(/^[A-Za-z0-9+/]{40,1400}={0,2}$/);
const seq = z.number().int().min(1);
export const question = z.discriminatedUnion("ask", [
  /** Begins a connection. A lease is larger than any before; whoever holds an older one is heard no longer. */
  z.strictObject({ ask: z.literal("hello"), seq, lease: z.number().int().min(1) }),
  /** Counts a tray out. Said again (the answer was lost), it changes nothing. */
  z.strictObject({
    ask: z.literal("tray"),
    seq,
    tray: trayName,
    count: z.number().int().min(1).max(500),
    cards: z.array(card).min(1).max(500),
    /** Of the list, by the key of the line's certificate (signing.ts). */
    signature,
  }),
  z.strictObject({ ask: z.literal("state"), seq, tray: trayName }),
  /** No further card of it is begun; those not begun are left as they are. */
  z.strictObject({ ask: z.literal("withdraw"), seq, tray: trayName }),
  /** Counts a tray in. The numbers must be the station's own; then it erases the tray's lines. */
  z.strictObject({
    ask: z.literal("counted-in"),
    seq,
    tray: trayName,
    struck: z.number().int().min(0),
    rejected: z.number().int().min(0),
    untouched: z.number().int().min(0),
  }),
  /** Trays not counted in yet. */
  z.strictObject({ ask: z.literal("open-trays"), seq }),
  /** Whether a card can be begun there now; asked before the intent of a card that goes there by itself. */
  z.strictObject({ ask: z.literal("ready"), seq, does: z.enum(["emboss", "indent"]) }),
]);
export type Question = z.output<typeof question>;
type WithoutSeq<Q> = Q extends { readonly seq: number } ? Omit<Q, "seq"> : never;
export type Asked = WithoutSeq<Question>;

/** What became of a card of a tray so far. */
const cardState = z.enum(["waiting", "in-work", "struck", "rejected", "untouched"]);
export type CardState = z.output<typeof cardState>;

export const refusals = [
  "old-lease",
  "out-of-order",
  "not-understood",
  "no-hello",
  "wrong-count",
  "wrong-signature",
  "another-tray",
  "card-known",
  "no-such-tray",
  "not-finished",
  "counts-differ",
  "not-ready",
] as const;
export type RefusalCode = (typeof refusals)[number];

export const answer = z.discriminatedUnion("answer", [
  z.strictObject({ answer: z.literal("welcome"), seq, station: z.string() }),
  z.strictObject({
    answer: z.literal("tray"),
    seq,
    tray: trayName,
    /** SHA-256 of its list. */
    digest: z.string(),
    /** All cards are struck, rejected or untouched. */
    finished: z.boolean(),
    /** Its lines are erased. */
    closed: z.boolean(),
    cards: z.array(z.strictObject({ serial, state: cardState, detail: z.string().max(200).optional() })),
    /** Bodies that were fed and are no card of any tray; they are not struck. */
    strangers: z.number().int().min(0),
    /** Why no card is begun there now. */
    stands: z.string().max(300).optional(),
    /** Once it is counted in: of what became of each card, by the key of the station's certificate. */
    receipt: signature.optional(),
  }),
  z.strictObject({ answer: z.literal("ready"), seq }),
  z.strictObject({ answer: z.literal("open-trays"), seq, trays: z.array(trayName) }),
  z.strictObject({
    answer: z.literal("refused"),
    seq: z.number().int().min(0),
    code: z.enum(refusals),
    message: z.string().max(300),
  }),
]);
export type Answer = z.output<typeof answer>;
export type TrayAnswer = Extract<Answer, { answer: "tray" }>;

/** Cuts a stream into lines; `tooLong` when one is longer than any message. */
export function lineCutter(onLine: (text: string) => void, tooLong: () => void): (part: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (part) => {
    rest = Buffer.concat([rest, part]);
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      const text = rest.subarray(0, end).toString("utf8");
      rest = rest.subarray(end + 1);
      onLine(text);
    }
    if (rest.length > longestMessage) {
      rest = Buffer.alloc(0);
      tooLong();
    }
  };
}
