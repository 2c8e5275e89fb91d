/** The line's side of an embosser in another room. */
import { wheelsGeometry } from "../geometry.js";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import type { KeyObject } from "node:crypto";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type SecureContextOptions, type TLSSocket } from "node:tls";
import { DeviceFault } from "../../problem.js";
import type { MarkedCard, Marker, MarkJob, TrayCount, TrayRoom } from "../port.js";
import { markingMs } from "../simulated.js";
import { type Answer, answer, type Asked, lineCutter, type TrayAnswer, type TrayCard } from "./protocol.js";
import { isSigned, listText, receiptText, signed } from "./signing.js";
import { crlWatch, secureContextOf, type TlsFiles } from "./tls.js";

export interface RemoteStationOptions {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** As the station's certificate names it. */
  readonly station: string;
  readonly tls: TlsFiles;
  /** Holds the last lease, so that none is ever used twice. */
  readonly leaseFile: string;
  /** So long one answer may take. */
  readonly answerMs?: number;
}

/** Trays in another room: counted out, struck there, counted in. */
export interface RemoteStation
  extends Pick<TrayRoom, "countOut" | "state" | "withdraw" | "countIn" | "openTrays"> {
  /** Throws DeviceFault (`refused`) when no card can be begun there now. */
  ready(does: "emboss" | "indent"): Promise<void>;
  /** Trays in work here: they are not cleared. */
  readonly live: Set<string>;
  close(): void;
}

/** The next lease, durable before it is used. */
function nextLease(file: string): number {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const last = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
  if (!Number.isSafeInteger(last) || last < 0) throw new Error(`${file} holds no lease`);
  const out = openSync(`${file}.new`, "w", 0o600);
  writeSync(out, String(last + 1));
  fsyncSync(out);
  closeSync(out);
  renameSync(`${file}.new`, file);
  return last + 1;
}

export function remoteStation(options: RemoteStationOptions): RemoteStation {
  const { name, answerMs = 5_000 } = options;
  const fault = (code: "refused" | "unplugged" | "timeout", message: string): DeviceFault =>
    new DeviceFault(name, code, `${name}: ${message}`);

  interface Link {
    readonly socket: TLSSocket;
    seq: number;
    hear: ((answer: Answer) => void) | undefined;
    fail: ((problem: DeviceFault) => void) | undefined;
  }
  const revocations = crlWatch(options.tls);
  let link: Link | undefined;
  /** Of the certificate that the station showed last. */
  let stationKey: KeyObject | undefined;
  /** One question at a time: numbers follow one another. */
  let turn: Promise<unknown> = Promise.resolve();

  const drop = (why: DeviceFault): void => {
    const lost = link;
    link = undefined;
    lost?.socket.destroy();
    lost?.fail?.(why);
  };

  const exchange = (over: Link, asked: Asked): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const end = (finish: () => void): void => {
        clearTimeout(late);
        over.hear = undefined;
        over.fail = undefined;
        finish();
      };
      const late = setTimeout(() => drop(fault("timeout", "the station gives no answer")), answerMs);
      over.hear = (said) => end(() => resolve(said));
      over.fail = (problem) => end(() => reject(problem));
      over.seq++;
      over.socket.write(`${JSON.stringify({ ...asked, seq: over.seq })}\n`);
    });

  const linked = async (): Promise<Link> => {
    // Whoever was revoked since the last question is asked nothing more.
    if (revocations()) drop(fault("unplugged", "the revocation list has changed"));
    if (link !== undefined) return link;
    const { host, port, tls, station } = options;
    let own: SecureContextOptions;
    try {
      own = secureContextOf(tls);
    } catch {
      throw fault("refused", `the revocation list ${String(tls.crl)} cannot be read`);
    }
    const socket = connect({ host, port, ...own, servername: station, minVersion: "TLSv1.3" });
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => {
        socket.destroy();
        reject(fault("unplugged", `no connection to ${host}:${String(port)}`));
      }, answerMs);
      socket.once("secureConnect", () => {
        clearTimeout(late);
        resolve();
      });
      socket.once("error", ({ message }) => {
        clearTimeout(late);
        reject(fault("unplugged", `no connection to ${host}:${String(port)}: ${message}`));
      });
    });
    stationKey = socket.getPeerX509Certificate()?.publicKey;
    const made: Link = { socket, seq: 0, hear: undefined, fail: undefined };
    link = made;
    const lost = (): void => {
      if (link === made) drop(fault("unplugged", "the connection was cut"));
    };
    socket.setNoDelay(true);
    socket.on("error", lost);
    socket.on("close", lost);
    socket.on(
      "data",
      lineCutter((text) => {
        let said: Answer;
        try {
          said = answer.parse(JSON.parse(text));
        } catch {
          drop(fault("refused", "the station says something that is no answer"));
          return;
        }
        // An answer to another question than the last is nobody's.
        if (said.seq !== made.seq || made.hear === undefined)
          drop(fault("refused", "the station answered out of its order"));
        else made.hear(said);
      }, lost),
    );
    const welcome = await exchange(made, { ask: "hello", lease: nextLease(options.leaseFile) });
    if (welcome.answer !== "welcome" || welcome.station !== station) {
      const why = fault(
        "refused",
        welcome.answer === "refused" ? welcome.message : "this is another station",
      );
      drop(why);
      throw why;
    }
    return made;
  };

  const ask = (asked: Asked): Promise<Answer> => {
    const mine = turn.then(async () => exchange(await linked(), asked));
    turn = mine.catch(() => undefined);
    return mine;
  };
  const trayIn = (said: Answer): TrayAnswer => {
    if (said.answer === "tray") return said;
    throw fault("refused", said.answer === "refused" ? said.message : "the station answered something else");
  };
  const askTray = async (asked: Asked): Promise<TrayAnswer> => trayIn(await ask(asked));

  return {
    countOut: (tray, cards) =>
      askTray({
        ask: "tray",
        tray,
        count: cards.length,
        cards: cards.map(({ serial, record, attempt, does, side, lines }) => ({
          serial,
          record,
          attempt,
          does,
          side,
          lines: [...lines],
        })),
        signature: signed(options.tls.key, listText(tray, cards)),
      }),
    async state(tray) {
      const said = await ask({ ask: "state", tray });
      return said.answer === "refused" && said.code === "no-such-tray" ? undefined : trayIn(said);
    },
    withdraw: (tray) => askTray({ ask: "withdraw", tray }),
    async countIn(tray, { cards }) {
      const of = (state: string): number => cards.filter((card) => card.state === state).length;
      const said = await askTray({
        ask: "counted-in",
        tray,
        struck: of("struck"),
        rejected: of("rejected"),
        untouched: of("untouched"),
      });
      const text = receiptText(tray, said.digest, said.cards);
      if (said.receipt === undefined || stationKey === undefined || !isSigned(stationKey, text, said.receipt))
        throw fault("refused", `the station's receipt for tray ${tray} is not signed by its key`);
      return said;
    },
    async openTrays() {
      const said = await ask({ ask: "open-trays" });
      if (said.answer === "open-trays") return said.trays;
      throw fault(
        "refused",
        said.answer === "refused" ? said.message : "the station answered something else",
      );
    },
    async ready(does) {
      const said = await ask({ ask: "ready", does });
      if (said.answer !== "ready")
        throw fault(
          "refused",
          said.answer === "refused" ? said.message : "the station answered something else",
        );
    },
    live: new Set(),
    close: () => drop(fault("unplugged", "the line has ended")),
  };
}

/** The station as a room to which a line sends its cards by the tray. */
const roomOf = (
  { countOut, state, withdraw, countIn, openTrays }: RemoteStation,
  own: Pick<TrayRoom, "name" | "does" | "cards" | "trays" | "patienceMs">,
): TrayRoom => ({
  ...own,
  countOut,
  state,
  withdraw,
  countIn,
  openTrays,
  now: () => performance.now(),
  pause: () => sleep(100),
});

/** Trays that an earlier run or a lost card left: what is not begun is withdrawn, all are counted in, and their lines erased there. */
export async function clearTrays(station: RemoteStation): Promise<void> {
  for (const tray of await station.openTrays()) {
    if (station.live.has(tray)) continue;
    let state: TrayCount = await station.withdraw(tray);
    // The card in hand is ended there first.
    while (!state.finished) {
      await sleep(50);
      state = (await station.state(tray)) ?? state;
    }
    await station.countIn(tray, state);
  }
}

/**
 * An embosser in another room as a marker of a head: each card is a tray of its own, counted out and in. A cut connection is made
 * anew, and the tray's state asked for, as long as the card's time lasts; nothing is ever struck twice, because the station knows the
 * card. `order` goes into the trays' names.
 */
export function remoteEmbosser(
  station: RemoteStation,
  options: {
    readonly name: string;
    readonly does: "emboss" | "indent";
    readonly order: string;
    readonly timeoutMs: number;
    /** Cards in a tray, and trays away at once; without it, each card is a tray of its own. */
    readonly trays?: { readonly cards: number; readonly trays: number };
  },
): Marker {
  const { name, does, order, timeoutMs, trays } = options;
  const fault = (code: "refused" | "timeout", message: string): DeviceFault =>
    new DeviceFault(name, code, `${name}: ${message}`);
  const struck = (job: MarkJob) => {
    if (job.kind === "raster" || job.kind !== does)
      throw fault("refused", `it does ${does}, not ${job.kind}`);
    return job;
  };
  let cleared: Promise<void> | undefined;

  /** As often as the time allows: what is asked changes nothing when it was done before. */
  async function persistently<T>(until: number, work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (thrown) {
        const cut =
          thrown instanceof DeviceFault && (thrown.code === "unplugged" || thrown.code === "timeout");
        if (!cut || performance.now() > until) throw thrown;
        await sleep(200);
      }
    }
  }

  const strike = async (tray: string, card: TrayCard, until: number): Promise<TrayCount> => {
    let state = await station.countOut(tray, [card]);
    while (!state.finished) {
      if (performance.now() > until) throw fault("timeout", "the card was not struck in its time");
      await sleep(20);
      state = (await station.state(tray)) ?? state;
    }
    return state;
  };

  return {
    name,
    kind: "real",
    does,
    ...(trays === undefined
      ? {}
      : { room: roomOf(station, { name, does, patienceMs: timeoutMs, ...trays }) }),
    geometry: wheelsGeometry(does),
    duration: (job) => markingMs(struck(job)),
    async ready() {
      const until = performance.now() + timeoutMs;
      cleared ??= persistently(until, () => clearTrays(station));
      try {
        await cleared;
        await persistently(until, () => station.ready(does));
      } catch (thrown) {
        cleared = undefined;
        throw thrown;
      }
    },
    async mark(job, card?: MarkedCard) {
      const { lines, side } = struck(job);
      if (card === undefined) throw fault("refused", "it must be told whose card it is");
      const until = performance.now() + timeoutMs;
      const tray = `${order}.${String(card.record)}.${String(card.attempt)}.${does}`;
      const asked: TrayCard = { ...card, does, side, lines: [...lines] };
      let state: TrayCount;
      station.live.add(tray);
      try {
        state = await persistently(until, () => strike(tray, asked, until));
      } catch (thrown) {
        // The card is a reject from here on: whatever is left of its tray is cleared before the next card.
        cleared = undefined;
        throw thrown;
      } finally {
        station.live.delete(tray);
      }
      // The numbers are the station's own, so counting in can be said again; the next card does it if this is lost.
      await station.countIn(tray, state).catch(() => {
        cleared = undefined;
      });
      const [end] = state.cards;
      if (state.cards.length !== 1 || end?.serial !== card.serial || end.state !== "struck")
        throw fault("refused", end?.detail ?? "the station did not strike the card");
    },
  };
}
