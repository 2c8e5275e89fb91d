// Where things lie in the chip (docs/card-os.md, sections 1 and 3). Physical EEPROM addresses.

export const pageSize = 64;

/** EEPROM addresses. A pair takes two pages and holds up to `pairCapacity` bytes. */
export const layout = {
  chipPage: 0x0000,
  loaderPair: 0x0040,
  phasePair: 0x00c0,
  /** KVN (1) ‖ ENC (16) ‖ MAC (16) ‖ DEK (16); written by LOAD KEYS, replaced by PUT KEY. */
  keySetPair: 0x0140,
  /** The operating system's; absent after completion: sequence counter 0, all tries left. */
  counterPair: 0x01c0,
  /** One page of the operating system's. */
  spare: 0x0240,
  image: 0x0280,
  files: 0x2000,
} as const;

/** Most bytes of content in a page pair: 64 less sequence number (4), length (2) and CRC-32 (4). */
export const pairCapacity = 54;

/** Phases of ISO 10202-1 as this chip has them. */
export const phase = {
  rom: 0x01,
  completed: 0x03,
  /** Another silicon: a GlobalPlatform system in the mask, nothing to complete (docs/gp-card.md). */
  globalPlatform: 0x05,
  terminated: 0x0f,
} as const;

/** Life-cycle states of the card (GlobalPlatform Card Specification, 5.1.1). */
export const cardState = {
  none: 0x00,
  opReady: 0x01,
  initialized: 0x07,
  secured: 0x0f,
  locked: 0x7f,
  terminated: 0xff,
} as const;
