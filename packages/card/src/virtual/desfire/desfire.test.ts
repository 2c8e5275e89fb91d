// The host's commands and sessions (../../desfire) against the card's, which was written apart from them.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../../node/index.js";
import { decodeResponse, encodeCommand, type Response } from "../../apdu/index.js";
import { CardProblem, hex, unhex } from "../../bytes/index.js";
import * as host from "../../desfire/index.js";
import { type CardChannel, CardMute } from "../../program/index.js";
import { compare, type Fault, fabricateDesfire, makeDesfireCard, memoryStore, snapshot } from "../index.js";

const uid = unhex("04A1B2C3D4E5F6");
const zero = new Uint8Array(16);
const key = (fill: number): Uint8Array => new Uint8Array(16).fill(fill);
const aid = 0xf48120;

const generations = ["ev1", "ev2"] as const;
type Generation = (typeof generations)[number];

function counting(): (length: number) => Uint8Array {
  let next = 1;
  return (length) => Uint8Array.from({ length }, () => (next = (next * 167 + 13) & 0xffff) & 0xff);
}

const fresh = () => memoryStore(fabricateDesfire({ uid }));

class Bench {
  readonly card;
  readonly random = counting();
  session: host.DesfireSession | undefined;

  constructor(
    readonly store = fresh(),
    readonly generation: Generation = "ev2",
    faults: readonly Fault[] = [],
  ) {
    this.card = makeDesfireCard({ eeprom: store, faults, random: counting(), crypto: nodeCrypto });
    this.card.powerOn();
  }

  readonly channel: CardChannel = {
    exchange: async (commands) => {
      const answers: Response[] = [];
      for (const { command, sw } of commands) {
        const bytes = this.card.transmit(encodeCommand(command));
        if (bytes === undefined) throw new CardMute(answers);
        const answer = decodeResponse(bytes);
        answers.push(answer);
        if (!sw.some(({ value, mask }) => (answer.sw & mask) === value)) break;
      }
      return answers;
    },
  };

  /** What a command answers, within the session if there is one. */
  async say(command: host.NativeCommand): Promise<Uint8Array> {
    const { session } = this;
    const response = await host.exchangeNative(this.channel, session?.wrap(command) ?? host.bare(command));
    if (session !== undefined) return session.unwrap(response);
    if (host.statusOf(response) !== 0)
      throw new CardProblem("desfire-refused", "bench", hex(Uint8Array.of(response.sw & 0xff)));
    return response.data;
  }

  async select(application: number): Promise<void> {
    this.session = undefined;
    await this.say(host.selectApplication(application));
  }

  async authenticate(number: number, value: Uint8Array): Promise<void> {
    const ask = { crypto: nodeCrypto, key: value, keyNumber: number, random: this.random(16) };
    const opening =
      this.generation === "ev1" ? new host.Ev1Authentication(ask) : new host.Ev2Authentication(ask);
    const challenge = await host.exchangeNative(this.channel, opening.first, false);
    this.session = opening.finish(await host.exchangeNative(this.channel, opening.answer(challenge), false));
  }

  async refusal(command: host.NativeCommand): Promise<string> {
    try {
      await this.say(command);
    } catch (error) {
      if (error instanceof CardProblem) return `${error.code}: ${error.message}`;
      throw error;
    }
    return "none";
  }
}

const rights = { read: 1, write: 2, readWrite: 0, change: 0 } as const;
const settings = host.keySettings({
  changeKeys: 0,
  masterKeyChangeable: true,
  freeDirectory: true,
  freeCreateDelete: false,
  changeable: true,
});

/** Card with one application of five keys; authenticated as its master. */
async function withApplication(
  generation: Generation,
  store = fresh(),
  faults: readonly Fault[] = [],
): Promise<Bench> {
  const bench = new Bench(store, generation, faults);
  await bench.authenticate(0, zero);
  await bench.say(host.createApplication(aid, settings, 5));
  await bench.select(aid);
  await bench.authenticate(0, zero);
  return bench;
}

describe.each(generations)("with %s sessions", (generation) => {
  test("a card is personalized in the safe order, and only its own keys open it", async () => {
    const bench = await withApplication(generation);
    await bench.say(host.createFile({ kind: "standard", file: 1, size: 100, comm: "full", rights }));
    const credential = Uint8Array.from({ length: 100 }, (_, at) => at ^ 0x5a);
    for (let at = 0; at < 100; at += 20)
      await bench.say(host.writeData(1, at, credential.subarray(at, at + 20), "full"));
    for (let number = 4; number > 0; number--)
      await bench.say(
        host.changeKey({
          key: number,
          authenticated: 0,
          value: key(number),
          version: 0x10 + number,
          old: zero,
        }),
      );
    await bench.say(host.changeKey({ key: 0, authenticated: 0, value: key(0xa0), version: 0x20 }));
    await bench.select(0);
    await bench.authenticate(0, zero);
    await bench.say(
      host.changeKey({ key: 0, authenticated: 0, value: key(0xc0), version: 0x30, piccMaster: true }),
    );
    await bench.authenticate(0, key(0xc0));
    await bench.say(host.setConfiguration({ noFormat: true, randomUid: true }));
    expect(await bench.refusal(host.formatPicc)).toContain("9D");

    const later = new Bench(bench.store, generation);
    expect(hex(await later.say(host.getVersion)).slice(28, 42)).toBe("00".repeat(7));
    await later.select(aid);
    await expect(later.authenticate(1, zero)).rejects.toThrow("AE");
    await later.authenticate(1, key(1));
    expect(await later.say(host.readData(1, 0, 100, "full"))).toEqual(credential);
    expect(hex(await later.say(host.getCardUid))).toBe(hex(uid));
    expect(hex(await later.say(host.getKeyVersion(3)))).toBe("13");
    expect(await later.refusal(host.writeData(1, 0, zero, "full"))).toContain("9D");
  });

  test.each(["plain", "mac", "full"] as const)(
    "what is written %s is read the same, over several frames too",
    async (comm) => {
      const bench = await withApplication(generation);
      await bench.say(
        host.createFile({ kind: "standard", file: 2, size: 300, comm, rights: { ...rights, write: 0 } }),
      );
      await fc.assert(
        fc.asyncProperty(
          fc.uint8Array({ minLength: 1, maxLength: 200 }),
          fc.nat(100),
          async (data, offset) => {
            await bench.say(host.writeData(2, offset, data, comm));
            expect(await bench.say(host.readData(2, offset, data.length, comm))).toEqual(data);
          },
        ),
        { numRuns: 300 },
      );
    },
  );

  test("value, linear and cyclic files count after the commit only", async () => {
    const bench = await withApplication(generation);
    const all = { read: 0, write: 0, readWrite: 0, change: 0 } as const;
    await bench.say(
      host.createFile({
        kind: "value",
        file: 3,
        lower: -5,
        upper: 100,
        value: 10,
        limitedCredit: false,
        comm: "full",
        rights: all,
      }),
    );
    await bench.say(
      host.createFile({ kind: "cyclic", file: 4, recordSize: 8, records: 4, comm: "mac", rights: all }),
    );
    await bench.say(
      host.createFile({ kind: "linear", file: 5, recordSize: 8, records: 2, comm: "plain", rights: all }),
    );
    const amount = async () =>
      new DataView((await bench.say(host.getValue(3, "full"))).slice().buffer).getInt32(0, true);
    await bench.say(host.changeValue("credit", 3, 20, "full"));
    await bench.say(host.changeValue("debit", 3, 5, "full"));
    expect(await amount()).toBe(10);
    await bench.say(host.commitTransaction);
    expect(await amount()).toBe(25);
    for (let n = 1; n <= 5; n++) {
      await bench.say(host.writeRecord(4, 0, new Uint8Array(8).fill(n), "mac"));
      await bench.say(host.commitTransaction);
    }
    // Four slots, one of them always being written: three count.
    expect(
      hex(await bench.say(host.readRecords({ file: 4, newest: 0, count: 0, comm: "mac", recordSize: 8 }))),
    ).toBe("03".repeat(8) + "04".repeat(8) + "05".repeat(8));
    expect(
      hex(await bench.say(host.readRecords({ file: 4, newest: 1, count: 1, comm: "mac", recordSize: 8 }))),
    ).toBe("04".repeat(8));
    await bench.say(host.writeRecord(5, 2, Uint8Array.of(9), "plain"));
    await bench.say(host.abortTransaction);
    expect(
      await bench.refusal(host.readRecords({ file: 5, newest: 0, count: 0, comm: "plain", recordSize: 8 })),
    ).toContain("BE");
    await bench.authenticate(0, zero);
    expect(await bench.refusal(host.changeValue("debit", 3, 31, "full"))).toContain("BE");
  });

  test("a damaged command is noticed by the card, a damaged answer by the host", async () => {
    const bench = await withApplication(generation);
    await bench.say(host.createFile({ kind: "standard", file: 1, size: 32, comm: "full", rights }));
    const wrapped = bench.session?.wrap(host.writeData(1, 0, Uint8Array.of(1, 2, 3), "full"));
    const data = wrapped?.data?.slice() ?? new Uint8Array(0);
    data[data.length - 1] = (data.at(-1) ?? 0) ^ 1;
    const refused = await host.exchangeNative(bench.channel, host.native(0x3d, data));
    expect(refused.sw).toBe(0x911e);
    expect(() => bench.session?.unwrap(refused)).toThrow("1E");
    await bench.authenticate(0, zero);
    const { session } = bench;
    const answer = await host.exchangeNative(bench.channel, session?.wrap(host.getFileIds) ?? host.native(0));
    answer.data[0] = (answer.data[0] ?? 0) ^ 1;
    expect(() => session?.unwrap(answer)).toThrow(CardProblem);
  });

  test.each([
    ["SelectApplication of another application", host.bare(host.selectApplication(0xf48121))],
    ["SelectApplication of the same", host.bare(host.selectApplication(aid))],
    ["GetVersion", host.bare(host.getVersion)],
    ["an unknown command", host.bare({ ins: 0x99, send: "plain", receive: "plain" })],
  ])(
    "%s in plain between two commands of a session: no key goes anywhere but where it was made for",
    async (_, sent) => {
      const bench = await withApplication(generation);
      await bench.select(0);
      await bench.authenticate(0, zero);
      await bench.say(host.createApplication(0xf48121, settings, 5));
      await bench.select(aid);
      await bench.authenticate(0, zero);
      bench.card.transmit(encodeCommand(sent));
      const change = host.changeKey({ key: 1, authenticated: 0, value: key(0x77), version: 1, old: zero });
      expect(await bench.refusal(change)).toMatch(/^desfire-/);
      for (const application of [aid, 0xf48121]) {
        await bench.select(application);
        await bench.authenticate(1, zero);
        expect(bench.session).toBeDefined();
      }
    },
  );

  test("an application's key opens nothing of the card after the application was deleted under it", async () => {
    const bench = await withApplication(generation);
    const taken = host.changeKey({
      key: 0,
      authenticated: 0,
      value: key(0xee),
      version: 1,
      piccMaster: true,
    });
    await bench.say(host.deleteApplication(aid));
    expect(await bench.refusal(taken)).toMatch(/^desfire-refused: /);
    bench.session = undefined;
    expect(await bench.refusal(host.formatPicc)).toMatch(/^desfire-refused: .*AE$/);
    await bench.authenticate(0, zero);
    expect(await bench.say(host.getFreeMemory)).toHaveLength(3);
  });

  test("no key that was replaced is left in the chip", async () => {
    const bench = await withApplication(generation);
    const old = unhex("D00DFEEDD00DFEEDD00DFEEDD00DFEED");
    const knows = () => hex(snapshot(bench.store).bytes).includes(hex(old));
    await bench.say(host.changeKey({ key: 3, authenticated: 0, value: old, version: 1, old: zero }));
    expect(knows()).toBe(true);
    await bench.say(host.changeKey({ key: 3, authenticated: 0, value: key(7), version: 2, old }));
    expect(knows()).toBe(false);
  });

  test("a key change torn at any page write leaves one working key, and at the next power-up only that one", async () => {
    const old = unhex("D00DFEEDD00DFEEDD00DFEEDD00DFEED");
    const prepared = await withApplication(generation);
    await prepared.say(host.changeKey({ key: 3, authenticated: 0, value: old, version: 1, old: zero }));
    const before = snapshot(prepared.store).bytes;
    const versions = new Set<string>();
    for (let tear = 1; ; tear++) {
      const store = memoryStore(before);
      const bench = new Bench(store, generation, [{ kind: "torn-at", write: tear }]);
      await bench.select(aid);
      await bench.authenticate(0, zero);
      let torn = false;
      try {
        await bench.say(host.changeKey({ key: 3, authenticated: 0, value: key(7), version: 2, old }));
      } catch (error) {
        if (!(error instanceof CardMute)) throw error;
        torn = true;
      }
      const after = new Bench(store, generation);
      await after.select(aid);
      const version = hex(await after.say(host.getKeyVersion(3)));
      versions.add(version);
      await after.authenticate(3, version === "02" ? key(7) : old);
      const text = hex(snapshot(store).bytes);
      expect([text.includes(hex(old)), text.includes(hex(key(7)))]).toEqual([
        version === "01",
        version === "02",
      ]);
      if (!torn) break;
    }
    expect([...versions].sort()).toEqual(["01", "02"]);
  });

  test("power lost at any page write of a commit leaves all of it or nothing", async () => {
    const all = { read: 0, write: 0, readWrite: 0, change: 0 } as const;
    const prepared = await withApplication(generation);
    for (const file of [1, 2])
      await prepared.say(host.createFile({ kind: "backup", file, size: 70, comm: "mac", rights: all }));
    await prepared.say(
      host.createFile({
        kind: "value",
        file: 3,
        lower: 0,
        upper: 9,
        value: 1,
        limitedCredit: false,
        comm: "mac",
        rights: all,
      }),
    );
    const before = snapshot(prepared.store).bytes;
    const outcomes = new Set<string>();
    for (let tear = 1; ; tear++) {
      const store = memoryStore(before);
      const bench = new Bench(store, generation, [{ kind: "torn-at", write: tear }]);
      let torn = false;
      try {
        await bench.select(aid);
        await bench.authenticate(0, zero);
        for (const file of [1, 2])
          await bench.say(host.writeData(file, 30, new Uint8Array(12).fill(0x77), "mac"));
        await bench.say(host.changeValue("credit", 3, 5, "mac"));
        await bench.say(host.commitTransaction);
      } catch (error) {
        if (!(error instanceof CardMute)) throw error;
        torn = true;
      }
      const after = new Bench(store, generation);
      await after.select(aid);
      await after.authenticate(0, zero);
      const [one, two] = [
        await after.say(host.readData(1, 30, 1, "mac")),
        await after.say(host.readData(2, 30, 1, "mac")),
      ];
      const value = await after.say(host.getValue(3, "mac"));
      outcomes.add(`${hex(one)} ${hex(two)} ${hex(value.subarray(0, 1))}`);
      if (!torn) break;
    }
    expect([...outcomes].sort()).toEqual(["00 00 01", "77 77 06"]);
  });
});

test("EV2 goes on under another key: transaction and counter stay", async () => {
  const bench = await withApplication("ev2");
  const before = bench.session as host.Ev2Session;
  await bench.say(host.getFileIds);
  const next = new host.Ev2Authentication({
    crypto: nodeCrypto,
    key: zero,
    keyNumber: 2,
    random: bench.random(16),
    continues: before,
  });
  const challenge = await host.exchangeNative(bench.channel, next.first, false);
  const session = next.finish(await host.exchangeNative(bench.channel, next.answer(challenge), false));
  expect(session.transaction).toEqual(before.transaction);
  expect(session.counter).toBe(1);
  bench.session = session;
  expect(await bench.say(host.getKeyVersion(2))).toEqual(Uint8Array.of(0));
});

test("EV2 commands may be wrapped ahead of their answers", async () => {
  const bench = await withApplication("ev2");
  const commands = [1, 2, 3].map((file) =>
    host.createFile({ kind: "standard", file, size: 16, comm: "mac", rights }),
  );
  const wrapped = commands.map((command) => bench.session?.wrap(command) ?? host.native(0));
  for (const command of wrapped) bench.session?.unwrap(await host.exchangeNative(bench.channel, command));
  expect(hex(await bench.say(host.getFileIds))).toBe("010203");
});

test("what the card does not do, or nobody may, has its status and changes nothing", async () => {
  const bench = new Bench();
  const before = snapshot(bench.store);
  const said = async (ins: number, data = "") =>
    (await host.exchangeNative(bench.channel, host.native(ins, unhex(data)), false)).sw;
  expect(await said(0x0a, "00")).toBe(0x911c);
  expect(await said(0xfc)).toBe(0x91ae);
  expect(await said(0x5a, "563412")).toBe(0x91a0);
  expect(await said(0x5a, "5634")).toBe(0x917e);
  expect(await said(0xaf)).toBe(0x91ca);
  expect(await said(0xca, "0000000F81")).toBe(0x919e);
  expect(await said(0xca, "5634120F01")).toBe(0x919e);
  expect(await said(0xcd, "0100EEEE100000")).toBe(0x919d);
  expect(await said(0x51)).toBe(0x91ae);
  expect(await said(0xaa, "01")).toBe(0x9140);
  const raw = (apdu: string) => hex(bench.card.transmit(unhex(apdu)) ?? new Uint8Array(0));
  expect(raw("00A4040007D276000085010000")).toBe("9000");
  expect(raw("00A4040007D276000085010100")).toBe("6A82");
  expect(raw("00B0000000")).toBe("6E00");
  expect(raw("90600100")).toBe("6A86");
  expect(compare(before, snapshot(bench.store))).toEqual([]);
  // An interrupted answer tells.
  expect(await said(0x60)).toBe(0x91af);
  expect(await said(0x6e)).toBe(0x91ca);
});

test("memory has an end, an application's is told, and formatting gives it back", async () => {
  const bench = new Bench(memoryStore(fabricateDesfire({ uid, pages: 32 })));
  await bench.authenticate(0, zero);
  const free = hex(await bench.say(host.getFreeMemory));
  await bench.say(host.createApplication(1, 0x0f, 1));
  await bench.select(1);
  expect(
    await bench.refusal(host.createFile({ kind: "standard", file: 0, size: 4000, comm: "plain", rights })),
  ).toContain("0E");
  await bench.select(0);
  await bench.authenticate(0, zero);
  expect(hex(await bench.say(host.getApplicationIds))).toBe("010000");
  expect(await bench.refusal(host.createApplication(1, 0x0f, 1))).toContain("DE");
  await bench.authenticate(0, zero);
  await bench.say(host.formatPicc);
  expect(hex(await bench.say(host.getFreeMemory))).toBe(free);
  expect(hex(await bench.say(host.getApplicationIds))).toBe("");
});

test("whatever bytes come, the card answers", () => {
  const { card } = new Bench();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), fc.boolean(), (bytes, dressed) => {
      const apdu = dressed
        ? Uint8Array.of(0x90, bytes[0] ?? 0, 0, 0, Math.max(bytes.length - 1, 0), ...bytes.subarray(1), 0)
        : bytes;
      expect(card.transmit(apdu)?.length).toBeGreaterThanOrEqual(2);
    }),
    { numRuns: 500 },
  );
});
