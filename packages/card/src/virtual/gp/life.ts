import { APP, LIFE } from "./layout.js";
import type { Application } from "./state.js";

export const isSelectable = ({ state }: Application): boolean => (state & 0x07) === 0x07;
export const isLocked = ({ state }: Application): boolean => (state & APP.lock) !== 0;

/** The card's own way (GPCS 5.1.2): forward only, but CARD_LOCKED goes back to SECURED; TERMINATED from everywhere. */
export function cardMay(now: number, next: number): boolean {
  if (now === LIFE.terminated) return false;
  if (next === LIFE.terminated) return true;
  if (now === LIFE.locked) return next === LIFE.secured;
  if (next === LIFE.locked) return now === LIFE.secured;
  const way: readonly number[] = [LIFE.opReady, LIFE.initialized, LIFE.secured];
  return way.includes(next) && way.indexOf(next) > way.indexOf(now);
}

/**
 * An application's state after SET STATUS of its security domain, or undefined when it may not have it: a domain locks an application and
 * unlocks it again to what it was, and moves it nowhere else (GPCS 11.10.2.2); its own states are its own affair.
 */
export function applicationMay(now: number, next: number): number | undefined {
  const locked = (now & APP.lock) !== 0;
  const wantsLock = (next & APP.lock) !== 0;
  return locked === wantsLock ? undefined : now ^ APP.lock;
}
