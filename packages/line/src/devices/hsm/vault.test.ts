import { type ChildProcess, fork } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { type Response, encodeCommand, type StatusWord } from "@persoline/card/apdu";
import { hex, unhex, utf8 } from "@persoline/card/bytes";
import { diversifyKeyKdf3 } from "@persoline/card/globalplatform";
import { nodeCrypto, random } from "@persoline/card/node";
import type { KeyRef, SealedSecrets, SecureChannelSpec, SecureStep, Serial } from "@persoline/card/program";
import { fabricate, makeVirtualCard, memoryStore, type VirtualCard } from "@persoline/card/virtual";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { fakeModule } from "./fake-module.test.data.js";
import { openLetters } from "./letter.js";
import { printed } from "./letters/letters.test.data.js";
import { machineIn } from "./machine.test.data.js";
import type { Hsm } from "./port.js";
import { anyPin, openOrder, orderOfSteps, placesOf } from "./order.test.data.js";
import { createKeystore, openVault } from "./vault.js";

const LOADER_MASTER = "C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF";
const chip = unhex("50530000000000000042");
const serial = hex(chip) as Serial;
const ref = (name: string) => name as KeyRef;

let folder: string;
let hsm: Hsm;
const at = (name: string) => join(folder, name);
const unlock = () => ({ keyFile: at("vault.key") });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-vault-"));
  await createKeystore({
    file: at("keystore.json"),
    environment: "test",
    unlock: unlock(),
    keys: [
      { name: "os-loader", use: "loader", published: LOADER_MASTER },
      { name: "fab", use: "scp03" },
      { name: "other-set", use: "scp03" },
      { name: "gate", use: "application" },
    ],
    letterPrinter: { writePrivateKeyTo: at("letter-printer.pem") },
  });
  hsm = await openVault({ file: at("keystore.json"), unlock: unlock() });
});

afterAll(async () => {
  await hsm.close();
  rmSync(folder, { recursive: true });
});

function freshCard(): VirtualCard {
  const loaderKey = diversifyKeyKdf3(nodeCrypto, unhex(LOADER_MASTER), chip, 0x10);
  return makeVirtualCard({
    crypto: nodeCrypto,
    random,
    eeprom: memoryStore(fabricate({ chipNumber: chip, loaderKey })),
  });
}

function sender(card: VirtualCard) {
  return (command: Parameters<typeof encodeCommand>[0]): Response => {
    const answer = card.transmit(encodeCommand(command)) ?? new Uint8Array(0);
    const end = answer.length - 2;
    return {
      data: answer.slice(0, end),
      sw: (((answer[end] ?? 0) << 8) | (answer[end + 1] ?? 0)) as StatusWord,
    };
  };
}

/** One whole session; the answers of its steps. */
async function session(
  card: VirtualCard,
  channel: SecureChannelSpec,
  steps: SecureStep[],
  secrets?: SealedSecrets,
) {
  const send = sender(card);
  const { session, open } = await hsm.openSession({
    channel,
    serial,
    ...(secrets === undefined ? { order: await orderOfSteps(hsm, channel, steps) } : { secrets }),
  });
  const ready = await hsm.authenticate({ session, answer: send(open), steps });
  if (!ready.ok) return ready;
  if ("more" in ready) throw new Error("one pass is all there is");
  const answers = ready.commands.map(send);
  expect(answers.map(({ sw }) => sw.toString(16))).toEqual(ready.commands.map(() => "9000"));
  return hsm.unwrap({ session, answers: answers.slice(1) });
}

const image = readFileSync(new URL("../../../../card/images/persoline-os-1.2.img", import.meta.url));
const loader: SecureChannelSpec = { protocol: "loader", keys: ref("os-loader") };
const scp03 = (keys: string, kvn: number, level: 0x01 | 0x11 | 0x33 = 0x33): SecureChannelSpec => ({
  protocol: "scp03",
  keys: ref(keys),
  kvn,
  level,
});

function completion(): SecureStep[] {
  // The whole file, its header in the 16 bytes before the load address (docs/card-os.md 2).
  const load = image.readUInt16BE(8) - 16;
  const body = image;
  const steps: SecureStep[] = [];
  for (let from = 0; from < body.length; from += 192) {
    const address = load + from;
    steps.push({
      cla: 0x84,
      ins: 0xd6,
      p1: address >> 8,
      p2: address & 0xff,
      data: [new Uint8Array(body.subarray(from, from + 192))],
    });
  }
  steps.push({
    cla: 0x84,
    ins: 0xd8,
    p1: 0,
    p2: 0x30,
    data: [{ secret: "key-set", keys: ref("fab"), kvn: 0x30 }],
  });
  const tail = Buffer.alloc(8);
  tail.writeUInt16BE(load, 0);
  tail.writeUInt16BE(body.length, 2);
  tail.writeUInt32BE(crc32(image), 4);
  steps.push({ cla: 0x84, ins: 0x44, p1: 0, p2: 0, data: [new Uint8Array(tail)] });
  return steps;
}

async function completed(): Promise<VirtualCard> {
  const card = freshCard();
  card.powerOn();
  expect((await session(card, loader, completion())).ok).toBe(true);
  card.powerOff();
  card.powerOn();
  return card;
}

describe("card sessions against the virtual card", () => {
  it("completes a card through its loader and leaves its initial key set behind", async () => {
    const card = await completed();
    expect((await session(card, scp03("fab", 0x30), [])).ok).toBe(true);
  });

  it("stops at a card cryptogram of other keys, and no try is lost", async () => {
    const card = await completed();
    for (let attempt = 0; attempt < 12; attempt++) {
      expect(await session(card, scp03("other-set", 0x30), [])).toMatchObject({
        ok: false,
        code: "card-cryptogram",
      });
    }
    expect((await session(card, scp03("fab", 0x30), [])).ok).toBe(true);
  });

  it("refuses an answer of another chip", async () => {
    const send = sender(await completed());
    const channel = scp03("fab", 0x30);
    const order = await orderOfSteps(hsm, channel, []);
    const { session: id, open } = await hsm.openSession({
      channel,
      serial: "50530000000000000043" as Serial,
      order,
    });
    expect(await hsm.authenticate({ session: id, answer: send(open), steps: [] })).toMatchObject({
      ok: false,
      code: "chip-number",
    });
  });

  it("puts keys, PIN and key set into the card and judges the proofs", async () => {
    const card = await completed();
    const whose = { order: "A-1", record: 1 };
    const content = utf8("what nobody may read");
    const steps: SecureStep[] = [
      { cla: 0x00, ins: 0xe0, p1: 0, p2: 0, data: [unhex("620782013883023F00")] },
      { cla: 0x00, ins: 0xe0, p1: 0, p2: 0, data: [unhex("62108201388302500084" + "07A0000008760101")] },
      { cla: 0x00, ins: 0xe0, p1: 0, p2: 0, data: [unhex("620E820101830201038002" + "0014" + "880118")] },
      { cla: 0x00, ins: 0xd6, p1: 0, p2: 0, data: [content] },
      { cla: 0x00, ins: 0xa4, p1: 4, p2: 0x0c, data: [unhex("A0000008760101")] },
      {
        cla: 0x80,
        ins: 0xd8,
        p1: 0,
        p2: 0x01,
        data: [{ secret: "key", keys: ref("gate"), kid: 1, kvn: 1 }],
        le: 256,
      },
      {
        cla: 0x80,
        ins: 0xd8,
        p1: 0,
        p2: 0x10,
        data: [{ secret: "key", keys: ref("gate"), kid: 0x10, kvn: 1 }],
        le: 256,
      },
      { cla: 0x00, ins: 0x24, p1: 1, p2: 0x81, data: [{ secret: "pin", pin: "pin", tries: 3 }] },
      {
        cla: 0x80,
        ins: 0xd8,
        p1: 0x30,
        p2: 0x81,
        data: [{ secret: "key-set", keys: ref("other-set"), kvn: 0x31 }],
        le: 256,
      },
    ];
    await openOrder(hsm, whose.order, [...anyPin(), ...placesOf(scp03("fab", 0x30), steps)]);
    const pin = await hsm.drawPin({ ...whose, name: "pin", length: 6 });
    const made = await session(card, scp03("fab", 0x30), steps, { ...whose, pins: { pin } });
    expect(made.ok && made.answers.map((a) => ("verdict" in a ? a.verdict : undefined))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      "right",
      "right",
      undefined,
      "right",
    ]);
    const proofs: SecureStep[] = [
      { cla: 0x00, ins: 0xa4, p1: 4, p2: 0x0c, data: [unhex("A0000008760101")] },
      {
        cla: 0x00,
        ins: 0x88,
        p1: 0,
        p2: 1,
        data: [{ secret: "challenge" }],
        le: 256,
        judge: { proof: "internal", keys: ref("gate"), kid: 1 },
      },
      {
        cla: 0x80,
        ins: 0x5c,
        p1: 1,
        p2: 3,
        data: [Uint8Array.of(0x10), { secret: "challenge" }],
        le: 256,
        judge: { proof: "file", keys: ref("gate"), kid: 0x10, fid: 0x0103, content },
      },
      {
        cla: 0x80,
        ins: 0x5c,
        p1: 1,
        p2: 3,
        data: [Uint8Array.of(0x10), { secret: "challenge" }],
        le: 256,
        judge: {
          proof: "file",
          keys: ref("gate"),
          kid: 0x10,
          fid: 0x0103,
          content: utf8("something else there"),
        },
      },
    ];
    const proved = await session(card, scp03("other-set", 0x31), proofs);
    expect(proved.ok && proved.answers.map((a) => ("verdict" in a ? a.verdict : undefined))).toEqual([
      undefined,
      "right",
      "right",
      "wrong",
    ]);

    // At a gate: mutual authentication, in the clear.
    card.powerOff();
    card.powerOn();
    const send = sender(card);
    send({ cla: 0, ins: 0xa4, p1: 4, p2: 0x0c, data: unhex("A0000008760101") });
    const cardChallenge = send({ cla: 0, ins: 0x84, p1: 0, p2: 0, le: 16 }).data;
    const gate = await hsm.openMutual({ keys: ref("gate"), kid: 1, serial, cardChallenge });
    const answer = send({ cla: 0, ins: 0x82, p1: 0, p2: 1, data: gate.data, le: 256 });
    expect(answer.sw.toString(16)).toBe("9000");
    expect(await hsm.judgeMutual({ session: gate.session, answer: answer.data })).toBe("right");

    // Outside of any session the card proves its keys: each challenge is its own, each answer judged once.
    const gateKey = { proof: "internal", keys: ref("gate"), kid: 1 } as const;
    const ask = { serial, judges: [gateKey, { ...gateKey, kid: 2 }] };
    const { proof, challenges } = await hsm.openProof(ask);
    expect(challenges.map(({ length }) => length)).toEqual([16, 16]);
    expect(hex(challenges[0] ?? unhex(""))).not.toBe(hex(challenges[1] ?? unhex("")));
    const answers = challenges.map((data) => send({ cla: 0, ins: 0x88, p1: 0, p2: 1, data, le: 256 }).data);
    // The second answer is that of key 1, and it was key 2 that was asked for.
    expect(await hsm.judgeProof({ proof, answers })).toEqual(["right", "wrong"]);
    await expect(hsm.judgeProof({ proof, answers })).rejects.toThrow("there is no proof");
    const again = await hsm.openProof({ serial, judges: [gateKey] });
    expect(await hsm.judgeProof({ proof: again.proof, answers: answers.slice(0, 1) })).toEqual(["wrong"]);
    await expect(hsm.openProof({ serial, judges: [] })).rejects.toThrow("1 to 256");
    await expect(hsm.openProof({ serial, judges: [{ ...gateKey, keys: ref("fab") }] })).rejects.toThrow(
      "one purpose",
    );
    const few = await hsm.openProof(ask);
    await expect(hsm.judgeProof({ proof: few.proof, answers: [] })).rejects.toThrow("0 answers came to 2");
  });

  it("opens no session with a PIN of another order, record or name, or a damaged one", async () => {
    const whose = { order: "A-3", record: 1 };
    await openOrder(hsm, whose.order, anyPin());
    const pin = await hsm.drawPin({ ...whose, name: "pin", length: 6 });
    const open = (secrets: SealedSecrets) =>
      hsm.openSession({ channel: scp03("fab", 0x30), serial, secrets });
    const damaged = pin.map((byte, at) => (at === pin.length - 1 ? byte ^ 1 : byte));
    for (const [wrong, told] of [
      [{ ...whose, record: 2, pins: { pin } }, 'PIN "pin" of order A-3, record 2'],
      [{ ...whose, order: "A-2", pins: { pin } }, 'PIN "pin" of order A-2, record 1'],
      [{ ...whose, pins: { other: pin } }, 'PIN "other" of order A-3, record 1'],
      [{ ...whose, pins: { pin: damaged } }, 'PIN "pin" of order A-3, record 1'],
    ] as const) {
      await expect(open(wrong)).rejects.toMatchObject({
        name: "DeviceFault",
        code: "security-module",
        message: expect.stringContaining(told) as string,
      });
    }
    const { session: id } = await open({ ...whose, pins: { pin } });
    await hsm.closeSession(id);
  });

  it("says so when a response MAC is wrong", async () => {
    const card = await completed();
    const send = sender(card);
    const channel = scp03("fab", 0x30);
    const order = await orderOfSteps(hsm, channel, []);
    const { session: id, open } = await hsm.openSession({ channel, serial, order });
    const steps: SecureStep[] = [{ cla: 0x80, ins: 0xca, p1: 0, p2: 0xcf, data: [], le: 256 }];
    const ready = await hsm.authenticate({ session: id, answer: send(open), steps });
    const answers = ready.ok && "commands" in ready ? ready.commands.map(send).slice(1) : [];
    const damaged = answers.map((a) => ({
      ...a,
      data: a.data.map((byte, n) => (n === 0 ? byte ^ 1 : byte)),
    }));
    expect(await hsm.unwrap({ session: id, answers: damaged })).toMatchObject({
      ok: false,
      code: "response-mac",
      at: 0,
    });
  });

  it("refuses a key for another purpose and a key that is not there", async () => {
    await expect(
      hsm.openMutual({ keys: ref("fab"), kid: 1, serial, cardChallenge: new Uint8Array(16) }),
    ).rejects.toThrow("one purpose");
    await expect(
      hsm.openMutual({ keys: ref("none"), kid: 1, serial, cardChallenge: new Uint8Array(16) }),
    ).rejects.toThrow("no key none");
  });
});

describe("PINs and letters", () => {
  it("writes a batch only of PINs that belong to its records, once, and only the printer reads it", async () => {
    const whose = { order: "A-4", batch: "B1", file: at("1.letters") };
    await openOrder(hsm, "A-4", anyPin());
    const sealed = await hsm.drawPin({ order: "A-4", record: 7, name: "pin", length: 6 });
    const one = { record: 7, name: "pin", sealed, letter: "L1", addressee: "Canary Addressee" };
    for (const [letters, why] of [
      [[], "1 to 250 letters, not 0"],
      [Array.from({ length: 251 }, () => one), "not 251"],
      [[{ ...one, addressee: "Ada, 9999 0100 0000 0011" }], "letter L1 would tell an account number"],
      [[one, { ...one, record: 8, letter: "L2" }], "belongs elsewhere"],
    ] as const) {
      await expect(hsm.writeLetters({ ...whose, letters })).rejects.toThrow(why);
      await expect(hsm.tryLetters({ order: whose.order, letters })).rejects.toThrow(why);
    }
    // A try that comes out well has written nothing either, and tells nothing.
    expect(await hsm.tryLetters({ order: whose.order, letters: [one] })).toBeUndefined();
    expect(existsSync(whose.file)).toBe(false);
    const letters = Array.from({ length: 250 }, (_, n) => ({ ...one, letter: `L${String(n + 1)}` }));
    await hsm.writeLetters({ ...whose, letters });
    const written = readFileSync(whose.file, "utf8");
    expect(JSON.parse(written)).toMatchObject({ format: "persoline-letters", batch: "B1", letters: 250 });
    expect(written).not.toContain("Canary");
    const pages = printed(at("letter-printer.pem"), whose.file);
    expect(pages).toHaveLength(250);
    for (const [at, page] of pages.entries())
      expect(page).toMatch(
        new RegExp(
          `^Letter L${String(at + 1)}\nBatch B1, page ${String(at + 1)} of 250\nOrder A-4\nCanary Addressee\nYour PIN: \\d{6}\n`,
        ),
      );
    expect(new Set(pages.map((page) => page.split("PIN: ")[1])).size).toBe(1);
    expect(statSync(whose.file).mode & 0o077).toBe(0);
    await expect(hsm.writeLetters({ ...whose, letters: [one] })).rejects.toThrow("EEXIST");
    const printer = machineIn(at("letter-printer.pem"));
    for (const [from, to] of [
      ['"B1"', '"B2"'],
      ['"A-4"', '"A-2"'],
      ["250", "249"],
    ] as const)
      expect(() => openLetters(printer, written.replace(from, to))).toThrow("not signed by a line");
    for (const other of ["{}", '{"format":"persoline-letters-2"}'])
      expect(() => openLetters(printer, other)).toThrow("no letters are in it");
  });

  it("writes no letter of an order whose data key is not opened, nor of a PIN that came by another list", async () => {
    await openOrder(hsm, "A-6", anyPin());
    const sealed = await hsm.drawPin({ order: "A-6", record: 1, name: "pin", length: 6 });
    const key = await hsm.createDataKey({ order: "A-6", policy: anyPin() });
    const other = await hsm.createDataKey({ order: "A-6", policy: [] });
    const letters = [{ record: 1, name: "pin", sealed, letter: "L1", addressee: "Ada" }];
    const next = await openVault({ file: at("keystore.json"), unlock: unlock() });
    try {
      const write = (name: string) =>
        next.writeLetters({ order: "A-6", batch: name, letters, file: at(`${name}.letters`) });
      await expect(write("N1")).rejects.toThrow("order A-6 is not open, and no letter of it is written");
      await next.releaseDataKey({ order: "A-6", sealed: other });
      await expect(write("N2")).rejects.toThrow("made under another list");
      // As the store opens it, without the product.
      await next.releaseDataKey({ order: "A-6", sealed: key });
      await write("N3");
    } finally {
      await next.close();
    }
    expect([1, 2, 3].map((n) => existsSync(at(`N${n}.letters`)))).toEqual([false, false, true]);
  });

  it("refuses a sealed PIN with any byte changed", async () => {
    await openOrder(hsm, "A-5", anyPin());
    const sealed = await hsm.drawPin({ order: "A-5", record: 1, name: "pin", length: 4 });
    for (let n = 0; n < sealed.length; n++) {
      const damaged = sealed.map((byte, place) => (place === n ? byte ^ 0x01 : byte));
      await expect(
        hsm.writeLetters({
          order: "A-5",
          batch: "B9",
          letters: [{ record: 1, name: "pin", sealed: damaged, letter: "L9", addressee: "x" }],
          file: at("x.letters"),
        }),
      ).rejects.toThrow("damaged or belongs elsewhere");
    }
  });
});

describe("service", () => {
  it("seals an order's data key for that order only", async () => {
    const sealed = await hsm.createDataKey({ order: "A-1" });
    expect(await hsm.releaseDataKey({ order: "A-1", sealed })).toHaveLength(32);
    await expect(hsm.releaseDataKey({ order: "A-2", sealed })).rejects.toThrow("belongs elsewhere");
  });

  it("signs for one purpose", async () => {
    const signature = await hsm.sign("result", utf8("totals"));
    expect(await hsm.verify("result", utf8("totals"), signature)).toBe(true);
    expect(await hsm.verify("audit", utf8("totals"), signature)).toBe(false);
    expect(await hsm.verify("result", utf8("Totals"), signature)).toBe(false);
  });

  it("describes keys without their values", async () => {
    const keys = await hsm.keys();
    expect(keys.map(({ name }) => name)).toEqual([
      "os-loader",
      "fab",
      "other-set",
      "gate",
      "store-seal",
      "line-signature",
      "letter-printer",
    ]);
    expect(Object.keys(keys[0] ?? {}).sort()).toEqual([
      "algorithm",
      "environment",
      "kcv",
      "name",
      "published",
      "use",
    ]);
  });
});

describe("the keystore", () => {
  const keystore = () => readFileSync(at("keystore.json"), "utf8");

  it("shows no key on disk", () => {
    const content = keystore();
    expect(content).not.toContain(LOADER_MASTER);
    expect(content).not.toContain(Buffer.from(LOADER_MASTER, "hex").toString("base64"));
    expect(statSync(at("keystore.json")).mode & 0o077).toBe(0);
  });

  const right = "the right passphrase";
  it("opens by its passphrase only", async () => {
    const file = at("by-passphrase.json");
    await createKeystore({
      file,
      environment: "test",
      unlock: { passphrase: right },
      keys: [],
      letterPrinter: { writePrivateKeyTo: at("p2.pem") },
    });
    await expect(openVault({ file, unlock: { passphrase: "wrong" } })).rejects.toMatchObject({
      code: "wrong-passphrase",
    });
    await (await openVault({ file, unlock: { passphrase: right } })).close();
  });

  it.each(["", "a", "eleven char"])("is not made under the passphrase %j", async (passphrase) => {
    const file = at("short.json");
    const letterPrinter = { writePrivateKeyTo: at("p3.pem") };
    await expect(
      createKeystore({ file, environment: "test", unlock: { passphrase }, keys: [], letterPrinter }),
    ).rejects.toThrow("a keystore's passphrase has at least 12 characters");
    expect([file, at("p3.pem")].filter((one) => existsSync(one))).toEqual([]);
  });

  it("refuses a file that was altered anywhere, is newer, or is not there", async () => {
    const parsed = JSON.parse(keystore()) as Record<string, unknown>;
    const altered = {
      environment: "live",
      version: 4,
      revision: 7,
      iv: "AAAAAAAAAAAAAAAA",
      sealed: "AAAA",
      format: "other",
    };
    const expected = {
      environment: "wrong-passphrase",
      version: "newer-version",
      revision: "wrong-passphrase",
      iv: "wrong-passphrase",
      sealed: "wrong-passphrase",
      format: "not-ours",
    };
    for (const [field, value] of Object.entries(altered)) {
      writeFileSync(at("altered.json"), JSON.stringify({ ...parsed, [field]: value }));
      await expect(openVault({ file: at("altered.json"), unlock: unlock() })).rejects.toMatchObject({
        code: expected[field as keyof typeof expected],
      });
    }
    await expect(openVault({ file: at("none.json"), unlock: unlock() })).rejects.toMatchObject({
      code: "missing",
    });
  });

  it("is never overwritten, and a live one takes no published key", async () => {
    const ceremony = { unlock: unlock(), letterPrinter: { writePrivateKeyTo: at("p3.pem") } };
    await expect(
      createKeystore({ ...ceremony, file: at("keystore.json"), environment: "test", keys: [] }),
    ).rejects.toMatchObject({ code: "exists" });
    const keys = [{ name: "os-loader", use: "loader" as const, published: LOADER_MASTER }];
    await expect(
      createKeystore({ ...ceremony, file: at("live.json"), environment: "live", keys }),
    ).rejects.toMatchObject({ code: "environment" });
  });

  it("a vault that hangs is ended after its deadline; whoever waits gets a fault, and closing never hangs", async () => {
    // The deadline runs by this test's clock, the processes by theirs: a busy machine makes nobody late.
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const children: ChildProcess[] = [];
    const open = () =>
      openVault({
        file: at("keystore.json"),
        unlock: unlock(),
        deadlineMs: 3000,
        start: (file, options) => {
          const child = fork(file, [], options);
          children.push(child);
          return child;
        },
      });
    const stopped = async (child: ChildProcess | undefined): Promise<void> => {
      child?.kill("SIGSTOP");
      const stat = `/proc/${String(child?.pid)}/stat`;
      while (!/\) T /.test(readFileSync(stat, "utf8"))) await new Promise((done) => setTimeout(done, 5));
    };
    const hung = await open();
    await stopped(children[0]);
    const calls = [
      hung.random(8),
      hung.keys(),
      hung.drawPin({ order: "A", record: 1, name: "pin", length: 4 }),
    ];
    const ends = Promise.allSettled(calls);
    vi.advanceTimersByTime(3000);
    const early = await Promise.race([ends, new Promise((done) => setImmediate(() => done("nobody")))]);
    expect(early).toBe("nobody");
    vi.advanceTimersByTime(300);
    for (const call of await ends) {
      expect(call).toMatchObject({
        status: "rejected",
        reason: { name: "DeviceFault", code: "security-module" },
      });
    }
    await expect(hung.random(8)).rejects.toThrow("has not answered for 3 s");
    await hung.close();
    // Nobody waits for this one: it is stopped, and closed all the same.
    const idle = await open();
    await stopped(children[1]);
    await idle.close();
    expect(children.map(({ signalCode }) => signalCode)).toEqual(["SIGKILL", "SIGKILL"]);
  });

  it("a vault that is slow, but answers, is left alone: the deadline is for silence", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const child = fakeModule();
    const opening = openVault({
      file: "none",
      unlock: unlock(),
      deadlineMs: 1000,
      start: child.start,
    });
    child.say({ answer: "opened" });
    const slow = await opening;
    const calls = [slow.random(1), slow.random(1), slow.random(1)];
    for (const id of [1, 2]) {
      vi.advanceTimersByTime(900);
      child.say({ answer: "result", id, result: new Uint8Array(1) });
    }
    expect(await Promise.all(calls.slice(0, 2))).toHaveLength(2);
    expect(child.kill).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1100);
    await expect(calls[2]).rejects.toMatchObject({ code: "security-module" });
    expect(child.kill).toHaveBeenCalledExactlyOnceWith("SIGKILL");
    child.exit();
    await slow.close();
  });

  it("a vault that is gone is the machine's fault", async () => {
    const other = await openVault({ file: at("keystore.json"), unlock: unlock() });
    await other.close();
    await expect(other.random(8)).rejects.toMatchObject({ name: "DeviceFault", code: "security-module" });
  });
});
