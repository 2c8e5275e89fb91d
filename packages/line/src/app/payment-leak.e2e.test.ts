/**
 * Leak drill with payment cards on a whole line: canaries as PANs, names, masters and PINs go through it, with the vault and with a token that
 * has these very keys; then everything but the module's process and the cards themselves is searched. The cards are simulated within the line's
 * process, so of its memory only what no card has is judged here; for the rest they lie elsewhere (line-memory.e2e.test.ts).
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { unhex } from "@persoline/card/bytes";
import { cardKeys } from "@persoline/card/emv";
import { diversifyKdf3 } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pinIn, printedIn } from "../devices/hsm/letters/letters.test.data.js";
import { softToken } from "../devices/hsm/pkcs11/softhsm.test.data.js";
import { openStore } from "../store/store.js";
import { Canaries, canaryName, canaryPan } from "./canaries.test.data.js";
import { program } from "./command.test.data.js";
import {
  argumentsOf,
  descendants,
  digitForms,
  filesUnder,
  forms,
  found,
  foundIn,
  inMemory,
  isModule,
  type Needles,
  pinForms,
  textForms,
  whileStill,
} from "./leak.test.data.js";
import { paymentOrder } from "./payment.test.data.js";

const people = 6;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-payment-leak-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Virtual blanks come with keys of a published master. */
const canaries = new Canaries("scp03", { "pay-fab": "404142434445464748494A4B4C4D4E4F" });
const names = Array.from({ length: people }, (_, at) => canaryName(at));
const pans = Array.from({ length: people }, (_, at) => canaryPan(at));

const panNeedles = new Map(pans.map((pan, at) => [`PAN ${String(at + 1)}`, digitForms(pan)]));
const nameNeedles = new Map(names.map((name) => [name, textForms(name)]));
const paymentNeedles = new Map(
  pans.flatMap((pan, at) => {
    const [ac, smi, smc] = [canaries.value("pay-ac"), canaries.value("pay-smi"), canaries.value("pay-smc")];
    const own = cardKeys(nodeCrypto, { ac, smi, smc }, { pan, psn: "01" }, "B");
    return Object.entries(own).map(([use, key]) => [`${use} of card ${String(at + 1)}`, forms(key)] as const);
  }),
);

interface Drill {
  readonly data: string;
  readonly out: string;
  readonly processes: readonly Buffer[];
  /** Of masters, by whose memory they are in. */
  readonly hits: Readonly<Record<"line" | "others" | "module", ReadonlySet<string>>>;
  readonly heap: Buffer;
  readonly pins: readonly string[];
  /** Keys of the cards' sessions. */
  readonly sessionNeedles: ReadonlyMap<string, Buffer[]>;
}

async function drilled(name: "vault" | "token"): Promise<Drill> {
  const home = join(folder, name);
  const data = join(home, "data");
  const heap = join(home, "heap");
  for (const one of [home, data, heap]) mkdirSync(one, { recursive: true });
  const { order, line } = paymentOrder(home, {
    people,
    // Twelve digits do not occur by chance.
    product: (text) => canaries.certified(home, text.replace("length: 4", "length: 12")),
    rows: ([head = "", ...lines]) => [
      head,
      ...lines.map((row, at) => {
        const cells = row.split(",");
        cells[1] = pans[at] ?? "";
        cells[5] = names[at] ?? "";
        return cells.join(",");
      }),
    ],
  });
  writeFileSync(
    order,
    readFileSync(order, "utf8").replace(/^keys: .*$/m, `keys: ${canaries.writeList(home)}`),
  );
  const token: string[] = [];
  let environment: Readonly<Record<string, string>> = {};
  const pinFile = join(home, "pin");
  writeFileSync(pinFile, "624813\n", { mode: 0o600 });
  if (name === "vault") canaries.makeKeystore(data, { keyFile: join(data, "keystore.key") });
  else {
    const soft = softToken(home, "leak");
    await canaries.fillToken(data, soft);
    environment = soft.environment;
    const { label, library } = soft.access;
    token.push("--security", "pkcs11", "--token", label, "--token-library", library, "--token-pin-fd", "3");
  }
  const words = ["--heapsnapshot-signal=SIGUSR2", `--diagnostic-dir=${heap}`, program, "run", order];
  const child = spawn(process.execPath, [...words, "--line", line, "--data", data, "--debug", ...token], {
    stdio: ["ignore", "pipe", "pipe", openSync(pinFile, "r")],
    cwd: home,
    env: environment,
  });
  let out = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (part: Buffer) => (out += part.toString()));
  const ended = once(child, "exit");
  const pid = child.pid ?? 0;
  const processes: Buffer[] = [];
  const hits = { line: new Set<string>(), others: new Set<string>(), module: new Set<string>() };
  const good = (): number => {
    try {
      return readdirSync(join(data, "shop-floor/good/P-1")).length;
    } catch {
      return 0;
    }
  };
  while (child.exitCode === null && good() < 1) await sleep(10);
  if (child.exitCode === null) {
    whileStill(pid, () => {
      for (const one of [pid, ...descendants(pid)]) {
        processes.push(argumentsOf(one), readFileSync(`/proc/${String(one)}/environ`));
        const whose = one === pid ? "line" : isModule(one) ? "module" : "others";
        for (const hit of inMemory(one, canaries.needles(name))) hits[whose].add(hit);
      }
    });
    process.kill(pid, "SIGUSR2");
  }
  const [code] = (await ended) as [number];
  if (code !== 0) throw new Error(out);
  const release = spawn(
    process.execPath,
    [program, "letters", "release", "P-1", "--by", "A", "--witness", "B", "--json", "--data", data, ...token],
    { stdio: ["ignore", "ignore", "inherit", openSync(pinFile, "r")], env: environment },
  );
  await once(release, "close");
  const pins = [...printedIn(join(data, "letter-printer.pem"), join(data, "letters")).values()].map(pinIn);
  const [snapshot = ""] = readdirSync(heap);
  const sessionNeedles = new Map<string, Buffer[]>();
  const store = await openStore({ file: join(data, "persoline.db") });
  for await (const { serial, label } of store.stock.list({ state: "good" })) {
    const { enc, mac, dek } = diversifyKdf3(nodeCrypto, canaries.value("pay-issuer"), unhex(serial));
    for (const [at, key] of [enc, mac, dek].entries())
      sessionNeedles.set(`key ${String(at + 1)} of ${label}`, forms(key));
  }
  await store.close();
  return { data, out, processes, hits, heap: readFileSync(join(heap, snapshot)), pins, sessionNeedles };
}

describe.each(["vault", "token"] as const)("with the %s", (name) => {
  let drill: Drill;
  beforeAll(async () => {
    drill = await drilled(name);
  });
  const pinNeedles = (): Map<string, Buffer[]> =>
    new Map(drill.pins.map((pin, at) => [`PIN ${String(at + 1)}`, pinForms(pin)]));
  const secrets = (): Map<string, Buffer[]> =>
    new Map([...canaries.needles(name), ...paymentNeedles, ...drill.sessionNeedles, ...pinNeedles()]);

  test("the drill itself finds what is there", () => {
    expect(drill.pins).toHaveLength(people);
    expect(drill.pins.every((pin) => /^\d{12}$/.test(pin))).toBe(true);
    // The vault has its keys in bytes. A token's library is a stranger: it may or may not.
    const kept = name === "vault" ? canaries.masters.map((one) => one.name) : [];
    const missing = kept.filter((one) => one !== "pay-fab" && !drill.hits.module.has(one));
    expect(missing).toEqual([]);
    // The cards say who they are, to anybody; their keys, which are of the canaries, are in their memories.
    const bodies = (path: string): string[] =>
      readdirSync(path, { withFileTypes: true }).flatMap((one) =>
        one.isDirectory() ? bodies(join(path, one.name)) : [join(path, one.name)],
      );
    const floor = bodies(join(drill.data, "shop-floor/good")).map((file) => readFileSync(file));
    const inCards = (needles: Needles) => found(floor, needles).length;
    expect([
      inCards(panNeedles),
      inCards(pinNeedles()),
      inCards(paymentNeedles),
      inCards(drill.sessionNeedles),
    ]).toEqual([people, people, 3 * people, 3 * people]);
  });

  test("no master is in the memory of the line's process, nor of its children but the module", () => {
    expect([...drill.hits.line]).toEqual([]);
    expect([...drill.hits.others]).toEqual([]);
  });

  test("no key and no PIN is among the texts and objects of the line's process", () => {
    expect(drill.heap.length).toBeGreaterThan(1 << 20);
    expect(drill.heap.includes("P-1")).toBe(true);
    expect(found(drill.heap, secrets())).toEqual([]);
  });

  test("no PAN, PIN or key in any file, and no name outside reports and letters", () => {
    const files = filesUnder(drill.data).filter((file) => statSync(file).size > 0);
    expect(files.map((file) => file.slice(drill.data.length + 1))).toEqual(
      expect.arrayContaining(["persoline.db", "journal-payment.db"]),
    );
    expect(foundIn(files, new Map([...panNeedles, ...secrets()]))).toEqual([]);
    const named = files.filter((file) => found(readFileSync(file), nameNeedles).length > 0);
    expect(named.filter((file) => /\.db(-wal|-shm)?$|jsonl$|journal/.test(file))).toEqual([]);
  });

  test("nothing of it in arguments, environment, or what the line says, with --debug too", () => {
    expect(drill.processes.length).toBeGreaterThan(3);
    const said = [...drill.processes, Buffer.from(drill.out)];
    const needles = new Map([...panNeedles, ...nameNeedles, ...secrets()]);
    expect(found(said, needles)).toEqual([]);
  });
});
