// A process of cards for `pcsc.bench.mjs`: they must not share an event loop with who measures them.
import { CardSlot } from "../packages/line/dist/devices/reader/vpcd/card-side.js";
import { nodeCrypto, random } from "../packages/card/dist/node/index.js";
import { makeVirtualCard, memoryStore } from "../packages/card/dist/src/virtual/index.js";

/** Answers everything at once; its clock, and with it a timed slot, says `ms` for each APDU. @param {number} ms */
function plainCard(ms) {
  const atr = Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01);
  const counters = { apdus: 0, pagesWritten: 0, wireCharacters: 0, aesBlocks: 0 };
  return {
    elapsedMicros: 0,
    counters,
    powerOn: () => atr,
    warmReset: () => atr,
    powerOff: () => {},
    transmit() {
      this.elapsedMicros += ms * 1000;
      return Uint8Array.of(0x90, 0x00);
    },
  };
}

/** @type {CardSlot[]} */
let slots = [];
process.on("message", (/** @type {{ slots: number, ms: number, eeprom?: Uint8Array }} */ ask) => {
  for (const slot of slots) slot.remove();
  slots = Array.from({ length: ask.slots }, (_, at) => {
    const slot = new CardSlot({ address: { host: "127.0.0.1", port: 35_963 + at }, timed: ask.ms > 0 });
    const { eeprom } = ask;
    slot.insert(
      eeprom === undefined
        ? plainCard(ask.ms)
        : makeVirtualCard({ eeprom: memoryStore(new Uint8Array(eeprom)), random, crypto: nodeCrypto }),
    );
    return slot;
  });
});
// Its connections to pcscd would keep it, and the bench waits for its end.
process.on("disconnect", () => process.exit(0));
