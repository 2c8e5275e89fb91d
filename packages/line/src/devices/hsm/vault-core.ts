/** The vault inside its process: every operation of the port, on the open keys. */
import { concat, equalConstantTime, unhex } from "@persoline/card/bytes";
import { seededBytes } from "@persoline/card/emv";
import { nodeCrypto } from "@persoline/card/node";
import type { SealedSecrets, SessionId } from "@persoline/card/program";
import { random, randomDigits } from "./draw.js";
import { proveIssuerFile, takeIssuerRecords } from "./issuer-data.js";
import type { Keyring } from "./keyring.js";
import { VaultRefusal } from "./vault-refusal.js";
import { sealLetter } from "./letter.js";
import { storeLetters } from "./letter-files.js";
import { IccKeys } from "./payment/icc-keys.js";
import { encipherPin, judgeCryptogram, paymentScripts } from "./payment/online.js";
import { preparePayment } from "./payment/prepare.js";
import { wipeCard } from "./payment/sealed-card.js";
import { openedPayment } from "./payment/session.js";
import { judgeTrack2, stripeAgain } from "./payment/tracks.js";
import { type CapabilityReport, type Hsm, lettersAtOnce, paymentsAtOnce } from "./port.js";
import { probeProcess } from "./probes.js";
import { pinFrom } from "./payment/pin-source.js";
import { seal, unseal } from "./seal.js";
import { proofOf } from "./session-parts.js";
import { type CardSession, openCardSession } from "./sessions.js";

/** The port's calls; all but the writing of letters and the preparation of payment cards are answered at once. */
export type VaultCalls = {
  [Name in Exclude<keyof Hsm, "name" | "kind" | "close" | "writeLetters" | "preparePayment">]: (
    ...args: Parameters<Hsm[Name]>
  ) => Awaited<ReturnType<Hsm[Name]>>;
} & Pick<Hsm, "writeLetters" | "preparePayment">;

/** Cards in hand at one time, over all heads; more means that somebody forgets to close. */
const SESSIONS_AT_MOST = 1024;

/** No card's keys are kept longer, whoever forgot to close its session. */
const SESSION_LIFE_MS = 30 * 60_000;

export function vaultCalls(
  ring: Keyring,
  { provider, operations }: Pick<CapabilityReport, "provider" | "operations"> = {
    provider: "vault",
    operations: probeProcess(),
  },
): VaultCalls & { wipe(): void } {
  const sessions = new Map<
    number,
    { card: CardSession; secrets: SealedSecrets | undefined; since: number; passes: number }
  >();
  const mutual = new Map<number, Uint8Array>();
  let next = 1;

  const room = (map: Map<number, unknown>): number => {
    if (map.size >= SESSIONS_AT_MOST) {
      throw new VaultRefusal(`${map.size} sessions are open: close those that are done`);
    }
    return next++;
  };
  /** Nothing has left for a card yet: what a lost connection broke is computed anew, with keys found again. */
  const again = <T>(work: () => T): T => {
    try {
      return work();
    } catch (problem) {
      if (!ring.revived(problem)) throw problem;
      return work();
    }
  };
  const iccKeys = new IccKeys((length) => again(() => random(length)));
  const sessionOf = (id: SessionId) => {
    const session = sessions.get(id);
    if (session === undefined) throw new VaultRefusal(`there is no session ${id}`);
    return session;
  };
  const close = (id: SessionId): void => {
    sessions.get(id)?.card.close();
    sessions.delete(id);
  };

  return {
    capabilities: (): CapabilityReport => ({
      provider,
      environment: ring.environment,
      operations,
      office: ring.office,
      iccKeys: iccKeys.figures(),
    }),
    keys: () => ring.describe(),

    openSession: ({ channel, serial, secrets }) => {
      const card = again(() => {
        if (secrets !== undefined) judgeSeals(ring, secrets);
        return openCardSession(ring, channel, serial);
      });
      const since = performance.now();
      for (const [old, { since: opened }] of sessions)
        if (since - opened > SESSION_LIFE_MS) close(old as SessionId);
      const id = room(sessions) as SessionId;
      sessions.set(id, { card, secrets, since, passes: 0 });
      return { session: id, open: card.open };
    },
    authenticate: ({ session: id, answer, steps }) => {
      let done: ReturnType<CardSession["authenticate"]> | undefined;
      try {
        const session = sessionOf(id);
        const { card, secrets } = session;
        session.passes++;
        try {
          done = card.authenticate(answer, steps, secrets);
        } catch (problem) {
          // What a lost connection broke is computed anew while nothing has left that rests on it.
          if (!ring.revived(problem) || session.passes > 1) throw problem;
          card.close();
          done = card.authenticate(answer, steps, secrets);
        }
        return done;
      } finally {
        if (done?.ok !== true) close(id);
      }
    },
    unwrap: ({ session: id, answers }) => {
      try {
        return sessionOf(id).card.unwrap(answers);
      } finally {
        close(id);
      }
    },
    closeSession: close,

    openMutual: ({ keys, kid, serial, cardChallenge }) => {
      const id = room(mutual);
      const chip = unhex(serial);
      const challenge = again(() => random(16));
      const host = concat(Uint8Array.of(0x03), chip, cardChallenge, challenge);
      const card = concat(Uint8Array.of(0x04), chip, challenge, cardChallenge);
      const [proof, expected] = again(() =>
        proofOf(ring, { keys, kid, serial, purpose: "check" }, host, card),
      );
      if (proof === undefined || expected === undefined) throw new VaultRefusal("no proof was made");
      mutual.set(id, expected);
      return { session: id, data: concat(challenge, proof) };
    },
    judgeMutual: ({ session: id, answer }) => {
      const expected = mutual.get(id);
      mutual.delete(id);
      if (expected === undefined) throw new VaultRefusal(`there is no mutual authentication ${id}`);
      return equalConstantTime(expected, answer) ? "right" : "wrong";
    },

    drawPin: ({ order, record, name, length, by, seed }) => {
      if (!Number.isInteger(length) || length < 4 || length > 12) {
        throw new VaultRefusal(`a PIN has 4 to 12 digits (ISO 9564-1), not ${length}`);
      }
      if (seed !== undefined && ring.environment === "live")
        throw new VaultRefusal("live cards have PINs of chance: a seed makes test cards only");
      const source =
        seed === undefined
          ? undefined
          : seededBytes(nodeCrypto, `${seed}/PIN/${order}/${String(record)}/${name}`);
      return again(() => {
        const digits = by === undefined ? randomDigits(length, source) : pinFrom(ring, by, length);
        try {
          return seal(ring.sealing(), { purpose: "pin", order, record, name }, digits);
        } finally {
          digits.fill(0);
        }
      });
    },
    writeLetters: async (asks) => {
      if (asks.length > lettersAtOnce) {
        throw new VaultRefusal(`${asks.length} letters at once: at most ${lettersAtOnce}`);
      }
      const letters = asks.map(({ order, record, name, sealed, letter, addressee, file }) => {
        const digits = again(() => unseal(ring.sealing(), { purpose: "pin", order, record, name }, sealed));
        const content = sealLetter(ring.letterPrinter(), { letter, order, addressee }, digits);
        digits.fill(0);
        return { letter, file, content };
      });
      await storeLetters(letters);
    },

    proveIssuerFile: (ask) => (proveIssuerFile(ring, ask) ? "right" : "wrong"),
    takeIssuerRecords: (ask) => takeIssuerRecords(ring, ask),

    preparePayment: async (asks) => {
      if (asks.length > paymentsAtOnce)
        throw new VaultRefusal(`${asks.length} payment cards at once: at most ${paymentsAtOnce}`);
      return Promise.all(asks.map((ask) => preparePayment(ring, iccKeys, again, ask)));
    },
    drawIccKeysAhead: (ask) => iccKeys.ahead(ask),
    judgeCryptogram: (ask) => again(() => judgeCryptogram(ring, ask)),
    paymentScripts: (ask) => again(() => paymentScripts(ring, ask)),
    judgeTrack2: (ask) => again(() => judgeTrack2(ring, ask)),
    stripeAgain: (ask) => again(() => stripeAgain(ring, ask)),
    encipherPin: (ask) => again(() => encipherPin(ring, ask)),

    createDataKey: (order) => {
      return again(() => {
        const key = random(32);
        try {
          return seal(ring.sealing(), { purpose: "data-key", order }, key);
        } finally {
          key.fill(0);
        }
      });
    },
    releaseDataKey: ({ order, sealed }) =>
      again(() => unseal(ring.sealing(), { purpose: "data-key", order }, sealed)),

    sign: (purpose, bytes) => again(() => ring.sign(marked(purpose, bytes))),
    verify: (purpose, bytes, signature) => ring.verify(marked(purpose, bytes), signature),
    random: (length) => again(() => random(length)),
    wipe: () => {
      for (const { card } of sessions.values()) card.close();
      sessions.clear();
      mutual.clear();
      iccKeys.close();
      ring.wipe();
    },
  };
}

/** Each PIN must be the one that was drawn for this record: better told before the card hears the first command than in the middle. */
function judgeSeals(ring: Keyring, secrets: SealedSecrets): void {
  const { order, record, pins, issuer = {}, payment = {} } = secrets;
  const sealing = ring.sealing();
  for (const application of Object.keys(payment)) wipeCard(openedPayment(ring, secrets, application).secrets);
  for (const [name, sealed] of Object.entries(issuer)) {
    unseal(sealing, { purpose: "issuer-dgi", order, record, name }, sealed).fill(0);
  }
  for (const [name, sealed] of Object.entries(pins)) {
    unseal(sealing, { purpose: "pin", order, record, name }, sealed).fill(0);
  }
}

/** A signature for one purpose is none for another. */
const marked = (purpose: string, bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`persoline ${purpose}\n`), bytes]);
