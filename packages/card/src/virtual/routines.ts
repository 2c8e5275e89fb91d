// The routines of the operating system in ROM, by number. A completed card knows only those its link table names.

export const routine = {
  select: 0x01,
  getData: 0x02,
  initializeUpdate: 0x03,
  externalAuthenticateChannel: 0x04,
  createFile: 0x05,
  deleteFile: 0x06,
  activateFile: 0x07,
  deactivateFile: 0x08,
  terminateCardUsage: 0x09,
  readBinary: 0x0a,
  updateBinary: 0x0b,
  readRecord: 0x0c,
  updateRecord: 0x0d,
  appendRecord: 0x0e,
  verify: 0x0f,
  changeReferenceData: 0x10,
  resetRetryCounter: 0x11,
  getChallenge: 0x12,
  internalAuthenticate: 0x13,
  /** EXTERNAL and MUTUAL AUTHENTICATE with a key of a DF. */
  externalAuthenticate: 0x14,
  putKey: 0x15,
  setStatus: 0x16,
  proveFile: 0x17,
  /**
   * The slot that UPDATE RECORD "previous" on a cyclic EF writes. Called with the address of two bytes in EEPROM:
   * head (the slot of record 1, counted from 0) ‖ count (number of slots); returns the slot.
   */
  cyclicSlot: 0x20,
} as const;

export type RoutineName = keyof typeof routine;
