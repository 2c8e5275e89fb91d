// Card sessions through the security module's process, eight in flight, beside the same work called directly in one process: what the
// pipes cost: by the clock, and by processor time, which tells a slow pipe from a busy machine. The card's own answer is no work of either:
// in one process its time is taken out, by the clock too; through the pipes the line's process makes it, and nothing is taken out. With the vault, and with SoftHSM 2 where it
// is installed (Debian: softhsm2).
import { execFileSync, fork } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hex, unhex } from "@persoline/card/bytes";
import { deriveScp03, diversifyKdf3 } from "@persoline/card/globalplatform";
import { placements, sessionPlace } from "@persoline/card/program";
import { nodeCrypto } from "@persoline/card/node";
import { Keyring } from "../packages/line/dist/devices/hsm/keyring.js";
import { openKeystore } from "../packages/line/dist/devices/hsm/keystore.js";
import { createTokenKeys, openToken } from "../packages/line/dist/devices/hsm/pkcs11/pkcs11.js";
import { readRegister } from "../packages/line/dist/devices/hsm/pkcs11/register.js";
import { Token } from "../packages/line/dist/devices/hsm/pkcs11/token.js";
import { TokenKeyring } from "../packages/line/dist/devices/hsm/pkcs11/token-keyring.js";
import { createKeystore, openVault } from "../packages/line/dist/devices/hsm/vault.js";
import { vaultCalls } from "../packages/line/dist/devices/hsm/vault-core.js";

const inFlight = 8;
const rounds = 15;
/** Steps of a card's session, as personalization of the office cards has them. */
const commands = 40;
const bytes = 200;
const master = unhex("404142434445464748494A4B4C4D4E4F");
const print = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);
const folder = mkdtempSync(join(tmpdir(), "persoline-bench-"));
const chip = unhex("504C0102030400000042");
/** @typedef {import("@persoline/card/program").SecureStep} SecureStep */
const serial = /** @type {import("@persoline/card/program").Serial} */ (hex(chip));
const ref = (/** @type {string} */ name) => /** @type {import("@persoline/card/program").KeyRef} */ (name);
/** @type {SecureStep[]} */
const steps = [
  ...Array.from({ length: commands }, (_, at) => ({
    cla: 0,
    ins: 0xd6,
    p1: at,
    p2: 0,
    data: [new Uint8Array(bytes).fill(at)],
  })),
  {
    cla: 0x80,
    ins: 0xd8,
    p1: 0,
    p2: 0x81,
    data: [{ secret: "key-set", keys: ref("issuer"), kvn: 0x31 }],
    le: 256,
  },
];
const channel = /** @type {const} */ ({ protocol: "scp03", keys: ref("issuer"), kvn: 0x30, level: 0x33 });

/** The order that these cards are of lets their keys be put in. */
const order = "bench";
const policy = [sessionPlace(channel), ...placements(channel, steps).map(({ sentence }) => sentence)];

/** What a card with this key set answers to INITIALIZE UPDATE (i = 70, S8), whatever the host's challenge. */
const mac = diversifyKdf3(nodeCrypto, master, chip).mac;
function answerTo(/** @type {Uint8Array} */ hostChallenge) {
  const cardChallenge = unhex("0102030405060708");
  const context = new Uint8Array([...hostChallenge, ...cardChallenge]);
  const sMac = nodeCrypto.aes(deriveScp03(nodeCrypto.aes(mac), 0x06, context, 16));
  const cryptogram = deriveScp03(sMac, 0x00, context, 8);
  const head = new Uint8Array([...chip, 0x30, 0x03, 0x70, ...cardChallenge]);
  // i = 60: a card whose challenge is drawn, not derived.
  head[12] = 0x60;
  return { data: new Uint8Array([...head, ...cryptogram]), sw: /** @type {never} */ (0x9000) };
}

/** @typedef {Pick<import("../packages/line/dist/devices/hsm/port.js").Hsm, "openSession" | "authenticate" | "closeSession" | "createDataKey" | "releaseDataKey">} Sessions */
/** One card: three messages, as on the line. Milliseconds by the clock that the card's answer took. */
async function card(/** @type {Sessions} */ hsm) {
  const { session, open } = await hsm.openSession({ channel, serial, order });
  const before = performance.now();
  const answer = answerTo(open.data ?? new Uint8Array(0));
  const took = performance.now() - before;
  const ready = await hsm.authenticate({ session, answer, steps });
  if (!ready.ok) throw new Error(ready.detail);
  await hsm.closeSession(session);
  return took;
}

/** Processes of modules that were started, the last one last. */
/** @type {import("node:child_process").ChildProcess[]} */
const modules = [];
const start = (/** @type {URL} */ file, /** @type {import("node:child_process").ForkOptions} */ options) => {
  const child = fork(file, [], options);
  modules.push(child);
  return child;
};

/**
 * Processor time of a process so far, milliseconds: of the thread that does the calls, and of all of them, which are V8's collectors besides.
 * How fast a process is rests on the first; the second is what a machine has to have.
 */
function spent(/** @type {number | undefined} */ pid = process.pid) {
  // proc(5): the first is the time on a processor, nanoseconds.
  const of = (/** @type {string} */ thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]) / 1e6;
  const all = readdirSync(`/proc/${pid}/task`).map(of);
  return { main: of(String(pid)), all: all.reduce((sum, one) => sum + one, 0) };
}

/**
 * So many cards with so many at one time: cards a second by the clock, the same without the cards' own answers (right for one at a time
 * only), and milliseconds of processor time a card, here and in the module.
 */
async function run(
  /** @type {Sessions} */ hsm,
  /** @type {number} */ cards,
  /** @type {number} */ together,
  /** @type {number | undefined} */ pid = process.pid,
) {
  let left = cards;
  let answering = 0;
  const [here, module] = [spent(), spent(pid)];
  const began = performance.now();
  await Promise.all(
    Array.from({ length: together }, async () => {
      while (left-- > 0) {
        const own = await card(hsm);
        answering += own;
      }
    }),
  );
  const took = performance.now() - began;
  const since = (/** @type {typeof here} */ before, /** @type {typeof here} */ now) => ({
    main: (now.main - before.main) / cards,
    all: (now.all - before.all) / cards,
  });
  return {
    rate: (cards * 1000) / took,
    bare: (cards * 1000) / (took - answering),
    here: since(here, spent()),
    module: since(module, spent(pid)),
  };
}

/** Milliseconds of processor time that a card's own answer takes, which is none of the module's work. */
function cardsOwn(/** @type {number} */ cards) {
  const before = spent();
  for (let at = 0; at < cards; at++) answerTo(chip.subarray(0, 8));
  const now = spent();
  return { main: (now.main - before.main) / cards, all: (now.all - before.all) / cards };
}

const median = (/** @type {number[]} */ all) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0;
const percent = (/** @type {number} */ ratio) => (100 * ratio).toFixed(0);

/** @typedef {Awaited<ReturnType<typeof run>>} Run */
/** Both by turns, so that a busy neighbour hurts both. */
async function compare(
  /** @type {string} */ name,
  /** @type {Sessions} */ piped,
  /** @type {ReturnType<typeof vaultCalls>} */ calls,
  /** @type {number} */ cards,
) {
  const direct = /** @type {Sessions} */ (/** @type {unknown} */ (calls));
  const pid = modules.at(-1)?.pid;
  for (const hsm of [piped, direct]) {
    const sealed = await hsm.createDataKey({ order, policy });
    await hsm.releaseDataKey({ order, sealed, policy });
  }
  await run(piped, cards, inFlight);
  await run(direct, cards, 1);
  const own = cardsOwn(cards);
  /** @type {{ raw: Run, through: Run }[]} */
  const measured = [];
  for (let round = 0; round < rounds; round++) {
    const raw = await run(direct, cards, 1);
    const through = await run(piped, cards, inFlight, pid);
    measured.push({ raw, through });
  }
  const of = (/** @type {(one: { raw: Run, through: Run }) => number} */ what) => median(measured.map(what));
  const each = (/** @type {(one: { raw: Run, through: Run }) => number} */ what) =>
    `${percent(of(what))} % (median of ${rounds}, ${measured.map((one) => percent(what(one))).join(" ")})`;
  const ms = (/** @type {(one: { raw: Run, through: Run }) => number} */ what) => of(what).toFixed(3);
  print(
    `${name}: ${of(({ through }) => through.rate).toFixed(0)} card sessions/s of ${commands} commands, ${inFlight} in flight; the same calls in one process, one card at a time, its answers not counted, ${of(({ raw }) => raw.bare).toFixed(0)}/s; ratio ${each(({ raw, through }) => through.rate / raw.bare)}`,
  );
  print(
    `  processor time a session, the calls' own thread (all threads): ${ms(({ raw }) => raw.here.main - own.main)} (${ms(({ raw }) => raw.here.all - own.all)}) ms in one process; ${ms(({ through }) => through.module.main)} (${ms(({ through }) => through.module.all)}) ms in the module's, ${ms(({ through }) => through.here.main)} (${ms(({ through }) => through.here.all)}) ms in the line's; ratio ${each(({ raw, through }) => (raw.here.main - own.main) / through.module.main)}`,
  );
}

/** @type {import("../packages/line/dist/devices/hsm/vault.js").NewKey[]} */
const keys = [{ name: "issuer", use: "scp03", published: hex(master) }];
const vault = { file: join(folder, "keystore.json"), unlock: { keyFile: join(folder, "key") } };
await createKeystore({
  ...vault,
  environment: "test",
  keys,
  letterPrinter: { writePrivateKeyTo: join(folder, "printer.pem") },
});
const opened = openKeystore(vault.file, vault.unlock);
const piped = await openVault({ ...vault, start });
await compare("vault", piped, vaultCalls(new Keyring(opened.environment, opened.keys)), 800);
await piped.close();

const library = "/usr/lib/softhsm/libsofthsm2.so";
if (existsSync(library)) {
  const configuration = join(folder, "softhsm2.conf");
  mkdirSync(join(folder, "tokens"));
  writeFileSync(
    configuration,
    `directories.tokendir = ${join(folder, "tokens")}\nobjectstore.backend = file\n`,
  );
  const environment = { SOFTHSM2_CONF: configuration };
  Object.assign(process.env, environment);
  const pin = "624813";
  const words = ["--init-token", "--free", "--label", "bench", "--so-pin", "91357246", "--pin", pin];
  execFileSync("softhsm2-util", words, { stdio: "ignore" });
  const unlock = { library, label: "bench", pin };
  const file = join(folder, "token-keys.json");
  await createTokenKeys(
    {
      file,
      environment: "test",
      unlock,
      keys,
      letterPrinter: { writePrivateKeyTo: join(folder, "token-printer.pem") },
    },
    { environment },
  );
  for (const missing of /** @type {const} */ ([[], ["kept-keys"]])) {
    const token = await openToken({ file, unlock: { ...unlock, missing } }, { environment, start });
    const own = await Token.open(unlock);
    const ring = new TokenKeyring(own, file, readRegister(file), {
      keptKeys: missing.length === 0,
      transports: missing.length === 0,
    });
    const where = missing.length === 0 ? "all keys in the token" : "cards' keys in the module's process";
    await compare(`SoftHSM, ${where}`, token, vaultCalls(ring), missing.length === 0 ? 200 : 400);
    await token.close();
    ring.wipe();
  }
} else {
  print("SoftHSM: not installed, not measured");
}
rmSync(folder, { recursive: true });
