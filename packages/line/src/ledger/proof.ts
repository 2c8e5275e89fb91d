/**
 * What a card's chip showed of itself before the card counted as good, told from the findings of its visit: of a payment card a whole
 * transaction, of every card what could be read back or proved. Numbers and words of ours only; nothing of a person, nothing secret.
 */
import type { Evidence, TransactionResult } from "@persoline/card/emv";
import type { Finding } from "@persoline/card/program";

/** What is counted of a card, by the words its findings have for it. */
export const shownKinds = {
  /** Files (of GlobalPlatform cards data groupings) whose content was read back and is the expected one. */
  read: "proof: files read back by content",
  /** Files that nobody may read: the card made a MAC over their content, which the security module judged. */
  mac: "proof: unreadable files by MAC",
  /** Keys that answered a challenge, judged by the security module. */
  authenticated: "proof: internal authentication",
  /** Sessions under the issuer's keys: the card's cryptogram showed that it has them. */
  keys: "proof: keys by the session's cryptogram",
  /** Versions, states, settings and lists that were as they must be. */
  states: "proof: states and versions",
} as const;
export type ShownKind = keyof typeof shownKinds;
export const kindNames = Object.keys(shownKinds) as readonly ShownKind[];

/** How the PIN was shown: all its tries are there, or the card took it. */
export const pinFinding = "proof: PIN";

export const arqcFinding = "transaction: ARQC by the security module";
export const transactionFinding = "transaction";
export const stepFinding = (step: Evidence["step"]): string => `transaction: ${step}`;

/** The security module's word on the card's ARQC. */
export type ArqcVerdict = "right" | "wrong" | "not judged";

export interface TransactionProof {
  /** How the transaction ended; "not done": the card had none. */
  readonly outcome: TransactionResult["outcome"] | "not done" | "unknown";
  readonly arqc: ArqcVerdict;
  /** Offline data authentication; of CDA the signature over the first cryptogram too. */
  readonly offline: "CDA" | "DDA" | "SDA" | "wrong" | "not done";
  readonly pin: "verified" | "wrong" | "not shown";
  /** Issuer authentication; "left": to the card's second cryptogram. */
  readonly arpc: "taken" | "refused" | "left" | "not sent";
  readonly scripts: { readonly done: number; readonly failed: number };
}

/** A kind that is absent was not asked of the card. */
export interface CardProof extends Readonly<Partial<Record<ShownKind, number>>> {
  readonly pin?: string;
  readonly transaction?: TransactionProof;
}

/** Only then a card counts as one that was proved by a transaction. */
export const isCompleted = ({ outcome, arqc }: TransactionProof): boolean =>
  outcome === "approved online" && arqc === "right";

const outcomes: readonly string[] = [
  "approved offline",
  "approved online",
  "declined offline",
  "declined online",
  "stopped",
] satisfies TransactionResult["outcome"][];

/** Undefined: its findings tell of no proof. Of what was shown twice the last word counts: a card is proved again at quality control. */
export function proofOf(findings: readonly Finding[]): CardProof | undefined {
  const last = new Map(findings.map((one) => [one.what, one]));
  const counted = Object.entries(shownKinds).flatMap(([kind, what]) => {
    const found = last.get(what);
    return found?.result === "ok" ? [[kind, Number(found.detail)] as const] : [];
  });
  const pin = last.get(pinFinding);
  const transaction = transactionOf(findings, last);
  const proof: CardProof = {
    ...Object.fromEntries(counted),
    ...(pin?.result === "ok" && pin.detail !== undefined ? { pin: pin.detail } : {}),
    ...(transaction === undefined ? {} : { transaction }),
  };
  return Object.keys(proof).length === 0 ? undefined : proof;
}

function transactionOf(
  findings: readonly Finding[],
  last: ReadonlyMap<string, Finding>,
): TransactionProof | undefined {
  const end = last.get(transactionFinding);
  if (end === undefined) return undefined;
  const step = (name: Evidence["step"]) => last.get(stepFinding(name));
  const scripts = findings.filter(({ what }) => what === stepFinding("script"));
  const [outcome = ""] = end.detail?.split(";") ?? [];
  const pin = step("cardholder verification");
  return {
    outcome: outcomeOf(end, outcome),
    arqc: arqcOf(last.get(arqcFinding)),
    offline: offlineOf(step("offline data authentication"), step("first cryptogram")),
    pin:
      pin?.result === "wrong"
        ? "wrong"
        : pin?.result === "ok" && /pin/i.test(pin.detail ?? "")
          ? "verified"
          : "not shown",
    arpc: arpcOf(step("issuer authentication")),
    scripts: {
      done: scripts.filter(({ result }) => result === "ok").length,
      failed: scripts.filter(({ result }) => result === "wrong").length,
    },
  };
}

function outcomeOf({ result }: Finding, said: string): TransactionProof["outcome"] {
  if (result === "not measured") return "not done";
  return outcomes.includes(said) ? (said as TransactionResult["outcome"]) : "unknown";
}

/** A finding that says anything but that the module judged is none. */
function arqcOf(found: Finding | undefined): ArqcVerdict {
  if (found?.result === "ok" && found.detail === "right") return "right";
  return found?.result === "wrong" ? "wrong" : "not judged";
}

function offlineOf(proof: Finding | undefined, first: Finding | undefined): TransactionProof["offline"] {
  if (proof?.result === "wrong" || first?.detail?.endsWith("combined signature wrong") === true)
    return "wrong";
  const [method] = /^(?:CDA|DDA|SDA)\b/.exec(proof?.detail ?? "") ?? [];
  if (proof?.result !== "ok" || method === undefined) return "not done";
  // Its certificates hold, and its signature comes with the cryptogram.
  if (method === "CDA")
    return first?.detail?.endsWith("combined signature right") === true ? "CDA" : "not done";
  return method === "DDA" ? "DDA" : "SDA";
}

function arpcOf(found: Finding | undefined): TransactionProof["arpc"] {
  if (found?.result === "ok") return "taken";
  if (found?.result === "wrong") return "refused";
  return found?.detail?.startsWith("left to") === true ? "left" : "not sent";
}

interface Counted {
  /** Cards of which it was asked and shown. */
  readonly cards: number;
  /** Files, keys, sessions, answers: of all these cards together. */
  readonly shown: number;
}

/** Over an order's good cards. */
export interface ProofSums extends Readonly<Partial<Record<ShownKind, Counted>>> {
  readonly good: number;
  /** Good cards whose findings tell of a proof. */
  readonly told: number;
  /** How the PIN was shown, and by how many cards. */
  readonly pin?: Readonly<Record<string, number>>;
  /** Absent where no card had a transaction to show. */
  readonly transactions?: {
    /** Approved online, and the ARQC right by the security module. */
    readonly completed: number;
    readonly arqc: Readonly<Record<"right" | "wrong" | "notJudged", number>>;
    /** Cards by method. */
    readonly offline: Readonly<Record<string, number>>;
    readonly pinVerified: number;
    readonly arpcTaken: number;
    readonly scripts: { readonly done: number; readonly failed: number };
  };
}

export interface ProofGatherer {
  /** One good card's; undefined: its findings tell of none. */
  add(proof: CardProof | undefined): void;
  sums(): ProofSums;
}

export function gatherProofs(): ProofGatherer {
  let good = 0;
  let told = 0;
  const kinds = new Map<ShownKind, { cards: number; shown: number }>();
  const pins = new Map<string, number>();
  const offline = new Map<string, number>();
  const arqc = { right: 0, wrong: 0, notJudged: 0 };
  const scripts = { done: 0, failed: 0 };
  let [transactions, completed, pinVerified, arpcTaken] = [0, 0, 0, 0];
  const count = (of: Map<string, number>, what: string): void => {
    of.set(what, (of.get(what) ?? 0) + 1);
  };
  const addTransaction = (one: TransactionProof): void => {
    transactions++;
    if (isCompleted(one)) completed++;
    arqc[one.arqc === "not judged" ? "notJudged" : one.arqc]++;
    count(offline, one.offline);
    if (one.pin === "verified") pinVerified++;
    if (one.arpc === "taken") arpcTaken++;
    scripts.done += one.scripts.done;
    scripts.failed += one.scripts.failed;
  };
  return {
    add(proof) {
      good++;
      if (proof === undefined) return;
      told++;
      for (const kind of kindNames) {
        const shown = proof[kind];
        if (shown === undefined) continue;
        const sum = kinds.get(kind) ?? { cards: 0, shown: 0 };
        kinds.set(kind, { cards: sum.cards + 1, shown: sum.shown + shown });
      }
      if (proof.pin !== undefined) count(pins, proof.pin);
      if (proof.transaction !== undefined) addTransaction(proof.transaction);
    },
    sums: () => {
      // An order has one product: where one card had a transaction, those without were not judged either.
      const without = good - transactions;
      return {
        good,
        told,
        ...Object.fromEntries(kinds),
        ...(pins.size === 0 ? {} : { pin: Object.fromEntries(pins) }),
        ...(transactions === 0
          ? {}
          : {
              transactions: {
                completed,
                arqc: { ...arqc, notJudged: arqc.notJudged + without },
                offline: Object.fromEntries(offline),
                pinVerified,
                arpcTaken,
                scripts: { ...scripts },
              },
            }),
      };
    },
  };
}
