import { randomBytes } from "node:crypto";
import { decodeResponse, encodeCommand, type Response, type StatusWord } from "@persoline/card/apdu";
import { concat, hex, unhex } from "@persoline/card/bytes";
import { nodeCrypto } from "@persoline/card/node";
import { atrTiming, completedTiming, stepCost } from "@persoline/card/program";
import { fabricateDesfire, makeDesfireCard, memoryStore } from "@persoline/card/virtual";
import { describe, expect, test } from "vitest";
import { identityOf } from "./identity.js";

const answer = (data: string, sw: number): Response => ({ data: unhex(data), sw: sw as StatusWord });

describe("a card with a chip number", () => {
  const { ask, serialIn } = identityOf({});
  test("tells its ten bytes", () => {
    expect(ask).toHaveLength(1);
    expect(serialIn([answer("CF0A504C0000000000000107", 0x9000)])).toBe("504C0000000000000107");
  });
  test.each([
    ["CF0A504C0000000000000107", 0x6a88],
    ["CF09504C00000000000001", 0x9000],
    ["CE0A504C0000000000000107", 0x9000],
    ["", 0x9000],
  ])("%s %i is none", (data, sw) => {
    expect(serialIn([answer(data, sw)])).toBeUndefined();
  });
});

describe("a DESFire-style card", () => {
  const { ask, steps, serialIn } = identityOf({ identity: "uid" });
  const card = makeDesfireCard({
    eeprom: memoryStore(fabricateDesfire({ uid: unhex("04A1B2C3D4E5F6") })),
    random: (length) => new Uint8Array(randomBytes(length)),
    crypto: nodeCrypto,
  });

  test("tells its UID in the third frame, and takes as long as reckoned", () => {
    card.powerOn();
    const before = card.elapsedMicros;
    const answers = ask.map(({ command }) =>
      decodeResponse(card.transmit(encodeCommand(command)) ?? new Uint8Array(0)),
    );
    expect(answers.map(({ sw }) => sw)).toEqual([0x91af, 0x91af, 0x9100]);
    expect(serialIn(answers)).toBe("04A1B2C3D4E5F6");
    const timing = atrTiming(completedTiming, unhex("3B8180018080"));
    const reckoned = steps.reduce((sum, step) => sum + stepCost(step, "plain", timing).ms, 0);
    expect(Math.abs(1 - reckoned / ((card.elapsedMicros - before) / 1000))).toBeLessThan(0.01);
  });

  test("may keep it to itself, which is not the same as no answer", () => {
    const [first, second] = [answer("04010112001A05", 0x91af), answer("04010112001A05", 0x91af)];
    const last = (uid: string): Response => answer(hex(concat(unhex(uid), new Uint8Array(7))), 0x9100);
    expect(serialIn([first, second, last("00".repeat(7))])).toBe("hidden");
    expect(serialIn([first, second])).toBeUndefined();
    expect(serialIn([first, second, answer("04A1B2C3D4E5F6", 0x9100)])).toBeUndefined();
    expect(serialIn([answer("", 0x911c)])).toBeUndefined();
  });
});
