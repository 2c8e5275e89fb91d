/** What the line and a reader host say to each other. One host drives one reader: a hanging card takes only its own host with it. */
import type { Channel } from "./channel.js";

export type Protocol = "T=0" | "T=1";

export interface Connected {
  /** As PC/SC calls it, index and slot included. */
  readonly name: string;
  readonly card: "none" | "present" | "mute" | "in use";
  readonly atr?: Uint8Array;
}

export type HostAsk =
  | { readonly ask: "list" }
  /** What this reader hangs on (SCARD_ATTR_CHANNEL_ID). */
  | { readonly ask: "channel"; readonly reader: string; readonly socket: string | undefined }
  /** Waits until a card lies in the reader, or none does. */
  | {
      readonly ask: "await";
      readonly reader: string;
      readonly card: "present" | "absent";
      readonly ms: number;
    }
  | {
      readonly ask: "reset";
      readonly reader: string;
      readonly kind: "cold" | "warm";
      /** In the order of preference. */
      readonly protocols: readonly Protocol[];
    }
  /** `packCommands`. */
  | { readonly ask: "exchange"; readonly commands: Uint8Array; readonly answerMs: number }
  | { readonly ask: "off" };

export type HostAnswer =
  | { readonly answer: "alive" }
  | { readonly answer: "readers"; readonly readers: readonly Connected[] }
  | { readonly answer: "channel"; readonly channel: Channel }
  | { readonly answer: "awaited"; readonly came: boolean }
  | { readonly answer: "reset"; readonly atr: Uint8Array; readonly protocol: Protocol }
  | { readonly answer: "mute" }
  | { readonly answer: "no card" }
  | {
      readonly answer: "answers";
      /** `packAnswers`. */
      readonly answers: Uint8Array;
      /** What came after them: the card's silence, in words; or the reader's fault. */
      readonly silent?: string;
      readonly fault?: HostFault;
      /** The card did not answer in time: this host waits for it for ever and is of no more use. */
      readonly stuck?: boolean;
    }
  | { readonly answer: "done" }
  | { readonly answer: "fault"; readonly fault: HostFault };

export interface HostFault {
  readonly code: "no-addon" | "no-service" | "unplugged" | "refused";
  readonly message: string;
}
