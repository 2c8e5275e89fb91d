import { CardProblem } from "../../bytes/index.js";
import type { Applet } from "../gp/applets.js";
import type { GpCard } from "../gp/card.js";
import { readObjects } from "../gp/objects.js";
import type { Application } from "../gp/state.js";
import { item } from "../gp/tlv.js";
import { type Answer, answer, type Apdu, join, status, SW } from "../os/command.js";
import { FLAG, Store } from "./counters.js";
import { externalAuthenticate, generateAc, type Work } from "./cryptogram.js";
import { aflOf, aipOf, DGI, type Files, inRecords, pdolOf, wantedBy } from "./data.js";
import {
  isDirectoryGrouping,
  isPaymentGrouping,
  keyOf,
  personalizeDirectory,
  personalizePayment,
} from "./personalize.js";
import { verify } from "./pin.js";
import { script } from "./scripts.js";
import { signedDynamicData } from "./signature.js";
import { newTransaction } from "./transaction.js";

const none = new Uint8Array(0);
const ddolLength = 4;

const storedFci = (card: GpCard, app: Application): Uint8Array | undefined =>
  readObjects(card.vault.dataOf(app)).get(DGI.fci);

function isOpen(card: GpCard, app: Application): boolean {
  return !readObjects(card.vault.dataOf(app)).has(DGI.done);
}

/** PSE or PPSE: records and what SELECT tells. */
export const directoryApplet: Applet = {
  personalizable: isOpen,
  knows: isDirectoryGrouping,
  store: (_card, before, groupings) => personalizeDirectory(before, groupings),
  selected: (card, app) => ({ template: storedFci(card, app), sw: SW.ok }),
  command: (card, app, command) => {
    if (command.cla !== 0x00) return status(SW.wrongClass);
    if (command.ins !== 0xb2) return status(SW.wrongInstruction);
    return readRecord(readObjects(card.vault.dataOf(app)), command);
  },
};

/** The payment application (docs/payment-card.md). */
export const paymentApplet: Applet = {
  personalizable: isOpen,
  knows: isPaymentGrouping,
  store: (card, before, groupings) => personalizePayment(card, before, groupings),
  selected: (card, app) => {
    card.transaction = newTransaction();
    const store = new Store(card, app);
    return { template: storedFci(card, app), sw: store.has(FLAG.blocked) ? SW.deactivated : SW.ok };
  },
  command: (card, app, command) => {
    const store = new Store(card, app);
    const { challenge } = card;
    // It holds for the next command only, whatever that is.
    card.challenge = undefined;
    if (!store.files.has(DGI.done)) return status(SW.conditionsNotSatisfied);
    // After a reset the application may be selected without SELECT (card reset privilege).
    card.transaction ??= newTransaction();
    const work: Work = { chip: card.chip, store, now: card.transaction };
    try {
      return done(work, card, app, command, challenge);
    } catch (problem) {
      // A key that was damaged in the memory since it was taken: the coprocessor refuses it.
      if (problem instanceof CardProblem && problem.code === "bad-key") return status(SW.executionError);
      throw problem;
    }
  },
};

function done(
  work: Work,
  card: GpCard,
  app: Application,
  command: Apdu,
  challenge: Uint8Array | undefined,
): Answer {
  switch (command.cla) {
    case 0x00:
      return plainCommand(work, card, command, challenge);
    case 0x80:
      return proprietaryCommand(work, command);
    case 0x84:
    case 0x04:
      return script(work, card, app, command);
    default:
      return status(SW.wrongClass);
  }
}

function plainCommand(work: Work, card: GpCard, command: Apdu, challenge: Uint8Array | undefined): Answer {
  switch (command.ins) {
    case 0xb2:
      return readRecord(work.store.files, command);
    case 0x84:
      return getChallenge(card, command);
    case 0x20:
      return verify(work, command, challenge);
    case 0x88:
      return internalAuthenticate(work, command);
    case 0x82:
      return externalAuthenticate(work, command);
    default:
      return status(SW.wrongInstruction);
  }
}

function proprietaryCommand(work: Work, command: Apdu): Answer {
  switch (command.ins) {
    case 0xa8:
      return getProcessingOptions(work, command);
    case 0xae:
      return generateAc(work, command);
    case 0xca:
      return getData(work, command);
    default:
      return status(SW.wrongInstruction);
  }
}

function readRecord(files: Files, { p1, p2, data }: Apdu): Answer {
  const sfi = p2 >> 3;
  if ((p2 & 0x07) !== 0x04 || sfi === 0 || sfi > 30 || p1 === 0) return status(SW.wrongP1P2);
  if (data.length > 0) return status(SW.wrongLength);
  const record = files.get((sfi << 8) | p1);
  return record === undefined ? status(SW.recordNotFound) : answer(record);
}

function getChallenge(card: GpCard, { p1, p2, data, le }: Apdu): Answer {
  if (p1 !== 0 || p2 !== 0) return status(SW.wrongP1P2);
  if (data.length > 0 || (le !== 8 && le !== 256)) return status(SW.wrongLength);
  card.challenge = card.chip.random(8);
  return answer(card.challenge);
}

function getProcessingOptions({ store, now }: Work, { p1, p2, data }: Apdu): Answer {
  if (p1 !== 0 || p2 !== 0) return status(SW.wrongP1P2);
  const { atc } = store.counters;
  if (now.phase !== "selected" || atc === 0xffff) return status(SW.conditionsNotSatisfied);
  const [tag, length] = data;
  if (tag !== 0x83) return status(SW.wrongData);
  const wanted = wantedBy(pdolOf(store.files))?.length;
  if (length !== data.length - 2 || length !== wanted) return status(SW.wrongLength);
  store.change({ atc: atc + 1 });
  now.phase = "started";
  now.pdolData = data.slice(2);
  return answer(item(0x77, item(0x82, aipOf(store.files)), item(0x94, aflOf(store.files))));
}

function getData({ store }: Work, { p1, p2, data }: Apdu): Answer {
  if (data.length > 0) return status(SW.wrongLength);
  const tag = (p1 << 8) | p2;
  const { atc, lastOnline, tries, lower, upper } = store.counters;
  const limits = store.files.has(DGI.limits);
  switch (tag) {
    case 0x9f36:
      return answer(item(tag, [atc >> 8, atc & 0xff]));
    case 0x9f13:
      return answer(item(tag, [lastOnline >> 8, lastOnline & 0xff]));
    case 0x9f17:
      return store.files.has(DGI.pin) ? answer(item(tag, [tries])) : status(SW.referenceNotFound);
    case 0x9f14:
    case 0x9f23:
      return limits ? answer(item(tag, [tag === 0x9f14 ? lower : upper])) : status(SW.referenceNotFound);
    default:
      return status(SW.referenceNotFound);
  }
}

function internalAuthenticate({ chip, store, now }: Work, { p1, p2, data }: Apdu): Answer {
  if (p1 !== 0 || p2 !== 0) return status(SW.wrongP1P2);
  const key = keyOf(store.files, DGI.iccKey);
  const may = ((aipOf(store.files)[0] ?? 0) & 0x20) !== 0;
  if (now.phase !== "started" || key === undefined || !may) return status(SW.conditionsNotSatisfied);
  const list = inRecords(store.files, 0x9f49);
  if (data.length !== (list === undefined ? ddolLength : wantedBy(list)?.length))
    return status(SW.wrongLength);
  now.signed = true;
  return answer(item(0x80, signedDynamicData(chip, key, join([8], chip.random(8)), data.slice())));
}

/** Answer to SELECT of an application that tells of itself. */
export const fciOf = (app: Application, template: Uint8Array): Uint8Array =>
  item(0x6f, item(0x84, app.aid), template.length > 0 ? template : none);
