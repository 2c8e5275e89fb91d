/** The line's side of a reader host: starts it, asks it one thing at a time, ends it when it hangs. */
import { type ChildProcess, fork } from "node:child_process";
import { DeviceFault } from "../../problem.js";
import type { HostAnswer, HostAsk } from "./host-protocol.js";

/** From `src` and `dist` alike: a child starts from what the compiler wrote. */
const processFile = new URL("../../../../dist/devices/reader/pcsc/host-process.js", import.meta.url);

export interface HostOptions {
  /** Where pcscd listens, if not at its usual place (PCSCLITE_CSOCK_NAME). */
  readonly socket?: string | undefined;
}

type Heard = Exclude<HostAnswer, { readonly answer: "alive" }>;

export class ReaderHost {
  readonly #name: string;
  readonly #options: HostOptions;
  #child: ChildProcess | undefined;
  #waiting:
    | { heard: (answer: Heard) => void; failed: (problem: Error) => void; sign: () => void }
    | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  /** `name`: for messages. */
  constructor(name: string, options: HostOptions = {}) {
    this.#name = name;
    this.#options = options;
  }

  /**
   * Asks, after whatever is being asked. `silentMs`: so long the host may say nothing before it is ended. Throws DeviceFault: a fault the
   * host tells, a host that died or was ended; the next question starts a new one.
   */
  ask(ask: HostAsk, silentMs: number): Promise<Exclude<Heard, { readonly answer: "fault" }>> {
    const asked = this.#turn.then(() => this.#ask(ask, silentMs));
    this.#turn = asked.catch(() => undefined);
    return asked;
  }

  async #ask(ask: HostAsk, silentMs: number): Promise<Exclude<Heard, { readonly answer: "fault" }>> {
    if (this.#isClosed) throw this.#closed();
    const child = (this.#child ??= this.#start());
    let timer: NodeJS.Timeout | undefined;
    try {
      const answer = await new Promise<Heard>((heard, failed) => {
        const sign = (): void => {
          clearTimeout(timer);
          timer = setTimeout(() => {
            this.end();
            failed(this.#fault("timeout", "PC/SC has not answered: its host was ended; try again"));
          }, silentMs);
        };
        this.#waiting = { heard, failed, sign };
        sign();
        child.send(ask, (error) => {
          if (error !== null)
            failed(this.#fault("unplugged", `the reader host does not hear: ${error.message}`));
        });
      });
      if (answer.answer === "fault") throw this.fault(answer.fault);
      return answer;
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  fault({ code, message }: { readonly code: string; readonly message: string }): DeviceFault {
    // The context of a service that has died is dead for good.
    if (code === "no-service") this.end();
    return this.#fault(code === "refused" || code === "no-addon" ? "refused" : "unplugged", message);
  }

  #fault(code: "unplugged" | "timeout" | "refused", message: string): DeviceFault {
    return new DeviceFault(this.#name, code, message);
  }

  /** Ends the process at once: one that waits for a card in native code hears nothing else. */
  end(): void {
    const child = this.#child;
    this.#child = undefined;
    child?.kill("SIGKILL");
  }

  #closed(): DeviceFault {
    return this.#fault("refused", "the reader was closed");
  }

  /**
   * Lets the host switch its card off and end by itself. What it is being asked is refused at once, and so is whatever is asked later: a
   * host started after this would keep the line's process alive for good.
   */
  close(): void {
    this.#isClosed = true;
    this.#waiting?.failed(this.#closed());
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return;
    if (child.connected) child.disconnect();
    const kill = setTimeout(() => child.kill("SIGKILL"), 2_000);
    child.once("exit", () => clearTimeout(kill));
  }

  #start(): ChildProcess {
    const { socket } = this.#options;
    const child = fork(processFile, [], {
      serialization: "advanced",
      execArgv: [],
      env: socket === undefined ? {} : { PCSCLITE_CSOCK_NAME: socket },
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    const failed = (message: string): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#waiting?.failed(this.#fault("unplugged", message));
    };
    child.on("message", (answer: HostAnswer) => {
      if (this.#child !== child) return;
      if (answer.answer === "alive") this.#waiting?.sign();
      else this.#waiting?.heard(answer);
    });
    child.on("error", (error) => failed(`the reader host failed: ${error.message}`));
    child.on("exit", () => failed("the reader host ended: it is started again by the next reset"));
    return child;
  }
}
