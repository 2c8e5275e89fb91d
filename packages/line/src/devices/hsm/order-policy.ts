/**
 * What an order may have done with its secrets: a list of sentences, fixed when the order is opened. A secret that came by it (a PIN, an issuer's
 * grouping, a payment card's pair) opens for no other list, and no session puts a key, a PIN or anything else of the module's where the list
 * does not say. In `live`, two custodians have approved the list.
 */
import { createHash } from "node:crypto";
import {
  type OpenJudge,
  placements,
  proofPlacements,
  type SealedSecrets,
  type SecureChannelSpec,
  type SecureStep,
  sessionPlace,
} from "@persoline/card/program";
import { type Kept, levelSentence, unkeptSentence } from "./order-levels.js";
import { paymentSentences } from "./payment-sentences.js";
import {
  type Environment,
  type PaymentAsk,
  type PinSource,
  wrongBlocksAtMost,
  wrongProofsAtMost,
} from "./port.js";
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

/** An order's list as its process keeps it. */
export interface FixedPolicy {
  readonly digest: string;
  readonly sentences: ReadonlySet<string>;
  /** The order was taken in before there were lists: its seals name none. */
  readonly unlisted: boolean;
}

export interface WantedPin {
  readonly order: string;
  readonly record: number;
  readonly length: number;
  readonly pan: string | undefined;
}

/** Of an open order, for its seals. */
export interface ListedCard {
  readonly policy: string;
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
  /** Orders whose data key was opened, with the list that its seal names: letters are written of them, also without the product's list. */
  readonly #released = new Map<string, { readonly policy?: string }>();
  /** Whose each of the issuer's PIN blocks is said to be: digests of both. */
  readonly #blocks = new Map<string, string>();
  #wrongBlocks = 0;
  #wrongProofs = 0;

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
    if (unkept !== undefined)
      throw new VaultRefusal(
        `this order is not taken: ${unkept}. Use a module that keeps it; or let those who answer for the keys write the level that this one keeps into the file that wants another, of the product or the order, as "security: { pin: module-process }" does`,
      );
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

  /** An order's data key was opened. `policy`: what its seal names; absent: it is older than lists. */
  released(order: string, policy: string | undefined): void {
    this.#released.set(order, policy === undefined ? {} : { policy });
  }

  /** What the PINs in an order's letters must name. Throws VaultRefusal when its data key was not opened, or there is none any more. */
  letters(order: string): { readonly policy?: string } {
    const list = this.#released.get(order);
    if (list === undefined)
      throw new VaultRefusal(`order ${order} is not open, and no letter of it is written`);
    return list;
  }

  /** Its data key opens no more: nothing is done for it in this process either. */
  end(order: string): void {
    this.#orders.delete(order);
    this.#released.delete(order);
  }

  of(order: string): FixedPolicy | undefined {
    return this.#orders.get(order);
  }

  /** What a seal that is made now belongs to. */
  digestFor(order: string): string {
    return this.#orders.get(order)?.digest ?? NO_CARD;
  }

  /** Throws VaultRefusal when the order's list does not say this, or when it is not open: whoever names an order of his own gets nothing. */
  allow(order: string, sentence: string): FixedPolicy {
    const policy = this.#orders.get(order);
    if (policy === undefined)
      throw new VaultRefusal(
        `order ${order} is not open, and without its list this is not done: ${sentence}`,
      );
    if (!policy.sentences.has(sentence)) throw notListed(order, sentence);
    return policy;
  }

  /** What the seals of this record's payment application must name. Throws VaultRefusal. */
  payment({ order, record, payment = {} }: SealedSecrets, application: string): ListedCard {
    const own = payment[application];
    if (own === undefined)
      throw new VaultRefusal(
        `nothing was prepared for application ${application} of order ${order}, record ${String(record)}`,
      );
    return this.card({ order, application, masters: own.masters, profile: own.profile });
  }

  /** The same of a card that is to be prepared. Throws VaultRefusal. */
  card({
    order,
    application,
    masters,
    profile,
  }: Pick<PaymentAsk, "order" | "application" | "masters" | "profile">): ListedCard {
    const [first, ...more] = paymentSentences(application, masters, profile);
    const { digest, unlisted } = this.allow(order, first);
    for (const sentence of more) this.allow(order, sentence);
    return { policy: digest, unlisted };
  }

  /**
   * What an issuer's PIN block has in it. Whoever may choose the account for a block, and hears whether it then is one, finds its PIN digit by
   * digit (formats 0 and 3 are PIN XOR account): so a block is asked about for one account, in all orders, all that can be wrong is wrong in
   * the same words, and a few of them are enough. `open`: undefined when it is no such block. Throws VaultRefusal.
   */
  pinBlock<T>(
    { keys, format, block }: Extract<PinSource, { method: "issuer" }>,
    { order, record, pan = "", length }: WantedPin,
    open: () => T | undefined,
  ): T {
    if (this.#wrongBlocks >= wrongBlocksAtMost)
      throw new VaultRefusal(
        "so many PIN blocks were wrong that no more are opened: find out with the issuer what is wrong (key, format, length, account numbers), then start anew",
      );
    // Without an account in it, format 1 tells nothing of one, and may repeat itself.
    if (format !== 1) {
      const which = digestOf(`${keys} ${Buffer.from(block).toString("hex")}`);
      const whose = digestOf(pan);
      if ((this.#blocks.get(which) ?? whose) !== whose)
        throw new VaultRefusal(
          `order ${order}, record ${String(record)}: this PIN block came for another account before, and is opened for no second one`,
        );
      this.#blocks.set(which, whose);
    }
    const opened = open();
    if (opened !== undefined) return opened;
    this.#wrongBlocks++;
    throw new VaultRefusal(
      `order ${order}, record ${String(record)}: the issuer's PIN block is none of format ${String(format)} under key ${keys} with a PIN of ${String(length)} digits for its account`,
    );
  }

  /**
   * Before any command is made. With a card's keys whoever has its session ends the card, takes its applications, or puts value into it,
   * without any secret in a command: so the list says which keys open sessions at all. Gates read, and have no order. Throws VaultRefusal,
   * naming the secret and its place, or the session.
   */
  allowAll(order: string | undefined, channel: SecureChannelSpec, steps: readonly SecureStep[]): void {
    const placed = placements(channel, steps);
    const [first] = placed;
    if (channel.protocol === "desfire" && channel.gate === true) return;
    const opened = sessionPlace(channel);
    const policy = order === undefined ? undefined : this.#orders.get(order);
    if (order === undefined || policy === undefined)
      throw new VaultRefusal(
        `${order === undefined ? "no order was named" : `order ${order} is not open`}, and without its list this is not done: ${first?.sentence ?? opened}`,
      );
    const wrong = placed.find(({ sentence, known }) => !known || !policy.sentences.has(sentence));
    if (wrong !== undefined) throw notListed(order, wrong.sentence);
    if (!policy.sentences.has(opened)) throw notListed(order, opened);
    if (this.#environment !== "live" || channel.protocol !== "desfire" || channel.key !== "default") return;
    if (!openlyHeard.some((sentence) => policy.sentences.has(sentence)))
      throw notListed(order, `${opened}, which everybody has, without "${openlyHeard[0] ?? ""}"`);
  }

  /** Before what is the issuer's judges a card. Throws VaultRefusal, naming it; and once so many proofs were wrong that somebody may be guessing. */
  allowProofs(order: string | undefined, judges: readonly OpenJudge[]): void {
    const placed = judges.flatMap((judge) => proofPlacements(judge));
    const [first] = placed;
    if (first === undefined) return;
    this.mayProve();
    if (order === undefined)
      throw new VaultRefusal(
        `no record's secrets were named, and without them this is not done: ${first.sentence}`,
      );
    for (const { sentence, known } of placed) {
      if (!known) throw notListed(order, sentence);
      this.allow(order, sentence);
    }
  }

  /**
   * Before a verdict leaves: whoever may name a grouping's content, or set the card's, and hears whether they agree finds a short one by
   * trying all, so of wrong ones only a few are told, however many were asked for at once. Throws VaultRefusal.
   */
  countProof(isRight: boolean): void {
    this.mayProve();
    if (!isRight) this.#wrongProofs++;
  }

  /** Throws VaultRefusal once too many were wrong. */
  mayProve(): void {
    if (this.#wrongProofs < wrongProofsAtMost) return;
    throw new VaultRefusal(
      "so many proofs of data or of the issuer's keys were wrong that no more are judged: find out what is wrong with the cards or the issuer's file, then start anew",
    );
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

/** Whoever allows a session under a published key allows that its keys can be made by whoever hears it. */
const openlyHeard = (["session-keys-in-host", "trusted-host"] as const).map((level) =>
  levelSentence("desfire-first-keys", level),
);

const digestOf = (text: string): string => createHash("sha256").update(text).digest("base64");

const notListed = (order: string, sentence: string): VaultRefusal =>
  new VaultRefusal(
    `order ${order} does not let this be done, and nothing was sent: ${sentence}. What it lets be done was fixed when it was opened`,
  );
