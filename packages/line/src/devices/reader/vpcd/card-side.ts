/** The card's end of vpcd: whatever card is put into this slot is served to a pcscd, or to a line that listens as vpcd does. */
import { connect, type Socket } from "node:net";
import type { VirtualCard } from "@persoline/card/virtual";
import { contactByte, Frames, longestFrame, sendFrame } from "./frames.js";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`; an IPv6 host in square brackets. Undefined when it is none. */
export function parseAddress(text: string): Address | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  return host === undefined || !(port >= 1 && port <= 65_535) ? undefined : { host, port };
}

export interface CardSlotOptions {
  readonly address: Address;
  /** The card takes the time that its own clock shows. */
  readonly timed?: boolean;
  /**
   * What a card that stops answering looks like from outside. "leave" (usual): its contacts are lost, and it comes back as a new card would.
   * "hang": it lies there and says nothing, which vpcd, unlike a real reader, bears for ever.
   */
  readonly silence?: "leave" | "hang";
  /** Connected (again), or not: for a screen. */
  readonly onLink?: (linked: boolean) => void;
}

/** While nobody listens. */
const againMs = 250;
/** A card that comes back sooner than pcscd looks twice was never away for it, and stays without power (pcsc-lite 1.9.9). */
const backMs = 1_000;
/** The shortest ATR there is (ISO/IEC 7816-3, 8.2): a card lies here. */
const usualAtr = Uint8Array.of(0x3b, 0x00);
/** Less than an ATR: a card lies here and does not answer. vpcd has no better word for it. */
const muteAtr = Uint8Array.of(0x00);

/** One slot. Connects for as long as a card is in it, again and again while nobody listens. */
export class CardSlot {
  readonly #options: CardSlotOptions;
  #card: VirtualCard | undefined;
  #socket: Socket | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** Of the powered card. */
  #atr: Uint8Array | undefined;
  /** What is shown while no card has power. */
  #shown: Uint8Array = usualAtr;
  /** Late by so many milliseconds already: taken off the next wait. */
  #late = 0;
  #work: Promise<void> = Promise.resolve();

  constructor(options: CardSlotOptions) {
    this.#options = options;
  }

  get linked(): boolean {
    return this.#socket?.readyState === "open";
  }

  /**
   * Puts a card in. When one is in already, they change places under the contacts: the reader sees no removal, and the new one answers from
   * its next reset on.
   */
  insert(card: VirtualCard): void {
    if (this.#card === card) return;
    this.#card?.powerOff();
    this.#card = card;
    this.#atr = undefined;
    if (this.#socket === undefined && this.#retry === undefined) this.#connect();
  }

  /** The card leaves the contacts, and the reader sees no removal: what it asks now is answered by nobody, until another card comes. */
  release(): void {
    this.#card?.powerOff();
    this.#card = undefined;
    this.#atr = undefined;
  }

  /** Tears the card out, whatever it is doing. */
  remove(): void {
    this.#card?.powerOff();
    this.#card = undefined;
    this.#atr = undefined;
    this.#shown = usualAtr;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #connect(): void {
    this.#retry = undefined;
    const socket = connect(this.#options.address);
    this.#socket = socket;
    socket.setNoDelay(true);
    const frames = new Frames();
    let wasLinked = false;
    socket.on("connect", () => {
      wasLinked = true;
      this.#options.onLink?.(true);
    });
    socket.on("data", (bytes) => {
      for (const message of frames.take(bytes)) {
        this.#work = this.#work.then(() => this.#heard(socket, message));
      }
    });
    // Nobody listens yet, or no longer: "close" follows, and tries again.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      if (wasLinked) this.#options.onLink?.(false);
      this.#card?.powerOff();
      this.#atr = undefined;
      if (this.#card === undefined) return;
      this.#retry = setTimeout(() => this.#connect(), wasLinked ? backMs : againMs);
    });
  }

  async #heard(socket: Socket, message: Buffer): Promise<void> {
    if (this.#socket !== socket) return;
    if (message.length === 1 && message[0] === contactByte.atr) {
      // Also how vpcd asks, all the time, whether a card is there: then it is none of the card's business.
      sendFrame(socket, this.#atr ?? this.#shown);
      return;
    }
    const card = this.#card;
    if (card === undefined) {
      if (message.length !== 1) socket.destroy();
      return;
    }
    if (message.length !== 1) {
      const answer = await this.#timed(card, () =>
        this.#atr === undefined ? undefined : card.transmit(new Uint8Array(message)),
      );
      if (answer === undefined) {
        if (this.#options.silence !== "hang") socket.destroy();
      } else if (this.#socket === socket) sendFrame(socket, answer.subarray(0, longestFrame));
      return;
    }
    switch (message[0] ?? contactByte.off) {
      case contactByte.off:
        card.powerOff();
        this.#atr = undefined;
        return;
      case contactByte.on:
        this.#answered(await this.#timed(card, () => card.powerOn()));
        return;
      case contactByte.reset:
        this.#answered(
          await this.#timed(card, () => (this.#atr === undefined ? card.powerOn() : card.warmReset())),
        );
        return;
    }
  }

  #answered(atr: Uint8Array | undefined): void {
    this.#atr = atr;
    this.#shown = atr ?? muteAtr;
  }

  async #timed<T>(card: VirtualCard, act: () => T): Promise<T> {
    if (this.#options.timed !== true) return act();
    const began = performance.now();
    const before = card.elapsedMicros;
    const done = act();
    const due = began - this.#late + (card.elapsedMicros - before) / 1000;
    const left = due - performance.now();
    if (left >= 1) await new Promise((resolve) => setTimeout(resolve, Math.floor(left)));
    this.#late = Math.max(0, performance.now() - due);
    return done;
  }
}
