import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { encodeCommand, type Response, statusWord } from "@persoline/card/apdu";
import { hex, unhex } from "@persoline/card/bytes";
import { diversifyKeyKdf3 } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import {
  blankTiming,
  type CardChannel,
  CardMute,
  type CardProgram,
  completedTiming,
  digest,
  type Journal,
  type Note,
  type Run,
  type RunEnd,
  runProgram,
  type SealedSecrets,
  type SecurityModule,
  type Serial,
} from "@persoline/card/program";
import {
  compare,
  type EepromStore,
  type Fault,
  fabricate,
  makeVirtualCard,
  memoryStore,
  snapshot,
  type VirtualCard,
} from "@persoline/card/virtual";
import { Keyring } from "../devices/hsm/keyring.js";
import type { StoredKey } from "../devices/hsm/keystore.js";
import { anyPin, openOrderNow, placesIn, sessionsOf } from "../devices/hsm/order.test.data.js";
import { policyDigest } from "../devices/hsm/order-policy.js";
import { vaultCalls } from "../devices/hsm/vault-core.js";
import type { OrderRecord } from "../orders/types.js";
import { compile } from "./compile.js";
import { crc32 } from "./image.js";
import { prepare } from "./prepare.js";
import { parseProduct } from "./product.js";

/** The office programs on the real virtual card, through a real security module: nothing here is scripted. */
const root = new URL("../../../../", import.meta.url);
const read = parseProduct(
  readFileSync(new URL("examples/products/office-access/product.yaml", root), "utf8"),
  "product.yaml",
);
if (!read.ok) throw new Error("the office product is not read");
export const image = new Uint8Array(readFileSync(new URL("examples/products/os/persoline-os-1.3.img", root)));
export const office = compile(read.product, image);
export const record: OrderRecord = {
  number: 7,
  row: 8,
  fields: {
    name: "Žofia O’Brien-Иванова",
    department: "Extrusion",
    premises: ["HQ", "PLANT-2", "DOCK"],
    number: "E-00107",
    validUntil: "2028-12-31",
  },
  photos: {},
};
export const { personalization, proof } = prepare(office, record, { order: "OF-26-1" });

export const stations = [
  ["test", office.test, blankTiming],
  ["completion", office.completion, blankTiming],
  ["initialisation", office.initialisation, completedTiming],
  ["personalization", personalization, completedTiming],
  ["proof", proof, completedTiming],
] as const;
export type Station = (typeof stations)[number][0];

export const serial = "50534C00000000000107" as Serial;
const masters: Readonly<Record<string, [StoredKey["use"], string]>> = {
  "os-loader": ["loader", "C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF"],
  "fab-2026": ["scp03", "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"],
  "issuer-2026": ["scp03", "E0E1E2E3E4E5E6E7E8E9EAEBECEDEEEF"],
  "access-app": ["application", "F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF"],
  "store-seal": ["seal", "00".repeat(32)],
};
export const ring = new Keyring(
  "test",
  Object.entries(masters).map(([name, [use, value]]) => ({
    name: name as StoredKey["name"],
    use,
    algorithm: use === "seal" ? "AES-256" : "AES-128",
    environment: "test",
    published: true,
    value: unhex(value),
  })),
);
export const calls = vaultCalls(ring);
const whose = { record: 7 };
/** Orders by what their programs need: a test's own product is an order of its own. */
const sealedPins = new Map<string, Uint8Array>();
/** An order of these programs, opened; its name. */
export function orderOf(programs: readonly CardProgram[]): string {
  const places = [...placesIn(programs), ...anyPin()];
  const order = `OF-${policyDigest(places).slice(0, 16)}`;
  openOrderNow(calls, order, places);
  return order;
}
/** The PIN of the record, of so many digits, in an order of these programs. */
export function secretsFor(programs: readonly CardProgram[], length = 6): SealedSecrets {
  const order = orderOf(programs);
  const name = `${order}/${length}`;
  const pin = sealedPins.get(name) ?? calls.drawPin({ ...whose, order, name: "pin", length });
  sealedPins.set(name, pin);
  return { ...whose, order, pins: { pin } };
}
export const secrets = secretsFor(stations.map(([, program]) => program));
export const hsm: SecurityModule = sessionsOf(calls, secrets.order);

export const blank = (): Uint8Array =>
  fabricate({
    chipNumber: unhex(serial),
    loaderKey: diversifyKeyKdf3(nodeCrypto, unhex(masters["os-loader"]?.[1] ?? ""), unhex(serial), 0x10),
  });

/** What goes wrong on the way to or from the card, once. */
export interface Trouble {
  /** Counted over the commands of a whole run, from 0. */
  readonly command: number;
  readonly lost: "command" | "answer";
  /** `mute`: the card's power fails; `fault`: the reader fails, and the run with it. */
  readonly how: "mute" | "fault";
}

export class ReaderFailed extends Error {}

/** One card at a head, over as many runs and power cycles as it takes. */
export class Bench {
  readonly store;
  readonly card: VirtualCard;
  readonly notes: Note[] = [];
  commands = 0;
  trouble: Trouble | undefined;

  /** `through`: what lies between the reader and the card, when it is more than whole APDUs, or another card on the same memory. */
  constructor(
    content: Uint8Array,
    faults: readonly Fault[] = [],
    through: (card: VirtualCard, eeprom: EepromStore) => VirtualCard = (card) => card,
  ) {
    this.store = memoryStore(content);
    const card = makeVirtualCard({
      eeprom: this.store,
      faults,
      random: (length) => new Uint8Array(randomBytes(length)),
      crypto: nodeCrypto,
    });
    this.card = through(card, this.store);
  }

  power(): CardChannel | "mute" {
    this.card.powerOff();
    return this.card.powerOn() === undefined ? "mute" : this.#channel();
  }

  #channel(): CardChannel {
    return {
      exchange: (commands) => {
        const answers: Response[] = [];
        for (const { command, sw } of commands) {
          const answer = this.#send(encodeCommand(command), answers);
          answers.push(answer);
          if (!sw.some(({ value, mask }) => (answer.sw & mask) === value)) break;
        }
        return Promise.resolve(answers);
      },
    };
  }

  #send(apdu: Uint8Array, answers: readonly Response[]): Response {
    const { trouble } = this;
    const now = trouble?.command === this.commands++ ? trouble : undefined;
    if (now !== undefined) this.trouble = undefined;
    const bytes = now?.lost === "command" ? undefined : this.card.transmit(apdu);
    if (now?.how === "fault") throw new ReaderFailed("the reader failed");
    if (bytes === undefined || now !== undefined) throw new CardMute(answers);
    const sw = statusWord(((bytes.at(-2) ?? 0) << 8) | (bytes.at(-1) ?? 0));
    return { data: bytes.subarray(0, -2), sw };
  }

  async run(program: CardProgram, more: Partial<Run> = {}): Promise<RunEnd> {
    const channel = this.power();
    if (channel === "mute") throw new Error("the card is mute");
    const journal: Journal = {
      write: (note) => {
        this.notes.push(note);
        return Promise.resolve();
      },
    };
    const own = more.secrets ?? secretsFor([program]);
    return runProgram({
      program,
      digest: digest(program, (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest())),
      station: "bench",
      serial,
      channel,
      powerCycle: () => Promise.resolve(this.power()),
      hsm: sessionsOf(calls, own.order),
      journal,
      secrets: own,
      world: {
        now: () => 0,
        sleep: () => Promise.resolve(),
        random: (length) => new Uint8Array(length),
        outside: (_, answer) => answer,
      },
      ...more,
    });
  }
}

/** EEPROM before each station of a life without trouble, and after the last one. */
const before = new Map<Station | "end", Uint8Array>();
export const lasted = new Map<Station, { ms: number; pages: number; characters: number; apdus: number }>();
export async function liveOnce(): Promise<void> {
  const bench = new Bench(blank());
  for (const [name, program] of stations) {
    before.set(name, bench.store.load());
    const clock = bench.card.elapsedMicros;
    const { pagesWritten, wireCharacters, apdus } = bench.card.counters;
    const end = await bench.run(program);
    if (end.kind !== "passed" || end.resumes !== 0) throw new Error(`${name}: ${JSON.stringify(end)}`);
    lasted.set(name, {
      ms: (bench.card.elapsedMicros - clock) / 1000,
      pages: bench.card.counters.pagesWritten - pagesWritten,
      characters: bench.card.counters.wireCharacters - wireCharacters,
      apdus: bench.card.counters.apdus - apdus,
    });
  }
  before.set("end", bench.store.load());
}
export const contentBefore = (station: Station | "end"): Uint8Array => {
  const content = before.get(station);
  if (content === undefined) throw new Error(`nothing is known of ${station}`);
  return content;
};
export const after = (name: Station): Uint8Array => {
  const next = stations[stations.findIndex(([station]) => station === name) + 1]?.[0];
  return contentBefore(next ?? "end");
};

/** Content of a page pair as the card would take it: the newest page whose CRC is right (docs/card-os.md 1). */
export function pairAt(content: Uint8Array, address: number): Uint8Array {
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  const pages = [address, address + 64].filter(
    (at) => crc32(content.subarray(at, at + 60)) === view.getUint32(at + 60),
  );
  const newest = pages.toSorted((a, b) => view.getUint32(b) - view.getUint32(a))[0];
  if (newest === undefined) return new Uint8Array(0);
  return content.subarray(newest + 6, newest + 6 + view.getUint16(newest + 4));
}

/** The same card: what every command could show is equal. Sequence numbers of page pairs may differ, contents not. */
export function sameCard(left: Uint8Array, right: Uint8Array): string[] {
  const different = [
    ["phase", 0x00c0],
    ["key set", 0x0140],
  ].flatMap(([name, address]) => {
    const [a, b] = [pairAt(left, Number(address)), pairAt(right, Number(address))];
    return hex(a) === hex(b) ? [] : [String(name)];
  });
  // SCP03 tries: full, however often a session was begun.
  const tries = pairAt(right, 0x01c0)[0];
  if (tries !== undefined && tries !== 10) different.push(`${tries} tries`);
  // Bodies lie behind the directory; each DF has a page pair there, whose pages alone may change places.
  const bodies = compare(snapshot(memoryStore(left)), snapshot(memoryStore(right))).filter(
    ({ page }) => page >= 0x3400 / 64 && page < 0x7ec0 / 64 && !secretPages.has(page),
  );
  return [...different, ...bodies.map(({ words }) => words)];
}
/** MF first, then the DF: the first four pages of the bodies (first fit). */
const secretPages = new Set([0, 1, 2, 3].map((at) => 0x3400 / 64 + at));

/** Files and keys show what they are only when they are used: what the stations after these two find. */
export async function laterTrouble(bench: Bench, name: Station): Promise<string[]> {
  if (name !== "initialisation" && name !== "personalization") return [];
  const found: string[] = [];
  for (const [station, program] of stations.slice(stations.findIndex(([one]) => one === name) + 1)) {
    const end = await bench.run(program);
    if (end.kind !== "passed") found.push(`${station}: ${end.kind === "rejected" ? end.detail : end.kind}`);
  }
  return found;
}
