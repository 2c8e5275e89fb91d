/** What a card showed by answering its whole proof program, as findings: the accounts keep them, reports tell them. */
import type { CardProgram, Finding, Outcome } from "@persoline/card/program";
import { pinFinding, type ShownKind, shownKinds } from "../ledger/proof.js";
import { shownBy } from "../plan/shown.js";

/** Only of a program that completed. */
export function shownFindings(program: CardProgram): readonly Finding[] {
  const { pin, ...counts } = shownBy(program);
  return [
    ...Object.entries(counts).flatMap(([kind, count]) =>
      count === 0
        ? []
        : [{ what: shownKinds[kind as ShownKind], result: "ok" as const, detail: String(count) }],
    ),
    ...(pin === undefined ? [] : [{ what: pinFinding, result: "ok" as const, detail: pin }]),
  ];
}

/** The outcome with what was found before it. */
export function afterFindings<O extends Outcome>(findings: readonly Finding[], outcome: O): O {
  switch (outcome.kind) {
    case "passed":
    case "rejected":
    case "held":
      return { ...outcome, findings: [...findings, ...(outcome.findings ?? [])] };
    case "returned":
    case "halted":
      return outcome;
  }
}
