import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../node/index.js";
import { powered, say } from "../../tools/bench.js";
import { Bench, create, createMf } from "../../tools/os-bench.js";
import { vectorFile, withOwnVectors } from "../../tools/card-os-vectors.js";
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
    expect(withOwnVectors(text)).toBe(text);
  });

  test("ATR before completion, every exchange of a loader session, ATR after it", () => {
    const card = chip();
    expect(powered(card)).toBe(vector<{ atr: string }>("chip-atr-rom-only").atr);
    for (const { name, command, response } of session.exchanges)
      expect(`${name}: ${say(card, command)}`).toBe(`${name}: ${response}`);
    expect(powered(card)).toBe(vector<{ atr: string }>("chip-atr-os-1.2").atr);
  });

  test("every exchange of the session that issues the card, and of a terminal that uses it", () => {
    const card = chip();
    powered(card);
    for (const { command } of session.exchanges) say(card, command);
    for (const id of ["os-issuing-session", "os-use"]) {
      powered(card);
      for (const { name, command, response } of vector<{ exchanges: readonly Exchange[] }>(id).exchanges)
        expect(`${name}: ${say(card, command)}`).toBe(`${name}: ${response}`);
    }
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

describe("vectors of keys, proofs and PIN, computed without the card", () => {
  const { cardChallenge } = vector<{ cardChallenge: string }>("access-external-authenticate");
  const access = (id: string): Exchange => vector<Exchange>(`access-${id}`);

  /** A card with a DF that holds both keys of the vectors and two files of their content. */
  function issued(): Bench {
    const bench = new Bench();
    bench.open();
    const content = vector<{ content: string }>("access-prove-transparent").content;
    const size = (content.length / 2).toString(16).padStart(2, "0");
    for (const sent of [
      createMf,
      create("820138", "83020100"),
      create("820101", "83020101", `800200${size}`),
      `00D60000${size}${content}`,
      create("82050421000203", "83020102"),
      "00DC010401CC",
      "00DC030402DDEE",
    ])
      expect(`${sent}: ${bench.safe(sent)}`).toBe(`${sent}: 9000`);
    for (const id of ["put-key-authenticating", "put-key-proving", "change-reference-data"])
      expect(`${id}: ${bench.safe(access(id).command)}`).toBe(`${id}: ${access(id).response}`);
    return bench;
  }

  test("keys and PIN are taken as wrapped, files are proved", () => {
    const bench = issued();
    for (const id of ["prove-transparent", "prove-records"])
      expect(`${id}: ${bench.safe(access(id).command)}`).toBe(`${id}: ${access(id).response}`);
    expect(bench.say("0020008108241234FFFFFFFFFF")).toBe("9000");
  });

  test("both sides prove themselves, and a damaged proof is refused", () => {
    const bench = issued();
    for (const id of ["internal-authenticate", "external-authenticate", "mutual-authenticate"]) {
      const { command, response } = access(id);
      // The first challenge after each power-on of a new card object is the vector's.
      bench.again();
      expect(bench.say("00A4000C020100")).toBe("9000");
      expect(bench.say("0084000010")).toBe(`${cardChallenge}9000`);
      expect(`${id}: ${bench.say(command)}`).toBe(`${id}: ${response}`);
    }
    for (const id of ["external-authenticate", "mutual-authenticate"]) {
      bench.again();
      bench.say("00A4000C020100");
      bench.say("0084000010");
      const damaged = unhex(access(id).command);
      damaged[10] = (damaged[10] ?? 0) ^ 1;
      expect(say(bench.card, damaged)).toMatch(/^63C/);
    }
  });
});
