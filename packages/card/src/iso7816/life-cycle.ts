/** States of the life cycle status byte (ISO/IEC 7816-4:2005, 5.3.3.2, table 13). */
export type LifeCycle =
  | "no-information"
  | "creation"
  | "initialisation"
  | "activated"
  | "deactivated"
  | "terminated"
  | "proprietary"
  | "reserved";

/** State of an LCS byte. */
export function lifeCycle(byte: number): LifeCycle {
  if (byte === 0x00) return "no-information";
  if (byte === 0x01) return "creation";
  if (byte === 0x03) return "initialisation";
  if ((byte & 0xfd) === 0x05) return "activated";
  if ((byte & 0xfd) === 0x04) return "deactivated";
  if ((byte & 0xfc) === 0x0c) return "terminated";
  return byte > 0x0f ? "proprietary" : "reserved";
}

/** The byte that is usually written for a state. */
export const LCS = {
  creation: 0x01,
  initialisation: 0x03,
  deactivated: 0x04,
  activated: 0x05,
  terminated: 0x0c,
} as const;
