/** vpcd-direct: the line listens as vpcd does, and any card that speaks its protocol lies at this head. No pcscd, hence no limit of 16 readers. */
import { createServer, type Server, type Socket } from "node:net";
import { type CardChannel, CardMute, type Finding, type World } from "@persoline/card/program";
import { DeviceFault } from "../../problem.js";
import { converse, type Patience, Silence } from "../conversation.js";
import type { Reader } from "../port.js";
import { contactByte, Frames, longestFrame, sendFrame } from "./frames.js";

const findings: readonly Finding[] = [
  {
    what: "contact currents",
    result: "not measured",
    detail: "the card is at the other end of a network connection",
  },
  {
    what: "reset timing",
    result: "not measured",
    detail: "the card is at the other end of a network connection",
  },
  { what: "transmission protocol", result: "not measured", detail: "APDUs are carried whole" },
];

export interface VpcdReader extends Reader {
  /** Where it listens. Throws DeviceFault when it cannot. */
  port(): Promise<number>;
  /** Throws DeviceFault when it cannot listen. */
  ready(): Promise<void>;
  awaitCard(card: "present" | "absent", ms: number): Promise<boolean>;
  close(): void;
}

export interface VpcdReaderOptions {
  readonly name: string;
  /** 0: any free one. */
  readonly port: number;
  /** Where to listen; default the loopback address only. */
  readonly host?: string | undefined;
  readonly world: Pick<World, "now" | "sleep">;
  readonly answerMs?: number | undefined;
  /** So long a card may take to connect before a reset finds none. Default 5,000. */
  readonly patienceMs?: number | undefined;
  readonly reseat?: (() => Promise<void>) | undefined;
}

/** A card's connection: one question at a time. */
class Link {
  readonly #socket: Socket;
  readonly #frames = new Frames();
  #waiting: { heard: (body: Uint8Array) => void; silent: (problem: Error) => void } | undefined;
  gone = false;
  slow = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes) => {
      for (const body of this.#frames.take(bytes)) this.#waiting?.heard(new Uint8Array(body));
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.gone = true;
      this.#waiting?.silent(new Silence("the card was taken out or lost its contacts"));
    });
  }

  tell(byte: number): void {
    sendFrame(this.#socket, Uint8Array.of(byte));
  }

  /** Throws Silence. A card that was too slow is cut off: its late answer would be taken for the next one. */
  async ask(body: Uint8Array, { ms, late }: Patience): Promise<Uint8Array> {
    if (this.gone) throw new Silence("the card was taken out or lost its contacts");
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Uint8Array>((heard, silent) => {
        this.#waiting = { heard, silent };
        timer = setTimeout(() => {
          this.slow = true;
          silent(new Silence(late));
          this.drop();
        }, ms);
        sendFrame(this.#socket, body);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  drop(): void {
    this.gone = true;
    this.#socket.destroy();
  }
}

/** Listens from now on; that it cannot is told by whatever is asked of it first. */
export function vpcdReader(options: VpcdReaderOptions): VpcdReader {
  const { name, world, answerMs = 20_000, patienceMs = 5_000 } = options;
  let link: Link | undefined;
  /** The card that was last found here: once another one lies here, that one was taken out, however quickly they changed places. */
  let known: Link | undefined;
  let powerUp = 0;
  const server = createServer((socket) => {
    // One card lies at one head: a second one is turned away.
    if (link !== undefined && !link.gone) socket.destroy();
    else link = new Link(socket);
  });
  const listens = listening(server, name, options);
  // Told to whoever asks first.
  listens.catch(() => undefined);

  const there = async (wanted: boolean, ms: number): Promise<boolean> => {
    await listens;
    const until = world.now() + ms;
    known ??= link;
    for (;;) {
      const lies = link !== undefined && !link.gone;
      if (wanted ? lies : !lies || link !== known) break;
      if (world.now() >= until) return false;
      await world.sleep(20);
    }
    known = link;
    return true;
  };

  const channel = (card: Link, since: number): CardChannel => ({
    exchange: async (commands) => {
      if (since !== powerUp || link !== card) {
        throw new DeviceFault(name, "refused", "the card of this channel has lost its power");
      }
      const { answers, broken } = await converse(
        (apdu, patience) => card.ask(carried(name, apdu), patience),
        commands,
        {
          protocol: "T=1",
          answerMs,
          now: () => world.now(),
        },
      );
      if (broken instanceof Silence) throw new CardMute(answers, broken.message);
      if (broken !== undefined) throw broken;
      return answers;
    },
  });

  const off = (): void => {
    powerUp++;
    if (link !== undefined && !link.gone) link.tell(contactByte.off);
  };

  return {
    name,
    kind: "real",
    port: () => listens,
    ready: async () => {
      await listens;
    },
    insert: async () => {
      off();
      const since = powerUp;
      const until = world.now() + patienceMs;
      for (;;) {
        if (!(await there(true, patienceMs)) || link === undefined) {
          throw new DeviceFault(name, "refused", `no card has connected to port ${String(await listens)}`);
        }
        const card = link;
        card.tell(contactByte.on);
        try {
          const atr = await card.ask(Uint8Array.of(contactByte.atr), {
            ms: answerMs,
            late: "no answer to reset",
          });
          // TS and T0 are the least (ISO/IEC 7816-3, 8.2): anything shorter is how a mute card says that it is there.
          return atr.length < 2 ? "mute" : { atr, channel: channel(card, since), findings };
        } catch (thrown) {
          if (!(thrown instanceof Silence)) throw thrown;
          // One that is slow was cut off as mute; one that had left already leaves its place to the next, but not for ever.
          if (card.slow || world.now() >= until) return "mute";
        }
      }
    },
    reseat: async () => {
      off();
      await (options.reseat?.() ?? world.sleep(300));
    },
    remove: () => {
      off();
      return Promise.resolve();
    },
    awaitCard: (card, ms) => there(card === "present", ms),
    close: () => {
      powerUp++;
      link?.drop();
      server.close();
    },
  };
}

/** An extended command may be a few bytes longer than vpcd's messages: whoever planned it is at fault, not the card. Throws DeviceFault. */
function carried(name: string, apdu: Uint8Array): Uint8Array {
  if (apdu.length <= longestFrame) return apdu;
  const ins = (apdu[1] ?? 0).toString(16).toUpperCase().padStart(2, "0");
  throw new DeviceFault(
    name,
    "refused",
    `the command INS ${ins} has ${apdu.length} bytes, and vpcd carries ${longestFrame}: send its data in several commands (a chain), or use a PC/SC reader`,
  );
}

/** Why a port cannot be had, and what to do. */
const unheard: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'the port is taken, by another "persoline run" or "persoline card" command or by the vpcd of pcscd: end that, or take another port',
  EACCES: "the system keeps this port (those below 1024) for its administrator: take another port",
  EADDRNOTAVAIL: "this computer has no such address: take one that it has",
};

function listening(
  server: Server,
  name: string,
  { port, host = "127.0.0.1" }: VpcdReaderOptions,
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      const code = "code" in error && typeof error.code === "string" ? error.code : "";
      const fault = code === "EADDRINUSE" ? "port-taken" : "refused";
      const why = unheard[code] ?? error.message;
      reject(new DeviceFault(name, fault, `cannot listen on ${host}:${String(port)}: ${why}`));
    });
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}
