import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../../node/index.js";
import {
  accessApp,
  accessModule,
  accessPackage,
  GpBench,
  installAccess,
  isdAid,
  keysOf,
  selectOf,
  type Session,
} from "../../../tools/gp-bench.js";
import type { Command } from "../../apdu/index.js";
import { aid, concat, hex, unhex } from "../../bytes/index.js";
import {
  decodePrivileges,
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
  loadBlocks,
  type NewDgi,
  openChannel,
  parseCardResources,
  readRegistry,
  storeDgis,
} from "../../globalplatform/index.js";
import { findTlv, parseTlv } from "../../tlv/index.js";

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
    expect(bench.secured(session, installAccess)).toBe("9000");
    expect(bench.secured(session, installAccess)).toBe("6A80");
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
