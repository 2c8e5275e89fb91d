import type { Engine, EngineParts, Outgoing } from "./engine.js";

/** Bits of PCB (ISO/IEC 7816-3, 11.3.2.2). */
const pcb = {
  sendNumber: 0x40,
  more: 0x20,
  supervisory: 0xc0,
  receive: 0x80,
  receiveNumber: 0x10,
  response: 0x20,
} as const;
const service = { resynch: 0, ifs: 1, abort: 2, wtx: 3 } as const;
const mostCommand = 65_544;

/** The card's end of T=1 (ISO/IEC 7816-3, 11): it only ever answers. */
export class BlockEngine implements Engine {
  readonly #parts: EngineParts;
  readonly #cwt: number;
  readonly #bwt: number;
  /** Characters of the block that is coming in; undefined among them: wrong parity. */
  #incoming: (number | undefined)[] = [];
  #cameAt = 0;
  /** The block was bad: what still comes belongs to it, until the line is quiet. */
  #ignoring = false;
  #outbox: number[] = [];
  #fresh = false;
  #notBefore = 0;
  #ifsd = 32;
  /** Number of our next I-block, and of the reader's. */
  #mine = 0;
  #theirs = 0;
  #command: number[] = [];
  #answer: Uint8Array = new Uint8Array(0);
  #told = 0;
  /** Our last I-block, as long as the reader has not shown that it has it. */
  #last: { readonly number: number; readonly bytes: readonly number[] } | undefined;
  /** S(request) that waits for its response. */
  #request: readonly number[] | undefined;
  #readyAt = 0;
  #silent = false;
  #announced = false;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    const { cwi, bwi } = parts.profile;
    this.#cwt = (11 + 2 ** cwi) * parts.etu;
    this.#bwt = 11 * parts.etu + 2 ** bwi * 960 * 372;
  }

  received(byte: number | undefined, at: number): boolean {
    if (this.#silent) return false;
    const late = at - this.#cameAt > this.#cwt + 2 * this.#parts.etu;
    this.#cameAt = at;
    if (late) {
      this.#incoming = [];
      this.#ignoring = false;
    }
    if (this.#ignoring) return false;
    this.#incoming.push(byte);
    const length = this.#incoming[2] ?? 0;
    const whole = 3 + length + (this.#parts.profile.crc ? 2 : 1);
    if (this.#incoming.length < 3 || (length !== 0xff && this.#incoming.length < whole)) return false;
    const block = this.#incoming;
    this.#incoming = [];
    this.#take(block, at);
    return false;
  }

  next(lastEdge: number): Outgoing | undefined {
    const byte = this.#outbox[0];
    if (byte === undefined) return undefined;
    const { etu, profile, habits } = this.#parts;
    const gap = this.#fresh ? 22 * etu : (profile.shortGuard ? 11 : 12) * etu;
    const slow = habits.dawdles === true ? (this.#fresh ? this.#bwt : this.#cwt) * 0.9 : 0;
    return { byte, at: Math.max(lastEdge + gap, lastEdge + Math.floor(slow), this.#notBefore) };
  }

  sent(): void {
    this.#fresh = false;
    this.#ignoring = false;
    this.#outbox.shift();
  }

  #take(block: readonly (number | undefined)[], at: number): void {
    const characters = block.filter((byte) => byte !== undefined);
    const [nad = 0, control = 0, length = 0] = characters;
    const damaged = characters.length < block.length || !this.#checks(characters);
    if (damaged || length === 0xff || (nad & 0x77) !== 0) {
      this.#complain(damaged ? 1 : 2, at);
      return;
    }
    const information = characters.slice(3, 3 + length);
    const known =
      (control & 0x80) === 0
        ? this.#information(control, information, at)
        : (control & pcb.supervisory) === pcb.supervisory
          ? this.#supervisory(control, information, at)
          : this.#acknowledged(control, information, at);
    if (!known) this.#complain(2, at);
  }

  /** An I-block of the reader. */
  #information(control: number, information: readonly number[], at: number): boolean {
    const number = (control & pcb.sendNumber) === 0 ? 0 : 1;
    if ((control & 0x1f) !== 0 || number !== this.#theirs || this.#request !== undefined) return false;
    if (information.length > this.#parts.profile.ifsc) return false;
    this.#theirs ^= 1;
    this.#last = undefined;
    this.#answer = new Uint8Array(0);
    this.#told = 0;
    this.#command.push(...information);
    if (this.#command.length > mostCommand) {
      this.#command = [];
      this.#ask(service.abort, [], at);
      return true;
    }
    if ((control & pcb.more) !== 0) {
      this.#say([0x80 | (this.#theirs * pcb.receiveNumber)], [], at);
      return true;
    }
    const announced = this.#parts.habits.announcesIfsc;
    if (announced !== undefined && !this.#announced) {
      this.#announced = true;
      this.#run(at);
      this.#ask(service.ifs, [announced], at);
      return true;
    }
    this.#run(at);
    this.#proceed(at);
    return true;
  }

  /** An R-block: the next piece, the last one again, or our own complaint again. */
  #acknowledged(control: number, information: readonly number[], at: number): boolean {
    if ((control & 0x2c) !== 0 || information.length > 0) return false;
    const number = (control & pcb.receiveNumber) === 0 ? 0 : 1;
    if (this.#request !== undefined) {
      this.#say([this.#request[0] ?? 0], this.#request.slice(1), at);
      return true;
    }
    const last = this.#last;
    if (last !== undefined && number === last.number) {
      this.#outbox = [...last.bytes];
      this.#begin(at);
    } else if (last !== undefined && this.#told < this.#answer.length) {
      this.#piece(at);
    } else {
      this.#say([0x80 | (this.#theirs * pcb.receiveNumber)], [], at);
    }
    return true;
  }

  #supervisory(control: number, information: readonly number[], at: number): boolean {
    const what = control & 0x1f;
    if ((control & pcb.response) !== 0) {
      const awaited = this.#request;
      if (awaited?.[0] !== (control & ~pcb.response) || awaited.slice(1).join() !== information.join())
        return false;
      this.#request = undefined;
      if (what === service.abort) this.#say([0x80 | (this.#theirs * pcb.receiveNumber)], [], at);
      else this.#proceed(at);
      return true;
    }
    const [value] = information;
    if (what === service.ifs) {
      if (information.length !== 1 || value === undefined || value === 0 || value === 0xff) return false;
      this.#ifsd = value;
    } else if (information.length > 0 || what > service.abort) {
      return false;
    }
    if (what === service.resynch) {
      this.#mine = 0;
      this.#theirs = 0;
      this.#ifsd = 32;
    }
    if (what !== service.ifs) {
      this.#request = undefined;
      this.#command = [];
      this.#answer = new Uint8Array(0);
      this.#told = 0;
      this.#last = undefined;
    }
    this.#say([control | pcb.response], information, at);
    return true;
  }

  #run(at: number): void {
    const { perform, habits } = this.#parts;
    const apdu = Uint8Array.from(this.#command);
    this.#command = [];
    const { answer, work } = perform(apdu);
    this.#readyAt = habits.waitsForEver === apdu[1] ? Number.POSITIVE_INFINITY : at + work;
    if (answer === undefined) this.#silent = true;
    else this.#answer = answer;
  }

  /** The answer when it is ready within BWT, a request for more time otherwise. */
  #proceed(at: number): void {
    if (this.#silent) return;
    const patience = Math.floor(this.#bwt * 0.8);
    const wait = this.#readyAt - at;
    if (wait > this.#bwt * 0.9) {
      const times = Number.isFinite(wait) ? Math.min(255, Math.ceil(wait / this.#bwt) + 1) : 1;
      this.#ask(service.wtx, [times], at);
      this.#notBefore = at + patience;
      return;
    }
    this.#piece(at);
    this.#notBefore = Math.max(this.#notBefore, this.#readyAt + 22 * this.#parts.etu);
  }

  #piece(at: number): void {
    const end = Math.min(this.#told + this.#ifsd, this.#answer.length);
    const more = end < this.#answer.length ? pcb.more : 0;
    const control = (this.#mine * pcb.sendNumber) | more;
    this.#say([control], [...this.#answer.subarray(this.#told, end)], at);
    this.#last = { number: this.#mine, bytes: [...this.#outbox] };
    this.#told = end;
    this.#mine ^= 1;
  }

  #ask(what: number, information: readonly number[], at: number): void {
    this.#request = [0xc0 | what, ...information];
    this.#say([0xc0 | what], information, at);
  }

  /** What could not be understood: the last request again, or the number of the block that is expected. */
  #complain(error: 1 | 2, at: number): void {
    this.#ignoring = true;
    if (this.#request !== undefined) this.#say([this.#request[0] ?? 0], this.#request.slice(1), at);
    else this.#say([0x80 | (this.#theirs * pcb.receiveNumber) | error], [], at);
  }

  #say(control: readonly [number], information: readonly number[], at: number): void {
    const body = [0x00, ...control, information.length, ...information];
    this.#outbox = [...body, ...this.#checkOf(body)];
    this.#begin(at);
  }

  #begin(at: number): void {
    this.#fresh = true;
    this.#notBefore = at + 22 * this.#parts.etu;
  }

  #checks(characters: readonly number[]): boolean {
    const size = this.#parts.profile.crc ? 2 : 1;
    const check = this.#checkOf(characters.slice(0, -size));
    return check.join() === characters.slice(-size).join();
  }

  #checkOf(body: readonly number[]): number[] {
    if (!this.#parts.profile.crc) return [body.reduce((all, byte) => all ^ byte)];
    // CRC of ISO/IEC 13239 by its polynomial, bit by bit, least significant bit first.
    let rest = 0xffff;
    for (const byte of body) {
      for (let bit = 0; bit < 8; bit++) {
        const feedback = ((rest ^ (byte >> bit)) & 1) === 1;
        rest >>= 1;
        if (feedback) rest ^= 0x8408;
      }
    }
    rest ^= 0xffff;
    return [rest >> 8, rest & 0xff];
  }
}
