import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../node/index.js";
import { powered, say } from "../../tools/bench.js";
import { vectorFile, withChipVectors } from "../../tools/card-os-vectors.js";
import { unhex } from "../bytes/index.js";
import { fabricate, makeVirtualCard, memoryStore } from "./index.js";

interface Exchange {
  readonly name: string;
  readonly command: string;
  readonly response: string;
}

const text = readFileSync(vectorFile, "utf8");
const { vectors } = JSON.parse(text) as { vectors: readonly { readonly id: string }[] };

function vector<T>(id: string): T {
  const found = vectors.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`no vector ${id}`);
  return found as T;
}

const session = vector<{
  readonly chipNumber: string;
  readonly loaderKey: string;
  readonly cardChallenge: string;
  readonly exchanges: readonly Exchange[];
}>("chip-loader-session");

function chip(loaderKey = unhex(session.loaderKey)) {
  return makeVirtualCard({
    eeprom: memoryStore(fabricate({ chipNumber: unhex(session.chipNumber), loaderKey })),
    random: () => unhex(session.cardChallenge),
    crypto: nodeCrypto,
  });
}

describe("vectors of the chip, computed without it", () => {
  test("the file says what its maker computes today", () => {
    expect(withChipVectors(text)).toBe(text);
  });

  test("ATR before completion, every exchange of a loader session, ATR after it", () => {
    const card = chip();
    expect(powered(card)).toBe(vector<{ atr: string }>("chip-atr-rom-only").atr);
    for (const { name, command, response } of session.exchanges)
      expect(`${name}: ${say(card, command)}`).toBe(`${name}: ${response}`);
    expect(powered(card)).toBe(vector<{ atr: string }>("chip-atr-os-1.2").atr);
  });

  test("one bit wrong in any secured command or cryptogram and it is refused", () => {
    const secured = session.exchanges.filter(({ command }) => /^(8082|84)/.test(command));
    expect(secured.map(({ name }) => name)).toEqual([
      "AUTHENTICATE LOADER",
      "LOAD BLOCK",
      "LOAD KEYS",
      "ACTIVATE",
    ]);
    for (const target of secured) {
      const length = target.command.length / 2;
      for (const at of [5, length - 1]) {
        const card = chip();
        powered(card);
        for (const { command, response } of session.exchanges.slice(0, session.exchanges.indexOf(target)))
          expect(say(card, command)).toBe(response);
        const damaged = unhex(target.command);
        damaged[at] = (damaged[at] ?? 0) ^ 0x40;
        expect(say(card, damaged)).toBe(target.name === "AUTHENTICATE LOADER" ? "63C2" : "6988");
      }
    }
  });

  test("another card's key gives another cryptogram", () => {
    const card = chip(new Uint8Array(16));
    powered(card);
    const { command, response } = session.exchanges.find(({ name }) => name === "INITIALIZE LOADER") ?? {
      command: "",
      response: "",
    };
    const [number, mac] = [say(card, command).slice(0, 52), say(card, command).slice(52)];
    expect(response.slice(0, 52)).toBe(number);
    expect(response.slice(52)).not.toBe(mac);
  });
});
