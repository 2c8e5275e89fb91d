/** The line's side of a module's process without the process: a test hears what is asked and says what is answered. */
import type { ChildProcess } from "node:child_process";
import { EventEmitter } from "node:events";
import { Duplex } from "node:stream";
import { vi } from "vitest";
import type { VaultAnswer, VaultAsk } from "./vault-protocol.js";
import { packed, unpacked } from "./wire.js";

export function fakeModule() {
  const asked: VaultAsk[] = [];
  const wire = new Duplex({
    read: () => undefined,
    write: (block: Buffer, _encoding, done) => {
      asked.push(unpacked(block) as VaultAsk);
      done();
    },
  });
  const child = Object.assign(new EventEmitter(), {
    connected: true,
    kill: vi.fn<() => boolean>(),
    stdio: [null, null, null, null, wire],
  });
  return {
    asked,
    kill: child.kill,
    start: () => child as unknown as ChildProcess,
    say: (answer: VaultAnswer) => wire.emit("data", packed(answer)),
    exit: () => child.emit("exit"),
  };
}
