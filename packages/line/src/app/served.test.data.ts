/** `persoline card serve` in a process of its own, and the other end of its connections: a listener that speaks as vpcd does. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { hex, unhex } from "@persoline/card/bytes";
import { contactByte, Frames } from "../devices/reader/vpcd/frames.js";
import { program } from "./command.test.data.js";

export interface Serving {
  readonly port: number;
  readonly label: string;
  readonly serial?: string;
}

export class Served {
  readonly #process: ChildProcess;
  readonly #serving: Promise<readonly Serving[]>;

  constructor(words: readonly string[]) {
    this.#process = spawn(process.execPath, [program, "card", "serve", ...words, "--json"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    this.#process.stderr?.on("data", (bytes: Buffer) => (err += bytes.toString()));
    this.#serving = new Promise((resolve, reject) => {
      this.#process.stdout?.on("data", (bytes: Buffer) => {
        out += bytes.toString();
        if (out.endsWith("\n")) resolve((JSON.parse(out) as { serving: readonly Serving[] }).serving);
      });
      this.#process.once("exit", (code) =>
        reject(new Error(`card serve ended with ${String(code)}: ${err}`)),
      );
    });
    this.#serving.catch(() => undefined);
  }

  serving(): Promise<readonly Serving[]> {
    return this.#serving;
  }

  /** As Ctrl-C does; its exit code. */
  async end(): Promise<number | null> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return this.#process.exitCode;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGINT");
    await ended;
    return this.#process.exitCode;
  }
}

/** One slot of a reader. */
export class Listener {
  readonly #server: Server;
  #socket: Socket | undefined;
  #frames = new Frames();
  #heard: ((body: Buffer | undefined) => void) | undefined;
  connections = 0;
  port = 0;

  constructor() {
    this.#server = createServer((socket) => {
      this.#socket = socket;
      this.#frames = new Frames();
      this.connections++;
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
      socket.on("data", (bytes) => {
        for (const body of this.#frames.take(bytes)) this.#heard?.(body);
      });
      socket.on("close", () => {
        if (this.#socket === socket) this.#socket = undefined;
        this.#heard?.(undefined);
      });
    });
  }

  async listen(port = 0): Promise<number> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    const at = this.#server.address();
    this.port = typeof at === "object" ? (at?.port ?? 0) : 0;
    return this.port;
  }

  async card(): Promise<void> {
    while (this.#socket === undefined) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  control(what: keyof typeof contactByte): void {
    this.#socket?.write(Buffer.of(0, 1, contactByte[what]));
  }

  /** Hex in, hex out; undefined when the card left instead. `split`: each byte in a packet of its own. */
  async ask(command: string, split = false): Promise<string | undefined> {
    const body = unhex(command.replaceAll(" ", ""));
    const message = Buffer.concat([Buffer.of(body.length >> 8, body.length & 0xff), body]);
    const answer = new Promise<Buffer | undefined>((resolve) => {
      this.#heard = resolve;
    });
    for (const piece of split ? [...message].map((byte) => Buffer.of(byte)) : [message]) {
      this.#socket?.write(piece);
      if (split) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const heard = await answer;
    this.#heard = undefined;
    return heard === undefined ? undefined : hex(heard);
  }

  /** Power, and the answer to reset. */
  async powered(): Promise<string | undefined> {
    await this.card();
    this.control("on");
    return this.ask("04");
  }

  drop(): void {
    this.#socket?.destroy();
  }

  close(): void {
    this.drop();
    this.#server.close();
  }
}
