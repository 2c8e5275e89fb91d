/**
 * Whoever holds the line's process asks the module for more than the order's product says: the same requests for every provider. Each differs
 * from what the order lets be done in one thing.
 */
import { decodeResponse, encodeCommand } from "@persoline/card/apdu";
import { concat, hex, unhex } from "@persoline/card/bytes";
import { diversifyKdf3 } from "@persoline/card/globalplatform";
import type { PaymentProfile } from "@persoline/card/emv";
import { nodeCrypto, random } from "@persoline/card/node";
import type {
  KeyRef,
  Part,
  PaymentMasters,
  SealedSecrets,
  SecureChannelSpec,
  SecureStep,
  Serial,
} from "@persoline/card/program";
import { fabricateGlobalPlatform, makeVirtualCard, memoryStore } from "@persoline/card/virtual";
import type { NewKey } from "./ceremony.js";
import { pinSentence } from "./order-policy.js";
import { paymentSentences } from "./payment-sentences.js";
import { openOrder, placesOf } from "./order.test.data.js";
import { application, cardOf, keys, names, profileOf } from "./payment/payment-card.test.data.js";
import { pinBlockKeys } from "./payment/pin-blocks.test.data.js";
import type { Hsm } from "./port.js";

const ref = (name: string) => name as KeyRef;
const known = Uint8Array.from({ length: 16 }, (_, at) => 0x61 + 7 * at);
export const fab = unhex(keys.find(({ name }) => name === "gp-aes")?.published ?? "");
const ac2 = Uint8Array.from({ length: 16 }, (_, at) => 0x0d + 11 * at);
/** `known`: a key set that the attacker's own card has. */
export const hostileKeys: readonly NewKey[] = [
  ...keys,
  { name: "known", use: "scp03", published: hex(known) },
  { name: "issuer", use: "scp03" },
  { name: "gate", use: "application" },
  ...pinBlockKeys,
  { name: "pay-ac2", use: "emv-ac", published: hex(ac2) },
];

export const access = "A000000876020101";
export const channel: SecureChannelSpec = { protocol: "scp03", keys: ref("gp-aes"), kvn: 0x30, level: 0x03 };
export const pin: Part = { secret: "pin", pin: "pin", tries: 3 };
const gateKey: Part = { secret: "wrapped-key", keys: ref("gate"), kid: 1 };
const cardKeys: Part = {
  secret: "payment",
  application,
  part: { secret: "emv-keys", length: 48 },
  under: "dek",
};
const issuerSet: Part = { secret: "key-set", keys: ref("issuer"), kvn: 0x31 };

export const personalize = (aid: string): SecureStep => ({
  cla: 0x80,
  ins: 0xe6,
  p1: 0x20,
  p2: 0,
  data: [concat(Uint8Array.of(0, 0, aid.length / 2), unhex(aid), new Uint8Array(3))],
});
export const store = (dgi: number, length: number, part: Part, p1 = 0x68): SecureStep => ({
  cla: 0x80,
  ins: 0xe2,
  p1,
  p2: 0,
  data: [Uint8Array.of(dgi >> 8, dgi & 0xff, length), part],
});
const putKey = (part: Part, p1 = 0x00): SecureStep => ({
  cla: 0x80,
  ins: 0xd8,
  p1,
  p2: 0x81,
  data: [part],
  le: 256,
});
const select = (aid: string): SecureStep => ({ cla: 0, ins: 0xa4, p1: 4, p2: 0, data: [unhex(aid)] });

/** As the product has it. */
export const honest: readonly SecureStep[] = [
  personalize(access),
  store(0x8281, 16, pin),
  store(0x8101, 16, gateKey, 0xe8),
  personalize(application),
  store(0x8000, 48, cardKeys, 0xe8),
  putKey(issuerSet),
];

export interface Asked {
  readonly name: string;
  readonly steps: readonly SecureStep[];
  readonly by?: SecureChannelSpec;
  /** What is said, besides that it is not let be done. */
  readonly said: string;
}

/** Sessions of the order's own cards, with one thing changed. */
export const hostile: readonly Asked[] = [
  {
    name: "the PIN into a record that anyone reads",
    steps: [personalize(access), store(0x0101, 16, pin)],
    said: `PIN pin (3 tries) under DEK → ${access}, grouping 0101, STORE DATA 68`,
  },
  {
    name: "the PIN into such a record of the payment application",
    steps: [personalize(application), store(0x0101, 16, pin)],
    said: `${application}, grouping 0101`,
  },
  {
    name: "the PIN into its own grouping, but of another application",
    steps: [personalize("A0000000041010"), store(0x8281, 16, pin)],
    said: "A0000000041010, grouping 8281",
  },
  {
    name: "the PIN into the security domain itself",
    steps: [store(0x8281, 16, pin)],
    said: "A000000151000000 itself, grouping 8281",
  },
  {
    name: "the PIN's grouping said to be in clear: the card keeps what it gets",
    steps: [personalize(access), store(0x8281, 16, pin, 0x08)],
    said: "grouping 8281, STORE DATA 08",
  },
  {
    name: "the PIN with more tries",
    steps: [personalize(access), store(0x8281, 16, { ...pin, tries: 15 } as Part)],
    said: "PIN pin (15 tries)",
  },
  {
    name: "a card master key's card key into a record",
    steps: [personalize(access), store(0x0101, 16, gateKey)],
    said: `key gate/01 under DEK → ${access}, grouping 0101`,
  },
  {
    name: "another card key into the key's grouping",
    steps: [personalize(access), store(0x8101, 16, { ...gateKey, kid: 2 } as Part)],
    said: "key gate/02 under DEK",
  },
  {
    name: "the payment keys into a record",
    steps: [personalize(application), store(0x0101, 48, cardKeys)],
    said: `emv-keys of ${application} under DEK → ${application}, grouping 0101`,
  },
  {
    name: "the payment PIN, which this product's program never puts in",
    steps: [
      personalize(application),
      store(0x8010, 8, { ...cardKeys, part: { secret: "emv-pin", length: 8 } } as Part),
    ],
    said: `emv-pin of ${application} under DEK`,
  },
  {
    name: "the issuer's keys as another version",
    steps: [putKey({ ...issuerSet, kvn: 0x32 } as Part)],
    said: "key set issuer (aes-128, kdf3) as version 32",
  },
  {
    name: "the cards' own old keys put in as the issuer's",
    steps: [putKey({ ...issuerSet, keys: ref("known") } as Part)],
    said: "key set known",
  },
  {
    name: "a card whose session keys the attacker has",
    steps: [personalize(access), store(0x8281, 16, pin)],
    by: { ...channel, keys: ref("known") },
    said: "SCP03 of known (kdf3)",
  },
  {
    name: "the same grouping behind one that goes on",
    steps: [
      personalize(access),
      { cla: 0x80, ins: 0xe2, p1: 0x08, p2: 0, data: [unhex("0101FF0100")] },
      store(0x8281, 16, pin),
    ],
    said: "no place that could be told",
  },
  {
    name: "a selection in between",
    steps: [personalize(access), select("A0000000041010"), store(0x8281, 16, pin)],
    said: "no place that could be told",
  },
  {
    name: "a command that gives the value back",
    steps: [{ cla: 0x80, ins: 0xda, p1: 0x01, p2: 0x01, data: [pin] }],
    said: "no place that could be told (command 80 DA 01 01)",
  },
  {
    name: "after the last block, when the application has heard all",
    steps: [personalize(access), store(0x8101, 16, gateKey, 0xe8), store(0x8281, 16, pin)],
    said: "A000000151000000 itself",
  },
];

export const serial = "504C0102030400000077" as Serial;
const whose = { order: "H-1", record: 1 } as const;
const drawn = pinSentence({ name: "pin", length: 4 });
export const honestList: readonly string[] = [
  drawn,
  ...paymentSentences(application, names, profileOf()),
  ...placesOf(channel, honest),
];
const lax = (more: Asked): readonly string[] => [...honestList, ...placesOf(more.by ?? channel, more.steps)];

/** Opens the order and makes its secrets; its sealed data key. */
export async function prepare(hsm: Hsm, order: string, list: readonly string[]) {
  const place = { order, record: whose.record };
  await openOrder(hsm, order, list);
  const { pan } = cardOf(1);
  const sealedPin = await hsm.drawPin({ ...place, name: "pin", length: 4, pan });
  const profile = profileOf();
  const ask = { ...place, application, masters: names, profile, card: cardOf(1), pin: "pin", sealedPin };
  const [made] = await hsm.preparePayment([ask]);
  if (made === undefined) throw new Error("nothing was prepared");
  const payment = { masters: names, profile, card: cardOf(1), pin: "pin", sealed: made.sealed };
  const secrets = { ...place, pins: { pin: sealedPin }, payment: { [application]: payment } };
  return { ask, secrets } as const;
}

/** A card of the maker's, or of the attacker's; all that it heard. */
export function chip(keySet: Uint8Array) {
  const number = unhex(serial);
  const keySets = [{ kvn: 0x30, algorithm: "aes" as const, ...diversifyKdf3(nodeCrypto, keySet, number) }];
  const eeprom = memoryStore(fabricateGlobalPlatform({ chipNumber: number, keySets }));
  const card = makeVirtualCard({ eeprom, random, crypto: nodeCrypto });
  card.powerOn();
  const heard: number[] = [];
  const send = (command: Parameters<typeof encodeCommand>[0]) => {
    heard.push(command.ins);
    return decodeResponse(card.transmit(encodeCommand(command)) ?? new Uint8Array(0));
  };
  return { send, heard };
}

export interface Outcome {
  /** What the module said, or "made" when it secured the commands. */
  readonly said: string;
  /** INS of the commands that a card heard. */
  readonly heard: readonly number[];
}

/** One session with the card that is in the reader, as far as the module goes. */
export async function attempt(
  hsm: Hsm,
  { steps, by = channel }: Pick<Asked, "steps" | "by">,
  secrets: SealedSecrets | undefined,
  order?: string,
): Promise<Outcome> {
  const { send, heard } = chip("keys" in by && by.keys === ref("known") ? known : fab);
  try {
    const { session, open } = await hsm.openSession({
      channel: by,
      serial,
      ...(order === undefined ? {} : { order }),
      ...(secrets === undefined ? {} : { secrets }),
    });
    const ready = await hsm.authenticate({ session, answer: send(open), steps });
    if (!ready.ok || "more" in ready) throw new Error("no session");
    await hsm.closeSession(session);
    return { said: "made", heard };
  } catch (problem) {
    return { said: problem instanceof Error ? problem.message : "", heard };
  }
}

/** What the order lets be done, all of it. */
export const honestAttempt = (hsm: Hsm, secrets: SealedSecrets): Promise<Outcome> =>
  attempt(hsm, { steps: honest }, secrets);

const saidBy = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (problem: unknown) => (problem instanceof Error ? problem.message : ""),
  );

const open5 = new Uint8Array(5);
const { issuerKey } = profileOf();
/** Payment cards that let happen what the product's do not: no custodian has seen these. */
const laxer: readonly (readonly [string, Partial<PaymentProfile>, string])[] = [
  [
    "payment cards that ask for no PIN",
    { cvm: { x: 0, y: 0, rules: [{ method: "none", orNext: false, when: "always" }] } },
    `cardholders of ${application}: X 0, Y 0: none always`,
  ],
  [
    "payment cards that no terminal takes online",
    { actions: { default: open5, denial: open5, online: open5 } },
    "IAC 0000000000/0000000000/0000000000",
  ],
  ["payment cards that go on offline", { offlineLimits: { lower: 255, upper: 255 } }, "offline 255 to 255"],
  ["payment cards with more PIN tries", { pinTries: 15 }, "15 PIN tries"],
  ["payment cards of another service code", { serviceCode: "101" }, "service code 101"],
  ["payment cards that prove less", { proof: "sda" }, "proof sda"],
  [
    "payment cards with shorter keys",
    issuerKey === undefined ? {} : { issuerKey: { ...issuerKey, iccModulusBytes: 128 } },
    "proof cda with ICC keys of 1024 bits",
  ],
  [
    "payment cards of another cryptogram version",
    { cryptogram: { version: 10, keyIndex: 1, option: "A" } },
    "cryptogram 10",
  ],
  ["payment cards of what no sentence tells in words", { usage: unhex("FFC0") }, "all of it "],
];

/** Ways round the list: what is tried, what was said, and what must be. */
export async function waysRound(
  hsm: Hsm,
  { ask, secrets }: Awaited<ReturnType<typeof prepare>>,
): Promise<readonly { readonly way: string; readonly said: string; readonly expected: string }[]> {
  const [first] = hostile;
  if (first === undefined) throw new Error("no request");
  const list = lax(first);
  const open = honestList.toSorted();
  const sealed = await hsm.createDataKey({ order: whose.order, policy: open });
  const other = await prepare(hsm, "H-2", list);
  const masters: PaymentMasters = { ...names, ac: ref("pay-ac2") };
  const payment = secrets.payment[application];
  const exchanged = { ...secrets, payment: { [application]: { ...payment, masters } } } as SealedSecrets;
  const trivial = { method: "trivial", digits: "1234" } as const;
  const said = async (way: string, work: Promise<string>, expected: string) => ({
    way,
    said: await work,
    expected,
  });
  const keyOnly = { steps: [putKey(issuerSet)] };
  const status = { cla: 0x80, ins: 0xf0, p1: 0x80, p2: 0xff, data: [unhex("A000000151000000")] };
  const end = { steps: [status] };
  const opened = "cards are opened by SCP03 of";
  return Promise.all([
    said(
      "the order's data key with a longer list",
      saidBy(hsm.releaseDataKey({ order: whose.order, sealed, policy: list })),
      "made under another list of places",
    ),
    said(
      "a new data key for the order with a longer list",
      hsm
        .createDataKey({ order: whose.order, policy: list })
        .then((mine) => saidBy(hsm.releaseDataKey({ order: whose.order, sealed: mine, policy: list }))),
      "was opened with another list",
    ),
    said(
      "the PIN of this order with another one's list",
      attempt(hsm, first, { ...secrets, order: "H-2" }).then((end) => end.said),
      "belongs elsewhere",
    ),
    said(
      "secrets of this order in a session that is called another's",
      attempt(hsm, first, secrets, "H-2").then((end) => end.said),
      "secrets of order H-1 go into no card of order H-2",
    ),
    said(
      "keys, and no order",
      attempt(hsm, keyOnly, undefined).then((end) => end.said),
      "no order was named",
    ),
    said(
      "a card's end, and no order",
      attempt(hsm, end, undefined).then((how) => how.said),
      `no order was named, and without its list this is not done: ${opened} gp-aes`,
    ),
    said(
      "a card's end, for an order that is not open",
      attempt(hsm, end, undefined, "H-7").then((how) => how.said),
      `order H-7 is not open, and without its list this is not done: ${opened} gp-aes`,
    ),
    said(
      "a card's end by keys that are none of the order's",
      attempt(
        hsm,
        { ...end, by: { ...channel, keys: ref("issuer") } as SecureChannelSpec },
        undefined,
        "H-1",
      ).then((how) => how.said),
      `order H-1 does not let this be done, and nothing was sent: ${opened} issuer`,
    ),
    said(
      "a card's end at another level than the order's sessions have",
      attempt(hsm, { ...end, by: { ...channel, level: 0x01 } as SecureChannelSpec }, undefined, "H-1").then(
        (how) => how.said,
      ),
      `order H-1 does not let this be done, and nothing was sent: ${opened} gp-aes (kdf3), version 30, level 01`,
    ),
    said(
      "keys, for an order that is not open",
      attempt(hsm, keyOnly, undefined, "H-7").then((end) => end.said),
      "order H-7 is not open",
    ),
    said(
      "a PIN that everybody knows, for an order whose PINs are drawn",
      saidBy(hsm.drawPin({ ...whose, name: "pin", length: 4, by: trivial })),
      "PIN pin of 4 digits: 1234 for all",
    ),
    said(
      "a PIN of another length",
      saidBy(hsm.drawPin({ ...whose, name: "pin", length: 6 })),
      "PIN pin of 6 digits: drawn",
    ),
    said(
      "payment cards of other masters",
      saidBy(hsm.preparePayment([{ ...ask, masters }])),
      `payment application ${application}: ac pay-ac2`,
    ),
    ...laxer.map(([way, change, expected]) =>
      said(way, saidBy(hsm.preparePayment([{ ...ask, profile: profileOf(change) }])), expected),
    ),
    said(
      "a prepared card's profile exchanged",
      attempt(hsm, { steps: [] }, {
        ...secrets,
        payment: { [application]: { ...payment, profile: profileOf({ pinTries: 15 }) } },
      } as SealedSecrets).then((end) => end.said),
      "15 PIN tries",
    ),
    said(
      "a prepared card's masters exchanged",
      attempt(hsm, { steps: [] }, exchanged).then((end) => end.said),
      `payment application ${application}: ac pay-ac2`,
    ),
    said(
      "the other order goes on by its own list",
      attempt(hsm, first, other.secrets).then((end) => end.said),
      "made",
    ),
  ]);
}

/** In a new process of the module: the first list that is shown for an order does not open what another one's sealed. */
export async function afterRestart(
  hsm: Hsm,
  secrets: SealedSecrets,
): Promise<{ readonly said: string; readonly heard: readonly number[] }> {
  const [first] = hostile;
  if (first === undefined) throw new Error("no request");
  await openOrder(hsm, whose.order, lax(first));
  return attempt(hsm, first, secrets);
}
