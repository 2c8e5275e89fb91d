/** A desk put together: its reader, its person, its book, and whose blank the card in the reader is. */
import { matchAtr } from "@persoline/card/atr";
import { CardMute, type Serial } from "@persoline/card/program";
import { DeskBook } from "../devices/transport/desk-book.js";
import {
  asked,
  type Desk,
  operatorTransport,
  type OperatorTransport,
} from "../devices/transport/operator.js";
import type { Place } from "../devices/transport/port.js";
import type { BlankState } from "../ledger/types.js";
import type { CompiledProduct } from "../plan/types.js";
import { type Identity, identityOf } from "../stations/identity.js";
import type { RealReader } from "./line-readers.js";

export interface OpenDesk {
  readonly transport: OperatorTransport;
  reseat(): Promise<void>;
  census(
    blanks: readonly { readonly label: string; readonly state: BlankState }[],
  ): readonly { readonly place: Place; readonly label: string }[];
  close(): void;
}

/** So long a person may take to put a card back in after it was asked for; then the line goes on as if it had been. */
const reseatMs = 60_000;

export function openDesk(from: {
  readonly desk: Desk;
  readonly reader: RealReader;
  /** The desk book's file. */
  readonly book: string;
  readonly labelOf: (serial: Serial) => Promise<string | undefined>;
  readonly product: Pick<CompiledProduct, "atr" | "identity" | "writtenNumber">;
  /** The label of a blank in stock whose number begins so and that no card has yet; no other line is told it. */
  readonly drawLabel: (begins: string) => Promise<string | undefined>;
  readonly moveMs: number;
}): OpenDesk {
  const { desk, reader, labelOf, product, moveMs } = from;
  const book = new DeskBook(from.book);
  const identity = identityOf(product);
  const reseat = async (): Promise<void> => {
    const words = (await reader.awaitCard("present", 0))
      ? "The card does not answer well: take it out, wipe its contacts and put it in again."
      : "The card was taken out: put it in again.";
    await asked(desk, words, async () => {
      if (await reader.awaitCard("absent", reseatMs)) await reader.awaitCard("present", reseatMs);
    });
  };
  const transport = operatorTransport({
    desk,
    book,
    moveMs,
    awaitCard: (card, ms) => reader.awaitCard(card, ms),
    recognise: async () => {
      const serial = await serialOf(reader, product, identity);
      return serial === undefined || serial === "none" ? undefined : labelOf(serial);
    },
    identify: async () => {
      let serial = await serialOf(reader, product, identity);
      if (serial === undefined) {
        await reseat();
        serial = await serialOf(reader, product, identity);
      }
      if (serial !== "none") return serial === undefined ? undefined : labelOf(serial);
      const label = await from.drawLabel(product.writtenNumber?.begins ?? "");
      desk.tell(
        label === undefined
          ? "This card has no number yet, and the stock has none left for it: receive a delivery list first."
          : `This card has no number yet: from now on it is ${label}. Write that on it.`,
      );
      return label;
    },
  });
  return {
    transport,
    reseat,
    census: (blanks) =>
      blanks.flatMap(({ label, state }) => {
        const place = lies[state] ?? book.placeOf(label);
        return place === undefined ? [] : [{ label, place }];
      }),
    close: () => book.close(),
  };
}

/** Trays that people empty as they like: nobody at the desk can say more of these cards than their account. */
const lies: Partial<Readonly<Record<BlankState, Place>>> = {
  "in-stock": { at: "hopper" },
  held: { at: "hold" },
  rejected: { at: "reject" },
  returned: { at: "hold" },
  sample: { at: "hold" },
  destroyed: { at: "reject" },
};

/** "none": of the right type, and not numbered yet. Undefined when this card does not say it, for whatever reason. Throws DeviceFault. */
async function serialOf(
  reader: RealReader,
  product: Pick<CompiledProduct, "atr" | "writtenNumber">,
  { ask, serialIn }: Identity,
): Promise<Serial | "none" | undefined> {
  try {
    const reset = await reader.insert();
    if (reset === "mute") return undefined;
    // No number is spent on a card of another type.
    if (product.writtenNumber !== undefined && !matchAtr(product.atr.blank, reset.atr)) return undefined;
    const told = serialIn(await reset.channel.exchange(ask));
    return told === "hidden" ? undefined : (told as Serial | "none" | undefined);
  } catch (thrown) {
    if (thrown instanceof CardMute) return undefined;
    throw thrown;
  } finally {
    await reader.remove();
  }
}
