/**
 * Secrets of each order that the module keeps itself: half of what every seal of the order is made under. The database never has them, so
 * that they end in one place: with one of them destroyed, no copy of the database opens any more what was sealed under it.
 */
import { createHash, hkdfSync } from "node:crypto";
import { unmovedCopy } from "@persoline/card/bytes";
import { random } from "./draw.js";
import { gcmOpened, gcmSealed } from "./gcm.js";
import type { Shelf } from "./order-shelf.js";
import { VaultRefusal } from "./vault-refusal.js";

/**
 * What ends a secret. Until delivery: of what goes into cards (PINs, issuers' groupings, prepared payment applications); until erasure: of
 * the data key, and by it of all personal data.
 */
export type OrderEnd = "delivery" | "erasure";
const ends: readonly OrderEnd[] = ["delivery", "erasure"];

const LENGTH = 32;
const OPENED_AT_MOST = 64;
/** In the place of a secret that was destroyed. */
const NOTE = Buffer.from("persoline: destroyed\n");

/** Zeros are what a killed process left of a secret that it was destroying. */
type Standing = "none" | "there" | "destroyed" | "interrupted";

export class OrderSecrets {
  readonly #shelf: Shelf;
  /** Orders that are known to have secrets: where both are gone, they are lost, and were not made before there were any. */
  readonly #known = new Set<string>();
  /** Those that were opened last, for cards come by the hundred: each is looked for all the same, for another process may have destroyed it. */
  readonly #opened = new Map<string, { readonly stamp: string; readonly secret: Uint8Array }>();

  constructor(shelf: Shelf) {
    this.#shelf = shelf;
  }

  /** Makes those of them that are not there yet; durable when it returns. Throws VaultRefusal for an order that ended. */
  create(order: string, sealing: Uint8Array): void {
    for (const end of ends) this.mustLive(order, end);
    const key = ownKey(sealing);
    try {
      for (const end of ends) {
        const secret = random(LENGTH);
        try {
          // One that is there stays, and is on the disk when this returns, whoever made it.
          this.#shelf.put(nameOf(order, end), gcmSealed(key, associated(order, end), secret));
        } finally {
          secret.fill(0);
        }
      }
    } finally {
      key.fill(0);
    }
    this.#known.add(order);
  }

  /**
   * The caller wipes it. Undefined: the order was taken in before orders had secrets. Throws VaultRefusal: it was destroyed, it is missing, or
   * it is no file of this installation.
   */
  of(order: string, end: OrderEnd, sealing: Uint8Array): Uint8Array | undefined {
    const name = nameOf(order, end);
    const stamp = this.#shelf.stamp(name);
    const opened = this.#opened.get(name);
    if (opened !== undefined && opened.stamp === stamp) return unmovedCopy(opened.secret);
    this.#forget(name);
    const sealed = stamp === undefined ? undefined : this.#shelf.read(name);
    refuseEnded(order, end, standingOf(sealed));
    if (sealed === undefined) {
      const isKnown = this.#known.has(order) || ends.some((one) => this.#standing(order, one) === "there");
      if (isKnown) throw this.missing(order, end);
      return undefined;
    }
    const key = ownKey(sealing);
    const secret = gcmOpened(key, associated(order, end), sealed);
    key.fill(0);
    if (secret?.length !== LENGTH)
      throw new VaultRefusal(
        `${this.#shelf.placeOf(nameOf(order, end))} is damaged, or another installation's: without it what was sealed for order ${order} does not open. Restore this file from the newest backup; nothing was opened, nothing sent`,
      );
    this.#known.add(order);
    if (stamp !== undefined) {
      const [oldest] = this.#opened.keys();
      if (this.#opened.size >= OPENED_AT_MOST && oldest !== undefined) this.#forget(oldest);
      this.#opened.set(name, { stamp, secret: unmovedCopy(secret) });
    }
    return secret;
  }

  /** Throws VaultRefusal for a secret that was destroyed. */
  mustLive(order: string, end: OrderEnd): void {
    refuseEnded(order, end, this.#standing(order, end));
  }

  /** Nothing that was sealed under it opens any more. */
  hasEnded(order: string, end: OrderEnd): boolean {
    return ["destroyed", "interrupted"].includes(this.#standing(order, end));
  }

  missing(order: string, end: OrderEnd): VaultRefusal {
    return new VaultRefusal(
      `${this.#shelf.placeOf(nameOf(order, end))} is missing: without it what was sealed for order ${order} does not open. Restore this file from the newest backup; nothing was opened, nothing sent`,
    );
  }

  /** Destroys it for good. Answers whether there was something left to do: after an interruption the same call does the rest. */
  end(order: string, end: OrderEnd): boolean {
    if (this.#standing(order, end) === "destroyed") return false;
    this.#forget(nameOf(order, end));
    // Also where there is none: seals of before there were secrets, and a file that somebody puts back, are refused by the note.
    this.#shelf.destroy(nameOf(order, end), NOTE);
    return true;
  }

  /** Of this process's memory; what is kept stays. */
  wipe(): void {
    for (const name of this.#opened.keys()) this.#forget(name);
  }

  #standing(order: string, end: OrderEnd): Standing {
    const name = nameOf(order, end);
    return standingOf(this.#shelf.stamp(name) === undefined ? undefined : this.#shelf.read(name));
  }

  #forget(name: string): void {
    this.#opened.get(name)?.secret.fill(0);
    this.#opened.delete(name);
  }
}

function standingOf(content: Uint8Array | undefined): Standing {
  if (content === undefined) return "none";
  if (NOTE.equals(content)) return "destroyed";
  return content.length > 0 && content.every((byte) => byte === 0) ? "interrupted" : "there";
}

function refuseEnded(order: string, end: OrderEnd, standing: Standing): void {
  if (standing === "none" || standing === "there") return;
  throw new VaultRefusal(
    end === "delivery"
      ? `order ${order} was delivered or erased: what its PINs and whatever else goes into its cards were sealed under was destroyed then, and nobody opens them any more, from whatever copy of the database`
      : `order ${order} was erased: what its data key was sealed under was destroyed then, and nobody opens it any more, from whatever copy of the database; its number is not used again`,
  );
}

/** The key that one purpose's seals of an order are made under. The caller wipes it. */
export function sealKey(sealing: Uint8Array, secret: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", sealing, secret, `persoline ${purpose}`, LENGTH));
}

const ownKey = (sealing: Uint8Array): Uint8Array => sealKey(sealing, new Uint8Array(0), "order secret");

const associated = (order: string, end: OrderEnd): Buffer => Buffer.from(JSON.stringify([order, end]));

/** Readable for whoever restores it; the digest tells numbers apart that a file system would not, and keeps other texts in the folder. */
function nameOf(order: string, end: OrderEnd): string {
  const readable = order.slice(0, 32).replaceAll(/[^A-Za-z0-9-]/g, "_");
  const digest = createHash("sha256").update(order).digest("hex").slice(0, 16);
  return `${readable}.${digest}.until-${end}`;
}
