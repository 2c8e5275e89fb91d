// Issues payment cards of the sample scheme in memory and plays their issuer: for tests and benches of both sides.
import { drawRsaKey, nodeCrypto, type RsaKeyPair } from "../node/index.js";
import { type Command, decodeResponse, encodeCommand } from "../src/apdu/index.js";
import { aid, equal, unhex, utf8 } from "../src/bytes/index.js";
import {
  cardKeys,
  type IssuedCard,
  issueCard,
  judgeCryptogram,
  knownBytes,
  type OnlineAnswer,
  type OnlineRequest,
  type PaymentProfile,
  type PaymentRecord,
  prepareDirectories,
  preparePayment,
  type PreparedDgi,
  SAMPLE_AID,
  sampleKeys,
  samplePayment,
  sampleRecord,
  ScriptSession,
  seededBytes,
  type Signer,
  signIssuerCertificate,
  type TerminalData,
} from "../src/emv/index.js";
import {
  installForInstall,
  installForPersonalization,
  installParameters,
  type NewDgi,
  setStatus,
  storeDgis,
} from "../src/globalplatform/index.js";
import type { CardChannel } from "../src/program/index.js";
import type { EepromStore, Fault } from "../src/virtual/index.js";
import { aes, des, GpBench, gpNumber, isdAid, keysOf, type Session } from "./gp-bench.js";

const seed = "payment bench";
const pairs = new Map<string, RsaKeyPair>();
/** A test key that is the same in every run; drawn once. */
export function testPair(name: string, bits: number): RsaKeyPair {
  const pair =
    pairs.get(name) ?? drawRsaKey({ bits, exponent: 3, random: seededBytes(nodeCrypto, `${seed}/${name}`) });
  pairs.set(name, pair);
  return pair;
}
export const signerOf = ({ publicKey, privateKey }: RsaKeyPair): Signer => ({
  modulus: publicKey.modulus,
  sign: (block) => nodeCrypto.rsaPrivate(privateKey, block),
});
const authority = (): RsaKeyPair => testPair("authority", 1536);
const issuerPair = (): RsaKeyPair => testPair("issuer", 1408);
const iccPair = (): RsaKeyPair => testPair("icc", 1152);

export const issuerKey = (): NonNullable<PaymentProfile["issuerKey"]> => ({
  authorityIndex: 0xf1,
  certificate: signIssuerCertificate(nodeCrypto, signerOf(authority()), {
    issuer: "999901",
    expiry: "1235",
    serial: unhex("000001"),
    publicKey: issuerPair().publicKey,
  }),
  modulusBytes: 176,
  iccModulusBytes: 144,
});

export const masters = sampleKeys(nodeCrypto, seed);
export const record = sampleRecord(nodeCrypto, seed, 1);
const paymentPackage = aid(unhex("A00000087603"));
const paymentModule = aid(unhex("A0000008760301"));
const directoryModule = aid(unhex("A0000008760302"));
const application = aid(SAMPLE_AID);

export type Scp = "scp02" | "scp03";

export function issued(profile: PaymentProfile, scp: Scp, who: PaymentRecord = record): IssuedCard {
  const prepared = preparePayment(profile, who);
  return issueCard(nodeCrypto, {
    profile,
    record: who,
    prepared,
    secrets: {
      keys: masters,
      pin: record.pin,
      signer: signerOf(issuerPair()),
      icc: { ...iccPair(), serial: unhex("000007") },
    },
    block: scp === "scp02" ? 8 : 16,
  });
}

/** The keys AC, SMI and SMC of the bench's card, and the parts of its private key: what no answer may hold. */
export function cardKeysOf(profile: PaymentProfile): readonly Uint8Array[] {
  const { ac, smi, smc } = cardKeys(nodeCrypto, masters, record, profile.cryptogram.option);
  return [ac, smi, smc];
}
export function iccParts(): readonly Uint8Array[] {
  const { p, q, dp, dq, qInverse } = iccPair().privateKey;
  return [p, q, dp, dq, qInverse];
}

/** A payment card on the bench, and what happens to it. */
export class PaymentBench {
  readonly gp: GpBench;
  readonly profile: PaymentProfile;
  readonly scp: Scp;

  constructor(
    how: {
      readonly scp?: Scp;
      readonly profile?: Partial<PaymentProfile>;
      readonly faults?: readonly Fault[];
      readonly store?: EepromStore;
    } = {},
  ) {
    const { scp = "scp03", faults = [] } = how;
    this.scp = scp;
    this.profile = samplePayment(issuerKey(), how.profile);
    const keySet = scp === "scp02" ? des(0x30) : aes(16);
    this.gp = new GpBench(how.store ?? { chipNumber: gpNumber, keySets: [keySet] }, faults);
  }

  open(level = 0x03): Session {
    return this.gp.open({ keys: keysOf(16), level });
  }

  secured(session: Session, command: Command): void {
    const sw = this.gp.secured(session, command);
    if (sw !== "9000") throw new Error(`${command.ins.toString(16)}: ${sw}`);
  }

  /** Commands of one application's personalization, for a session of this card. */
  storing(dgis: readonly NewDgi[], session: Session): Command[] {
    const block = this.scp === "scp02" ? 8 : 16;
    return storeDgis(dgis, { dek: { encrypt: (data) => session.encryptWithDek(data), block } });
  }

  install(session: Session): void {
    const instances = [
      { module: paymentModule, name: application, quota: 2600 },
      { module: directoryModule, name: aid(utf8("1PAY.SYS.DDF01")), quota: 200 },
      { module: directoryModule, name: aid(utf8("2PAY.SYS.DDF01")), quota: 200 },
    ];
    for (const { module, name, quota } of instances)
      this.secured(
        session,
        installForInstall({
          loadFile: paymentPackage,
          module,
          application: name,
          privileges: module === paymentModule ? ["cardLock"] : [],
          parameters: installParameters(new Uint8Array(0), { nonVolatileData: quota }),
        }),
      );
  }

  personalize(level = 0x03): this {
    const session = this.open(level);
    this.install(session);
    this.secured(session, installForPersonalization(application));
    for (const command of this.storing(issued(this.profile, this.scp).dgis, session))
      this.secured(session, command);
    const directories = prepareDirectories(this.profile);
    this.#fill(session, "1PAY.SYS.DDF01", directories.pse);
    this.#fill(session, "2PAY.SYS.DDF01", directories.ppse);
    for (const state of [0x07, 0x0f])
      this.secured(session, setStatus({ of: "isd", state, aid: aid(isdAid) }));
    this.gp.power();
    return this;
  }

  #fill(session: Session, name: string, dgis: readonly PreparedDgi[]): void {
    this.secured(session, installForPersonalization(aid(utf8(name))));
    const known = dgis.map(({ id, parts }) => ({ id, value: knownBytes(parts) ?? new Uint8Array(0) }));
    for (const command of this.storing(known, session)) this.secured(session, command);
  }

  /** As a station sees the card. Throws when it is silent. */
  get channel(): CardChannel {
    return {
      exchange: (commands) => {
        const [first] = commands;
        if (first === undefined || commands.length > 1) throw new Error("one command at a time");
        const answer = this.gp.card.transmit(encodeCommand(first.command));
        if (answer === undefined) return Promise.reject(new Error("mute"));
        return Promise.resolve([decodeResponse(answer)]);
      },
    };
  }

  /** Reset, then a terminal that is all there, unless told otherwise. */
  terminal(change: Partial<TerminalData> = {}): TerminalData {
    this.gp.power();
    const random = seededBytes(nodeCrypto, `${seed}/terminal`);
    return {
      applications: [SAMPLE_AID],
      directory: "contact",
      country: "276",
      currency: "978",
      date: "261128",
      amount: 1234,
      methods: ["encipheredPin", "plainPin", "none"],
      pin: record.pin,
      proofs: ["sda", "dda", "cda"],
      authority: (provider, index) =>
        equal(provider, SAMPLE_AID.slice(0, 5)) && index === 0xf1 ? authority().publicKey : undefined,
      actions: { default: unhex("FC50AC8800"), denial: unhex("0000000000"), online: unhex("FC50BC9800") },
      floorLimit: 5000,
      issuer: (request) => Promise.resolve(this.answer(request)),
      random,
      ...change,
    };
  }

  /** What the issuer's host says: the cryptogram is judged, and answered in kind; a wrong one is declined without a proof. */
  answer(
    request: OnlineRequest,
    how: {
      readonly responseCode?: string;
      readonly before?: (script: ScriptSession) => readonly Command[];
      readonly after?: (script: ScriptSession) => readonly Command[];
    } = {},
  ): OnlineAnswer {
    const { responseCode = "00" } = how;
    const { option } = this.profile.cryptogram;
    const judged = judgeCryptogram(nodeCrypto, masters.ac, { request, option, responseCode });
    if (judged.verdict === "wrong") return { responseCode: "05" };
    const { smi, smc } = cardKeys(nodeCrypto, masters, request, option);
    const script = new ScriptSession(
      nodeCrypto,
      { integrity: smi, confidentiality: smc },
      request.cryptogram,
    );
    const before = how.before?.(script) ?? [];
    return { responseCode, authentication: judged.authentication, before, after: how.after?.(script) ?? [] };
  }
}
