/** The embedded security module: a child process that alone opens the keystore. This side only carries messages. */
import { existsSync } from "node:fs";
import { type ChildProcess, fork, type ForkOptions } from "node:child_process";
import type { Duplex } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { DeviceFault } from "../problem.js";
import { KeystoreProblem } from "./keystore.js";
import { OfficeRefusal } from "./office/refusal.js";
import type { Hsm } from "./port.js";
import type { Witnessing } from "./office/witness.js";
import { bothHandedOver, handedOver, type Secret } from "./secret.js";
import type { VaultCalls } from "./vault-core.js";
import {
  MESSAGES,
  type Survey,
  type VaultAnswer,
  type VaultAsk,
  type VaultCeremony,
  type VaultUnlock,
} from "./vault-protocol.js";
import { hearBlocks, packed } from "./wire.js";

export type { NewKey } from "./ceremony.js";
export { KeystoreProblem } from "./keystore.js";
export type { Survey, VaultUnlock } from "./vault-protocol.js";

/** From `src` and `dist` alike: a child starts from what the compiler wrote. */
const processFile = new URL("../../../dist/devices/hsm/vault-process.js", import.meta.url);

const vaultProcess: ModuleProcess = { device: "vault", file: processFile };

/** How long a module may be silent while somebody waits for it, milliseconds: no single call takes it a second. */
const usualDeadline = 30_000;
/** The silence is counted in so many looks, so that a host which was itself stopped (Ctrl-Z, a sleeping machine) misses one, and does not blame the vault. */
const looks = 20;
/** How long its process may take to end once it was told to, milliseconds. */
const grace = 2_000;
/** What ends this process from outside. */
const ENDS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface VaultOptions {
  /** Milliseconds the vault may be silent while somebody waits for it; then it is ended, and whoever waits gets a DeviceFault. Default 30,000. */
  readonly deadlineMs?: number;
  /** Whoever answers for live keys accepts that this machine may write its memory to a disk. */
  readonly swapAccepted?: boolean;
  /** For tests that stop the process. */
  readonly start?: (file: URL, options: ForkOptions) => ChildProcess;
}

/** Which process a client starts, and how it is called when something is wrong. */
export interface ModuleProcess {
  /** As a device: "vault", "token". */
  readonly device: string;
  readonly file: URL;
  /** Nothing else of this process's environment reaches it. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What its secret is read from, of this process. */
  readonly secretFd?: number | undefined;
  /** What the passphrases of two custodians are read from. */
  readonly custodianFds?: readonly (number | undefined)[];
}

/** So many unanswered calls, and no further card session is opened. */
export const callsAtOnce = 32;

interface Held {
  readonly name: keyof VaultCalls;
  readonly args: readonly unknown[];
  readonly resolve: (result: unknown) => void;
  readonly reject: (fault: Error) => void;
}

/** Where Linux keeps the tool that lets a process leave no core dump; without it the system's own limit holds. */
const prlimit = "/usr/bin/prlimit";

/** The line's end of a security module that lives in a process of its own. */
export class ModuleClient {
  readonly #child: ChildProcess;
  readonly #wire: Duplex;
  readonly #waiting = new Map<
    number,
    { resolve: (result: unknown) => void; reject: (fault: Error) => void }
  >();
  /** Openings of sessions that wait until the module has caught up, first come first served. */
  readonly #held: Held[] = [];
  #begun: { resolve: (survey?: Survey) => void; reject: (problem: Error) => void } | undefined;
  #next = 1;
  #ended: DeviceFault | undefined;
  readonly #gone: Promise<void>;
  readonly #watch: NodeJS.Timeout;
  /** Looks in a row that found somebody waiting and no answer since the last one. */
  #silent = 0;
  /** Somebody's secret is waited for, who may take as long as it takes. */
  #isAsking = false;

  readonly #device: string;

  constructor(
    { device, file: processFile, environment = {}, secretFd, custodianFds = [] }: ModuleProcess,
    { deadlineMs = usualDeadline, start = (file, options) => fork(file, [], options) }: VaultOptions,
  ) {
    this.#device = device;
    const fault = (message: string) => this.#fault(message);
    // A core dump would hold every key. Started through prlimit, which becomes Node itself.
    const undumped = existsSync(prlimit)
      ? { execPath: prlimit, execArgv: ["--core=0:0", "--", process.execPath] }
      : { execArgv: [] };
    // No arguments, and of the environment only what a token's library needs: nothing of this process that a key could leak into, and nothing that leaks in.
    this.#child = start(processFile, {
      ...undumped,
      env: environment,
      // Node's channel tells each side of the other's end; what they say to each other has a pipe of its own.
      stdio: [
        ...(["ignore", "ignore", "ignore", "ipc", "pipe"] as const),
        ...[secretFd, ...custodianFds].map((fd) => fd ?? "ignore"),
      ],
    });
    this.#wire = this.#child.stdio[MESSAGES] as Duplex;
    hearBlocks(this.#wire, (answer) => this.#heard(answer as VaultAnswer));
    const ended = `the ${device}'s process ended (was it killed, is the machine out of memory?); nothing is lost: run the same command again, and it goes on where it was`;
    this.#wire.on("error", (error) =>
      // The pipe of a process that ended may break before its end is told.
      this.#end(fault("syscall" in error ? ended : `the ${device} is not understood: ${error.message}`)),
    );
    this.#gone = new Promise((resolve) => {
      this.#child.once("exit", resolve);
      this.#child.on("error", (error) => {
        this.#end(fault(`the ${device}'s process failed: ${error.message}`));
        if (this.#child.pid === undefined) resolve();
      });
    });
    this.#child.on("exit", () => this.#end(fault(ended)));
    this.#watch = setInterval(() => this.#look(deadlineMs), deadlineMs / looks).unref();
  }

  /** Throws KeystoreProblem (wrong passphrase, …), OfficeRefusal (there is no secret) or DeviceFault. */
  async begin(ask: Extract<VaultAsk, { ask: "make" | "open" }>): Promise<void> {
    await this.#begin(ask);
  }

  /** What it can do, before it has a key. Throws as `begin`. */
  async survey(unlock: unknown): Promise<Survey> {
    const survey = await this.#begin({ ask: "survey", unlock });
    if (survey === undefined) throw this.#fault(`the ${this.#device} did not say what it can do`);
    return survey;
  }

  #begin(ask: Extract<VaultAsk, { ask: "survey" | "make" | "open" }>): Promise<Survey | undefined> {
    return new Promise((resolve, reject) => {
      this.#begun = { resolve, reject };
      this.#send(ask);
    });
  }

  /** A module that is behind gets no new card: cards wait before they are asked to authenticate, those in hand are served. */
  call(name: keyof VaultCalls, args: readonly unknown[]): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const ask = { name, args, resolve, reject };
      if (name === "openSession" && this.#waiting.size >= callsAtOnce) this.#held.push(ask);
      else this.#ask(ask);
    });
  }

  #ask({ name, args, resolve, reject }: Held): void {
    const id = this.#next++;
    this.#waiting.set(id, { resolve, reject });
    this.#send({ ask: "call", id, name, args });
  }

  #answered(id: number): { resolve: (result: unknown) => void; reject: (fault: Error) => void } | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size < callsAtOnce) {
      const next = this.#held.shift();
      if (next !== undefined) this.#ask(next);
    }
    return waiting;
  }

  /** Never waits longer than twice the grace, whatever the process is doing. */
  async close(): Promise<void> {
    if (this.#ended === undefined && this.#child.connected) this.#send({ ask: "close" });
    if (!(await this.#isGone())) {
      this.#child.kill("SIGKILL");
      // Only a disk that hangs can keep a killed process: this one must not wait for it.
      if (!(await this.#isGone())) this.#child.unref();
    }
    this.#wire.destroy();
    clearInterval(this.#watch);
  }

  async #isGone(): Promise<boolean> {
    const given = new AbortController();
    const late = setTimeout(grace, false, { signal: given.signal }).catch(() => false);
    try {
      return await Promise.race([this.#gone.then(() => true), late]);
    } finally {
      given.abort();
    }
  }

  #fault(message: string): DeviceFault {
    return new DeviceFault(this.#device, "security-module", message);
  }

  #look(deadlineMs: number): void {
    if (this.#isAsking || (this.#waiting.size === 0 && this.#begun === undefined)) {
      this.#silent = 0;
      return;
    }
    if (++this.#silent <= looks) return;
    this.#end(
      this.#fault(
        `the ${this.#device} has not answered for ${String(deadlineMs / 1000)} s: its process hangs and was ended; nothing is lost. Look at the machine (is it out of memory, does its disk answer?), then run the same command again`,
      ),
    );
    this.#child.kill("SIGKILL");
  }

  #send(ask: VaultAsk): void {
    this.#wire.write(packed(ask));
  }

  #heard(answer: VaultAnswer): void {
    this.#silent = 0;
    switch (answer.answer) {
      case "asking":
        this.#isAsking = true;
        for (const signal of ENDS) process.on(signal, this.#endAfterIt);
        return;
      case "heard":
        this.#asked();
        return;
      case "surveyed":
        this.#begun?.resolve(answer.survey);
        this.#begun = undefined;
        return;
      case "made":
      case "opened":
        this.#begun?.resolve();
        this.#begun = undefined;
        return;
      case "refused":
        this.#asked();
        this.#begun?.reject(
          answer.code === "refused"
            ? this.#fault(answer.message)
            : answer.code === "no-secret"
              ? new OfficeRefusal(answer.message)
              : new KeystoreProblem(answer.code, answer.message),
        );
        this.#begun = undefined;
        return;
      case "result":
        this.#answered(answer.id)?.resolve(answer.result);
        return;
      case "fault":
        this.#answered(answer.id)?.reject(this.#fault(answer.message));
        return;
      case "closed":
        return;
    }
  }

  #asked(): void {
    this.#isAsking = false;
    for (const signal of ENDS) process.off(signal, this.#endAfterIt);
  }

  /** The terminal is the module's while it asks there: it must have it back as it was before this process ends. */
  readonly #endAfterIt = (signal: NodeJS.Signals): void => {
    this.#asked();
    if (this.#child.connected) this.#child.disconnect();
    void this.#isGone().then((isGone) => {
      // It waits at a descriptor, which stops everything in it.
      if (!isGone) this.#child.kill("SIGKILL");
      process.kill(process.pid, signal);
    });
  };

  #end(why: DeviceFault): void {
    this.#asked();
    this.#ended ??= why;
    this.#begun?.reject(why);
    this.#begun = undefined;
    for (const { reject } of [...this.#waiting.values(), ...this.#held]) reject(why);
    this.#waiting.clear();
    this.#held.length = 0;
  }
}

export const accepting = ({ swapAccepted = false }: VaultOptions): { readonly swapAccepted: boolean } => ({
  swapAccepted,
});

/** A deed as the module's process is told of it, and the descriptors of the two custodians' passphrases. */
export function deedOver(deed: Witnessing<Secret> | undefined) {
  if (deed === undefined) return { told: {}, custodianFds: [] };
  const { secrets, fds } = bothHandedOver(deed.passphrases);
  return { told: { deed: { ...deed, passphrases: secrets } }, custodianFds: fds };
}

/** Whose secret is read in the module's process, it is told so, and given the descriptor. */
function started(
  unlock: VaultUnlock,
  options: VaultOptions,
  custodianFds: readonly (number | undefined)[] = [],
) {
  const { secret, fd } = "keyFile" in unlock ? { secret: undefined } : handedOver(unlock.passphrase);
  return {
    client: new ModuleClient({ ...vaultProcess, secretFd: fd, custodianFds }, options),
    unlock: secret === undefined ? unlock : { passphrase: secret },
  };
}

/** Makes a keystore in a short-lived process of its own. Throws KeystoreProblem ("exists", "environment", …), OfficeRefusal, DeviceFault. */
export async function createKeystore(ceremony: VaultCeremony, options: VaultOptions = {}): Promise<void> {
  const { client, unlock } = started(ceremony.unlock, options);
  try {
    await client.begin({ ask: "make", ceremony: { ...ceremony, unlock }, ...accepting(options) });
  } finally {
    await client.close();
  }
}

/** How keys are made that are not there yet. */
export interface Making<Ceremony> {
  readonly ceremony: Omit<Ceremony, "file" | "unlock">;
  /** Hears what the module can do before a key is made; what it throws leaves nothing behind. */
  readonly judge?: ((survey: Survey) => Promise<void>) | undefined;
}

/** What the module would be able to do without a key. Throws KeystoreProblem, OfficeRefusal, DeviceFault. */
export async function surveyed(client: ModuleClient, unlock: unknown): Promise<Survey> {
  try {
    return await client.survey(unlock);
  } finally {
    await client.close();
  }
}

/** What a vault can do. Throws DeviceFault. */
export const surveyVault = (options: VaultOptions = {}): Promise<Survey> =>
  surveyed(new ModuleClient(vaultProcess, options), undefined);

/**
 * Opens the keystore in a process of its own; `make`: makes it first, so that a secret which can be read once opens both. Throws
 * KeystoreProblem ("wrong-passphrase", "missing", "newer-version", …), OfficeRefusal, DeviceFault.
 */
export async function openVault({
  file,
  unlock: given,
  make,
  deed,
  ...options
}: {
  readonly file: string;
  readonly unlock: VaultUnlock;
  readonly make?: Making<VaultCeremony> | undefined;
  readonly deed?: Witnessing<Secret> | undefined;
} & VaultOptions): Promise<Hsm> {
  const { told, custodianFds } = deedOver(deed);
  const { client, unlock } = started(given, options, custodianFds);
  try {
    const more = accepting(options);
    if (make !== undefined) {
      await make.judge?.(await client.survey(unlock));
      await client.begin({ ask: "make", ceremony: { ...make.ceremony, file, unlock }, ...more });
    }
    await client.begin({ ask: "open", file, unlock, ...more, ...told });
  } catch (problem) {
    await client.close();
    throw problem;
  }
  return hsmOf(client, { name: "vault", kind: "embedded" });
}

/** The port over an open client. */
export function hsmOf(client: ModuleClient, { name, kind }: Pick<Hsm, "name" | "kind">): Hsm {
  const call =
    <Name extends keyof VaultCalls>(name: Name) =>
    (...args: Parameters<Hsm[Name]>) =>
      client.call(name, args) as ReturnType<Hsm[Name]>;
  return {
    name,
    kind,
    capabilities: call("capabilities"),
    keys: call("keys"),
    openSession: call("openSession"),
    authenticate: call("authenticate"),
    unwrap: call("unwrap"),
    closeSession: call("closeSession"),
    openProof: call("openProof"),
    judgeProof: call("judgeProof"),
    openMutual: call("openMutual"),
    judgeMutual: call("judgeMutual"),
    drawPin: call("drawPin"),
    writeLetters: call("writeLetters"),
    tryLetters: call("tryLetters"),
    proveIssuerFile: call("proveIssuerFile"),
    takeIssuerRecords: call("takeIssuerRecords"),
    preparePayment: call("preparePayment"),
    drawIccKeysAhead: call("drawIccKeysAhead"),
    judgeCryptogram: call("judgeCryptogram"),
    paymentScripts: call("paymentScripts"),
    judgeTrack2: call("judgeTrack2"),
    stripeAgain: call("stripeAgain"),
    encipherPin: call("encipherPin"),
    createDataKey: call("createDataKey"),
    releaseDataKey: call("releaseDataKey"),
    havePinsEnded: call("havePinsEnded"),
    endPins: call("endPins"),
    endOrder: call("endOrder"),
    sign: call("sign"),
    verify: call("verify"),
    random: call("random"),
    close: () => client.close(),
  };
}
