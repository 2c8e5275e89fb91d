/** The binding's errors carry English texts and no code: the one place that knows them (smartcard 3.7, pcsc_errors.h). */
import type { HostFault } from "./host-protocol.js";

export type Trouble =
  | { readonly kind: "silence"; readonly message: string }
  | { readonly kind: "mute" }
  | { readonly kind: "no card" }
  | { readonly kind: "fault"; readonly fault: HostFault };

const gone = "the card was taken out or lost its contacts";
const serviceRemedy = 'start it ("systemctl start pcscd", or "pcscd -f" in a terminal)';

const says = (thrown: unknown, ...texts: readonly string[]): boolean =>
  thrown instanceof Error && texts.includes(thrown.message);

/** Another program has the reader, or had it a moment ago. */
export const isInUse = (thrown: unknown): boolean => says(thrown, "Sharing violation");
/** Of the list of readers: one more is there than a moment ago. */
export const isListGrown = (thrown: unknown): boolean => says(thrown, "Insufficient buffer");
/** Of a reader's state: it has been unplugged. */
export const isGone = (thrown: unknown): boolean =>
  says(thrown, "Unknown reader", "Reader unavailable", "No readers available");

/** While a command is under way, whatever happens to the card is its silence: what the command did is not known. */
export function troubleOf(thrown: unknown, during: "reset" | "exchange" | "other"): Trouble {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const fault = (code: HostFault["code"], message: string): Trouble => ({
    kind: "fault",
    fault: { code, message },
  });
  switch (text) {
    case "Card was removed":
    case "No smart card present":
    case "Card is not connected":
      return during === "exchange" ? { kind: "silence", message: gone } : { kind: "no card" };
    case "Card is unresponsive":
    case "Card is unpowered":
      return during === "exchange" ? { kind: "silence", message: gone } : { kind: "mute" };
    case "Card is not supported":
    case "Protocol mismatch":
    case "Invalid ATR":
      return during === "exchange" ? { kind: "silence", message: text } : { kind: "mute" };
    case "Card was reset":
      return during === "exchange"
        ? { kind: "silence", message: "another program has reset the card" }
        : { kind: "mute" };
    case "Insufficient buffer":
      if (during === "exchange")
        return { kind: "silence", message: "the card's answer is far longer than an answer can be" };
      return fault("unplugged", "readers come and go faster than PC/SC can list them");
    case "Communication error":
    case "Transaction failed":
    case "Operation timed out":
      if (during === "exchange") return { kind: "silence", message: `the card does not answer (${text})` };
      return during === "reset" ? { kind: "mute" } : fault("refused", text);
    case "Sharing violation":
      return fault(
        "refused",
        "another program is using this reader: close it (gpg-agent and browsers are usual)",
      );
    // A handle whose reader has gone (pcsc-lite 1.9.9).
    case "Invalid value":
    case "Reader unavailable":
    case "Unknown reader":
    case "Reader not ready":
    case "No readers available":
      return fault("unplugged", "the reader is no longer connected: plug it in again");
    case "PC/SC service not running":
    case "PC/SC service stopped":
    case "Invalid handle":
    case "Internal error":
      return fault("no-service", `the PC/SC service does not answer: ${serviceRemedy}`);
    case "Unknown PC/SC error":
      // A service that is just ending answers so. In mid-command it is told as it came; before one, a new context asks again.
      return during === "exchange"
        ? fault("refused", "PC/SC failed in mid-command and does not say why")
        : fault("no-service", "PC/SC failed and does not say why: it is asked again in a new context");
    default:
      return fault("refused", `PC/SC says: ${text}`);
  }
}
