import { type Command, encodeCommand, followUp, type Response, type StatusWord } from "@persoline/card/apdu";
import { CardProblem } from "@persoline/card/bytes";
import { type CardChannel, CardMute, type Finding, type World } from "@persoline/card/program";
import type { VirtualCard } from "@persoline/card/virtual";
import { DeviceFault } from "../problem.js";
import { type ContactsOptions, overContacts, type SpokenCard } from "./contacts.js";
import { deadlineMs, wholeMs } from "./deadline.js";
import type { ShopFloor } from "../shop-floor/floor.js";
import { nameOf } from "../shop-floor/places.js";
import type { Place } from "../transport/port.js";
import type { Reader } from "./port.js";

/** Short length: 256 bytes and the status word (ISO/IEC 7816-4, 5.1). */
const longestAnswer = 256 + 2;

const findings: readonly Finding[] = [
  { what: "contact currents", result: "simulated" },
  { what: "reset timing", result: "simulated" },
];

/** A contact head over whatever body lies at `place`. `timing`: "ideal" never waits, "timed" takes the time the card's own clock says. */
export function simulatedReader(at: {
  readonly name: string;
  readonly place: Place;
  readonly floor: Pick<ShopFloor, "cardAt">;
  readonly world: World;
  readonly timing: "ideal" | "timed";
  /** Lifting and lowering the contacts. */
  readonly reseatMs?: number;
  /** Speaks with the card character by character. */
  readonly contacts?: ContactsOptions;
}): Reader {
  const { name, place, floor, world, timing, reseatMs = 300 } = at;
  let wait = cardTime(world, timing);
  let powered: VirtualCard | undefined;
  const spoken = new WeakMap<VirtualCard, SpokenCard>();
  const atContacts = (card: VirtualCard): VirtualCard => {
    if (at.contacts === undefined) return card;
    const known = spoken.get(card) ?? overContacts(card, at.contacts);
    spoken.set(card, known);
    return known;
  };
  /** Channels of an earlier power-up are dead. */
  let powerUp = 0;

  const channel = (card: VirtualCard, since: number): CardChannel => ({
    exchange: async (commands) => {
      if (powered !== card || since !== powerUp) {
        throw new DeviceFault(name, "refused", "the card of this channel has lost its power");
      }
      const spent = wait(card);
      const answers: Response[] = [];
      /** What the card's clock shows of a time nobody waited for. */
      let waited = 0;
      let mute: CardMute | undefined;
      try {
        for (const { command, sw } of commands) {
          const answer = followed(card, command, (micros) => {
            waited += micros;
          });
          answers.push(answer);
          if (!sw.some((pattern) => (answer.sw & pattern.mask) === pattern.value)) break;
        }
      } catch (thrown) {
        if (!(thrown instanceof CardMute)) throw thrown;
        mute = new CardMute(answers, thrown.message);
      }
      await spent(waited);
      if (mute !== undefined) throw mute;
      return answers;
    },
  });

  const off = (): void => {
    powered?.powerOff();
    powered = undefined;
  };

  return {
    name,
    kind: "simulated",
    insert: async () => {
      off();
      const began = world.now();
      const lying = floor.cardAt(place);
      if (lying === undefined) throw new DeviceFault(name, "refused", `no card lies at ${nameOf(place)}`);
      const card = atContacts(lying);
      wait = cardTime(world, timing);
      const spent = wait(card, began);
      powered = card;
      const atr = card.powerOn();
      await spent();
      return atr === undefined ? "mute" : { atr, channel: channel(card, ++powerUp), findings };
    },
    reseat: async () => {
      off();
      await world.sleep(reseatMs);
    },
    remove: () => {
      off();
      return Promise.resolve();
    },
  };
}

/**
 * Begins an exchange; what it gives back waits until the card has taken its own time since then. The simulation's own reckoning is part of
 * that time, not added to it, and what a timer wakes too late is taken off the next wait, so that errors do not add up over a visit.
 */
function cardTime(
  world: World,
  timing: "ideal" | "timed",
): (card: VirtualCard, began?: number) => (unwaitedMicros?: number) => Promise<void> {
  if (timing === "ideal") return () => () => Promise.resolve();
  let late = 0;
  return (card, began = world.now()) => {
    const before = card.elapsedMicros;
    return async (unwaitedMicros = 0) => {
      const due = began - late + (card.elapsedMicros - before - unwaitedMicros) / 1000;
      if (due - world.now() >= 0.5) await world.sleep(due - world.now());
      late = world.now() - due;
    };
  };
}

/**
 * One command, with 61xx and 6Cxx followed within bounds. A card that never ends shows its last status word, which no step expects; one that
 * takes for ever about it is silent.
 * Throws CardMute (without answers) when the card is silent or says what no card may.
 */
function followed(card: VirtualCard, command: Command, unwaited: (micros: number) => void): Response {
  const began = card.elapsedMicros;
  const whole = wholeMs(deadlineMs(command));
  let answer = once(card, command, unwaited);
  try {
    let next = followUp(answer, command);
    while (next.do === "send") {
      answer = once(card, next.command, unwaited);
      const late = card.elapsedMicros - began - whole * 1000;
      if (late > 0) {
        unwaited(late);
        throw new CardMute(
          [],
          `its answer came in pieces and was not whole within ${String(whole / 1000)} s`,
        );
      }
      next = followUp(answer, command, next.state);
    }
    return next.response;
  } catch (thrown) {
    if (thrown instanceof CardProblem && thrown.code === "endless-response") return answer;
    throw thrown;
  }
}

function once(card: VirtualCard, command: Command, unwaited: (micros: number) => void): Response {
  const before = card.elapsedMicros;
  const bytes = card.transmit(encodeCommand(command));
  const late = card.elapsedMicros - before - deadlineMs(command) * 1000;
  if (late > 0) {
    unwaited(late);
    throw new CardMute([], "the card did not answer within its deadline");
  }
  if (bytes === undefined) throw new CardMute([], troubleOf(card));
  if (bytes.length < 2) throw new CardMute([], "the card's answer has no status word");
  if (bytes.length > longestAnswer) {
    throw new CardMute([], `the card's answer has more than ${String(longestAnswer)} bytes`);
  }
  const end = bytes.length - 2;
  const sw = ((bytes[end] ?? 0) << 8) | (bytes[end + 1] ?? 0);
  return { data: bytes.slice(0, end), sw: sw as StatusWord };
}

const troubleOf = (card: VirtualCard): string | undefined =>
  "trouble" in card && typeof card.trouble === "string" ? card.trouble : undefined;
