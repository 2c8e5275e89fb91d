/**
 * Cards for a desk whose line runs in another process: they live in this one, and every key that one of them computes with is written down here.
 * They are put in and taken out as the line tells.
 */
import { createServer } from "node:net";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Crypto } from "@persoline/card/crypto";
import { nodeCrypto, random } from "@persoline/card/node";
import { makeVirtualCard, memoryStore, type VirtualCard } from "@persoline/card/virtual";
import { CardSlot } from "../devices/reader/vpcd/card-side.js";
import { chipNumberOf, type StockItem, stockItem } from "../devices/shop-floor/lot.js";
import { type GlobalPlatformFab, virtualSilicon } from "../devices/shop-floor/silicon.js";
import { persoline, root } from "./command.test.data.js";

/** A command that a card was given, once it has done it. */
export interface Heard {
  /** The card's. */
  readonly label: string;
  readonly command: Uint8Array;
  /** None: it was silent. */
  readonly answer: Uint8Array | undefined;
  /** Its memory, then. */
  readonly memory: Uint8Array;
}

interface Blank {
  readonly item: StockItem;
  readonly chip: Uint8Array;
}
const lot = { lot: "D1", seed: 1 };
const blanks = (count: number): Blank[] =>
  Array.from({ length: count }, (_, at) => ({
    item: stockItem(lot, at + 1),
    chip: chipNumberOf(lot, at + 1),
  }));

/** So many blanks are received into the accounts, as their supplier lists them: before there are keys, for nothing of it is signed. */
export function receiveBlanks(folder: string, data: string, count: number): void {
  const file = join(folder, "delivery.csv");
  const rows = blanks(count).map(({ item: { label, serial } }) => `${label},${serial}\n`);
  writeFileSync(file, `label,serial\n${rows.join("")}`);
  const { code, err } = persoline(["stock", "receive", lot.lot, file, "--data", data]);
  if (code !== 0) throw new Error(err);
}

export class DeskCards {
  readonly #slot: CardSlot;
  readonly #blanks: Blank[];
  readonly #fab: GlobalPlatformFab;
  readonly #heard: (heard: Heard) => void;
  #rest = "";
  readonly #known = new Set<string>();
  /** Whatever cards computed with, by what it is, which card's, and a running number. */
  readonly secrets = new Map<string, Uint8Array>();
  readonly good: StockItem[] = [];
  #inHand: StockItem | undefined;

  constructor(from: {
    readonly port: number;
    readonly count: number;
    readonly fab: GlobalPlatformFab;
    readonly heard: (heard: Heard) => void;
  }) {
    this.#slot = new CardSlot({ address: { host: "127.0.0.1", port: from.port } });
    this.#blanks = blanks(from.count);
    this.#fab = from.fab;
    this.#heard = from.heard;
  }

  /** What the line says to the person at the desk, as it comes. `before`: what there is to do while the card that is done still lies there. */
  hear(text: string, before: () => void = () => undefined): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("Insert the next card")) this.#next();
      else if (/^(?:GOOD|REJECT|ASIDE|BACK):/.test(line)) {
        before();
        if (line.startsWith("GOOD:") && this.#inHand !== undefined) this.good.push(this.#inHand);
        this.#slot.remove();
      }
    }
  }

  close(): void {
    this.#slot.remove();
  }

  #next(): void {
    const blank = this.#blanks.shift();
    if (blank === undefined) return;
    this.#inHand = blank.item;
    this.#slot.insert(this.#card(blank));
  }

  #card({ item, chip }: Blank): VirtualCard {
    const none = new Uint8Array(16);
    const silicon = virtualSilicon({ loaderMaster: none, random, globalPlatform: this.#fab });
    const eeprom = memoryStore(silicon.fabricate(chip));
    const crypto = this.#watched(item.label);
    const card = makeVirtualCard({ eeprom, random, crypto });
    return {
      powerOn: () => card.powerOn(),
      warmReset: () => card.warmReset(),
      powerOff: () => card.powerOff(),
      transmit: (command) => {
        const answer = card.transmit(command);
        this.#heard({ label: item.label, command, answer, memory: eeprom.load() });
        return answer;
      },
      get elapsedMicros() {
        return card.elapsedMicros;
      },
      get counters() {
        return card.counters;
      },
    };
  }

  #watched(label: string): Crypto {
    const keep = (what: string, bytes: Uint8Array): void => {
      // What is no key (a chain that begins) is everywhere.
      if (bytes.every((byte) => byte === 0)) return;
      const value = Buffer.from(bytes).toString("hex");
      if (this.#known.has(value)) return;
      this.#known.add(value);
      this.secrets.set(`${what} of ${label} (${String(this.#known.size)})`, bytes.slice());
    };
    return {
      ...nodeCrypto,
      aes: (key) => {
        keep("AES key", key);
        return nodeCrypto.aes(key);
      },
      des3: (key) => {
        keep("DES key", key);
        return nodeCrypto.des3(key);
      },
      rsaPrivate: (key, block) => {
        for (const part of ["p", "q", "dp", "dq", "qInverse"] as const) keep(`RSA ${part}`, key[part]);
        return nodeCrypto.rsaPrivate(key, block);
      },
    };
  }
}

/** A port that nobody listens at now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}

/** The desk of the examples, its reader at this port. */
export function deskAt(folder: string, port: number): string {
  const file = join(folder, "desk.yaml");
  const text = readFileSync(join(root, "examples/lines/desk.yaml"), "utf8");
  writeFileSync(file, text.replace(/reader: \{.*\}/, `reader: { vpcd: ${String(port)} }`));
  return file;
}
