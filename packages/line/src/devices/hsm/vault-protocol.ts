/** What the line and a module's process say to each other. Calls are the port's own. */
import type { KeystoreProblem } from "./keystore.js";
import type { VaultCalls } from "./vault-core.js";

/** Their pipe's number in the module's process. */
export const MESSAGES = 4;

export type VaultAsk<Ceremony = unknown, Unlock = unknown> =
  | { readonly ask: "make"; readonly ceremony: Ceremony }
  | { readonly ask: "open"; readonly file: string; readonly unlock: Unlock }
  | {
      readonly ask: "call";
      readonly id: number;
      readonly name: keyof VaultCalls;
      readonly args: readonly unknown[];
    }
  | { readonly ask: "close" };

export type VaultAnswer =
  | { readonly answer: "made" | "opened" | "closed" }
  | {
      readonly answer: "refused";
      readonly code: KeystoreProblem["code"] | "self-test" | "refused";
      readonly message: string;
    }
  | { readonly answer: "result"; readonly id: number; readonly result: unknown }
  | { readonly answer: "fault"; readonly id: number; readonly message: string };
