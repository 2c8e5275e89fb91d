import type { Chip } from "../chip.js";
import { item } from "../gp/tlv.js";
import { type Answer, answer, type Apdu, join, same, status, SW } from "../os/command.js";
import { FLAG, type Store } from "./counters.js";
import { aipOf, DGI, inRecords, sentFor, wantedBy } from "./data.js";
import { keyOf } from "./personalize.js";
import { keyForTransaction, macOf, macWithZeros } from "./secrets.js";
import { hashOf, signedDynamicData } from "./signature.js";
import type { Transaction } from "./transaction.js";

const TYPE = { aac: 0x00, tc: 0x40, arqc: 0x80 } as const;
type Type = keyof typeof TYPE;
const WITH_CDA = 0x10;
const VERSION_18 = 0x12;
/** In the second byte of a card status update. */
const APPROVES = 0x80;
/** What a cryptogram speaks of, from the terminal: tag, length. */
const SPEAKS_OF = [
  [0x9f02, 6],
  [0x9f03, 6],
  [0x9f1a, 2],
  [0x95, 5],
  [0x5f2a, 2],
  [0x9a, 3],
  [0x9c, 1],
  [0x9f37, 4],
] as const;
const none = new Uint8Array(0);

/** All that a command of the payment application works on. */
export interface Work {
  readonly chip: Chip;
  readonly store: Store;
  readonly now: Transaction;
}

const keyAc = ({ store }: Work): Uint8Array => (store.files.get(DGI.keys) ?? none).slice(0, 16);
const versionOf = ({ store }: Work): number => store.files.get(DGI.issuerData)?.[1] ?? 0;
const offlineCount = ({ store }: Work): number => store.counters.atc - store.counters.lastOnline;
const limited = ({ store }: Work): boolean => store.files.has(DGI.limits);
const tooOften = (work: Work): boolean => limited(work) && offlineCount(work) > work.store.counters.lower;
const noTries = ({ store }: Work): boolean => store.files.has(DGI.pin) && store.counters.tries === 0;

/** GENERATE AC (docs/payment-card.md 5). */
export function generateAc(work: Work, { p1, p2, data }: Apdu): Answer {
  const { store, now } = work;
  const asked = (Object.keys(TYPE) as Type[]).find((type) => TYPE[type] === (p1 & 0xc0));
  const withCda = (p1 & WITH_CDA) !== 0;
  const signs = ((aipOf(store.files)[0] ?? 0) & 0x01) !== 0;
  if (asked === undefined || (p1 & 0x2f) !== 0 || p2 !== 0 || (withCda && !signs))
    return status(SW.wrongP1P2);
  const second = now.phase === "online";
  if ((now.phase !== "started" && !second) || (second && asked === "arqc"))
    return status(SW.conditionsNotSatisfied);
  const list = inRecords(store.files, second ? 0x8d : 0x8c) ?? none;
  if (data.length !== wantedBy(list)?.length) return status(SW.wrongLength);
  const unable = second && isUnable(sentFor(list, data, 0x8a));
  if (second) judgeIssuer(work, sentFor(list, data, 0x91));
  const type = second ? secondType(work, asked, unable) : firstType(work, asked);
  const issuerData = issuerApplicationData(work, { second, type, unable });
  const cryptogram = cryptogramOf(work, list, data, issuerData);
  if (second) finish(work, unable);
  else begin(work, type, cryptogram, data);
  const { atc } = store.counters;
  const fields = { type, atc: Uint8Array.of(atc >> 8, atc & 0xff), cryptogram, issuerData };
  if (!withCda || type === "aac") return answer(plain(fields));
  return answer(signed(work, fields, list, data, second));
}

const isUnable = (code: Uint8Array | undefined): boolean =>
  code !== undefined && (same(code, Uint8Array.of(0x59, 0x33)) || same(code, Uint8Array.of(0x5a, 0x33)));

function firstType(work: Work, asked: Type): Type {
  const { store } = work;
  if (asked === "aac" || store.has(FLAG.blocked)) return "aac";
  const wantsOnline =
    store.has(FLAG.notCompleted | FLAG.authenticationFailed) ||
    noTries(work) ||
    tooOften(work) ||
    store.counters.lastOnline === 0;
  return asked === "tc" && !wantsOnline ? "tc" : "arqc";
}

function secondType(work: Work, asked: Type, unable: boolean): Type {
  const { store, now } = work;
  if (asked !== "tc" || store.has(FLAG.blocked)) return "aac";
  if (unable) return limited(work) && offlineCount(work) <= store.counters.upper ? "tc" : "aac";
  return now.issuer === "right" && now.approved ? "tc" : "aac";
}

/** One page write: what was begun online must be seen to end. */
function begin(work: Work, type: Type, cryptogram: Uint8Array, data: Uint8Array): void {
  const { store, now } = work;
  const { flags } = store.counters;
  store.change({ flags: type === "arqc" ? flags | FLAG.notCompleted : flags });
  now.phase = type === "arqc" ? "online" : "over";
  now.first = type;
  now.cryptogram = cryptogram;
  now.scriptChain = cryptogram;
  now.cdol1Data = data.slice();
}

function finish(work: Work, unable: boolean): void {
  const { store, now } = work;
  const { flags, atc } = store.counters;
  const open = FLAG.notCompleted | FLAG.authenticationFailed | FLAG.scriptFailed;
  if (now.issuer === "right" && !unable)
    store.change({
      lastOnline: atc,
      scripts: now.scripts,
      flags: (flags & ~open) | (now.scriptFailed ? FLAG.scriptFailed : 0),
    });
  else store.change({ flags: now.issuer === "wrong" ? flags | FLAG.authenticationFailed : flags });
  now.phase = "over";
}

/** `06 ‖ key index ‖ version ‖ 03 a b c`. */
function issuerApplicationData(
  work: Work,
  { second, type, unable }: { readonly second: boolean; readonly type: Type; readonly unable: boolean },
): Uint8Array {
  const { store, now } = work;
  const bit = (there: boolean, value: number): number => (there ? value : 0);
  const first = second ? now.first : type;
  const a =
    (second ? TYPE[type] : 0x80) |
    (first === "tc" ? 0x10 : first === "arqc" ? 0x20 : 0x00) |
    bit(now.issuer === "wrong", 0x08) |
    bit(now.pin !== "not asked", 0x04) |
    bit(now.pin === "wrong", 0x02) |
    bit(unable, 0x01);
  const b =
    bit(store.has(FLAG.notCompleted) && !second, 0x80) |
    bit(noTries(work), 0x40) |
    bit(tooOften(work), 0x20) |
    bit(store.counters.lastOnline === 0, 0x10) |
    bit(store.has(FLAG.authenticationFailed), 0x08) |
    bit(second && !unable && now.issuer === "not asked", 0x04) |
    bit(store.has(FLAG.blocked), 0x02);
  const c = (store.counters.scripts << 4) | bit(store.has(FLAG.scriptFailed), 0x08) | bit(now.signed, 0x02);
  return join([0x06], (store.files.get(DGI.issuerData) ?? none).slice(0, 2), [0x03, a, b, c & 0xff]);
}

function cryptogramOf(work: Work, list: Uint8Array, data: Uint8Array, issuerData: Uint8Array): Uint8Array {
  const { chip, store } = work;
  const { atc } = store.counters;
  const said = SPEAKS_OF.map(([tag, length]) => {
    const value = new Uint8Array(length);
    value.set((sentFor(list, data, tag) ?? none).subarray(0, length));
    return value;
  });
  const message = join(...said, aipOf(store.files), [atc >> 8, atc & 0xff]);
  return versionOf(work) === VERSION_18
    ? macOf(chip, keyForTransaction(chip, keyAc(work), atc), join(message, issuerData))
    : macWithZeros(chip, keyAc(work), join(message, issuerData.subarray(3)));
}

interface Fields {
  readonly type: Type;
  readonly atc: Uint8Array;
  readonly cryptogram: Uint8Array;
  readonly issuerData: Uint8Array;
}

const plain = ({ type, atc, cryptogram, issuerData }: Fields): Uint8Array =>
  item(0x80, [TYPE[type]], atc, cryptogram, issuerData);

function signed(
  work: Work,
  { type, atc, cryptogram, issuerData }: Fields,
  list: Uint8Array,
  data: Uint8Array,
  second: boolean,
): Uint8Array {
  const { chip, store, now } = work;
  const key = keyOf(store.files, DGI.iccKey);
  const head = join(item(0x9f27, [TYPE[type]]), item(0x9f36, atc));
  const tail = item(0x9f10, issuerData);
  const hash = hashOf(chip, join(now.pdolData, now.cdol1Data, second ? data : none, head, tail));
  const dynamic = join([8], chip.random(8), [TYPE[type]], cryptogram, hash);
  const terminal = sentFor(list, data, 0x9f37) ?? none;
  const signature = key === undefined ? none : signedDynamicData(chip, key, dynamic, terminal);
  return item(0x77, head, item(0x9f4b, signature), tail);
}

/** EXTERNAL AUTHENTICATE: once, between the cryptograms. */
export function externalAuthenticate(work: Work, { p1, p2, data }: Apdu): Answer {
  const { now } = work;
  if (p1 !== 0 || p2 !== 0) return status(SW.wrongP1P2);
  if (now.phase !== "online" || now.issuer !== "not asked") return status(SW.conditionsNotSatisfied);
  if (data.length !== proofLength(work)) return status(SW.wrongLength);
  judgeIssuer(work, data);
  // The line narrows what it read before: the verdict is new.
  return status((now.issuer as Transaction["issuer"]) === "right" ? SW.ok : SW.authenticationFailed);
}

const proofLength = (work: Work): number => (versionOf(work) === VERSION_18 ? 8 : 10);

function judgeIssuer(work: Work, proof: Uint8Array | undefined): void {
  const { chip, now, store } = work;
  if (proof === undefined || now.issuer !== "not asked" || proof.every((byte) => byte === 0)) return;
  const sent = proof.subarray(0, proofLength(work));
  const cryptogram = now.cryptogram ?? none;
  const head = versionOf(work) === VERSION_18 ? 4 : 8;
  const rest = sent.subarray(head);
  const expected =
    versionOf(work) === VERSION_18
      ? macOf(chip, keyForTransaction(chip, keyAc(work), store.counters.atc), join(cryptogram, rest)).slice(
          0,
          4,
        )
      : macWithZeros(
          chip,
          keyAc(work),
          cryptogram.map((byte, at) => byte ^ (rest[at] ?? 0)),
        );
  now.issuer =
    sent.length === proofLength(work) && same(expected, sent.subarray(0, head)) ? "right" : "wrong";
  // Of version 10 the terminal alone hears the issuer's word; of 18 it is in the card status update.
  now.approved = versionOf(work) !== VERSION_18 || ((rest[1] ?? 0) & APPROVES) !== 0;
}
