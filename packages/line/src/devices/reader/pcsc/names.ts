/** PC/SC names of readers, and how a head is bound to one of them whatever order they were plugged in. */
import { DeviceFault } from "../../problem.js";

/** pcscd stops there (PCSCLITE_MAX_READERS_CONTEXTS). */
export const mostReaders = 16;

export interface Binding {
  /** Model as PC/SC shows it, without serial number, index and slot. */
  readonly pcsc: string;
  /** In brackets in the reader's PC/SC name. */
  readonly serial?: string | undefined;
  /** Of a device with several contact units; the last number of the PC/SC name. */
  readonly slot?: number | undefined;
}

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

/** The one reader that is meant. Throws DeviceFault when there is none, or more than one. */
export function chooseReader(device: string, binding: Binding, connected: readonly string[]): string {
  const asked = parseReaderName(binding.pcsc);
  const serial = binding.serial ?? asked.serial;
  const slot = binding.slot ?? asked.slot;
  const fits = connected.filter((name) => {
    const own = parseReaderName(name);
    return (
      own.model === asked.model &&
      (serial === undefined || own.serial === serial) &&
      (slot === undefined || own.slot === slot)
    );
  });
  const [only] = fits;
  if (only !== undefined && fits.length === 1) return only;
  const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ");
  if (only !== undefined) {
    throw new DeviceFault(
      device,
      "refused",
      `${String(fits.length)} readers answer to this binding: ${quoted(fits)}; add serial (in brackets in the name) or slot (its last number). Readers of one model without serial numbers need names of their own in pcscd's reader.conf`,
    );
  }
  const wanted = `${asked.model}${serial === undefined ? "" : ` with the serial number ${serial}`}${slot === undefined ? "" : `, slot ${String(slot)}`}`;
  const full =
    connected.length >= mostReaders
      ? `; pcscd has its ${String(mostReaders)} readers and takes no more: move some to another computer`
      : "";
  const there = connected.length === 0 ? "no reader at all" : `only ${quoted(connected)}`;
  throw new DeviceFault(device, "unplugged", `${wanted} is not connected: PC/SC has ${there}${full}`);
}
