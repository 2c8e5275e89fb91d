/** The vault's own process: keys are clear only here. It ends with its parent. */
import { makeKeystore } from "./ceremony.js";
import { KeystoreProblem, openKeystore } from "./keystore.js";
import { Keyring } from "./keyring.js";
import { selfTest } from "./self-test.js";
import { type VaultCalls, vaultCalls } from "./vault-core.js";
import type { VaultAnswer, VaultAsk } from "./vault-protocol.js";

let calls: ReturnType<typeof vaultCalls> | undefined;

const say = (answer: VaultAnswer): void => {
  process.send?.(answer);
};

function end(): void {
  calls?.wipe();
  calls = undefined;
  if (process.connected) process.disconnect();
}

// A signal to the whole group reaches the vault too: the line ends its cards first and closes the vault then.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
process.on("SIGHUP", () => undefined);
process.on("disconnect", () => {
  calls?.wipe();
  process.exit(0);
});

process.on("message", (ask: VaultAsk) => {
  switch (ask.ask) {
    case "make":
    case "open":
      return begin(ask);
    case "call":
      void answer(ask);
      return;
    case "close":
      say({ answer: "closed" });
      return end();
  }
});

function begin(ask: Extract<VaultAsk, { ask: "make" | "open" }>): void {
  try {
    selfTest();
    if (ask.ask === "make") {
      makeKeystore(ask.ceremony);
      return say({ answer: "made" });
    }
    const { environment, keys } = openKeystore(ask.file, ask.unlock);
    calls = vaultCalls(new Keyring(environment, keys));
    say({ answer: "opened" });
  } catch (error) {
    const code = error instanceof KeystoreProblem ? error.code : "refused";
    say({
      answer: "refused",
      code,
      message: error instanceof Error ? error.message : "the vault cannot start",
    });
  }
}

async function answer({ id, name, args }: Extract<VaultAsk, { ask: "call" }>): Promise<void> {
  try {
    if (calls === undefined) throw new Error("the vault is not open");
    const call = calls[name] as (...args: unknown[]) => ReturnType<VaultCalls[keyof VaultCalls]>;
    const result = call(...args);
    // What is known already is answered in this turn, as ever.
    say({ answer: "result", id, result: result instanceof Promise ? await result : result });
  } catch (error) {
    say({ answer: "fault", id, message: error instanceof Error ? error.message : "the vault failed" });
  }
}
