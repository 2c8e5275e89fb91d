/** The embosser's side: a process in another room that strikes what it was sent, on the card whose chip it reads there. */
import { setTimeout as sleep } from "node:timers/promises";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { AddressInfo, Socket } from "node:net";
import { DeviceFault } from "../../problem.js";
import type { Marker } from "../port.js";
import { type BookedTray, StationBook } from "./book.js";
import {
  type Answer,
  lineCutter,
  type Question,
  question,
  type RefusalCode,
  type TrayAnswer,
} from "./protocol.js";
import { digestOf, isSigned, listText, receiptText, signed } from "./signing.js";
import { crlWatch, secureContextOf, type TlsFiles } from "./tls.js";

/** A body that was fed into the machine, and who its chip says it is. */
export interface FedCard {
  readonly body: string;
  /** Undefined: mute, or without a number. */
  readonly serial: string | undefined;
  /** It lies at a head of a simulated line, which is nobody's tray: there it may be any card of that line, and is no stranger. */
  readonly atHead?: boolean;
  readonly marker: (does: Marker["does"]) => Marker | undefined;
}

/** What stands before the wheels: it feeds the bodies of a tray one by one, and reads each chip there. */
export interface Feeder {
  /** The next body that lies ready and was not given in this round (1, 2, …; each tray that comes begins one); undefined: none. */
  next(round: number): Promise<FedCard | undefined>;
}

export interface EmbossStationOptions {
  readonly name: string;
  /** Common name in the certificate of the only line that is heard. */
  readonly line: string;
  readonly tls: TlsFiles;
  readonly host: string;
  readonly port: number;
  /** Folder of its own journal. */
  readonly data: string;
  readonly feeder: Feeder;
  /** Asked before each card that a line sends from its head. Throws DeviceFault when none can be begun. */
  readonly ready?: (does: Marker["does"]) => Promise<void>;
  /** So many rejects in a row, and no further card is begun until the station is started again; 3 when not said. */
  readonly rejectsInARow?: number;
  /** Between two looks at a machine that is not ready. */
  readonly lookMs?: number;
  readonly onEvent?: (text: string) => void;
}

export interface EmbossStation {
  readonly port: number;
  close(): Promise<void>;
}

interface Connection {
  readonly socket: TLSSocket;
  seq: number;
  lease: number | undefined;
}

const refused = (seq: number, code: RefusalCode, message: string): Answer => ({
  answer: "refused",
  seq,
  code,
  message,
});

const ended = (tray: BookedTray): boolean =>
  tray.cards.every(({ state }) => state === "struck" || state === "rejected" || state === "untouched");

const stateOf = (seq: number, tray: BookedTray, stands?: string): TrayAnswer => ({
  answer: "tray",
  seq,
  tray: tray.tray,
  digest: tray.digest,
  finished: ended(tray),
  closed: tray.closed,
  cards: tray.cards.map(({ serial, state, detail }) => ({
    serial,
    state,
    ...(detail === undefined ? {} : { detail }),
  })),
  strangers: tray.strangers,
  ...(stands === undefined ? {} : { stands: stands.slice(0, 300) }),
});

/** Resolves once it listens. Throws what `node:tls` does when certificates or address are wrong. */
export async function embossStation(options: EmbossStationOptions): Promise<EmbossStation> {
  const { name, feeder, onEvent = () => undefined, rejectsInARow = 3, lookMs = 1_000 } = options;
  const book = new StationBook(options.data);
  /** Whoever holds the lease. Without one no card is begun. */
  let holder: Connection | undefined;
  let closing = false;
  let inWork = false;
  /** Rejects since the last card that was struck. */
  let row = 0;
  /** Too many rejects: until people have looked and start the station again. */
  let stopped: string | undefined;
  /** What the machine of the card in hand says, while it is waited for. */
  let waitsFor: string | undefined;
  const stands = (): string | undefined => stopped ?? waitsFor;

  /** A card in work shows that the machine is there: it is not asked then. */
  const readyFor = async (seq: number, does: Marker["does"]): Promise<Answer> => {
    let why = stands();
    try {
      if (why === undefined && !inWork) await options.ready?.(does);
    } catch (thrown) {
      if (!(thrown instanceof DeviceFault)) throw thrown;
      why = thrown.message;
    }
    return why === undefined ? { answer: "ready", seq } : refused(seq, "not-ready", why.slice(0, 300));
  };

  const answerTo = (asked: Question, connection: Connection): Answer | Promise<Answer> => {
    const { seq } = asked;
    if (asked.ask === "hello") {
      if (asked.lease <= book.lease)
        return refused(seq, "old-lease", `a lease must be larger than ${String(book.lease)}`);
      book.write({ event: "lease", lease: asked.lease });
      holder?.socket.destroy();
      holder = connection;
      connection.lease = asked.lease;
      return { answer: "welcome", seq, station: name };
    }
    if (connection.lease === undefined) return refused(seq, "no-hello", "a connection begins with hello");
    if (connection.lease !== book.lease)
      return refused(seq, "old-lease", "another connection holds the lease");
    if (asked.ask === "open-trays")
      return {
        answer: "open-trays",
        seq,
        trays: [...book.trays.keys()],
      };
    if (asked.ask === "ready") return readyFor(seq, asked.does);
    if (asked.ask === "tray") return countedOut(asked, connection);
    const tray = book.find(asked.tray);
    if (tray === undefined)
      return refused(seq, "no-such-tray", `no tray ${asked.tray} was counted out to here`);
    if (asked.ask === "withdraw" && !tray.withdrawn && !tray.closed)
      book.write({ event: "withdrawn", tray: tray.tray });
    return asked.ask === "counted-in" ? countedIn(asked, tray) : stateOf(seq, tray, stands());
  };

  const countedOut = (
    { seq, tray, count, cards, signature }: Extract<Question, { ask: "tray" }>,
    { socket }: Connection,
  ): Answer => {
    if (count !== cards.length || new Set(cards.map(({ serial }) => serial)).size !== count)
      return refused(seq, "wrong-count", "the tray's count is not its number of different cards");
    const line = socket.getPeerX509Certificate()?.publicKey;
    if (line === undefined || !isSigned(line, listText(tray, cards), signature))
      return refused(seq, "wrong-signature", "the list is not signed by the line's key");
    const known = book.find(tray);
    if (known !== undefined)
      return known.digest === digestOf(tray, cards)
        ? stateOf(seq, known)
        : refused(seq, "another-tray", `tray ${tray} was counted out with other contents`);
    if (book.knowsAny(cards))
      return refused(seq, "card-known", "a card of it was counted out before, in another tray");
    const taken = book.take(tray, cards, signature);
    onEvent(`tray ${tray}: ${String(count)} cards counted out to here`);
    return stateOf(seq, taken);
  };

  const countedIn = (asked: Extract<Question, { ask: "counted-in" }>, tray: BookedTray): Answer => {
    if (!ended(tray))
      return refused(asked.seq, "not-finished", `tray ${tray.tray} is not finished: withdraw it first`);
    const of = (state: string): number => tray.cards.filter((card) => card.state === state).length;
    if (
      asked.struck !== of("struck") ||
      asked.rejected !== of("rejected") ||
      asked.untouched !== of("untouched")
    )
      return refused(
        asked.seq,
        "counts-differ",
        `the numbers of tray ${tray.tray} are not those of this station`,
      );
    if (!tray.closed) {
      book.closeTray(tray.tray);
      onEvent(
        `tray ${tray.tray}: counted in with ${String(asked.struck)} good, ${String(asked.rejected)} rejects, ${String(asked.untouched)} untouched; its lines are erased`,
      );
    }
    const receipt = signed(options.tls.key, receiptText(tray.tray, tray.digest, tray.cards));
    return { ...stateOf(asked.seq, tray), receipt };
  };

  const hear = (connection: Connection, text: string): void => {
    const say = (answer: Answer): void => {
      connection.socket.write(`${JSON.stringify(answer)}\n`);
    };
    let asked: Question;
    try {
      asked = question.parse(JSON.parse(text));
    } catch {
      say(refused(connection.seq, "not-understood", "this is no message of the protocol"));
      connection.socket.end();
      return;
    }
    // One that comes twice, too early, too late or again is none: the line connects anew and asks for the state.
    if (asked.seq !== connection.seq + 1) {
      say(refused(asked.seq, "out-of-order", `message ${String(connection.seq + 1)} is next`));
      connection.socket.end();
      onEvent(`a message out of its order was refused`);
      return;
    }
    connection.seq = asked.seq;
    const tell = (said: Answer): void => {
      say(said);
      if (said.answer === "refused" && (said.code === "old-lease" || said.code === "no-hello"))
        connection.socket.end();
    };
    const said = answerTo(asked, connection);
    if (said instanceof Promise) said.then(tell, () => connection.socket.destroy());
    else tell(said);
  };

  const revocations = crlWatch(options.tls);
  /** Takes a new revocation list; whoever is connected must show its certificate again. False: the list cannot be read. */
  const renewed = (): boolean => {
    if (!revocations()) return true;
    holder?.socket.destroy();
    try {
      server.setSecureContext({ ...secureContextOf(options.tls), minVersion: "TLSv1.3" });
      return true;
    } catch {
      onEvent("the revocation list cannot be read: nobody is heard");
      return false;
    }
  };
  const server: Server = createServer(
    {
      ...secureContextOf(options.tls),
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: "TLSv1.3",
    },
    (socket) => {
      const { CN } = socket.getPeerCertificate().subject;
      if (CN !== options.line) {
        onEvent(`a stranger's certificate was refused`);
        socket.destroy();
        return;
      }
      const connection: Connection = { socket, seq: 0, lease: undefined };
      const gone = (): void => {
        if (holder === connection) holder = undefined;
      };
      socket.setNoDelay(true);
      // A dead peer behind a cut cable must not hold the lease for ever.
      socket.setTimeout(15_000, () => socket.destroy());
      socket.on("error", gone);
      socket.on("close", gone);
      socket.on(
        "data",
        lineCutter(
          (text) => {
            if (renewed() && !socket.destroyed && !socket.writableEnded) hear(connection, text);
          },
          () => socket.destroy(),
        ),
      );
    },
  );
  server.on("tlsClientError", () => onEvent("a connection without a certificate of ours was refused"));
  // Before the handshake: whoever was revoked since the last one is not let in, nor anybody when nobody knows who was.
  server.prependListener("connection", (raw: Socket) => {
    if (!renewed()) raw.destroy();
  });

  /** Bodies that are no card of the trays here, or do not say who they are: each is told once. */
  const strangers = new Set<string>();
  /** Waits until the machine can begin this card. False: it is not to be begun any more, and stays as it is. */
  const mayBegin = async (machine: Marker, tray: BookedTray, serial: string): Promise<boolean> => {
    const due = (): boolean =>
      !closing &&
      !tray.withdrawn &&
      tray.cards.some((card) => card.serial === serial && card.state === "waiting");
    const isHeard = (): boolean => holder !== undefined;
    try {
      for (; due(); await sleep(isHeard() ? lookMs : 10)) {
        if (!isHeard()) continue;
        try {
          await machine.ready?.();
        } catch (thrown) {
          if (!(thrown instanceof DeviceFault)) throw thrown;
          if (waitsFor !== thrown.message) onEvent(`no card is begun, and none is spoilt: ${thrown.message}`);
          waitsFor = thrown.message;
          continue;
        }
        // Meanwhile the line may have gone, or taken the tray back.
        if (isHeard() && due()) return true;
      }
      return false;
    } finally {
      waitsFor = undefined;
    }
  };
  const strike = async ({ body, serial, atHead = false, marker }: FedCard): Promise<void> => {
    const open = [...book.trays.values()].filter(({ withdrawn }) => !withdrawn);
    const tray = open.find(({ cards }) =>
      cards.some((card) => card.serial === serial && card.state === "waiting"),
    );
    if (tray === undefined || serial === undefined) {
      const [first] = open;
      // Also of a tray that was withdrawn, and still lies here until the line takes it back.
      const ours = [...book.trays.values()].some(({ cards }) => cards.some((card) => card.serial === serial));
      if (first !== undefined && !ours && !atHead && !strangers.has(body)) {
        strangers.add(body);
        book.write({
          event: "stranger",
          tray: first.tray,
          ...(serial === undefined ? {} : { serial }),
        });
      }
      return;
    }
    const card = book.linesOf(tray.tray, serial);
    const reject = (detail: string): void => {
      book.write({ event: "rejected", tray: tray.tray, serial, detail: detail.slice(0, 200) });
      if (++row < rejectsInARow) return;
      stopped = `${String(row)} rejects in a row: no further card is begun; look at the machine, then start the station again`;
      onEvent(stopped);
    };
    const machine = card === undefined ? undefined : marker(card.does);
    if (card === undefined || machine === undefined) {
      reject("this station has no lines or no machine for it");
      return;
    }
    // Once there is an intent, a machine's failure costs the card.
    if (!(await mayBegin(machine, tray, serial))) return;
    book.write({ event: "intent", tray: tray.tray, serial });
    inWork = true;
    try {
      await machine.mark({ kind: card.does, side: card.side, lines: card.lines });
    } catch (thrown) {
      if (!(thrown instanceof DeviceFault)) throw thrown;
      reject(`nobody knows whether it was struck: ${thrown.message}`);
      return;
    } finally {
      inWork = false;
    }
    row = 0;
    book.write({ event: "struck", tray: tray.tray, serial });
    onEvent(`card ${serial} struck`);
  };

  const waits = (): boolean =>
    [...book.trays.values()].some(
      ({ withdrawn, cards }) => !withdrawn && cards.some(({ state }) => state === "waiting"),
    );
  const work = (async () => {
    while (!closing) {
      // Cut off from the line, the station ends the card in hand and begins no other.
      if (book.trays.size === 0) strangers.clear();
      const fed =
        holder !== undefined && stopped === undefined && waits() ? await feeder.next(book.taken) : undefined;
      if (fed === undefined) await sleep(10);
      else await strike(fed);
    }
  })();
  work.catch((thrown: unknown) => {
    onEvent(`the station stops: ${thrown instanceof Error ? thrown.message : "unknown reason"}`);
    server.close();
    holder?.socket.destroy();
  });

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      closing = true;
      server.close();
      holder?.socket.destroy();
      await work.catch(() => undefined);
      book.close();
    },
  };
}
