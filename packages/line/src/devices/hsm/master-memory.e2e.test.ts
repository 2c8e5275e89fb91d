/**
 * Masters in the vault's process: where they lie while it is open, in use or retired, and that they lie nowhere once it was closed. Its memory
 * is searched for each as bytes, and as every text that a program might make of them.
 */
import { type ChildProcess, fork } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hex, unhex } from "@persoline/card/bytes";
import { random } from "@persoline/card/node";
import type { KeyRef, Serial } from "@persoline/card/program";
import { afterEach, beforeEach, expect, test } from "vitest";
import { forms, inMemory, whileStill } from "../../app/leak.test.data.js";
import { writeDurably } from "./durable.js";
import { sealKeystore, type StoredKey } from "./keystore.js";
import { openVault } from "./vault.js";

let folder: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-master-memory-"));
});
afterEach(() => {
  child?.kill("SIGKILL");
  child = undefined;
  rmSync(folder, { recursive: true });
});

/** Ends only when it is killed, with what it has let go collected: what is left then was left behind. */
const staying = `globalThis.process.exit=()=>{gc();gc();setInterval(()=>undefined,1000)}`;
const start = (file: URL, options: object): ChildProcess => {
  const execArgv = ["--expose-gc", "--import", `data:text/javascript,${encodeURIComponent(staying)}`];
  child = fork(file, [], { ...options, execPath: process.execPath, execArgv });
  return child;
};

const key = (
  name: string,
  use: StoredKey["use"],
  algorithm: StoredKey["algorithm"],
  value: Uint8Array,
  state?: "deactivated",
): StoredKey => ({
  name: name as KeyRef,
  use,
  algorithm,
  environment: "test",
  published: false,
  value,
  ...(state === undefined
    ? {}
    : {
        life: {
          state,
          since: "2026-01-01T00:00:00.000Z",
          source: "drawn",
          ceremony: "C-0001",
          kcv: "000000",
        },
      }),
});

const masters = {
  "in use": random(16),
  retired: random(16),
  idle: random(32),
  "idle triple DES": random(16),
  "seal of the store": random(32),
} as const;

function keystore(): { readonly file: string; readonly unlock: { readonly keyFile: string } } {
  const at = { file: join(folder, "keystore.json"), unlock: { keyFile: join(folder, "key") } };
  const pair = (type: "ed25519" | "x25519") => generateKeyPairSync(type as "ed25519");
  writeDurably(at.unlock.keyFile, random(32));
  sealKeystore(
    at.file,
    "test",
    [
      key("app", "application", "AES-128", masters["in use"]),
      key("old-app", "application", "AES-128", masters.retired, "deactivated"),
      key("issuer", "scp03", "AES-256", masters.idle),
      key("emv", "emv-ac", "3DES", masters["idle triple DES"]),
      key("store-seal", "seal", "AES-256", masters["seal of the store"]),
      key(
        "line-signature",
        "sign",
        "Ed25519",
        pair("ed25519").privateKey.export({ format: "der", type: "pkcs8" }),
      ),
      key(
        "letter-printer",
        "letter",
        "X25519",
        pair("x25519").publicKey.export({ format: "der", type: "spki" }),
      ),
    ],
    at.unlock,
  );
  return at;
}

const names = Object.keys(masters).sort();
const all = Object.entries(masters);
const raw = new Map(all.map(([name, value]) => [name, [Buffer.from(value)]] as const));
const texts = new Map(all.map(([name, value]) => [name, forms(value).slice(1)] as const));

test("masters are bytes while the vault is open, text never, and are nowhere once it was closed", async () => {
  const { file, unlock } = keystore();
  const keyBytes = readFileSync(unlock.keyFile);
  const hsm = await openVault({ file, unlock, start });
  const pid = child?.pid ?? 0;
  const serial = hex(unhex("504C0102030400000042")) as Serial;
  await hsm.keys();
  for (const name of ["app", "old-app"])
    await hsm.openProof({ serial, judges: [{ proof: "internal", keys: name as KeyRef, kid: 1 }] });
  const sealed = await hsm.createDataKey({ order: "memory" });
  await hsm.releaseDataKey({ order: "memory", sealed });

  const open = whileStill(pid, () => ({ raw: inMemory(pid, raw), text: inMemory(pid, texts) }));
  // What the vault works with is found: the search can find.
  expect([...open.raw].sort()).toEqual(names);
  expect([...open.text]).toEqual([]);
  expect([...inMemory(pid, new Map([["what opens the keystore", forms(keyBytes)]]))]).toEqual([]);

  const ended = once(child as ChildProcess, "disconnect");
  // It stays, whoever ends it, until the test has looked.
  Object.assign(child as ChildProcess, { kill: () => true });
  const closed = hsm.close();
  await ended;
  await closed;
  const left = whileStill(pid, () =>
    inMemory(pid, new Map([...all].map(([n, v]) => [n, forms(v)] as const))),
  );
  process.kill(pid, "SIGKILL");
  expect([...left]).toEqual([]);
});
