/** The five stations that only work on the chip. What they send is the plan's; what they are is where they stand. */
import { transactionFinding } from "../ledger/proof.js";
import { runOn } from "./contact.js";
import { afterFindings, shownFindings } from "./shown.js";
import { boundOf, proofSecrets, type Station } from "./station.js";

/** Core, RAM, ROM, EEPROM; the card is still empty. */
export const electricalTest: Station = {
  name: "electrical-test",
  visit: (card, visit) =>
    runOn("electrical-test", card, visit, { program: visit.product.test, accepted: ["blank"] }),
};

/** Loads the operating system and the initial key set; the loader key is destroyed. Chips without a number of their own get one. */
export const completion: Station = {
  name: "completion",
  visit: (card, visit) => {
    const { completion: shared, writtenNumber } = visit.product;
    const program = writtenNumber?.numbering(card.serial) ?? shared;
    return runOn("completion", card, visit, { program, accepted: ["blank"] });
  },
};

/** Files and whatever all cards of the product have in common. */
export const initialisation: Station = {
  name: "initialisation",
  visit: (card, visit) =>
    runOn("initialisation", card, visit, { program: visit.product.initialisation, accepted: ["completed"] }),
};

/** What is one person's; ends with the issuer's keys. */
export const personalization: Station = {
  name: "personalization",
  visit: (card, visit) => {
    const { prepared, secrets } = boundOf(card);
    return runOn("personalization", card, visit, {
      program: prepared.personalization,
      accepted: ["completed"],
      secrets,
    });
  },
};

/** After a power cycle and before any mark: what can be read by content, what cannot by proof. */
export const chipProof: Station = {
  name: "chip-proof",
  visit: async (card, visit) => {
    const { proof, payment } = boundOf(card).prepared;
    const outcome = await runOn("chip-proof", card, visit, {
      program: proof,
      accepted: ["completed"],
      ...proofSecrets(boundOf(card)),
    });
    if (outcome.kind !== "passed") return outcome;
    // A payment card's own proof comes later. On a line that has no quality control this stays its last word.
    const later = {
      what: transactionFinding,
      result: "not measured",
      detail: "left to quality control",
    } as const;
    return afterFindings([...shownFindings(proof), ...(payment === undefined ? [] : [later])], outcome);
  },
};
