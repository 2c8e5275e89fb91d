import { pageSize } from "../layout.js";

/** EEPROM of the GlobalPlatform chip (docs/gp-card.md 1); chip page and phase pair stand where every chip has them. */
export const gpLayout = {
  /** i of SCP02 ‖ i of SCP03 ‖ length ‖ AID of the issuer security domain; written at the fab. */
  configPair: 0x0140,
  /** Tries left ‖ for each key set KVN ‖ sequence counter (3). */
  counterPair: 0x01c0,
  /** Registry, keys and issuer data, twice. */
  state: 0x0280,
  statePages: 32,
  /** Load files and data of applications. */
  heap: 0x1280,
} as const;

export const firstHeapPage = gpLayout.heap / pageSize;

/** Failed EXTERNAL AUTHENTICATE in a row until the card is blocked. */
export const CHANNEL_TRIES = 10;
export const DEFAULT_ISD = Uint8Array.of(0xa0, 0, 0, 1, 0x51, 0, 0, 0);
/** Package and module of the access applet in the mask. */
export const ACCESS_PACKAGE = Uint8Array.of(0xa0, 0, 0, 8, 0x76, 2);
export const ACCESS_MODULE = Uint8Array.of(0xa0, 0, 0, 8, 0x76, 2, 1);

/** Package and modules of the payment applications in the mask (docs/payment-card.md 1). */
export const PAYMENT_PACKAGE = Uint8Array.of(0xa0, 0, 0, 8, 0x76, 3);
export const PAYMENT_MODULE = Uint8Array.of(0xa0, 0, 0, 8, 0x76, 3, 1);
export const DIRECTORY_MODULE = Uint8Array.of(0xa0, 0, 0, 8, 0x76, 3, 2);

/** Life cycle of the card (GPCS 5.1.1). */
export const LIFE = {
  opReady: 0x01,
  initialized: 0x07,
  secured: 0x0f,
  locked: 0x7f,
  terminated: 0xff,
} as const;

/** Life cycle of an application (GPCS 5.3): bit 80 locks it. */
export const APP = { installed: 0x03, selectable: 0x07, lock: 0x80 } as const;
/** A load file's only state. */
export const LOADED = 0x01;

/** Privileges in three bytes, as this card knows them. */
export const PRIVILEGE = { cardReset: 0x040000, cardLock: 0x100000, securityDomain: 0x800000 } as const;
/**
 * Security domain, card lock, card terminate, card reset, CVM management; authorized management, global delete, global lock, global
 * registry, and the final application, which alone is there when the card is locked or terminated (GPCS 6.6.1).
 */
export const ISD_PRIVILEGES = 0x9e5e00;
