/** Virtual cards behind their contacts: the reader's terminal on one side, the card's transceiver on the other, characters between. */
import { CardProblem } from "@persoline/card/bytes";
import { type Conversation, Terminal } from "@persoline/card/iso7816-3";
import { ContactedCard, type ContactedOptions, type VirtualCard } from "@persoline/card/virtual";

export interface ContactsOptions extends ContactedOptions {
  readonly protocol?: 0 | 1;
  /** Longest duration of one APDU in seconds. */
  readonly apduSeconds?: number;
}

/** A card as it looks through a terminal; `trouble` says in words why it is silent, when the line knows. */
export interface SpokenCard extends VirtualCard {
  readonly trouble: string | undefined;
}

/** The same card, spoken with character by character. Its time is that of the line: characters, waiting and work. */
export function overContacts(card: VirtualCard, options: ContactsOptions = {}): SpokenCard {
  const line = new ContactedCard(card, options);
  const terminal = new Terminal(line, options);
  let conversation: Conversation | undefined;
  let trouble: string | undefined;

  /** Whatever the terminal cannot make sense of is a silent card. */
  const heard = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (thrown) {
      if (!(thrown instanceof CardProblem)) throw thrown;
      conversation = undefined;
      trouble = thrown.message;
      return undefined;
    }
  };
  const reset = (how: () => ReturnType<Terminal["cold"]>): Uint8Array | undefined => {
    conversation = undefined;
    trouble = undefined;
    const powered = heard(how);
    if (powered === undefined || powered.kind === "mute") return undefined;
    if (powered.kind === "malformed") return powered.atr;
    conversation = powered.conversation;
    return conversation.atr;
  };

  return {
    get trouble() {
      return trouble;
    },
    get elapsedMicros() {
      return (line.now / line.clockHz) * 1e6;
    },
    get counters() {
      return card.counters;
    },
    powerOn: () => reset(() => terminal.cold()),
    warmReset: () => reset(() => terminal.warm()),
    powerOff: () => {
      conversation = undefined;
      terminal.off();
    },
    transmit: (apdu) => {
      const now = conversation;
      return now === undefined ? undefined : heard(() => now.transmit(apdu));
    },
  };
}
