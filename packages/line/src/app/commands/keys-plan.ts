/** What a new key is to be: its use, its algorithm, its cryptoperiod. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { keyUses } from "../../devices/hsm/office/action-words.js";
import type { KeyPlan } from "../../devices/hsm/office/types.js";

/** A day stands for its first moment, UTC. */
function moment(text: string): string {
  const time = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d))?$/.test(text) || Number.isNaN(time))
    throw new InvalidArgumentError("write 2027-01-01, or 2027-01-01T00:00:00Z");
  return new Date(time).toISOString();
}

export const withPlan = (command: Command): Command =>
  command
    .addOption(
      new Option("--use <use>", "what it is for, and for nothing else")
        .choices(keyUses)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option(
        "--algorithm <name>",
        "default: AES-128; scp02 and payment masters: 3DES; emv-issuer: RSA-1408; issuer-signature: Ed25519; stripe-encoder: X25519; scp11, card-authority: P-256",
      ).choices([
        "AES-128",
        "AES-192",
        "AES-256",
        "3DES",
        "RSA-1152",
        "RSA-1408",
        "Ed25519",
        "X25519",
        "P-256",
      ]),
    )
    .option("--from <date>", "the cryptoperiod begins", moment)
    .option("--until <date>", "the cryptoperiod ends: no new cards from then on", moment);

export interface PlanOptions {
  readonly use: KeyPlan["use"];
  readonly algorithm?: KeyPlan["algorithm"];
  readonly from?: string;
  readonly until?: string;
}

const USUAL: Readonly<Partial<Record<KeyPlan["use"], KeyPlan["algorithm"]>>> = {
  scp02: "3DES",
  "emv-ac": "3DES",
  "emv-smi": "3DES",
  "emv-smc": "3DES",
  "emv-cvk": "3DES",
  "emv-pvk": "3DES",
  "ibm-3624": "3DES",
  "emv-issuer": "RSA-1408",
  "issuer-signature": "Ed25519",
  "stripe-encoder": "X25519",
  scp11: "P-256",
  "card-authority": "P-256",
};
const usual = (use: KeyPlan["use"]): KeyPlan["algorithm"] => USUAL[use] ?? "AES-128";

export const planOf = (name: string, { use, algorithm = usual(use), from, until }: PlanOptions): KeyPlan => ({
  name,
  use,
  algorithm,
  ...(from === undefined ? {} : { from }),
  ...(until === undefined ? {} : { until }),
});
