/**
 * A station is a small object: it does one thing to the card at one of its heads and says how that ended. It knows ports, programs and
 * the journal, never which device is behind a port, nor the database.
 */
import type {
  Finding,
  Journal,
  Outcome,
  RejectCode,
  SealedSecrets,
  SecurityModule,
  Serial,
  World,
} from "@persoline/card/program";
import type { Crypto } from "@persoline/card/crypto";
import type { Hsm } from "../devices/hsm/port.js";
import type { Camera, Picture } from "../devices/camera/port.js";
import type { Encoder, StripeJob } from "../devices/encoder/port.js";
import type { Marker, MarkJob, Side } from "../devices/marker/port.js";
import type { Reader } from "../devices/reader/port.js";
import type { Blank, JournalState, Stage, StationTime } from "../ledger/types.js";
import { trayMark } from "../ledger/trays.js";
import type { OrderRecord } from "../orders/types.js";
import type { CompiledProduct, PreparedRecord } from "../plan/types.js";
import type { Challenges } from "./challenges.js";

/** What can be done at a head, in the order a card goes through it, and the stage it reaches. */
export const works = {
  "electrical-test": "tested",
  completion: "completed",
  initialisation: "initialised",
  personalization: "personalised",
  "chip-proof": "chip-proved",
  visual: "marked",
  quality: "verified",
} as const satisfies Readonly<Record<string, Stage>>;

export type Work = keyof typeof works;
export const workOrder = Object.keys(works) as readonly Work[];

const stageOrder: readonly Stage[] = [
  "blank",
  "tested",
  "completed",
  "initialised",
  "bound",
  "personalised",
  "chip-proved",
  "marked",
  "verified",
  "delivered",
];

export const hasReached = (stage: Stage, other: Stage): boolean =>
  stageOrder.indexOf(stage) >= stageOrder.indexOf(other);

/** Among a card's passed stations: quality control proved the chip and left the pictures to people. */
export const chipProvedInQuality = "quality/chip";

/** A record bound to a card, prepared for the product. */
export interface Bound {
  readonly record: OrderRecord;
  readonly attempt: number;
  readonly prepared: PreparedRecord;
  readonly secrets: SealedSecrets;
}

/** Why a card is bad, and where that was seen. */
export interface Verdict {
  readonly station: string;
  readonly code: RejectCode;
  /** No personal datum. */
  readonly detail: string;
}

/** A card on its way through the line. One object for as long as it is in the machine, and no longer. */
export interface CardInWork {
  readonly label: string;
  readonly serial: Serial;
  stage: Stage;
  bound: Bound | undefined;
  /** Stations passed as the journal has them; marks have entries of their own (`visual/0`). */
  readonly passed: string[];
  /** Judged bad, and durably so: nothing but its end is left for it. */
  verdict: Verdict | undefined;
  /** Set when its last visit was interrupted; the next visit takes it up from there. */
  interrupted: Pick<JournalState, "open" | "resumes"> | undefined;
  /** Why people must look at it before it goes on: its label turned up twice. */
  suspect: string | undefined;
  readonly times: StationTime[];
  readonly findings: (Finding & { readonly station: string })[];
  pictures: Readonly<Record<Side, KeptPicture>> | undefined;
  /** So much of the three above is in the journal. */
  noted: { readonly times: number; readonly findings: number; readonly pictures: CardInWork["pictures"] };
  /** Where its embosser stands in another room: it is to go there by a tray, or has been there. */
  tray: "due" | "done" | undefined;
  /** The mark that is made in another room, as long as it is not. */
  elsewhere: { readonly mark: number; readonly job: MarkJob } | undefined;
  /** Made for the marking place, kept for the judgement of its pictures. */
  marks: readonly MarkJob[] | undefined;
}

export function newCard(
  blank: Blank,
  more: Partial<Pick<CardInWork, "passed" | "interrupted" | "stage">> = {},
): CardInWork {
  return {
    label: blank.label,
    serial: blank.serial,
    stage: more.stage ?? blank.stage,
    bound: undefined,
    passed: more.passed ?? [],
    verdict: undefined,
    interrupted: more.interrupted,
    suspect: undefined,
    times: [],
    findings: [],
    pictures: undefined,
    noted: { times: 0, findings: 0, pictures: undefined },
    tray: more.passed?.includes(trayMark) === true ? "done" : undefined,
    elsewhere: undefined,
    marks: undefined,
  };
}

export interface KeptPicture {
  /** Relative to the data folder. */
  readonly file: string;
  readonly sha256: string;
}

/** One of a station's equal positions and the devices that stand there. */
export interface Head {
  readonly station: string;
  readonly number: number;
  readonly reader: Reader;
  readonly markers: readonly Marker[];
  readonly camera: Camera | undefined;
  /** At the visual station it writes the stripe, at quality control it reads it. */
  readonly encoder: Encoder | undefined;
}

/** How pictures are judged against what the record says must be there. */
export type JudgeFaces = (ask: {
  readonly prepared: PreparedRecord;
  readonly record: OrderRecord;
  /** What was sent to the markers. */
  readonly marks: readonly MarkJob[];
  readonly pictures: Readonly<Record<Side, Picture>>;
  /** Name of the camera that took them: each is judged by limits of its own. */
  readonly camera: string;
  readonly serial: Serial;
}) => Promise<FacesVerdict>;

export interface FacesVerdict {
  readonly kind: "passed" | "rejected" | "held";
  /** What is wrong and where; no personal datum. */
  readonly detail: string;
  readonly findings: readonly Finding[];
  /** Not passed, and yet nothing is known against the card: another picture may tell more. */
  readonly retake?: true;
}

/** The stripe of a bound record: what its faces say, or what the security module sealed for the encoder. Undefined: it has none. */
export type MakeStripe = (bound: Bound) => StripeJob | undefined;

/** The marks of a record in the order they are made: front, back, indent printing, embossing. */
export type MakeMarks = (prepared: PreparedRecord, record: OrderRecord) => Promise<readonly MarkJob[]>;

export interface Limits {
  /** Lifts and lowers the contacts so often before a card is called bad. */
  readonly reseats: number;
  /** So often a card is taken up again after an interruption. */
  readonly resumes: number;
  /** So many rejects of one work in a row stop the line. */
  readonly rejectsInARow: number;
  /** So many rejects in a row at one head, while others pass cards, stop that head. */
  readonly rejectsAtHead: number;
  /** So many failed card cryptograms of one work in a row halt the line: the key set is wrong, not the cards. */
  readonly cryptogramsInARow: number;
  /** So often a stuck move is tried again. */
  readonly jams: number;
  /** A record whose cards fail so often in a row is held: it may be the record. */
  readonly cardsPerRecord: number;
}

/** Modelled durations of what leaves the process, in milliseconds: used on virtual time only. */
export interface Outside {
  readonly hsmMs: number;
  readonly journalMs: number;
  readonly accountsMs: number;
  /** Preparing a record, making marks, judging pictures. */
  readonly workerMs: number;
}

export const usualLimits: Limits = {
  reseats: 2,
  resumes: 5,
  rejectsInARow: 8,
  rejectsAtHead: 5,
  cryptogramsInARow: 3,
  jams: 2,
  cardsPerRecord: 8,
};
export const usualOutside: Outside = { hsmMs: 1, journalMs: 2, accountsMs: 2, workerMs: 5 };

/** Each mark has a name of its own in the journal, so that one is never made twice, whatever happens between two. */
export const markName = (number: number): string => `visual/${String(number)}`;

/** The marks of a card, made once. */
export async function marksOf(card: CardInWork, visit: Surroundings): Promise<readonly MarkJob[]> {
  const { prepared, record } = boundOf(card);
  card.marks ??= await visit.world.outside(visit.outside.workerMs, visit.makeMarks(prepared, record));
  return card.marks;
}

/** The record of a card that has come so far that it must have one. */
export function boundOf(card: CardInWork): Bound {
  if (card.bound === undefined)
    throw new Error(`card ${card.label} has come to a bound station without a record`);
  return card.bound;
}

/** What a proof may be judged by of the record's secrets: the issuer's keys and groupings, and none of its PINs. */
export function proofSecrets({ secrets }: Bound): { readonly secrets?: SealedSecrets } {
  const { order, record, issuer } = secrets;
  return issuer === undefined ? {} : { secrets: { order, record, issuer, pins: {} } };
}

/** What every visit has at hand. */
export interface Surroundings {
  readonly world: World;
  readonly hsm: SecurityModule;
  readonly journal: Journal;
  readonly product: CompiledProduct;
  readonly limits: Limits;
  readonly outside: Outside;
  readonly sha256: (bytes: Uint8Array) => Uint8Array;
  readonly makeMarks: MakeMarks;
  readonly makeStripe: MakeStripe;
  readonly hmacSha256: (key: Uint8Array, text: string) => Uint8Array;
  readonly judgeFaces: JudgeFaces;
  /** Keeps a picture with the card; the answer goes into the card's history. */
  readonly keepPicture: (serial: Serial, picture: Picture) => Promise<KeptPicture>;
  /** Keeps what the security module sealed of a card's own PIN, for its letter; absent where no card draws one. Durable when it resolves. */
  readonly keepPin?: (
    place: { readonly order: string; readonly record: number },
    pin: string,
    sealed: Uint8Array,
  ) => Promise<void>;
  /** For payment cards; absent where none are made. */
  readonly payment?: PaymentDesk;
}

/** What a terminal needs beside the card: its issuer, whoever enciphers PINs for it, and the calendar. */
export interface PaymentDesk {
  readonly hsm: Pick<
    Hsm,
    "judgeCryptogram" | "paymentScripts" | "encipherPin" | "judgeTrack2" | "stripeAgain"
  >;
  readonly crypto: Crypto;
  /** YYMMDD. */
  readonly today: () => string;
}

export type Visit = Surroundings & { readonly head: Head; readonly challenges: Challenges };

export interface Station {
  readonly name: Work;
  /**
   * Passed with `tray` due, it has passed up to a mark that is made in another room, and comes back for the rest. Throws DeviceFault when
   * the machine fails; the card's journal then stays open.
   */
  visit(card: CardInWork, visit: Visit): Promise<Outcome>;
}
