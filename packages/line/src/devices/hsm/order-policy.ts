/**
 * What an order may have done with its secrets: a list of sentences, fixed when the order is opened. A secret that came by it (a PIN, an issuer's
 * grouping, a payment card's pair) opens for no other list, and no session puts a key, a PIN or anything else of the module's where the list
 * does not say. In `live`, two custodians have approved the list.
 */
import { createHash } from "node:crypto";
import {
  type PaymentMasters,
  placements,
  type SecureChannelSpec,
  type SecureStep,
} from "@persoline/card/program";
import { type Kept, unkeptSentence } from "./order-levels.js";
import type { Environment, PinSource } from "./port.js";
import { VaultRefusal } from "./vault-refusal.js";

/** Longer ones are nobody's: a product has some dozens. */
const SENTENCES_AT_MOST = 1024;
const LENGTH_AT_MOST = 512;

/** Sorted, each once. */
export const listed = (sentences: Iterable<string>): readonly string[] => [...new Set(sentences)].toSorted();

/** SHA-256, hexadecimal, of the sorted list as JSON. */
export const policyDigest = (sentences: readonly string[]): string =>
  createHash("sha256")
    .update(JSON.stringify(listed(sentences)))
    .digest("hex");

/** What seals name that are made outside of any open order: for letters, and for no card. */
export const NO_CARD = "no card";

/** How a PIN comes about. */
export function pinSentence(ask: {
  readonly name: string;
  readonly length: number;
  readonly by?: Pick<PinSource, "method"> & {
    readonly keys?: string;
    readonly format?: number;
    readonly digits?: string;
  };
}): string {
  const { name, length, by } = ask;
  const how = {
    trivial: () => `${by?.digits ?? ""} for all`,
    derived: () => `derived under key ${by?.keys ?? ""}`,
    issuer: () => `the issuer's, format ${String(by?.format)} under key ${by?.keys ?? ""}`,
  };
  return `PIN ${name} of ${String(length)} digits: ${by === undefined ? "drawn" : how[by.method]()}`;
}

/** Which masters a payment application's values follow from. */
export function paymentSentence(application: string, masters: PaymentMasters): string {
  const names = Object.entries(masters)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([use, key]) => `${use} ${String(key)}`);
  return `payment application ${application}: ${names.join(", ")}`;
}

/** An order's list as its process keeps it. */
export interface FixedPolicy {
  readonly digest: string;
  readonly sentences: ReadonlySet<string>;
  /** The order was taken in before there were lists: its seals name none. */
  readonly unlisted: boolean;
}

/** A list that two custodians have approved. */
export interface ApprovedPolicy {
  readonly name: string;
  readonly digest: string;
}

export class OrderPolicies {
  readonly #environment: Environment;
  readonly #approved: () => readonly ApprovedPolicy[];
  readonly #kept: Kept;
  readonly #orders = new Map<string, FixedPolicy>();

  /** `kept`: the levels that this module has shown; without them it keeps none. */
  constructor(environment: Environment, approved: () => readonly ApprovedPolicy[], kept: Kept = {}) {
    this.#environment = environment;
    this.#approved = approved;
    this.#kept = kept;
  }

  /** The digest of a list that may be fixed. Throws VaultRefusal. */
  judged(sentences: readonly string[]): string {
    if (sentences.length > SENTENCES_AT_MOST || sentences.some(({ length }) => length > LENGTH_AT_MOST))
      throw new VaultRefusal(
        "this is no list of what an order may have done with its secrets: it is too long",
      );
    const unkept = unkeptSentence(sentences, this.#kept);
    if (unkept !== undefined) throw new VaultRefusal(`this order is not taken: ${unkept}`);
    const digest = policyDigest(sentences);
    if (this.#environment === "live" && !this.#approved().some((one) => one.digest === digest))
      throw new VaultRefusal(
        `no two custodians have approved where this product's secrets go (list ${digest.slice(0, 16)}): hold the ceremony "persoline keys allow ORDER"`,
      );
    return digest;
  }

  /** From now on this is the order's list. Throws VaultRefusal for another one than before. */
  fix(order: string, sentences: readonly string[], unlisted: boolean): void {
    const digest = this.judged(sentences);
    const known = this.#orders.get(order);
    if (known !== undefined && known.digest !== digest)
      throw new VaultRefusal(`order ${order} was opened with another list of places for its secrets`);
    this.#orders.set(order, { digest, sentences: new Set(sentences), unlisted });
  }

  of(order: string): FixedPolicy | undefined {
    return this.#orders.get(order);
  }

  /** What a seal that is made now belongs to. */
  digestFor(order: string): string {
    return this.#orders.get(order)?.digest ?? NO_CARD;
  }

  /** Throws VaultRefusal when the order's list does not say this; an order that is not open has none, and makes secrets for no card. */
  allow(order: string, sentence: string): void {
    const policy = this.#orders.get(order);
    if (policy !== undefined && !policy.sentences.has(sentence)) throw notListed(order, sentence);
  }

  /** Before any command is made. Throws VaultRefusal, naming the secret and its place. */
  allowAll(order: string | undefined, channel: SecureChannelSpec, steps: readonly SecureStep[]): void {
    const placed = placements(channel, steps);
    const [first] = placed;
    if (first === undefined) return;
    const policy = order === undefined ? undefined : this.#orders.get(order);
    if (order === undefined || policy === undefined)
      throw new VaultRefusal(
        `${order === undefined ? "no order was named" : `order ${order} is not open`}, and without its list no secret goes into a card: ${first.sentence}`,
      );
    const wrong = placed.find(({ sentence, known }) => !known || !policy.sentences.has(sentence));
    if (wrong !== undefined) throw notListed(order, wrong.sentence);
  }

  /** For the capability report. */
  report(): readonly {
    readonly order: string;
    readonly digest: string;
    readonly sentences: readonly string[];
  }[] {
    return [...this.#orders].map(([order, { digest, sentences }]) => ({
      order,
      digest,
      sentences: listed(sentences),
    }));
  }
}

const notListed = (order: string, sentence: string): VaultRefusal =>
  new VaultRefusal(
    `order ${order} does not let this be done, and nothing was sent: ${sentence}. What it lets be done was fixed when it was opened`,
  );
