/** An order through the command line with its keys in a PKCS#11 token (SoftHSM 2), beside the same order with the vault. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { softToken, type SoftToken } from "../devices/hsm/pkcs11/softhsm.test.data.js";
import { begun, type Ended, idealLine, root, smallOrder } from "./command.test.data.js";
import type { Produced } from "./end-run.js";

const people = 6;
const program = join(root, "packages/line/bin/persoline.js");
let folder: string;
let soft: SoftToken;
let pinFile: string;
let order: string;
let line: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-token-line-"));
  soft = softToken(folder, "line");
  pinFile = join(folder, "pin");
  writeFileSync(pinFile, `${soft.access.pin}\n`, { mode: 0o600 });
  order = smallOrder(folder, people);
  line = idealLine(folder, "carousel", (text) =>
    text.replace(
      /stock:[\s\S]*/,
      "stock: [{ lot: L1, count: 12, faults: [{ blanks: { number: 2 }, fault: { kind: wrong-loader-key } }] }]\n",
    ),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

const tokenWords = (token = soft) => [
  "--security",
  "pkcs11",
  "--token",
  token.access.label,
  "--token-library",
  token.access.library,
  "--token-pin-fd",
  "3",
];

/** The PIN comes by a file descriptor of its own. */
function persoline(words: readonly string[], token: SoftToken | undefined = soft): Ended {
  const pin = openSync(pinFile, "r");
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...words], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe", pin],
    env: token === undefined ? {} : { ...token.environment },
    maxBuffer: 1 << 26,
    timeout: 300_000,
  });
  return { code: status, out: stdout, err: stderr };
}

test("makes the same cards as with the vault, its PINs, letters and signatures included", () => {
  const made = [
    { data: join(folder, "token"), more: tokenWords() },
    { data: join(folder, "vault"), more: [] },
  ].map(({ data, more }) => {
    const ended = persoline(["run", order, "--line", line, "--data", data, "--json", "--seed", "5", ...more]);
    expect(ended).toMatchObject({ code: 0, err: "" });
    const release = ["letters", "release", "T-1", "--by", "Ada", "--witness", "Bo", "--json"];
    const released = persoline([...release, "--data", data, ...more]);
    expect(JSON.parse(released.out)).toMatchObject({ batches: [{ batch: "B-0000001", letters: people }] });
    expect(persoline(["order", "deliver", "T-1", "--by", "Ada", "--data", data, ...more])).toMatchObject({
      code: 0,
    });
    expect(persoline(["audit", "verify", "--data", data, ...more])).toMatchObject({ code: 0 });
    const { produced, held, balanced, blanks, rejects } = JSON.parse(ended.out) as Produced;
    return { produced, held, balanced, blanks, rejects: rejects.map(({ station, code }) => [station, code]) };
  });
  expect(made[0]).toEqual(made[1]);
  expect(made[0]).toMatchObject({
    produced: people,
    balanced: true,
    rejects: [["completion", "card-cryptogram"]],
  });
  expect(existsSync(join(folder, "token/keystore.json"))).toBe(false);
});

test("tells the levels it keeps, and its keys; a folder's keys are in one place", () => {
  const data = join(folder, "token");
  const { out } = persoline(["security", "--data", data, "--json", ...tokenWords()]);
  expect(JSON.parse(out)).toMatchObject({
    provider: "pkcs11 (line)",
    operations: { scp03: { level: "token" }, pin: { level: "module-process" } },
  });
  const without = persoline(["audit", "verify", "--data", data]);
  expect(without).toMatchObject({ code: 1, err: expect.stringContaining("are in a token") as string });
  const with_ = persoline(["security", "--data", join(folder, "vault"), ...tokenWords()]);
  expect(with_.err).toContain("in its keystore, not in a token");
  expect(persoline(["security", "--data", data, "--token", "line"]).err).toContain("--security pkcs11");
});

test("a level that it cannot keep refuses the order before a card moves, with operation, wanted and kept level", () => {
  const strict = join(folder, "strict.yaml");
  writeFileSync(
    strict,
    readFileSync(order, "utf8").replace('order: "T-1"', 'order: "T-2"') +
      "security: { default: token, seal: module-process, data-key: trusted-host }\n",
  );
  const data = join(folder, "strict");
  const other = softToken(join(folder, "strict-token"), "strict");
  const objects = () =>
    readdirSync(other.folder, { recursive: true }).filter((name) => String(name).endsWith(".object"));
  const before = objects();
  const { code, err } = persoline(
    ["run", strict, "--line", line, "--data", data, ...tokenWords(other)],
    other,
  );
  expect(code).toBe(1);
  expect(err).toMatch(/pin must be kept at token, and pkcs11 \(strict\) keeps it at module-process/);
  expect(err).toMatch(/letter must be kept at token/);
  expect(err).not.toMatch(/scp03 must|loader must|seal must|data-key must|keys-to-card must/);
  // No body was made, none was received, no order was taken in.
  expect(readdirSync(data)).not.toContain("shop-floor");
  expect(readdirSync(data)).not.toContain("persoline.db");
  // The level is judged before a key is made: neither the folder nor the token is used up by a refused order.
  expect(readdirSync(data)).toEqual(["audit"]);
  expect(objects()).toEqual(before);
});

test("what a token can do is told before anything is made in it; what is wrong with its name, library or PIN is said as such", () => {
  const other = softToken(join(folder, "bare-token"), "bare");
  const nowhere = join(folder, "nowhere");
  const security = (words: readonly string[] = tokenWords(other)): Ended =>
    persoline(["security", "--data", nowhere, ...words], other);
  const told = security();
  expect(told.code).toBe(0);
  expect(told.out).toMatch(/^pkcs11 \(bare\); memory: /);
  expect(told.out).toMatch(/^scp03 +token +yes/m);
  expect(told.out).toContain(`There are no keys for ${nowhere} yet`);
  expect(JSON.parse(security([...tokenWords(other), "--json"]).out)).toMatchObject({
    operations: { scp03: { level: "token" }, pin: { level: "module-process" } },
    keys: [],
  });
  const but = (option: string, value: string): readonly string[] =>
    tokenWords(other).map((word, at, all) => (all[at - 1] === option ? value : word));
  expect(security(but("--token", "unheard"))).toMatchObject({
    code: 1,
    err: expect.stringContaining("unheard") as string,
  });
  expect(security(but("--token-library", join(folder, "no.so")))).toMatchObject({
    code: 1,
    err: expect.stringContaining("no.so") as string,
  });
  const right = pinFile;
  pinFile = join(folder, "wrong-pin");
  writeFileSync(pinFile, "not the pin\n", { mode: 0o600 });
  expect(security().err).toContain("the PIN was refused");
  pinFile = right;
  for (const words of [[], ["--json"]])
    expect(security([...words, ...tokenWords(other)]).err).not.toContain("there are no keys");
  expect(existsSync(nowhere)).toBe(false);
});

test("a 3DES product at level token is refused on SoftHSM; AES-256 sessions too", () => {
  const product = join(folder, "des.yaml");
  const text = readFileSync(join(root, "examples/products/gp-access/product.yaml"), "utf8");
  const initial = /^initial: .*$/m;
  const channel = /^channel: .*$/m;
  const keys = join(folder, "des-keys.yaml");
  writeFileSync(
    keys,
    readFileSync(join(root, "examples/keys/gp-test-keys.yaml"), "utf8").replace(
      /\{ name: gp-fab.*\}/,
      '{ name: gp-fab, use: scp02, published: "404142434445464748494A4B4C4D4E4F" }',
    ),
  );
  writeFileSync(
    product,
    `${text.replace(
      initial,
      'initial: { protocol: scp02, i: "55", level: "03", keys: gp-fab, version: "FF", diversify: visa2 }',
    )}\nsecurity: { scp02: token, scp03-long: token }\n`,
  );
  expect(text).toMatch(channel);
  const file = join(folder, "des-order.yaml");
  const example = join(root, "examples/gp-access");
  writeFileSync(
    file,
    readFileSync(join(example, "order.yaml"), "utf8")
      .replace(/^product: .*$/m, `product: ${product}`)
      .replace(/^keys: .*$/m, `keys: ${keys}`)
      .replace(/^line: .*$/m, `line: ${line}`)
      .replace(/file: (\S+)/, `file: ${example}/$1`),
  );
  const other = softToken(join(folder, "des-token"), "des");
  const { code, err } = persoline(["run", file, "--data", join(folder, "des"), ...tokenWords(other)], other);
  expect(code).toBe(1);
  expect(err).toMatch(
    /scp02 must be kept at token, and pkcs11 \(des\) keeps it at module-process.*single DES/,
  );
  expect(err).toMatch(/scp03-long must be kept at token/);
  expect(readdirSync(join(folder, "des"))).not.toContain("shop-floor");

  // Its issuer's set is of AES-256, and goes in under SCP02: no token wraps it, whatever it does with others.
  writeFileSync(
    product,
    readFileSync(product, "utf8").replace(
      "{ scp02: token, scp03-long: token }",
      "{ keys-to-card: token, keys-to-card-clear: token }",
    ),
  );
  const clear = persoline(["run", file, "--data", join(folder, "des"), ...tokenWords(other)], other);
  expect(clear.code).toBe(1);
  expect(clear.err).toContain(
    "keys-to-card-clear must be kept at token, and pkcs11 (des) keeps it at module-process",
  );
  expect(clear.err).not.toContain("keys-to-card must");
  expect(readdirSync(join(folder, "des"))).not.toContain("shop-floor");
});

test("an issuer's file at level token: its secrets go from the transport key to the cards without leaving SoftHSM", () => {
  const example = join(root, "examples/issuer-access");
  const desk = idealLine(folder, "desk-ten", (text) => text.replace(/ *faults:[\s\S]*$/, ""));
  const text = readFileSync(join(example, "order.yaml"), "utf8")
    .replace(/^line: .*$/m, `line: ${desk}`)
    .replaceAll(/\.\.\//g, `${join(root, "examples")}/`)
    .replace("file: cards.issuer", `file: ${join(example, "cards.issuer")}`);
  const file = join(folder, "issuer-order.yaml");
  writeFileSync(file, `${text}security: { issuer-data: token, issuer-data-clear: token }\n`);
  const other = softToken(join(folder, "issuer-token"), "issuer");
  const data = join(folder, "issuer");
  const done = persoline(["run", file, "--data", data, "--json", ...tokenWords(other)], other);
  expect([done.code, done.err]).toEqual([0, ""]);
  expect(JSON.parse(done.out)).toMatchObject({ produced: 5, balanced: true, rejects: [] });
});

const children = (pid: number): number[] =>
  readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, "utf8")
    .trim()
    .split(" ")
    .map(Number);
const isModule = (pid: number): boolean =>
  readFileSync(`/proc/${String(pid)}/cmdline`, "utf8").includes("pkcs11-process");

test.each(["SIGKILL", "SIGSTOP"] as const)(
  "the token's process gets %s in mid-order: the line stops, nobody is rejected, the same command finishes",
  async (signal) => {
    const other = softToken(join(folder, signal), "cut");
    const data = join(folder, `${signal}-data`);
    // More than there are places for, so that some chips still wait when the first card is good.
    const many = 12;
    const home = join(folder, `${signal}-order`);
    mkdirSync(home);
    const large = smallOrder(home, many);
    const slow = line.replace("carousel.yaml", `${signal}.yaml`);
    writeFileSync(
      slow,
      readFileSync(line, "utf8").replace(/stock:[\s\S]*/, "stock: [{ lot: L1, count: 20 }]\n"),
    );
    const words = ["run", large, "--line", slow, "--data", data, "--json", ...tokenWords(other)];
    const pin = openSync(pinFile, "r");
    const child = begun(words, { ...other.environment, PERSOLINE_HSM_SECONDS: "15" }, pin);
    let out = "";
    let err = "";
    child.stdout?.on("data", (part: Buffer) => (out += part.toString()));
    child.stderr?.on("data", (part: Buffer) => (err += part.toString()));
    const closed = once(child, "close");
    for (;;) {
      await sleep(10);
      expect([child.exitCode, err]).toEqual([null, ""]);
      if (existsSync(join(data, "shop-floor/good/T-1"))) {
        if (readdirSync(join(data, "shop-floor/good/T-1")).length > 0) break;
      }
    }
    process.kill(children(child.pid ?? 0).find(isModule) ?? 0, signal);
    expect(await closed).toEqual([1, null]);
    expect(err).toMatch(signal === "SIGKILL" ? /the token's process ended/ : /has not answered for 15 s/);
    if (out === "") throw new Error(err);
    expect(JSON.parse(out)).toMatchObject({ records: many, balanced: true, rejects: [] });
    const last = persoline(words, other);
    expect(last).toMatchObject({ code: 0, err: "" });
    expect(JSON.parse(last.out)).toMatchObject({
      produced: many,
      balanced: true,
      blanks: { used: many, rejected: 0 },
    });
  },
);
