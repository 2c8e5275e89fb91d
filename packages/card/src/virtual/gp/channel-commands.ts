import { type Answer, answer, type Apdu, join, status, SW } from "../os/command.js";
import type { GpCard } from "./card.js";
import { CHANNEL_TRIES, LIFE } from "./layout.js";
import { Scp02Channel } from "./scp02.js";
import { Scp03Channel } from "./scp03.js";
import { type KeySet, readCounters, writeCounters } from "./state.js";

/** From the third failure in a row on, each costs twice as long as the one before: 0.1 s, 0.2 s … */
const firstDelayMicros = 100_000;
const S16 = 0x01;
/** The initial set's version; it is named by 00 only. */
const INITIAL = 0xff;

/** INITIALIZE UPDATE (GPCS E.5.1; Amendment D, 7.1.1); ends the channel there was. */
export function initializeUpdate(card: GpCard, { p1, p2, data, le }: Apdu): Answer {
  card.endChannel();
  if (p2 !== 0) return status(SW.wrongP1P2);
  const { keySets } = card.vault.state;
  const set = p1 === 0 ? keySets[0] : keySets.find(({ kvn }) => kvn === p1 && kvn !== INITIAL);
  if (set === undefined) return status(SW.referenceNotFound);
  const { i02, i03, isd } = card.config;
  const challenge = set.type === 0x88 && (i03 & S16) !== 0 ? 16 : 8;
  if (data.length !== challenge) return status(SW.wrongLength);
  const { tries, sequences } = readCounters(card.chip);
  if (tries === 0) return status(SW.blocked);
  const open = { sequence: sequences.get(set.kvn) ?? 0, aid: card.selected?.aid ?? isd, host: data };
  // The counter of a set runs once through: afterwards its session keys would come again.
  if (open.sequence >= (set.type === 0x88 ? 0xffffff : 0xffff)) return status(SW.blocked);
  const known = set.kvn === keySets[0]?.kvn && card.chip.has("wrong-loader-key") ? spoiled(set) : set;
  const channel =
    set.type === 0x88
      ? new Scp03Channel(card.chip, known, { ...open, i: i03 })
      : new Scp02Channel(card.chip, known, { ...open, i: i02 });
  const greeting = join(card.chip.chipNumber, [set.kvn], channel.greeting);
  if (le !== undefined && le < greeting.length) return status(SW.wrongLe | greeting.length);
  card.opening = channel;
  return answer(greeting);
}

/** Not the keys that the maker was to put in. */
const spoiled = (set: KeySet): KeySet => ({
  ...set,
  keys: set.keys.map((key) => key.map((byte) => byte ^ 0x5a)),
});

/** EXTERNAL AUTHENTICATE. The try is gone in EEPROM before the comparison; the last one blocks the card, and locks it when it is SECURED. */
export function externalAuthenticate(card: GpCard, command: Apdu): Answer {
  const { opening: channel, chip, vault } = card;
  card.endChannel();
  if (channel === undefined) return status(SW.conditionsNotSatisfied);
  if (command.p2 !== 0 || !channel.allows(command.p1)) return status(SW.wrongP1P2);
  if (command.data.length !== channel.proofLength) return status(SW.wrongLength);
  const { tries, sequences } = readCounters(chip);
  const left = tries - 1;
  writeCounters(chip, { tries: left, sequences });
  if (!channel.authenticate(command)) {
    const failures = CHANNEL_TRIES - left;
    if (failures >= 3) chip.spendMicros(firstDelayMicros * 2 ** (failures - 3));
    if (left === 0 && vault.state.life === LIFE.secured) vault.change({ life: LIFE.locked });
    return status(SW.authenticationFailed);
  }
  const counted = new Map(sequences).set(channel.kvn, (sequences.get(channel.kvn) ?? 0) + 1);
  writeCounters(chip, { tries: CHANNEL_TRIES, sequences: counted });
  card.channel = channel;
  return status(SW.ok);
}
