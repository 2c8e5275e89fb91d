/** Payment cards and issuers' data with a SoftHSM token: masters, the issuer's RSA key and transport keys stay inside. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Command, decodeResponse, encodeCommand, type Response } from "@persoline/card/apdu";
import { concat, hex, unhex } from "@persoline/card/bytes";
import { cmac } from "@persoline/card/crypto";
import { cardKeys, samplePayment } from "@persoline/card/emv";
import { diversifyKdf3 } from "@persoline/card/globalplatform";
import { frameBody, parsePreamble } from "@persoline/card/issuer-data";
import { nodeCrypto, random } from "@persoline/card/node";
import {
  type KeyRef,
  type Part,
  proofPlacements,
  type SealedSecrets,
  type SecureChannelSpec,
  type Serial,
} from "@persoline/card/program";
import { fabricateGlobalPlatform, makeVirtualCard, memoryStore } from "@persoline/card/virtual";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { mustKeep } from "../../../app/protection.js";
import {
  application,
  cardOf,
  issuerKeyFor,
  keyRead,
  keys,
  masters,
  type ModuleCalls,
  names,
  offsetNames,
  prepared,
  profileOf,
  type Scp,
  TestCard,
  withOffset,
} from "../payment/payment-card.test.data.js";
import { drawIssuerKey, rsaNumbers } from "../payment/issuer-key.js";
import { machineIn } from "../machine.test.data.js";
import { openStripe } from "../payment/stripe.js";
import { deciphered } from "../enciphered.test.data.js";
import { anyPin, openOrder, placesOf } from "../order.test.data.js";
import { listed } from "../order-policy.js";
import { paymentSentences } from "../payment-sentences.js";
import type { Hsm } from "../port.js";
import { createTokenKeys, openToken, type TokenCeremony } from "./pkcs11.js";
import { softToken, type SoftToken } from "./softhsm.test.data.js";

interface IssuerVector {
  readonly id: string;
  readonly mode: string;
  readonly transport: string;
  readonly mac: string;
  readonly secrets: readonly string[];
  readonly file: string;
}
const { vectors } = JSON.parse(
  readFileSync(new URL("../../../../../card/vectors/issuer-data.json", import.meta.url), "utf8"),
) as { readonly vectors: readonly IssuerVector[] };
const [aesVector] = vectors;
const desVector = vectors.find(({ mode }) => mode === "3des-cbc");
if (aesVector === undefined || desVector === undefined) throw new Error("the vectors are not there");

const ref = (name: string) => name as KeyRef;
let folder: string;
let token: SoftToken;
let hsm: Hsm;
const register = (name = "token-keys") => join(folder, `${name}.json`);
const opened = (more: Partial<TokenCeremony["unlock"]> = {}, file = register(), soft = token) =>
  openToken({ file, unlock: { ...soft.access, ...more } }, { environment: soft.environment });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-pay-"));
  token = softToken(folder, "payment test");
  await createTokenKeys(
    {
      file: register(),
      environment: "test",
      unlock: token.access,
      keys: [
        ...keys,
        { name: "drawn-issuer", use: "emv-issuer" },
        { name: "drawn-ac", use: "emv-ac" },
        { name: "drawn-cvk", use: "emv-cvk" },
        { name: "issuer-tk", use: "transport", algorithm: "AES-256", published: aesVector.transport },
        { name: "issuer-mac", use: "file-mac", published: aesVector.mac },
      ],
      letterPrinter: { writePrivateKeyTo: join(folder, "printer.pem") },
      stripeEncoder: { writePrivateKeyTo: join(folder, "encoder.pem") },
    },
    { environment: token.environment },
  );
  hsm = await opened();
});
afterAll(async () => {
  await hsm.close();
  rmSync(folder, { recursive: true });
});

describe("payment cards", () => {
  test.each<[Scp, "sda" | "cda", 10 | 18]>([
    ["scp02", "cda", 18],
    ["scp03", "cda", 10],
    ["scp03", "sda", 18],
  ])("%s, %s, cryptogram version %i: approved online by the token's masters", async (scp, proof, version) => {
    const profile = profileOf({ proof, cryptogram: { version, keyIndex: 1, option: "A" } });
    const order = `P-${scp}-${proof}`;
    const ready = await prepared(hsm, { order, profile, stripe: true });
    const card = new TestCard(scp);
    await card.personalize(hsm, ready);
    const result = await card.transact(hsm, ready);
    const failed = result.evidence.filter((one) => one.result === "failed");
    expect([result.outcome, failed]).toEqual(["approved online", []]);
    const verified =
      proof === "cda" ? await card.verify(hsm, ready, keyRead(result, ready)) : "without a key of its own";
    expect(verified).toBe(proof === "cda" ? "9000" : "without a key of its own");
    const encoder = machineIn(join(folder, "encoder.pem"));
    const place = { order, record: 1 };
    const stripe = openStripe(encoder, place, ready.stripe ?? "");
    expect(stripe.track2).toContain(cardOf(1).pan);
    const { secrets } = ready;
    expect(openStripe(encoder, place, await hsm.stripeAgain({ secrets, application }))).toEqual(stripe);
    const track2 = result.data.get(0x57) ?? unhex("");
    expect(await hsm.judgeTrack2({ secrets, application, track2 })).toBe("right");
    const wrong = track2.map((byte, at) => (at === track2.length - 2 ? byte ^ 0x10 : byte));
    expect(await hsm.judgeTrack2({ secrets, application, track2: wrong })).toBe("wrong");
  });

  test.each([
    ["integrity", 16, "instruction 24: 6988"],
    ["confidentiality", 32, "instruction 24: 6A80"],
  ] as const)("a card with another key of scripts' %s refuses the PIN that it has", async (_, key, said) => {
    const ready = await prepared(hsm, { order: "P-7" });
    const card = new TestCard("scp03", [{ kind: "stores-wrong", grouping: 0x8000, byte: key + 3 }]);
    await card.personalize(hsm, ready);
    const { evidence } = await card.transact(hsm, ready);
    expect(evidence.filter(({ step }) => step === "script")).toEqual([
      { step: "script", result: "failed", detail: said },
    ]);
  });

  test("with an IBM 3624 offset under the token's key: track 2 and stripe say it, and the PIN is the card's", async () => {
    const profile = profileOf(withOffset(6));
    const ready = await prepared(hsm, {
      order: "P-4",
      profile,
      masters: offsetNames,
      stripe: true,
      pin: { length: 6 },
    });
    const card = new TestCard("scp03");
    await card.personalize(hsm, ready);
    const result = await card.transact(hsm, ready);
    expect(result.outcome).toBe("approved online");
    expect(await card.verify(hsm, ready, keyRead(result, ready))).toBe("9000");
    const { secrets } = ready;
    const track2 = result.data.get(0x57) ?? unhex("");
    expect(await hsm.judgeTrack2({ secrets, application, track2 })).toBe("right");
    const encoder = machineIn(join(folder, "encoder.pem"));
    const stripe = openStripe(encoder, { order: "P-4", record: 1 }, ready.stripe ?? "");
    const offset = hex(track2).split("D")[1]?.slice(7, 14) ?? "none";
    expect([offset[0], stripe.track2]).toEqual([
      "2",
      expect.stringContaining(`=${cardOf(1).expiry}201${offset}`),
    ]);
  });

  test("an issuer's RSA key drawn in the token certifies cards, its public half told; drawn masters too", async () => {
    const told = (await hsm.keys()).find(({ name }) => name === "drawn-issuer");
    const { modulus = "", exponent = "" } = told?.issuer ?? {};
    expect([modulus.length, exponent, told?.algorithm]).toEqual([2 * 176, "03", "RSA-1408"]);
    const publicKey = { modulus: unhex(modulus), exponent: unhex(exponent) };
    const profile = samplePayment(issuerKeyFor(publicKey));
    const drawn = { ...names, issuer: ref("drawn-issuer"), ac: ref("drawn-ac"), cvk: ref("drawn-cvk") };
    const named = [profile, profileOf()].flatMap((one) => paymentSentences(application, drawn, one));
    await openOrder(hsm, "P-3", [...anyPin(), ...named]);
    const { pan } = cardOf(1);
    const sealedPin = await hsm.drawPin({ order: "P-3", record: 1, name: "pin", length: 4, pan });
    const ask = { order: "P-3", record: 1, application, masters: drawn, profile, card: cardOf(1) };
    const [made] = await hsm.preparePayment([{ ...ask, pin: "pin", sealedPin, stripe: true }]);
    expect(made?.sealed.length).toBeGreaterThan(500);
    // The other issuer's certificate is not this key's.
    const other = { ...ask, profile: profileOf(), pin: "pin", sealedPin };
    await expect(hsm.preparePayment([other])).rejects.toThrow("not of key drawn-issuer");
  });

  test("nothing of the keys crosses to the line", async () => {
    const answers: string[] = [];
    const recording = Object.fromEntries(
      (
        [
          "createDataKey",
          "releaseDataKey",
          "drawPin",
          "preparePayment",
          "openSession",
          "authenticate",
          "unwrap",
          "keys",
          "capabilities",
        ] as const
      ).map((name) => [
        name,
        async (...args: unknown[]) => {
          const answer: unknown = await (hsm[name] as (...args: unknown[]) => Promise<unknown>)(...args);
          answers.push(
            JSON.stringify(answer, (_, value: unknown) => (value instanceof Uint8Array ? hex(value) : value)),
          );
          return answer;
        },
      ]),
    ) as unknown as ModuleCalls & Pick<Hsm, "keys" | "capabilities">;
    const ready = await prepared(recording, { order: "P-7", stripe: true });
    // Behind the session's encryption too, nothing but the data encryption key hides what goes into the card.
    const { behind } = await new TestCard("scp03").personalize(recording, ready);
    expect(behind.some((data) => hex(data).startsWith("800030"))).toBe(true);
    await recording.keys();
    await recording.capabilities();
    const { ac, smi, smc } = cardKeys(nodeCrypto, masters, cardOf(1), "B");
    const { ac: a, smi: b, smc: c, cvk, pvk } = masters;
    const { p, q, d } = rsaNumbers(drawIssuerKey("RSA-1408", keys.find(({ seed }) => seed)?.seed));
    const text = [...answers, ...behind.map(hex)].join("\n");
    expect(text).toContain(hex(ready.secrets.payment[application]?.sealed ?? new Uint8Array(0)));
    expect([ac, smi, smc, a, b, c, cvk, pvk, p, q, d].filter((key) => text.includes(hex(key)))).toHaveLength(
      0,
    );
  });

  test("a product that wants the token's keeping for what it cannot keep is refused with the reasons, before a card moves", async () => {
    const part = (own: Extract<Part, { secret: "payment" }>["part"], under: "dek" | "clear") =>
      ({ secret: "payment", application, part: own, under }) as const;
    const step = {
      cla: 0x80,
      ins: 0xe2,
      p1: 0,
      p2: 0,
      data: [
        part({ secret: "emv-keys", length: 48 }, "dek"),
        part({ secret: "emv-icc-key", part: "p", length: 72 }, "dek"),
        part({ secret: "emv-icc-certificate", part: "certificate", length: 176 }, "clear"),
      ],
      sw: [],
      again: "session" as const,
      changes: true,
      why: "keys",
      clause: "EMV CPS",
      cost: { pages: 1 },
    };
    const programs = [
      { name: "pay", segments: [{ name: "keys", channel: channel("gp-aes"), steps: [step] }] },
    ];
    const refused = mustKeep(hsm, {
      file: "pay.yaml",
      programs,
      wanted: [{ file: "pay.yaml", levels: { default: "token", seal: "module-process" } }],
    });
    const problems = await refused.then(
      () => [],
      (problem: unknown) => String((problem as Error).message),
    );
    expect(problems).toContain(
      "emv-keys must be kept at token, and pkcs11 (payment test) keeps it at module-process: the token keeps the masters",
    );
    expect(problems).toContain("emv-rsa must be kept at token");
    expect(problems).not.toContain("emv-issuer");
    await mustKeep(hsm, {
      file: "pay.yaml",
      programs,
      wanted: [
        {
          file: "pay.yaml",
          levels: {
            default: "token",
            seal: "module-process",
            "emv-keys": "module-process",
            "emv-rsa": "module-process",
          },
        },
      ],
    });
  });
});

const chip = unhex("504C0102030400000055");
const serial = hex(chip) as Serial;
const fab = unhex(keys.find(({ name }) => name === "gp-aes")?.published ?? "");
const channel = (name: string): SecureChannelSpec => ({
  protocol: "scp03",
  keys: ref(name),
  kvn: 0x30,
  level: 0x03,
});

describe("issuers' data", () => {
  const askOf = ({ file }: IssuerVector) => {
    const bytes = unhex(file);
    const { form, length } = parsePreamble(bytes);
    const body = bytes.slice(length);
    const { head, records } = frameBody(form, body);
    return { order: "T-1", form, head, records };
  };

  const issuerStep = (pad?: 16) => {
    const part = {
      secret: "issuer-dgi",
      application: "A000000876020101",
      dgi: 0x8101,
      length: 16,
      ...(pad === undefined ? {} : { pad }),
    } as const;
    const head = Uint8Array.of(0x81, 0x01, pad === undefined ? 16 : 32);
    return { cla: 0x80, ins: 0xe2, p1: 0x68, p2: 0, data: [head, part] };
  };
  const judge = {
    proof: "internal",
    issuer: { application: "A000000876020101", dgi: 0x8101, length: 16 },
    kid: 1,
  } as const;
  const judged = proofPlacements(judge).map(({ sentence }) => sentence);
  const openIssuers = (by: Hsm) =>
    openOrder(by, "T-1", listed([...judged, ...placesOf(channel("gp-aes"), [issuerStep(), issuerStep(16)])]));

  /** What a card gets for grouping 8101 of record 1, decrypted with the key that only the card and this test have. */
  async function received(by: Hsm, sealed: Readonly<Record<string, Uint8Array>>, pad?: 16): Promise<string> {
    const keySet = { kvn: 0x30, algorithm: "aes" as const, ...diversifyKdf3(nodeCrypto, fab, chip) };
    const eeprom = memoryStore(fabricateGlobalPlatform({ chipNumber: chip, keySets: [keySet] }));
    const card = makeVirtualCard({ eeprom, random, crypto: nodeCrypto });
    card.powerOn();
    const send = (command: Command): Response =>
      decodeResponse(card.transmit(encodeCommand(command)) ?? new Uint8Array(0));
    const secrets: SealedSecrets = { order: "T-1", record: 1, pins: {}, issuer: sealed };
    const { session, open } = await by.openSession({ channel: channel("gp-aes"), serial, secrets });
    const answer = send(open);
    const ready = await by.authenticate({ session, answer, steps: [issuerStep(pad)] });
    if (!ready.ok || "more" in ready) throw new Error("no session");
    await by.closeSession(session);
    const [data = new Uint8Array(0)] = deciphered(keySet, {
      open,
      answer,
      commands: ready.commands.slice(1),
    });
    const clear = nodeCrypto.aes(keySet.dek).cbcDecrypt(new Uint8Array(16), data.slice(3));
    return hex(clear);
  }

  test("goes from the transport key to the card's inside the token; padded by way of the module's process", async () => {
    await openIssuers(hsm);
    const [one = {}] = await hsm.takeIssuerRecords(askOf(aesVector));
    const secret = aesVector.secrets[0] ?? "";
    expect(await received(hsm, one)).toBe(secret);
    expect(await received(hsm, one, 16)).toBe(`${secret}80${"00".repeat(15)}`);
    const poor = await opened({ missing: ["translate"] });
    onTestFinished(() => poor.close());
    await openIssuers(poor);
    expect((await poor.capabilities()).operations["issuer-data"].level).toBe("module-process");
    expect(await received(poor, one)).toBe(secret);
  });

  test("a card proves it by a key that never is in the module's process, and of a token that cannot by one that is", async () => {
    const own = nodeCrypto.aes(unhex(aesVector.secrets[0] ?? ""));
    const poor = await opened({ missing: ["translate"] });
    onTestFinished(() => poor.close());
    for (const by of [hsm, poor]) {
      await openIssuers(by);
      const [issuer = {}] = await by.takeIssuerRecords(askOf(aesVector));
      const secrets: SealedSecrets = { order: "T-1", record: 1, pins: {}, issuer };
      const { proof, challenges } = await by.openProof({ serial, judges: [judge, judge], secrets });
      const answers = challenges.map((one) => cmac(own, concat(Uint8Array.of(0x01), chip, one)));
      answers[1]?.set([(answers[1][0] ?? 0) ^ 1]);
      expect(await by.judgeProof({ proof, answers })).toEqual(["right", "wrong"]);
    }
  });

  test("a record's MAC that is wrong, or another key than the file's: refused whole", async () => {
    const ask = askOf(aesVector);
    const [first] = ask.records;
    if (first === undefined) throw new Error("no record");
    const mac = first.mac.map((byte, at) => (at === 3 ? byte ^ 1 : byte));
    await expect(hsm.takeIssuerRecords({ ...ask, records: [{ ...first, mac }] })).rejects.toThrow(
      "its MAC is wrong",
    );
    await expect(hsm.takeIssuerRecords(askOf(desVector))).rejects.toThrow("it is another key");
  });

  test("a triple DES transport key decrypts in its token; what comes out is clear in the module's process", async () => {
    const soft = softToken(mkdtempSync(join(folder, "des-")), "des test");
    const file = register("des");
    await createTokenKeys(
      {
        file,
        environment: "test",
        unlock: soft.access,
        keys: [
          { name: "gp-aes", use: "scp03", published: hex(fab) },
          { name: "issuer-tk", use: "transport", algorithm: "3DES", published: desVector.transport },
          { name: "issuer-mac", use: "file-mac", published: desVector.mac },
        ],
        letterPrinter: { writePrivateKeyTo: join(folder, "des-printer.pem") },
      },
      { environment: soft.environment },
    );
    const des = await opened({}, file, soft);
    onTestFinished(() => des.close());
    await openIssuers(des);
    for (const vector of vectors.filter(({ mode }) => mode.startsWith("3des"))) {
      const [one = {}] = await des.takeIssuerRecords(askOf(vector));
      expect([vector.id, await received(des, one)]).toEqual([vector.id, vector.secrets[0]]);
    }
  });

  test("a file is proved by the token's key for MACs; one that is signed, by its issuer's public key alone", async () => {
    const proved = (vector: IssuerVector, change = 0) => {
      const bytes = unhex(vector.file);
      const { length } = parsePreamble(bytes);
      const bodyDigest = new Uint8Array(createHash("sha256").update(bytes.slice(length)).digest());
      bodyDigest[0] = (bodyDigest[0] ?? 0) ^ change;
      return hsm.proveIssuerFile({ preamble: bytes.slice(0, length), bodyDigest });
    };
    expect([await proved(aesVector), await proved(aesVector, 1)]).toEqual(["right", "wrong"]);
    const signed = vectors.find(({ file }) => parsePreamble(unhex(file)).algorithm === "Ed25519");
    if (signed === undefined) throw new Error("no file is signed");
    await expect(proved(signed)).rejects.toThrow("there is no key issuer-sign for issuer-signature");
  });
});

describe("when something goes wrong", () => {
  test("the token is gone while cards are prepared, and in mid-card; when it is back, all keys are found again", async () => {
    const one = await opened();
    onTestFinished(() => one.close());
    const ready = await prepared(one);
    const card = new TestCard("scp03");
    const away = `${token.folder}.away`;
    renameSync(token.folder, away);
    try {
      await expect(prepared(one)).rejects.toMatchObject({ code: "security-module" });
      await expect(card.personalize(one, ready)).rejects.toMatchObject({ code: "security-module" });
    } finally {
      renameSync(away, token.folder);
    }
    // The card heard nothing that it could not hear again.
    card.power();
    await card.personalize(one, ready);
    expect((await card.transact(one, ready)).outcome).toBe("approved online");
  });

  test("a token without raw RSA says so, and keeps the rest", async () => {
    const poor = await opened({ missing: ["rsa"] });
    onTestFinished(() => poor.close());
    const { operations } = await poor.capabilities();
    expect([operations["emv-issuer"].level, operations["emv-keys"].level]).toEqual([
      "unavailable",
      "module-process",
    ]);
  });
});
