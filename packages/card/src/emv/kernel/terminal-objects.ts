import type { TerminalData } from "./types.js";

const sumOf = (bits: readonly (readonly [boolean, number])[]): number =>
  bits.reduce((sum, [there, bit]) => sum | (there ? bit : 0), 0);

/** What a terminal says of itself when a data object list asks for it: capabilities (9F33), type (9F35), application version (9F09). */
export function terminalObjects(terminal: TerminalData): readonly (readonly [number, Uint8Array])[] {
  const { applicationVersion, atm = false, issuer, methods, proofs } = terminal;
  const can = (method: TerminalData["methods"][number]): boolean => methods.includes(method);
  // EMV Book 4, annex A2: contacts; ways to verify the holder; offline data authentication.
  const capabilities = Uint8Array.of(
    0x20,
    sumOf([
      [can("plainPin"), 0x80],
      [can("signature"), 0x20],
      [can("encipheredPin"), 0x10],
      [can("none"), 0x08],
    ]),
    sumOf([
      [proofs.includes("sda"), 0x80],
      [proofs.includes("dda"), 0x40],
      [proofs.includes("cda"), 0x08],
    ]),
  );
  // Annex A1: of a bank and unattended, or a merchant's and attended; offline with online capability, or offline only.
  const online = issuer !== undefined;
  const type = atm ? (online ? 0x15 : 0x16) : online ? 0x22 : 0x23;
  return [
    [0x9f33, capabilities],
    [0x9f35, Uint8Array.of(type)],
    ...(applicationVersion === undefined ? [] : ([[0x9f09, applicationVersion]] as const)),
  ];
}
