import { preparePayment, type PreparedDgi } from "@persoline/card/emv";
import { selectByAid } from "@persoline/card/iso7816";
import type { CardProgram, Step } from "@persoline/card/program";
import { aid, utf8 } from "@persoline/card/bytes";
import { encodeTlv, tlv } from "@persoline/card/tlv";
import { stepOf } from "../commands.js";
import type { PreparedPayment } from "./record.js";
import { directoryLengths, pagesOfAll } from "./steps.js";

/** A private operation of the card (docs/payment-card.md 7). */
const rsaMicros = 60_000;
const clause = "docs/payment-card.md";

/**
 * The proof's transaction as far as its times go: what crosses the wire and what the card does for it. It is never sent: a terminal goes on
 * from what the card answers, and those values stand as zeros here.
 */
export function transactionTimes({ plan, card }: PreparedPayment): CardProgram {
  const { profile, directory } = plan;
  const { dgis } = preparePayment(profile, card);
  const dynamic = profile.proof === "dda" || profile.proof === "cda";
  const modulus = dynamic ? (profile.issuerKey?.iccModulusBytes ?? 0) : 0;
  const combined = profile.proof === "cda";
  const { showsPin } = plan.terminal;
  const records = dgis.filter(({ id }) => id >> 8 <= 0x1e).map(lengthOf);
  const pse = directory ? directoryLengths(profile) : undefined;
  const cryptogram = combined ? signedAnswer(modulus) : 20;
  const signing = combined ? rsaMicros : 0;
  const enciphered = [said(0x84, 0, 8), said(0x20, modulus, 0, { pages: 2, micros: rsaMicros })];
  // All data are written anew with the PIN, and the old ones erased; then the counters.
  const pinChange = 2 * pagesOfAll(dgis) + 1;
  const steps = [
    ...(pse === undefined
      ? []
      : [select(utf8("1PAY.SYS.DDF01"), pse.fci), said(0xb2, 0, pse.record), said(0xb2, 0, 0)]),
    select(profile.aid, fciLength(profile.aid, dgis)),
    said(0xa8, 6, 2 + (dgis.find(({ id }) => id === 0x9104)?.parts.reduce(sumOf, 0) ?? 0), { pages: 1 }),
    ...records.map((length) => said(0xb2, 0, length)),
    ...(profile.proof === "dda" ? [said(0x88, 4, 3 + modulus, { micros: rsaMicros })] : []),
    ...(showsPin ? [said(0xca, 0, 4), ...enciphered] : []),
    said(0xca, 0, 5),
    said(0xca, 0, 5),
    said(0xae, cdolLength, cryptogram, { pages: 1, micros: signing }),
    said(0x82, profile.cryptogram.version === 10 ? 10 : 8, 0),
    said(0x24, 24, 0, { pages: pinChange }),
    said(0xae, 2 + 10 + cdolLength, cryptogram, { pages: 1, micros: signing }),
    said(0x24, 8, 0, { pages: 1 }),
    said(0xda, 9, 0, { pages: 1 }),
    ...(showsPin ? enciphered : []),
    ...[5, 5, 4, 4, 4].map((length) => said(0xca, 0, length)),
  ];
  return { name: "transaction", segments: [{ name: "transaction", channel: "plain", steps }] };
}

/** 9F02 9F03 9F1A 95 5F2A 9A 9C 9F37. */
const cdolLength = 6 + 6 + 2 + 5 + 2 + 3 + 1 + 4;
const sumOf = (sum: number, { length }: { readonly length: number }): number => sum + length;
const lengthOf = ({ parts }: PreparedDgi): number => parts.reduce(sumOf, 0);

/** `77 { 9F27, 9F36, 9F4B, 9F10 }`. */
const signedAnswer = (modulus: number): number =>
  encodeTlv(
    tlv(
      0x77,
      tlv(0x9f27, new Uint8Array(1)),
      tlv(0x9f36, new Uint8Array(2)),
      tlv(0x9f4b, new Uint8Array(modulus)),
      tlv(0x9f10, new Uint8Array(7)),
    ),
  ).length;

const fciLength = (name: Uint8Array, dgis: readonly PreparedDgi[]): number => {
  const template = dgis.find(({ id }) => id === 0x9102);
  return 2 + 2 + name.length + (template === undefined ? 0 : lengthOf(template));
};

const select = (name: Uint8Array, answer: number): Step =>
  withCost(stepOf(selectByAid(aid(name)), { why: "select", clause }), { pages: 0, answer });

function said(ins: number, sent: number, answer: number, work: Partial<Step["cost"]> = {}): Step {
  const command = {
    cla: 0,
    ins,
    p1: 0,
    p2: 0,
    ...(sent === 0 ? {} : { data: new Uint8Array(sent) }),
    ...(answer === 0 ? {} : { le: 256 }),
  };
  return withCost(stepOf(command, { why: "transaction", clause, again: "same" }), {
    pages: 0,
    answer,
    ...work,
  });
}

const withCost = (step: Step, cost: Step["cost"]): Step => ({ ...step, cost });
