/**
 * The line's process never held a key or a PIN. The cards are in another process (this one), so whatever of theirs is in the line's memory came
 * there through the line. At the moments at which secrets pass by (a PIN is stored in the card, it is shown to the card, the card is good, the
 * program ends) the line's process is stopped, and all its readable memory is searched as /proc/PID/mem has it, which is what gcore would write
 * into a core file; that of its children too, but for the module's. Searched for is every key that the cards computed with (their own, those of
 * every session, of every cryptogram), their RSA parts, their PINs in all blocks, the module's masters, and what opens those.
 *
 * Dear, for hundreds of megabytes are searched some dozens of times.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { hex, unhex } from "@persoline/card/bytes";
import { cardKeys } from "@persoline/card/emv";
import { diversify3des, diversifyKdf3 } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pinIn, printedIn } from "../devices/hsm/letters/letters.test.data.js";
import { softToken } from "../devices/hsm/pkcs11/softhsm.test.data.js";
import { canaryPan, Canaries } from "./canaries.test.data.js";
import { program } from "./command.test.data.js";
import { deskAt, DeskCards, freePort, type Heard, receiveBlanks } from "./desk-cards.test.data.js";
import type { Produced } from "./end-run.js";
import {
  argumentsOf,
  descendants,
  filesUnder,
  forms,
  found,
  foundIn,
  inMemory,
  isModule,
  isStill,
  type Needles,
  pinForms,
  textForms,
  whileStill,
} from "./leak.test.data.js";
import { paymentOrder } from "./payment.test.data.js";

const people = 2;
const aid = "A000000151000000";
type Moment = "PIN stored" | "PIN shown" | "card done" | "at the end";
type Kept = "vault" | "token";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-line-memory-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A PIN block of format 2 with twelve digits, as the card keeps it. */
function pinsIn(memory: Uint8Array): string[] {
  const digits = Buffer.from(memory).toString("hex");
  return [...digits.matchAll(/2c(\d{12})ff/g)].flatMap(({ index, 1: pin = "" }) =>
    index % 2 === 0 ? [pin] : [],
  );
}

interface Drill {
  readonly produced: Produced;
  readonly moments: readonly Moment[];
  /** By process: the line's own, its other children, the module. */
  readonly hits: Readonly<Record<"line" | "others" | "module", ReadonlySet<string>>>;
  /** Moments at which the planted canaries, and what a card had just been sent, were found. */
  readonly controlled: ReadonlyMap<Moment, ReadonlySet<string>>;
  readonly pins: ReadonlySet<string>;
  readonly letters: readonly string[];
  readonly cards: DeskCards;
  readonly canaries: Canaries;
  /** Secrets in the data folder's files, in arguments and environments, and in what was said. */
  readonly elsewhere: readonly string[];
}

async function drilled(kept: Kept, protocol: "scp02" | "scp03"): Promise<Drill> {
  const home = join(folder, `${kept}-${protocol}`);
  const data = join(home, "data");
  mkdirSync(data, { recursive: true });
  const canaries = new Canaries(protocol);
  const { order } = paymentOrder(home, {
    people,
    product: (text) =>
      canaries.certified(
        home,
        // Twelve digits do not occur by chance.
        (protocol === "scp03"
          ? text
          : text
              .replace(
                /^initial: .*$/m,
                'initial: { protocol: scp02, i: "55", level: "03", keys: pay-fab, version: "FF", diversify: emv-cps }',
              )
              .replace(
                /^channel: .*$/m,
                'channel: { protocol: scp02, i: "55", level: "03", keys: pay-issuer, version: "20", diversify: emv-cps }',
              )
        ).replace("length: 4", "length: 12"),
      ),
    rows: ([head = "", ...lines]) => [
      head,
      ...lines.map((row, at) => row.replace(/^([^,]*),[^,]*/, `$1,${canaryPan(at)}`)),
    ],
  });
  writeFileSync(
    order,
    readFileSync(order, "utf8").replace(/^keys: .*$/m, `keys: ${canaries.writeList(home)}`),
  );

  receiveBlanks(home, data, people + 1);

  // What opens the keys, by a descriptor.
  const opening = randomBytes(24).toString("hex");
  const secretFile = join(home, "secret");
  writeFileSync(secretFile, `${opening}\n`, { mode: 0o600 });
  const unlocking: string[] = [];
  let environment: Readonly<Record<string, string>> = {};
  if (kept === "vault") {
    canaries.makeKeystore(data, { passphrase: opening });
    unlocking.push("--passphrase-fd", "3");
  } else {
    const soft = softToken(home, "memory", opening);
    await canaries.fillToken(data, soft);
    ({ environment } = soft);
    const { label, library } = soft.access;
    unlocking.push("--security", "pkcs11", "--token", label, "--token-library", library);
    unlocking.push("--token-pin-fd", "3");
  }

  const planted = randomBytes(64);
  writeFileSync(join(home, "planted"), Buffer.from(planted.map((byte) => byte ^ 0xff)));
  const controls = new Map(
    ["planted bytes", "planted few bytes", "planted numbers", "planted text"].map((name, at) => [
      name,
      forms(planted.subarray(16 * at, 16 * at + 16)),
    ]),
  );

  const moments: Moment[] = [];
  const hits = { line: new Set<string>(), others: new Set<string>(), module: new Set<string>() };
  const controlled = new Map<Moment, Set<string>>();
  const pins = new Set<string>();
  let pid = 0;
  let problem: unknown;
  /** What cannot be searched ends the drill, and does not leave a line that waits for its card. */
  const look = (moment: Moment, sent?: Uint8Array): void => {
    try {
      search(moment, sent);
    } catch (thrown) {
      problem ??= thrown;
      process.kill(pid, "SIGKILL");
    }
  };
  /** All that there are by now. */
  const secretsOf = (): Needles =>
    new Map([
      ...canaries.needles(kept),
      ...[...cards.secrets].map(([name, bytes]) => [name, forms(bytes)] as const),
      ...[...pins].map((pin, at) => [`PIN ${String(at + 1)}`, pansAnd(pin)] as const),
      ["what opens the keys", [...textForms(opening), ...forms(unhex(opening))]],
    ] as const);
  const started: Buffer[] = [];
  const search = (moment: Moment, sent?: Uint8Array): void => {
    moments.push(moment);
    const secrets = secretsOf();
    const sought = new Map([
      ...secrets,
      ...controls,
      ...(sent === undefined ? [] : ([["what the card was sent", [Buffer.from(sent)]]] as const)),
    ]);
    whileStill(pid, () => {
      for (const one of [pid, ...descendants(pid)])
        started.push(argumentsOf(one), readFileSync(`/proc/${String(one)}/environ`));
      for (const name of inMemory(pid, sought))
        if (secrets.has(name)) hits.line.add(name);
        else controlled.set(moment, (controlled.get(moment) ?? new Set()).add(name));
      for (const child of descendants(pid)) {
        // The module has what it has: once is enough to see that it is found.
        if (isModule(child) && moments.length > 1) continue;
        for (const name of inMemory(child, secrets)) hits[isModule(child) ? "module" : "others"].add(name);
      }
    });
  };
  const shown = new Set<string>();
  const heard = ({ label, command, memory }: Heard): void => {
    const isNew = pinsIn(memory).filter((pin) => !pins.has(pin));
    for (const pin of isNew) pins.add(pin);
    if (isNew.length > 0) look("PIN stored", command);
    // VERIFY (ISO/IEC 7816-4): whose PIN is enciphered.
    else if (command[1] === 0x20 && !shown.has(label)) {
      shown.add(label);
      look("PIN shown", command);
    }
  };
  const des = protocol === "scp02";
  const fab = {
    master: canaries.value("pay-fab"),
    algorithm: des ? "3des" : "aes",
    diversify: des ? "emv-cps" : "kdf3",
    kvn: 0xff,
    isd: unhex(aid),
    ...(des ? { i02: 0x55 } : { i03: 0x70 }),
  } as const;
  const port = await freePort();
  const cards: DeskCards = new DeskCards({ port, count: people + 1, fab, heard });
  const preload = new URL("../../dist/app/planted.test.data.js", import.meta.url);
  preload.searchParams.set("from", join(home, "planted"));
  const words = ["run", order, "--line", deskAt(home, port), "--data", data, "--json", ...unlocking];
  const child = spawn(process.execPath, ["--import", preload.href, program, ...words], {
    stdio: ["ignore", "pipe", "pipe", openSync(secretFile, "r")],
    cwd: home,
    env: environment,
  });
  if (child.pid === undefined) throw new Error("the line's process did not start");
  pid = child.pid;
  let [out, err] = ["", ""];
  child.stdout?.on("data", (part: Buffer) => (out += part.toString()));
  child.stderr?.on("data", (part: Buffer) => {
    err += part.toString();
    cards.hear(part.toString(), () => look("card done"));
  });
  const ended = once(child, "close");
  let code: number | undefined;
  void ended.then(([own]) => (code = own as number));
  while (code === undefined && child.exitCode === null && child.signalCode === null) {
    if (isStill(pid)) look("at the end");
    await sleep(20);
  }
  await ended;
  cards.close();
  if (problem !== undefined) throw problem as Error;
  if (code !== 0) throw new Error(`${String(code)}: ${out}${err}`);

  const release = spawn(
    process.execPath,
    [program, "letters", "release", "P-1", "--by", "A", "--witness", "B", "--data", data, ...unlocking],
    { stdio: ["ignore", "pipe", "inherit", openSync(secretFile, "r")], env: environment },
  );
  let told = "";
  release.stdout?.on("data", (part: Buffer) => (told += part.toString()));
  await once(release, "close");
  const printer = join(data, "letter-printer.pem");
  const letters = [...printedIn(printer, join(data, "letters")).values()].map(pinIn);
  return {
    produced: JSON.parse(out) as Produced,
    moments,
    hits,
    controlled,
    pins,
    letters,
    cards,
    canaries,
    elsewhere: [
      ...foundIn(filesUnder(data), secretsOf()),
      ...found([...started, Buffer.from(out), Buffer.from(err), Buffer.from(told)], secretsOf()),
    ],
  };
}

/** A PIN as it is, and bound to any of the order's numbers. */
const pansAnd = (pin: string): Buffer[] =>
  Array.from({ length: people }, (_, at) => pinForms(pin, canaryPan(at))).flat();

describe.each([
  ["vault", "scp03"],
  ["vault", "scp02"],
  ["token", "scp03"],
  ["token", "scp02"],
] as const)("keys in the %s, sessions of %s", (kept, protocol) => {
  let drill: Drill;
  beforeAll(async () => {
    drill = await drilled(kept, protocol);
  });

  test("the cards are made, and searched for is what they have and the module used", () => {
    const { produced, cards, canaries, pins, letters } = drill;
    expect(produced).toMatchObject({ produced: people, balanced: true, rejects: [] });
    expect([...letters].sort()).toEqual([...pins].sort());
    expect(pins.size).toBe(people);
    const used = new Set([...cards.secrets.values()].map(hex));
    const divided = (name: string, serial: string) => {
      const { enc, mac, dek } =
        protocol === "scp02"
          ? diversify3des(nodeCrypto, canaries.value(name), unhex(serial), "emv-cps")
          : diversifyKdf3(nodeCrypto, canaries.value(name), unhex(serial));
      return [enc, mac, dek];
    };
    // The keys that the cards had, and those that came into them, are of the canaries: these are the masters that the module has.
    for (const [at, { serial }] of cards.good.entries()) {
      const own = cardKeys(
        nodeCrypto,
        { ac: canaries.value("pay-ac"), smi: canaries.value("pay-smi"), smc: canaries.value("pay-smc") },
        { pan: canaryPan(at), psn: "01" },
        "B",
      );
      for (const key of [
        ...divided("pay-fab", serial),
        ...divided("pay-issuer", serial),
        own.ac,
        own.smi,
        own.smc,
      ])
        expect(used).toContain(hex(key));
    }
    // Twice five parts of a key of 1,152 bits.
    expect([...cards.secrets.keys()].filter((name) => name.startsWith("RSA"))).toHaveLength(5 * people);
  });

  test("the search finds what is there, in every form and at every moment", () => {
    const planted = ["planted bytes", "planted few bytes", "planted numbers", "planted text"];
    const sent = "what the card was sent";
    const { moments, controlled, hits, canaries } = drill;
    expect([...new Set(moments)]).toEqual(["PIN stored", "PIN shown", "card done", "at the end"]);
    for (const moment of new Set(moments)) {
      const passed = moment.startsWith("PIN") ? [sent] : [];
      expect([moment, ...[...(controlled.get(moment) ?? [])].sort()]).toEqual([
        moment,
        ...[...planted, ...passed].sort(),
      ]);
    }
    // The vault has its keys in bytes, and those of the card's session. What a token's library makes of them is its own affair.
    const names = kept === "vault" ? canaries.masters.map(({ name }) => name) : [];
    expect(names.filter((name) => !hits.module.has(name))).toEqual([]);
    const ofCards = [...hits.module].some((name) => /^(?:AES|DES) key of/.test(name));
    expect(ofCards || kept === "token").toBe(true);
  });

  test("no key, no part of one and no PIN is in the memory of the line's process, nor of its children but the module", () => {
    expect([...drill.hits.line]).toEqual([]);
    expect([...drill.hits.others]).toEqual([]);
  });

  test("nor is any in a file, an argument, an environment, or what was said", () => {
    expect(drill.elsewhere).toEqual([]);
  });
});
