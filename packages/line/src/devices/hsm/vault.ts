/** The embedded security module: a child process that alone opens the keystore. This side only carries messages. */
import { type ChildProcess, fork } from "node:child_process";
import { DeviceFault } from "../problem.js";
import type { Ceremony } from "./ceremony.js";
import { KeystoreProblem, type Unlock } from "./keystore.js";
import type { Hsm } from "./port.js";
import type { VaultCalls } from "./vault-core.js";
import type { VaultAnswer, VaultAsk } from "./vault-protocol.js";

export type { Ceremony, NewKey } from "./ceremony.js";
export { KeystoreProblem, type Unlock } from "./keystore.js";

/** From `src` and `dist` alike: a child starts from what the compiler wrote. */
const processFile = new URL("../../../dist/devices/hsm/vault-process.js", import.meta.url);

const fault = (message: string): DeviceFault => new DeviceFault("vault", "security-module", message);

class VaultClient {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<
    number,
    { resolve: (result: unknown) => void; reject: (fault: Error) => void }
  >();
  #begun: { resolve: () => void; reject: (problem: Error) => void } | undefined;
  #next = 1;
  #ended: DeviceFault | undefined;

  constructor() {
    // No environment, no arguments: nothing of this process that a key could leak into, and nothing that leaks in.
    this.#child = fork(processFile, [], {
      serialization: "advanced",
      execArgv: [],
      env: {},
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    this.#child.on("message", (answer: VaultAnswer) => this.#heard(answer));
    this.#child.on("error", (error) => this.#end(fault(`the vault's process failed: ${error.message}`)));
    this.#child.on("exit", () => this.#end(fault("the vault's process ended; run the same command again")));
  }

  /** Throws KeystoreProblem (wrong passphrase, …) or DeviceFault. */
  begin(ask: Extract<VaultAsk, { ask: "make" | "open" }>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#begun = { resolve, reject };
      this.#send(ask);
    });
  }

  call(name: keyof VaultCalls, args: readonly unknown[]): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.set(id, { resolve, reject });
      this.#send({ ask: "call", id, name, args });
    });
  }

  close(): Promise<void> {
    if (this.#ended !== undefined || !this.#child.connected) return Promise.resolve();
    return new Promise((resolve) => {
      this.#child.once("exit", () => resolve());
      this.#send({ ask: "close" });
    });
  }

  #send(ask: VaultAsk): void {
    this.#child.send(ask, (error) => {
      if (error !== null) this.#end(fault(`the vault does not hear: ${error.message}`));
    });
  }

  #heard(answer: VaultAnswer): void {
    switch (answer.answer) {
      case "made":
      case "opened":
        this.#begun?.resolve();
        this.#begun = undefined;
        return;
      case "refused":
        this.#begun?.reject(
          answer.code === "refused" || answer.code === "self-test"
            ? fault(answer.message)
            : new KeystoreProblem(answer.code, answer.message),
        );
        this.#begun = undefined;
        return;
      case "result":
        this.#waiting.get(answer.id)?.resolve(answer.result);
        this.#waiting.delete(answer.id);
        return;
      case "fault":
        this.#waiting.get(answer.id)?.reject(fault(answer.message));
        this.#waiting.delete(answer.id);
        return;
      case "closed":
        return;
    }
  }

  #end(why: DeviceFault): void {
    this.#ended ??= why;
    this.#begun?.reject(why);
    this.#begun = undefined;
    for (const { reject } of this.#waiting.values()) reject(why);
    this.#waiting.clear();
  }
}

/** Makes a keystore in a short-lived process of its own. Throws KeystoreProblem ("exists", "environment", …). */
export async function createKeystore(ceremony: Ceremony): Promise<void> {
  const client = new VaultClient();
  try {
    await client.begin({ ask: "make", ceremony });
  } finally {
    await client.close();
  }
}

/** Opens the keystore in a process of its own. Throws KeystoreProblem ("wrong-passphrase", "missing", "newer-version", …). */
export async function openVault(ask: { readonly file: string; readonly unlock: Unlock }): Promise<Hsm> {
  const client = new VaultClient();
  try {
    await client.begin({ ask: "open", ...ask });
  } catch (problem) {
    await client.close();
    throw problem;
  }
  const call =
    <Name extends keyof VaultCalls>(name: Name) =>
    (...args: Parameters<Hsm[Name]>) =>
      client.call(name, args) as ReturnType<Hsm[Name]>;
  return {
    name: "vault",
    kind: "embedded",
    capabilities: call("capabilities"),
    keys: call("keys"),
    openSession: call("openSession"),
    authenticate: call("authenticate"),
    unwrap: call("unwrap"),
    closeSession: call("closeSession"),
    openMutual: call("openMutual"),
    judgeMutual: call("judgeMutual"),
    drawPin: call("drawPin"),
    writeLetter: call("writeLetter"),
    createDataKey: call("createDataKey"),
    releaseDataKey: call("releaseDataKey"),
    sign: call("sign"),
    verify: call("verify"),
    random: call("random"),
    close: () => client.close(),
  };
}
