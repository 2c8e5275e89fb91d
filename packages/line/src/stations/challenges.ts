/** Card challenges, remembered: a card whose generator gives no chance, or that is another one's clone, gives itself away by them. */
import { hex } from "@persoline/card/bytes";
import type { CardChannel, Sent, Serial } from "@persoline/card/program";

/**
 * So many challenges are remembered, the oldest forgotten first: those of the last thousand cards or more, in two megabytes. Eight times as
 * many were half of what a line keeps in memory.
 */
const mostRemembered = 8_192;
/** Shorter ones repeat by chance: of 8 random bytes, 8,192 of them, two are alike once in five hundred thousand million lines. */
const shortest = 8;

interface Seen {
  readonly serial: Serial;
  /** The session it opened came to be: its challenge is used up. */
  used: boolean;
}

const initialize = 0x50;
const authenticate = 0x82;
const getChallenge = 0x84;
const nativeChallenge: ReadonlySet<number> = new Set([0xaa, 0x71]);
/** What a card answers with a challenge in it, and what it answers to a proof that it takes. */
const good: ReadonlySet<number> = new Set([0x9000, 0x91af]);

/** The challenge in an answer of the card; undefined when there is none. */
function challengeIn({ command }: Sent, data: Uint8Array): Uint8Array | undefined {
  if (command.ins === getChallenge && (command.cla & 0xf0) === 0) return data;
  // AuthenticateAES and AuthenticateEV2First (docs/desfire-card.md 4): RndB enciphered, the same only when it is the same.
  if (command.cla === 0x90 && nativeChallenge.has(command.ins)) return data;
  if (command.ins !== initialize) return undefined;
  // INITIALIZE LOADER (docs/card-os.md 2): chip number, challenge, cryptogram.
  if (data.length === 42) return data.subarray(10, 26);
  // INITIALIZE UPDATE of SCP02 (GPCS E.5.1) and SCP03 (Amendment D, 7.1.1).
  if (data[11] === 0x02 && data.length === 28) return data.subarray(12, 20);
  if (data[11] === 0x03) return data.subarray(13, ((data[12] ?? 0) & 1) === 1 ? 29 : 21);
  return undefined;
}

/** All alike, or each so much more than the one before: no generator's doing. */
function isPattern(bytes: Uint8Array): boolean {
  const step = ((bytes[1] ?? 0) - (bytes[0] ?? 0)) & 0xff;
  return bytes.every((byte, at) => at === 0 || ((byte - (bytes[at - 1] ?? 0)) & 0xff) === step);
}

/** A channel that is listened to. */
export interface Watched {
  readonly channel: CardChannel;
  /** What is wrong with a challenge that came over it, in words. */
  readonly weakness: () => string | undefined;
}

/** The memory of one line. */
export class Challenges {
  readonly #seen = new Map<string, Seen>();

  get remembered(): number {
    return this.#seen.size;
  }

  watch(channel: CardChannel, serial: Serial): Watched {
    let found: string | undefined;
    let open: Seen | undefined;
    return {
      weakness: () => found,
      channel: {
        exchange: async (commands) => {
          const answers = await channel.exchange(commands);
          for (const [at, { data, sw }] of answers.entries()) {
            const sent = commands[at];
            if (sent === undefined || !good.has(sw)) continue;
            if (sent.command.ins === authenticate && open !== undefined) open.used = true;
            const challenge = challengeIn(sent, data);
            if (challenge === undefined || challenge.length < shortest) continue;
            found ??= this.#judge(challenge, serial);
            open = this.#remember(challenge, serial);
            // What GET CHALLENGE gave is used up at once, as is what a DESFire card draws for each authentication.
            if (sent.command.ins === getChallenge || sent.command.cla === 0x90) open.used = true;
          }
          return answers;
        },
      },
    };
  }

  #judge(challenge: Uint8Array, serial: Serial): string | undefined {
    if (isPattern(challenge)) return "its challenge is a pattern, not a random number";
    const before = this.#seen.get(hex(challenge));
    if (before === undefined) return undefined;
    if (before.serial !== serial) return `it gave the challenge that card ${before.serial} had given before`;
    // A pseudo-random challenge (SCP03) stays the same until a session has been opened with it.
    return before.used ? "it gave a challenge that it had given before" : undefined;
  }

  #remember(challenge: Uint8Array, serial: Serial): Seen {
    const key = hex(challenge);
    const seen = this.#seen.get(key) ?? { serial, used: false };
    this.#seen.delete(key);
    this.#seen.set(key, seen);
    if (this.#seen.size > mostRemembered) {
      const [oldest] = this.#seen.keys();
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    return seen;
  }
}
