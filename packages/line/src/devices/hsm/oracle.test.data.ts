/**
 * Whoever holds the line's process asks the module what would tell a holder's PIN, or has it answer cards in the field: the same questions
 * for every provider. Each answer is a refusal, or what is said of every wrong card.
 */
import { applicationCryptogram, cardKeys, type OnlineRequest, pinBlock1 } from "@persoline/card/emv";
import { unhex } from "@persoline/card/bytes";
import { nodeCrypto } from "@persoline/card/node";
import type { KeyRef, SealedSecrets } from "@persoline/card/program";
import type { prepare } from "./hostile.test.data.js";
import { openOrder } from "./order.test.data.js";
import { pinSentence } from "./order-policy.js";
import { paymentSentences } from "./payment-sentences.js";
import {
  application,
  cardOf,
  issuerPublic,
  masters,
  offsetNames,
  profileOf,
  withOffset,
} from "./payment/payment-card.test.data.js";
import { pinBlockKeys } from "./payment/pin-blocks.test.data.js";
import type { Hsm, PinSource } from "./port.js";

type Own = Awaited<ReturnType<typeof prepare>>;
export interface Said {
  readonly way: string;
  readonly said: string;
  readonly expected: string;
}

const saidBy = (work: Promise<unknown>): Promise<string> =>
  work.then(
    (answer) => `answered: ${JSON.stringify(answer)}`,
    (problem: unknown) => (problem instanceof Error ? problem.message : ""),
  );
const asking = async (way: string, work: Promise<unknown>, expected: string): Promise<Said> => ({
  way,
  said: await saidBy(work),
  expected,
});

/** A right cryptogram of the n-th person's card, in its so manieth transaction. */
export function requestOf(n: number, atc: number): OnlineRequest {
  const { pan, psn } = cardOf(n);
  const data = {
    terminal: new Uint8Array(29),
    aip: unhex("7D00"),
    atc: Uint8Array.of(atc >> 8, atc & 0xff),
    issuerApplicationData: unhex("06011203A00000"),
  };
  const { ac } = cardKeys(nodeCrypto, masters, { pan, psn }, "B");
  return { pan, psn, version: 18, data, cryptogram: applicationCryptogram(nodeCrypto, ac, 18, data) };
}

/** All that the module says of a payment card and its PIN. */
const questions = (
  hsm: Hsm,
  secrets: SealedSecrets,
): readonly (readonly [string, () => Promise<unknown>])[] => {
  const card = { secrets, application };
  const request = requestOf(1, 1);
  return [
    ["judgeTrack2", () => hsm.judgeTrack2({ ...card, track2: new Uint8Array(19) })],
    ["stripeAgain", () => hsm.stripeAgain(card)],
    [
      "encipherPin",
      () => hsm.encipherPin({ ...card, publicKey: issuerPublic, challenge: new Uint8Array(8) }),
    ],
    ["judgeCryptogram", () => hsm.judgeCryptogram({ ...card, request })],
    ["paymentScripts", () => hsm.paymentScripts({ ...card, request })],
  ];
};

/** The order that the attacker makes up for himself: no list was ever fixed for it. */
export async function unopened(hsm: Hsm, { ask, secrets }: Own): Promise<readonly Said[]> {
  const order = "X-1";
  const expected = "order X-1 is not open";
  const guesses = ["0000", "0001", "9999"].map((digits) =>
    asking(
      `a PIN of one's own, ${digits}, to be tried on somebody's track 2`,
      hsm.drawPin({ order, record: 1, name: "pin", length: 4, by: { method: "trivial", digits } }),
      expected,
    ),
  );
  const cheap = { ...ask.profile, proof: "none" as const };
  return Promise.all([
    ...guesses,
    asking("any PIN", hsm.drawPin({ order, record: 1, name: "pin", length: 4 }), expected),
    asking(
      "somebody's card",
      hsm.preparePayment([{ ...ask, order, profile: cheap, card: cardOf(2) }]),
      expected,
    ),
    ...questions(hsm, { ...secrets, order }).map(([way, question]) =>
      asking(`${way} for an order that is not open`, question(), expected),
    ),
  ]);
}

/** Cards of others, right under the same masters: the issuer's host knows them, the line does not. */
export async function inTheField(hsm: Hsm, { secrets }: Own): Promise<readonly Said[]> {
  const wrong = 'answered: {"verdict":"wrong"}';
  const judged = (way: string, request: OnlineRequest, expected: string) =>
    asking(way, hsm.judgeCryptogram({ secrets, application, request }), expected);
  const scripts = (way: string, request: OnlineRequest, expected: string) =>
    asking(way, hsm.paymentScripts({ secrets, application, request }), expected);
  const own = requestOf(1, 1);
  return Promise.all([
    judged("the record's own card", own, 'answered: {"verdict":"right"'),
    scripts("scripts for it", own, "answered: ["),
    judged("another person's card", requestOf(2, 1), wrong),
    scripts("scripts for it", requestOf(2, 1), "no script is made for it"),
    judged("its cryptogram under the record's name", { ...requestOf(2, 1), ...cardOf(1) }, wrong),
    judged("another card of the same person", { ...own, psn: "02" }, wrong),
    judged("the record's card, when it is long in use", requestOf(1, 17), wrong),
    scripts("scripts for it: its tries given back", requestOf(1, 17), "no script is made for it"),
  ]);
}

/** In a new process, where the order was opened with another list than its secrets were made under. */
export const underAnotherList = (hsm: Hsm, { ask, secrets }: Own): Promise<readonly Said[]> => {
  const expected = "made under another list of places than the order's own";
  return Promise.all([
    asking("a card prepared anew with its PIN", hsm.preparePayment([ask]), expected),
    ...questions(hsm, secrets).map(([way, question]) =>
      asking(`${way} under another list`, question(), expected),
    ),
  ]);
};

/**
 * A PIN is one account's. With another account a known PIN would be tried on it, and beside an offset it would tell that account's natural
 * PIN at once.
 */
export async function otherAccounts(hsm: Hsm, { ask, secrets }: Own): Promise<readonly Said[]> {
  const { order, record } = secrets;
  const place = { order, record, name: "pin", length: 4 };
  const elsewhere = "belongs elsewhere";
  const foreign = await hsm.drawPin({ ...place, pan: cardOf(2).pan });
  const nobodys = await hsm.drawPin(place);
  const own = { ...secrets, pins: { pin: foreign } };
  const trivial = { method: "trivial", digits: "1234" } as const;
  const clear = pinBlock1(Uint8Array.of(1, 2, 3, 4), (length) => new Uint8Array(length).fill(5));
  const key = unhex(pinBlockKeys[0]?.published ?? "");
  const keys = "pin-des" as KeyRef;
  const block = nodeCrypto.des3(key).encrypt(clear);
  const without = { method: "issuer", keys, format: 1, block } as const;
  return Promise.all([
    asking("another account's PIN", hsm.preparePayment([{ ...ask, sealedPin: foreign }]), elsewhere),
    asking("nobody's PIN", hsm.preparePayment([{ ...ask, sealedPin: nobodys }]), elsewhere),
    ...questions(hsm, own)
      // These two need no PIN to refuse, or none at all.
      .filter(([way]) => way !== "judgeCryptogram" && way !== "encipherPin")
      .map(([way, question]) => asking(`${way} with another account's PIN`, question(), elsewhere)),
    asking(
      "a session with it",
      hsm.openSession({
        channel: { protocol: "scp03", keys: "gp-aes" as KeyRef, kvn: 0x30, level: 3 },
        serial: "504C0102030400000077" as never,
        secrets: own,
      }),
      elsewhere,
    ),
    asking("an offset", preparedWith(hsm, { ask, name: "H-O1" }), "answered: ["),
    asking("beside a PIN that all have", preparedWith(hsm, { ask, name: "H-O2", by: trivial }), elsewhere),
    asking("beside one of no account", preparedWith(hsm, { ask, name: "H-O3", by: without }), elsewhere),
    asking(
      "a PVV beside the PIN that all have",
      preparedWith(hsm, { ask, name: "H-O4", by: trivial, pvv: true }),
      "answered: [",
    ),
    asking(
      "a PVV under the key of offsets",
      preparedWith(hsm, { ask, name: "H-O5", pvv: true, masters: offsetNames }),
      "key pay-ibm is for ibm-3624, not for emv-pvk",
    ),
  ]);
}

/** Data preparation of the first person's card in an order of its own, whose list allows it. */
async function preparedWith(
  hsm: Hsm,
  how: {
    readonly ask: Own["ask"];
    readonly name: string;
    readonly by?: PinSource;
    readonly pvv?: boolean;
    readonly masters?: Own["ask"]["masters"];
  },
): Promise<unknown> {
  const { ask, name: order, by, pvv = false } = how;
  const { masters: named = pvv ? ask.masters : offsetNames } = how;
  const pin = { name: "pin", length: 4, ...(by === undefined ? {} : { by }) };
  const profile = profileOf(pvv ? {} : withOffset());
  await openOrder(hsm, order, [pinSentence(pin), ...paymentSentences(application, named, profile)]);
  const { pan } = ask.card;
  const sealedPin = await hsm.drawPin({ order, record: 1, pan, ...pin });
  const made = await hsm.preparePayment([{ ...ask, order, masters: named, profile, sealedPin }]);
  return made.map(({ sealed }) => sealed.length);
}
