/** A short command APDU as the card reads it (ISO/IEC 7816-3, 12.1.3). */
export interface ReceivedCommand {
  readonly cla: number;
  readonly ins: number;
  readonly p1: number;
  readonly p2: number;
  readonly data: Uint8Array;
  /** 1 to 256; undefined when no answer is expected. */
  readonly le: number | undefined;
}

const none = new Uint8Array(0);

/** Undefined when the lengths do not fit each other or are extended: 6700. */
export function receive(apdu: Uint8Array): ReceivedCommand | undefined {
  const [cla, ins, p1, p2, lc] = apdu;
  if (cla === undefined || ins === undefined || p1 === undefined || p2 === undefined) return undefined;
  const header = { cla, ins, p1, p2 };
  if (lc === undefined) return { ...header, data: none, le: undefined };
  if (apdu.length === 5) return { ...header, data: none, le: lc || 256 };
  if (lc === 0) return undefined;
  const data = apdu.subarray(5, 5 + lc);
  if (apdu.length === 5 + lc) return { ...header, data, le: undefined };
  if (apdu.length === 6 + lc) return { ...header, data, le: apdu[5 + lc] || 256 };
  return undefined;
}

export const statusWord = (sw: number): Uint8Array => Uint8Array.of(sw >> 8, sw & 0xff);

/** Data ‖ 9000. */
export function answer(data: Uint8Array): Uint8Array {
  const response = new Uint8Array(data.length + 2);
  response.set(data);
  response[data.length] = 0x90;
  return response;
}
