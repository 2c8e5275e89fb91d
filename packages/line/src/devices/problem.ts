/** A device broke its promise: the machine's fault, nobody's card is rejected for it. */
export type DeviceFaultCode =
  | "unplugged"
  | "port-taken"
  | "timeout"
  | "refused"
  | "journal"
  | "security-module"
  | "jam"
  | "bin-full"
  | "disk-full";

export class DeviceFault extends Error {
  override readonly name = "DeviceFault";
  constructor(
    readonly device: string,
    readonly code: DeviceFaultCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
