/** What cards' chips showed of themselves, as people read it. */
import {
  type CardProof,
  kindNames,
  type ProofSums,
  type ShownKind,
  shownKinds,
  type TransactionProof,
} from "./proof.js";

const shownUnits: Readonly<Record<ShownKind, string>> = {
  read: "files",
  mac: "files",
  authenticated: "keys",
  keys: "sessions",
  states: "answers",
};

/** Sums as people read them: what, and how many of the good cards. */
export function proofLines(sums: ProofSums): readonly (readonly [what: string, figures: string])[] {
  const { good, told, transactions, pin = {} } = sums;
  const of = (cards: number): string => `${String(cards)} of ${String(good)}`;
  const missing = good - told;
  return [
    ...(transactions === undefined ? [] : transactionLines(transactions, of)),
    ...kindNames.flatMap((kind) => {
      const sum = sums[kind];
      return sum === undefined
        ? []
        : [
            [
              shownKinds[kind].replace("proof: ", ""),
              `${of(sum.cards)} (${String(sum.shown)} ${shownUnits[kind]})`,
            ] as const,
          ];
    }),
    ...Object.entries(pin).map(([how, cards]) => [`PIN: ${how}`, of(cards)] as const),
    ...(missing === 0 ? [] : [["NO PROOF IS TOLD", of(missing)] as const]),
  ];
}

function transactionLines(
  { completed, arqc, offline, pinVerified, arpcTaken, scripts }: NonNullable<ProofSums["transactions"]>,
  of: (cards: number) => string,
): readonly (readonly [string, string])[] {
  const methods = Object.entries(offline).map(([method, cards]) => `${method} ${String(cards)}`);
  return [
    ["online transactions completed, ARQC judged right by the security module", of(completed)],
    ...(arqc.wrong === 0 ? [] : [["ARQC judged wrong", of(arqc.wrong)] as const]),
    ...(arqc.notJudged === 0 ? [] : [["ARQC NOT JUDGED", of(arqc.notJudged)] as const]),
    ["offline data authentication", methods.join(", ")],
    ["PIN verified by the card", of(pinVerified)],
    ["ARPC taken by the card", of(arpcTaken)],
    ["issuer scripts", `${String(scripts.done)} done, ${String(scripts.failed)} failed`],
  ];
}

/** One card's, in one line. */
export function proofText(proof: CardProof): string {
  const { transaction, pin } = proof;
  return [
    ...(transaction === undefined ? [] : [transactionText(transaction)]),
    ...kindNames.flatMap((kind) => {
      const shown = proof[kind];
      return shown === undefined ? [] : [`${shownShort[kind]} ${String(shown)}`];
    }),
    ...(pin === undefined ? [] : [`PIN: ${pin}`]),
  ].join("; ");
}

const shownShort: Readonly<Record<ShownKind, string>> = {
  read: "files read",
  mac: "files by MAC",
  authenticated: "keys authenticated",
  keys: "sessions",
  states: "states",
};

function transactionText({ outcome, arqc, offline, pin, arpc, scripts }: TransactionProof): string {
  const failed = scripts.failed === 0 ? "" : `, ${String(scripts.failed)} failed`;
  return [
    `transaction ${outcome}`,
    `ARQC ${arqc}`,
    `offline authentication ${offline}`,
    `PIN ${pin}`,
    `ARPC ${arpc}`,
    `scripts ${String(scripts.done)} done${failed}`,
  ].join(", ");
}
