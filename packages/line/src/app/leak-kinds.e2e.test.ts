/**
 * Leak drill with the kinds of cards that the other drills have not (leak, payment-leak, line-memory): DESFire-style cards, chips with a
 * certified key pair (SCP11), and an issuer's own file. Canaries as masters, cards' keys, PINs, names and the issuer's secrets go through three
 * orders of one data folder; then everything but the module's process and the cards themselves is searched. The vault has all keys; the cards
 * are simulated within the line's process, so of its memory only what no card has is judged here, and its heap of texts and objects for all.
 */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { concat, hex, unhex } from "@persoline/card/bytes";
import { diversifyAn10922 } from "@persoline/card/desfire";
import { diversifyKdf3, diversifyKeyKdf3, makeCertificate } from "@persoline/card/globalplatform";
import { nodeCrypto, nodeP256 } from "@persoline/card/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { NewKey } from "../devices/hsm/ceremony.js";
import { wipeValues } from "../devices/hsm/key-section.js";
import { openKeystore, sealKeystore } from "../devices/hsm/keystore.js";
import { pinIn, printedIn } from "../devices/hsm/letters/letters.test.data.js";
import { createKeystore } from "../devices/hsm/vault.js";
import { openStore } from "../store/store.js";
import { idealLine, persoline, program, root } from "./command.test.data.js";
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

const people = 2;
const examples = join(root, "examples");
const host = nodeP256.generate();
const drawn = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
/** What nobody but the module may have. */
const masters = new Map<string, Uint8Array>([
  ["desfire-picc", drawn(16)],
  ["desfire-access-app", drawn(16)],
  ["desfire-canteen-app", drawn(16)],
  ["line-host", host.privateKey],
  ["access-app", drawn(16)],
  ["gp-issuer", drawn(32)],
  ["issuer-tk", drawn(32)],
  ["issuer-mac", drawn(16)],
]);
const master = (name: string): Uint8Array => masters.get(name) ?? new Uint8Array(0);
/** Virtual blanks are made with these. */
const maker = {
  authority: "4BF4A3FBE242B75FEB491BC9BE9764D3A062A34AA5D2E4CCE28A19F75D94DCB8",
  fab: "404142434445464748494A4B4C4D4E4F",
};
const key = (name: string, use: NewKey["use"], algorithm?: "AES-256"): NewKey => ({
  name,
  use,
  ...(algorithm === undefined ? {} : { algorithm }),
  published: hex(master(name)),
});
const keys: readonly NewKey[] = [
  key("desfire-picc", "desfire"),
  key("desfire-access-app", "desfire"),
  key("desfire-canteen-app", "desfire"),
  key("line-host", "scp11"),
  key("access-app", "application"),
  key("gp-issuer", "scp03", "AES-256"),
  key("issuer-tk", "transport", "AES-256"),
  key("issuer-mac", "file-mac"),
  { name: "maker-authority", use: "card-authority", published: maker.authority },
  { name: "gp-fab", use: "scp03", published: maker.fab },
];

const kinds = ["desfire", "scp11", "issuer"] as const;
type Kind = (typeof kinds)[number];
const orderName: Readonly<Record<Kind, string>> = { desfire: "K-1", scp11: "K-2", issuer: "K-3" };
const nameOf = (kind: Kind, at: number): string => `Leakana ${kind} Žwölf-${String(at)}`;
const names = kinds.flatMap((kind) => Array.from({ length: people }, (_, at) => nameOf(kind, at)));
const issuerKeys = Array.from({ length: people }, () => drawn(16));

let folder: string;
let data: string;
let pins: string[] = [];
const cardKeys = new Map<string, Buffer[]>();
const seen = {
  line: new Set<string>(),
  others: new Set<string>(),
  module: new Set<string>(),
  processes: [] as Buffer[],
  /** Database, journal and their logs, as they lay there while cards were in work. */
  disk: [] as Buffer[],
  heaps: [] as Buffer[],
  out: "",
};

/** A table of an example with other people in it. */
function table(kind: Kind, example: string): string {
  const [head = "", ...rows] = readFileSync(join(examples, example, "employees.csv"), "utf8")
    .trimEnd()
    .split(/\r?\n/);
  const place = head.split(",").indexOf("Full name");
  const made = rows.slice(0, people).map((row, at) => {
    const cells = row.split(",");
    cells[place] = nameOf(kind, at);
    return cells.join(",");
  });
  const file = join(folder, `${kind}.csv`);
  writeFileSync(file, `${[head, ...made].join("\n")}\n`);
  return file;
}

/** The issuer's own program writes the file: her keys under a transport key that only the module has. */
function issuerFile(): string {
  const description = JSON.parse(readFileSync(join(examples, "issuer-access/cards.json"), "utf8")) as {
    proof: { value: string };
    transport: { value: string };
    mac: { value: string };
    head: { order: string };
    records: {
      data: Record<string, string>;
      applications: { plain: Record<string, string>; secret: Record<string, string> }[];
    }[];
  };
  description.proof.value = description.mac.value = hex(master("issuer-mac"));
  description.transport.value = hex(master("issuer-tk"));
  description.head.order = orderName.issuer;
  description.records = description.records.slice(0, people);
  for (const [at, record] of description.records.entries()) {
    record.data["Full name"] = nameOf("issuer", at);
    const own = issuerKeys[at] ?? new Uint8Array(16);
    const check = nodeCrypto.aes(own).encrypt(new Uint8Array(16).fill(1)).subarray(0, 3);
    for (const { plain, secret } of record.applications) {
      secret["8101"] = hex(own);
      plain["9001"] = hex(check);
    }
  }
  const told = join(folder, "cards.json");
  const file = join(folder, "cards.issuer");
  writeFileSync(told, JSON.stringify(description));
  const { status, stderr } = spawnSync("python3", [join(examples, "issuer-access/issuer.py"), told, file], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  rmSync(told);
  return file;
}

/** The product of an example; chips with a certificate believe this line's own key, and have a PIN with a letter. */
function product(kind: Kind): string {
  const example = { desfire: "desfire-access", scp11: "gp-certified", issuer: "issuer-access" }[kind];
  let text = readFileSync(join(examples, "products", example, "product.yaml"), "utf8");
  if (kind === "scp11") {
    const certificate = makeCertificate(
      {
        serialNumber: unhex("01"),
        authority: unhex("504C2054455354204341"),
        subject: new TextEncoder().encode("PL LEAK HOST"),
        use: "agreement",
        expires: "20991231",
        publicKey: host.publicKey,
      },
      (message) => nodeP256.sign(unhex(maker.authority), message),
    );
    // Twelve digits do not occur by chance.
    text = `${text.replace(/"7F21[0-9A-F]+"/, `"${hex(certificate)}"`)}
pin: { method: drawn, application: access, length: 12, tries: 3, letter: true }
`;
  }
  const file = join(folder, `${kind}.yaml`);
  writeFileSync(file, text);
  return file;
}

function order(kind: Kind): string {
  const input = {
    desfire: () => table(kind, "desfire-access"),
    scp11: () => table(kind, "gp-access"),
    issuer: issuerFile,
  }[kind]();
  // Of the list's keys there are none to be drawn: which there must be stands in it, and the value of none but the maker's.
  const list = join(folder, "keys.yaml");
  const rows = keys.map(({ name, use, algorithm, published = "" }) => {
    const value = masters.has(name) ? "" : `, published: "${published}"`;
    return `  - { name: ${name}, use: ${use}${algorithm === undefined ? "" : `, algorithm: ${algorithm}`}${value} }\n`;
  });
  writeFileSync(list, `environment: test\nkeys:\n${rows.join("")}`);
  const file = join(folder, `${kind}-order.yaml`);
  writeFileSync(
    file,
    `order: "${orderName[kind]}"
customer: Leakana
product: ${product(kind)}
input: { file: ${input} }
line: ${lineFor(kind)}
environment: test
keys: ${list}
`,
  );
  return file;
}

/** A line with one chip that is dead and one that has other keys: what is said of these is searched too. */
function lineFor(kind: Kind): string {
  const bad = ["dead", "wrong-loader-key"].map(
    (fault, at) => `      - { blanks: { number: ${String(at + 2)} }, fault: { kind: ${fault} } }\n`,
  );
  return idealLine(folder, kind === "desfire" ? "desk-desfire" : "desk-ten", (text) =>
    text
      .replace(
        /^stock:[\s\S]*/m,
        `stock:\n  - lot: L${orderName[kind].slice(2)}\n    count: 8\n    faults:\n${bad.join("")}`,
      )
      .replace(/^line: .*$/m, `line: ${kind}`),
  );
}

/** One order goes through the line; in its middle everything stands still, and is looked at. */
async function travels(kind: Kind): Promise<void> {
  const heap = join(folder, `heap-${kind}`);
  mkdirSync(heap);
  const file = order(kind);
  const words = [`--heapsnapshot-signal=SIGUSR2`, `--diagnostic-dir=${heap}`, program, "run", file];
  const child = spawn(process.execPath, [...words, "--data", data, "--debug"], {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: folder,
    env: { PATH: "/usr/bin:/bin" },
  });
  let out = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (part: Buffer) => {
      out += part.toString();
    });
  const ended = once(child, "exit");
  const pid = child.pid ?? 0;
  const good = (): number => {
    try {
      return readdirSync(join(data, "shop-floor/good", orderName[kind])).length;
    } catch {
      return 0;
    }
  };
  while (child.exitCode === null && good() < 1) await sleep(5);
  if (child.exitCode === null) {
    const needles = masterNeedles();
    whileStill(pid, () => {
      for (const one of [pid, ...descendants(pid)]) {
        seen.processes.push(argumentsOf(one), readFileSync(`/proc/${String(one)}/environ`));
        const whose = one === pid ? "line" : isModule(one) ? "module" : "others";
        for (const name of inMemory(one, needles)) seen[whose].add(name);
      }
      for (const name of readdirSync(data))
        if (/\.db(-wal|-shm)?$/.test(name)) seen.disk.push(readFileSync(join(data, name)));
    });
    process.kill(pid, "SIGUSR2");
  }
  const [code] = (await ended) as [number];
  if (code !== 0) throw new Error(out);
  seen.out += out;
  for (const name of readdirSync(heap)) seen.heaps.push(readFileSync(join(heap, name)));
}

const masterNeedles = (): Map<string, Buffer[]> =>
  new Map([...masters].map(([name, bytes]) => [name, forms(bytes)] as const));
const issuerNeedles = (): Map<string, Buffer[]> =>
  new Map(issuerKeys.map((bytes, at) => [`the issuer's key of record ${String(at + 1)}`, forms(bytes)]));
const pinNeedles = (): Map<string, Buffer[]> =>
  new Map(pins.map((pin, at) => [`PIN ${String(at + 1)}`, pinForms(pin)]));
/** What nobody may find anywhere. */
const secrets = (): Map<string, Buffer[]> =>
  new Map([...masterNeedles(), ...cardKeys, ...issuerNeedles(), ...pinNeedles()]);
const nameNeedles = (): Map<string, Buffer[]> => new Map(names.map((name) => [name, textForms(name)]));

/** What a good card of this kind has of the module's keys. */
function keysOf(kind: Kind, serial: string): [string, Uint8Array][] {
  const number = unhex(serial);
  if (kind === "desfire") {
    const system = unhex("4E4F52444B4149");
    const own = (name: string, ...input: readonly string[]): Uint8Array =>
      diversifyAn10922(
        nodeCrypto,
        "AES-128",
        master(name),
        concat(number, ...input.map((part) => unhex(part)), system),
      );
    return [
      ["PICC key", own("desfire-picc", "000000")],
      ...["00", "01", "02"].map((at): [string, Uint8Array] => [
        `access key ${at}`,
        own("desfire-access-app", "F51C40", at),
      ]),
      ...["00", "01"].map((at): [string, Uint8Array] => [
        `canteen key ${at}`,
        own("desfire-canteen-app", "F51C41", at),
      ]),
    ];
  }
  const { enc, mac, dek } = diversifyKdf3(nodeCrypto, master("gp-issuer"), number);
  const set: [string, Uint8Array][] = [
    ["ENC", enc],
    ["MAC", mac],
    ["DEK", dek],
  ];
  // The application's key is the issuer's own where she made it.
  if (kind === "issuer") return set;
  return [...set, ["access key", diversifyKeyKdf3(nodeCrypto, master("access-app"), number, 1)]];
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-leak-kinds-"));
  data = join(folder, "data");
  mkdirSync(data);
  const keystore = join(data, "keystore.json");
  const unlock = { keyFile: join(data, "keystore.key") };
  await createKeystore({
    file: keystore,
    environment: "test",
    unlock,
    keys,
    letterPrinter: { writePrivateKeyTo: join(data, "letter-printer.pem") },
  });
  // Nobody published them: from here on the module says so too.
  const kept = openKeystore(keystore, unlock);
  const own = kept.keys.map((one) => (masters.has(one.name) ? { ...one, published: false } : one));
  sealKeystore(keystore, "test", own, unlock, kept);
  wipeValues(kept.keys);
  for (const kind of kinds) await travels(kind);
  const release = ["letters", "release", orderName.scp11, "--by", "A", "--witness", "B", "--json"];
  const released = persoline([...release, "--data", data]);
  if (released.code !== 0) throw new Error(released.err);
  pins = [...printedIn(join(data, "letter-printer.pem"), join(data, "letters")).values()].map(pinIn);
  const store = await openStore({ file: join(data, "persoline.db") });
  const labels = (kind: Kind): string[] => readdirSync(join(data, "shop-floor/good", orderName[kind]));
  for await (const { serial, label } of store.stock.list())
    for (const kind of kinds)
      if (labels(kind).some((body) => body.endsWith(label)))
        for (const [name, value] of keysOf(kind, serial)) cardKeys.set(`${name} of ${label}`, forms(value));
  await store.close();
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

test("the drill itself finds what is there", () => {
  expect(pins).toHaveLength(people);
  expect(pins.every((pin) => /^\d{12}$/.test(pin))).toBe(true);
  // The vault has its keys in bytes, but for the elliptic one, which OpenSSL keeps.
  const sought = [...masters.keys()].filter((name) => name !== "line-host");
  expect(sought.filter((name) => !seen.module.has(name))).toEqual([]);
  const bodies = (path: string): string[] =>
    readdirSync(path, { withFileTypes: true }).flatMap((one) =>
      one.isDirectory() ? bodies(join(path, one.name)) : [join(path, one.name)],
    );
  const floor = bodies(join(data, "shop-floor/good")).map((file) => readFileSync(file));
  const inCards = new Set(found(floor, secrets()));
  expect([...secrets().keys()].filter((name) => !masters.has(name) && !inCards.has(name))).toEqual([]);
  expect(cardKeys.size).toBe(people * (6 + 4 + 3));
  // What is said of the bad chips is among what is searched.
  expect(seen.out).toContain("card-cryptogram");
});

test("no master is in the memory of the line's process or of a child but the module", () => {
  expect([...seen.line]).toEqual([]);
  expect([...seen.others]).toEqual([]);
});

test("no key, no PIN and nothing of the issuer's is among the texts and objects of the line's process", () => {
  expect(seen.heaps).toHaveLength(kinds.length);
  for (const [at, kind] of kinds.entries()) expect(seen.heaps[at]?.includes(orderName[kind])).toBe(true);
  expect(found(seen.heaps, secrets())).toEqual([]);
});

test("none of it is in any file, nor in the database and its logs while cards were in work; names only in reports and letters", () => {
  const files = filesUnder(data).filter((file) => statSync(file).size > 0);
  expect(files.map((file) => file.slice(data.length + 1))).toEqual(
    expect.arrayContaining(["persoline.db", ...kinds.map((kind) => `journal-${kind}.db`)]),
  );
  expect(foundIn(files, secrets())).toEqual([]);
  expect(seen.disk.length).toBeGreaterThan(3 * kinds.length);
  expect(found(seen.disk, new Map([...secrets(), ...nameNeedles()]))).toEqual([]);
  const named = files.filter((file) => found(readFileSync(file), nameNeedles()).length > 0);
  expect(named.filter((file) => /\.db(-wal|-shm)?$|jsonl$|journal/.test(file))).toEqual([]);
});

test("nothing of it in arguments and environment of any process, nor in what the line says of good and bad cards, with --debug too", () => {
  expect(seen.processes.length).toBeGreaterThan(3 * kinds.length);
  const said = [...seen.processes, Buffer.from(seen.out)];
  expect(found(said, new Map([...secrets(), ...nameNeedles()]))).toEqual([]);
});
