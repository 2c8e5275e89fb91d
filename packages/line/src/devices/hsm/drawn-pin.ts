/** PINs that cards draw themselves: taken from the one answer that tells them, sealed for their letter, and shown to nobody. */
import type { Response } from "@persoline/card/apdu";
import { CardProblem } from "@persoline/card/bytes";
import { pinOfBlock2 } from "@persoline/card/emv";
import type {
  DrawnPin,
  SealedSecrets,
  SecureChannelSpec,
  SecureStep,
  UnwrappedAnswer,
} from "@persoline/card/program";
import type { Keyring } from "./keyring.js";
import { NO_CARD } from "./order-policy.js";
import { seal } from "./seal.js";
import { VaultRefusal } from "./vault-refusal.js";

/** DRAW REFERENCE DATA (docs/card-os.md 10.7): the only command whose answer is a PIN. */
const DRAW = { cla: 0x80, ins: 0x5e } as const;
const ALL_SECURED = 0x33;
const nothing = new Uint8Array(0);

/** Throws VaultRefusal for a command that would bring the line a PIN in clear, or one that nobody could keep. */
export function mustDraw(
  { cla, ins, draws }: SecureStep,
  channel: SecureChannelSpec,
  secrets: SealedSecrets | undefined,
): void {
  const asks = cla === DRAW.cla && ins === DRAW.ins;
  if (asks && draws === undefined)
    throw new VaultRefusal(
      "DRAW REFERENCE DATA is answered with a PIN: it goes to no card but for its letter",
    );
  if (draws === undefined) return;
  if (!asks) throw new VaultRefusal("only DRAW REFERENCE DATA has a PIN in its answer");
  if (!("level" in channel) || channel.level !== ALL_SECURED)
    throw new VaultRefusal("a card tells its PIN in sessions of level 33 only");
  if (secrets === undefined) throw new VaultRefusal("the card draws a PIN, and for no record");
}

/** The PIN sealed in place of the answer. Verdict "wrong": the card answered something else; nothing of it is told. */
export function takeDrawnPin(
  ring: Keyring,
  { pin: name, length }: DrawnPin,
  secrets: SealedSecrets | undefined,
  { sw, data }: Response,
): UnwrappedAnswer {
  if (sw !== 0x9000) return { sw, data: nothing };
  const digits = digitsOf(data);
  data.fill(0);
  if (secrets === undefined || digits?.length !== length) {
    digits?.fill(0);
    return { sw, data: nothing, verdict: "wrong" };
  }
  const { order, record } = secrets;
  const ascii = digits.map((digit) => 0x30 + digit);
  digits.fill(0);
  try {
    const belongs = { purpose: "pin", order, record, name, policy: NO_CARD, account: "" } as const;
    const sealed = seal(ring, belongs, ascii);
    return { sw, data: nothing, verdict: "right", sealed };
  } finally {
    ascii.fill(0);
  }
}

function digitsOf(block: Uint8Array): Uint8Array | undefined {
  try {
    return pinOfBlock2(block);
  } catch (problem) {
    if (problem instanceof CardProblem) return undefined;
    throw problem;
  }
}
