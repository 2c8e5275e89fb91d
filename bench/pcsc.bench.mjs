// Readers through a private pcscd (tools/pcsc.mjs, acknowledgements at once): what the line's reader costs over the bare binding, how
// readers add up, what a secure channel costs, and how busy an order keeps its heads. Ratios count; this machine's microseconds do not.
// A reading that misses what is wanted ends the bench with exit code 1.
import { fork, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { storeData } from "../packages/card/dist/src/globalplatform/index.js";
import { random } from "../packages/card/dist/node/index.js";
import { digest, runProgram } from "../packages/card/dist/src/program/index.js";
import { decodeResponse, encodeCommand } from "../packages/card/dist/src/apdu/index.js";
import { produce } from "../packages/line/dist/app/produce.js";
import { Keyring } from "../packages/line/dist/devices/hsm/keyring.js";
import { vaultCalls } from "../packages/line/dist/devices/hsm/vault-core.js";
import { ReaderHost } from "../packages/line/dist/devices/reader/pcsc/host.js";
import { connectedReaders, pcscReader } from "../packages/line/dist/devices/reader/pcsc/reader.js";
import { virtualSilicon } from "../packages/line/dist/devices/shop-floor/silicon.js";
import { parseAnyProduct } from "../packages/line/dist/plan/product.js";
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
    ...process.argv.slice(2),
  ];
  process.exit(spawnSync(process.execPath, words, { stdio: "inherit" }).status ?? 1);
}

/**
 * @typedef {{ transmit(apdu: Buffer, how: { maxRecvLength: number }): Promise<Buffer>, disconnect(how: number): void }} Connected
 * @typedef {{ Context: new () => { listReaders(): { connect(share: number, protocols: number): Promise<Connected> }[], close(): void } }} Binding
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

/** What is wanted of a reading; one that misses it is said again, and fails the bench. @param {string} what @param {number} value @param {{ least?: number, most?: number }} limits */
function wanted(what, value, { least = -Infinity, most = Infinity }) {
  if (value >= least && value <= most) return;
  const limit = value < least ? `at least ${String(least)}` : `at most ${String(most)}`;
  process.stderr.write(`  MISSED: ${what} is ${value.toFixed(2)}, wanted: ${limit}\n`);
  process.exitCode = 1;
}

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
  wanted(`${String(slots)} slots against one`, median(ratios), { least: 7 });
}

/** A security module in this process, and a blank of the GlobalPlatform product that its keys fit. */
function gpBlank() {
  const file = new URL("../examples/products/gp-access/product.yaml", import.meta.url);
  const read = parseAnyProduct(readFileSync(file, "utf8"), "product.yaml");
  if (!read.ok || read.product.kind !== "globalplatform") throw new Error("the product is not read");
  const { initial } = read.product;
  if (initial.protocol === "scp11") throw new Error("the example's blanks have keys of a master");
  const master = new Uint8Array(randomBytes(16));
  const key = /** @type {StoredKey} */ ({
    name: initial.keys,
    use: "scp03",
    algorithm: "AES-128",
    environment: "test",
    published: true,
    value: master,
  });
  const calls = vaultCalls(new Keyring("test", [key]));
  /** @type {SecurityModule} */
  const hsm = {
    openSession: async (ask) => calls.openSession(ask),
    authenticate: async (ask) => calls.authenticate(ask),
    unwrap: async (ask) => calls.unwrap(ask),
    closeSession: async (session) => calls.closeSession(session),
    openProof: async (ask) => calls.openProof(ask),
    judgeProof: async (ask) => calls.judgeProof(ask),
  };
  const serial = /** @type {Serial} */ ("504C0000000000000107");
  const globalPlatform = /** @type {const} */ ({
    master,
    algorithm: "aes",
    diversify: "kdf3",
    kvn: initial.kvn,
    isd: read.product.isd,
    i03: 0x70,
  });
  const silicon = virtualSilicon({ loaderMaster: new Uint8Array(16), random, globalPlatform });
  return {
    hsm,
    serial,
    channel: initial,
    eeprom: silicon.fabricate(new Uint8Array(Buffer.from(serial, "hex"))),
  };
}

/**
 * SCP03 at level 33 and 200 STORE DATA by the line's reader, runner and security module (its calls in this process), against two ways of
 * sending as many APDUs by the binding alone to the same card. Counted is the second:
 * - the same protected commands, wrapped beforehand: what the line adds to the talk of reader and card, whose own work is in both;
 * - bare commands without secure messaging (GET DATA, 5 bytes): the virtual card's cryptography and page writes count as ours too, which
 *   they would not be with a card of silicon.
 * The reader host lives through all rounds, as it does in a line. Other work on the machine lengthens every number, and unevenly: the
 * fastest of all rounds is what comes nearest to a quiet machine, and is judged.
 */
async function secured() {
  const { hsm, serial, channel, eeprom } = gpBlank();
  const commands = 200;
  const data = Uint8Array.of(0x45, 4, 1, 2, 3, 4);
  const stored = storeData({ structure: "ber-tlv", block: 0, last: true, data });
  /** @type {CardProgram["segments"][number]["steps"][number]} */
  const step = {
    cla: stored.cla,
    ins: stored.ins,
    p1: stored.p1,
    p2: stored.p2,
    data: [data],
    sw: ok,
    again: "session",
    changes: true,
    why: "store the card image number",
    clause: "GlobalPlatform 2.3.1 11.11, STORE DATA",
    cost: { pages: 1 },
  };
  const steps = Array.from({ length: commands }, () => step);
  /** @type {CardProgram} */
  const program = { name: "bench", segments: [{ name: "secured", channel, steps }] };
  const programDigest = digest(
    program,
    (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
  );
  const binding = /** @type {Binding} */ (
    createRequire(new URL("../packages/line/package.json", import.meta.url))("smartcard")
  );
  /** @param {(transmit: (apdu: Buffer) => Promise<Buffer>) => Promise<number>} use */
  const alone = async (use) => {
    const context = new binding.Context();
    const [first] = context.listReaders();
    if (first === undefined) throw new Error("there is no reader");
    const card = await first.connect(1, 2);
    const ms = await use((apdu) => card.transmit(apdu, { maxRecvLength: 300 }));
    card.disconnect(2);
    context.close();
    await world.sleep(50);
    return ms;
  };
  const reader = readerAt(0);
  const line = async () => {
    const link = await channelOf(reader);
    const began = performance.now();
    const end = await runProgram({
      program,
      digest: programDigest,
      station: "bench",
      serial,
      channel: link,
      hsm,
      journal: { write: async () => {} },
      world,
    });
    const ms = performance.now() - began;
    if (end.kind !== "passed") throw new Error(JSON.stringify(end));
    await reader.remove();
    await world.sleep(50);
    return ms;
  };
  const same = () =>
    alone(async (transmit) => {
      const { session, open } = await hsm.openSession({ channel, serial });
      const opening = Buffer.from(encodeCommand(open));
      let began = performance.now();
      const answer = decodeResponse(new Uint8Array(await transmit(opening)));
      let ms = performance.now() - began;
      const secure = steps.map(({ cla, ins, p1, p2, data }) => ({ cla, ins, p1, p2, data }));
      const made = await hsm.authenticate({ session, answer, steps: secure });
      if (!made.ok) throw new Error(made.detail);
      if (!("commands" in made)) throw new Error("SCP03 opens in one exchange");
      const ready = made.commands.map((one) => Buffer.from(encodeCommand(one)));
      began = performance.now();
      for (const apdu of ready) {
        const got = await transmit(apdu);
        if (got.readUInt16BE(got.length - 2) !== 0x9000) throw new Error(got.toString("hex"));
      }
      ms += performance.now() - began;
      await hsm.closeSession(session);
      return ms;
    });
  const plain = () =>
    alone(async (transmit) => {
      const apdu = Buffer.from("80CA00CF00", "hex");
      const began = performance.now();
      for (let at = 0; at < commands + 2; at++) await transmit(apdu);
      return performance.now() - began;
    });
  await lay(1, 0, eeprom);
  /** @type {Record<"line" | "same" | "plain", number[]>} */
  const ms = { line: [], same: [], plain: [] };
  // In turn, so that whatever else this machine does meets all three; the first rounds only warm up.
  const warm = 3;
  for (let round = 0; round < warm + 25; round++) {
    const [a, b, c] = [await line(), await same(), await plain()];
    if (round < warm) continue;
    ms.line.push(a);
    ms.same.push(b);
    ms.plain.push(c);
  }
  reader.close();
  /** @param {(values: number[]) => number} of */
  const ratios = (of) => {
    const [ours, same, bare] = [of(ms.line), of(ms.same), of(ms.plain)];
    return `the line ${ours.toFixed(1)} ms; bare APDUs ${bare.toFixed(1)} ms: × ${(ours / bare).toFixed(2)}; the same protected APDUs ${same.toFixed(1)} ms: × ${(ours / same).toFixed(2)}; so the card's own work is × ${(same / bare).toFixed(2)}`;
  };
  say(`SCP03 + ${String(commands)} STORE DATA, medians: ${ratios(median)}`);
  const fastest = (/** @type {number[]} */ values) => Math.min(...values);
  say(
    `the fastest of ${String(ms.line.length)} rounds each (counted; wanted: at most × 1.5): ${ratios(fastest)}`,
  );
  // Medians tell what else this machine did; a line that is too dear is so in its fastest round too.
  wanted("the line against bare APDUs, fastest rounds", fastest(ms.line) / fastest(ms.plain), { most: 1.5 });
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
  /** When each head's commands began and ended, by its reader host: a reset or a batch of commands is under way from asking to its answer. @type {Map<object, [number, number][]>} */
  const commands = new Map();
  /** @type {(this: ReaderHost, ...asked: Parameters<ReaderHost["ask"]>) => ReturnType<ReaderHost["ask"]>} */
  const ask = Reflect.get(ReaderHost.prototype, "ask");
  ReaderHost.prototype.ask = async function (question, silentMs) {
    const began = performance.now();
    try {
      return await ask.call(this, question, silentMs);
    } finally {
      if (question.ask === "reset" || question.ask === "exchange") {
        const own = commands.get(this) ?? [];
        commands.set(this, own);
        own.push([began, performance.now()]);
      }
    }
  };
  let firstIn = 0;
  let lastOut = 0;
  let visits = 0;
  const end = await produce({
    orderFile,
    data: join(folder, "data"),
    by: "bench",
    timeZone: "UTC",
    onEvent: (event) => {
      if (event.kind === "fed" && firstIn === 0) firstIn = performance.now();
      if (event.kind === "visited") visits += event.ms;
      if (event.kind === "good") lastOut = performance.now();
    },
  }).finally(() => {
    ReaderHost.prototype.ask = ask;
  });
  rmSync(folder, { recursive: true });
  if (!end.produced.balanced || end.produced.produced !== 200) throw new Error(end.unfinished ?? "not whole");
  const whole = lastOut - firstIn;
  const loads = [...commands.values()].map(
    (own) => (100 * own.reduce((sum, [began, ended]) => sum + ended - began, 0)) / whole,
  );
  if (loads.length !== heads) throw new Error(`${String(loads.length)} readers have worked`);
  const mean = loads.reduce((sum, load) => sum + load, 0) / heads;
  say(
    `200 cards over ${String(heads)} slots, from the first card in to the last one out: ${((200 * 1000) / whole).toFixed(1)} cards/s, a command under way ${mean.toFixed(1)} % of the time (wanted: 95; each slot: ${loads.map((load) => load.toFixed(1)).join(", ")}), a card at work at its head ${((100 * visits) / (whole * heads)).toFixed(1)} %`,
  );
  wanted("the time with a command under way, in per cent,", mean, { least: 95 });
}

const parts = { overhead, scaling, secured, order };
// `node bench/pcsc.bench.mjs secured`: only that one.
const named = process.argv.slice(2).filter((word) => word in parts);
try {
  for (const [name, measure] of Object.entries(parts))
    if (named.length === 0 || named.includes(name)) await measure();
} finally {
  cards.disconnect();
}
