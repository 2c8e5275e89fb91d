/** What every reader promises, simulated or real, and the card that shows it. */
import { type CardChannel, CardMute, type Sent } from "@persoline/card/program";
import type { VirtualCard } from "@persoline/card/virtual";
import { describe, expect, test } from "vitest";
import { DeviceFault } from "../problem.js";
import type { Reader } from "./port.js";

/** A card that answers by INS, and shows what it got. */
export class ScriptedCard implements VirtualCard {
  powered = false;
  endless = false;
  elapsedMicros = 0;
  readonly workMicros = 0;
  readonly got: number[] = [];
  readonly counters = { apdus: 0, pagesWritten: 0, wireCharacters: 0, aesBlocks: 0 };
  readonly #atr: Uint8Array | undefined;
  constructor(atr: Uint8Array | undefined) {
    this.#atr = atr;
  }
  powerOn(): Uint8Array | undefined {
    this.powered = true;
    this.elapsedMicros += 10_000;
    return this.#atr;
  }
  warmReset(): Uint8Array | undefined {
    return this.#atr;
  }
  powerOff(): void {
    this.powered = false;
  }
  transmit(apdu: Uint8Array): Uint8Array | undefined {
    if (!this.powered) throw new Error("no power");
    const ins = apdu[1] ?? 0;
    this.got.push(ins);
    this.elapsedMicros += 4_300;
    switch (ins) {
      case 0xca:
        return Uint8Array.of(1, 2, 3, 0x90, 0x00);
      case 0xb0:
        return (apdu[4] ?? 0) === 0 ? Uint8Array.of(0x6c, 0x05) : Uint8Array.of(1, 2, 3, 4, 5, 0x90, 0x00);
      case 0xa4:
        return Uint8Array.of(0x61, 0x02);
      case 0xc0:
        return this.endless ? Uint8Array.of(0xee, 0x61, 0x01) : Uint8Array.of(0x6f, 0x00, 0x90, 0x00);
      case 0xb2:
        this.endless = true;
        return Uint8Array.of(0xee, 0x61, 0x01);
      case 0x84:
        return new Uint8Array(300).fill(0x90);
      case 0x20:
        return Uint8Array.of(0x90);
      case 0xd6:
        return Uint8Array.of(0x6a, 0x82);
      case 0xe2:
        return Uint8Array.of(0x12, 0x34);
      default:
        return undefined;
    }
  }
}

export const atr = Uint8Array.of(0x3b, 0x80, 0x01, 0x81);
const ok = [{ value: 0x9000, mask: 0xffff }];
export const ask = (ins: number, le?: number): Sent => ({
  command: { cla: 0, ins, p1: 0, p2: 0, ...(le === undefined ? {} : { le }) },
  sw: ok,
});

/** Keeps whoever fetches its answer waiting: each piece in time, and always one more. */
export class DawdlingCard extends ScriptedCard {
  readonly #ms: number;
  constructor(cardAtr: Uint8Array, ms: number) {
    super(cardAtr);
    this.#ms = ms;
  }
  override transmit(apdu: Uint8Array): Uint8Array | undefined {
    // It works, and holds up nobody but who waits for it.
    this.elapsedMicros += this.#ms * 1000;
    return super.transmit(apdu);
  }
}

export interface Bench {
  readonly reader: Reader;
  readonly card: ScriptedCard;
  /** Takes the card from under the contacts. */
  readonly clear: () => void;
}

export async function inserted(reader: Reader): Promise<CardChannel> {
  const reset = await reader.insert();
  if (reset === "mute") throw new Error("the card is mute");
  return reset.channel;
}

/** Every reader runs this with a bench of its own. */
export function readerContract(
  name: string,
  bench: (cardAtr: Uint8Array | undefined) => Bench | Promise<Bench>,
  /** What this reader says of what only a simulation or a measuring instrument can know. */
  currents: "simulated" | "not measured",
): void {
  describe(`reader contract: ${name}`, () => {
    test("gives the ATR and says what it measured of the reset and what it did not", async () => {
      const { reader } = await bench(atr);
      const reset = await reader.insert();
      expect(reset).toMatchObject({ atr });
      expect(reset === "mute" ? [] : reset.findings).toContainEqual(
        expect.objectContaining({
          what: "contact currents",
          result: currents,
        }),
      );
      await reader.remove();
    });

    test("a silent card is a result", async () => {
      const { reader } = await bench(undefined);
      expect(await reader.insert()).toBe("mute");
      await reader.reseat();
      expect(await reader.insert()).toBe("mute");
    });

    test("no card at all is the machine's fault", async () => {
      const { reader, clear } = await bench(atr);
      clear();
      await expect(reader.insert()).rejects.toThrow(DeviceFault);
    });

    test("sends in order and stops after the first answer that was not expected", async () => {
      const { reader, card } = await bench(atr);
      const channel = await inserted(reader);
      const answers = await channel.exchange([ask(0xca, 256), ask(0xd6), ask(0xca, 256)]);
      expect(answers.map(({ sw }) => sw)).toEqual([0x9000, 0x6a82]);
      expect(card.got).toEqual([0xca, 0xd6]);
    });

    test("follows 61xx and 6Cxx", async () => {
      const { reader, card } = await bench(atr);
      const channel = await inserted(reader);
      const answers = await channel.exchange([ask(0xa4, 256), ask(0xb0, 256)]);
      expect(answers.map(({ data }) => [...data])).toEqual([
        [0x6f, 0x00],
        [1, 2, 3, 4, 5],
      ]);
      expect(card.got).toEqual([0xa4, 0xc0, 0xb0, 0xb0]);
    });

    test("a card that falls silent: the answers so far are not lost", async () => {
      const { reader } = await bench(atr);
      const channel = await inserted(reader);
      const thrown = await channel.exchange([ask(0xca, 256), ask(0x10)]).catch((problem: unknown) => problem);
      expect(thrown).toBeInstanceOf(CardMute);
      expect(thrown instanceof CardMute ? thrown.answers : []).toHaveLength(1);
    });

    test.each([
      ["an answer that is far too long", 0x84, "more than 258 bytes"],
      ["an answer without status word", 0x20, "no status word"],
    ])("%s counts as silence and is bounded", async (_what, ins, text) => {
      const { reader } = await bench(atr);
      const channel = await inserted(reader);
      await expect(channel.exchange([ask(0xca, 256), ask(ins, 256)])).rejects.toThrow(text);
    });

    test("an answer that never ends is cut off, with a status word nobody expects", async () => {
      const { reader, card } = await bench(atr);
      const channel = await inserted(reader);
      const [answer] = await channel.exchange([ask(0xb2, 256)]);
      expect((answer?.sw ?? 0) >> 8).toBe(0x61);
      expect(card.got.length).toBeLessThan(300);
    });

    test("a status word that is none is handed on, to be refused by who expected another", async () => {
      const { reader } = await bench(atr);
      const channel = await inserted(reader);
      expect((await channel.exchange([ask(0xe2)]))[0]?.sw).toBe(0x1234);
    });

    test("a channel is dead after a removal, a new reset or a re-seat", async () => {
      const { reader } = await bench(atr);
      for (const end of [() => reader.remove(), () => reader.reseat(), () => reader.insert()]) {
        const channel = await inserted(reader);
        await end();
        await expect(channel.exchange([ask(0xca, 256)])).rejects.toThrow(DeviceFault);
      }
    });
  });
}
