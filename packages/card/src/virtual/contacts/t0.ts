import type { Engine, EngineParts, Outgoing } from "./engine.js";
import { clockRateOf } from "./profile.js";

const asker = 0xc0;
const envelope = 0xc2;
const most = 65_544;

/** What the card has ready for GET RESPONSE. */
interface Stored {
  data: Uint8Array;
  readonly status: readonly number[];
}

/** The card's end of T=0 (ISO/IEC 7816-3, 10): one header after the other, procedure bytes, data, status. */
export class CharacterEngine implements Engine {
  readonly #parts: EngineParts;
  readonly #wt: number;
  #header: number[] = [];
  #data: number[] = [];
  /** Data bytes that the header announces. */
  #expected = 0;
  /** Bytes to send; what is before `readyAt` is work that NULLs keep the reader patient for. */
  #outbox: number[] = [];
  #readyAt = 0;
  #stored: Stored | undefined;
  /** Header of a command that was answered 6CXX: when it comes again, its answer is there already. */
  #kept: { readonly header: string; readonly stored: Stored } | undefined;
  /** A command that is accepted and waits for its Le: the P3 of the GET RESPONSE behind it (12.2.4, case 4S.2). */
  #awaiting: readonly number[] | undefined;
  #envelopes: number[] = [];
  #silent = false;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#wt = parts.profile.wi * 960 * (clockRateOf(parts.profile.ta1) || 372);
  }

  received(byte: number | undefined, at: number): boolean {
    if (this.#silent) return false;
    if (byte === undefined) return true;
    if (this.#header.length < 5) {
      this.#header.push(byte);
      if (this.#header.length === 5) this.#begin(at);
      return false;
    }
    this.#data.push(byte);
    if (this.#data.length === this.#expected) this.#run(at);
    else if (this.#parts.habits.byteByByte === true) this.#say([(this.#header[1] ?? 0) ^ 0xff], at);
    return false;
  }

  next(lastEdge: number): Outgoing | undefined {
    const byte = this.#outbox[0];
    if (byte === undefined) return undefined;
    const { etu, habits } = this.#parts;
    const patience = lastEdge + Math.floor(this.#wt * 0.8);
    const usual = lastEdge + 12 * etu;
    if (this.#readyAt > patience) return { byte: 0x60, at: patience };
    return { byte, at: habits.dawdles === true ? patience : Math.max(usual, this.#readyAt) };
  }

  sent(at: number): void {
    // A NULL leaves the outbox as it is.
    if (this.#readyAt > at) return;
    this.#outbox.shift();
    if (this.#outbox.length === 0 && this.#data.length === this.#expected) this.#header = [];
  }

  #begin(at: number): void {
    const [cla = 0, ins = 0, p1 = 0, p2 = 0, p3 = 0] = this.#header;
    this.#data = [];
    this.#expected = 0;
    const takes = ins === envelope || (ins !== asker && this.#casesOf(cla, ins, p1, p2, p3).data);
    if (takes && p3 > 0) {
      this.#expected = p3;
      this.#say([this.#parts.habits.byteByByte === true ? ins ^ 0xff : ins], at);
      return;
    }
    this.#run(at);
  }

  #casesOf(cla: number, ins: number, p1: number, p2: number, p3: number) {
    return this.#parts.habits.cases?.(Uint8Array.of(cla, ins, p1, p2, p3)) ?? { data: false, answers: true };
  }

  #run(at: number): void {
    const [cla = 0, ins = 0, p1 = 0, p2 = 0, p3 = 0] = this.#header;
    const awaiting = this.#awaiting;
    this.#awaiting = undefined;
    if (ins === asker && awaiting !== undefined) {
      const stored = this.#perform([...awaiting, p3], at);
      if (stored !== undefined) this.#give(stored, p3, this.#readyAt);
      return;
    }
    if (ins === asker) {
      this.#give(this.#stored ?? { data: new Uint8Array(0), status: [0x69, 0x85] }, p3, at);
      return;
    }
    const kept = this.#kept;
    this.#kept = undefined;
    this.#stored = undefined;
    if (kept?.header === this.#header.slice(0, 4).join()) {
      this.#give(kept.stored, p3, at);
      return;
    }
    if (ins === envelope) {
      this.#collect(at);
      return;
    }
    const { data: takes, answers, awaitsLe } = this.#casesOf(cla, ins, p1, p2, p3);
    const header = [cla, ins, p1, p2];
    if (takes && p3 > 0 && awaitsLe === true) {
      this.#awaiting = [...header, p3, ...this.#data];
      this.#say([0x90, 0x00], at);
      return;
    }
    if (takes && p3 > 0) {
      const stored = this.#perform([...header, p3, ...this.#data, ...(answers ? [0] : [])], at);
      if (stored !== undefined) this.#announce(stored);
      return;
    }
    const stored = this.#perform(answers ? [...header, p3] : header, at);
    if (stored === undefined) return;
    const given = p3 || 256;
    if (stored.data.length > 0 && stored.data.length < given) {
      this.#kept = { header: header.join(), stored };
      this.#outbox = [0x6c, stored.data.length];
    } else this.#give(stored, p3, this.#readyAt);
  }

  /** Pieces of an extended APDU; an ENVELOPE without data ends it. */
  #collect(at: number): void {
    if (this.#data.length > 0) {
      this.#envelopes.push(...this.#data);
      const fits = this.#envelopes.length <= most;
      if (!fits) this.#envelopes = [];
      this.#say(fits ? [0x90, 0x00] : [0x67, 0x00], at);
      return;
    }
    const apdu = this.#envelopes;
    this.#envelopes = [];
    const stored = this.#perform(apdu, at);
    if (stored !== undefined) this.#announce(stored);
  }

  #announce(stored: Stored): void {
    this.#stored = stored;
    const { length } = stored.data;
    this.#outbox = length === 0 ? [...stored.status] : [0x61, Math.min(length, 256) & 0xff];
  }

  /** Outgoing data: ACK, bytes, and the status or that there is more. */
  #give(stored: Stored, p3: number, at: number): void {
    const { data, status } = stored;
    const asked = p3 || 256;
    this.#readyAt = Math.max(this.#readyAt, at);
    if (data.length === 0) {
      this.#outbox = [...status];
      return;
    }
    if (asked > data.length) {
      this.#outbox = [0x6c, data.length];
      this.#stored = stored;
      return;
    }
    const rest = data.subarray(asked);
    this.#stored = rest.length === 0 ? undefined : { data: rest, status };
    const end = rest.length === 0 ? status : [0x61, Math.min(rest.length, 256) & 0xff];
    this.#outbox = [this.#header[1] ?? 0, ...data.subarray(0, asked), ...end];
  }

  #perform(apdu: readonly number[], at: number): Stored | undefined {
    const { perform, habits } = this.#parts;
    const { answer, work } = perform(Uint8Array.from(apdu));
    this.#readyAt = habits.waitsForEver === apdu[1] ? Number.POSITIVE_INFINITY : at + work;
    if (answer === undefined) {
      this.#silent = true;
      this.#outbox = [];
      return undefined;
    }
    return { data: answer.subarray(0, -2), status: [...answer.subarray(-2)] };
  }

  #say(bytes: readonly number[], at: number): void {
    this.#readyAt = at;
    this.#outbox = [...bytes];
  }
}
