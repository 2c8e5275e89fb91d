/** The provider for tokens on a real PKCS#11 library, against virtual cards that know nothing of it. */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Command, decodeResponse, encodeCommand, type Response } from "@persoline/card/apdu";
import { hex, unhex } from "@persoline/card/bytes";
import { cmac } from "@persoline/card/crypto";
import { diversify3des, diversifyKdf3, diversifyKeyKdf3, type KeySet } from "@persoline/card/globalplatform";
import { nodeCrypto, random } from "@persoline/card/node";
import type { KeyRef, Part, SecureChannelSpec, SecureStep, Serial } from "@persoline/card/program";
import {
  fabricateGlobalPlatform,
  makeVirtualCard,
  memoryStore,
  type VirtualCard,
} from "@persoline/card/virtual";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openLetter } from "../letter.js";
import type { Hsm } from "../port.js";
import { createTokenKeys, openToken, type TokenCeremony } from "./pkcs11.js";
import { softToken, type SoftToken } from "./softhsm.test.data.js";

/** Published values of this test's own; each is made of one byte that grows. */
const masterOf = (length: number, first: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => first + at);
const masters = {
  fab128: { use: "scp03", algorithm: "AES-128", value: masterOf(16, 0x10) },
  fab192: { use: "scp03", algorithm: "AES-192", value: masterOf(24, 0x30) },
  fab256: { use: "scp03", algorithm: "AES-256", value: masterOf(32, 0x50) },
  fabdes: { use: "scp02", algorithm: "3DES", value: masterOf(16, 0x80) },
  gate: { use: "application", algorithm: "AES-128", value: masterOf(16, 0xa0) },
} as const;
const chip = unhex("504C0102030400000042");
const serial = hex(chip) as Serial;
const ref = (name: string) => name as KeyRef;

let folder: string;
let token: SoftToken;
let hsm: Hsm;
const register = () => join(folder, "token-keys.json");
const ceremony = (
  file: string,
  soft: SoftToken,
  more: Partial<TokenCeremony["unlock"]> = {},
): TokenCeremony => ({
  file,
  environment: "test",
  unlock: { ...soft.access, ...more },
  keys: [
    ...Object.entries(masters).map(([name, { use, algorithm, value }]) => ({
      name,
      use,
      algorithm,
      published: hex(value),
    })),
    { name: "desfire", use: "desfire", published: "00112233445566778899AABBCCDDEEFF" },
    { name: "issuer128", use: "scp03" },
    { name: "issuer256", use: "scp03", algorithm: "AES-256" },
    { name: "issuerdes", use: "scp02" },
  ],
  letterPrinter: { writePrivateKeyTo: `${file}.pem` },
});
const opened = (more: Partial<TokenCeremony["unlock"]> = {}, options = {}) =>
  openToken(
    { file: register(), unlock: { ...token.access, ...more } },
    { environment: token.environment, ...options },
  );

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-token-"));
  token = softToken(folder, "persoline test");
  await createTokenKeys(ceremony(register(), token), { environment: token.environment });
  hsm = await opened();
});
afterAll(async () => {
  await hsm.close();
  rmSync(folder, { recursive: true });
});

function cardWith(keys: KeySet, algorithm: "aes" | "3des"): VirtualCard {
  const content = fabricateGlobalPlatform({
    chipNumber: chip,
    keySets: [{ kvn: 0xff, algorithm, ...keys }],
    i03: 0x70,
    i02: 0x55,
  });
  const card = makeVirtualCard({ eeprom: memoryStore(content), random, crypto: nodeCrypto });
  card.powerOn();
  return card;
}
const send = (card: VirtualCard, command: Command): Response =>
  decodeResponse(card.transmit(encodeCommand(command)) ?? new Uint8Array(0));

async function session(by: Hsm, card: VirtualCard, channel: SecureChannelSpec, steps: readonly SecureStep[]) {
  const { session: id, open } = await by.openSession({ channel, serial });
  const ready = await by.authenticate({ session: id, answer: send(card, open), steps });
  if (!ready.ok) return ready;
  if ("more" in ready) throw new Error("one pass is enough for these cards");
  const answers = ready.commands.map((command) => send(card, command));
  expect(answers[0]?.sw).toBe(0x9000);
  return by.unwrap({ session: id, answers: answers.slice(1) });
}
const keyInformation: SecureStep = { cla: 0x80, ins: 0xca, p1: 0, p2: 0xe0, data: [], le: 256 };
const putKey = (part: Extract<Part, { secret: "key-set" }>): SecureStep => ({
  cla: 0x80,
  ins: 0xd8,
  p1: 0x00,
  p2: 0x81,
  data: [part],
  le: 256,
});
const scp03 = (master: string, kvn = 0xff): SecureChannelSpec => ({
  protocol: "scp03",
  keys: ref(master),
  kvn,
  level: 0x33,
});
const scp02: SecureChannelSpec = {
  protocol: "scp02",
  keys: ref("fabdes"),
  kvn: 0xff,
  level: 0x03,
  i: 0x55,
  diversify: "visa2",
};
const aesCard = (master: "fab128" | "fab192" | "fab256") =>
  cardWith(diversifyKdf3(nodeCrypto, masters[master].value, chip), "aes");
const made = { secret: "key-set", keys: ref("issuer128"), kvn: 0x31 } as const;

describe("what the token shows at start", () => {
  test("is reported operation by operation: AES-128 stays inside, the rest is said to be in the module's process", async () => {
    const { provider, operations } = await hsm.capabilities();
    expect(provider).toBe("pkcs11 (persoline test)");
    const levels = Object.fromEntries(Object.entries(operations).map(([name, { level }]) => [name, level]));
    expect(levels).toEqual({
      loader: "token",
      scp03: "token",
      "keys-to-card": "token",
      proof: "token",
      gate: "token",
      sign: "token",
      random: "token",
      scp02: "module-process",
      "scp03-long": "module-process",
      desfire: "module-process",
      "issuer-data": "token",
      "issuer-data-clear": "module-process",
      "emv-keys": "module-process",
      "emv-rsa": "module-process",
      "emv-issuer": "token",
      "emv-cryptogram": "module-process",
      pin: "module-process",
      letter: "module-process",
      seal: "module-process",
      "shared-keys": "unavailable",
    });
    const lesser = Object.values(operations).filter(({ level }) => level !== "token");
    for (const { note } of lesser) expect(note).toMatch(/\w{4}/);
  });

  test("a poorer token does the same work in the module's process, and says so", async () => {
    const poor = await opened({ missing: ["kept-keys"] });
    onTestFinished(() => poor.close());
    const { operations } = await poor.capabilities();
    expect(operations.scp03).toMatchObject({ level: "module-process", probed: true });
    const card = aesCard("fab128");
    expect(await session(poor, card, scp03("fab128"), [putKey(made)])).toMatchObject({ ok: true });
    // What one put in, the other opens: both derive the same keys.
    expect(await session(hsm, card, scp03("issuer128", 0x31), [keyInformation])).toMatchObject({ ok: true });
  });
});

describe("cards of every kind", () => {
  test.each(["fab128", "fab192", "fab256"] as const)(
    "SCP03 from %s, and an issuer's set put in",
    async (master) => {
      const card = aesCard(master);
      const done = await session(hsm, card, scp03(master), [keyInformation, putKey(made)]);
      expect(done).toMatchObject({ ok: true, answers: [{ sw: 0x9000 }, { sw: 0x9000, verdict: "right" }] });
      const again = await session(hsm, card, scp03("issuer128", 0x31), [keyInformation]);
      expect(again).toMatchObject({ ok: true });
    },
  );

  test("AES-256 put in from a session of AES-128 keys, and SCP02", async () => {
    const long = { secret: "key-set", keys: ref("issuer256"), kvn: 0x31, form: "aes-256" } as const;
    const card = aesCard("fab128");
    expect(await session(hsm, card, scp03("fab128"), [putKey(long)])).toMatchObject({
      ok: true,
      answers: [{ verdict: "right" }],
    });
    expect(await session(hsm, card, scp03("issuer256", 0x31), [keyInformation])).toMatchObject({ ok: true });
    const old = cardWith(diversify3des(nodeCrypto, masters.fabdes.value, chip, "visa2"), "3des");
    const des = {
      secret: "key-set",
      keys: ref("issuerdes"),
      kvn: 2,
      form: "3des",
      diversify: "visa2",
    } as const;
    expect(await session(hsm, old, scp02, [putKey(des)])).toMatchObject({
      ok: true,
      answers: [{ verdict: "right" }],
    });
  });

  test("a card with other keys is found out before EXTERNAL AUTHENTICATE, and no try is lost", async () => {
    const card = cardWith(diversifyKdf3(nodeCrypto, masterOf(16, 1), chip), "aes");
    const before = card.counters.pagesWritten;
    expect(await session(hsm, card, scp03("fab128"), [])).toMatchObject({
      ok: false,
      code: "card-cryptogram",
    });
    expect(card.counters.pagesWritten).toBe(before);
  });

  test("a gate's mutual authentication is the one of docs/card-os.md 6", async () => {
    const cardChallenge = random(16);
    const { session: id, data } = await hsm.openMutual({ keys: ref("gate"), kid: 1, serial, cardChallenge });
    const key = nodeCrypto.aes(diversifyKeyKdf3(nodeCrypto, masters.gate.value, chip, 1));
    const host = data.subarray(0, 16);
    const parts = (...all: Uint8Array[]) => new Uint8Array(Buffer.concat(all));
    expect(hex(data.subarray(16))).toBe(hex(cmac(key, parts(Uint8Array.of(3), chip, cardChallenge, host))));
    const answer = cmac(key, parts(Uint8Array.of(4), chip, host, cardChallenge));
    expect(await hsm.judgeMutual({ session: id, answer })).toBe("right");
  });

  test("a DESFire card's key by AN10922 opens its session", async () => {
    const uid = unhex("04782E21801D80");
    const master = {
      keys: ref("desfire"),
      input: ["uid" as const, unhex("3042F5"), unhex("4E585020416275")],
    };
    const { session: id } = await hsm.openSession({
      channel: { protocol: "desfire", version: "ev2", aid: 0, keyNumber: 0, key: master },
      serial: hex(uid) as Serial,
    });
    const asked = (sw: number, data: Uint8Array): Response => ({ data, sw: sw as Response["sw"] });
    await hsm.authenticate({ session: id, answer: asked(0x9100, new Uint8Array(0)), steps: [] });
    // The card's challenge under the key that NXP AN10922 gives in its example (2.2.1).
    const key = nodeCrypto.aes(unhex("A8DD63A3B89D54B37CA802473FDA9175"));
    const challenge = random(16);
    const sealed = key.cbcEncrypt(new Uint8Array(16), challenge);
    const next = await hsm.authenticate({ session: id, answer: asked(0x91af, sealed), steps: [] });
    if (!next.ok || !("more" in next)) throw new Error("no second pass");
    const sent = key.cbcDecrypt(new Uint8Array(16), (next.more.data ?? new Uint8Array(0)).slice(0, 32));
    expect(hex(sent.subarray(16))).toBe(
      hex(new Uint8Array([...challenge.subarray(1), ...challenge.subarray(0, 1)])),
    );
    await hsm.closeSession(id);
  });

  test("keys that all cards share cannot be in a token, and a key has one purpose", async () => {
    const shared = { ...scp02, diversify: "none" } as const;
    const card = cardWith(diversify3des(nodeCrypto, masters.fabdes.value, chip, "visa2"), "3des");
    await expect(session(hsm, card, shared, [])).rejects.toThrow("need the vault");
    await expect(
      hsm.openMutual({ keys: ref("fab128"), kid: 1, serial, cardChallenge: random(16) }),
    ).rejects.toThrow("one purpose");
  });
});

test("PINs, letters, seals and signatures survive a new start of the module", async () => {
  const whose = { order: "A-1", record: 1, name: "pin" };
  const sealed = await hsm.drawPin({ ...whose, length: 6 });
  const dataKey = await hsm.createDataKey("A-1");
  const clear = await hsm.releaseDataKey({ order: "A-1", sealed: dataKey });
  const signature = await hsm.sign("audit", clear);
  const other = await opened();
  onTestFinished(() => other.close());
  expect(await other.releaseDataKey({ order: "A-1", sealed: dataKey })).toEqual(clear);
  expect(await other.verify("audit", clear, signature)).toBe(true);
  expect(await other.verify("result", clear, signature)).toBe(false);
  const file = join(folder, "one.letter");
  await other.writeLetters([{ ...whose, sealed, letter: "L1", addressee: "Ada", file }]);
  const letter = openLetter(readFileSync(`${register()}.pem`, "utf8"), readFileSync(file, "utf8"));
  expect(letter).toMatch(/Your PIN: \d{6}\n/);
});

describe("what is refused", () => {
  test("a wrong PIN, a token that is not there, a library that is none; the PIN is never told", async () => {
    await expect(opened({ pin: "000000" })).rejects.toMatchObject({
      code: "wrong-passphrase",
      message: expect.not.stringContaining("000000") as string,
    });
    await expect(opened({ label: "another" })).rejects.toMatchObject({ code: "missing" });
    await expect(opened({ library: "/etc/hostname" })).rejects.toMatchObject({ code: "missing" });
  });

  test("an altered register, and keys made over others", async () => {
    const text = readFileSync(register(), "utf8");
    const altered = join(folder, "altered.json");
    writeFileSync(altered, text.replace('"use": "application"', '"use": "loader"'));
    await expect(
      openToken({ file: altered, unlock: token.access }, { environment: token.environment }),
    ).rejects.toMatchObject({ code: "not-ours" });
    const again = ceremony(join(folder, "again.json"), token);
    await expect(createTokenKeys(again, { environment: token.environment })).rejects.toMatchObject({
      code: "exists",
    });
    expect(readdirSync(folder)).not.toContain("again.json");
  });

  test("published keys in a live token", async () => {
    const soft = softToken(join(folder, "live"), "live");
    const live = { ...ceremony(join(folder, "live.json"), soft), environment: "live" as const };
    await expect(createTokenKeys(live, { environment: soft.environment })).rejects.toMatchObject({
      code: "environment",
    });
  });
});

describe("a module that fails in the middle of a card", () => {
  const watched = async (options = {}) => {
    let child: ChildProcess | undefined;
    const one = await opened(
      {},
      {
        ...options,
        start: (file: URL, how: object) => {
          child = fork(file, [], how);
          return child;
        },
      },
    );
    onTestFinished(() => one.close());
    const pid = child?.pid ?? 0;
    return { one, pid };
  };
  const half = async (one: Hsm) => {
    const card = aesCard("fab128");
    const { session: id, open } = await one.openSession({ channel: scp03("fab128"), serial });
    return { card, id, answer: send(card, open) };
  };

  test("killed: whoever waits gets the machine's fault, and a new one goes on", async () => {
    const { one, pid } = await watched();
    const { card, id, answer } = await half(one);
    const before = card.counters.pagesWritten;
    process.kill(pid, "SIGKILL");
    await expect(one.authenticate({ session: id, answer, steps: [] })).rejects.toMatchObject({
      name: "DeviceFault",
      code: "security-module",
    });
    expect(card.counters.pagesWritten).toBe(before);
    expect(await session(hsm, card, scp03("fab128"), [keyInformation])).toMatchObject({ ok: true });
  });

  test("stopped: ended after its deadline", async () => {
    const { one, pid } = await watched({ deadlineMs: 1500 });
    process.kill(pid, "SIGSTOP");
    await expect(one.random(16)).rejects.toThrow("the token has not answered for 1.5 s");
  });

  test("the token is gone: a fault that says so; when it is back, keys are found again", async () => {
    const { one } = await watched();
    const { card, id, answer } = await half(one);
    const before = card.counters.pagesWritten;
    const away = `${token.folder}.away`;
    renameSync(token.folder, away);
    try {
      await expect(one.authenticate({ session: id, answer, steps: [] })).rejects.toMatchObject({
        code: "security-module",
        message: expect.stringMatching(/persoline test/) as string,
      });
    } finally {
      renameSync(away, token.folder);
    }
    expect(card.counters.pagesWritten).toBe(before);
    expect(await session(one, card, scp03("fab128"), [keyInformation])).toMatchObject({ ok: true });
  });
});
