import type { Command } from "../apdu/index.js";
import { CardProblem, concat } from "../bytes/index.js";

/** Reference of a PIN or password: b8 1 in the current DF, 0 global; b5..b1 number (ISO/IEC 7816-4:2005, 7.5.6). */
export const localReference = (number: number): number => 0x80 | number;

/** ISO/IEC 7816-4:2005, 7.5.6: VERIFY. Never to be sent again after a time-out: ask `verifyState` first. */
export function verify(ask: { readonly reference: number; readonly pin: Uint8Array }): Command {
  if (ask.pin.length === 0)
    throw new CardProblem("bad-value", "VERIFY", "verification data is empty (see verifyState)");
  return { cla: 0x00, ins: 0x20, p1: 0x00, p2: ask.reference, data: ask.pin };
}

/** ISO/IEC 7816-4:2005, 7.5.6: VERIFY without data: 9000 verified, 63CX tries left, 6983 blocked. Costs nothing. */
export function verifyState(reference: number): Command {
  return { cla: 0x00, ins: 0x20, p1: 0x00, p2: reference };
}

/** ISO/IEC 7816-4:2005, 7.5.7: CHANGE REFERENCE DATA, with the old value in front or the new one alone. */
export function changeReferenceData(ask: {
  readonly reference: number;
  readonly old?: Uint8Array;
  readonly new: Uint8Array;
}): Command {
  const data = ask.old === undefined ? ask.new : concat(ask.old, ask.new);
  return { cla: 0x00, ins: 0x24, p1: ask.old === undefined ? 0x01 : 0x00, p2: ask.reference, data };
}

/** ISO/IEC 7816-4:2005, 7.5.10: RESET RETRY COUNTER with resetting code and new value, one of them, or neither. */
export function resetRetryCounter(ask: {
  readonly reference: number;
  readonly code?: Uint8Array;
  readonly new?: Uint8Array;
}): Command {
  const { code, reference } = ask;
  const parts = [code, ask.new].filter((part) => part !== undefined);
  const p1 = (code === undefined ? 0x02 : 0x00) | (ask.new === undefined ? 0x01 : 0x00);
  return {
    cla: 0x00,
    ins: 0x2c,
    p1,
    p2: reference,
    ...(parts.length === 0 ? {} : { data: concat(...parts) }),
  };
}

/** ISO/IEC 7816-4:2005, 7.5.3: GET CHALLENGE of `length` bytes. */
export function getChallenge(length: number): Command {
  return { cla: 0x00, ins: 0x84, p1: 0x00, p2: 0x00, le: length };
}

/** Algorithm and key of an authentication; 0 is "known to the card". */
export interface KeyReference {
  readonly algorithm?: number;
  readonly reference: number;
}

/** ISO/IEC 7816-4:2005, 7.5.2: INTERNAL AUTHENTICATE, the card proves its key over our challenge. */
export function internalAuthenticate(
  ask: KeyReference & { readonly challenge: Uint8Array; readonly le?: number },
): Command {
  const { algorithm = 0x00, reference, challenge, le = 256 } = ask;
  return { cla: 0x00, ins: 0x88, p1: algorithm, p2: reference, data: challenge, le };
}

/** ISO/IEC 7816-4:2005, 7.5.4: EXTERNAL AUTHENTICATE, our proof over the card's last challenge. May cost a try. */
export function externalAuthenticate(ask: KeyReference & { readonly proof: Uint8Array }): Command {
  return { cla: 0x00, ins: 0x82, p1: ask.algorithm ?? 0x00, p2: ask.reference, data: ask.proof };
}

/** ISO/IEC 7816-4:2005, 7.5.4: MUTUAL AUTHENTICATE: as EXTERNAL AUTHENTICATE, and the card answers with its own proof. */
export function mutualAuthenticate(
  ask: KeyReference & { readonly proof: Uint8Array; readonly le?: number },
): Command {
  return { ...externalAuthenticate(ask), le: ask.le ?? 256 };
}
