import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../../node/index.js";
import { aes, des, GpBench, gpNumber, isdAid, keysOf, type Session } from "../../../tools/gp-bench.js";
import type { Command } from "../../apdu/index.js";
import { aid, concat, equal, hex, unhex } from "../../bytes/index.js";
import { cmac } from "../../crypto/index.js";
import {
  CARD_STATES,
  checkPutKeyAnswer,
  decodePrivileges,
  deleteKey,
  deleteObject,
  encodePrivileges,
  getCardData,
  initializeUpdate,
  installForInstall,
  installForLoad,
  installForPersonalization,
  installMakeSelectable,
  installParameters,
  installRegistryUpdate,
  keyDgis,
  type KeySet,
  loadBlocks,
  type NewDgi,
  openChannel,
  parseCardData,
  parseCardResources,
  parseCplc,
  parseKeyInformation,
  putKey,
  readRegistry,
  setStatus,
  storeDgis,
  storeStream,
} from "../../globalplatform/index.js";
import { findTlv, parseDgis, parseTlv, tlv } from "../../tlv/index.js";
import { parseAtr } from "../../atr/index.js";
import { fabricateGlobalPlatform } from "../index.js";

const accessPackage = aid(unhex("A00000087602"));
const accessModule = aid(unhex("A0000008760201"));
const accessApp = aid(unhex("A000000876020101"));
const isd = aid(isdAid);
const selectOf = (name: string, p2 = 0): Command => ({
  cla: 0,
  ins: 0xa4,
  p1: 4,
  p2,
  ...(name === "" ? {} : { data: unhex(name) }),
  le: 256,
});

const channels = [
  ...[0x15, 0x35, 0x55, 0x75].flatMap((i02) =>
    [0x00, 0x01, 0x03, ...((i02 & 0x20) === 0 ? [] : [0x11, 0x13])].map((level) => ({
      name: `SCP02 i=${i02.toString(16)}`,
      level,
      chip: { keySets: [des()], i02 },
      keys: keysOf(16),
      i02: i02 as 0x15,
      size: 8,
    })),
  ),
  ...[0x00, 0x10, 0x20, 0x30, 0x60, 0x70, 0x01, 0x71].flatMap((i03) =>
    ([16, 24, 32] as const).flatMap((length) =>
      [0x01, 0x03, 0x11, 0x13, 0x33]
        .filter((level) => (((level & 0x30) << 1) & ~i03) === 0)
        .map((level) => ({
          name: `SCP03 i=${i03.toString(16).padStart(2, "0")} AES-${String(length * 8)}`,
          level,
          chip: { keySets: [aes(length)], i03 },
          keys: keysOf(length),
          i02: 0x55 as const,
          size: (i03 & 1) === 0 ? 8 : 16,
        })),
    ),
  ),
];
const opened = (one: (typeof channels)[number], bench: GpBench) =>
  bench.open({
    keys: one.keys,
    level: one.level,
    i02: one.i02,
    hostChallenge: new Uint8Array(one.size).fill(0x5a),
  });

describe("every channel, by two writings of one standard", () => {
  test("there are many", () => expect(channels.length).toBeGreaterThan(60));
  test.each(channels.filter(({ level }) => level === 0))(
    "$name, level 0 authenticates, and manages nothing",
    (one) => {
      const bench = new GpBench(one.chip);
      const session = opened(one, bench);
      const ask = { cla: 0x80, ins: 0xf2, p1: 0x80, p2: 2, data: unhex("4F00"), le: 256 };
      expect(bench.secured(session, ask)).toBe("6982");
    },
  );
  test.each(channels.filter(({ level }) => level !== 0))("$name, level $level", (one) => {
    const bench = new GpBench(one.chip);
    for (let round = 0; round < 2; round++) {
      const session = opened(one, bench);
      expect(session.challengeChecked).toBe(
        "keySets" in one.chip &&
          ("i02" in one.chip ? (one.chip.i02 & 0x40) !== 0 : (one.chip.i03 & 0x10) !== 0),
      );
      const iin = concat(unhex("4210"), new Uint8Array(16).fill(round));
      expect(bench.secured(session, storeStream(iin)[0] ?? openChannel())).toBe("9000");
      const { data } = bench.secure(session, getCardData(0x42));
      expect(hex(data)).toBe(hex(iin));
      // A refusal in between, and nothing is out of step.
      expect(bench.secured(session, getCardData(0x45))).toBe("6A88");
      expect(bench.secure(session, getCardData(0x66)).data.length).toBeGreaterThan(30);
    }
  });
  test.each(channels.filter(({ level }) => level !== 0))(
    "$name, level $level: one bit wrong ends it",
    (one) => {
      const bench = new GpBench(one.chip);
      const session = opened(one, bench);
      const command = session.wrap(storeStream(unhex("420142"))[0] ?? openChannel());
      const data = command.data?.slice() ?? new Uint8Array(0);
      data[data.length - 1] = (data[data.length - 1] ?? 0) ^ 1;
      expect(bench.say({ ...command, data })).toBe("6982");
      // The channel is gone: not even the right command is taken.
      expect(bench.say(command)).toBe("6982");
      expect(bench.say(getCardData(0x42))).toBe("6A88");
    },
  );
});

describe("the channel's rules", () => {
  test("a wrong host: one try, counted before the comparison; each failure slower, the tenth locks a SECURED card", () => {
    const bench = new GpBench({ life: "secured" });
    const good = keysOf(16);
    const times: number[] = [];
    for (let failure = 1; failure <= 10; failure++) {
      const answer = bench.send(initializeUpdate({ kvn: 0, hostChallenge: new Uint8Array(8) }));
      expect(answer.sw).toBe(0x9000);
      const before = bench.card.elapsedMicros;
      const wrong = { cla: 0x84, ins: 0x82, p1: 0x01, p2: 0, data: new Uint8Array(16) };
      expect(bench.say(wrong)).toBe("6300");
      times.push(Math.round((bench.card.elapsedMicros - before) / 100_000));
    }
    expect(times).toEqual([0, 0, 1, 2, 4, 8, 16, 32, 64, 128]);
    bench.power();
    expect(bench.say(initializeUpdate({ kvn: 0, hostChallenge: new Uint8Array(8) }))).toBe("6983");
    expect(() => bench.open({ keys: good, level: 1 })).toThrow("6983");
    expect(bench.say(selectOf(""))).toBe("6283");
  });
  test("a right one gives the tries back", () => {
    const bench = new GpBench({});
    for (let round = 0; round < 3; round++) {
      for (let failure = 0; failure < 9; failure++) {
        bench.send(initializeUpdate({ kvn: 0, hostChallenge: new Uint8Array(8) }));
        expect(bench.say({ cla: 0x84, ins: 0x82, p1: 0x01, p2: 0, data: new Uint8Array(16) })).toBe("6300");
      }
      bench.open({ keys: keysOf(16), level: 0x33 });
    }
  });
  test("levels that i does not allow, and commands out of order", () => {
    const bench = new GpBench({ i03: 0x10 });
    expect(() => bench.open({ keys: keysOf(16), level: 0x33 })).toThrow("security level 33");
    bench.send(initializeUpdate({ kvn: 0, hostChallenge: new Uint8Array(8) }));
    expect(bench.say({ cla: 0x84, ins: 0x82, p1: 0x33, p2: 0, data: new Uint8Array(16) })).toBe("6A86");
    expect(bench.say({ cla: 0x84, ins: 0x82, p1: 0x01, p2: 0, data: new Uint8Array(16) })).toBe("6985");
    expect(bench.say(initializeUpdate({ kvn: 0x31, hostChallenge: new Uint8Array(8) }))).toBe("6A88");
    expect(bench.say(initializeUpdate({ kvn: 0, hostChallenge: new Uint8Array(16) }))).toBe("6700");
    const session = bench.open({ keys: keysOf(16), level: 1 });
    // A plain command of the domain inside the channel ends it; GET DATA does not.
    expect(bench.say(getCardData(0xe0))).toBe("9000");
    expect(bench.secured(session, getCardData(0xe0))).toBe("9000");
    expect(bench.say({ cla: 0x80, ins: 0xf2, p1: 0x80, p2: 2, data: unhex("4F00"), le: 256 })).toBe("6982");
    expect(bench.say(session.wrap(getCardData(0xe0)))).toBe("6982");
  });
  test("MANAGE CHANNEL, channels in the class byte and chaining are refused, and nothing else happens", () => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 1 });
    expect(bench.say(openChannel())).toBe("6881");
    expect(bench.say({ cla: 0x81, ins: 0xca, p1: 0, p2: 0xe0, le: 256 })).toBe("6881");
    expect(bench.say({ cla: 0xc0, ins: 0xca, p1: 0, p2: 0xe0, le: 256 })).toBe("6881");
    expect(bench.say({ cla: 0x90, ins: 0xca, p1: 0, p2: 0xe0, le: 256 })).toBe("6884");
    expect(bench.secured(session, getCardData(0xe0))).toBe("9000");
  });
});

describe("what it tells", () => {
  test("ATR, CPLC, card data, keys, resources; nothing that was not stored", () => {
    const bench = new GpBench({ keySets: [des(), aes(32)], i02: 0x75 });
    const atr = parseAtr(bench.card.powerOn() ?? new Uint8Array(0));
    expect(atr.problems.filter(({ severity }) => severity === "error")).toEqual([]);
    const cplc = parseCplc(bench.send(getCardData(0x9f7f)).data);
    expect(hex(cplc.icSerial)).toBe("00000007");
    expect(hex(cplc.icBatch)).toBe("0304");
    expect(parseCardData(bench.send(getCardData(0x66)).data)).toMatchObject({
      gpVersion: "2.3.1",
      scps: [
        { scp: 2, i: 0x75 },
        { scp: 3, i: 0x70 },
      ],
    });
    const keys = parseKeyInformation(bench.send(getCardData(0xe0)).data);
    expect(
      keys.map(({ id, kvn, components }) => [id, kvn, components[0]?.type, components[0]?.length]),
    ).toEqual([
      [1, 0x20, 0x80, 16],
      [2, 0x20, 0x80, 16],
      [3, 0x20, 0x80, 16],
      [1, 0x30, 0x88, 32],
      [2, 0x30, 0x88, 32],
      [3, 0x30, 0x88, 32],
    ]);
    expect(parseCardResources(bench.send(getCardData(0xff21)).data)).toEqual({
      applications: 0,
      freeNonVolatile: (512 - 74) * 64,
      freeVolatile: 1024,
    });
    expect(hex(bench.send(getCardData(0xcf)).data)).toBe(`CF0A${hex(gpNumber)}`);
    expect(hex(bench.send(getCardData(0xc1)).data)).toBe("C1020000");
    for (const tag of [0x42, 0x45, 0x67]) expect(bench.say(getCardData(tag))).toBe("6A88");
    expect(bench.say({ cla: 0x80, ins: 0xca, p1: 0x9f, p2: 0x7f, le: 16 })).toBe("6C2D");
  });
  test("issuer data and CPLC are written at once with the last block", () => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    const commands = storeStream(
      [tlv(0x42, unhex("0102")), tlv(0x45, unhex("A1A2A3")), tlv(0x9f66, unhex("1122334455667788"))],
      { blockSize: 7 },
    );
    for (const command of commands.slice(0, -1)) expect(bench.secured(session, command)).toBe("9000");
    expect(bench.say(getCardData(0x42))).toBe("6A88");
    expect(bench.secured(session, commands.at(-1) ?? openChannel())).toBe("9000");
    expect(hex(bench.send(getCardData(0x45)).data)).toBe("4503A1A2A3");
    const cplc = parseCplc(bench.send(getCardData(0x9f7f)).data);
    expect(hex(concat(cplc.personalizer, cplc.persoDate, cplc.persoEquipId))).toBe("1122334455667788");
    // A block that does not follow ends what was begun.
    expect(bench.secured(session, commands[1] ?? openChannel())).toBe("6A86");
    expect(bench.secured(session, storeStream(unhex("9F6801AA"))[0] ?? openChannel())).toBe("6A80");
  });
});

describe("keys", () => {
  const put = (
    session: Session,
    keys: KeySet,
    ask: { readonly old: number; readonly kvn: number; readonly type?: "aes" | "3des" },
  ) =>
    putKey({
      oldKvn: ask.old,
      newKvn: ask.kvn,
      firstKeyId: 1,
      keys: [keys.enc, keys.mac, keys.dek].map((key) => ({ type: ask.type ?? "aes", key })),
      crypto: nodeCrypto,
      dekEncrypt: (data) => session.encryptWithDek(data),
    });
  const kvns = (bench: GpBench) => [
    ...new Set(parseKeyInformation(bench.send(getCardData(0xe0)).data).map(({ kvn }) => kvn)),
  ];
  test.each([16, 24, 32] as const)("the initial set FF is replaced by AES keys of %i bytes", (length) => {
    const bench = new GpBench({ keySets: [aes(16, 0xff)] });
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    const made = keysOf(length, 0x21);
    const { command, expected } = put(session, made, { old: 0, kvn: 0x30 });
    checkPutKeyAnswer(expected, bench.secure(session, command).data);
    expect(kvns(bench)).toEqual([0x30]);
    expect(() => bench.open({ keys: keysOf(16), level: 0x33 })).toThrow("does not match");
    bench.open({ kvn: 0x30, keys: made, level: 0x33 });
    expect(hex(bench.send(getCardData(0xc1)).data)).toBe("C103000001");
    // Nothing of the old keys is left in the silicon.
    const memory = hex(bench.store.load());
    const old = keysOf(16);
    for (const key of [old.enc, old.mac, old.dek]) expect(memory).not.toContain(hex(key));
    expect(memory).toContain(hex(made.enc));
  });
  test("3DES under SCP02: replaced, then AES added beside it and the old one deleted", () => {
    const bench = new GpBench({ keySets: [des(0x01)], i02: 0x15 });
    const session = bench.open({ keys: keysOf(16), level: 0x03, i02: 0x15 });
    const made = keysOf(16, 0x33);
    const first = put(session, made, { old: 1, kvn: 2, type: "3des" });
    checkPutKeyAnswer(first.expected, bench.secure(session, first.command).data);
    expect(kvns(bench)).toEqual([2]);
    const again = bench.open({ kvn: 2, keys: made, level: 0x03, i02: 0x15 });
    const other = put(again, keysOf(16, 0x50), { old: 0, kvn: 0x30 });
    checkPutKeyAnswer(other.expected, bench.secure(again, other.command).data);
    expect(kvns(bench)).toEqual([2, 0x30]);
    expect(bench.secured(again, deleteKey({ kvn: 2 }))).toBe("6985");
    const last = bench.open({ kvn: 0x30, keys: keysOf(16, 0x50), level: 0x33 });
    expect(bench.secured(last, deleteKey({ kvn: 0x31 }))).toBe("6A88");
    expect(bench.secured(last, deleteKey({ id: 1, kvn: 2 }))).toBe("6985");
    expect(bench.secured(last, deleteKey({ kvn: 2 }))).toBe("9000");
    expect(kvns(bench)).toEqual([0x30]);
  });
  test("what is refused leaves the keys as they were", () => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    const { command } = put(session, keysOf(16, 0x21), { old: 0x30, kvn: 0x31 });
    const damaged = (at: number): Command => {
      const data = command.data?.slice() ?? new Uint8Array(0);
      data[at] = (data[at] ?? 0) ^ 1;
      return { ...command, data };
    };
    const length = command.data?.length ?? 0;
    expect(bench.secured(session, { ...command, p1: 0x32 })).toBe("6A88");
    expect(bench.secured(session, { ...command, p2: 0x84 })).toBe("6A86");
    expect(bench.secured(session, damaged(1))).toBe("9484");
    for (const at of [2, 3, 10, length - 4, length - 1])
      expect(`${String(at)} ${bench.secured(session, damaged(at))}`).toBe(`${String(at)} 6A80`);
    const exists = put(session, keysOf(16, 0x21), { old: 0, kvn: 0x30 });
    expect(bench.secured(session, exists.command)).toBe("6A80");
    expect(kvns(bench)).toEqual([0x30]);
    bench.open({ keys: keysOf(16), level: 0x33 });
  });
  test.each([16, 24, 32])(
    "as data groupings of STORE DATA, %i bytes each; a wrong check value changes nothing",
    (length) => {
      const bench = new GpBench({ keySets: [aes(16, 0xff)] });
      const session = bench.open({ keys: keysOf(16), level: 0x33 });
      const made = keysOf(length, 0x21);
      const set = [made.enc, made.mac, made.dek];
      const dekEncrypt = (data: Uint8Array) => session.encryptWithDek(data);
      const groupings = parseDgis(keyDgis({ kvn: 0x31, keys: set, crypto: nodeCrypto, dekEncrypt }));
      const store = (given: readonly NewDgi[]) =>
        storeDgis(given, { together: true })
          .map((command) => bench.secured(session, command))
          .at(-1);
      const [description, ...values] = groupings;
      const turned = values.toReversed();
      expect(store(description === undefined ? [] : [description, ...turned])).toBe("6A80");
      expect(store(groupings.slice(0, 3))).toBe("6A80");
      expect(kvns(bench)).toEqual([0xff]);
      expect(store(groupings)).toBe("9000");
      expect(kvns(bench)).toEqual([0x31]);
      expect(bench.open({ kvn: 0x31, keys: made, level: 0x33 }).level).toBe(0x33);
    },
  );
  test("one key of a set alone", () => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    const mac = new Uint8Array(16).fill(0x77);
    const one = putKey({
      oldKvn: 0x30,
      newKvn: 0x30,
      firstKeyId: 2,
      keys: [{ type: "aes", key: mac }],
      crypto: nodeCrypto,
      dekEncrypt: (data) => session.encryptWithDek(data),
    });
    checkPutKeyAnswer(one.expected, bench.secure(session, one.command).data);
    expect(bench.open({ keys: { ...keysOf(16), mac }, level: 0x33 }).level).toBe(0x33);
  });
});

/** A load file of a Java Card package: header, applet component, and code of this many bytes. */
function loadFileOf(name: Uint8Array, modules: readonly Uint8Array[], code: number): Uint8Array {
  const component = (tag: number, content: Uint8Array) =>
    concat(Uint8Array.of(tag, content.length >> 8, content.length & 0xff), content);
  const header = concat(unhex("DECAFFED010204" + "0001"), Uint8Array.of(name.length), name);
  const applets = concat(
    Uint8Array.of(modules.length),
    ...modules.map((module) => concat(Uint8Array.of(module.length), module, unhex("0008"))),
  );
  return concat(component(1, header), component(3, applets), component(7, new Uint8Array(code).fill(0x7a)));
}

describe("content", () => {
  const packageAid = aid(unhex("F0504C474401"));
  const moduleAid = aid(unhex("F0504C47440101"));
  const appAid = aid(unhex("F0504C4744010101"));
  const file = loadFileOf(packageAid, [moduleAid], 1000);
  const begun = (chip = {}) => {
    const bench = new GpBench(chip);
    return { bench, session: bench.open({ keys: keysOf(16), level: 0x33 }) };
  };
  const load = (bench: GpBench, session: Session, bytes = file, hash?: Uint8Array) => [
    bench.secured(session, installForLoad({ loadFile: packageAid, ...(hash === undefined ? {} : { hash }) })),
    ...loadBlocks(bytes, 200).map((block) => bench.secured(session, block)),
  ];
  const free = (bench: GpBench) => parseCardResources(bench.send(getCardData(0xff21)).data).freeNonVolatile;
  test("loaded, installed, personalized, used, deleted: memory is counted page by page", async () => {
    const { bench, session } = begun();
    const before = free(bench);
    expect(new Set(load(bench, session, file, nodeCrypto.sha256(file)))).toEqual(new Set(["9000"]));
    expect(before - free(bench)).toBe(Math.ceil(file.length / 64) * 64);
    const afterLoad = free(bench);
    const install = installForInstall({
      loadFile: packageAid,
      module: moduleAid,
      application: appAid,
      parameters: installParameters(new Uint8Array(0), { nonVolatileData: 100 }),
      selectable: false,
    });
    expect(bench.secured(session, install)).toBe("9000");
    expect(afterLoad - free(bench)).toBe(4 * 64);
    const send = (command: Command) => Promise.resolve(bench.secure(session, command));
    expect(await readRegistry("applications", send)).toMatchObject([
      { aid: appAid, lifeCycle: 3, loadFile: packageAid },
    ]);
    expect(
      (await readRegistry("load-files-and-modules", send)).map(({ modules }) => modules.map(hex)),
    ).toEqual([[hex(accessModule)], ["A0000008760301", "A0000008760302"], [hex(moduleAid)]]);
    expect(bench.say(selectOf(hex(appAid)))).toBe("6A82");
    const again = bench.open({ keys: keysOf(16), level: 0x33 });
    expect(bench.secured(again, installForPersonalization(appAid))).toBe("6985");
    expect(bench.secured(again, installMakeSelectable({ application: appAid }))).toBe("9000");
    expect(bench.secured(again, installForPersonalization(appAid))).toBe("9000");
    const big: NewDgi = { id: 0x1234, value: new Uint8Array(200) };
    expect(storeDgis([big], { blockSize: 150 }).map((command) => bench.secured(again, command))).toEqual([
      "9000",
      "6A84",
    ]);
    const small = storeDgis([{ id: 0x1234, value: unhex("CAFE") }]);
    expect(small.map((command) => bench.secured(again, command))).toEqual(["9000"]);
    expect(bench.say(selectOf(hex(appAid)))).toBe("9000");
    expect(hex(bench.send({ cla: 0, ins: 0xca, p1: 0x12, p2: 0x34, le: 256 }).data)).toBe("CAFE");
    expect(bench.say({ cla: 0x80, ins: 0x50, p1: 0, p2: 0, data: new Uint8Array(8), le: 256 })).toBe("6D00");
    bench.send(selectOf(""));
    const last = bench.open({ keys: keysOf(16), level: 0x33 });
    expect(bench.secured(last, deleteObject({ aid: packageAid }))).toBe("6985");
    expect(bench.secured(last, deleteObject({ aid: packageAid, related: true }))).toBe("9000");
    expect(bench.secured(last, deleteObject({ aid: packageAid }))).toBe("6A88");
    expect(bench.secured(last, deleteObject({ aid: accessPackage }))).toBe("6985");
    expect(free(bench)).toBe(before);
  });
  test("a load file that is none, another one, a damaged one, or too big", () => {
    const { bench, session } = begun();
    const other = loadFileOf(unhex("F0504C474402"), [moduleAid], 10);
    expect(load(bench, session, other).at(-1)).toBe("6A80");
    expect(load(bench, session, file, new Uint8Array(32)).at(-1)).toBe("6A80");
    expect(load(bench, session, new Uint8Array(100)).at(-1)).toBe("6A80");
    const full = loadFileOf(packageAid, [moduleAid], 29000);
    expect(load(bench, session, full)[1]).toBe("6A84");
    const asking = { loadFile: packageAid, parameters: { nonVolatileCode: 30000 } };
    expect(bench.secured(session, installForLoad(asking))).toBe("6A84");
    const blocks = loadBlocks(file, 200);
    expect(bench.secured(session, blocks[0] ?? openChannel())).toBe("6985");
    expect(bench.secured(session, installForLoad({ loadFile: packageAid }))).toBe("9000");
    expect(bench.secured(session, blocks[1] ?? openChannel())).toBe("6A86");
    expect(bench.secured(session, blocks[0] ?? openChannel())).toBe("6985");
    expect(new Set(load(bench, session))).toEqual(new Set(["9000"]));
    expect(load(bench, session)[0]).toBe("6A80");
  });
  test("a registry too long for one answer comes in several, by name and in the old form too", async () => {
    const { bench, session } = begun();
    const names = Array.from({ length: 13 }, (_, at) => aid(concat(accessApp, Uint8Array.of(at))));
    for (const application of names) {
      const install = installForInstall({ loadFile: accessPackage, module: accessModule, application });
      expect(bench.secured(session, install)).toBe("9000");
    }
    const answers: number[] = [];
    const send = (command: Command) => {
      const answer = bench.secure(session, command);
      answers.push(answer.sw);
      return Promise.resolve(answer);
    };
    expect((await readRegistry("applications", send)).map((entry) => hex(entry.aid))).toEqual(names.map(hex));
    expect(answers).toEqual([0x6310, 0x6310, 0x9000]);
    expect((await readRegistry("applications", send, names[4])).length).toBe(1);
    expect(await readRegistry("applications", send, unhex("AABBCCDDEE"))).toEqual([]);
    expect(
      bench.secured(session, { cla: 0x80, ins: 0xf2, p1: 0x40, p2: 3, data: unhex("4F00"), le: 256 }),
    ).toBe("6985");
    const old = bench.secure(session, {
      cla: 0x80,
      ins: 0xf2,
      p1: 0x80,
      p2: 0,
      data: unhex("4F00"),
      le: 256,
    });
    expect(hex(old.data)).toBe(`08${hex(isdAid)}019E`);
    expect(decodePrivileges(unhex("9E"))).toContain("cardLock");
    expect(bench.say(selectOf(hex(accessApp), 0))).toBe("9000");
    const first = findTlv(parseTlv(bench.send(selectOf(hex(accessApp), 0)).data), 0x6f, 0x84)?.value;
    const next = findTlv(parseTlv(bench.send(selectOf(hex(accessApp), 2)).data), 0x6f, 0x84)?.value;
    expect([first, next].map((name) => hex(name ?? new Uint8Array(0)))).toEqual(
      [names[0], names[1]].map((n) => hex(n ?? accessApp)),
    );
  });
  test("privileges, and the application that is selected by default", () => {
    const { bench, session } = begun();
    const install = installForInstall({
      loadFile: accessPackage,
      module: accessModule,
      application: accessApp,
    });
    expect(bench.secured(session, install)).toBe("9000");
    expect(bench.secured(session, install)).toBe("6A80");
    expect(
      bench.secured(session, installRegistryUpdate({ application: accessApp, privileges: ["cardReset"] })),
    ).toBe("9000");
    expect(
      bench.secured(
        session,
        installRegistryUpdate({ application: accessApp, privileges: ["securityDomain"] }),
      ),
    ).toBe("6A80");
    expect(hex(encodePrivileges(["cardReset"]))).toBe("04");
    bench.power();
    expect(bench.say(initializeUpdate({ kvn: 0, hostChallenge: new Uint8Array(8) }))).toBe("6D00");
    expect(bench.say(selectOf(hex(isdAid)))).toBe("9000");
    bench.open({ keys: keysOf(16), level: 1 });
  });
});

describe("life cycle", () => {
  const state = (of: "isd" | "application", next: number, name = isd) =>
    setStatus({ of, state: next, aid: name });
  test("of the card: forward, locked and back, terminated for ever", () => {
    const bench = new GpBench({});
    let session = bench.open({ keys: keysOf(16), level: 1 });
    const to = (next: number) => bench.secured(session, state("isd", next));
    expect(to(CARD_STATES.locked)).toBe("6985");
    expect(to(CARD_STATES.initialized)).toBe("9000");
    expect(to(CARD_STATES.opReady)).toBe("6985");
    expect(to(CARD_STATES.secured)).toBe("9000");
    expect(to(CARD_STATES.initialized)).toBe("6985");
    expect(to(0x55)).toBe("6985");
    expect(to(CARD_STATES.locked)).toBe("9000");
    bench.power();
    expect(bench.say(selectOf(""))).toBe("6283");
    session = bench.open({ keys: keysOf(16), level: 1 });
    expect(bench.secured(session, deleteObject({ aid: accessApp }))).toBe("6985");
    expect(to(CARD_STATES.secured)).toBe("9000");
    expect(to(CARD_STATES.terminated)).toBe("9000");
    bench.power();
    expect(bench.say(selectOf(""))).toBe("6985");
    expect(bench.say(initializeUpdate({ kvn: 0, hostChallenge: new Uint8Array(8) }))).toBe("6985");
    expect(bench.say(getCardData(0x9f7f))).toBe("9000");
    expect(bench.say(getCardData(0xe0))).toBe("6985");
  });
  test("a terminated card tells what it is by its security domain, also when another application was selected by default", () => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 1 });
    const of = { loadFile: accessPackage, module: accessModule, application: accessApp };
    const open = Uint8Array.of(0x01, 0x01, 0x02, 0xca, 0xfe);
    for (const command of [
      installForInstall({ ...of, privileges: ["cardReset"] }),
      installForPersonalization(accessApp),
      { cla: 0x80, ins: 0xe2, p1: 0x88, p2: 0x00, data: open },
    ])
      expect(bench.secured(session, command)).toBe("9000");
    bench.power();
    const read: Command = { cla: 0x00, ins: 0xca, p1: 0x01, p2: 0x01, le: 256 };
    expect(hex(bench.send(read).data)).toBe("CAFE");
    expect(bench.say(selectOf(hex(isdAid)))).toBe("9000");
    const again = bench.open({ keys: keysOf(16), level: 1 });
    expect(bench.secured(again, state("isd", CARD_STATES.terminated))).toBe("9000");
    bench.power();
    expect(bench.say(read)).toBe("6985");
    expect(bench.say(getCardData(0x9f7f))).toBe("9000");
  });
  test("of an application: its own states, locked and unlocked to what it was", () => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 1 });
    const install = installForInstall({
      loadFile: accessPackage,
      module: accessModule,
      application: accessApp,
    });
    expect(bench.secured(session, install)).toBe("9000");
    const to = (next: number) => bench.secured(session, state("application", next, accessApp));
    expect(to(0x0f)).toBe("9000");
    expect(to(0x03)).toBe("6985");
    expect(to(0x80)).toBe("9000");
    expect(bench.say(selectOf(hex(accessApp)))).toBe("6A82");
    const again = bench.open({ keys: keysOf(16), level: 1 });
    expect(bench.secured(again, state("application", 0x0f, accessApp))).toBe("9000");
    expect(bench.secured(again, state("application", 0x07, isd))).toBe("6A88");
    expect(bench.say(selectOf(hex(accessApp)))).toBe("9000");
  });
});

describe("the access applet", () => {
  const key = new Uint8Array(16).fill(0x4b);
  const kcv = nodeCrypto.aes(key).encrypt(new Uint8Array(16).fill(1)).slice(0, 3);
  const personalized = (over: readonly NewDgi[] = []) => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    const install = installForInstall({
      loadFile: accessPackage,
      module: accessModule,
      application: accessApp,
    });
    expect(bench.secured(session, install)).toBe("9000");
    expect(bench.secured(session, installForPersonalization(accessApp))).toBe("9000");
    const dek = { encrypt: (data: Uint8Array) => session.encryptWithDek(data), block: 16 as const };
    const groupings: NewDgi[] = [
      { id: 0x0101, value: new Uint8Array(300).fill(0x41) },
      { id: 0x0201, value: unhex("5157") },
      { id: 0x0301, value: unhex("99") },
      { id: 0x9001, value: kcv },
      { id: 0x8101, value: key, secret: "whole-blocks" },
      ...over,
    ];
    const answers = storeDgis(groupings, { dek }).map((command) => bench.secured(session, command));
    return { bench, answers };
  };
  const get = (p1: number, p2: number): Command => ({ cla: 0, ins: 0xca, p1, p2, le: 256 });
  test("who may read what, and a gate that proves itself", () => {
    const { bench, answers } = personalized();
    expect(new Set(answers)).toEqual(new Set(["9000"]));
    bench.power();
    expect(bench.say(selectOf(hex(accessApp)))).toBe("9000");
    expect(bench.send(get(2, 1)).sw).toBe(0x6982);
    expect(bench.say(get(3, 1))).toBe("6982");
    expect(bench.say(get(0x81, 1))).toBe("6A88");
    const aesKey = nodeCrypto.aes(key);
    const challenge = unhex("00112233445566778899AABBCCDDEEFF");
    const internal = bench.send({ cla: 0, ins: 0x88, p1: 0, p2: 1, data: challenge, le: 256 });
    expect(hex(internal.data)).toBe(hex(cmac(aesKey, concat(Uint8Array.of(1), gpNumber, challenge))));
    const rc = bench.send({ cla: 0, ins: 0x84, p1: 0, p2: 0, le: 16 }).data;
    const rh = new Uint8Array(16).fill(9);
    const proof = cmac(aesKey, concat(Uint8Array.of(3), gpNumber, rc, rh));
    const mutual = { cla: 0, ins: 0x82, p1: 0, p2: 1, data: concat(rh, proof), le: 256 };
    const answer = bench.send(mutual);
    expect(hex(answer.data)).toBe(hex(cmac(aesKey, concat(Uint8Array.of(4), gpNumber, rh, rc))));
    expect(hex(bench.send(get(2, 1)).data)).toBe("5157");
    expect(bench.say(mutual)).toBe("6985");
    bench.power();
    bench.send(selectOf(hex(accessApp)));
    expect(bench.say(get(2, 1))).toBe("6982");
    bench.send({ cla: 0, ins: 0x84, p1: 0, p2: 0, le: 16 });
    expect(bench.say(mutual)).toBe("63CE");
  });
  test("a key whose check value differs, or that came in clear: nothing of it all is kept", () => {
    const wrong = personalized([{ id: 0x8102, value: key }]);
    expect(wrong.answers.at(-1)).toBe("6A80");
    expect(wrong.bench.say(selectOf(hex(accessApp)))).toBe("9000");
    expect(wrong.bench.say(get(2, 1))).toBe("6A88");
    const other = personalized([
      { id: 0x9002, value: unhex("000000") },
      { id: 0x8102, value: key, secret: "whole-blocks" },
    ]);
    expect(other.answers.at(-1)).toBe("6A80");
    expect(personalized([{ id: 0x7777, value: unhex("00") }]).answers.at(-1)).toBe("6A80");
  });
});

describe("the access applet's PIN", () => {
  const limitAndBlock = (text: string) => unhex(`${text}80000000000000`);
  const withPin = (value: Uint8Array, secret = true) => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    const install = installForInstall({
      loadFile: accessPackage,
      module: accessModule,
      application: accessApp,
    });
    expect(bench.secured(session, install)).toBe("9000");
    expect(bench.secured(session, installForPersonalization(accessApp))).toBe("9000");
    const dek = { encrypt: (data: Uint8Array) => session.encryptWithDek(data), block: 16 as const };
    const one: NewDgi = { id: 0x8281, value, ...(secret ? { secret: "whole-blocks" as const } : {}) };
    const answers = storeDgis([one], { dek }).map((command) => bench.secured(session, command));
    return { bench, session, dek, answer: answers.at(-1) };
  };

  test.each([
    ["in clear", limitAndBlock("032512345FFFFFFFFF"), false],
    ["no try", limitAndBlock("002512345FFFFFFFFF"), true],
    ["too many tries", limitAndBlock("102512345FFFFFFFFF"), true],
    ["another format", limitAndBlock("030512345FFFFFFFFF"), true],
    ["another padding", unhex("032512345FFFFFFFFF00000000000000"), true],
    ["longer", new Uint8Array(32), true],
  ])("%s is none", (_, value, secret) => {
    const { bench, answer } = withPin(value, secret);
    expect(answer).toBe("6A80");
    bench.power();
    expect(bench.say(selectOf(hex(accessApp)))).toBe("9000");
    expect(bench.say({ cla: 0, ins: 0x20, p1: 0, p2: 0x81 })).toBe("6A88");
  });

  test("the issuer unblocks it by storing it anew; nothing of the old one stays in the memory", () => {
    const { bench, answer } = withPin(limitAndBlock("012512345FFFFFFFFF"));
    expect(answer).toBe("9000");
    bench.power();
    expect(bench.say(selectOf(hex(accessApp)))).toBe("9000");
    const verify = (block: string) => bench.say({ cla: 0, ins: 0x20, p1: 0, p2: 0x81, data: unhex(block) });
    expect(verify("2599999FFFFFFFFF")).toBe("63C0");
    expect(verify("2512345FFFFFFFFF")).toBe("6983");
    bench.power();
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    const dek = { encrypt: (data: Uint8Array) => session.encryptWithDek(data), block: 16 as const };
    expect(bench.secured(session, installForPersonalization(accessApp))).toBe("9000");
    const anew: NewDgi = {
      id: 0x8281,
      value: limitAndBlock("0226867530FFFFFFFF"),
      secret: "whole-blocks",
    };
    expect(storeDgis([anew], { dek }).map((command) => bench.secured(session, command))).toEqual(["9000"]);
    bench.power();
    expect(bench.say(selectOf(hex(accessApp)))).toBe("9000");
    expect(verify("2512345FFFFFFFFF")).toBe("63C1");
    expect(verify("26867530FFFFFFFF")).toBe("9000");
    expect(bench.say({ cla: 0, ins: 0x20, p1: 0, p2: 0x81 })).toBe("9000");
  });
});

describe("the fab", () => {
  const chipNumber = gpNumber;
  test.each([
    [{ keySets: [] }],
    [{ keySets: [{ ...aes(), kvn: 0x80 }] }],
    [{ keySets: [{ ...aes(), mac: new Uint8Array(32) }] }],
    [{ keySets: [{ ...des(), enc: new Uint8Array(24) }] }],
    [{ keySets: [aes()], i02: 0x45 }],
    [{ keySets: [aes()], i03: 0x40 }],
    [{ keySets: [aes()], isd: unhex("A0") }],
    [{ keySets: [aes()], pages: 74 }],
    [{ keySets: [aes()], chipNumber: new Uint8Array(9) }],
  ])("refuses %#", (wrong) => {
    expect(() => fabricateGlobalPlatform({ chipNumber, ...wrong })).toThrow(RangeError);
  });
  test("another ISD, another state", () => {
    const other = unhex("A0000005591010FFFFFFFF8900000100");
    const bench = new GpBench({ isd: other, life: "secured" });
    expect(bench.say(selectOf(hex(other)))).toBe("9000");
    const session = bench.open({ keys: keysOf(16), level: 0x33, aid: other });
    expect(session.challengeChecked).toBe(true);
    const listed = bench.secure(session, {
      cla: 0x80,
      ins: 0xf2,
      p1: 0x80,
      p2: 2,
      data: unhex("4F00"),
      le: 256,
    });
    expect(equal(findTlv(parseTlv(listed.data), 0xe3, 0x4f)?.value ?? isdAid, other)).toBe(true);
  });
});
