/**
 * What a card deciphers with the key of a session's secrets (DEK) comes from the security module, hidden on its way. Else whoever holds the line
 * has one session wrap a secret and hands the cipher text to the card in another place, where the card itself opens it and lets it be read:
 * SCP03's DEK is the card's own and the same in all its sessions (Amendment D, 6.2.8), SCP02's until the card has counted one (GPCS E.4.1).
 */
import { partLength } from "./answer.js";
import type { SecureChannelSpec } from "./channel-spec.js";
import type { Part, Step } from "./types.js";

type Command = Pick<Step, "cla" | "ins" | "p1" | "data">;

/** Bit of a security level: C-DECRYPTION (GPCS 10.6). */
const C_DECRYPTION = 0x02;
/** The only one of SCP11 that encrypts. */
const SCP11_ALL = 0x33;

/**
 * Whether what the module wraps in such a session is hidden from whoever carries it. Loaders and DESFire-style cards know no levels, and have
 * keys for secrets that are made anew for each session, of both sides' random numbers.
 */
export function encryptsCommands(channel: SecureChannelSpec): boolean {
  switch (channel.protocol) {
    case "loader":
    case "desfire":
      return true;
    case "scp11":
      return channel.level === SCP11_ALL;
    case "scp02":
    case "scp03":
      return (channel.level & C_DECRYPTION) !== 0;
  }
}

/** Whoever asks may name any number, of which a command has the last eight bits. */
export const isHeader = (command: Pick<Step, "cla" | "ins" | "p1" | "p2">): boolean =>
  [command.cla, command.ins, command.p1, command.p2].every(
    (byte) => Number.isInteger(byte) && byte >= 0x00 && byte <= 0xff,
  );

/**
 * A secure channel's MAC knows of the class byte only whether it is ISO's or GlobalPlatform's own (GPCS E.4.4, Amendment D, 6.2.4): whoever
 * carries a command for another logical channel may make it one of this.
 */
export const isReadInOneWay = ({ protocol }: SecureChannelSpec, { cla }: Pick<Command, "cla">): boolean =>
  protocol === "loader" || protocol === "desfire" || cla === 0x00 || cla === 0x80;

/** CHANGE REFERENCE DATA and RESET RETRY COUNTER (ISO/IEC 7816-4, 11.5.7, 11.5.10), PUT KEY (GPCS 11.8). */
const CARRY_SECRETS: ReadonlySet<number> = new Set([0x24, 0x2c, 0xd8]);
const STORE_DATA = 0xe2;
/** Its P1: all data encrypted, or some as the application knows (GPCS 11.11.2.1). */
const ENCRYPTED = 0x60;
const LOAD_KEYS = 0xd8;
const DESFIRE = { changeKey: 0xc4, changeKeyEv2: 0xc6, setConfiguration: 0x5c, defaultKey: 0x01 } as const;

/** Whether a command has a card decipher, or take as a key, what did not come from the module. Classes do not count: see above. */
export function putsInFromOutside(channel: SecureChannelSpec, { ins, p1, data }: Command): boolean {
  const isOneSecret = data.length === 1 && data.every(isSecret);
  const filled = data.filter((part) => !(part instanceof Uint8Array && part.length === 0));
  const [first] = filled;
  switch (channel.protocol) {
    case "loader":
      return ins === LOAD_KEYS && !isOneSecret;
    case "desfire":
      if (ins === DESFIRE.setConfiguration)
        return !(first instanceof Uint8Array) || first[0] === DESFIRE.defaultKey;
      return (ins === DESFIRE.changeKey || ins === DESFIRE.changeKeyEv2) && !data.some(isSecret);
    default:
      if (ins === STORE_DATA && (p1 & ENCRYPTED) !== 0) return !isOfSecrets(data, channel);
      return CARRY_SECRETS.has(ins) && filled.length > 0 && !isOneSecret;
  }
}

/** A challenge is the module's, but whoever asks for it may see it. */
const isSecret = (part: Part): boolean => !(part instanceof Uint8Array) && part.secret !== "challenge";

/** Whole groupings, of bytes from outside their heads only, and at least one secret; whose place without groupings nobody could tell. */
function isOfSecrets(data: readonly Part[], { protocol }: SecureChannelSpec): boolean {
  let head: number[] = [];
  let left = 0;
  for (const part of data) {
    if (!(part instanceof Uint8Array)) {
      const length = partLength(part, protocol);
      if (!isSecret(part) || length > left) return false;
      left -= length;
      continue;
    }
    for (const byte of part) {
      if (left > 0) return false;
      head.push(byte);
      const [, , short = 0, high = 0, low = 0] = head;
      if (head.length < (head[2] === 0xff ? 5 : 3)) continue;
      left = short === 0xff ? (high << 8) | low : short;
      head = [];
    }
  }
  return left === 0 && head.length === 0 && data.some(isSecret);
}
