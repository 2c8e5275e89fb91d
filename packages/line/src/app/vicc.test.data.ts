/** Debian's vicc as a body that a person can hold: it keeps what it was told while it is in no reader, and whatever becomes of the line. */
import { type ChildProcess, spawn } from "node:child_process";
import { connect, createServer, type Server, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type { Address } from "../devices/reader/vpcd/card-side.js";
import { contactByte, Frames, sendFrame } from "../devices/reader/vpcd/frames.js";

const runner = fileURLToPath(new URL("../../foreign/vicc.py", import.meta.url));

export class ViccBody {
  readonly #server: Server;
  #process: ChildProcess | undefined;
  #card: Socket | undefined;
  #reader: Socket | undefined;
  #address: Address | undefined;
  /** Who asked what vicc has not answered yet: an answer for a reader that has gone reaches nobody. */
  readonly #asked: { readonly asker: Socket; readonly act: (() => void) | undefined }[] = [];
  /** CLA and INS of every command so far. */
  readonly #told: string[] = [];
  readonly #moments: { readonly ins: string; readonly nth: number; readonly act: () => void }[] = [];

  /** `terminable`: it knows TERMINATE DF, which vicc by itself does not. */
  constructor(kind: "as it is" | "terminable" = "as it is") {
    this.#server = createServer((socket) => this.#came(socket));
    this.#server.listen(0, "127.0.0.1", () => {
      const at = this.#server.address();
      const port = typeof at === "object" ? String(at?.port) : "";
      const more = kind === "terminable" ? ["--terminable"] : [];
      const words = [runner, ...more, "--type", "iso7816", "--hostname", "127.0.0.1", "--port", port];
      this.#process = spawn("/usr/bin/python3", words, { stdio: "ignore" });
    });
  }

  /** Into the reader that listens, or will listen, there. */
  insert(address: Address): void {
    this.#address = address;
    this.#connect();
  }

  out(): void {
    this.#address = undefined;
    this.#reader?.destroy();
    this.#reader = undefined;
  }

  close(): void {
    this.out();
    this.#process?.kill("SIGKILL");
    this.#card?.destroy();
    this.#server.close();
  }

  /** Acts when the card has done this command for the nth time; its answer comes a little later. */
  when(ins: string, nth: number, act: () => void): void {
    this.#moments.push({ ins, nth, act });
  }

  count(ins: string): number {
    return this.#told.filter((one) => one === ins).length;
  }

  #came(card: Socket): void {
    const frames = new Frames();
    card.setNoDelay(true);
    card.on("error", () => undefined);
    card.on("data", (bytes) => {
      for (const answer of frames.take(bytes)) {
        const { asker, act } = this.#asked.shift() ?? {};
        const send = (): void => {
          if (asker !== undefined && asker === this.#reader) sendFrame(asker, answer);
        };
        act?.();
        // A reader is told even when whoever asked through it is gone by then.
        if (act === undefined) send();
        else setTimeout(send, 100);
      }
    });
    this.#card = card;
    this.#connect();
  }

  #connect(): void {
    if (this.#address === undefined || this.#card === undefined || this.#reader !== undefined) return;
    const reader = connect(this.#address);
    const frames = new Frames();
    this.#reader = reader;
    reader.setNoDelay(true);
    reader.on("error", () => undefined);
    reader.on("close", () => {
      if (this.#reader !== reader) return;
      this.#reader = undefined;
      setTimeout(() => this.#connect(), 200);
    });
    reader.on("data", (bytes) => {
      for (const message of frames.take(bytes)) this.#ask(reader, message);
    });
  }

  #ask(reader: Socket, message: Buffer): void {
    if (this.#card === undefined) return;
    const silent = message.length === 1 && message[0] !== contactByte.atr;
    let act: (() => void) | undefined;
    if (message.length > 1) {
      const ins = message.toString("hex", 0, 2);
      this.#told.push(ins);
      act = this.#moments.find((one) => one.ins === ins && one.nth === this.count(ins))?.act;
    }
    if (!silent) this.#asked.push({ asker: reader, act });
    sendFrame(this.#card, message);
  }
}
