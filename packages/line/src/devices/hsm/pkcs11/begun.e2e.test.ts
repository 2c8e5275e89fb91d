/** A process that dies in the middle of making keys leaves nothing in the token that the next one could not take away. */
import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { Desk, opened, plan } from "../office/office.test.data.js";
import { createTokenKeys, type TokenCeremony } from "./pkcs11.js";
import { readRegister } from "./register.js";
import { softToken, type SoftToken } from "./softhsm.test.data.js";
import { findable, Token } from "./token.js";
import { openTokenOffice } from "./token-office.js";

function place(label: string): { folder: string; soft: SoftToken; file: string; begun: string } {
  const folder = mkdtempSync(join(tmpdir(), "persoline-begun-"));
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });
  const soft = softToken(folder, label);
  for (const [name, value] of Object.entries(soft.environment)) vi.stubEnv(name, value);
  const file = join(folder, "token-keys.json");
  return { folder, soft, file, begun: `${file}.begun` };
}

const RSA = { use: "emv-issuer", algorithm: "RSA-1408" } as const;
const ceremony = (folder: string, file: string, unlock: TokenCeremony["unlock"]): TokenCeremony => ({
  file,
  unlock,
  environment: "test",
  keys: [
    { name: "a1", use: "scp03" },
    { name: "a2", use: "scp03" },
    { name: "r1", ...RSA },
    { name: "r2", ...RSA },
    { name: "r3", ...RSA },
  ],
  letterPrinter: { writePrivateKeyTo: join(folder, "printer.pem") },
});

const objects = (folder: string): number =>
  execFileSync("find", [folder, "-name", "*.object"]).toString().split("\n").filter(Boolean).length;

async function counted(soft: SoftToken, label: string): Promise<number> {
  const token = await Token.open(soft.access);
  try {
    return findable.reduce((sum, kind) => sum + token.find(label, kind).length, 0);
  } finally {
    token.disconnect();
  }
}

test("killed between the first key and the register, the same command sweeps what was begun and goes through", async () => {
  const { folder, soft, file, begun } = place("killed");
  let child: ChildProcess | undefined;
  const start = (module: URL, options: object) => (child = fork(module, [], options));
  const first = createTokenKeys(ceremony(folder, file, soft.access), {
    environment: soft.environment,
    start,
  }).then(
    () => "made",
    () => "died",
  );
  while (objects(soft.folder) < 3 && !existsSync(file)) await new Promise((done) => setTimeout(done, 1));
  child?.kill("SIGKILL");
  expect([await first, existsSync(file), existsSync(begun)]).toEqual(["died", false, true]);
  const told = JSON.parse(readFileSync(begun, "utf8")) as { serial: string; labels: string[] };
  expect(told.labels).toEqual(expect.arrayContaining(["a1", "r3", "store-seal", "line-signature"]));

  // Another token of the label is not shown the PIN, nor swept.
  writeFileSync(begun, JSON.stringify({ ...told, serial: "another" }));
  const elsewhere = createTokenKeys(ceremony(folder, file, soft.access), { environment: soft.environment });
  await expect(elsewhere).rejects.toThrow(/serial another.*its PIN was not tried/);
  writeFileSync(begun, JSON.stringify(told));

  await createTokenKeys(ceremony(folder, file, soft.access), { environment: soft.environment });
  expect(existsSync(begun)).toBe(false);
  expect(readRegister(file).keys.map(({ name }) => name)).toEqual(expect.arrayContaining(["a1", "r3"]));
  expect([
    await counted(soft, "a1"),
    await counted(soft, "r1"),
    await counted(soft, "line-signature"),
  ]).toEqual([1, 2, 2]);
}, 120_000);

test("a key of the label that this attempt did not make is never swept", async () => {
  const { folder, soft, file, begun } = place("strangers");
  const token = await Token.open(soft.access);
  const { serial } = token;
  token.makeMaster({ label: "a1", algorithm: "AES-128" });
  token.mark = new Uint8Array(12).fill(1);
  token.makeMaster({ label: "a1", algorithm: "AES-128" });
  token.disconnect();
  const mark = "02".repeat(12);
  const content = {
    format: "persoline-token-begun",
    version: 1,
    token: "strangers",
    serial,
    mark,
    labels: ["a1"],
  };
  writeFileSync(begun, JSON.stringify(content));
  const made = createTokenKeys(ceremony(folder, file, soft.access), { environment: soft.environment });
  await expect(made).rejects.toThrow("a key a1 is there already, and is never overwritten");
  expect(await counted(soft, "a1")).toBe(2);
}, 120_000);

test("what a key office that was killed before it wrote had made goes at the next one; what it wrote stays", async () => {
  const { folder, soft, file, begun } = place("office");
  const asked = { ...ceremony(folder, file, soft.access), keys: [] };
  await createTokenKeys(asked, { environment: soft.environment });
  const office = await openTokenOffice(file, soft.access);
  const desk = await opened("test", office);
  await desk.both({ do: "generate", key: plan("kept") });
  expect(existsSync(begun)).toBe(false);
  office.room.take(plan("lost"), new Uint8Array(16).fill(7));
  expect(await counted(soft, "lost")).toBe(1);
  // Another office would take away what this one has begun, and write over what it will write: it is refused, before the PIN is tried.
  const busy = `another key office is open on these keys (process ${String(process.pid)}), and nothing was done`;
  await expect(openTokenOffice(file, { ...soft.access, pin: "none" })).rejects.toThrow(busy);
  const made = createTokenKeys(asked, { environment: soft.environment });
  await expect(made).rejects.toThrow(busy);
  expect(await counted(soft, "lost")).toBe(1);
  expect(existsSync(begun)).toBe(true);
  // It dies here: nothing is written, nothing closed, and its note is of a process that is no more.
  writeFileSync(`${file}.office`, JSON.stringify({ pid: process.pid, began: "1" }));

  const next = await openTokenOffice(file, soft.access);
  expect(existsSync(begun)).toBe(false);
  expect(new Desk("test", next).key("kept").life?.state).toBe("active");
  next.close();
  expect(existsSync(`${file}.office`)).toBe(false);
  expect([await counted(soft, "lost"), await counted(soft, "kept")]).toEqual([0, 1]);
  // One that could not be opened keeps nobody away.
  await expect(openTokenOffice(file, { ...soft.access, label: "none" })).rejects.toThrow("none");
  (await openTokenOffice(file, soft.access)).close();
}, 120_000);
