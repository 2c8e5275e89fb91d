/** Payment cards filled by the vault's own code in this process, and played against a terminal: two writings of the specification meet. */
import { createCipheriv, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serialize } from "node:v8";
import { hex, unhex } from "@persoline/card/bytes";
import {
  applicationCryptogram,
  cardKeys,
  cardVerificationValue,
  type ModulePart,
  type OnlineRequest,
  parseTrack2,
  parseTrack2Equivalent,
  pinBlock2,
  pinVerificationValue,
  samplePayment,
  seededBytes,
} from "@persoline/card/emv";
import { drawRsaKey, nodeCrypto, random } from "@persoline/card/node";
import type { KeyRef, Part } from "@persoline/card/program";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { algorithmOf, issuerKeyOf } from "../ceremony.js";
import { drawFrom } from "../draw.js";
import { Keyring } from "../keyring.js";
import type { StoredKey } from "../keystore.js";
import { IccKeys, wipePair } from "./icc-keys.js";
import { isRsa } from "./issuer-key.js";
import type { PaymentAsk } from "../port.js";
import { seal, unseal } from "../seal.js";
import { sealingAlone } from "../seal.test.data.js";
import { anyPin, openOrderNow, placesOf } from "../order.test.data.js";
import { policyDigest } from "../order-policy.js";
import { paymentSentences } from "../payment-sentences.js";
import { createKeystore, openVault } from "../vault.js";
import { vaultCalls } from "../vault-core.js";
import {
  application,
  cardOf,
  channelOf,
  ibmKey,
  issuerPrivate,
  keyRead,
  keys,
  masters,
  type ModuleCalls,
  names,
  offsetNames,
  type Prepared,
  prepared,
  profileOf,
  type Scp,
  TestCard,
  withOffset,
} from "./payment-card.test.data.js";
import { machineIn, someLine } from "../machine.test.data.js";
import { NotOfTheLine } from "../sealed-box.js";
import { openStripe, sealStripe } from "./stripe.js";

const encoder = generateKeyPairSync("x25519");
const line = someLine();
const machine = { own: encoder.privateKey, lines: [line.open] };
const sealing = Uint8Array.from({ length: 32 }, (_, at) => at * 7);

let known: ReturnType<typeof issuerKeyOf> | undefined;
/** Drawn once: it takes a tenth of a second. */
const issuerKey: typeof issuerKeyOf = (algorithm, seed) => {
  known ??= issuerKeyOf(algorithm, seed);
  return known;
};

function ringOf(
  change: (key: StoredKey) => StoredKey = (key) => key,
  environment: "test" | "live" = "test",
): Keyring {
  const common = { environment, published: false } as const;
  const stored = keys.map((key): StoredKey => {
    const described = { ...common, name: key.name as KeyRef, use: key.use, algorithm: algorithmOf(key) };
    const { algorithm } = described;
    if (isRsa(algorithm)) return { ...described, ...issuerKey(algorithm, key.seed) };
    return { ...described, value: unhex(key.published ?? "") };
  });
  const own: StoredKey[] = [
    { ...line.stored, ...common },
    {
      ...common,
      name: "store-seal" as KeyRef,
      use: "seal",
      algorithm: "AES-256",
      value: sealing,
    },
    {
      ...common,
      name: "stripe-encoder" as KeyRef,
      use: "stripe-encoder",
      algorithm: "X25519",
      value: encoder.publicKey.export({ format: "der", type: "spki" }),
    },
  ];
  return new Keyring(environment, [...stored, ...own].map(change));
}

let ring: Keyring;
let calls: ReturnType<typeof vaultCalls>;
beforeEach(() => {
  ring = ringOf();
  calls = vaultCalls(ring);
});
afterEach(() => {
  drawFrom();
  calls.wipe();
});

/** The stream of a seed, as the module's threads have it. */
const seedBytes = (seed: string) => seededBytes(nodeCrypto, seed);

const pinOf = ({ secrets }: Prepared): Uint8Array =>
  unseal(
    ring,
    { purpose: "pin", order: "P-1", record: secrets.record, name: "pin" },
    secrets.pins["pin"] ?? unhex(""),
  ).map((code) => code - 0x30);

describe("a whole card", () => {
  test.each<[Scp, "none" | "sda" | "dda" | "cda", 10 | 18]>([
    ["scp02", "cda", 18],
    ["scp03", "cda", 18],
    ["scp02", "dda", 10],
    ["scp03", "dda", 10],
    ["scp03", "sda", 18],
    ["scp02", "none", 10],
  ])(
    "%s, %s, cryptogram version %i: approved online, scripts done, PIN right",
    async (scp, proof, version) => {
      const profile = profileOf({
        proof,
        cryptogram: { version, keyIndex: 1, option: version === 10 ? "A" : "B" },
      });
      const ready = await prepared(calls, { profile });
      const card = new TestCard(scp);
      await card.personalize(calls, ready);
      const result = await card.transact(calls, ready);
      expect([result.outcome, result.evidence.filter(({ result }) => result === "failed")]).toEqual([
        "approved online",
        [],
      ]);
      expect(result.evidence.filter(({ step }) => step === "script").map(({ result }) => result)).toEqual([
        "ok",
        "ok",
        "ok",
      ]);
      const hasKey = proof === "dda" || proof === "cda";
      const verified = hasKey ? await card.verify(calls, ready, keyRead(result, ready)) : "no key";
      expect(verified).toBe(hasKey ? "9000" : "no key");
    },
  );

  test("a card that answers with another cryptogram is declined, and gets no script", async () => {
    const ready = await prepared(calls);
    const card = new TestCard("scp03");
    await card.personalize(calls, ready);
    const altered = (request: OnlineRequest): OnlineRequest => ({
      ...request,
      cryptogram: request.cryptogram.map((byte, at) => (at === 7 ? byte ^ 1 : byte)),
    });
    const result = await card.transact(calls, ready, altered);
    expect(result.outcome).toBe("declined online");
    const { first } = result;
    if (first === undefined) throw new Error("no cryptogram");
    const request = altered({ ...first, ...cardOf(1) });
    expect(() => calls.paymentScripts({ ...ready, application, request })).toThrow("no script is made");
  });

  test("the issuer answers the record's own card, in its first transactions, and no other", async () => {
    const ready = await prepared(calls);
    const card = new TestCard("scp03");
    await card.personalize(calls, ready);
    const { first } = await card.transact(calls, ready);
    if (first === undefined) throw new Error("no cryptogram");
    const { pan, psn } = cardOf(1);
    const request: OnlineRequest = { ...first, pan, psn };
    const scripts = ({ secrets }: Pick<Prepared, "secrets">, said = request) =>
      calls.paymentScripts({ secrets, application, request: said });
    expect(scripts(ready).map(({ ins }) => ins)).toEqual([0x24, 0x24, 0xda]);
    // Another record's card has another PIN.
    const other = await prepared(calls, { record: 2 });
    expect(calls.judgeCryptogram({ ...other, application, request })).toEqual({ verdict: "wrong" });
    expect(() => scripts(other)).toThrow("or of another card: no script is made for it");
    // A PIN that was sealed for another record.
    const moved = { ...ready.secrets, pins: other.secrets.pins };
    expect(() => scripts({ secrets: moved })).toThrow("belongs elsewhere");
    // A card that is in use: its seventeenth transaction, under the right key.
    const { ac } = cardKeys(nodeCrypto, masters, cardOf(1), "B");
    const later = (atc: number): OnlineRequest => {
      const data = { ...request.data, atc: Uint8Array.of(0, atc) };
      return { ...request, data, cryptogram: applicationCryptogram(nodeCrypto, ac, 18, data) };
    };
    expect(scripts(ready, later(16))).toHaveLength(3);
    expect(() => scripts(ready, later(17))).toThrow("no script is made for it");
  });

  test.each([
    ["integrity", 16, "instruction 24: 6988"],
    ["confidentiality", 32, "instruction 24: 6A80"],
  ] as const)("a card with another key of scripts' %s refuses the PIN that it has", async (_, key, said) => {
    const ready = await prepared(calls);
    const card = new TestCard("scp03", [{ kind: "stores-wrong", grouping: 0x8000, byte: key + 3 }]);
    await card.personalize(calls, ready);
    const { evidence } = await card.transact(calls, ready);
    expect(evidence.filter(({ step }) => step === "script")).toEqual([
      { step: "script", result: "failed", detail: said },
    ]);
  });

  test("the stripe opens at its encoder only, for its record only, and says what chip and PIN say", async () => {
    const ready = await prepared(calls, { stripe: true });
    const content = ready.stripe ?? "";
    const place = { order: "P-1", record: 1 };
    const tracks = openStripe(machine, place, content);
    const { pan, expiry, name } = cardOf(1);
    const told = parseTrack2(tracks.track2);
    const pvv = pinVerificationValue(nodeCrypto, masters.pvk, { pan, keyIndex: 1, pin: pinOf(ready) });
    const cvv = cardVerificationValue(nodeCrypto, masters.cvk, { pan, expiry, serviceCode: "201" });
    expect(told).toEqual({ pan, expiry, serviceCode: "201", discretionary: `1${pvv}${cvv}` });
    expect(tracks.track1).toContain(`^${name}^`);
    expect(content).not.toContain(pan);
    expect(() => openStripe(machine, { ...place, record: 2 }, content)).toThrow(NotOfTheLine);
    const { privateKey: own } = generateKeyPairSync("x25519");
    expect(() => openStripe({ ...machine, own }, place, content)).toThrow("unable to authenticate");
    // Whoever has the encoder's public key, which is no secret, writes no stripe of his own with it.
    const somebody = someLine();
    const forged = sealStripe(encoder.publicKey, somebody.sign, place, tracks);
    expect(() => openStripe(machine, place, forged)).toThrow(NotOfTheLine);
    const { signature, ...unsigned } = JSON.parse(content) as { readonly signature: string };
    expect(() => openStripe(machine, place, JSON.stringify(unsigned))).toThrow("no signature");
    const moved = JSON.stringify({ ...(JSON.parse(forged) as object), signature });
    expect(() => openStripe(machine, place, moved)).toThrow(NotOfTheLine);
  });

  test("the module judges the chip's track 2 to the last digit, and makes the stripe again for a look at it", async () => {
    const ready = await prepared(calls, { stripe: true });
    const { secrets } = ready;
    const card = new TestCard("scp03");
    await card.personalize(calls, ready);
    const { data } = await card.transact(calls, ready);
    const track2 = data.get(0x57) ?? unhex("");
    const judged = (said: Uint8Array, whose = secrets): string =>
      calls.judgeTrack2({ secrets: whose, application, track2: said });
    expect(judged(track2)).toBe("right");
    for (let at = 0; at < track2.length; at++)
      expect([at, judged(track2.map((byte, one) => (one === at ? byte ^ 1 : byte)))]).toEqual([at, "wrong"]);
    expect(judged(track2.subarray(0, -1))).toBe("wrong");
    const other = await prepared(calls, { record: 2 });
    expect(judged(track2, other.secrets)).toBe("wrong");
    // The record's own account with another record's PIN has another PVV, and its seal says so.
    expect(() => judged(track2, { ...secrets, pins: other.secrets.pins })).toThrow("belongs elsewhere");
    const place = { order: "P-1", record: 1 };
    const again = calls.stripeAgain({ secrets, application });
    expect(openStripe(machine, place, again)).toEqual(openStripe(machine, place, ready.stripe ?? ""));
    expect(() => openStripe(machine, { ...place, record: 2 }, again)).toThrow(NotOfTheLine);
  });

  test.each([4, 6])("with an offset of %i digits, which by itself leads back to the PIN", async (length) => {
    const profile = profileOf(withOffset(length));
    const ready = await prepared(calls, { profile, masters: offsetNames, stripe: true, pin: { length } });
    const card = new TestCard("scp03");
    await card.personalize(calls, ready);
    const result = await card.transact(calls, ready);
    expect(result.outcome).toBe("approved online");
    expect(await card.verify(calls, ready, keyRead(result, ready))).toBe("9000");
    const { pan } = cardOf(1);
    const place = { order: "P-1", record: 1 };
    const chip = parseTrack2Equivalent(result.data.get(0x57) ?? unhex("")).discretionary;
    const stripe = parseTrack2(openStripe(machine, place, ready.stripe ?? "").track2).discretionary;
    expect([chip.length, chip.slice(0, -3)]).toEqual([1 + length + 3, stripe.slice(0, -3)]);
    // Not through the code that made it: one block of triple DES, its digits above nine less ten.
    const cipher = createCipheriv("des-ede", ibmKey, null).setAutoPadding(false);
    const block = cipher.update(`${pan.slice(-13, -1)}FFFF`, "hex", "hex");
    const natural = Array.from(block.slice(0, length), (digit) => Number.parseInt(digit, 16) % 10);
    const pin = natural.map((digit, at) => (digit + Number(chip[1 + at])) % 10);
    expect([chip[0], pin]).toEqual(["2", [...pinOf(ready)]]);
  });

  test("no answer of the module holds a key or the PIN", async () => {
    const said: Buffer[] = [];
    const recording = Object.fromEntries(
      Object.entries(calls).map(([name, call]) => [
        name,
        async (...args: unknown[]) => {
          const answer: unknown = await (call as (...args: unknown[]) => unknown)(...args);
          said.push(serialize(answer));
          return answer;
        },
      ]),
    ) as unknown as ModuleCalls;
    const ready = await prepared(recording, { stripe: true, seed: "leaks" });
    const card = new TestCard("scp03");
    const { sent, behind } = await card.personalize(recording, ready);
    const result = await card.transact(recording, ready);
    await card.verify(recording, ready, keyRead(result, ready));
    const whose = cardOf(1);
    const { ac, smi, smc } = cardKeys(nodeCrypto, masters, whose, "B");
    const { privateKey } = drawRsaKey({
      bits: 1152,
      exponent: 3,
      random: seedBytes(`leaks/ICC key/P-1/1/${application}`),
    });
    const pin = pinOf(ready);
    // Behind the session's encryption too, nothing but the data encryption key hides what goes into the card.
    expect(behind.some((data) => hex(data).startsWith("800030"))).toBe(true);
    const everything = Buffer.concat([...said, ...behind]);
    for (const data of sent) expect(everything.includes(Buffer.from(data))).toBe(true);
    const secrets = [
      masters.ac,
      masters.smi,
      masters.smc,
      masters.cvk,
      masters.pvk,
      ac,
      smi,
      smc,
      privateKey.p,
      privateKey.q,
      privateKey.dp,
      privateKey.dq,
      privateKey.qInverse,
      new Uint8Array(issuerPrivate),
      pinBlock2(pin),
    ];
    const text = everything.toString("latin1").toUpperCase();
    expect(
      secrets.filter((one) => everything.includes(Buffer.from(one)) || text.includes(hex(one))),
    ).toHaveLength(0);
    // The pair is the one that the card has: the search looked for the right thing.
    expect(hex(keyRead(result, ready).modulus)).toBe(
      hex(
        drawRsaKey({ bits: 1152, exponent: 3, random: seedBytes(`leaks/ICC key/P-1/1/${application}`) })
          .publicKey.modulus,
      ),
    );
  });
});

describe("what is refused", () => {
  const askOf = (change: Partial<PaymentAsk> = {}): PaymentAsk => {
    const order = "R-1";
    // Whatever a product's list says: these are refused for their own reasons.
    const named = [names, change.masters ?? names].flatMap((one) =>
      paymentSentences(change.application ?? application, one, change.profile ?? profileOf()),
    );
    const list = [...anyPin(), ...named];
    openOrderNow(calls, order, list);
    const card = cardOf(1);
    const sealedPin = calls.drawPin({ order, record: 1, name: "pin", length: 4, pan: card.pan });
    return {
      order,
      record: 1,
      application,
      masters: names,
      profile: profileOf(),
      card,
      pin: "pin",
      sealedPin,
      ...change,
    };
  };
  const ref = (name: string) => name as KeyRef;

  test.each<[string, Partial<PaymentAsk>, RegExp]>([
    [
      "a key for another purpose",
      { masters: { ...names, ac: ref("pay-smi") } },
      /is for emv-smi, not for emv-ac/,
    ],
    ["a master that is not there", { masters: { ...names, cvk: ref("none") } }, /there is no key none/],
    ["no issuer's key", { masters: { ...names, issuer: undefined } as never }, /needs an issuer's RSA key/],
    ["another application", { application: "A000000001" }, /another one than the profile's/],
    [
      "another key's certificate",
      {
        profile: samplePayment({
          ...(profileOf().issuerKey ?? ({} as never)),
          certificate: {
            ...(profileOf().issuerKey?.certificate ?? ({} as never)),
            remainder: new Uint8Array(36),
          },
        }),
      },
      /not of key pay-issuer/,
    ],
    ["a PAN that is none", { card: { ...cardOf(1), pan: "9999010000000000" } }, /PAN/],
  ])("%s", async (_, change, message) => {
    await expect(calls.preparePayment([askOf(change)])).rejects.toThrow(message);
  });

  test("no text holds a PAN", async () => {
    const card = { ...cardOf(1), pan: "9999010000000000" };
    const problem = await calls.preparePayment([askOf({ card })]).catch(String);
    expect(problem).not.toContain("9999010000000000");
  });

  test("more than are taken at once", async () => {
    const asks = Array.from({ length: 65 }, () => askOf());
    await expect(calls.preparePayment(asks)).rejects.toThrow("at most 64");
  });

  test("a retired master makes no cards, and still judges those there are", async () => {
    const ready = await prepared(calls);
    const card = new TestCard("scp03");
    await card.personalize(calls, ready);
    const life = { state: "deactivated", since: "2027", source: "drawn", ceremony: "none", kcv: "" } as const;
    const retired = ringOf((key) => (key.name === "pay-ac" ? { ...key, life } : key));
    retired.orders = ring.orders;
    const later = vaultCalls(retired);
    const { secrets } = ready;
    openOrderNow(later, secrets.order, ready.list);
    const { pin, sealed: _, ...own } = secrets.payment[application] ?? ({} as never);
    const again = { ...own, order: secrets.order, record: secrets.record, application, pin };
    const sealedPin = secrets.pins["pin"] ?? unhex("");
    await expect(later.preparePayment([{ ...again, sealedPin }])).rejects.toThrow("it makes no new cards");
    expect((await card.transact(later, ready)).outcome).toBe("approved online");
    later.wipe();
  });

  test("a seed in live", async () => {
    const ring = ringOf((key) => key, "live");
    const ask = askOf({ seed: "known" });
    const list = [...anyPin(), ...paymentSentences(application, names, profileOf())];
    ring.policies = [{ name: "approved", digest: policyDigest(list) }];
    const live = vaultCalls(ring);
    openOrderNow(live, ask.order, list);
    await expect(live.preparePayment([ask])).rejects.toThrow("keys of chance");
    live.wipe();
  });

  test("a PIN that was sealed before PINs named accounts goes on in its order", async () => {
    const { secrets, list } = await prepared(calls);
    const { pin, sealed: _, ...own } = secrets.payment[application] ?? ({} as never);
    const place = { order: secrets.order, record: secrets.record };
    const before = { purpose: "pin", ...place, name: "pin", policy: policyDigest(list) } as const;
    const digits = Uint8Array.from([0x31, 0x32, 0x33, 0x34]);
    const sealedPin = seal(sealingAlone(sealing), before, digits);
    const ask = { ...own, ...place, application, pin };
    expect(await calls.preparePayment([{ ...ask, sealedPin }])).toHaveLength(1);
    // Named since, and for nobody: it is no card's.
    const nobodys = seal(sealingAlone(sealing), { ...before, account: "" }, digits);
    await expect(calls.preparePayment([{ ...ask, sealedPin: nobodys }])).rejects.toThrow("belongs elsewhere");
  });

  test("a sealed application of another record, another person or another product; before the card hears a thing", async () => {
    const relabelled = profileOf({ usage: unhex("FE00") });
    // A list with both: the seal has its own say.
    const both = { order: "P-4", more: paymentSentences(application, names, relabelled) };
    const one = await prepared(calls, both);
    const other = await prepared(calls, { ...both, record: 2 });
    const payment = one.secrets.payment[application];
    const foreign = other.secrets.payment[application];
    if (payment === undefined || foreign === undefined) throw new Error("nothing was prepared");
    const opening = (changed: typeof payment) => () =>
      calls.openSession({
        channel: { protocol: "scp03", keys: ref("gp-aes"), kvn: 0x30, level: 0x03 },
        serial: "00" as never,
        secrets: { ...one.secrets, payment: { [application]: changed } },
      });
    expect(opening({ ...payment, sealed: foreign.sealed })).toThrow("belongs elsewhere");
    expect(opening({ ...payment, card: foreign.card })).toThrow("prepared for other data");
    expect(opening({ ...payment, profile: relabelled })).toThrow("prepared for other data");
    expect(opening({ ...payment, card: { ...payment.card, name: "OTHER/NAME" } })).toThrow(
      "prepared for other data",
    );
    expect(opening(payment)).not.toThrow();
  });

  test.each<ModulePart>([
    { secret: "emv-keys", length: 48 },
    { secret: "emv-pin", length: 8 },
    { secret: "emv-icc-key", part: "p", length: 72 },
  ])("$secret in clear, hidden by nothing but the session", async (part) => {
    const card = new TestCard("scp03");
    const data: Part[] = [
      Uint8Array.of(0x01, 0x01, part.length),
      { secret: "payment", application, part, under: "clear" },
    ];
    const step = { cla: 0x80, ins: 0xe2, p1: 0x00, p2: 0x00, data };
    // Whoever wrote the order's list: this is no question of where.
    const more = placesOf(channelOf("scp03"), [step]);
    const ready = await prepared(calls, { order: "P-2", more });
    await expect(card.session(calls, [step], ready.secrets)).rejects.toThrow(
      `${part.secret} leaves under the session's data encryption key only`,
    );
  });

  test("the PIN is enciphered for the card's own key and no other", async () => {
    const { secrets } = await prepared(calls);
    const { publicKey } = drawRsaKey({ bits: 1152, exponent: 3, random });
    const challenge = new Uint8Array(8);
    expect(() => calls.encipherPin({ secrets, application, publicKey, challenge })).toThrow(
      "not of the pair that was drawn for the card",
    );
    const plain = await prepared(calls, { order: "P-5", profile: profileOf({ proof: "sda" }) });
    expect(() => calls.encipherPin({ ...plain, application, publicKey, challenge })).toThrow(
      "not of the pair that was drawn for the card",
    );
  });
});

describe("keys drawn ahead", () => {
  test("one seed, one card; no seed, never the same", async () => {
    const modulus = async (seed?: string): Promise<string> => {
      const ready = await prepared(calls, seed === undefined ? {} : { seed });
      const card = new TestCard("scp03");
      await card.personalize(calls, ready);
      return hex(keyRead(await card.transact(calls, ready), ready).modulus);
    };
    const [a, again, b, c, d] = [
      await modulus("a"),
      await modulus("a"),
      await modulus("b"),
      await modulus(),
      await modulus(),
    ];
    expect(again).toBe(a);
    expect(new Set([a, b, c, d]).size).toBe(4);
  });

  test("the pool fills, serves, fills again, and is counted", async () => {
    const figures = () => calls.capabilities().iccKeys.find(({ modulusBytes }) => modulusBytes === 144);
    const full = async () => {
      while (figures()?.ready !== 3) await new Promise((done) => setTimeout(done, 20));
    };
    expect(calls.drawIccKeysAhead({ modulusBytes: 144, size: 3 })).toMatchObject({ size: 3, ready: 0 });
    await full();
    expect(figures()).toEqual({ modulusBytes: 144, size: 3, ready: 3, drawn: 3, waited: 0 });
    await prepared(calls);
    expect(figures()?.ready).toBe(2);
    await full();
    expect(figures()).toMatchObject({ drawn: 4, waited: 0 });
    await Promise.all([1, 2, 3, 4, 5].map((record) => prepared(calls, { record })));
    expect(figures()?.waited).toBe(2);
    expect(() => calls.drawIccKeysAhead({ modulusBytes: 144, size: 5000 })).toThrow("4096");
    expect(() => calls.drawIccKeysAhead({ modulusBytes: 16, size: 1 })).toThrow("128 to 176");
  });

  test("a generator that repeats itself makes no card's key, now or ahead", async () => {
    openOrderNow(calls, "P-1", [...anyPin(), ...paymentSentences(application, names, profileOf())]);
    const { pan } = cardOf(1);
    const sealedPin = calls.drawPin({ order: "P-1", record: 1, name: "pin", length: 4, pan });
    drawFrom((length) => new Uint8Array(length).fill(7));
    const ask = { order: "P-1", record: 1, application, masters: names, pin: "pin", sealedPin };
    const stuck = { ...ask, profile: profileOf(), card: cardOf(1) };
    calls.drawIccKeysAhead({ modulusBytes: 144, size: 4 });
    await expect(calls.preparePayment([stuck, stuck])).rejects.toThrow("repeats itself");
    expect(calls.capabilities().iccKeys[0]?.ready ?? 0).toBeLessThanOrEqual(1);
  });
});

test("a thread that is given the same bytes twice: the second card gets no key that shares a prime with the first", async () => {
  const icc = new IccKeys((length) => new Uint8Array(length).fill(9), 1);
  const pair = await icc.take(128);
  await expect(icc.take(128)).rejects.toThrow("a prime number came a second time");
  wipePair(pair);
  expect(pair.privateKey.p.every((byte) => byte === 0)).toBe(true);
  icc.close();
  await expect(icc.take(128)).rejects.toThrow("closed");
});

test("a signature that went wrong never leaves: it would give the issuer's key away", async () => {
  const ring = ringOf();
  const right = ring.issuerSigner.bind(ring);
  ring.issuerSigner = (name) => {
    const signer = right(name);
    return {
      ...signer,
      sign: (block) => signer.sign(block).map((byte, at) => (at === 40 ? byte ^ 1 : byte)),
    };
  };
  const faulty = vaultCalls(ring);
  await expect(prepared(faulty)).rejects.toThrow(/signed static data|certificate/i);
  faulty.wipe();
});

test("a vault in a process of its own prepares, personalizes and judges, with its threads", async () => {
  const folder = mkdtempSync(join(tmpdir(), "persoline-payment-"));
  const file = join(folder, "keystore.json");
  const unlock = { keyFile: join(folder, "key") };
  await createKeystore({
    file,
    environment: "test",
    unlock,
    keys,
    letterPrinter: { writePrivateKeyTo: join(folder, "printer.pem") },
    stripeEncoder: { writePrivateKeyTo: join(folder, "encoder.pem") },
  });
  const hsm = await openVault({ file, unlock });
  onTestFinished(async () => {
    await hsm.close();
    rmSync(folder, { recursive: true });
  });
  await hsm.drawIccKeysAhead({ modulusBytes: 144, size: 2 });
  const ready = await prepared(hsm, { stripe: true });
  const card = new TestCard("scp03");
  await card.personalize(hsm, ready);
  const result = await card.transact(hsm, ready);
  expect(result.outcome).toBe("approved online");
  expect(await card.verify(hsm, ready, keyRead(result, ready))).toBe("9000");
  const machine = machineIn(join(folder, "encoder.pem"));
  expect(openStripe(machine, { order: "P-1", record: 1 }, ready.stripe ?? "").track2).toContain(
    cardOf(1).pan,
  );
  expect((await hsm.capabilities()).iccKeys).toMatchObject([{ modulusBytes: 144, size: 2 }]);
  const told = (await hsm.keys()).find(({ use }) => use === "emv-issuer");
  expect(told).toMatchObject({ algorithm: "RSA-1408", published: true, issuer: { exponent: "03" } });
});
