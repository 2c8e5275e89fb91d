import { generateKeyPairSync } from "node:crypto";
import { unhex } from "@persoline/card/bytes";
import {
  type CardProgram,
  type KeyRef,
  type Run,
  type RunEnd,
  type SealedSecrets,
} from "@persoline/card/program";
import type { Fault } from "@persoline/card/virtual";
import { issuerKeyOf } from "../../../devices/hsm/ceremony.js";
import { Keyring } from "../../../devices/hsm/keyring.js";
import type { StoredKey } from "../../../devices/hsm/keystore.js";
import { someLine } from "../../../devices/hsm/machine.test.data.js";
import type { PaymentAsk } from "../../../devices/hsm/port.js";
import { openOrderNow, placesIn, sessionsOf } from "../../../devices/hsm/order.test.data.js";
import { pinSentence, policyDigest } from "../../../devices/hsm/order-policy.js";
import { paymentSentences } from "../../../devices/hsm/payment-sentences.js";
import { vaultCalls } from "../../../devices/hsm/vault-core.js";
import type { OrderRecord } from "../../../orders/types.js";
import { prepare } from "../../prepare.js";
import type { PreparedRecord } from "../../types.js";
import type { PlannedGp } from "../compile.js";
import { chip, GpHead, serial } from "../life.test.data.js";
import { pinSource, pinWay } from "./record.js";
import { cardholder, paymentText, plannedPayment } from "./payment.test.data.js";

/** Payment cards on the virtual chip, their secrets made by the vault itself: nothing here is scripted. */
const key = (
  name: string,
  use: StoredKey["use"],
  algorithm: StoredKey["algorithm"],
  more: Partial<StoredKey>,
) =>
  ({
    name: name as KeyRef,
    use,
    algorithm,
    environment: "test",
    published: true,
    value: new Uint8Array(0),
    ...more,
  }) as StoredKey;
export const pinKeyDigits = "C0C3C5C6C9CACCCFD1D2D4D7D8DBDDDE";
export const transportDigits = "0B0D0E1315161919A1A2A4A7A8ABADAE";
export const masterDigits = {
  "pay-ac": "10111315161918191A1B1C1D1E1F2020",
  "pay-smi": "20212325262928292A2B2C2D2E2F3030",
  "pay-smc": "30313335363938393A3B3C3D3E3F4040",
  "pay-cvk": "40434546494A4C4F5152545758585B5D",
  "pay-pvk": "5E5D616267686B6D6E70737576797A7C",
} as const;
export const ibmDigits = "8F8C9197949B9E9DA1A2A4A7A8ABADAE";
const keys = [
  key("pay-fab", "scp03", "AES-128", { value: unhex("404142434445464748494A4B4C4D4E4F") }),
  key("pay-issuer", "scp03", "AES-128", { value: unhex("E0E1E2E3E4E5E6E7E8E9EAEBECEDEEEF") }),
  key("gp-fab-des", "scp02", "3DES", { value: unhex("404142434445464748494A4B4C4D4E4F") }),
  key("gp-issuer-des", "scp02", "3DES", { value: unhex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF") }),
  key("pay-tk", "pin-transport", "3DES", { value: unhex(transportDigits) }),
  key("pay-tk4", "pin-transport", "AES-128", { value: unhex(pinKeyDigits) }),
  key("pay-ibm", "ibm-3624", "3DES", { value: unhex(ibmDigits) }),
  key("store-seal", "seal", "AES-256", { value: unhex("00".repeat(32)) }),
  ...Object.entries(masterDigits).map(([name, digits]) =>
    key(name, name.replace("pay", "emv") as StoredKey["use"], "3DES", { value: unhex(digits) }),
  ),
  key("pay-smc-new", "emv-smc", "3DES", { value: unhex("8A8C8F9192949798A1A2A4A7A8ABADAE") }),
  key("pay-rsa", "emv-issuer", "RSA-1408", issuerKeyOf("RSA-1408", "persoline example issuer 999901")),
];
const encoder = generateKeyPairSync("x25519");
const line = someLine();
/** For `openStripe`. */
export const encoderMachine = { own: encoder.privateKey, lines: [line.open] };
keys.push(
  line.stored,
  key("stripe-encoder", "stripe-encoder", "X25519", {
    value: encoder.publicKey.export({ format: "der", type: "spki" }),
  }),
);
export const calls = vaultCalls(new Keyring("test", keys));
/** The vault as stations see it. */
export const hsm = {
  ...sessionsOf(calls),
  judgeCryptogram: (ask: Parameters<typeof calls.judgeCryptogram>[0]) =>
    Promise.resolve(calls.judgeCryptogram(ask)),
  paymentScripts: (ask: Parameters<typeof calls.paymentScripts>[0]) =>
    Promise.resolve(calls.paymentScripts(ask)),
  encipherPin: (ask: Parameters<typeof calls.encipherPin>[0]) => Promise.resolve(calls.encipherPin(ask)),
  judgeTrack2: (ask: Parameters<typeof calls.judgeTrack2>[0]) => Promise.resolve(calls.judgeTrack2(ask)),
  stripeAgain: (ask: Parameters<typeof calls.stripeAgain>[0]) => Promise.resolve(calls.stripeAgain(ask)),
};

export interface Made {
  readonly compiled: PlannedGp;
  readonly prepared: PreparedRecord;
  readonly secrets: SealedSecrets;
  readonly programs: readonly (readonly [string, CardProgram])[];
}

/** Data preparation of one card. */
export async function made(
  text = paymentText,
  change: Partial<PaymentAsk> = {},
  record: OrderRecord = cardholder,
): Promise<Made> {
  const compiled = plannedPayment(text);
  const prepared = prepare(compiled, record, { order: "2026-900" });
  const { payment } = prepared;
  if (payment === undefined) throw new Error("no payment card");
  const { application, masters, profile, pin } = payment.plan;
  const programs = [
    ["test", compiled.test],
    ["initialisation", compiled.initialisation],
    ["personalization", prepared.personalization],
    ["proof", prepared.proof],
  ] as const;
  const way = pinWay(payment.plan);
  const places = [
    ...placesIn(programs.map(([, program]) => program)),
    pinSentence({ name: pin.name, length: pin.length, ...(way === undefined ? {} : { by: way }) }),
    ...paymentSentences(application, masters, profile),
  ];
  const order = `2026-${policyDigest(places).slice(0, 16)}`;
  openOrderNow(calls, order, places);
  const place = { order, record: record.number };
  const by = pinSource(payment.plan, record.fields);
  const sealedPin = calls.drawPin({
    ...place,
    name: pin.name,
    length: pin.length,
    pan: payment.card.pan,
    ...(by === undefined ? {} : { by }),
  });
  const ask = { ...place, application, masters, profile, card: payment.card, pin: pin.name, sealedPin };
  const [done] = await calls.preparePayment([{ ...ask, seed: "payment life", ...change }]);
  if (done === undefined) throw new Error("nothing prepared");
  const { card } = ask;
  return {
    compiled,
    prepared,
    secrets: {
      ...place,
      pins: { [pin.name]: sealedPin },
      payment: { [application]: { masters, profile, card, pin: pin.name, sealed: done.sealed } },
    },
    programs,
  };
}

/** One payment card at a head. */
export class PaymentHead extends GpHead {
  readonly made: Made;

  constructor(how: Made, faults: readonly Fault[] = [], memory?: Uint8Array) {
    super(memory ?? chip(how.compiled), faults);
    this.made = how;
  }

  override run(program: CardProgram, more: Partial<Run> = {}): Promise<RunEnd> {
    const { secrets } = this.made;
    return super.run(program, {
      hsm: { ...hsm, ...sessionsOf(calls, secrets.order) },
      serial,
      secrets,
      ...more,
    });
  }

  program(name: string): CardProgram {
    const found = this.made.programs.find(([own]) => own === name)?.[1];
    if (found === undefined) throw new Error(`no program ${name}`);
    return found;
  }

  /** All programs up to this one, without trouble. */
  async until(name: string): Promise<this> {
    for (const [own, program] of this.made.programs) {
      if (own === name) break;
      const end = await this.run(program);
      if (end.kind !== "passed") throw new Error(`${own}: ${JSON.stringify(end)}`);
    }
    return this;
  }
}
