/** The provider for tokens on a real PKCS#11 library, against virtual cards that know nothing of it. */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Response } from "@persoline/card/apdu";
import { hex, unhex } from "@persoline/card/bytes";
import { cmac } from "@persoline/card/crypto";
import { diversify3des, diversifyKdf3, diversifyKeyKdf3 } from "@persoline/card/globalplatform";
import { nodeCrypto, random } from "@persoline/card/node";
import type { SecureChannelSpec, SecureStep, Serial } from "@persoline/card/program";
import { fabricateDesfire, makeDesfireCard, memoryStore } from "@persoline/card/virtual";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { pinIn, printed } from "../letters/letters.test.data.js";
import {
  cardWith,
  chip,
  keyInformation,
  masterOf,
  masters,
  publishedMasters,
  putKey,
  ref,
  send,
  serial,
  sessionBy,
} from "../channel-cards.test.data.js";
import { anyPin, openOrder, orderOfSteps } from "../order.test.data.js";
import type { Hsm } from "../port.js";
import { createTokenKeys, openToken, type TokenCeremony } from "./pkcs11.js";
import { softToken, type SoftToken } from "./softhsm.test.data.js";

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
    ...publishedMasters,
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
  cardWith(diversifyKdf3(nodeCrypto, masters[master].value, chip), "aes", { i03: 0x70, i02: 0x55 });
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
      "keys-to-card-clear": "module-process",
      proof: "token",
      gate: "token",
      sign: "token",
      random: "token",
      "data-key": "trusted-host",
      scp02: "module-process",
      "scp03-long": "module-process",
      scp11: "unavailable",
      desfire: "module-process",
      "desfire-first-keys": "session-keys-in-host",
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

  test("keys are told as drawn there or brought in, and none can be changed or copied", async () => {
    const told = new Map<string, unknown>((await hsm.keys()).map(({ name, standing }) => [name, standing]));
    for (const drawn of ["issuer128", "issuer256", "issuerdes", "store-seal"])
      expect([drawn, told.get(drawn)]).toEqual([drawn, { born: true, fixed: true }]);
    for (const published of ["fab128", "fab256", "fabdes", "desfire"])
      expect([published, told.get(published)]).toEqual([published, { born: false, fixed: true }]);
  });

  test("key pairs of SCP11 are not put into one", async () => {
    const other = softToken(folder, "no pairs");
    const asked = {
      ...ceremony(join(folder, "pairs.json"), other),
      keys: [{ name: "host", use: "scp11" as const }],
    };
    const made = createTokenKeys(asked, { environment: other.environment });
    await expect(made).rejects.toThrow("keys for scp11 are kept in the vault only");
  });

  test("a poorer token does the same work in the module's process, and says so", async () => {
    const poor = await opened({ missing: ["kept-keys"] });
    onTestFinished(() => poor.close());
    const { operations } = await poor.capabilities();
    expect(operations.scp03).toMatchObject({ level: "module-process", probed: true });
    const card = aesCard("fab128");
    expect(await sessionBy(poor, card, scp03("fab128"), [putKey(made)])).toMatchObject({ ok: true });
    // What one put in, the other opens: both derive the same keys.
    expect(await sessionBy(hsm, card, scp03("issuer128", 0x31), [keyInformation])).toMatchObject({
      ok: true,
    });
  });
});

describe("cards of every kind", () => {
  test.each(["fab128", "fab192", "fab256"] as const)(
    "SCP03 from %s, and an issuer's set put in",
    async (master) => {
      const card = aesCard(master);
      const done = await sessionBy(hsm, card, scp03(master), [keyInformation, putKey(made)]);
      expect(done).toMatchObject({ ok: true, answers: [{ sw: 0x9000 }, { sw: 0x9000, verdict: "right" }] });
      const again = await sessionBy(hsm, card, scp03("issuer128", 0x31), [keyInformation]);
      expect(again).toMatchObject({ ok: true });
    },
  );

  test("AES-256 put in from a session of AES-128 keys, and SCP02", async () => {
    const long = { secret: "key-set", keys: ref("issuer256"), kvn: 0x31, form: "aes-256" } as const;
    const card = aesCard("fab128");
    expect(await sessionBy(hsm, card, scp03("fab128"), [putKey(long)])).toMatchObject({
      ok: true,
      answers: [{ verdict: "right" }],
    });
    expect(await sessionBy(hsm, card, scp03("issuer256", 0x31), [keyInformation])).toMatchObject({
      ok: true,
    });
    const old = cardWith(diversify3des(nodeCrypto, masters.fabdes.value, chip, "visa2"), "3des", {
      i03: 0x70,
      i02: 0x55,
    });
    const des = {
      secret: "key-set",
      keys: ref("issuerdes"),
      kvn: 2,
      form: "3des",
      diversify: "visa2",
    } as const;
    expect(await sessionBy(hsm, old, scp02, [putKey(des)])).toMatchObject({
      ok: true,
      answers: [{ verdict: "right" }],
    });
  });

  test("a card with other keys is found out before EXTERNAL AUTHENTICATE, and no try is lost", async () => {
    const card = cardWith(diversifyKdf3(nodeCrypto, masterOf(16, 1), chip), "aes", { i03: 0x70, i02: 0x55 });
    const before = card.counters.pagesWritten;
    expect(await sessionBy(hsm, card, scp03("fab128"), [])).toMatchObject({
      ok: false,
      code: "card-cryptogram",
    });
    expect(card.counters.pagesWritten).toBe(before);
  });

  test.each(["ev1", "ev2"] as const)(
    "a gate's session with a DESFire-style card, %s, by the token's master",
    async (version) => {
      const uid = "04A1B2C3D4E5F6" as Serial;
      const card = makeDesfireCard({
        eeprom: memoryStore(fabricateDesfire({ uid: unhex(uid) })),
        random,
        crypto: nodeCrypto,
      });
      card.powerOn();
      const key = { keys: ref("desfire"), input: ["uid", "aid", "key"] as const };
      const spec = { protocol: "desfire", version, keyNumber: 0, key: "default" } as const;
      const native = (ins: number, clear: string, answerLength?: number): SecureStep => ({
        cla: 0x90,
        ins,
        p1: 0,
        p2: 0,
        le: 256,
        data: [unhex(clear)],
        native: {
          clear: clear.length / 2,
          send: "session",
          receive: answerLength === undefined ? "session" : "full",
          ...(answerLength === undefined ? {} : { answerLength }),
        },
      });
      const passes = async (channel: SecureChannelSpec, steps: readonly SecureStep[]) => {
        const order = await orderOfSteps(hsm, channel, steps);
        const { session: id, open } = await hsm.openSession({ channel, serial: uid, order });
        for (let answer = send(card, open); ; ) {
          const ready = await hsm.authenticate({ session: id, answer, steps });
          if (!ready.ok) return ready;
          if ("more" in ready) answer = send(card, ready.more);
          else
            return hsm.unwrap({ session: id, answers: ready.commands.map((command) => send(card, command)) });
        }
      };
      // Application 000001 with two keys, a file of 20 bytes that key 1 reads, and key 1 of the master's making.
      const made = (ins: number, data: string): SecureStep => ({
        ...native(ins, ""),
        data: [unhex(data)],
        native: { clear: 0, send: "session", receive: "session" },
      });
      expect(await passes({ ...spec, aid: 0 }, [made(0xca, "0100000F82")])).toMatchObject({ ok: true });
      const put: SecureStep = {
        ...native(0xc4, "01"),
        data: [
          Uint8Array.of(1),
          { secret: "desfire-key", aid: 1, key: 1, version: 0x26, value: key, old: "default" },
        ],
        native: { clear: 1, send: "full", receive: "session" },
      };
      const file = made(0xcd, "0503FF1F140000");
      expect(await passes({ ...spec, aid: 1 }, [file, put])).toMatchObject({ ok: true });

      const gate = { protocol: "desfire", version, aid: 1, keyNumber: 1, key, gate: true } as const;
      const reads = [native(0xbd, "05000000080000", 8), native(0xbd, "050800000C0000", 12)];
      const told = await passes(gate, reads);
      expect(told.ok && told.answers.map(({ sw, data }) => [sw, data.length])).toEqual([
        [0x9100, 8],
        [0x9100, 12],
      ]);
      expect(await passes({ ...gate, keyNumber: 0 }, reads)).toMatchObject({
        ok: false,
        code: "card-cryptogram",
      });
      await expect(passes({ ...gate, key: { keys: key.keys } }, reads)).rejects.toThrow(/only derive/);
    },
  );

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
    const channel = { protocol: "desfire", version: "ev2", aid: 0, keyNumber: 0, key: master } as const;
    const order = await orderOfSteps(hsm, channel, []);
    const { session: id } = await hsm.openSession({ channel, serial: hex(uid) as Serial, order });
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
    const card = cardWith(diversify3des(nodeCrypto, masters.fabdes.value, chip, "visa2"), "3des", {
      i03: 0x70,
      i02: 0x55,
    });
    await expect(sessionBy(hsm, card, shared, [])).rejects.toThrow("need the vault");
    await expect(
      hsm.openMutual({ keys: ref("fab128"), kid: 1, serial, cardChallenge: random(16) }),
    ).rejects.toThrow("one purpose");
  });
});

test("PINs, letters, seals and signatures survive a new start of the module", async () => {
  const whose = { order: "A-1", record: 1, name: "pin" };
  await openOrder(hsm, whose.order, anyPin());
  const sealed = await hsm.drawPin({ ...whose, length: 6 });
  const dataKey = await hsm.createDataKey({ order: "A-1", policy: anyPin() });
  const clear = await hsm.releaseDataKey({ order: "A-1", sealed: dataKey });
  const signature = await hsm.sign("audit", clear);
  const other = await opened();
  onTestFinished(() => other.close());
  expect(await other.releaseDataKey({ order: "A-1", sealed: dataKey })).toEqual(clear);
  expect(await other.verify("audit", clear, signature)).toBe(true);
  expect(await other.verify("result", clear, signature)).toBe(false);
  const file = join(folder, "one.letter");
  const letters = [{ record: 1, name: "pin", sealed, letter: "L1", addressee: "Ada" }];
  await other.writeLetters({ order: "A-1", batch: "B1", letters, file });
  expect(pinIn(printed(`${register()}.pem`, file)[0])).toHaveLength(6);
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
    const order = await orderOfSteps(one, scp03("fab128"), []);
    const { session: id, open } = await one.openSession({ channel: scp03("fab128"), serial, order });
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
    expect(await sessionBy(hsm, card, scp03("fab128"), [keyInformation])).toMatchObject({ ok: true });
  });

  test("stopped: ended after its deadline", async () => {
    const { one, pid } = await watched({ deadlineMs: 6000 });
    process.kill(pid, "SIGSTOP");
    await expect(one.random(16)).rejects.toThrow("the token has not answered for 6 s");
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
    expect(await sessionBy(one, card, scp03("fab128"), [keyInformation])).toMatchObject({ ok: true });
  });
});
