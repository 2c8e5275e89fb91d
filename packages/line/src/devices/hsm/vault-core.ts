/** The vault inside its process: every operation of the port, on the open keys. */
import { concat, equalConstantTime, unhex } from "@persoline/card/bytes";
import { seededBytes } from "@persoline/card/emv";
import { nodeCrypto } from "@persoline/card/node";
import {
  asksIssuer,
  type Judge,
  type SealedSecrets,
  type SecureChannelSpec,
  type SessionId,
} from "@persoline/card/program";
import { random, randomDigits } from "./draw.js";
import { proveIssuerFile, takeIssuerRecords, WrappedValues } from "./issuer-data.js";
import { Held } from "./held.js";
import type { Keyring } from "./keyring.js";
import { VaultRefusal } from "./vault-refusal.js";
import { sealBatch } from "./letter.js";
import { hasAccountNumber } from "./letters/account-number.js";
import { storeBatch } from "./letters/files.js";
import type { Page } from "./letters/page.js";
import { IccKeys } from "./payment/icc-keys.js";
import { encipherPin, judgeCryptogram, paymentScripts } from "./payment/online.js";
import { preparePayment } from "./payment/prepare.js";
import { withOwnPin } from "./payment/session.js";
import { judgeTrack2, stripeAgain } from "./payment/tracks.js";
import {
  type CapabilityReport,
  type Hsm,
  type LetterPages,
  lettersABatch,
  type PaymentCardAsk,
  paymentsAtOnce,
  type PinSource,
} from "./port.js";
import { probeProcess } from "./probes.js";
import { pinFrom } from "./payment/pin-source.js";
import { type ListedCard, NO_CARD, OrderPolicies, pinSentence } from "./order-policy.js";
import { expectedProof } from "./proof.js";
import { accountTag, isUnlisted, listOf, seal, unseal } from "./seal.js";
import { proofOf } from "./session-parts.js";
import { type CardSession, openCardSession } from "./sessions.js";
import { swapOf } from "./swap.js";

/** The port's calls; all but the writing of letters and the preparation of payment cards are answered at once. */
export type VaultCalls = {
  [Name in Exclude<keyof Hsm, "name" | "kind" | "close" | "writeLetters" | "preparePayment">]: (
    ...args: Parameters<Hsm[Name]>
  ) => Awaited<ReturnType<Hsm[Name]>>;
} & Pick<Hsm, "writeLetters" | "preparePayment">;

/** Cards in hand at one time, over all heads; more means that somebody forgets to close. */
const SESSIONS_AT_MOST = 1024;

/** No card's keys are kept longer, whoever forgot to close its session; nor the answer that a card at a gate has to give. */
const SESSION_LIFE_MS = 30 * 60_000;
const MUTUAL_LIFE_MS = 2 * 60_000;

/** A card has fewer keys and groupings that prove themselves. */
const PROOFS_AT_ONCE = 256;

interface OpenSession {
  readonly card: CardSession;
  readonly channel: SecureChannelSpec;
  readonly order: string | undefined;
  readonly secrets: SealedSecrets | undefined;
  passes: number;
  /** Its commands were made. */
  isMade: boolean;
  /** The steps whose wrong verdicts are counted. */
  counted: readonly boolean[];
}

export function vaultCalls(
  ring: Keyring,
  { provider, operations }: Pick<CapabilityReport, "provider" | "operations"> = {
    provider: "vault",
    operations: probeProcess(),
  },
): VaultCalls & { wipe(): void } {
  const policies = new OrderPolicies(ring.environment, () => ring.policies, operations);
  let next = 1;
  const nextId = (): number => next++;
  const sessions = new Held<OpenSession>(nextId, {
    what: "session",
    most: SESSIONS_AT_MOST,
    lifeMs: SESSION_LIFE_MS,
    end: ({ card }) => card.close(),
  });
  const mutual = new Held<Uint8Array>(nextId, {
    what: "mutual authentication",
    most: SESSIONS_AT_MOST,
    lifeMs: MUTUAL_LIFE_MS,
    end: (expected) => expected.fill(0),
  });
  const proofs = new Held<readonly { readonly bytes: Uint8Array; readonly isCounted: boolean }[]>(nextId, {
    what: "proof",
    most: SESSIONS_AT_MOST,
    lifeMs: MUTUAL_LIFE_MS,
    end: (expected) => {
      for (const { bytes } of expected) bytes.fill(0);
    },
  });
  /** Nothing has left for a card yet: what a lost connection broke is computed anew, with keys found again. */
  const again = <T>(work: () => T): T => {
    try {
      return work();
    } catch (problem) {
      if (!ring.revived(problem)) throw problem;
      return work();
    }
  };
  /** What is said of a payment card is said of an open order's own. */
  const listedIn = ({ secrets, application }: PaymentCardAsk): ListedCard =>
    policies.payment(secrets, application);
  /** Gives a batch's pages to `work` and wipes their PINs. Throws VaultRefusal for letters that are not written. */
  const onPages = <T>({ order, letters }: LetterPages, work: (pages: readonly Page[]) => T): T => {
    if (letters.length === 0 || letters.length > lettersABatch)
      throw new VaultRefusal(`a batch has 1 to ${lettersABatch} letters, not ${letters.length}`);
    if (ring.environment === "live" && ring.lettersOf !== order)
      throw new VaultRefusal(
        `letters of live cards are written while two custodians stand for them, and none stood for order ${order}`,
      );
    const telling = letters.find(({ addressee }) => hasAccountNumber(addressee));
    if (telling !== undefined)
      throw new VaultRefusal(`letter ${telling.letter} would tell an account number beside its PIN`);
    const list = policies.letters(order);
    const pages: Page[] = [];
    try {
      for (const { record, name, sealed, letter, addressee } of letters) {
        // What a card drew goes into no other, and has its letter all the same.
        const listed = listOf(sealed) === NO_CARD ? { policy: NO_CARD } : list;
        const digits = again(() => unseal(ring, { purpose: "pin", order, record, name, ...listed }, sealed));
        pages.push({ letter, addressee, digits });
      }
      return work(pages);
    } finally {
      for (const { digits } of pages) digits.fill(0);
    }
  };
  const issuerValues = new WrappedValues();
  const iccKeys = new IccKeys((length) => again(() => random(length)));
  const close = (id: SessionId): void => sessions.close(id);

  return {
    capabilities: (): CapabilityReport => ({
      provider,
      environment: ring.environment,
      operations,
      office: ring.office,
      policies: { approved: ring.policies, open: policies.report() },
      swap: swapOf(),
      iccKeys: iccKeys.figures(),
    }),
    keys: () => ring.describe(),

    openSession: ({ channel, serial, secrets, order = secrets?.order }) => {
      if (secrets !== undefined && order !== secrets.order)
        throw new VaultRefusal(`secrets of order ${secrets.order} go into no card of order ${String(order)}`);
      const card = again(() => {
        if (secrets !== undefined) judgeSeals(ring, policies, secrets);
        return openCardSession(ring, channel, serial);
      });
      const id = sessions.add({
        card,
        channel,
        order,
        secrets,
        passes: 0,
        isMade: false,
        counted: [],
      }) as SessionId;
      return { session: id, open: card.open };
    },
    authenticate: ({ session: id, answer, steps }) => {
      let done: ReturnType<CardSession["authenticate"]> | undefined;
      try {
        const session = sessions.get(id);
        const { card, channel, order, secrets } = session;
        // A second time they would be other commands under the same keys and counters, for a card that has heard the first.
        if (session.isMade)
          throw new VaultRefusal(
            "the commands of this session were made already, and they are made once: it is closed, open another",
          );
        session.passes++;
        policies.allowAll(order, channel, steps);
        if (steps.some(({ judge }) => judge?.proof === "grouping"))
          throw new VaultRefusal("groupings are proved outside of a session only");
        session.counted = steps.map(({ judge }) => judge?.proof === "file");
        if (session.counted.includes(true)) policies.mayProve();
        try {
          done = card.authenticate(answer, steps, secrets);
        } catch (problem) {
          // What a lost connection broke is computed anew while nothing has left that rests on it.
          if (!ring.revived(problem) || session.passes > 1) throw problem;
          card.close();
          done = card.authenticate(answer, steps, secrets);
        }
        session.isMade = done.ok && "commands" in done;
        return done;
      } finally {
        if (done?.ok !== true) close(id);
      }
    },
    unwrap: ({ session: id, answers }) => {
      try {
        const { card, counted } = sessions.get(id);
        const unwrapped = card.unwrap(answers);
        unwrapped.answers.forEach(({ verdict }, at) => {
          if (counted[at] === true && verdict !== undefined) policies.countProof(verdict === "right");
        });
        return unwrapped;
      } finally {
        close(id);
      }
    },
    closeSession: close,

    openProof: ({ serial, judges, secrets }) => {
      if (judges.length === 0 || judges.length > PROOFS_AT_ONCE)
        throw new VaultRefusal(`${judges.length} proofs at once: 1 to ${PROOFS_AT_ONCE}`);
      // Whoever asks may be no program of ours.
      if (judges.some(({ proof }: Judge) => proof !== "internal" && proof !== "grouping"))
        throw new VaultRefusal("keys and groupings are proved outside of a session, and nothing else");
      policies.allowProofs(secrets?.order, judges);
      if (secrets !== undefined) again(() => judgeSeals(ring, policies, secrets));
      const challenges = judges.map(() => again(() => random(16)));
      const expected = judges.map((judge, at) => ({
        bytes: again(() => {
          const challenge = challenges[at] ?? new Uint8Array(0);
          return expectedProof(ring, judge, { serial, challenge, secrets, purpose: "check" });
        }),
        // Who names the content and hears whether the card has it could guess at what is short.
        isCounted: judge.proof === "grouping" || asksIssuer(judge),
      }));
      return { proof: proofs.add(expected), challenges };
    },
    judgeProof: ({ proof, answers }) => {
      try {
        const expected = proofs.get(proof);
        if (answers.length !== expected.length)
          throw new VaultRefusal(`${answers.length} answers came to ${expected.length} challenges`);
        return expected.map(({ bytes, isCounted }, at) => {
          const isRight = equalConstantTime(bytes, answers[at] ?? new Uint8Array(0));
          if (isCounted) policies.countProof(isRight);
          return isRight ? "right" : "wrong";
        });
      } finally {
        proofs.close(proof);
      }
    },

    openMutual: ({ keys, kid, serial, cardChallenge }) => {
      const chip = unhex(serial);
      const challenge = again(() => random(16));
      const host = concat(Uint8Array.of(0x03), chip, cardChallenge, challenge);
      const card = concat(Uint8Array.of(0x04), chip, challenge, cardChallenge);
      const [proof, expected] = again(() =>
        proofOf(ring, { keys, kid, serial, purpose: "check" }, host, card),
      );
      if (proof === undefined || expected === undefined) throw new VaultRefusal("no proof was made");
      return { session: mutual.add(expected), data: concat(challenge, proof) };
    },
    judgeMutual: ({ session: id, answer }) => {
      try {
        return equalConstantTime(mutual.get(id), answer) ? "right" : "wrong";
      } finally {
        mutual.close(id);
      }
    },

    drawPin: ({ order, record, name, length, by, seed, pan }) => {
      if (!Number.isInteger(length) || length < 4 || length > 12) {
        throw new VaultRefusal(`a PIN has 4 to 12 digits (ISO 9564-1), not ${length}`);
      }
      const { digest: policy } = policies.allow(
        order,
        pinSentence({ name, length, ...(by === undefined ? {} : { by }) }),
      );
      if (pan !== undefined && !/^[0-9]{12,19}$/.test(pan))
        throw new VaultRefusal(`order ${order}, record ${String(record)}: a PAN has 12 to 19 digits`);
      if (seed !== undefined && ring.environment === "live")
        throw new VaultRefusal("live cards have PINs of chance: a seed makes test cards only");
      const source =
        seed === undefined
          ? undefined
          : seededBytes(nodeCrypto, `${seed}/PIN/${order}/${String(record)}/${name}`);
      return again(() => {
        const sealing = ring.sealing();
        const account = pan === undefined ? "" : accountTag(sealing, pan, isOwn(by));
        const digits =
          by === undefined
            ? randomDigits(length, source)
            : pinFrom(ring, policies, by, { order, record, length, pan });
        try {
          return seal(ring, { purpose: "pin", order, record, name, policy, account }, digits);
        } finally {
          digits.fill(0);
        }
      });
    },
    writeLetters: async ({ batch, file, ...ask }) => {
      const content = onPages(ask, (letters) =>
        sealBatch(ring.letterPrinter(), (bytes) => again(() => ring.sign(bytes)), {
          batch,
          order: ask.order,
          letters,
        }),
      );
      await storeBatch({ batch, file, content });
    },
    tryLetters: (ask) => onPages(ask, () => void ring.letterPrinter()),

    proveIssuerFile: (ask) => (proveIssuerFile(ring, ask) ? "right" : "wrong"),
    takeIssuerRecords: (ask) => takeIssuerRecords(ring, ask, policies.digestFor(ask.order), issuerValues),

    preparePayment: async (asks) => {
      if (asks.length > paymentsAtOnce)
        throw new VaultRefusal(`${asks.length} payment cards at once: at most ${paymentsAtOnce}`);
      const listed = asks.map((ask) => ({ ask, list: policies.card(ask) }));
      return Promise.all(listed.map(({ ask, list }) => preparePayment(ring, iccKeys, again, ask, list)));
    },
    drawIccKeysAhead: (ask) => iccKeys.ahead(ask),
    judgeCryptogram: (ask) => again(() => judgeCryptogram(ring, listedIn(ask), ask)),
    paymentScripts: (ask) => again(() => paymentScripts(ring, listedIn(ask), ask)),
    judgeTrack2: (ask) => again(() => judgeTrack2(ring, listedIn(ask), ask)),
    stripeAgain: (ask) => again(() => stripeAgain(ring, listedIn(ask), ask)),
    encipherPin: (ask) => again(() => encipherPin(ring, listedIn(ask), ask)),

    createDataKey: ({ order, policy: sentences }) => {
      const policy = sentences === undefined ? NO_CARD : policies.judged(sentences);
      return again(() => {
        // On the disk before anything is sealed under them.
        ring.orders.create(order, ring.sealing());
        const key = random(32);
        try {
          return seal(ring, { purpose: "data-key", order, policy }, key);
        } finally {
          key.fill(0);
        }
      });
    },
    releaseDataKey: ({ order, sealed, policy: sentences }) => {
      if (sentences === undefined) {
        const key = again(() => unseal(ring, { purpose: "data-key", order }, sealed));
        policies.released(order, listOf(sealed));
        return key;
      }
      const policy = policies.judged(sentences);
      const unlisted = isUnlisted(sealed);
      const key = again(() => unseal(ring, { purpose: "data-key", order, policy, unlisted }, sealed));
      policies.fix(order, sentences, unlisted);
      policies.released(order, unlisted ? undefined : policy);
      return key;
    },
    havePinsEnded: ({ order }) => ring.orders.hasEnded(order, "delivery"),
    endPins: ({ order }) => (ring.orders.end(order, "delivery") ? "ended" : "ended-before"),
    endOrder: ({ order }) => {
      policies.end(order);
      const ended = [ring.orders.end(order, "delivery"), ring.orders.end(order, "erasure")];
      return ended.includes(true) ? "ended" : "ended-before";
    },

    sign: (purpose, bytes) => {
      if (!SIGNED.includes(purpose)) throw new VaultRefusal(`nothing is signed here as "${String(purpose)}"`);
      return again(() => ring.sign(marked(purpose, bytes)));
    },
    verify: (purpose, bytes, signature) => ring.verify(marked(purpose, bytes), signature),
    random: (length) => again(() => random(length)),
    wipe: () => {
      sessions.clear();
      mutual.clear();
      proofs.clear();
      iccKeys.close();
      ring.wipe();
    },
  };
}

/** Not the PIN that all have, nor one that came without an account (format 1): somebody else may know its digits. */
const isOwn = (by: PinSource | undefined): boolean =>
  by?.method !== "trivial" && (by?.method !== "issuer" || by.format !== 1);

/** Records of ceremonies are signed by the key office, letters and stripes where they are sealed, and none for whoever has the line's process. */
const SIGNED: readonly Parameters<Hsm["sign"]>[0][] = ["result", "audit"];

/** Each PIN must be the one that was drawn for this record: better told before the card hears the first command than in the middle. */
function judgeSeals(ring: Keyring, policies: OrderPolicies, secrets: SealedSecrets): void {
  const { order, record, pins, issuer = {}, payment = {} } = secrets;
  const policy = policies.of(order);
  const list = policy && { policy: policy.digest, unlisted: policy.unlisted };
  for (const application of Object.keys(payment))
    withOwnPin(ring, policies.payment(secrets, application), { secrets, application }, () => undefined);
  for (const [name, sealed] of Object.entries(issuer)) {
    unseal(ring, { purpose: "issuer-dgi", order, record, name, ...list }, sealed).fill(0);
  }
  for (const [name, sealed] of Object.entries(pins)) {
    unseal(ring, { purpose: "pin", order, record, name, ...list }, sealed).fill(0);
  }
}

/** A signature for one purpose is none for another. */
const marked = (purpose: string, bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`persoline ${purpose}\n`), bytes]);
