/** PC/SC names of readers, and how a head is bound to one of them whatever order they were plugged in. */
import { DeviceFault } from "../../problem.js";
import type { UsbPlace } from "./usb.js";

/** pcscd stops there (PCSCLITE_MAX_READERS_CONTEXTS). */
export const mostReaders = 16;

export interface Binding {
  /** Model as PC/SC shows it, without serial number, index and slot. */
  readonly pcsc: string;
  /** In brackets in the reader's PC/SC name. */
  readonly serial?: string | undefined;
  /** Of a device with several contact units; the last number of the PC/SC name. */
  readonly slot?: number | undefined;
  /** USB port it is plugged into: `1-2.3`, or by the controller `0000:00:14.0/2.3` (`UsbPlace`). */
  readonly usb?: string | undefined;
}

/** A reader that PC/SC has, and where it is plugged in, if somebody has looked. */
export interface Candidate {
  readonly name: string;
  /** "in use": another program has it and nobody can ask. */
  readonly usb?: UsbPlace | "in use" | undefined;
}

/** Those readers whose name fits the binding, wherever they are plugged in. */
export function namesThatFit(binding: Binding, connected: readonly string[]): readonly string[] {
  const asked = parseReaderName(binding.pcsc);
  const serial = binding.serial ?? asked.serial;
  const slot = binding.slot ?? asked.slot;
  return connected.filter((name) => {
    const own = parseReaderName(name);
    return (
      own.model === asked.model &&
      (serial === undefined || own.serial === serial) &&
      (slot === undefined || own.slot === slot)
    );
  });
}

export const isAt = (usb: string, { usb: place }: Candidate): boolean =>
  typeof place === "object" && (place.port === usb || place.path === usb);

export interface ReaderName {
  readonly model: string;
  readonly serial: string | undefined;
  readonly slot: number | undefined;
}

/** `Model [interface] (serial) index slot` (pcsc-lite, readerfactory.c); the index counts how readers were plugged in and says nothing. */
export function parseReaderName(name: string): ReaderName {
  const [, model = name, serial, slot] =
    /^(.*?)(?: \(([^()]*)\))?(?: [0-9A-F]{2} ([0-9A-F]{2}))?$/.exec(name) ?? [];
  return { model, serial, slot: slot === undefined ? undefined : Number.parseInt(slot, 16) };
}

/** Whether two names are contact units of one device: the same but for the slot, their last number. */
export const isSameDevice = (one: string, other: string): boolean =>
  one.replace(/ [0-9A-F]{2}$/, "") === other.replace(/ [0-9A-F]{2}$/, "");

/** The one reader that is meant. Throws DeviceFault when there is none, or more than one. */
export function chooseReader(device: string, binding: Binding, connected: readonly Candidate[]): string {
  const named = namesThatFit(
    binding,
    connected.map(({ name }) => name),
  );
  const { usb } = binding;
  const fits =
    usb === undefined
      ? named
      : named.filter((name) => connected.some((one) => one.name === name && isAt(usb, one)));
  const [only] = fits;
  if (only !== undefined && fits.length === 1) return only;
  const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ");
  if (only !== undefined) {
    throw new DeviceFault(
      device,
      "refused",
      `${String(fits.length)} readers answer to this binding: ${quoted(fits)}; add serial (in brackets in the name), slot (its last number) or usb (the port it is plugged into: "persoline doctor" shows it)`,
    );
  }
  const asked = parseReaderName(binding.pcsc);
  const [serial, slot] = [binding.serial ?? asked.serial, binding.slot ?? asked.slot];
  const wanted = `${asked.model}${serial === undefined ? "" : ` with the serial number ${serial}`}${slot === undefined ? "" : `, slot ${String(slot)}`}${usb === undefined ? "" : ` at USB port ${usb}`}`;
  const full =
    connected.length >= mostReaders
      ? `; pcscd has its ${String(mostReaders)} readers and takes no more: move some to another computer`
      : "";
  const there =
    connected.length === 0 ? "no reader at all" : `only ${connected.map(describedReader).join(", ")}`;
  throw new DeviceFault(device, "unplugged", `${wanted} is not connected: PC/SC has ${there}${full}`);
}

function describedReader({ name, usb }: Candidate): string {
  if (usb === undefined) return `"${name}"`;
  return `"${name}" (${usb === "in use" ? "in use by another program, so its port cannot be asked" : `port ${usb.port}`})`;
}
