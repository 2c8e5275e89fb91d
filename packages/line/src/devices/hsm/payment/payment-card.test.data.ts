/** A payment card of the sample scheme, filled by a security module and played against a terminal: for the tests of every provider. */
import { type Command, decodeResponse, encodeCommand, type Response } from "@persoline/card/apdu";
import { aid, hex, unhex, utf8 } from "@persoline/card/bytes";
import type { RsaPublicKey } from "@persoline/card/crypto";
import {
  type ModulePart,
  type OnlineRequest,
  type PaymentProfile,
  type PaymentRecord,
  prepareDirectories,
  preparePayment,
  type PreparedDgi,
  recoverIccCertificate,
  runTransaction,
  SAMPLE_AID,
  sampleKeys,
  samplePayment,
  sampleRecord,
  seededBytes,
  signIssuerCertificate,
  storePrepared,
  type TransactionResult,
} from "@persoline/card/emv";
import {
  diversify3des,
  diversifyKdf3,
  installForInstall,
  installForPersonalization,
  installParameters,
} from "@persoline/card/globalplatform";
import { drawRsaKey, nodeCrypto, random, type RsaKeyPair } from "@persoline/card/node";
import type {
  KeyRef,
  Part,
  PaymentMasters,
  PaymentSecrets,
  SealedSecrets,
  SecureChannelSpec,
  SecureStep,
  Serial,
} from "@persoline/card/program";
import {
  type Fault,
  fabricateGlobalPlatform,
  makeVirtualCard,
  memoryStore,
  type PersolineCard,
} from "@persoline/card/virtual";
import type { NewKey } from "../ceremony.js";
import { deciphered } from "../enciphered.test.data.js";
import { anyPin, openOrder, placesOf } from "../order.test.data.js";
import { pinSentence } from "../order-policy.js";
import { paymentSentences } from "../payment-sentences.js";
import type { Hsm, PinSource } from "../port.js";
import { issuerKeyObject, drawIssuerKey, publicOf } from "./issuer-key.js";

const seed = "hsm payment tests";
export const masters = sampleKeys(nodeCrypto, seed);
/** Of natural PINs: what offsets are counted from. */
export const ibmKey = sampleKeys(nodeCrypto, `${seed} ibm`).pvk;
const ref = (name: string) => name as KeyRef;
export const names: PaymentMasters = {
  ac: ref("pay-ac"),
  smi: ref("pay-smi"),
  smc: ref("pay-smc"),
  cvk: ref("pay-cvk"),
  pvk: ref("pay-pvk"),
  issuer: ref("pay-issuer"),
};
/** Masters and profile of cards whose tracks have an offset. */
export const offsetNames: PaymentMasters = { ...names, pvk: ref("pay-ibm") };
export const withOffset = (digits = 4): Pick<PaymentProfile, "pinVerification"> => ({
  pinVerification: { by: "offset", keyIndex: 2, digits },
});
const gp = {
  scp03: Uint8Array.from({ length: 16 }, (_, at) => 0x21 + 3 * at),
  scp02: Uint8Array.from({ length: 16 }, (_, at) => 0x84 + 5 * at),
};

/** As a key file lists them. */
export const keys: readonly NewKey[] = [
  { name: "gp-aes", use: "scp03", published: hex(gp.scp03) },
  { name: "gp-des", use: "scp02", published: hex(gp.scp02) },
  ...(["ac", "smi", "smc", "cvk", "pvk"] as const).map((use) => ({
    name: `pay-${use}`,
    use: `emv-${use}` as const,
    published: hex(masters[use]),
  })),
  { name: "pay-ibm", use: "ibm-3624", published: hex(ibmKey) },
  { name: "pay-issuer", use: "emv-issuer", algorithm: "RSA-1408", seed },
];

const drawn = new Map<string, RsaKeyPair>();
const testPair = (name: string, bits: number): RsaKeyPair => {
  const pair =
    drawn.get(name) ?? drawRsaKey({ bits, exponent: 3, random: seededBytes(nodeCrypto, `${seed}/${name}`) });
  drawn.set(name, pair);
  return pair;
};
const authority = () => testPair("authority", 1408);
const issuerDer = drawIssuerKey("RSA-1408", seed);
export const issuerPublic = publicOf(issuerDer);
/** What no answer of the module may hold. */
export const issuerPrivate = Buffer.from(
  issuerKeyObject(issuerDer).export({ format: "jwk" }).p ?? "",
  "base64url",
);

/** The certificate that the test's authority gives an issuer's key. */
export const issuerKeyFor = (publicKey: RsaPublicKey): NonNullable<PaymentProfile["issuerKey"]> => ({
  authorityIndex: 0xf1,
  certificate: signIssuerCertificate(
    nodeCrypto,
    {
      modulus: authority().publicKey.modulus,
      sign: (block) => nodeCrypto.rsaPrivate(authority().privateKey, block),
    },
    { issuer: "999901", expiry: "1235", serial: unhex("000001"), publicKey },
  ),
  modulusBytes: publicKey.modulus.length,
  iccModulusBytes: 144,
});

export const profileOf = (change: Partial<PaymentProfile> = {}): PaymentProfile =>
  samplePayment(issuerKeyFor(issuerPublic), change);
export const cardOf = (n: number): PaymentRecord => {
  const { pan, psn, expiry, effective, name } = sampleRecord(nodeCrypto, seed, n);
  return { pan, psn, expiry, effective, name };
};
export const application = hex(SAMPLE_AID);

/** The port's calls that these tests make; a module in the test's own process answers at once. */
type Asked =
  | "createDataKey"
  | "releaseDataKey"
  | "drawPin"
  | "preparePayment"
  | "openSession"
  | "authenticate"
  | "unwrap"
  | "judgeCryptogram"
  | "paymentScripts"
  | "encipherPin";
export type ModuleCalls = {
  readonly [Name in Asked]: (
    ...args: Parameters<Hsm[Name]>
  ) => ReturnType<Hsm[Name]> | Awaited<ReturnType<Hsm[Name]>>;
};

export interface Prepared {
  readonly secrets: SealedSecrets & { readonly payment: Readonly<Record<string, PaymentSecrets>> };
  readonly profile: PaymentProfile;
  readonly stripe: string | undefined;
  /** The order's list. */
  readonly list: readonly string[];
}

/** A record's PIN and payment application, as an order keeps them. */
export async function prepared(
  hsm: ModuleCalls,
  ask: {
    readonly record?: number;
    readonly profile?: PaymentProfile;
    readonly masters?: PaymentMasters;
    readonly seed?: string;
    readonly stripe?: boolean;
    readonly order?: string;
    /** What the order's list says besides. */
    readonly more?: readonly string[];
    /** Default: four digits of chance. */
    readonly pin?: { readonly length: number; readonly by?: PinSource };
  } = {},
): Promise<Prepared> {
  const { record = 1, profile = profileOf(), order = "P-1", more: besides = [], pin: own, ...rest } = ask;
  const { masters: named = names, ...more } = rest;
  const how = { name: "pin", length: 4, ...own };
  const paid = paymentSentences(application, named, profile);
  const list = [...places(profile), ...paid, ...besides, pinSentence(how)];
  await openOrder(hsm, order, list);
  const card = cardOf(record);
  const sealedPin = await hsm.drawPin({ order, record, pan: card.pan, ...how });
  const [made] = await hsm.preparePayment([
    { order, record, application, masters: named, profile, card, pin: "pin", sealedPin, ...more },
  ]);
  if (made === undefined) throw new Error("nothing was prepared");
  const payment = { masters: named, profile, card, pin: "pin", sealed: made.sealed };
  return {
    secrets: { order, record, pins: { pin: sealedPin }, payment: { [application]: payment } },
    profile,
    stripe: made.stripe,
    list,
  };
}

/** Where such cards' secrets go, of any proof and over either channel. */
function places({ pinVerification }: PaymentProfile): readonly string[] {
  const proofs = ["none", "sda", "cda"] as const;
  return [
    ...anyPin(),
    ...(["scp02", "scp03"] as const).flatMap((scp) =>
      proofs.flatMap((proof) =>
        placesOf(channelOf(scp), personalization(scp, profileOf({ proof, pinVerification }), cardOf(1))),
      ),
    ),
  ];
}

const chip = unhex("504C0102030400000099");
const serial = hex(chip) as Serial;
export type Scp = "scp02" | "scp03";
export const channelOf = (scp: Scp): SecureChannelSpec =>
  scp === "scp02"
    ? { protocol: "scp02", keys: ref("gp-des"), kvn: 0x30, level: 0x03, i: 0x55, diversify: "emv-cps" }
    : { protocol: "scp03", keys: ref("gp-aes"), kvn: 0x30, level: 0x03 };

export class TestCard {
  readonly #card: PersolineCard;
  readonly #scp: Scp;

  constructor(scp: Scp, faults: readonly Fault[] = []) {
    this.#scp = scp;
    const keySet =
      scp === "scp02"
        ? {
            kvn: 0x30,
            algorithm: "3des" as const,
            ...diversify3des(nodeCrypto, gp.scp02, chip, "emv-cps"),
          }
        : { kvn: 0x30, algorithm: "aes" as const, ...diversifyKdf3(nodeCrypto, gp.scp03, chip) };
    const eeprom = memoryStore(fabricateGlobalPlatform({ chipNumber: chip, keySets: [keySet] }));
    this.#card = makeVirtualCard({ eeprom, random, crypto: nodeCrypto, faults });
    this.#card.powerOn();
  }

  send(command: Command): Response {
    return decodeResponse(this.#card.transmit(encodeCommand(command)) ?? new Uint8Array(0));
  }

  power(): void {
    this.#card.powerOff();
    this.#card.powerOn();
  }

  /** All commands of one session; their status words, the commands as they crossed the line, and what the card deciphered (SCP03). */
  async session(hsm: ModuleCalls, steps: readonly SecureStep[], secrets: SealedSecrets) {
    const { session, open } = await hsm.openSession({ channel: channelOf(this.#scp), serial, secrets });
    const answer = this.send(open);
    const ready = await hsm.authenticate({ session, answer, steps });
    if (!ready.ok || "more" in ready) throw new Error("no session");
    const answers = ready.commands.map((command) => this.send(command));
    await hsm.unwrap({ session, answers: answers.slice(1) });
    const commands = ready.commands.slice(1);
    return {
      words: answers.map(({ sw }) => sw.toString(16)),
      sent: ready.commands.map(({ data = new Uint8Array(0) }) => data),
      behind:
        this.#scp === "scp02"
          ? []
          : deciphered(diversifyKdf3(nodeCrypto, gp.scp03, chip), { open, answer, commands }),
    };
  }

  /** Instances, personalization, directories. Throws when the card refuses. */
  async personalize(
    hsm: ModuleCalls,
    { secrets, profile }: Pick<Prepared, "secrets" | "profile">,
  ): Promise<{ readonly sent: readonly Uint8Array[]; readonly behind: readonly Uint8Array[] }> {
    const payment = secrets.payment[application];
    if (payment === undefined) throw new Error("nothing was prepared");
    const steps = personalization(this.#scp, profile, payment.card);
    const { words, ...crossed } = await this.session(hsm, steps, secrets);
    if (words.some((word) => word !== "9000")) throw new Error(`the card refused: ${words.join(" ")}`);
    this.power();
    return crossed;
  }

  /** An online transaction whose issuer is the module; its scripts leave the card as it is. */
  async transact(
    hsm: ModuleCalls,
    { secrets }: Pick<Prepared, "secrets">,
    altered: (request: OnlineRequest) => OnlineRequest = (request) => request,
  ): Promise<TransactionResult> {
    this.power();
    return runTransaction(
      {
        exchange: (commands) => Promise.resolve(commands.map(({ command }) => this.send(command))),
      },
      nodeCrypto,
      {
        applications: [SAMPLE_AID],
        directory: "contact",
        country: "276",
        currency: "978",
        date: "261128",
        amount: 1500,
        methods: ["none"],
        proofs: ["sda", "dda", "cda"],
        authority: (_, index) => (index === 0xf1 ? authority().publicKey : undefined),
        actions: { default: unhex("0000000000"), denial: unhex("0000000000"), online: unhex("FFFFFFFFFF") },
        floorLimit: 0,
        random,
        issuer: async (said) => {
          const request = altered(said);
          const judged = await hsm.judgeCryptogram({ secrets, application, request });
          if (judged.verdict === "wrong") return { responseCode: "05" };
          const before = await hsm.paymentScripts({ secrets, application, request });
          return { responseCode: "00", authentication: judged.authentication, before };
        },
      },
    );
  }

  /** VERIFY with the PIN that the module enciphered for this key. */
  async verify(
    hsm: ModuleCalls,
    { secrets }: Pick<Prepared, "secrets">,
    publicKey: RsaPublicKey,
  ): Promise<string> {
    this.power();
    this.send({ cla: 0, ins: 0xa4, p1: 4, p2: 0, data: SAMPLE_AID, le: 256 });
    const challenge = this.send({ cla: 0, ins: 0x84, p1: 0, p2: 0, le: 8 }).data;
    const data = await hsm.encipherPin({ secrets, application, publicKey, challenge });
    return this.send({ cla: 0, ins: 0x20, p1: 0, p2: 0x88, data }).sw.toString(16);
  }
}

/** The card's key as a terminal recovers it from what it read. */
export function keyRead({ data }: TransactionResult, { secrets, profile }: Prepared): RsaPublicKey {
  const card = secrets.payment[application]?.card;
  if (card === undefined) throw new Error("nothing was prepared");
  const object = (tag: number) => data.get(tag) ?? new Uint8Array(0);
  const certificate = { certificate: object(0x9f46), remainder: object(0x9f48), exponent: object(0x9f47) };
  const { staticData } = preparePayment(profile, card);
  return recoverIccCertificate(nodeCrypto, issuerPublic, certificate, staticData).publicKey;
}

const paymentPackage = aid(unhex("A00000087603"));
const installs = [
  { module: "A0000008760301", name: SAMPLE_AID, quota: 2600 },
  { module: "A0000008760302", name: utf8("1PAY.SYS.DDF01"), quota: 200 },
  { module: "A0000008760302", name: utf8("2PAY.SYS.DDF01"), quota: 200 },
].map(({ module, name, quota }) =>
  installForInstall({
    loadFile: paymentPackage,
    module: aid(unhex(module)),
    application: aid(name),
    parameters: installParameters(new Uint8Array(0), { nonVolatileData: quota }),
  }),
);

function personalization(scp: Scp, profile: PaymentProfile, card: PaymentRecord): readonly SecureStep[] {
  const block = scp === "scp02" ? 8 : 16;
  const { pse, ppse } = prepareDirectories(profile);
  return [
    ...installs.map(stepOf),
    stepOf(installForPersonalization(aid(SAMPLE_AID))),
    ...storing(preparePayment(profile, card).dgis, block),
    stepOf(installForPersonalization(aid(utf8("1PAY.SYS.DDF01")))),
    ...storing(pse, block),
    stepOf(installForPersonalization(aid(utf8("2PAY.SYS.DDF01")))),
    ...storing(ppse, block),
  ];
}

const stepOf = ({ cla, ins, p1, p2, data, le }: Command): SecureStep => ({
  cla,
  ins,
  p1,
  p2,
  data: data === undefined ? [] : [data],
  ...(le === undefined ? {} : { le }),
});

const storing = (dgis: readonly PreparedDgi[], block: 8 | 16): SecureStep[] =>
  storePrepared(dgis, { block }).map(({ p1, p2, parts }) => ({
    cla: 0x80,
    ins: 0xe2,
    p1,
    p2,
    data: parts.map((part): Part => {
      if (part instanceof Uint8Array) return part;
      const named = (own: ModulePart) => ({ secret: "payment" as const, application, part: own });
      if (!("sealed" in part)) return { ...named(part), under: "clear" };
      return { ...named(part.sealed), under: "dek", ...(part.padded ? { pad: block } : {}) };
    }),
  }));
