/** What decides how long a card needs, as ATR, PPS and data sheet tell it. */
export interface CardTiming {
  readonly protocol: "T=0" | "T=1";
  readonly clockHz: number;
  /** F and D in use after PPS; ATR and PPS themselves run at 372/1. */
  readonly fi: number;
  readonly di: number;
  /** Extra guard time integer N (TC1), 0..255. */
  readonly n: number;
  readonly ifsc: number;
  readonly ifsd: number;
  /** Characters of the ATR, TS and TCK included. */
  readonly atr: number;
  /** Characters of a PPS request; the answer is the same. 0: no PPS. */
  readonly pps: number;
  /** T=1: the reader announces its IFSD once after PPS. */
  readonly announcesIfsd: boolean;
  readonly pageMs: number;
  readonly shortPageMs: number;
  readonly aesMicros: number;
}

/** The chip of docs/card-os.md 1 at its best speed, before completion (an ATR of 16 characters). */
export const blankTiming: CardTiming = {
  protocol: "T=1",
  clockHz: 5_000_000,
  fi: 512,
  di: 32,
  n: 0,
  ifsc: 254,
  ifsd: 254,
  atr: 16,
  pps: 4,
  announcesIfsd: true,
  pageMs: 3.5,
  shortPageMs: 0.35,
  aesMicros: 10,
};

/** The same chip under its completed operating system (an ATR of 20 characters). */
export const completedTiming: CardTiming = { ...blankTiming, atr: 20 };

/** The same for a card of this answer to reset. */
export const atrTiming = (timing: CardTiming, atr: Uint8Array): CardTiming => ({
  ...timing,
  atr: atr.length,
});

export const etuMicros = (t: Pick<CardTiming, "clockHz" | "fi" | "di">): number =>
  (t.fi / t.di / t.clockHz) * 1e6;

/** Characters and time of one exchange on the wire. */
export interface Wire {
  readonly characters: number;
  readonly micros: number;
}

/**
 * Physical minimum of one command and its answer. `command` counts header, Lc, data and Le; `answer` counts data and status word.
 * ISO/IEC 7816-3 clauses 10 and 11: no reader latency, no waiting.
 */
export function exchangeWire(t: CardTiming, command: number, answer: number): Wire {
  return t.protocol === "T=1" ? blocks(t, command, answer) : characters(t, command, answer);
}

/** T=1: I-blocks both ways with NAD PCB LEN and LRC, R-blocks between chained ones, 22 etu at each change of direction. */
function blocks(t: CardTiming, command: number, answer: number): Wire {
  const send = t.n === 255 ? 11 : 12 + t.n;
  const receive = t.n === 255 ? 11 : 12;
  const out = Math.ceil(command / t.ifsc);
  const back = Math.ceil(answer / t.ifsd);
  const etu =
    (command + 4 * out) * send +
    (out - 1) * (44 - send - receive + 4 * receive) +
    back * (22 - send) +
    (answer + 4 * back) * receive +
    (back - 1) * (22 - receive + 4 * send);
  return {
    characters: command + 4 * out + 4 * (out - 1) + answer + 4 * back + 4 * (back - 1),
    micros: etu * etuMicros(t),
  };
}

/** T=0: one ACK, no NULL. A command with both data and answer needs a GET RESPONSE. */
function characters(t: CardTiming, command: number, answer: number): Wire {
  const send = t.n === 255 ? 12 : 12 + t.n;
  const data = answer - 2;
  const both = command > 6 && data > 0;
  const sent = both ? command - 1 : Math.max(command, 5);
  const ack = sent > 5 || data > 0 ? 1 : 0;
  const etu = sent * send + (ack + data + 2) * 12 + (both ? 2 * 12 + 5 * send + 12 : 0);
  return {
    characters: sent + ack + data + 2 + (both ? 8 : 0),
    micros: etu * etuMicros(t),
  };
}

/** ATR and PPS at 372/1, then the announcement of IFSD at full speed (ISO/IEC 7816-3 clauses 8, 9 and 11.4.2). */
export function powerUpWire(t: CardTiming): Wire {
  const slow = etuMicros({ clockHz: t.clockHz, fi: 372, di: 1 });
  const ifsd = t.protocol === "T=1" && t.announcesIfsd ? blocks(t, 1, 1) : { characters: 0, micros: 0 };
  const opening = t.atr + 2 * t.pps;
  return {
    characters: opening + ifsd.characters,
    micros: (t.atr * 12 + t.pps * (12 + t.n) + t.pps * 12) * slow + ifsd.micros,
  };
}
