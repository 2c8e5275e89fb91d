// Drives a virtual GlobalPlatform card by the host's own commands: for tests and benches of both sides.
import { nodeCrypto } from "../node/index.js";
import { type Command, decodeResponse, encodeCommand, type Response } from "../src/apdu/index.js";
import { aid, unhex } from "../src/bytes/index.js";
import type { Crypto } from "../src/crypto/index.js";
import {
  initializeUpdate,
  installForInstall,
  type KeySet,
  openScp02,
  openScp03,
  parseInitializeUpdate,
  parseInitializeUpdateScp02,
  type Scp02Level,
  type Scp02Parameter,
  type Scp02Session,
  type Scp03Level,
  type Scp03Session,
  type Scp11Session,
} from "../src/globalplatform/index.js";
import {
  type EepromStore,
  type Fault,
  fabricateGlobalPlatform,
  type GlobalPlatformChip,
  makeVirtualCard,
  memoryStore,
  type PersolineCard,
} from "../src/virtual/index.js";

export const gpNumber = unhex("504C0102030400000007");
export const isdAid = unhex("A000000151000000");
/** The access applet in the mask (docs/gp-card.md 7), and an application of it. */
export const accessPackage = aid(unhex("A00000087602"));
export const accessModule = aid(unhex("A0000008760201"));
export const accessApp = aid(unhex("A000000876020101"));
export const installAccess = installForInstall({
  loadFile: accessPackage,
  module: accessModule,
  application: accessApp,
});
/** SELECT by DF name, hexadecimal; empty: the security domain. */
export const selectOf = (name: string, p2 = 0): Command => ({
  cla: 0,
  ins: 0xa4,
  p1: 4,
  p2,
  ...(name === "" ? {} : { data: unhex(name) }),
  le: 256,
});
const filled = (length: number, first: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => (first + at) & 0xff);
/** Three keys that differ. */
export const keysOf = (length: number, first = 0x10): KeySet => ({
  enc: filled(length, first),
  mac: filled(length, first + 0x40),
  dek: filled(length, first + 0x80),
});
export const aes = (length: 16 | 24 | 32 = 16, kvn = 0x30) => ({
  kvn,
  algorithm: "aes" as const,
  ...keysOf(length),
});
export const des = (kvn = 0x20) => ({ kvn, algorithm: "3des" as const, ...keysOf(16) });

export type Session = Scp02Session | Scp03Session;

/** A card in the hand: power, commands, and a session when one is open. */
export class GpBench {
  readonly store: EepromStore;
  readonly card: PersolineCard;
  /** Random bytes of the card, one value after the other, so that challenges differ. */
  #random = 0;

  constructor(
    chip: Partial<GlobalPlatformChip> | EepromStore,
    faults: readonly Fault[] = [],
    crypto: Crypto = nodeCrypto,
  ) {
    this.store =
      "load" in chip
        ? chip
        : memoryStore(fabricateGlobalPlatform({ chipNumber: gpNumber, keySets: [aes()], ...chip }));
    this.card = makeVirtualCard({
      eeprom: this.store,
      faults,
      random: (length) => filled(length, this.#random++),
      crypto,
    });
    this.card.powerOn();
  }

  /** Throws when the card is silent. */
  send(command: Command): Response {
    const answer = this.card.transmit(encodeCommand(command));
    if (answer === undefined) throw new Mute();
    return decodeResponse(answer);
  }

  /** Status word in hexadecimal digits, "mute" when it is silent. */
  say(command: Command): string {
    try {
      return this.send(command).sw.toString(16).toUpperCase();
    } catch (thrown) {
      if (thrown instanceof Mute) return "mute";
      throw thrown;
    }
  }

  open(ask: {
    readonly kvn?: number;
    readonly keys: KeySet;
    readonly level: number;
    readonly hostChallenge?: Uint8Array;
    readonly i02?: Scp02Parameter;
    readonly aid?: Uint8Array;
  }): Session {
    const { kvn = 0, keys, level, i02 = 0x55, aid: selectedAid = isdAid } = ask;
    const hostChallenge = ask.hostChallenge ?? filled(8, 0xa0);
    const { data, sw } = this.send(initializeUpdate({ kvn, hostChallenge }));
    if (sw !== 0x9000) throw new Error(`INITIALIZE UPDATE: ${sw.toString(16)}`);
    const common = { crypto: nodeCrypto, keys, hostChallenge, selectedAid };
    const session =
      data[11] === 0x02
        ? openScp02({
            ...common,
            answer: parseInitializeUpdateScp02(data),
            i: i02,
            level: level as Scp02Level,
          })
        : openScp03({ ...common, answer: parseInitializeUpdate(data), level: level as Scp03Level });
    const done = this.say(session.externalAuthenticate);
    if (done !== "9000") throw new Error(`EXTERNAL AUTHENTICATE: ${done}`);
    return session;
  }

  /** One command under the channel, its answer in clear. */
  secure(session: Session | Scp11Session, command: Command): Response {
    return session.unwrap(this.send(session.wrap(command)));
  }

  /** Its status word. */
  secured(session: Session | Scp11Session, command: Command): string {
    return this.secure(session, command).sw.toString(16).toUpperCase();
  }

  power(): void {
    this.card.powerOff();
    this.card.powerOn();
  }
}

class Mute extends Error {
  override readonly name = "Mute";
}
