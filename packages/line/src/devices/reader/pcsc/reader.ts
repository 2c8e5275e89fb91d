/** A contact head of any PC/SC reader. */
import { type CardChannel, CardMute, type Finding, type World } from "@persoline/card/program";
import { DeviceFault } from "../../problem.js";
import type { Reader } from "../port.js";
import { type HostOptions, ReaderHost } from "./host.js";
import type { Connected, Protocol } from "./host-protocol.js";
import { type Binding, type Candidate, chooseReader, isAt, isSameDevice, namesThatFit } from "./names.js";
import { type UsbPlace, usbPlaceOf } from "./usb.js";
import { packCommands, unpackAnswers } from "./packets.js";

/** What PC/SC shows no program. */
const hidden: readonly Finding[] = [
  { what: "contact currents", result: "not measured", detail: "PC/SC does not show them" },
  { what: "reset timing", result: "not measured", detail: "PC/SC does not show it" },
];

/** pcscd looks every 400 ms, and powers a card it finds; all its waiting is over well before. */
const resetMs = 15_000;
/** A few looks of pcscd, and what a card needs to power up. */
const settleMs = 2_000;

export interface PcscOptions extends HostOptions {
  readonly name: string;
  readonly binding: Binding;
  readonly world: Pick<World, "now" | "sleep">;
  /** Where Linux shows the devices of the USB, if not at its usual place. */
  readonly usbDevices?: string | undefined;
  /** So long a card may think about one APDU, milliseconds. Default 20,000. */
  readonly answerMs?: number | undefined;
  /** Protocols in the order of preference; default T=1, then T=0. */
  readonly protocols?: readonly Protocol[] | undefined;
  /** So long a reader that was unplugged, or a service that died, may take to come back before a reset fails. Default 5,000. */
  readonly patienceMs?: number | undefined;
  /** Lifts and lowers the contacts: at a desk, the operator does. */
  readonly reseat?: (() => Promise<void>) | undefined;
}

export interface PcscReader extends Reader {
  /** Starts what the first reset would wait for: the reader's process and its look at PC/SC. Throws DeviceFault when the reader is not there now. */
  ready(): Promise<void>;
  reset(kind: "cold" | "warm"): ReturnType<Reader["insert"]>;
  /** Waits until a card lies in the reader or none does; false when that took longer than `ms`. Throws DeviceFault. */
  awaitCard(card: "present" | "absent", ms: number): Promise<boolean>;
  close(): void;
}

export function pcscReader(options: PcscOptions): PcscReader {
  const { name, binding, world, answerMs = 20_000, protocols = ["T=1", "T=0"], patienceMs = 5_000 } = options;
  const host = new ReaderHost(name, options);
  /** Channels of an earlier reset are dead. */
  let powerUp = 0;

  /**
   * Its PC/SC name, which stays for as long as it is plugged in: asking for all readers before each reset would keep the card waiting. Of
   * a reader known by its port alone another one may have the name by now.
   */
  let known: string | undefined;
  const find = async (): Promise<string> => {
    if (known !== undefined && binding.usb === undefined) return known;
    const listed = await host.ask({ ask: "list" }, resetMs);
    if (listed.answer !== "readers") throw unexpected(name);
    const names = listed.readers.map((reader) => reader.name);
    known = chooseReader(name, binding, await plugged(names));
    return known;
  };

  /** The reader that was meant last time, so that others are asked only when it is no longer at its port. */
  let last: string | undefined;
  const plugged = async (names: readonly string[]): Promise<readonly Candidate[]> => {
    const { usb } = binding;
    if (usb === undefined) return names.map((one) => ({ name: one }));
    const places = new Map<string, Candidate["usb"]>();
    const fits = namesThatFit(binding, names);
    for (const one of [...fits.filter((fit) => fit === last), ...fits.filter((fit) => fit !== last)]) {
      const place = await placeOf(host, one, options);
      places.set(one, place);
      if (!isAt(usb, { name: one, usb: place })) continue;
      last = one;
      // Its other contact units hang on the same port: which of them is meant, the binding has to say.
      for (const unit of fits) if (isSameDevice(one, unit)) places.set(unit, place);
      break;
    }
    return names.map((one) => ({ name: one, usb: places.get(one) }));
  };

  /** No command is under way: trying again costs nothing, and readers come back. */
  const patiently = async <T>(act: () => Promise<T>): Promise<T> => {
    const until = world.now() + patienceMs;
    for (;;) {
      const remembered = known !== undefined;
      try {
        return await act();
      } catch (thrown) {
        known = undefined;
        if (!(thrown instanceof DeviceFault) || thrown.code === "refused" || world.now() >= until)
          throw thrown;
        // Under another name it may be back already.
        if (!remembered) await world.sleep(200);
      }
    }
  };

  const awaitCard: PcscReader["awaitCard"] = (card, ms) => {
    const until = world.now() + ms;
    return patiently(async () => {
      const reader = await find();
      // A reader that was away in between does not make the wait longer.
      const left = Math.max(0, until - world.now());
      const said = await host.ask({ ask: "await", reader, card, ms: left }, left + resetMs);
      return said.answer === "awaited" && said.came;
    });
  };

  const channel = (since: number): CardChannel => ({
    exchange: async (commands) => {
      if (since !== powerUp) {
        throw new DeviceFault(name, "refused", "the card of this channel has lost its power");
      }
      const packed = packCommands(commands);
      const said = await host.ask({ ask: "exchange", commands: packed, answerMs }, answerMs + 5_000);
      if (said.answer !== "answers") throw unexpected(name);
      const { silent, fault, stuck } = said;
      const answers = unpackAnswers(said.answers);
      if (stuck === true) host.end();
      if (fault !== undefined) throw Object.assign(host.fault(fault), { answers });
      if (silent !== undefined) throw new CardMute(answers, silent);
      return answers;
    },
  });

  const reset: PcscReader["reset"] = async (kind) => {
    const since = ++powerUp;
    const ask = (): ReturnType<ReaderHost["ask"]> =>
      patiently(async () => host.ask({ ask: "reset", reader: await find(), kind, protocols }, resetMs));
    let said = await ask();
    // Contacts that have just come down again are seen by pcscd at its next look.
    if (said.answer === "no card" && (await awaitCard("present", settleMs))) said = await ask();
    switch (said.answer) {
      case "mute":
        return "mute";
      case "no card":
        throw new DeviceFault(name, "refused", "no card lies in this reader");
      case "reset": {
        // TS and T0 are the least a card says (ISO/IEC 7816-3, 8.2).
        if (said.atr.length < 2) return "mute";
        const chosen: Finding = { what: "transmission protocol", result: "ok", detail: said.protocol };
        return { atr: said.atr, channel: channel(since), findings: [...hidden, chosen] };
      }
      default:
        throw unexpected(name);
    }
  };

  const off = async (): Promise<void> => {
    powerUp++;
    try {
      await host.ask({ ask: "off" }, resetMs);
    } catch {
      // A host that is gone has let its card go.
    }
  };

  return {
    name,
    kind: "real",
    ready: async () => {
      await find();
    },
    insert: () => reset("cold"),
    reset,
    reseat: async () => {
      await off();
      await (options.reseat?.() ?? world.sleep(300));
    },
    remove: off,
    awaitCard,
    close: () => {
      powerUp++;
      host.close();
    },
  };
}

const unexpected = (name: string): DeviceFault =>
  new DeviceFault(name, "refused", "the reader host answered another question");

async function placeOf(
  host: ReaderHost,
  reader: string,
  { socket, usbDevices }: HostOptions & Pick<PcscOptions, "usbDevices">,
): Promise<UsbPlace | "in use" | undefined> {
  const said = await host.ask({ ask: "channel", reader, socket }, resetMs);
  if (said.answer !== "channel" || said.channel === "unknown") return undefined;
  return said.channel === "in use" ? said.channel : usbPlaceOf(said.channel, usbDevices);
}

/** Readers that PC/SC knows now, what lies in them, and with `ports` where they are plugged in. Throws DeviceFault: no service, no binding. */
export async function connectedReaders(
  options: HostOptions & Pick<PcscOptions, "usbDevices"> & { readonly ports?: true } = {},
): Promise<readonly (Connected & Candidate)[]> {
  const host = new ReaderHost("PC/SC", options);
  try {
    const said = await host.ask({ ask: "list" }, resetMs);
    if (said.answer !== "readers") return [];
    if (options.ports === undefined) return said.readers;
    const found: (Connected & Candidate)[] = [];
    for (const one of said.readers) {
      const usb = await placeOf(host, one.name, options);
      found.push(usb === undefined ? one : { ...one, usb });
    }
    return found;
  } finally {
    host.close();
  }
}
