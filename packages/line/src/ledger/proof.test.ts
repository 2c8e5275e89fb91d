import type { Finding } from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import { arqcFinding, type CardProof, gatherProofs, isCompleted, proofOf } from "./proof.js";
import { proofLines, proofText } from "./proof-text.js";
import { onlineFindings, shownFindingsSample } from "./proof.test.data.js";

const instead = (what: string, other: Partial<Finding> | undefined): Finding[] =>
  onlineFindings.flatMap((one) =>
    one.what !== what ? [one] : other === undefined ? [] : [{ ...one, ...other }],
  );
const transaction = (findings: readonly Finding[]) => proofOf(findings)?.transaction;

describe("of one card", () => {
  test("a payment card: its transaction, in words and numbers of ours", () => {
    expect(proofOf(onlineFindings)).toEqual({
      transaction: {
        outcome: "approved online",
        arqc: "right",
        offline: "CDA",
        pin: "verified",
        arpc: "taken",
        scripts: { done: 3, failed: 0 },
      },
    });
    expect(proofText(proofOf(onlineFindings) ?? {})).toBe(
      "transaction approved online, ARQC right, offline authentication CDA, PIN verified, ARPC taken, scripts 3 done",
    );
  });

  test("any other card: what was read, proved, asked", () => {
    const proof = proofOf(shownFindingsSample);
    expect(proof).toEqual({ read: 2, mac: 2, authenticated: 1, keys: 1, states: 2, pin: "all 3 tries left" });
    expect(proofText(proof ?? {})).toBe(
      "files read 2; files by MAC 2; keys authenticated 1; sessions 1; states 2; PIN: all 3 tries left",
    );
  });

  test("nothing is told of a card whose findings say nothing of a proof, or say that it was wrong", () => {
    expect(proofOf([])).toBeUndefined();
    expect(proofOf([{ what: "ATR", result: "ok" }])).toBeUndefined();
    expect(proofOf(shownFindingsSample.map((one) => ({ ...one, result: "wrong" as const })))).toBeUndefined();
  });

  test.each<[string, readonly Finding[], string]>([
    ["no word of it", instead(arqcFinding, undefined), "not judged"],
    ["not asked", instead(arqcFinding, { result: "not measured", detail: "not asked" }), "not judged"],
    ["well, but not judged", instead(arqcFinding, { result: "ok", detail: "not asked" }), "not judged"],
    ["simulated", instead(arqcFinding, { result: "simulated" }), "not judged"],
    ["wrong", instead(arqcFinding, { result: "wrong", detail: "wrong" }), "wrong"],
  ])("an ARQC is not told as right without the module's word: %s", (_, findings, arqc) => {
    const told = transaction(findings);
    expect(told).toMatchObject({ arqc, outcome: "approved online" });
    expect(told && isCompleted(told)).toBe(false);
  });

  test("approved by itself is not approved online, whatever the module said; a transaction that was left out is told so", () => {
    const offline = transaction(instead("transaction", { detail: "approved offline; TVR 00" }));
    expect(offline).toMatchObject({ outcome: "approved offline", arqc: "right" });
    expect(offline && isCompleted(offline)).toBe(false);
    expect(
      transaction([{ what: "transaction", result: "not measured", detail: "left to quality control" }]),
    ).toEqual({
      outcome: "not done",
      arqc: "not judged",
      offline: "not done",
      pin: "not shown",
      arpc: "not sent",
      scripts: { done: 0, failed: 0 },
    });
    expect(transaction([{ what: "transaction", result: "ok", detail: "as always" }])?.outcome).toBe(
      "unknown",
    );
  });

  test("CDA counts with its signature over the cryptogram only", () => {
    const first = "transaction: first cryptogram";
    expect(transaction(instead(first, { detail: "ARQC" }))?.offline).toBe("not done");
    expect(
      transaction(instead(first, { result: "wrong", detail: "ARQC, combined signature wrong" }))?.offline,
    ).toBe("wrong");
    const proof = "transaction: offline data authentication";
    expect(transaction(instead(proof, { detail: "DDA" }))?.offline).toBe("DDA");
    expect(transaction(instead(proof, { detail: "SDA" }))?.offline).toBe("SDA");
    expect(transaction(instead(proof, { result: "wrong", detail: "DDA: no" }))?.offline).toBe("wrong");
    expect(transaction(instead(proof, { result: "not measured", detail: "none in common" }))?.offline).toBe(
      "not done",
    );
  });

  test("a PIN that was not asked for, an issuer who was not believed, a script that failed", () => {
    const holder = "transaction: cardholder verification";
    expect(transaction(instead(holder, { detail: "none" }))?.pin).toBe("not shown");
    expect(transaction(instead(holder, { result: "wrong" }))?.pin).toBe("wrong");
    const issuer = "transaction: issuer authentication";
    expect(transaction(instead(issuer, { result: "wrong" }))?.arpc).toBe("refused");
    const left = { result: "not measured", detail: "left to the second cryptogram" } as const;
    expect(transaction(instead(issuer, left))?.arpc).toBe("left");
    expect(transaction(instead("transaction: script", { result: "wrong" }))?.scripts).toEqual({
      done: 0,
      failed: 3,
    });
  });

  test("the last word counts: quality control proves again what was proved before", () => {
    const before: Finding = {
      what: "transaction",
      result: "not measured",
      detail: "left to quality control",
    };
    expect(transaction([before, ...onlineFindings])?.outcome).toBe("approved online");
    expect(transaction([...onlineFindings, before])?.outcome).toBe("not done");
  });
});

describe("of an order", () => {
  const sums = (...proofs: readonly (CardProof | undefined)[]) => {
    const gatherer = gatherProofs();
    for (const one of proofs) gatherer.add(one);
    return gatherer.sums();
  };
  const online = proofOf(onlineFindings);
  const unjudged = proofOf(instead(arqcFinding, { result: "not measured", detail: "not asked" }));

  test("each card is counted once, and only for what it showed", () => {
    const found = sums(online, unjudged, online, undefined);
    expect(found).toEqual({
      good: 4,
      told: 3,
      transactions: {
        completed: 2,
        // The card without a word of a transaction was not judged either.
        arqc: { right: 2, wrong: 0, notJudged: 2 },
        offline: { CDA: 3 },
        pinVerified: 3,
        arpcTaken: 3,
        scripts: { done: 9, failed: 0 },
      },
    });
    expect(proofLines(found)).toEqual([
      ["online transactions completed, ARQC judged right by the security module", "2 of 4"],
      ["ARQC NOT JUDGED", "2 of 4"],
      ["offline data authentication", "CDA 3"],
      ["PIN verified by the card", "3 of 4"],
      ["ARPC taken by the card", "3 of 4"],
      ["issuer scripts", "9 done, 0 failed"],
      ["NO PROOF IS TOLD", "1 of 4"],
    ]);
  });

  test("cards without a transaction: files, keys and PIN evenly", () => {
    const shown = proofOf(shownFindingsSample);
    const found = sums(shown, shown, { keys: 1 });
    expect(found).toEqual({
      good: 3,
      told: 3,
      read: { cards: 2, shown: 4 },
      mac: { cards: 2, shown: 4 },
      authenticated: { cards: 2, shown: 2 },
      keys: { cards: 3, shown: 3 },
      states: { cards: 2, shown: 4 },
      pin: { "all 3 tries left": 2 },
    });
    expect(proofLines(found)).toEqual([
      ["files read back by content", "2 of 3 (4 files)"],
      ["unreadable files by MAC", "2 of 3 (4 files)"],
      ["internal authentication", "2 of 3 (2 keys)"],
      ["keys by the session's cryptogram", "3 of 3 (3 sessions)"],
      ["states and versions", "2 of 3 (4 answers)"],
      ["PIN: all 3 tries left", "2 of 3"],
    ]);
    expect(sums()).toEqual({ good: 0, told: 0 });
  });
});
