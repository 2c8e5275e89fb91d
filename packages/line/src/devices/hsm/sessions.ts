/** Card sessions inside the vault: what is between INITIALIZE and the last unwrapped answer. Written from docs/card-os.md and GlobalPlatform. */
import type { Command, Response } from "@persoline/card/apdu";
import { concat, equalConstantTime, hex } from "@persoline/card/bytes";
import { type BlockCipher, cmac, type KeptKey, kcvAes } from "@persoline/card/crypto";
import { wipeKeySet } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import type { SecureChannelSpec, SecureStep, Serial } from "@persoline/card/program";
import { ChannelSession } from "./channel-session.js";
import { random } from "./draw.js";
import { GateSession } from "./gate-session.js";
import type { Keyring } from "./keyring.js";
import { VaultRefusal } from "./vault-refusal.js";
import { NativeSession } from "./native-session.js";
import {
  type Authenticated,
  type CardSession,
  damaged,
  filled,
  once,
  otherChip,
  type Unwrapped,
  WRONG_CRYPTOGRAM,
} from "./session-parts.js";

export type { CardSession } from "./session-parts.js";

export function openCardSession(ring: Keyring, channel: SecureChannelSpec, serial: Serial): CardSession {
  switch (channel.protocol) {
    case "loader":
      return new LoaderSession(ring, channel.keys, serial);
    case "desfire":
      return new (channel.gate === true ? GateSession : NativeSession)(ring, channel, serial);
    default:
      return new ChannelSession(ring, channel, serial);
  }
}

class LoaderSession implements CardSession {
  readonly open: Command;
  readonly #hostChallenge = random(16);
  readonly #ring: Keyring;
  readonly #keys: Parameters<Keyring["loaderKey"]>[0];
  readonly #serial: Serial;
  #mac: BlockCipher | undefined;
  #dek: BlockCipher | undefined;
  #keptDek: KeptKey | undefined;
  #chaining: Uint8Array = new Uint8Array(16);

  constructor(ring: Keyring, keys: Parameters<Keyring["loaderKey"]>[0], serial: Serial) {
    this.#ring = ring;
    this.#keys = keys;
    this.#serial = serial;
    this.open = { cla: 0x80, ins: 0x50, p1: 0, p2: 0, data: this.#hostChallenge, le: 256 };
  }

  authenticate(answer: Response, steps: readonly SecureStep[]): Authenticated {
    const { data } = answer;
    if (data.length !== 42) return damaged(`INITIALIZE LOADER: 42 bytes were expected, ${data.length} came`);
    const chip = data.subarray(0, 10);
    if (hex(chip) !== this.#serial) return otherChip(chip, this.#serial);
    const context = concat(chip, this.#hostChallenge, data.subarray(10, 26));
    const kept = this.#ring.kept?.loaderKey(this.#keys, this.#serial);
    const cipher = kept ?? once(this.#ring.loaderKey(this.#keys, this.#serial));
    const input = (label: number) => concat(Uint8Array.of(label), context);
    const derived = (label: number) => cmac(cipher, input(label));
    try {
      if (!equalConstantTime(derived(0x01), data.subarray(26))) return WRONG_CRYPTOGRAM;
      const host = derived(0x02);
      this.close();
      this.#mac = kept?.derive(input(0x03), "mac") ?? once(derived(0x03));
      this.#keptDek = kept?.derive(input(0x04), "key-encryption");
      this.#dek = this.#keptDek ?? once(derived(0x04));
      const commands = steps.map((step) => this.#wrap(step));
      return { ok: true, commands: [{ cla: 0x80, ins: 0x82, p1: 0, p2: 0, data: host }, ...commands] };
    } finally {
      cipher.wipe();
    }
  }

  /** M(n) = CMAC(S-MAC, M(n−1) ‖ header ‖ Lc ‖ data), eight bytes of it sent. */
  #wrap(step: SecureStep): Command {
    const { cla, ins, p1, p2, le } = step;
    const { data } = filled(step, (part) => {
      if (part.secret !== "key-set")
        throw new VaultRefusal(`a loader session cannot carry a "${part.secret}"`);
      return { bytes: this.#initialKeys(part.keys) };
    });
    if (this.#mac === undefined) throw new VaultRefusal("this session is closed");
    const header = Uint8Array.of(cla, ins, p1, p2, data.length + 8);
    this.#chaining = cmac(this.#mac, concat(this.#chaining, header, data));
    return {
      cla,
      ins,
      p1,
      p2,
      data: concat(data, this.#chaining.subarray(0, 8)),
      ...(le === undefined ? {} : { le }),
    };
  }

  #initialKeys(keys: Parameters<Keyring["keySet"]>[0]): Uint8Array {
    const keptDek = this.#keptDek;
    const keptSet =
      keptDek === undefined
        ? undefined
        : this.#ring.kept?.newKeySet({ secret: "key-set", keys, kvn: 0 }, this.#serial);
    if (keptDek !== undefined && keptSet !== undefined) {
      try {
        return concat(...keptSet.map((key) => concat(keptDek.wrapKey(key), key.checkValue())));
      } finally {
        for (const key of keptSet) key.wipe();
      }
    }
    const set = this.#ring.keySet(keys, this.#serial);
    const iv = new Uint8Array(16);
    const dek = this.#dek;
    if (dek === undefined) throw new VaultRefusal("this session is closed");
    const all = concat(
      ...[set.enc, set.mac, set.dek].map((key) => concat(dek.cbcEncrypt(iv, key), kcvAes(nodeCrypto, key))),
    );
    wipeKeySet(set);
    return all;
  }

  unwrap(answers: readonly Response[]): Unwrapped {
    return { ok: true, answers };
  }

  close(): void {
    this.#mac?.wipe();
    this.#dek?.wipe();
    this.#mac = undefined;
    this.#dek = undefined;
    this.#keptDek = undefined;
    this.#chaining = new Uint8Array(16);
  }
}
