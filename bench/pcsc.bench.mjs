// Readers through a private pcscd (tools/pcsc.mjs, acknowledgements at once): what the line's reader costs over the bare binding, how
// readers add up, what a secure channel costs, and how busy an order keeps its heads. Ratios count; this machine's microseconds do not.
import { fork, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { diversifyKeyKdf3 } from "../packages/card/dist/src/globalplatform/index.js";
import { nodeCrypto, random } from "../packages/card/dist/node/index.js";
import { digest, runProgram } from "../packages/card/dist/src/program/index.js";
import { decodeResponse, encodeCommand } from "../packages/card/dist/src/apdu/index.js";
import { fabricate, makeVirtualCard, memoryStore } from "../packages/card/dist/src/virtual/index.js";
import { produce } from "../packages/line/dist/app/produce.js";
import { Keyring } from "../packages/line/dist/devices/hsm/keyring.js";
import { vaultCalls } from "../packages/line/dist/devices/hsm/vault-core.js";
import { connectedReaders, pcscReader } from "../packages/line/dist/devices/reader/pcsc/reader.js";
import { compile } from "../packages/line/dist/plan/compile.js";
import { parseProduct } from "../packages/line/dist/plan/product.js";
import { benchOrder, median } from "./order.mjs";

const self = fileURLToPath(import.meta.url);
const slots = 8;
if (!process.argv.includes("--inside")) {
  const tool = fileURLToPath(new URL("../tools/pcsc.mjs", import.meta.url));
  const words = [
    tool,
    "run",
    "--slots",
    String(slots),
    "--",
    process.execPath,
    "--expose-gc",
    self,
    "--inside",
  ];
  process.exit(spawnSync(process.execPath, words, { stdio: "inherit" }).status ?? 1);
}

/**
 * @typedef {{ transmit(apdu: Buffer, how: { maxRecvLength: number }): Promise<Buffer>, disconnect(how: number): void }} Connected
 * @typedef {{ Context: new () => { listReaders(): { connect(share: number, protocols: number): Promise<Connected> }[], close(): void } }} Binding
 * @typedef {import("../packages/card/dist/src/program/index.js").CardChannel} CardChannel
 * @typedef {import("../packages/card/dist/src/program/index.js").CardProgram} CardProgram
 * @typedef {import("../packages/card/dist/src/program/index.js").SecurityModule} SecurityModule
 * @typedef {import("../packages/card/dist/src/program/index.js").Serial} Serial
 * @typedef {ConstructorParameters<typeof Keyring>[1][number]} StoredKey
 */
const world = {
  now: () => performance.now(),
  sleep: (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  random,
  /** @template T @param {number} _ms @param {Promise<T>} answer */
  outside: (_ms, answer) => answer,
};
const cards = fork(fileURLToPath(new URL("pcsc-cards.mjs", import.meta.url)), { serialization: "advanced" });

/** @param {number} number @param {number} ms @param {Uint8Array} [eeprom] */
async function lay(number, ms, eeprom) {
  cards.send({ slots: 0, ms: 0 });
  while ((await connectedReaders()).some(({ card }) => card !== "none")) await world.sleep(50);
  await world.sleep(500);
  cards.send({ slots: number, ms, ...(eeprom === undefined ? {} : { eeprom }) });
  while ((await connectedReaders()).filter(({ card }) => card === "present").length < number)
    await world.sleep(50);
}

const bindingOf = (/** @type {number} */ at) => ({
  pcsc: `Persoline vpcd ${String.fromCodePoint(65 + Math.floor(at / 2))}`,
  slot: at % 2,
});
const readerAt = (/** @type {number} */ at) =>
  pcscReader({ name: `slot ${String(at)}`, binding: bindingOf(at), world });

/** @param {ReturnType<typeof readerAt>} reader */
async function channelOf(reader) {
  const reset = await reader.insert();
  if (reset === "mute") throw new Error("the card is mute");
  return reset.channel;
}

const ok = [{ value: 0x9000, mask: 0xffff }];
const command = { cla: 0, ins: 0xa4, p1: 0, p2: 4, data: Uint8Array.of(0x3f, 0), le: 256 };
const say = (/** @type {string} */ text) => process.stdout.write(`  ${text}\n`);

/** The binding alone, in this process. @param {number} times */
async function bare(times) {
  const binding = /** @type {Binding} */ (
    createRequire(new URL("../packages/line/package.json", import.meta.url))("smartcard")
  );
  const context = new binding.Context();
  const [reader] = context.listReaders();
  if (reader === undefined) throw new Error("there is no reader");
  const card = await reader.connect(1, 2);
  const apdu = Buffer.from(encodeCommand(command));
  const began = performance.now();
  for (let at = 0; at < times; at++) await card.transmit(apdu, { maxRecvLength: 300 });
  const ms = performance.now() - began;
  card.disconnect(0);
  context.close();
  return ms;
}

/** @param {number} times @param {number} batch */
async function hosted(times, batch) {
  const reader = readerAt(0);
  const channel = await channelOf(reader);
  const began = performance.now();
  for (let at = 0; at < times; at += batch)
    await channel.exchange(Array.from({ length: batch }, () => ({ command, sw: ok })));
  const ms = performance.now() - began;
  reader.close();
  await world.sleep(50);
  return ms;
}

async function overhead() {
  await lay(1, 0);
  const times = 2000;
  /** @type {Record<string, number[]>} */
  const micros = { bare: [], one: [], fifty: [] };
  for (let round = 0; round < 5; round++) {
    micros.bare?.push(((await bare(times)) * 1000) / times);
    micros.one?.push(((await hosted(times, 1)) * 1000) / times);
    micros.fifty?.push(((await hosted(times, 50)) * 1000) / times);
  }
  const [own, one, fifty] = [median(micros.bare ?? []), median(micros.one ?? []), median(micros.fifty ?? [])];
  say(
    `an APDU: the binding alone ${own.toFixed(0)} µs; through the reader host ${one.toFixed(0)} µs one a message (× ${(one / own).toFixed(2)}), ${fifty.toFixed(0)} µs fifty a message (× ${(fifty / own).toFixed(2)})`,
  );
}

async function scaling() {
  const cardMs = 20;
  const seconds = 3;
  /** @type {number[]} */
  const ratios = [];
  for (let round = 0; round < 3; round++) {
    /** @param {number} number */
    const rate = async (number) => {
      await lay(number, cardMs);
      const readers = Array.from({ length: number }, (_, at) => readerAt(at));
      const channels = await Promise.all(readers.map(channelOf));
      let apdus = 0;
      const until = performance.now() + seconds * 1000;
      await Promise.all(
        channels.map(async (channel) => {
          while (performance.now() < until) {
            await channel.exchange([{ command, sw: ok }]);
            apdus++;
          }
        }),
      );
      for (const reader of readers) reader.close();
      return apdus / seconds;
    };
    const one = await rate(1);
    const all = await rate(slots);
    ratios.push(all / one);
    say(
      `cards of ${String(cardMs)} ms: one slot ${one.toFixed(0)} APDU/s, ${String(slots)} slots ${all.toFixed(0)} APDU/s`,
    );
  }
  say(`${String(slots)} slots against one: median × ${median(ratios).toFixed(2)} (wanted: 7)`);
}

/** A security module in this process, and the content of a card that its keys fit. */
async function completedCard() {
  const file = new URL("../examples/products/office-access/product.yaml", import.meta.url);
  const read = parseProduct(readFileSync(file, "utf8"), "product.yaml");
  if (!read.ok) throw new Error("the office product is not read");
  const image = new Uint8Array(readFileSync(new URL(read.product.completion.image, file)));
  const product = compile(read.product, image);
  const { loaderKey, initialKeys, initialKvn } = read.product.completion;
  const loader = new Uint8Array(randomBytes(16));
  /** @param {string} name @param {"loader" | "scp03"} use @param {Uint8Array} value */
  const key = (name, use, value) =>
    /** @type {StoredKey} */ ({
      name: /** @type {StoredKey["name"]} */ (name),
      use,
      algorithm: "AES-128",
      environment: "test",
      published: true,
      value: Buffer.from(value).toString("base64"),
    });
  const calls = vaultCalls(
    new Keyring("test", [
      key(loaderKey, "loader", loader),
      key(initialKeys, "scp03", new Uint8Array(randomBytes(16))),
    ]),
  );
  const serial = /** @type {Serial} */ ("50534C00000000000107");
  const chipNumber = new Uint8Array(Buffer.from(serial, "hex"));
  const eeprom = memoryStore(
    fabricate({ chipNumber, loaderKey: diversifyKeyKdf3(nodeCrypto, loader, chipNumber, 0x10) }),
  );
  const card = makeVirtualCard({ eeprom, random, crypto: nodeCrypto });
  /** @type {SecurityModule} */
  const hsm = {
    openSession: async (ask) => calls.openSession(ask),
    authenticate: async (ask) => calls.authenticate(ask),
    unwrap: async (ask) => calls.unwrap(ask),
    closeSession: async (session) => calls.closeSession(session),
  };
  /** @param {CardProgram} program @param {CardChannel} channel */
  const run = async (program, channel) => {
    const end = await runProgram({
      program,
      digest: digest(program, (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest())),
      station: "bench",
      serial,
      channel,
      hsm,
      journal: { write: async () => {} },
      world,
    });
    if (end.kind !== "passed") throw new Error(JSON.stringify(end));
  };
  /** @type {CardChannel} */
  const inProcess = {
    exchange: async (commands) => {
      const answers = [];
      for (const { command: one, sw } of commands) {
        const bytes = card.transmit(encodeCommand(one)) ?? Uint8Array.of(0x6f, 0);
        const answer = decodeResponse(bytes);
        answers.push(answer);
        if (!sw.some(({ value, mask }) => (answer.sw & mask) === value)) break;
      }
      return answers;
    },
  };
  card.powerOn();
  await run(product.completion, inProcess);
  card.powerOff();
  card.powerOn();
  await run(product.initialisation, inProcess);
  return {
    run,
    eeprom: eeprom.load().slice(),
    channel: /** @type {const} */ ({ protocol: "scp03", keys: initialKeys, kvn: initialKvn, level: 0x33 }),
  };
}

async function secured() {
  const { run, eeprom, channel } = await completedCard();
  const commands = 200;
  /** @type {CardProgram["segments"][number]["steps"][number]} */
  const step = {
    ...command,
    data: [command.data],
    sw: ok,
    again: "same",
    changes: false,
    why: "select the MF",
    clause: "ISO/IEC 7816-4",
    cost: { pages: 0 },
  };
  /** @type {CardProgram} */
  const program = {
    name: "bench",
    segments: [{ name: "secured", channel, steps: Array.from({ length: commands }, () => step) }],
  };
  /** @type {number[]} */
  const ours = [];
  /** @type {number[]} */
  const alone = [];
  await lay(1, 0, eeprom);
  for (let round = 0; round < 15; round++) {
    const reader = readerAt(0);
    const link = await channelOf(reader);
    const began = performance.now();
    await run(program, link);
    ours.push(performance.now() - began);
    reader.close();
    await world.sleep(50);
    // INITIALIZE UPDATE and EXTERNAL AUTHENTICATE count too.
    alone.push(await bare(commands + 2));
  }
  const ratio = median(ours) / median(alone);
  say(
    `${String(commands)} commands: SCP03 level 33 through the line ${median(ours).toFixed(0)} ms, as many bare ones ${median(alone).toFixed(0)} ms: × ${ratio.toFixed(2)} (wanted: at most 1.5; the virtual card's own cryptography is part of it)`,
  );
}

async function order() {
  const heads = 4;
  const folder = mkdtempSync(join(tmpdir(), "persoline-bench-"));
  const readers = Array.from({ length: heads }, (_, at) => {
    const { pcsc, slot } = bindingOf(at);
    return `{ pcsc: ${pcsc}, slot: ${String(slot)}, presents: "127.0.0.1:${String(35_963 + at)}" }`;
  });
  cards.send({ slots: 0, ms: 0 });
  await world.sleep(1000);
  const stations = `stations:\n  - { name: all, does: [electrical-test, completion, initialisation, personalization, chip-proof, quality], heads: ${String(heads)}, reader: [${readers.join(", ")}] }\nwithout: [visual]\n`;
  const orderFile = benchOrder(folder, 200, (line) =>
    line.replace("mode: ideal", "mode: timed").replace(/stations:[\s\S]*without: \[visual\]\n/, stations),
  );
  /** Seconds since the start, and how many of them the heads had work, when the tenth and the 190th card were good: begin and end of a run are no measure of it. @type {[number, number][]} */
  const marks = [];
  /** @type {(() => import("../packages/line/dist/stations/line-types.js").LineView) | undefined} */
  let view;
  const end = await produce({
    orderFile,
    data: join(folder, "data"),
    by: "bench",
    timeZone: "UTC",
    onLine: (line) => {
      view = line.view;
    },
    onEvent: (event) => {
      const now = event.kind === "good" ? view?.() : undefined;
      if (now === undefined || (now.counts.good !== 10 && now.counts.good !== 190)) return;
      marks.push([now.seconds, now.seconds * (now.stations[0]?.load ?? 0)]);
    },
  });
  rmSync(folder, { recursive: true });
  if (!end.produced.balanced || end.produced.produced !== 200) throw new Error(end.unfinished ?? "not whole");
  const [[began, busyThen] = [0, 0], [ended, busy] = [1, 0]] = marks;
  say(
    `200 cards over ${String(heads)} slots: ${(200 / end.produced.seconds).toFixed(1)} cards/s, heads busy ${((100 * (busy - busyThen)) / (ended - began)).toFixed(0)} % (wanted: 95)`,
  );
}

try {
  await overhead();
  await scaling();
  await secured();
  await order();
} finally {
  cards.disconnect();
}
