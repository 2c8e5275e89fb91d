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

/** Of images 2.1 and 2.2. */
export const DRAW_REFERENCE_DATA = 0x2b;
/** Of images 1.3 and 2.2: a secure channel session hears nothing but its own commands. */
export const SESSION_GUARD = 0x2c;

/**
 * Machine code that images bring (docs/card-os.md, sections 10 and 11); those with the number of a ROM routine replace it.
 * `front` stands for the reading of commands: chains, extended lengths, ISO secure messaging.
 */
export const imageRoutine = {
  [routine.select]: "SELECT 2",
  [routine.getData]: "GET DATA 2",
  [routine.createFile]: "CREATE FILE 2",
  [routine.deleteFile]: "DELETE FILE 2",
  [routine.activateFile]: "ACTIVATE FILE 2",
  [routine.deactivateFile]: "DEACTIVATE FILE 2",
  [routine.readBinary]: "READ BINARY 2",
  [routine.updateBinary]: "UPDATE BINARY 2",
  [routine.readRecord]: "READ RECORD 2",
  [routine.updateRecord]: "UPDATE RECORD 2",
  [routine.appendRecord]: "APPEND RECORD 2",
  [routine.verify]: "VERIFY 2",
  [routine.changeReferenceData]: "CHANGE REFERENCE DATA 2",
  [routine.resetRetryCounter]: "RESET RETRY COUNTER 2",
  [routine.getChallenge]: "GET CHALLENGE 2",
  [routine.internalAuthenticate]: "INTERNAL AUTHENTICATE 2",
  [routine.externalAuthenticate]: "EXTERNAL AUTHENTICATE 2",
  0x21: "WRITE BINARY",
  0x22: "ERASE BINARY",
  0x23: "SEARCH BINARY",
  0x24: "WRITE RECORD",
  0x25: "ERASE RECORD",
  0x26: "SEARCH RECORD",
  0x27: "PUT DATA",
  0x28: "MANAGE SECURITY ENVIRONMENT",
  0x29: "TERMINATE DF",
  0x2a: "TERMINATE EF",
  [DRAW_REFERENCE_DATA]: "DRAW REFERENCE DATA",
  [SESSION_GUARD]: "SESSION GUARD",
  0x2f: "FRONT",
} as const satisfies Readonly<Record<number, string>>;

export const FRONT = 0x2f;
