/**
 * Leak drill: unique canaries as keys, PINs and names go through the whole line; then everything but the module's process and the cards
 * themselves is searched. The cards are simulated inside the line's process, so their own keys and PINs are in its memory as bytes: there
 * the masters are searched for, and its heap of texts and objects for everything; where the cards lie elsewhere its memory is searched for all
 * (line-memory.e2e.test.ts). With the vault, and with the keys in a token (SoftHSM 2).
 */
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { spawn, spawnSync } from "node:child_process";
import { createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { unhex } from "@persoline/card/bytes";
import { diversifyKeyKdf3 } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { pinIn, printedIn } from "../devices/hsm/letters/letters.test.data.js";
import { writeDurably } from "../devices/hsm/durable.js";
import { type StoredKey, sealKeystore } from "../devices/hsm/keystore.js";
import { lineKeyFile, pemOf } from "../devices/hsm/line-key.js";
import { createTokenKeys } from "../devices/hsm/pkcs11/pkcs11.js";
import { softToken, type SoftToken } from "../devices/hsm/pkcs11/softhsm.test.data.js";
import { openTokenOffice } from "../devices/hsm/pkcs11/token-office.js";
import { openStore } from "../store/store.js";
import { idealLine, root, smallOrder } from "./command.test.data.js";
import {
  argumentsOf,
  descendants,
  filesUnder,
  forms,
  found,
  foundIn,
  inMemory,
  isModule,
  pinForms,
  textForms,
  whileStill,
} from "./leak.test.data.js";

type Kind = "vault" | "token";

/** Masters that nobody published: canaries. */
const masters = new Map(
  [
    ["fab-2026", 16],
    ["issuer-2026", 16],
    ["access-app", 16],
    ["store-seal", 32],
  ].map(([name, length]) => [String(name), new Uint8Array(randomBytes(Number(length)))]),
);
const signing = generateKeyPairSync("ed25519").privateKey;
/** The 32 secret bytes at the end of PKCS#8 (RFC 8410). */
const seed = signing.export({ format: "der", type: "pkcs8" }).subarray(-32);

const inCeremony = [
  ["fab-2026", "scp03"],
  ["issuer-2026", "scp03"],
  ["access-app", "application"],
] as const;

function makeKeystore(data: string): void {
  const printer = generateKeyPairSync("x25519");
  writeFileSync(
    join(data, "letter-printer.pem"),
    printer.privateKey.export({ format: "pem", type: "pkcs8" }),
  );
  // By which the printer knows the line.
  writeFileSync(join(data, lineKeyFile), pemOf(createPublicKey(signing)));
  const key = (name: string, use: string, algorithm: string, value: Uint8Array, published = false) =>
    ({
      name,
      use,
      algorithm,
      environment: "test",
      published,
      value,
    }) as StoredKey;
  const master = (name: string) => masters.get(name) ?? new Uint8Array(0);
  writeDurably(join(data, "keystore.key"), randomBytes(32));
  sealKeystore(
    join(data, "keystore.json"),
    "test",
    [
      key("os-loader", "loader", "AES-128", unhex("C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF"), true),
      key("fab-2026", "scp03", "AES-128", master("fab-2026")),
      key("issuer-2026", "scp03", "AES-128", master("issuer-2026")),
      key("access-app", "application", "AES-128", master("access-app")),
      key("store-seal", "seal", "AES-256", master("store-seal")),
      key("line-signature", "sign", "Ed25519", signing.export({ format: "der", type: "pkcs8" })),
      key("letter-printer", "letter", "X25519", printer.publicKey.export({ format: "der", type: "spki" })),
    ],
    { keyFile: join(data, "keystore.key") },
  );
}

/** The same canaries in a token, brought in as a ceremony does it; what seals and signs is drawn in the token. */
async function makeToken(data: string, soft: SoftToken): Promise<void> {
  const unlock = soft.access;
  const file = join(data, "token-keys.json");
  const { environment } = soft;
  await createTokenKeys(
    {
      file,
      unlock,
      environment: "test",
      keys: [{ name: "os-loader", use: "loader", published: "C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF" }],
      letterPrinter: { writePrivateKeyTo: join(data, "letter-printer.pem") },
    },
    { environment },
  );
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const office = await openTokenOffice(file, unlock);
  const { keep, room } = office;
  const keys = inCeremony.map(([name, use]): StoredKey => {
    const plan = { name, use, algorithm: "AES-128" } as const;
    const { kcv, ...kept } = room.take(plan, masters.get(name));
    const life = {
      state: "active",
      since: new Date().toISOString(),
      source: "components",
      ceremony: "C-0001",
      kcv,
    } as const;
    return { ...plan, name: name as StoredKey["name"], environment: "test", published: false, ...kept, life };
  });
  office.write({ ...keep, revision: keep.revision + 1, keys: [...keep.keys, ...keys] });
  office.close();
}

/** A token draws what it seals and signs with itself. */
const masterNeedles = (kind: Kind): Map<string, Buffer[]> =>
  new Map([
    ...[...masters]
      .filter(([name]) => kind === "vault" || name !== "store-seal")
      .map(([name, bytes]) => [name, forms(bytes)] as const),
    ...(kind === "vault" ? [["line-signature", forms(seed)] as const] : []),
  ]);

describe.each(["vault", "token"] as const)("the keys in a %s", (kind: Kind) => {
  const people = kind === "vault" ? 8 : 4;
  /** Of the test's own environment, and where the token's library finds its configuration. */
  const environment: Record<string, string> = {};
  const tokenPin = "leak-60184427-canary";
  let pinFile: string;
  let folder: string;
  let data: string;
  let heap: string;
  const seen = {
    line: new Set<string>(),
    others: new Set<string>(),
    module: new Set<string>(),
    processes: [] as Buffer[],
  };
  let out = "";
  let pins: string[] = [];
  const names: string[] = [];
  const cardKeys = new Map<string, Buffer[]>();

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "persoline-leak-"));
    data = join(folder, "data");
    heap = join(folder, "heap");
    pinFile = join(folder, "pin");
    for (const one of [data, heap]) mkdirSync(one);
    let unlocking: string[] = [];
    if (kind === "vault") makeKeystore(data);
    else {
      const soft = softToken(folder, "leak", tokenPin);
      await makeToken(data, soft);
      Object.assign(environment, soft.environment);
      writeFileSync(pinFile, tokenPin);
      const { library, label } = soft.access;
      unlocking = [
        "--security",
        "pkcs11",
        "--token",
        label,
        "--token-library",
        library,
        "--token-pin-fd",
        "3",
      ];
    }
    cpSync(join(root, "examples/products"), join(folder, "products"), { recursive: true });
    const product = join(folder, "products/office-access/product.yaml");
    // Twelve digits do not occur by chance.
    writeFileSync(product, readFileSync(product, "utf8").replace("length: 6", "length: 12"));
    const order = smallOrder(folder, people, ([head = "", ...lines]) => {
      const columns = head.split(",");
      const rows = lines.map((line, at) => {
        const cells = line.split(",");
        const name = `Leakana Žwölf-${String(at)}`;
        names.push(name);
        cells[columns.indexOf("Full name")] = name;
        return cells.join(",");
      });
      return [head, ...rows];
    });
    writeFileSync(order, readFileSync(order, "utf8").replace(/^product: .*$/m, `product: ${product}`));
    const line = idealLine(folder, "carousel", (text) =>
      text.replace(/stock:[\s\S]*/, "stock:\n  - { lot: L1, count: 20 }\n"),
    );
    const script = join(root, "packages/line/bin/persoline.js");
    const words = ["--heapsnapshot-signal=SIGUSR2", `--diagnostic-dir=${heap}`, script];
    const child = spawn(
      process.execPath,
      [...words, "run", order, "--line", line, "--data", data, "--debug", ...unlocking],
      {
        stdio: ["ignore", "pipe", "pipe", ...(kind === "token" ? [openSync(pinFile, "r")] : [])],
        cwd: folder,
        env: { PATH: "/usr/bin:/bin", ...environment },
      },
    );
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (part: Buffer) => (out += part.toString()));
    const ended = once(child, "exit");
    const pid = child.pid ?? 0;
    const good = (): number => {
      try {
        return readdirSync(join(data, "shop-floor/good/T-1")).length;
      } catch {
        return 0;
      }
    };
    for (const wanted of kind === "vault" ? [1, 3] : [1]) {
      while (child.exitCode === null && (good() < wanted || !readdirSync(data).includes("shop-floor")))
        await sleep(20);
      if (child.exitCode !== null) break;
      whileStill(pid, () => {
        for (const one of [pid, ...descendants(pid)]) {
          seen.processes.push(argumentsOf(one), readFileSync(`/proc/${String(one)}/environ`));
          const whose = one === pid ? "line" : isModule(one) ? "module" : "others";
          for (const name of inMemory(one, masterNeedles(kind))) seen[whose].add(name);
        }
      });
      if (wanted === 1) process.kill(pid, "SIGUSR2");
    }
    const [code] = (await ended) as [number];
    if (code !== 0) throw new Error(out);
    const words2 = ["letters", "release", "T-1", "--by", "A", "--witness", "B", "--json", "--data", data];
    const release = spawnSync(process.execPath, [script, ...words2, ...unlocking], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe", ...(kind === "token" ? [openSync(pinFile, "r")] : [])],
      env: { PATH: "/usr/bin:/bin", ...environment },
    });
    if (release.status !== 0) throw new Error(release.stderr);
    pins = [...printedIn(join(data, "letter-printer.pem"), join(data, "letters")).values()].map(pinIn);
    const store = await openStore({ file: join(data, "persoline.db") });
    for await (const { serial, label } of store.stock.list()) {
      for (const [master, kids] of [
        ["fab-2026", [1, 2, 3]],
        ["issuer-2026", [1, 2, 3]],
        ["access-app", [1, 2, 3, 0x10]],
      ] as const)
        for (const k of kids) {
          const key = diversifyKeyKdf3(
            nodeCrypto,
            masters.get(master) ?? new Uint8Array(0),
            unhex(serial),
            k,
          );
          cardKeys.set(`${label} ${master} ${String(k)}`, forms(key));
        }
    }
    await store.close();
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  const pinNeedles = (): Map<string, Buffer[]> =>
    new Map(pins.map((pin, at) => [`PIN of record ${String(at + 1)}`, pinForms(pin)]));
  /** What nobody may find anywhere. */
  const secrets = (): Map<string, Buffer[]> =>
    new Map([...masterNeedles(kind), ...cardKeys, ...pinNeedles()]);
  const opening = (): Map<string, Buffer[]> =>
    new Map(kind === "vault" ? [] : [["the token's PIN", textForms(tokenPin)]]);

  test("the drill itself finds what is there", () => {
    expect(pins).toHaveLength(people);
    expect(pins.every((pin) => pin.length === 12)).toBe(true);
    // The vault has the masters in its memory, in bytes; whoever looks there finds them. A token's library is a stranger: it may or may not.
    const sought = kind === "vault" ? [...masterNeedles(kind).keys()] : [];
    expect([...seen.module].filter((name) => sought.includes(name)).sort()).toEqual(sought.sort());
    // Masters that were never used would never be found: the cards' keys below are derived from them.
    // The cards have their keys: the shop floor holds at least those of the issuer.
    const floor = join(data, "shop-floor");
    const bodies = (path: string): string[] =>
      readdirSync(path, { withFileTypes: true }).flatMap((one) =>
        one.isDirectory() ? bodies(join(path, one.name)) : [join(path, one.name)],
      );
    const inCards = found(
      bodies(floor).map((file) => readFileSync(file)),
      cardKeys,
    );
    expect(inCards.filter((name) => name.includes("issuer-2026")).length).toBeGreaterThanOrEqual(people);
  });

  test("no master is in the memory of the line's process or of a child but the module, at any moment looked at", () => {
    expect([...seen.line]).toEqual([]);
    expect([...seen.others]).toEqual([]);
  });

  test("no key and no PIN is in the heap of the line's process", () => {
    const [snapshot = ""] = readdirSync(heap);
    const content = readFileSync(join(heap, snapshot));
    expect(content.length).toBeGreaterThan(1 << 20);
    // It is the line's: it knows the order.
    expect(content.includes("T-1")).toBe(true);
    expect(found(content, secrets())).toEqual([]);
  });

  test("no key, no PIN, and no name outside reports and letters, is in any file: database, logs, journal, pictures, results, traces", () => {
    const files = filesUnder(data).filter((file) => statSync(file).size > 0);
    expect(files.map((file) => file.slice(data.length + 1))).toEqual(
      expect.arrayContaining([
        "persoline.db",
        "journal-carousel.db",
        kind === "vault" ? "keystore.json" : "token-keys.json",
      ]),
    );
    expect(foundIn(files, new Map([...secrets(), ...opening()]))).toEqual([]);
    const named = new Map(names.map((name) => [name, textForms(name)]));
    const withNames = files.filter((file) => found(readFileSync(file), named).length > 0);
    expect(withNames.filter((file) => /\.db(-wal|-shm)?$|jsonl$|journal/.test(file))).toEqual([]);
  });

  test("nothing of it is in arguments and environment of any process, nor in what the line says, with --debug too", () => {
    expect(seen.processes.length).toBeGreaterThan(kind === "vault" ? 6 : 3);
    const said = [...seen.processes, Buffer.from(out)];
    const named = new Map(names.map((name) => [name, textForms(name)]));
    const needles = new Map([...secrets(), ...opening(), ...named]);
    expect(found(said, needles)).toEqual([]);
  });
});
