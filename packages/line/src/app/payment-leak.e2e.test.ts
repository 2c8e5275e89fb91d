/**
 * Leak drill with payment cards: canaries as PANs, names, masters and PINs go through the whole line; then everything but the module's process
 * and the cards themselves is searched.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
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
import { cardKeys, luhnDigit } from "@persoline/card/emv";
import { nodeCrypto } from "@persoline/card/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createKeystore } from "../devices/hsm/vault.js";
import { pinIn, printedIn } from "../devices/hsm/letters/letters.test.data.js";
import { softToken } from "../devices/hsm/pkcs11/softhsm.test.data.js";
import { program } from "./command.test.data.js";
import { readKeyFile } from "./key-file.js";
import { argumentsOf, children, filesUnder, forms, found, inMemory } from "./leak.test.data.js";
import { paymentOrder } from "./payment.test.data.js";

const people = 6;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-payment-leak-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Masters that nobody published: triple DES keys of chance. */
const uses = ["ac", "smi", "smc", "cvk", "pvk"] as const;
const masters = new Map(uses.map((use) => [`pay-${use}`, new Uint8Array(randomBytes(16))]));
const names = Array.from({ length: people }, (_, at) => `LEAKANA/ZWOELFTER${"ABCDEFGH"[at] ?? ""}`);
const pans = Array.from({ length: people }, (_, at) => {
  const payload = `999901${String(700_000_000 + 7_919_513 * (at + 1)).padStart(9, "0")}`;
  return payload + luhnDigit(payload);
});

/** Digits as text, packed, and as bytes. */
const digitForms = (digits: string): Buffer[] => [
  Buffer.from(digits),
  Buffer.from(digits, "utf16le"),
  ...forms(unhex(digits.length % 2 === 0 ? digits : `${digits}F`)),
  ...forms(new Uint8Array(Buffer.from(digits))),
];
const panNeedles = new Map(pans.map((pan, at) => [`PAN ${String(at + 1)}`, digitForms(pan)]));
const nameNeedles = new Map(names.map((name) => [name, [Buffer.from(name), Buffer.from(name, "utf16le")]]));
const masterNeedles = new Map([...masters].map(([name, bytes]) => [name, forms(bytes)]));
const cardNeedles = new Map(
  pans.flatMap((pan, at) => {
    const [ac, smi, smc] = ["pay-ac", "pay-smi", "pay-smc"].map(
      (name) => masters.get(name) ?? new Uint8Array(16),
    );
    if (ac === undefined || smi === undefined || smc === undefined) return [];
    const own = cardKeys(nodeCrypto, { ac, smi, smc }, { pan, psn: "01" }, "B");
    return Object.entries(own).map(([use, key]) => [`${use} of card ${String(at + 1)}`, forms(key)] as const);
  }),
);

interface Drill {
  readonly data: string;
  readonly out: string;
  readonly processes: readonly Buffer[];
  readonly inLine: ReadonlySet<string>;
  readonly inModule: ReadonlySet<string>;
  readonly heap: Buffer;
  readonly pins: readonly string[];
}

async function drilled(name: "vault" | "token"): Promise<Drill> {
  const home = join(folder, name);
  const data = join(home, "data");
  const heap = join(home, "heap");
  for (const one of [home, data, heap]) mkdirSync(one, { recursive: true });
  const { order, line } = paymentOrder(home, {
    people,
    // Twelve digits do not occur by chance.
    product: (text) => text.replace("length: 4", "length: 12"),
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
  const token: string[] = [];
  let environment: Readonly<Record<string, string>> = {};
  const pinFile = join(home, "pin");
  writeFileSync(pinFile, "624813\n", { mode: 0o600 });
  if (name === "vault") {
    const list = await readKeyFile(/^keys: (.*)$/m.exec(readFileSync(order, "utf8"))?.[1] ?? "");
    const asIs = readFileSync(/^keys: (.*)$/m.exec(readFileSync(order, "utf8"))?.[1] ?? "", "utf8");
    // The keystore is made of canaries; the list calls them drawn.
    writeFileSync(join(home, "keys.yaml"), asIs);
    await createKeystore({
      file: join(data, "keystore.json"),
      environment: "test",
      unlock: { keyFile: join(data, "keystore.key") },
      keys: list.keys.map((key) => ({ ...key, ...canary(key.name) })),
      letterPrinter: { writePrivateKeyTo: join(data, "letter-printer.pem") },
      stripeEncoder: { writePrivateKeyTo: join(data, "stripe-encoder.pem") },
    });
    writeFileSync(
      order,
      readFileSync(order, "utf8").replace(/^keys: .*$/m, `keys: ${keysWithCanaries(home)}`),
    );
  } else {
    const soft = softToken(home, "leak");
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
  const [inLine, inModule] = [new Set<string>(), new Set<string>()];
  const good = (): number => {
    try {
      return readdirSync(join(data, "shop-floor/good/P-1")).length;
    } catch {
      return 0;
    }
  };
  while (child.exitCode === null && good() < 1) await sleep(10);
  if (child.exitCode === null) {
    process.kill(pid, "SIGSTOP");
    for (const inner of [pid, ...children(pid)]) {
      processes.push(argumentsOf(inner), readFileSync(`/proc/${String(inner)}/environ`));
      const into =
        inner === pid ? inLine : argumentsOf(inner).includes("vault-process") ? inModule : undefined;
      if (into !== undefined && name === "vault")
        for (const hit of inMemory(
          inner,
          new Map([...masterNeedles].map(([one, all]) => [one, all.slice(0, 2)])),
        ))
          into.add(hit);
    }
    process.kill(pid, "SIGCONT");
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
  return { data, out, processes, inLine, inModule, heap: readFileSync(join(heap, snapshot)), pins };
}

const canary = (name: string): { readonly published?: string } => {
  const bytes = masters.get(name);
  return bytes === undefined ? {} : { published: Buffer.from(bytes).toString("hex").toUpperCase() };
};

/** The list that a keystore of canaries is the right one for. */
function keysWithCanaries(home: string): string {
  const file = join(home, "keys.yaml");
  const text = readFileSync(file, "utf8").replaceAll(
    /\{ name: (pay-(?:ac|smi|smc|cvk|pvk)), (use: [a-z-]+) \}/g,
    (_, key: string, use: string) => `{ name: ${key}, ${use}, published: "${canary(key).published ?? ""}" }`,
  );
  writeFileSync(file, text);
  return file;
}

describe.each(["vault", "token"] as const)("with the %s", (name) => {
  let drill: Drill;
  beforeAll(async () => {
    drill = await drilled(name);
  });
  const pinNeedles = (): Map<string, Buffer[]> =>
    new Map(
      drill.pins.map((pin, at) => [
        `PIN ${String(at + 1)}`,
        [...digitForms(pin), ...forms(unhex(`2C${pin}FF`)), ...forms(Uint8Array.from(pin, Number))],
      ]),
    );

  test("the drill itself finds what is there", () => {
    expect(drill.pins).toHaveLength(people);
    expect(drill.pins.every((pin) => /^\d{12}$/.test(pin))).toBe(true);
    // Of a token's keys nobody knows the bytes.
    const known = name === "vault";
    expect([...drill.inModule].sort()).toEqual(known ? [...masters.keys()].sort() : []);
    // The cards say who they are, to anybody; their keys are in their memories.
    const bodies = (path: string): string[] =>
      readdirSync(path, { withFileTypes: true }).flatMap((one) =>
        one.isDirectory() ? bodies(join(path, one.name)) : [join(path, one.name)],
      );
    const floor = bodies(join(drill.data, "shop-floor")).map((file) => readFileSync(file));
    const inCards = (needles: ReadonlyMap<string, readonly Buffer[]>) =>
      new Set(floor.flatMap((content) => found(content, needles))).size;
    expect([inCards(panNeedles), inCards(pinNeedles())]).toEqual([people, people]);
    expect(inCards(cardNeedles)).toBe(known ? 3 * people : 0);
  });

  test("no master is in the memory of the line's process; no key and no PIN in its heap", () => {
    expect([...drill.inLine]).toEqual([]);
    expect(drill.heap.length).toBeGreaterThan(1 << 20);
    expect(drill.heap.includes("P-1")).toBe(true);
    for (const needles of [masterNeedles, cardNeedles, pinNeedles()])
      expect(found(drill.heap, needles)).toEqual([]);
  });

  test("no PAN, PIN or key in any file, and no name outside reports and letters", () => {
    const files = filesUnder(drill.data).filter((file) => statSync(file).size > 0);
    expect(files.map((file) => file.slice(drill.data.length + 1))).toEqual(
      expect.arrayContaining(["persoline.db", "journal-payment.db"]),
    );
    const needles = [panNeedles, masterNeedles, cardNeedles, pinNeedles()];
    const hits = files.flatMap((file) => {
      const content = readFileSync(file);
      return needles.flatMap((all) =>
        found(content, all).map((hit) => `${hit} in ${file.slice(drill.data.length)}`),
      );
    });
    expect(hits).toEqual([]);
    const named = files.filter((file) => found(readFileSync(file), nameNeedles).length > 0);
    expect(named.filter((file) => /\.db(-wal|-shm)?$|jsonl$|journal/.test(file))).toEqual([]);
  });

  test("nothing of it in arguments, environment, or what the line says, with --debug too", () => {
    expect(drill.processes.length).toBeGreaterThan(3);
    const said = [...drill.processes, Buffer.from(drill.out)];
    for (const needles of [panNeedles, nameNeedles, masterNeedles, cardNeedles, pinNeedles()])
      expect(said.flatMap((content) => found(content, needles))).toEqual([]);
  });
});
