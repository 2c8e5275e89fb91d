/** The life of a security module's own process: it hears one way of beginning, then calls, and ends with its parent. */
import { Socket } from "node:net";
import { KeystoreProblem } from "./keystore.js";
import { OfficeRefusal } from "./office/refusal.js";
import type { Witnessing } from "./office/witness.js";
import { type Secret, secretOf } from "./secret.js";
import type { VaultCalls, vaultCalls } from "./vault-core.js";
import { MESSAGES, type Survey, type VaultAnswer, type VaultAsk } from "./vault-protocol.js";
import { hearBlocks, packed } from "./wire.js";

type Calls = ReturnType<typeof vaultCalls>;

/** What opens the keys: heard once, also where keys are made and then opened. Throws OfficeRefusal. */
export type Hear = (secret: Secret) => Promise<string>;

export interface Opening {
  readonly hear: Hear;
  /** Whoever answers for the keys accepts that this machine may write its memory to a disk. */
  readonly swapAccepted: boolean;
  readonly deed: Witnessing<Secret> | undefined;
  /** What somebody else than the keys' opener knows. Throws OfficeRefusal. */
  readonly hearOther: Hear;
}

/** How a provider tells what it can do without a key, makes its keys, and opens them. All throw KeystoreProblem, OfficeRefusal, or what else is wrong. */
export interface Provider<Ceremony, Unlock> {
  readonly survey: (unlock: Unlock, hear: Hear) => Promise<Survey>;
  readonly make: (ceremony: Ceremony, opening: Opening) => Promise<void>;
  readonly open: (file: string, unlock: Unlock, opening: Opening) => Promise<Calls>;
}

export function serve<Ceremony, Unlock>({ survey, make, open }: Provider<Ceremony, Unlock>): void {
  let calls: Calls | undefined;
  const wire = new Socket({ fd: MESSAGES });
  const say = (answer: VaultAnswer): void => {
    wire.write(packed(answer));
  };
  const hearOther: Hear = async (secret) => {
    if (typeof secret === "string") return secret;
    // It must have left before the descriptor is waited at, which stops everything here.
    await new Promise((resolve) => wire.write(packed({ answer: "asking" } satisfies VaultAnswer), resolve));
    const said = await secretOf(secret);
    say({ answer: "heard" });
    return said;
  };
  /** Until the keys are open. */
  let heard: string | undefined;
  const hear: Hear = async (secret) => (heard ??= await hearOther(secret));

  const begin = async (
    ask: Extract<VaultAsk<Ceremony, Unlock>, { ask: "survey" | "make" | "open" }>,
  ): Promise<void> => {
    try {
      if (ask.ask === "survey") {
        say({ answer: "surveyed", survey: await survey(ask.unlock, hear) });
        return;
      }
      const deed = ask.ask === "open" ? ask.deed : undefined;
      const opening = { hear, hearOther, swapAccepted: ask.swapAccepted === true, deed };
      if (ask.ask === "make") {
        await make(ask.ceremony, opening);
        say({ answer: "made" });
        return;
      }
      calls = await open(ask.file, ask.unlock, opening);
      heard = undefined;
      say({ answer: "opened" });
    } catch (error) {
      const code =
        error instanceof KeystoreProblem
          ? error.code
          : error instanceof OfficeRefusal
            ? "no-secret"
            : "refused";
      const message = error instanceof Error ? error.message : "the module cannot start";
      say({ answer: "refused", code, message });
    }
  };

  const answer = async ({ id, name, args }: Extract<VaultAsk<Ceremony, Unlock>, { ask: "call" }>) => {
    try {
      if (calls === undefined) throw new Error("the module is not open");
      const call = calls[name] as (...args: unknown[]) => ReturnType<VaultCalls[keyof VaultCalls]>;
      const result = call(...args);
      // What is known already is answered in this turn, as ever.
      say({ answer: "result", id, result: result instanceof Promise ? await result : result });
    } catch (error) {
      say({ answer: "fault", id, message: error instanceof Error ? error.message : "the module failed" });
    }
  };

  // A signal to the whole group reaches the module too: the line ends its cards first and closes the module then.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
  // Node would open its debugger, and with it all keys, to whoever sends this.
  process.on("SIGUSR1", () => undefined);
  process.on("disconnect", () => {
    calls?.wipe();
    process.exit(0);
  });
  // The parent's end is told by the channel; a pipe that breaks tells nothing more.
  wire.on("error", () => undefined);
  hearBlocks(wire, (message) => {
    const ask = message as VaultAsk<Ceremony, Unlock>;
    switch (ask.ask) {
      case "survey":
      case "make":
      case "open":
        void begin(ask);
        return;
      case "call":
        void answer(ask);
        return;
      case "close":
        say({ answer: "closed" });
        calls?.wipe();
        calls = undefined;
        wire.end();
        if (process.connected) process.disconnect();
    }
  });
}
