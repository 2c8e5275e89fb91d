/** What the line and a module's process say to each other. Calls are the port's own. */
import type { Ceremony } from "./ceremony.js";
import type { CapabilityReport } from "./port.js";
import type { KeystoreProblem } from "./keystore.js";
import type { Witnessing } from "./office/witness.js";
import type { Secret } from "./secret.js";
import type { VaultCalls } from "./vault-core.js";

/** What opens a keystore. */
export type VaultUnlock = { readonly passphrase: Secret } | { readonly keyFile: string };

export interface VaultCeremony extends Omit<Ceremony, "unlock"> {
  readonly unlock: VaultUnlock;
}

/** Their pipe's number in the module's process. */
export const MESSAGES = 4;

/** What a module can do and how well it keeps it, told before it has a key. */
export type Survey = Pick<CapabilityReport, "provider" | "operations" | "swap">;

export type VaultAsk<Making = unknown, Unlock = unknown> =
  | { readonly ask: "survey"; readonly unlock: Unlock }
  | { readonly ask: "make"; readonly ceremony: Making; readonly swapAccepted?: boolean }
  | {
      readonly ask: "open";
      readonly file: string;
      readonly unlock: Unlock;
      readonly swapAccepted?: boolean;
      /** Two custodians who stand for a deed. */
      readonly deed?: Witnessing<Secret>;
    }
  | {
      readonly ask: "call";
      readonly id: number;
      readonly name: keyof VaultCalls;
      readonly args: readonly unknown[];
    }
  | { readonly ask: "close" };

export type VaultAnswer =
  | { readonly answer: "made" | "opened" | "closed" }
  | { readonly answer: "surveyed"; readonly survey: Survey }
  /** It waits for somebody's secret, and has heard it. */
  | { readonly answer: "asking" | "heard" }
  | {
      readonly answer: "refused";
      readonly code: KeystoreProblem["code"] | "no-secret" | "refused";
      readonly message: string;
    }
  | { readonly answer: "result"; readonly id: number; readonly result: unknown }
  | { readonly answer: "fault"; readonly id: number; readonly message: string };
