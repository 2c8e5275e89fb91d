import { describe, expect, test } from "vitest";
import {
  accessApp,
  accessModule,
  accessPackage,
  GpBench,
  installAccess,
  isdAid,
  keysOf,
  selectOf,
} from "../../../tools/gp-bench.js";
import type { Command } from "../../apdu/index.js";
import { aid, hex } from "../../bytes/index.js";
import {
  CARD_STATES,
  deleteObject,
  getCardData,
  initializeUpdate,
  installForInstall,
  installForPersonalization,
  setStatus,
} from "../../globalplatform/index.js";

const isd = aid(isdAid);

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
    expect(hex(bench.send(getCardData(0xe0)).data)).toBe("E000");
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
    // The domain is asked, which has no such object.
    expect(bench.say(read)).toBe("6A88");
    expect(bench.say(getCardData(0x9f7f))).toBe("9000");
  });
  test("of an application: locked and unlocked to what it was; where else it goes is not the domain's to say", () => {
    const bench = new GpBench({});
    const session = bench.open({ keys: keysOf(16), level: 1 });
    expect(bench.secured(session, installAccess)).toBe("9000");
    const to = (next: number) => bench.secured(session, state("application", next, accessApp));
    for (const next of [0x0f, 0x07, 0x03]) expect(to(next)).toBe("6985");
    expect(to(0x80)).toBe("9000");
    expect(to(0x80)).toBe("6985");
    expect(bench.say(selectOf(hex(accessApp)))).toBe("6A82");
    const again = bench.open({ keys: keysOf(16), level: 1 });
    expect(bench.secured(again, state("application", 0x0f, accessApp))).toBe("9000");
    expect(bench.secured(again, state("application", 0x07, isd))).toBe("6A88");
    expect(bench.say(selectOf(hex(accessApp)))).toBe("9000");
  });
});
